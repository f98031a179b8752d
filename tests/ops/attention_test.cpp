// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Scaled dot-product attention: against PyTorch, masks, dropout, errors.
#include "headtorch/ops/attention.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("attention agrees with PyTorch", "[ops]") {
    check_family("attention.txt", {{"scaled_dot_product_attention", [](const auto& in, const Case& c) {
                                        using T = typename std::remove_cvref_t<decltype(in)>::value_type;
                                        AttentionOptions<T> o{.is_causal = c.flag("is_causal")};
                                        if (in.has("mask")) o.attn_mask = in("mask");
                                        if (in.has("keep")) o.attn_mask = in.bools("keep");
                                        if (c.has("scale")) o.scale = c.num("scale");
                                        return scaled_dot_product_attention(in("q"), in("k"), in("v"), o);
                                    }}});
}

TEST_CASE("a query that may look at nothing gets zeros", "[ops]") {
    const Tensor<> q = randn({2, 3}).requires_grad_(), k = randn({2, 3}), v = randn({2, 3});
    const Tensor<bool> keep = tensor<bool>({{true, false}, {false, false}});
    const Tensor<> y = scaled_dot_product_attention(q, k, v, {.attn_mask = keep});
    CHECK(y[0].tolist() == v[0].tolist());
    CHECK(y[1].tolist() == std::vector<float>{0, 0, 0});
    y.sum().backward();
    CHECK(isfinite(q.grad()).all().item());
}

TEST_CASE("attention drops weights out", "[ops]") {
    manual_seed(1);
    const Tensor<> q = randn({50, 4}), v = ones({60, 1});
    const Tensor<> y = scaled_dot_product_attention(q, randn({60, 4}), v, {.dropout_p = 0.5});
    CHECK(y.mean().item() == Approx(1).margin(0.1));
    CHECK(y.std().item() > 0.02);
}

TEST_CASE("attention refuses what does not fit", "[ops]") {
    CHECK_THROWS_WITH(
        scaled_dot_product_attention(zeros({2, 3}), zeros({4, 5}), zeros({4, 5})),
        "scaled_dot_product_attention: needs query [..., L, E], key [..., S, E] and value [..., S, Ev], got [2, 3], [4, 5] and [4, 5]");
    CHECK_THROWS_WITH(
        scaled_dot_product_attention(zeros({2, 3}), zeros({2, 3}), zeros({2, 3}), {.attn_mask = zeros({2, 2}), .is_causal = true}),
        "scaled_dot_product_attention: give attn_mask or is_causal, not both");
}
