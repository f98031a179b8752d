// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Which output, and which loss? A table for the four kinds of problems, and each loss once in code: with the activation as the last
// layer, and with raw scores, which a loss of its own turns into the same number (and into no infinity when scores are large).

#include <headtorch/headtorch.hpp>

#include "examples/common/page.hpp"
using namespace headtorch;

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "outputs_and_losses", "Which output and which loss? One row for each kind of problem.");
    examples::Page page(options, "Which output, and which loss?");

    page.table("Which output, and which loss", {"problem", "output size", "last activation", "loss"},
               {{"binary", "1", "sigmoid (or none)", "BCE (with logits)"},
                {"a number", "1", "none; ReLU if positive; PReLU, BentIdentity, SoftExponential", "MSE"},
                {"one of n classes", "n", "softmax (none for CrossEntropy, log_softmax for NLL)", "cross entropy, NLL"},
                {"any of n labels", "n", "sigmoid (or none)", "BCE (with logits)"}});

    // Two inputs each time, so that every output has two rows. What a network would have computed, and what is true:
    const Tensor<> score = tensor({{1.2}, {-0.7}}), yes_or_no = tensor({{1}, {1}});
    const Tensor<> number = tensor({{2.5}, {-1}}), true_number = tensor({{3}, {-1.5}});
    const Tensor<> scores = tensor({{2, -1, 0.5}, {0.1, 0.2, 3}});
    const auto label = tensor<std::int64_t>({0, 1});         // the class of each row
    const Tensor<> labels = tensor({{1, 0, 1}, {0, 0, 1}});  // for each row and label, yes or no

    const double binary = nn::binary_cross_entropy(sigmoid(score), yes_or_no).item();
    const double binary_logits = nn::binary_cross_entropy_with_logits(score, yes_or_no).item();
    const double squares = nn::mse_loss(number, true_number).item();
    const double classes = nn::nll_loss(log_softmax(scores, 1), label).item();
    const double classes_logits = nn::cross_entropy(scores, label).item();
    const double any = nn::binary_cross_entropy(sigmoid(scores), labels).item();
    const double any_logits = nn::binary_cross_entropy_with_logits(scores, labels).item();
    const auto six = [](double value) { return examples::format("%.6f", value); };
    page.table("The same in code: a loss of two rows of output, and the same loss from scores without an activation.",
               {"problem", "output", "target", "loss", "value", "the same from scores", "value"},
               {{"binary", "[2, 1]", "float [2, 1]", "binary_cross_entropy(sigmoid(x), y)", six(binary),
                 "binary_cross_entropy_with_logits(x, y)", six(binary_logits)},
                {"a number", "[2, 1]", "float [2, 1]", "mse_loss(x, y)", six(squares), "", ""},
                {"one of 3 classes", "[2, 3]", "int64 [2]", "nll_loss(log_softmax(x, 1), y)", six(classes), "cross_entropy(x, y)",
                 six(classes_logits)},
                {"any of 3 labels", "[2, 3]", "float [2, 3]", "binary_cross_entropy(sigmoid(x), y)", six(any),
                 "binary_cross_entropy_with_logits(x, y)", six(any_logits)}});

    examples::Result()
        .add("binary", binary, 6)
        .add("binary_logits", binary_logits, 6)
        .add("number", squares, 6)
        .add("classes", classes, 6)
        .add("classes_logits", classes_logits, 6)
        .add("labels", any, 6)
        .add("labels_logits", any_logits, 6)
        .print(page);
}
