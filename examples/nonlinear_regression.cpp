// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// A curve learned from points: a network with three hidden nodes, and a deeper one with five and three. Each hidden node computes a
// feature, a smooth step somewhere along x; the output is a weighted sum of these.

#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

struct Shallow : nn::Module<Shallow> {
    nn::Linear<> hidden{1, 3}, output{3, 1};

    Tensor<> features(const Tensor<>& x) { return sigmoid(hidden(x)); }
    Tensor<> forward(const Tensor<>& x) { return output(features(x)); }
};

struct Deep : nn::Module<Deep> {
    nn::Linear<> first{1, 5}, second{5, 3}, output{3, 1};

    Tensor<> features(const Tensor<>& x) { return sigmoid(second(sigmoid(first(x)))); }
    Tensor<> forward(const Tensor<>& x) { return output(features(x)); }
};

// The losses of all epochs, each the mean over its batches.
std::vector<double> learn(auto& net, const Tensor<>& x, const Tensor<>& y, std::int64_t epochs, examples::Page& page) {
    page.print("Network", message(net.to_string(), "\n", net.num_parameters(), " parameters"));
    const data::DataLoader loader(data::TensorDataset(x, y), {.batch_size = 50, .shuffle = true});
    optim::SGD sgd(net.parameters(), {.lr = 0.3});
    std::vector<double> losses;
    for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) {
        double sum = 0;
        for (const auto& [batch, truth] : loader) {
            sgd.zero_grad();
            const Tensor<> loss = nn::mse_loss(net(batch), truth);
            loss.backward();
            sgd.step();
            sum += loss.item();
        }
        losses.push_back(sum / static_cast<double>(loader.size()));
        page.log("epoch %2d: loss %.4f\n", static_cast<int>(epoch), losses.back());
    }
    return losses;
}

// What the hidden nodes say along x, each times its weight in the output: with the output's bias, they add up to the curve.
viz::Figure features_of(auto& net, const Tensor<>& x, const std::string& title) {
    using headtorch::all;  // CUDA has a function of that name
    viz::Figure figure({.title = title, .x_label = "x", .y_label = "feature times its output weight"});
    const Tensor<> shares = net.features(x) * net.output.weight;  // [n, 3] * [1, 3]
    for (std::int64_t node = 0; node < shares.size(1); ++node) figure.line(x, shares(all, node), message("node ", node + 1));
    return figure;
}

int main(int argc, char** argv) {
    const examples::Options options = examples::parse(argc, argv, "nonlinear_regression",
                                                      "A curve learned by three hidden nodes, and by two hidden layers: x² + 15 sin³ x.");
    examples::Page page(options, "Non-linear regression");
    page.setting("--epochs", options.epochs > 0 ? message(options.epochs) : "5, and 20 for the deep network");

    data::RandomState random(2020);
    const Tensor<double> points = sort(random.randn(500)).values.to<DefaultDevice>();  // few enough to lie where the networks are
    const Tensor<> x = points.to<float>().unsqueeze(1), y = (points.square() + 15 * points.sin().pow(3)).to<float>().unsqueeze(1);

    // The tutorial is one long script: its linear regressions have drawn 46 random numbers before this. Without this line the networks
    // start elsewhere, and learn as well.
    rand<float, Cpu>({46});

    Shallow shallow;
    const std::vector<double> losses = learn(shallow, x, y, options.epochs > 0 ? options.epochs : 5, page);
    Deep deep;
    const std::vector<double> deep_losses = learn(deep, x, y, options.epochs > 0 ? options.epochs : 20, page);

    NoGrad guard;
    const double loss = nn::mse_loss(shallow(x), y).item(), deep_loss = nn::mse_loss(deep(x), y).item();
    page.log("all points: loss %.4f, deep network %.4f\n", loss, deep_loss);
    if (options.plots) {
        viz::Figure fit({.title = "A curve and what was learned of it", .x_label = "x", .y_label = "y"});
        const auto list = [](const Tensor<>& values) { return values.to<double>().tolist(); };
        fit.scatter(cat({x, y}, 1), "500 points");
        fit.line(list(x), list(shallow(x)), "1-3-1", {.width = 4});
        fit.line(list(x), list(deep(x)), "1-5-3-1", {.kind = 6, .dash = viz::Dash::dashed, .width = 4});
        page.picture(
            fit, "nonlinear_regression.png",
            "The points, and the curves of the two networks after training. Both follow the points where these are many; at the ends, "
            "where they are few, the sums of smooth steps run level.",
            "A curve of points that falls, rises in two steps and falls again; two lines follow its rise and stay level at the ends.");
        const viz::Panels features(
            {features_of(shallow, x, "1-3-1"), features_of(deep, x, "1-5-3-1")},
            {.title = "The features of the last hidden nodes", .columns = 2, .panel_width = 560, .panel_height = 480});
        page.picture(
            features, "nonlinear_regression_features.png",
            "Each hidden node of the small network is a smooth step; their sum and a constant make the curve. A node of the second "
            "hidden layer is a step of a sum of five steps, and need not be a symmetric one.",
            "Two panels with three curves each, all shaped like an S, at different places and of different heights.");
        viz::Figure curves({.title = "Mean squared error", .x_label = "epoch", .y_label = "loss", .log_y = true});
        page.picture(curves.line(losses, "1-3-1").line(deep_losses, "1-5-3-1"), "nonlinear_regression_loss.png", "Loss of each epoch.",
                     "Two falling curves, one of 5 epochs and one of 20.");
    }
    examples::Result()
        .add("first_loss", losses.front())
        .called("1-3-1: loss of the first epoch")
        .add("loss", losses.back())
        .called("1-3-1: loss of the last epoch")
        .add("deep_first_loss", deep_losses.front())
        .called("1-5-3-1: loss of the first epoch")
        .add("deep_loss", deep_losses.back())
        .called("1-5-3-1: loss of the last epoch")
        .print(page);
}
