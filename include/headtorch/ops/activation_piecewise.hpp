// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Activations made of straight pieces. Where two pieces meet, the gradient is the one that PyTorch takes.

#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

#include "headtorch/ops/math.hpp"
#include "headtorch/ops/softmax.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {
namespace formula {

/// max(0, x)
struct Relu {
    static constexpr const char* name = "relu";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::maximum(x, math::constant(x, 0)); }
    static constexpr auto slope(const auto&, const auto& y) { return math::where(y > 0, math::constant(y, 1), 0); }
};
struct LeakyRelu {
    static constexpr const char* name = "leaky_relu";
    static constexpr Keep keep = Keep::inputs;
    double negative_slope;
    constexpr auto value(const auto& x) const { return math::where(x > 0, x, x * negative_slope); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where(x > 0, math::constant(x, 1), negative_slope); }
};
/// x cut to [low, high]; no gradient on the bounds (clamp has one)
struct Hardtanh {
    static constexpr const char* name = "hardtanh";
    static constexpr Keep keep = Keep::inputs;
    double low, high;
    constexpr auto value(const auto& x) const { return math::minimum(math::maximum(x, low), high); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where((x > low) & (x < high), math::constant(x, 1), 0); }
};
/// min(max(0, x + 3), 6) / 6
struct Hardsigmoid {
    static constexpr const char* name = "hardsigmoid";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::minimum(math::maximum(x + 3, 0), 6) / 6; }
    static constexpr auto slope(const auto& x, const auto&) { return math::where((x > -3) & (x < 3), math::constant(x, 1.0 / 6), 0); }
};
/// x hardsigmoid(x)
struct Hardswish {
    static constexpr const char* name = "hardswish";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return x * math::minimum(math::maximum(x + 3, 0), 6) / 6; }
    static constexpr auto slope(const auto& x, const auto&) {
        return math::where(x <= -3, math::constant(x, 0), math::where(x < 3, x / 3 + 0.5, 1));
    }
};
struct Softshrink {
    static constexpr const char* name = "softshrink";
    static constexpr Keep keep = Keep::inputs;
    double lambda;
    constexpr auto value(const auto& x) const { return math::where(x > lambda, x - lambda, math::where(x < -lambda, x + lambda, x * 0)); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where((x > lambda) | (x < -lambda), math::constant(x, 1), 0); }
};
struct Hardshrink {
    static constexpr const char* name = "hardshrink";
    static constexpr Keep keep = Keep::inputs;
    double lambda;
    constexpr auto value(const auto& x) const { return math::where((x >= -lambda) & (x <= lambda), math::constant(x, 0), x); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where((x >= -lambda) & (x <= lambda), math::constant(x, 0), 1); }
};
struct Threshold {
    static constexpr const char* name = "threshold";
    static constexpr Keep keep = Keep::inputs;
    double limit, fill;
    constexpr auto value(const auto& x) const { return math::where(x <= limit, math::constant(x, fill), x); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where(x <= limit, math::constant(x, 0), 1); }
};
/// x where positive, else w x; w is trainable
struct Prelu {
    static constexpr const char* name = "prelu";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x, const auto& w) { return math::where(x > 0, x, w * x); }
    static constexpr auto slopes(const auto& x, const auto& w, const auto&) {
        return std::tuple(math::where(x > 0, math::constant(x, 1), w), math::where(x > 0, math::constant(x, 0), x));
    }
};

}  // namespace formula

template <Floating T, class D>
Tensor<T, D> relu(const Tensor<T, D>& x, const Here& = Here::call("relu")) { return pointwise(formula::Relu{}, x); }
template <Floating T, class D>
Tensor<T, D> relu6(const Tensor<T, D>& x, const Here& = Here::call("relu6")) {
    const OpScope scope("relu6");
    return pointwise(formula::Hardtanh{0, 6}, x);
}
template <Floating T, class D>
Tensor<T, D> leaky_relu(const Tensor<T, D>& x, double negative_slope = 0.01, const Here& = Here::call("leaky_relu")) {
    return pointwise(formula::LeakyRelu{negative_slope}, x);
}
template <Floating T, class D>
Tensor<T, D> hardtanh(const Tensor<T, D>& x, double min_val = -1, double max_val = 1, const Here& = Here::call("hardtanh")) {
    if (!(min_val <= max_val)) throw ValueError(message("hardtanh: min_val ", min_val, " is larger than max_val ", max_val));
    return pointwise(formula::Hardtanh{min_val, max_val}, x);
}
template <Floating T, class D>
Tensor<T, D> hardsigmoid(const Tensor<T, D>& x, const Here& = Here::call("hardsigmoid")) { return pointwise(formula::Hardsigmoid{}, x); }
template <Floating T, class D>
Tensor<T, D> hardswish(const Tensor<T, D>& x, const Here& = Here::call("hardswish")) { return pointwise(formula::Hardswish{}, x); }
template <Floating T, class D>
Tensor<T, D> softshrink(const Tensor<T, D>& x, double lambda = 0.5, const Here& = Here::call("softshrink")) {
    if (!(lambda >= 0)) throw ValueError(message("softshrink: lambda must not be negative, but is ", lambda));
    return pointwise(formula::Softshrink{lambda}, x);
}
template <Floating T, class D>
Tensor<T, D> hardshrink(const Tensor<T, D>& x, double lambda = 0.5, const Here& = Here::call("hardshrink")) {
    return pointwise(formula::Hardshrink{lambda}, x);
}
template <Floating T, class D>
Tensor<T, D> threshold(const Tensor<T, D>& x, double threshold, double value, const Here& = Here::call("threshold")) {
    return pointwise(formula::Threshold{threshold, value}, x);
}
/// Parametric ReLU (He et al., 2015): `weight` has one element, or one for each channel, dimension 1 of x.
template <Floating T, class D, class U, class E>
Tensor<T, D> prelu(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Here& = Here::call("prelu")) {
    detail::require_same<T, D, U, E>();
    const std::int64_t channels = x.dim() > 1 ? x.shape()[1] : 1;
    if (weight.numel() != 1 && (weight.dim() != 1 || weight.numel() != channels))
        throw ShapeError(message("prelu: a weight of shape ", weight.shape(), " for an input of shape ", x.shape(),
                                 ": give one element, or one for each of ", channels, " channels"));
    if (weight.numel() == 1) return pointwise(formula::Prelu{}, x, weight.dim() <= x.dim() ? weight : weight.reshape(Shape{}));
    Shape shape = IntList::filled(x.dim(), 1);
    shape[1] = channels;
    return pointwise(formula::Prelu{}, x, weight.reshape(shape));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::relu(const Here&) const { return headtorch::relu(*this); }

}  // namespace headtorch
