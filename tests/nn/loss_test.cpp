// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Losses held against PyTorch, and what they refuse.
#include <cmath>
#include <limits>
#include <string>

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Reduction how(const Case& c) {
    const std::string name = c.str("reduction", "mean");
    return name == "none" ? Reduction::none : name == "sum" ? Reduction::sum : name == "batchmean" ? Reduction::batchmean : Reduction::mean;
}
std::int64_t ignored(const Case& c) { return static_cast<std::int64_t>(c.num("ignore_index", -100)); }

}  // namespace

TEST_CASE("losses agree with PyTorch", "[nn]") {
    check_family(
        "loss.txt",
        {
            {"mse_loss", [](const auto& in, const Case& c) { return nn::mse_loss(in("x"), in("target"), {how(c)}); }},
            {"l1_loss", [](const auto& in, const Case& c) { return nn::l1_loss(in("x"), in("target"), {how(c)}); }},
            {"smooth_l1_loss",
             [](const auto& in, const Case& c) {
                 return nn::smooth_l1_loss(in("x"), in("target"), {how(c), c.num("beta", 1)});
             }},
            {"huber_loss",
             [](const auto& in, const Case& c) {
                 return nn::huber_loss(in("x"), in("target"), {how(c), c.num("delta", 1)});
             }},
            {"binary_cross_entropy",
             [](const auto& in, const Case& c) {
                 return nn::binary_cross_entropy(in("x"), in("target"), {in.optional("weight"), how(c)});
             }},
            {"binary_cross_entropy_with_logits",
             [](const auto& in, const Case& c) {
                 return nn::binary_cross_entropy_with_logits(in("x"), in("target"),
                                                             {in.optional("weight"), how(c), in.optional("pos_weight")});
             }},
            {"nll_loss",
             [](const auto& in, const Case& c) {
                 return nn::nll_loss(in("x"), in.longs("target"), {in.optional("weight"), ignored(c), how(c)});
             }},
            {"cross_entropy",
             [](const auto& in, const Case& c) {
                 return nn::cross_entropy(in("x"), in.longs("target"),
                                          {in.optional("weight"), ignored(c), how(c), c.num("label_smoothing", 0)});
             }},
            {"cross_entropy_probabilities",
             [](const auto& in, const Case& c) {
                 return nn::cross_entropy(
                     in("x"), in("target"),
                     {.weight = in.optional("weight"), .reduction = how(c), .label_smoothing = c.num("label_smoothing", 0)});
             }},
            {"kl_div",
             [](const auto& in, const Case& c) {
                 return nn::kl_div(in("x"), in("target"), {how(c), c.num("log_target", 0) != 0});
             }},
            {"poisson_nll_loss",
             [](const auto& in, const Case& c) {
                 return nn::poisson_nll_loss(in("x"), in("target"),
                                             {c.num("log_input", 1) != 0, c.num("full", 0) != 0, c.num("eps", 1e-8), how(c)});
             }},
            {"gaussian_nll_loss",
             [](const auto& in, const Case& c) {
                 return nn::gaussian_nll_loss(in("x"), in("target"), in("var"), {c.num("full", 0) != 0, c.num("eps", 1e-6), how(c)});
             }},
            {"hinge_embedding_loss",
             [](const auto& in, const Case& c) {
                 return nn::hinge_embedding_loss(in("x"), in("target"), {c.num("margin", 1), how(c)});
             }},
            {"soft_margin_loss", [](const auto& in, const Case& c) { return nn::soft_margin_loss(in("x"), in("target"), {how(c)}); }},
            {"multilabel_soft_margin_loss",
             [](const auto& in, const Case& c) {
                 return nn::multilabel_soft_margin_loss(in("x"), in("target"), {in.optional("weight"), how(c)});
             }},
            {"cosine_embedding_loss",
             [](const auto& in, const Case& c) {
                 return nn::cosine_embedding_loss(in("x1"), in("x2"), in.longs("target"), {c.num("margin", 0), how(c)});
             }},
            {"margin_ranking_loss",
             [](const auto& in, const Case& c) {
                 return nn::margin_ranking_loss(in("x1"), in("x2"), in("target"), {c.num("margin", 0), how(c)});
             }},
            {"triplet_margin_loss",
             [](const auto& in, const Case& c) {
                 return nn::triplet_margin_loss(in("anchor"), in("positive"), in("negative"),
                                                {c.num("margin", 1), c.num("p", 2), c.num("eps", 1e-6), c.num("swap", 0) != 0, how(c)});
             }},
        });
}

