// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// A circle within a circle, told apart twice: by a training loop that does the optimiser's work by hand, and by one that leaves it to
// Adam and takes the loss of raw scores (logits).

#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

const std::vector<std::string> circles = {"outer circle", "inner circle"};
const std::vector<std::pair<std::string, std::string>> loss_label = {{"loss", "binary cross entropy"}};

// --- by hand --------------------------------------------------------------------------------------------------------------

struct TanhNet : nn::Module<TanhNet> {
    nn::Linear<> hidden{2, 2}, output{2, 1};

    Tensor<> forward(const Tensor<>& x) { return sigmoid(output(tanh(hidden(x)))); }
};

void by_hand(const examples::Options& options, examples::Page& page, examples::Result& result) {
    page.heading("By hand");
    const auto [x, y] = data::make_circles(500, {.noise = 0.1, .random_state = options.seed, .factor = 0.3});
    const auto target = y.to<float>().unsqueeze(1);  // [500, 1], as the network's output
    const data::DataLoader loader(data::TensorDataset(x, target), {.batch_size = 5});

    TanhNet net;
    page.print("The network", message(net.to_string(), "\n", net.num_parameters(), " parameters"));
    train::History history;
    const float rate = 0.1f;
    const std::int64_t epochs = options.epochs > 0 ? options.epochs : 50;
    for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) {
        double sum = 0;
        for (const auto& [points, targets] : loader.to<DefaultDevice>()) {
            const Tensor<> loss = nn::binary_cross_entropy(net(points), targets);
            loss.backward();
            sum += loss.item();

            NoGrad guard;  // the update itself is no part of what is differentiated
            for (auto& parameter : net.parameters()) {
                parameter -= rate * parameter.grad();
                parameter.zero_grad();
            }
        }
        history.add({{"loss", sum / static_cast<double>(loader.size())}});
        if (epoch % 10 == 0) page.log("by hand: epoch %2d, loss %.4f\n", static_cast<int>(epoch), history["loss"].back());
    }

    NoGrad guard;
    const auto found = net(x.to<DefaultDevice>()).to<Cpu>() > 0.5;
    const double accuracy = (found == (target > 0.5)).to<double>().mean().item();
    result.add("hand_accuracy", accuracy).called("by hand: share of points on the right side");
    if (!options.plots) return;
    viz::Figure regions({.title = "Two hidden units, trained by hand", .x_label = "x₁", .y_label = "x₂", .equal_axes = true});
    page.picture(regions.regions(net, x).scatter(x, y, circles), "circles_hand.png",
                 "Two hidden units bend two lines. A closed curve around the inner circle takes three.",
                 "The plane in two colours, with the points of both circles over it. The region of the inner circle is open on one side, "
                 "and there it takes in points of the outer one.");
    page.picture(viz::learning_curves(history, {.title = "By hand", .mark_best = false, .labels = loss_label}), "circles_hand_loss.png",
                 "Mean loss of each epoch.", "A curve that falls from about 0.7 and levels out.");
}

// --- with logits ----------------------------------------------------------------------------------------------------------

void with_logits(const examples::Options& options, examples::Page& page, examples::Result& result) {
    page.heading("With logits");
    const auto [x, y] = data::make_circles(300, {.noise = 0.1, .random_state = 2020, .factor = 0.5});
    const data::DataLoader loader(data::TensorDataset(x, y.to<float>().unsqueeze(1)), {.batch_size = 50, .shuffle = true});

    // The tutorial is one long script: four regressions have drawn 188 random numbers before this. Without this line the network starts
    // elsewhere; a start from which the circles are not told apart is among the possible ones.
    rand<float, Cpu>({188});

    // Braces make C++ build the layers from left to right, so that they draw their first weights in the order in which PyTorch would.
    nn::Sequential<> net{nn::Linear<>(2, 5), nn::ReLU(), nn::Linear<>(5, 1)};
    page.print("The network", message(net.to_string(), "\n", net.num_parameters(), " parameters"));
    optim::Adam adam(net.parameters(), {.lr = 0.1});
    train::History history;
    const std::int64_t epochs = options.epochs > 0 ? options.epochs : 20;
    double mean_loss = 0;
    for (std::int64_t epoch = 1; epoch <= epochs; ++epoch) {
        double sum = 0;
        for (const auto& [points, targets] : loader.to<DefaultDevice>()) {
            adam.zero_grad();
            const Tensor<> loss = nn::binary_cross_entropy_with_logits(net(points), targets);
            loss.backward();
            adam.step();
            sum += loss.item();
        }
        mean_loss = sum / static_cast<double>(loader.size());
        history.add({{"loss", mean_loss}});
        page.log("with logits: epoch %2d, loss %.4f\n", static_cast<int>(epoch), mean_loss);
    }

    NoGrad guard;
    const Tensor<> p = sigmoid(net(tensor({{0, 0}, {-1, -1}})));  // the network's scores become probabilities only here
    page.log("with logits: p(0, 0) = %.4f, p(-1, -1) = %.4f\n", p[0].item(), p[1].item());
    result.add("logits_loss", mean_loss)
        .called("with logits: loss of the last epoch")
        .add("p_inside", p[0].item())
        .called("with logits: p at (0, 0)")
        .add("p_outside", p[1].item())
        .called("with logits: p at (−1, −1)");
    if (!options.plots) return;
    viz::Figure regions({.title = "Five hidden units, trained by Adam", .x_label = "x₁", .y_label = "x₂", .equal_axes = true});
    regions.regions([&](const Tensor<>& points) { return sigmoid(net(points)); }, x).scatter(x, y, circles);
    page.picture(regions, "circles_logits.png", "Five hidden units: a polygon around the inner circle.",
                 "The plane in two colours, with the points of both circles over it; the border is a polygon between the two.")
        .main_picture();
    page.picture(viz::learning_curves(history, {.title = "With logits", .mark_best = false, .labels = loss_label}),
                 "circles_logits_loss.png", "Mean loss of each epoch.", "A curve that falls from about 0.67 to below 0.2.");
}

int main(int argc, char** argv) {
    std::string variant = "both";
    const examples::Options options =
        examples::parse(argc, argv, "circles", "A circle within a circle: an update by hand, and a loss of logits.", {},
                        {.choices = {{"--variant", "Which of the two to train", {"hand", "logits", "both"}, &variant}}});

    examples::Page page(options, "Circles");
    examples::Result result;
    if (variant != "logits") by_hand(options, page, result);
    manual_seed(options.seed);  // so that the second finds the same with or without the first
    if (variant != "hand") with_logits(options, page, result);
    result.print(page);
}
