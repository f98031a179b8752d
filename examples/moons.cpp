// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Two moons told apart by a network of nine parameters, in double precision, with early stopping.

#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>
#include <optional>

#include "examples/common/page.hpp"
using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Linear<double> hidden{2, 2}, output{2, 1};

    Tensor<double> forward(const Tensor<double>& x) { return sigmoid(output(bent_identity(hidden(x)))); }
};

// The share of points on the right side of 0.5.
double accuracy(const Tensor<double>& probability, const Tensor<double>& target) {
    return ((probability > 0.5) == (target > 0.5)).to<double>().mean().item();
}

int main(int argc, char** argv) {
    const examples::Options options = examples::parse(argc, argv, "moons", "Two moons told apart by a network of nine parameters.",
                                                      {.seed = 1, .epochs = 1000}, {.live = true});
    examples::Page page(options, "Two moons");

    // 640 points to train with, 160 to tell when to stop, 200 to test with. The network's output is [n, 1], so the targets are, too.
    const auto [points, moon] = data::make_moons<double>(1000, {.noise = 0.3, .random_state = options.seed});
    const auto x = points.to<DefaultDevice>(), target = moon.to<double>().unsqueeze(1).to<DefaultDevice>();
    const auto [x_rest, x_test, y_rest, y_test] = data::train_test_split(x, target, {.test_size = 0.2, .random_state = 42});
    const auto [x_train, x_valid, y_train, y_valid] = data::train_test_split(x_rest, y_rest, {.test_size = 0.2, .random_state = 42});

    Net net;
    page.print("The network", net.to_string());
    optim::Adam adam(net.parameters(), {.lr = 0.01});

    train::EarlyStopping<Net> stopping({.patience = 15});  // keeps a copy of the best network
    train::History history;
    std::optional<viz::LivePlot> live;
    if (options.live) live.emplace(options.file("moons_live.png"));
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        adam.zero_grad();
        const auto loss = nn::binary_cross_entropy(net(x_train), y_train);
        loss.backward();
        adam.step();

        NoGrad guard;
        const double valid_loss = nn::binary_cross_entropy(net(x_valid), y_valid).item();
        history.add({{"loss", loss.item()}, {"val_loss", valid_loss}});
        if (live) live->update(history);
        if (epoch % 10 == 0) {
            page.log("epoch %lld: loss %.4f, validation %.4f\n", static_cast<long long>(epoch), loss.item(), valid_loss);
            for (const auto& [name, parameter] : net.named_parameters()) {
                page.log("  %-13s", name.c_str());
                for (const double value : parameter.tolist()) page.log(" %7.4f", value);
                page.log("\n");
            }
        }
        if (stopping.update(net, valid_loss)) break;
    }
    stopping.restore(net);

    NoGrad guard;
    const auto probability = net(x_test);
    if (options.plots) {
        const std::vector<std::string> moons = {"upper moon", "lower moon"};
        viz::Figure data({.title = "Two moons", .equal_axes = true});
        page.picture(data.scatter(points, moon, moons), "moons_data.png", "The 1,000 points: two half circles, with noise.",
                     "Two crescents of points, one opening down, one up, whose ends reach into one another.");

        page.picture(viz::learning_curves(history, {.title = "Binary cross entropy"}), "moons_loss.png",
                     message("Loss after each epoch. The network of epoch ", stopping.best_epoch() + 1,
                             ", the best on the validation points, is kept."),
                     "Two curves, of training and validation, that fall steeply at first and then level out together.");

        const auto truth = y_test.squeeze(1).to<std::int64_t>(), found = (probability.squeeze(1) > 0.5).to<std::int64_t>();
        viz::Figure predictions({.title = "True and predicted: the points kept for the test", .equal_axes = true});
        predictions.scatter(x_test, 2 * truth + found,
                            {"upper, right", "upper, taken for lower", "lower, taken for upper", "lower, right"});
        page.picture(predictions, "moons_predictions.png", "The 200 points kept for the test, by true and predicted moon.",
                     "The points of both moons in four colours and marks; those taken for the other moon lie where the two meet.");

        viz::Figure regions({.title = "What the network has learned", .equal_axes = true});
        page.picture(regions.regions(net, x_test).scatter(x_test, truth, moons), "moons_regions.png",
                     "Two hidden units bend one line: on either side of it, what the network takes points for.",
                     "The plane in two colours, with the test points over it; the border passes between the two moons.")
            .main_picture();
        page.picture(viz::graph(net, {2}), "moons_graph.svg", "The network: what flows through it, and its shapes.",
                     "Boxes from top to bottom: input, hidden layer, bent_identity, output layer, sigmoid, output.");
    }
    examples::Result()
        .add("epochs", static_cast<std::int64_t>(history.size()))
        .called("epochs until it stopped")
        .add("best_epoch", static_cast<std::int64_t>(stopping.best_epoch() + 1))
        .add("validation_loss", stopping.best_value())
        .add("test_accuracy", accuracy(probability, y_test))
        .called("share of test points found")
        .print(page);
}
