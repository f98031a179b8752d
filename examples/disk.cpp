// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Points in a square: inside a disk of half the square's area, or outside. Two classes with a score each, log_softmax and nll_loss.

#include <cmath>
#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>
#include <numbers>
#include <optional>

#include "examples/common/page.hpp"
using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{2, 64}, fc2{64, 64}, fc3{64, 2};

    Tensor<> forward(Tensor<> x) {
        x = relu(fc1(x));
        x = relu(fc2(x));
        return log_softmax(fc3(x), 1);
    }
};

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "disk", "Points inside and outside a disk told apart by a network of 4,482 parameters.",
                        {.epochs = 300}, {.live = true});
    examples::Page page(options, "Disk");

    // 3,000 points in [-1, 1) x [-1, 1); the square has area 4, the disk 2.
    const Tensor<> x = empty<float, Cpu>({3000, 2}).uniform_(-1, 1).to<DefaultDevice>();  // few enough to lie where the network is
    const double radius = std::sqrt(2 / std::numbers::pi);
    const auto inside = (x.square().sum({1}) < radius * radius).to<std::int64_t>();
    const data::DataLoader loader(data::TensorDataset(x, inside), {.batch_size = 32, .shuffle = true});

    Net net;
    page.print("Network", message(net.to_string(), "\n", net.num_parameters(), " parameters"));
    optim::SGD sgd(net.parameters(), {.lr = 1e-3});
    const auto share_right = [&] {
        NoGrad guard;
        return (net(x).argmax(1) == inside).to<double>().mean().item();
    };

    train::History history;
    std::optional<viz::LivePlot> live;
    if (options.live) live.emplace(options.file("disk_live.png"));
    double loss_of_epoch = 0;
    for (std::int64_t epoch = 0; epoch <= options.epochs; ++epoch) {  // one more than 300, as in the tutorial
        double sum = 0;
        for (const auto& [points, labels] : loader) {
            sgd.zero_grad();
            const Tensor<> loss = nn::nll_loss(net(points), labels);
            loss.backward();
            sgd.step();
            sum += loss.item();
        }
        loss_of_epoch = sum / static_cast<double>(loader.size());
        history.add({{"loss", loss_of_epoch}, {"accuracy", share_right()}});
        if (live) live->update(history);
        if (epoch % 10 == 0)
            page.log("epoch %3d: loss %.5f, accuracy %.4f\n", static_cast<int>(epoch), loss_of_epoch, history["accuracy"].back());
    }

    if (options.plots) {
        viz::Figure regions({.title = "Inside or outside the disk", .x_label = "x₁", .y_label = "x₂", .equal_axes = true});
        regions.regions(net, x, {.resolution = 400}).scatter(x.narrow(0, 0, 600), inside.narrow(0, 0, 600), {"outside", "inside"});
        std::vector<double> circle_x, circle_y;
        for (int i = 0; i <= 200; ++i) {
            const double angle = 2 * std::numbers::pi * i / 200;
            circle_x.push_back(radius * std::cos(angle));
            circle_y.push_back(radius * std::sin(angle));
        }
        regions.line(circle_x, circle_y, "true border", {.kind = 6, .dash = viz::Dash::dashed});
        page.picture(regions, "disk_regions.png", "What the network says of the plane, the first 600 of the points, and the true border.",
                     "A round region in the middle of a square, filled with the points of one class; the border that was learned is "
                     "close to the true circle.");
        const std::vector<double> epochs = arange<double>(0, options.epochs + 1).tolist();
        viz::Figure losses({.x_label = "epoch", .y_label = "negative log-likelihood"});
        viz::Figure accuracies({.x_label = "epoch", .y_label = "share of points on the right side"});
        const viz::Panels curves({losses.line(epochs, history["loss"]), accuracies.line(epochs, history["accuracy"])},
                                 {.title = "Training", .columns = 2, .panel_width = 560, .panel_height = 440});
        page.picture(curves, "disk_training.png", "Mean loss of each epoch, and accuracy after it.",
                     "A curve that falls from 0.7, slowly at first, then faster, to below 0.2, and one that rises from 0.6 to almost 1.");
    }
    const auto accuracy_at = [&](std::size_t epoch) { return history["accuracy"][std::min(epoch, history.size() - 1)]; };
    examples::Result()
        .add("accuracy_0", accuracy_at(0))
        .called("accuracy after epoch 0")
        .add("accuracy_100", accuracy_at(100))
        .called("accuracy after epoch 100")
        .add("accuracy_200", accuracy_at(200))
        .called("accuracy after epoch 200")
        .add("accuracy", history["accuracy"].back())
        .called("accuracy at the end")
        .add("loss", loss_of_epoch, 5)
        .called("loss of the last epoch")
        .print(page);
}
