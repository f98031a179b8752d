// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Activations held against PyTorch, and what they refuse.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("activations agree with PyTorch", "[ops]") {
    check_family("activation.txt", {
        {"relu", [](const auto& in, const Case&) { return relu(in("x")); }},
        {"relu6", [](const auto& in, const Case&) { return relu6(in("x")); }},
        {"leaky_relu", [](const auto& in, const Case& c) { return leaky_relu(in("x"), c.num("negative_slope", 0.01)); }},
        {"prelu", [](const auto& in, const Case&) { return prelu(in("x"), in("weight")); }},
        {"elu", [](const auto& in, const Case& c) { return elu(in("x"), c.num("alpha", 1)); }},
        {"selu", [](const auto& in, const Case&) { return selu(in("x")); }},
        {"celu", [](const auto& in, const Case& c) { return celu(in("x"), c.num("alpha", 1)); }},
        {"gelu", [](const auto& in, const Case& c) { return gelu(in("x"), c.str("approximate", "none")); }},
        {"silu", [](const auto& in, const Case&) { return silu(in("x")); }},
        {"mish", [](const auto& in, const Case&) { return mish(in("x")); }},
        {"softplus", [](const auto& in, const Case& c) { return softplus(in("x"), c.num("beta", 1), c.num("threshold", 20)); }},
        {"softsign", [](const auto& in, const Case&) { return softsign(in("x")); }},
        {"hardtanh", [](const auto& in, const Case& c) { return hardtanh(in("x"), c.num("min_val", -1), c.num("max_val", 1)); }},
        {"hardsigmoid", [](const auto& in, const Case&) { return hardsigmoid(in("x")); }},
        {"hardswish", [](const auto& in, const Case&) { return hardswish(in("x")); }},
        {"sigmoid", [](const auto& in, const Case&) { return sigmoid(in("x")); }},
        {"logsigmoid", [](const auto& in, const Case&) { return logsigmoid(in("x")); }},
        {"tanh", [](const auto& in, const Case&) { return tanh(in("x")); }},
        {"tanhshrink", [](const auto& in, const Case&) { return tanhshrink(in("x")); }},
        {"softshrink", [](const auto& in, const Case& c) { return softshrink(in("x"), c.num("lambd", 0.5)); }},
        {"hardshrink", [](const auto& in, const Case& c) { return hardshrink(in("x"), c.num("lambd", 0.5)); }},
        {"threshold", [](const auto& in, const Case& c) { return threshold(in("x"), c.num("threshold"), c.num("value")); }},
        {"glu", [](const auto& in, const Case& c) { return glu(in("x"), static_cast<std::int64_t>(c.num("dim", -1))); }},
        {"softmax", [](const auto& in, const Case& c) { return softmax(in("x"), static_cast<std::int64_t>(c.num("dim"))); }},
        {"log_softmax", [](const auto& in, const Case& c) { return log_softmax(in("x"), static_cast<std::int64_t>(c.num("dim"))); }},
        {"softmin", [](const auto& in, const Case& c) { return softmin(in("x"), static_cast<std::int64_t>(c.num("dim"))); }},
        {"bent_identity", [](const auto& in, const Case&) { return bent_identity(in("x")); }},
        {"soft_exponential", [](const auto& in, const Case&) { return soft_exponential(in("x"), in("alpha")); }},
    });
}

TEST_CASE("activations refuse options that make no sense", "[ops]") {
    const auto x = tensor({{1, 2, 3}});
    CHECK_THROWS_AS(gelu(x, "fast"), ValueError);
    CHECK_THROWS_AS(celu(x, 0), ValueError);
    CHECK_THROWS_AS(hardtanh(x, 1, -1), ValueError);
    CHECK_THROWS_AS(softshrink(x, -1), ValueError);
    CHECK_THROWS_AS(glu(x), ShapeError);
    CHECK_THROWS_AS(prelu(x, tensor({1, 2})), ShapeError);
}

TEST_CASE("activations pass NaN on and stay finite far out", "[ops]") {
    const auto x = tensor({std::nanf(""), 1000.0f, -1000.0f});
    for (const auto& y : {relu(x), elu(x), silu(x), mish(x), softplus(x), logsigmoid(x), gelu(x), selu(x)}) {
        CHECK(std::isnan(y[0].item()));
        CHECK(std::isfinite(y[1].item()));
        CHECK(std::isfinite(y[2].item()));
    }
}
