// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Functions of one number: exp, log, trigonometry, rounding, …, each with its derivative beside it.

#include <numbers>

#include "headtorch/ops/arithmetic.hpp"

namespace headtorch {
namespace formula {

struct Exp {
    static constexpr const char* name = "exp";
    static constexpr Keep keep = Keep::output;
    static auto value(const auto& x) { return math::exp(x); }
    static auto slope(const auto&, const auto& y) { return y; }
};
struct Log {
    static constexpr const char* name = "log";
    static constexpr Keep keep = Keep::inputs;
    static auto value(const auto& x) { return math::log(x); }
    static auto slope(const auto& x, const auto&) { return 1 / x; }
};
struct Tanh {
    static constexpr const char* name = "tanh";
    static constexpr Keep keep = Keep::output;
    static auto value(const auto& x) { return math::tanh(x); }
    static auto slope(const auto&, const auto& y) { return 1 - y * y; }
};
struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    static constexpr Keep keep = Keep::output;
    static auto value(const auto& x) { return math::sigmoid(x); }
    static auto slope(const auto&, const auto& y) { return y * (1 - y); }
};

}  // namespace formula

template <Floating T, class D>
Tensor<T, D> exp(const Tensor<T, D>& x) { return pointwise(formula::Exp{}, x); }
template <Floating T, class D>
Tensor<T, D> log(const Tensor<T, D>& x) { return pointwise(formula::Log{}, x); }
template <Floating T, class D>
Tensor<T, D> tanh(const Tensor<T, D>& x) { return pointwise(formula::Tanh{}, x); }
template <Floating T, class D>
Tensor<T, D> sigmoid(const Tensor<T, D>& x) { return pointwise(formula::Sigmoid{}, x); }

template <class T, class D>
Tensor<T, D> Tensor<T, D>::exp() const { return headtorch::exp(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::log() const { return headtorch::log(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::tanh() const { return headtorch::tanh(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::sigmoid() const { return headtorch::sigmoid(*this); }

}  // namespace headtorch
