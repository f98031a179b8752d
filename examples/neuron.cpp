// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// One neuron, step by step: it computes AND with weights set by hand, then finds such weights by itself. After that, the two functions
// that a network with several outputs ends in: softmax makes probabilities of its scores, and cross entropy says how wrong they are.

#include <headtorch/headtorch.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

// "0.836 0.113 0.051"
std::string numbers(const Tensor<double>& x, int digits) {
    std::string text;
    for (const double value : x.tolist()) text += examples::format("%s%.*f", text.empty() ? "" : " ", digits, value);
    return text;
}

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "neuron", "One neuron computes AND; softmax and cross entropy, number by number.", {.epochs = 500});
    examples::Page page(options, "One neuron");

    // --- AND by hand: the weighted sum of the inputs, and a threshold ------------------------------------------------------------
    const Tensor<> inputs = tensor({{0, 0}, {0, 1}, {1, 0}, {1, 1}}), target = tensor({{0}, {0}, {0}, {1}});
    const Tensor<> weight = tensor({{1}, {1}});
    const float bias = -1.5f;
    const Tensor<> sums = matmul(inputs, weight) + bias;  // [4, 2] x [2, 1]: one sum for each row
    const Tensor<bool> fires = sums > 0;

    // --- AND learned: the threshold becomes a sigmoid, which has a slope to follow ------------------------------------------------
    nn::Sequential<> neuron{nn::Linear<>(2, 1), nn::Sigmoid()};
    optim::SGD sgd(neuron.parameters(), {.lr = 1});
    double loss = 0;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        sgd.zero_grad();
        const Tensor<> error = nn::binary_cross_entropy(neuron(inputs), target);
        error.backward();
        sgd.step();
        loss = error.item();
        if (epoch == 1 || epoch % 100 == 0) page.log("epoch %3d: loss %.5f\n", static_cast<int>(epoch), loss);
    }
    NoGrad guard;
    const Tensor<> learned = neuron(inputs);

    std::vector<std::vector<std::string>> rows;
    for (std::int64_t i = 0; i < 4; ++i)
        rows.push_back({message(inputs(i, 0).item()), message(inputs(i, 1).item()), examples::format("%.1f", sums[i].item()),
                        fires[i].item() ? "1" : "0", examples::format("%.4f", learned[i].item())});
    page.table("a AND b: the sum a + b - 1.5, which is positive for one row alone, and what the neuron learned by itself.",
               {"a", "b", "sum", "sum > 0", "learned"}, rows);

    // --- softmax: e^x, divided by the sum of all e^x; in double, to see eight digits --------------------------------------------------
    const auto scores = tensor<double>({0.3, -16.2, 5.3, 0.7}), three = tensor<double>({3.0, 1.0, 0.2});
    page.table("Softmax: scores become probabilities, which are positive and have the sum 1.", {"scores", "softmax"},
               {{numbers(scores, 1), numbers(softmax(scores, 0), 3)}, {numbers(three, 1), numbers(softmax(three, 0), 8)}});

    // --- cross entropy: minus the logarithm of the probability that the truth was given -----------------------------------------------
    const auto snake = tensor<double>({0, 0, 1}), predicted = tensor<double>({0.5, 0.3, 0.2});  // cat, dog, snake
    const double by_hand = -(snake * log(predicted)).sum().item();
    const double by_loss = nn::nll_loss(log(predicted).unsqueeze(0), tensor<std::int64_t>({2})).item();  // the same, from the class
    page.table("Cross entropy: the image shows a snake; the network says cat 0.5, dog 0.3, snake 0.2.",
               {"- sum of p log q", "nll_loss", "- ln 0.2"},
               {{examples::format("%.6f", by_hand), examples::format("%.6f", by_loss), examples::format("%.6f", -std::log(0.2))}});

    if (options.plots) {
        viz::Figure figure({.title = "One neuron: a AND b", .x_label = "a", .y_label = "b", .equal_axes = true});
        figure.regions(neuron, tensor({{-0.5, -0.5}, {1.5, 1.5}}), {.resolution = 400, .boundary = true})
            .scatter(inputs, target.squeeze(1).to<std::int64_t>(), {"a AND b is 0", "a AND b is 1"});
        page.picture(figure, "neuron_and.png", "What one neuron can do: cut the plane along a straight line.",
                     "Four points at the corners of a square; a slanting border separates the point (1, 1) from the other three.");
        const std::vector<std::string> names = {"class 0", "class 1", "class 2", "class 3"};
        const viz::Panels classes({viz::bars(names, scores, {.title = "Scores", .label = "score"}),
                                   viz::bars(names, softmax(scores, 0), {.title = "Softmax", .label = "probability"})},
                                  {.columns = 2, .panel_width = 560, .panel_height = 420});
        page.picture(classes, "neuron_softmax.png", "Softmax: the largest score gets almost all of the probability.",
                     "Two bar charts of four classes: scores, one of them far below zero, and probabilities, one of them near 1.");
    }
    examples::Result()
        .add("and_errors", ((fires != (target > 0.5)).sum() + ((learned > 0.5) != (target > 0.5)).sum()).item())
        .called("rows of AND gone wrong")
        .add("loss", loss, 6)
        .called("binary cross entropy after training")
        .add("softmax", softmax(scores, 0)[2].item(), 3)
        .called("largest of softmax(0.3, -16.2, 5.3, 0.7)")
        .add("softmax3", softmax(three, 0)[0].item(), 8)
        .called("largest of softmax(3.0, 1.0, 0.2)")
        .add("cross_entropy", by_hand, 6)
        .called("cross entropy, minus ln 0.2")
        .print(page);
}
