// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A linear map and a relu as one kernel. On a GPU that spares a walk over the result.

#include <tuple>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/ops/activation_piecewise.hpp"
#include "headtorch/ops/matmul.hpp"

namespace headtorch {

namespace formula {
/// A gradient where relu gave y.
struct ReluGradient {
    static constexpr const char* name = "relu_gradient";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& g, const auto& y) { return math::where(y <= 0, math::constant(g, 0), g); }
    static constexpr auto slopes(const auto& g, const auto& y, const auto&) {
        return std::tuple(math::where(y <= 0, math::constant(g, 0), 1), math::constant(y, 0));
    }
};
}  // namespace formula

/// relu(linear(x, weight, bias)), shapes as there. Only the result is kept for the gradient. Where cuBLASLt computes it, a NaN may become
/// 0.
template <Floating T, class D, class U, class E>
Tensor<T, D> linear_relu(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {},
                         const Here& = Here::call("linear_relu")) {
    const OpScope scope("linear_relu", {x.impl().get(), weight.impl().get(), bias.impl().get()});
    detail::require_same<T, D, U, E>();
    detail::check_linear("linear_relu", x, weight, bias);
    if (detail::cast_for<T, D>()) return relu(linear(x, weight, bias));
    if (x.dim() != 2) return detail::by_rows(x, weight.shape()[0], [&](const auto& rows) { return linear_relu(rows, weight, bias); });
    auto y = detail::linear_values(x, weight, bias, Epilogue::relu);
    if (!autograd::needs_grad(x, weight, bias)) return y;
    // the linear map's own result was never in memory, and neither gradient asks for it: y takes its place
    const auto product = detail::record_linear(y.detach(), x, weight, bias);
    auto kept = saved_output(y);
    return record("relu", std::move(y), input(product, [kept = std::move(kept)](const auto& g) {
                      return pointwise(formula::ReluGradient{}, g, kept());
                  }));
}

}  // namespace headtorch