TEST_CASE("losses refuse what does not fit", "[nn]") {
    const auto x = rand({4, 3});
    CHECK_THROWS_AS(nn::mse_loss(x, rand({4})), ShapeError);
    CHECK_THROWS_AS(nn::binary_cross_entropy(x, rand({4, 1})), ShapeError);
    CHECK_THROWS_WITH(nn::binary_cross_entropy(x * 2 + 0.5, x), Catch::Contains("all elements of input should be between 0 and 1"));
    const auto with_nan = x.clone();
    with_nan[2][1] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(nn::binary_cross_entropy(with_nan, x), Catch::Contains("all elements of input should be between 0 and 1"));
    CHECK_THROWS_WITH(nn::cross_entropy(x, tensor<std::int64_t>({0, 1, 3, 2})),
                      Catch::Contains("label 3 at position 2") && Catch::Contains("3 classes"));
    CHECK_THROWS_AS(nn::cross_entropy(x, tensor<std::int64_t>({0, 1, -1, 2})), IndexError);
    CHECK_THROWS_AS(nn::cross_entropy(x, tensor<std::int64_t>({0, 1, 2})), ShapeError);
    CHECK_THROWS_AS(nn::cross_entropy(x, tensor<std::int64_t>({0, 1, 2, 1}), {.label_smoothing = 1.5}), ValueError);
    CHECK_THROWS_AS(nn::cross_entropy(x, tensor<std::int64_t>({0, 1, 2, 1}), {.weight = rand({4})}), ShapeError);
    CHECK_THROWS_AS(nn::nll_loss(x, tensor<std::int64_t>({5, 1, 2, 1})), IndexError);
    CHECK_THROWS_AS(nn::huber_loss(x, x, {.delta = 0}), ValueError);
    CHECK_THROWS_AS(nn::gaussian_nll_loss(x, x, x - 2), ValueError);
    CHECK_THROWS_AS(nn::gaussian_nll_loss(x, x, rand({3})), ShapeError);
}

TEST_CASE("losses are stable for large scores", "[nn]") {
    const auto x = tensor({{1000, -1000}, {-1000, 1000}}).requires_grad_();
    const auto loss = nn::cross_entropy(x, tensor<std::int64_t>({0, 0}));
    CHECK(loss.item() == 1000);
    loss.backward();
    CHECK(x.grad().tolist() == std::vector<float>{0, 0, -0.5f, 0.5f});
    CHECK(nn::binary_cross_entropy_with_logits(tensor({-1000, 1000}), tensor({0, 1})).item() == 0);
    CHECK(nn::binary_cross_entropy(tensor({0, 1}), tensor({1, 0})).item() == 100);
}

TEST_CASE("where all labels are ignored the loss is NaN, and its gradient 0", "[nn]") {
    const auto x = randn<float>({3, 4}).requires_grad_();
    const auto label = full<std::int64_t>({3}, -100);
    const auto loss = nn::cross_entropy(x, label);
    loss.backward();
    CHECK(std::isnan(loss.item()));
    CHECK(x.grad().abs().sum().item() == 0);
    const auto y = randn<float>({3, 4}).requires_grad_();
    nn::nll_loss(log_softmax(y, 1), label).backward();
    CHECK(y.grad().abs().sum().item() == 0);
}
