// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pointwise ops on random shapes, the GPU against the CPU.

#include "tests/device/cuda/random_shapes.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Plan one(Random& r) { return {{r.shape(0, 4)}}; }
Plan positive(Random& r) { return {{r.shape(0, 4)}, {}, 0.1, 4}; }
Plan two(Random& r) {
    const Shape shape = r.shape(0, 4);
    return {{shape, r.part_of(shape)}};
}
Plan two_positive(Random& r) {
    Plan plan = two(r);
    plan.low = 0.3;
    plan.high = 3;
    return plan;
}

}  // namespace

TEST_CASE("arithmetic", "[cuda]") {
    agree_on_random_shapes("add", two, [](const auto& in, const Plan&) { return in[0] + in[1]; });
    agree_on_random_shapes("sub", two, [](const auto& in, const Plan&) { return in[1] - in[0]; });
    agree_on_random_shapes("mul", two, [](const auto& in, const Plan&) { return in[0] * in[1]; });
    agree_on_random_shapes("div", two_positive, [](const auto& in, const Plan&) { return in[0] / in[1]; });
    agree_on_random_shapes("pow", two_positive, [](const auto& in, const Plan&) { return pow(in[0], in[1]); });
    agree_on_random_shapes("maximum", two, [](const auto& in, const Plan&) { return maximum(in[0], in[1]); });
    agree_on_random_shapes("where", two, [](const auto& in, const Plan&) { return where(in[0] > in[1], in[0] * 2, in[1]); });
    agree_on_random_shapes("less", two, [](const auto& in, const Plan&) { return in[0] < in[1]; });
}

TEST_CASE("functions", "[cuda]") {
    agree_on_random_shapes("exp", one, [](const auto& in, const Plan&) { return exp(in[0]); });
    agree_on_random_shapes("log", positive, [](const auto& in, const Plan&) { return log(in[0]); });
    agree_on_random_shapes("sqrt", positive, [](const auto& in, const Plan&) { return sqrt(in[0]); });
    agree_on_random_shapes("tanh", one, [](const auto& in, const Plan&) { return tanh(in[0]); });
    agree_on_random_shapes("sin", one, [](const auto& in, const Plan&) { return sin(in[0]) + cos(in[0]); });
    agree_on_random_shapes("log1p", positive, [](const auto& in, const Plan&) { return log1p(in[0]); });
    agree_on_random_shapes("erf", one, [](const auto& in, const Plan&) { return erf(in[0]); });
    agree_on_random_shapes("abs", one, [](const auto& in, const Plan&) { return abs(in[0]); });
    agree_on_random_shapes("floor", one, [](const auto& in, const Plan&) { return floor(in[0]); });
    agree_on_random_shapes("clamp", one, [](const auto& in, const Plan&) { return clamp(in[0], -0.5, 1); });
    agree_on_random_shapes("pow with a number", positive, [](const auto& in, const Plan&) { return in[0].pow(2.5); }, 2);
}

TEST_CASE("activations", "[cuda]") {
    agree_on_random_shapes("relu", one, [](const auto& in, const Plan&) { return relu(in[0]); });
    agree_on_random_shapes("gelu", one, [](const auto& in, const Plan&) { return nn::gelu(in[0]); });
    agree_on_random_shapes("silu", one, [](const auto& in, const Plan&) { return nn::silu(in[0]); });
    agree_on_random_shapes("elu", one, [](const auto& in, const Plan&) { return nn::elu(in[0]); });
    agree_on_random_shapes("softplus", one, [](const auto& in, const Plan&) { return nn::softplus(in[0]); });
    agree_on_random_shapes("mish", one, [](const auto& in, const Plan&) { return nn::mish(in[0]); });
    agree_on_random_shapes("sigmoid", one, [](const auto& in, const Plan&) { return sigmoid(in[0]); });
    agree_on_random_shapes("log_sigmoid", one, [](const auto& in, const Plan&) { return nn::logsigmoid(in[0]); });
}
