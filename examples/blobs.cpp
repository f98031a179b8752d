// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Four clouds of points, four classes: a score for each, cross entropy to train with, and softmax when probabilities are wanted.

#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "blobs", "Four clouds of points told apart; the probabilities of each class.", {.epochs = 10});
    examples::Page page(options, "Blobs");

    const auto [x, y] = data::make_blobs(200, {.centers = 4, .cluster_std = 0.15, .center_box = {-1.2, 1.2}, .random_state = 12345});
    const data::DataLoader loader(data::TensorDataset(x, y), {.batch_size = 50, .shuffle = true});

    // The tutorial is one long script: four regressions and a classification have drawn 289 random numbers before this. Without this
    // line the network starts elsewhere; a few starts end where two classes share a region, as seed 0 itself.
    rand<float, Cpu>({289});

    nn::Sequential<> net{nn::Linear<>(2, 5), nn::ReLU(), nn::Linear<>(5, 4)};
    page.print("Network", message(net.to_string(), "\n", net.num_parameters(), " parameters"));
    optim::Adam adam(net.parameters(), {.lr = 0.2});
    train::History history;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        double sum = 0;
        for (const auto& [points, classes] : loader.to<DefaultDevice>()) {
            adam.zero_grad();
            const Tensor<> loss = nn::cross_entropy(net(points), classes);
            loss.backward();
            adam.step();
            sum += loss.item();
        }
        history.add({{"loss", sum / static_cast<double>(loader.size())}});
        page.log("epoch %2d: loss %.5f\n", static_cast<int>(epoch), history["loss"].back());
    }

    NoGrad guard;
    const double accuracy = (net(x.to<DefaultDevice>()).argmax(1).to<Cpu>() == y).to<double>().mean().item();
    const Tensor<> corners = tensor({{-1, -1}, {1, 1}, {0, 0}});
    const Tensor<> probability = softmax(net(corners), 1);
    const auto found = probability.argmax(1).tolist();
    std::vector<std::vector<std::string>> rows;
    for (std::int64_t i = 0; i < corners.size(0); ++i) {
        rows.push_back({examples::format("(%g, %g)", corners(i, 0).item(), corners(i, 1).item())});
        for (const float p : probability[i].tolist()) rows.back().push_back(examples::format("%.4f", p));
        rows.back().push_back(message(found[static_cast<std::size_t>(i)]));
    }
    page.table("Softmax of the scores: the probabilities of the four classes at three places.",
               {"point", "p(0)", "p(1)", "p(2)", "p(3)", "class"}, rows);

    if (options.plots) {
        const std::vector<std::string> names = {"class 0", "class 1", "class 2", "class 3"};
        viz::Figure figure(
            {.title = "Four classes, and the regions that were learned", .x_label = "x₁", .y_label = "x₂", .equal_axes = true});
        figure.regions(net, x, {.resolution = 400, .boundary = true}).scatter(x, y, names);
        page.picture(figure, "blobs_regions.png", "The 200 points and the class that the network gives to each place.",
                     "Four clouds of points, each within a region of its own colour; the borders are straight lines with a few bends.");
        viz::Figure losses({.title = "Cross entropy", .x_label = "epoch", .y_label = "loss"});
        page.picture(losses.line(history["loss"]), "blobs_loss.png", "Mean loss of each epoch.",
                     "A curve that falls from above 1 to almost 0 within five epochs.");
    }
    examples::Result()
        .add("first_loss", history["loss"].front(), 5)
        .called("loss of the first epoch")
        .add("loss", history["loss"].back(), 5)
        .called("loss of the last epoch")
        .add("accuracy", accuracy)
        .add("class_at_minus_one", found[0])
        .called("class at (-1, -1)")
        .add("class_at_one", found[1])
        .called("class at (1, 1)")
        .print(page);
}
