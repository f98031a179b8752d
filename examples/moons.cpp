// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Two moons told apart by a network of nine parameters, in double precision, with early stopping.

#include <cstdio>
#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/cli.hpp"
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
    const examples::Options options =
        examples::parse(argc, argv, "moons", "Two moons told apart by a network of nine parameters.", {.seed = 1, .epochs = 1000});

    // 640 points to train with, 160 to tell when to stop, 200 to test with. The network's output is [n, 1], so the targets are, too.
    const auto [x, y] = data::make_moons<double>(1000, {.noise = 0.3, .random_state = options.seed});
    const auto target = y.to<double>().unsqueeze(1);
    const auto [x_rest, x_test, y_rest, y_test] = data::train_test_split(x, target, {.test_size = 0.2, .random_state = 42});
    const auto [x_train, x_valid, y_train, y_valid] = data::train_test_split(x_rest, y_rest, {.test_size = 0.2, .random_state = 42});

    Net net;
    std::printf("%s\n", net.to_string().c_str());
    optim::Adam adam(net.parameters(), {.lr = 0.01});

    train::EarlyStopping<Net> stopping({.patience = 15});  // keeps a copy of the best network
    train::History history;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        adam.zero_grad();
        const auto loss = nn::binary_cross_entropy(net(x_train), y_train);
        loss.backward();
        adam.step();

        NoGrad guard;
        const double valid_loss = nn::binary_cross_entropy(net(x_valid), y_valid).item();
        history.add({{"train", loss.item()}, {"validation", valid_loss}});
        if (epoch % 10 == 0) {
            std::printf("epoch %lld: loss %.4f, validation %.4f\n", static_cast<long long>(epoch), loss.item(), valid_loss);
            for (const auto& [name, parameter] : net.named_parameters()) {
                std::printf("  %-13s", name.c_str());
                for (const double value : parameter.tolist()) std::printf(" %7.4f", value);
                std::printf("\n");
            }
        }
        if (stopping.update(net, valid_loss)) break;
    }
    stopping.restore(net);

    NoGrad guard;
    const auto probability = net(x_test);
    if (options.plots) {
        const std::vector<std::string> moons = {"upper moon", "lower moon"};
        viz::Figure points({.title = "Two moons", .equal_axes = true});
        points.scatter(x, y, moons).save(options.file("moons_data.png"));

        viz::Figure losses({.title = "Binary cross entropy", .x_label = "epoch", .y_label = "loss"});
        losses.line(history["train"], "training").line(history["validation"], "validation").save(options.file("moons_loss.png"));

        const auto truth = y_test.squeeze(1).to<std::int64_t>(), found = (probability.squeeze(1) > 0.5).to<std::int64_t>();
        viz::Figure predictions({.title = "True and predicted: the points kept for the test", .equal_axes = true});
        predictions.scatter(x_test, 2 * truth + found, {"upper, right", "upper, taken for lower", "lower, taken for upper", "lower, right"})
            .save(options.file("moons_predictions.png"));

        viz::Figure regions({.title = "What the network has learned", .equal_axes = true});
        regions.regions(net, x_test).scatter(x_test, truth, moons).save(options.file("moons_regions.png"));
    }
    examples::Result()
        .add("epochs", static_cast<std::int64_t>(history.size()))
        .add("best_epoch", static_cast<std::int64_t>(stopping.best_epoch() + 1))
        .add("validation_loss", stopping.best_value())
        .add("test_accuracy", accuracy(probability, y_test))
        .print();
}
