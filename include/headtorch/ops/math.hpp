// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Functions of one number: exp, log, trigonometry, rounding, …, each with its derivative beside it.

#include <numbers>

#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {
namespace formula {

struct Exp {
    static constexpr const char* name = "exp";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::exp(x); }
    static constexpr auto slope(const auto&, const auto& y) { return y; }
};
struct Expm1 {
    static constexpr const char* name = "expm1";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::expm1(x); }
    static constexpr auto slope(const auto&, const auto& y) { return y + 1; }
};
struct Log {
    static constexpr const char* name = "log";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::log(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 1 / x; }
};
struct Log1p {
    static constexpr const char* name = "log1p";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::log1p(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 1 / (1 + x); }
};
struct Log2 {
    static constexpr const char* name = "log2";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::log2(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 1 / (x * std::numbers::ln2); }
};
struct Sqrt {
    static constexpr const char* name = "sqrt";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::sqrt(x); }
    static constexpr auto slope(const auto&, const auto& y) { return 0.5 / y; }
};
struct Rsqrt {
    static constexpr const char* name = "rsqrt";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::rsqrt(x); }
    static constexpr auto slope(const auto&, const auto& y) { return -0.5 * (y * y * y); }
};
struct Reciprocal {
    static constexpr const char* name = "reciprocal";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::reciprocal(x); }
    static constexpr auto slope(const auto&, const auto& y) { return -(y * y); }
};
struct Square {
    static constexpr const char* name = "square";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::square(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 2 * x; }
};
struct Abs {
    static constexpr const char* name = "abs";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::abs(x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::sign(x); }
};
struct Sin {
    static constexpr const char* name = "sin";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::sin(x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::cos(x); }
};
struct Cos {
    static constexpr const char* name = "cos";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::cos(x); }
    static constexpr auto slope(const auto& x, const auto&) { return -math::sin(x); }
};
struct Tan {
    static constexpr const char* name = "tan";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::tan(x); }
    static constexpr auto slope(const auto&, const auto& y) { return 1 + y * y; }
};
struct Atan {
    static constexpr const char* name = "atan";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::atan(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 1 / (1 + x * x); }
};
struct Sinh {
    static constexpr const char* name = "sinh";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::sinh(x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::cosh(x); }
};
struct Cosh {
    static constexpr const char* name = "cosh";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::cosh(x); }
    static constexpr auto slope(const auto& x, const auto&) { return math::sinh(x); }
};
struct Tanh {
    static constexpr const char* name = "tanh";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::tanh(x); }
    static constexpr auto slope(const auto&, const auto& y) { return 1 - y * y; }
};
struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    static constexpr Keep keep = Keep::output;
    static constexpr auto value(const auto& x) { return math::sigmoid(x); }
    static constexpr auto slope(const auto&, const auto& y) { return y * (1 - y); }
};
struct Erf {
    static constexpr const char* name = "erf";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x) { return math::erf(x); }
    static constexpr auto slope(const auto& x, const auto&) { return 2 * std::numbers::inv_sqrtpi * math::exp(-(x * x)); }
};

/// Steps: constant between their jumps.
struct Sign {
    static constexpr const char* name = "sign";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return math::sign(x); }
    static constexpr auto slope(const auto&, const auto&) { return 0; }
};
struct Floor {
    static constexpr const char* name = "floor";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return math::floor(x); }
    static constexpr auto slope(const auto&, const auto&) { return 0; }
};
struct Ceil {
    static constexpr const char* name = "ceil";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return math::ceil(x); }
    static constexpr auto slope(const auto&, const auto&) { return 0; }
};
struct Round {
    static constexpr const char* name = "round";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return math::round(x); }
    static constexpr auto slope(const auto&, const auto&) { return 0; }
};
struct Trunc {
    static constexpr const char* name = "trunc";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return math::trunc(x); }
    static constexpr auto slope(const auto&, const auto&) { return 0; }
};

struct IsNan {
    constexpr auto operator()(const auto& x) const { return x != x; }
};
struct IsInf {
    constexpr auto operator()(const auto& x) const { return math::isinf(x); }
};
struct IsFinite {
    constexpr auto operator()(const auto& x) const { return math::isfinite(x); }
};

}  // namespace formula

template <Floating T, class D>
Tensor<T, D> exp(const Tensor<T, D>& x, const Here& = Here::call("exp")) { return pointwise(formula::Exp{}, x); }
template <Floating T, class D>
Tensor<T, D> expm1(const Tensor<T, D>& x, const Here& = Here::call("expm1")) { return pointwise(formula::Expm1{}, x); }
template <Floating T, class D>
Tensor<T, D> log(const Tensor<T, D>& x, const Here& = Here::call("log")) { return pointwise(formula::Log{}, x); }
template <Floating T, class D>
Tensor<T, D> log1p(const Tensor<T, D>& x, const Here& = Here::call("log1p")) { return pointwise(formula::Log1p{}, x); }
template <Floating T, class D>
Tensor<T, D> log2(const Tensor<T, D>& x, const Here& = Here::call("log2")) { return pointwise(formula::Log2{}, x); }
template <Floating T, class D>
Tensor<T, D> sqrt(const Tensor<T, D>& x, const Here& = Here::call("sqrt")) { return pointwise(formula::Sqrt{}, x); }
template <Floating T, class D>
Tensor<T, D> rsqrt(const Tensor<T, D>& x, const Here& = Here::call("rsqrt")) { return pointwise(formula::Rsqrt{}, x); }
template <Floating T, class D>
Tensor<T, D> reciprocal(const Tensor<T, D>& x, const Here& = Here::call("reciprocal")) { return pointwise(formula::Reciprocal{}, x); }
template <Scalar T, class D>
Tensor<T, D> square(const Tensor<T, D>& x, const Here& = Here::call("square")) { return pointwise(formula::Square{}, x); }
template <Scalar T, class D>
Tensor<T, D> abs(const Tensor<T, D>& x, const Here& = Here::call("abs")) { return pointwise(formula::Abs{}, x); }
template <Floating T, class D>
Tensor<T, D> sin(const Tensor<T, D>& x, const Here& = Here::call("sin")) { return pointwise(formula::Sin{}, x); }
template <Floating T, class D>
Tensor<T, D> cos(const Tensor<T, D>& x, const Here& = Here::call("cos")) { return pointwise(formula::Cos{}, x); }
template <Floating T, class D>
Tensor<T, D> tan(const Tensor<T, D>& x, const Here& = Here::call("tan")) { return pointwise(formula::Tan{}, x); }
template <Floating T, class D>
Tensor<T, D> atan(const Tensor<T, D>& x, const Here& = Here::call("atan")) { return pointwise(formula::Atan{}, x); }
template <Floating T, class D>
Tensor<T, D> sinh(const Tensor<T, D>& x, const Here& = Here::call("sinh")) { return pointwise(formula::Sinh{}, x); }
template <Floating T, class D>
Tensor<T, D> cosh(const Tensor<T, D>& x, const Here& = Here::call("cosh")) { return pointwise(formula::Cosh{}, x); }
template <Floating T, class D>
Tensor<T, D> tanh(const Tensor<T, D>& x, const Here& = Here::call("tanh")) { return pointwise(formula::Tanh{}, x); }
template <Floating T, class D>
Tensor<T, D> sigmoid(const Tensor<T, D>& x, const Here& = Here::call("sigmoid")) { return pointwise(formula::Sigmoid{}, x); }
template <Floating T, class D>
Tensor<T, D> erf(const Tensor<T, D>& x, const Here& = Here::call("erf")) { return pointwise(formula::Erf{}, x); }
/// -1, 0 or 1.
template <Scalar T, class D>
Tensor<T, D> sign(const Tensor<T, D>& x) { return pointwise(formula::Sign{}, x); }
template <Scalar T, class D>
Tensor<T, D> floor(const Tensor<T, D>& x) { return pointwise(formula::Floor{}, x); }
template <Scalar T, class D>
Tensor<T, D> ceil(const Tensor<T, D>& x) { return pointwise(formula::Ceil{}, x); }
/// To the nearest integer, halves to the even one.
template <Scalar T, class D>
Tensor<T, D> round(const Tensor<T, D>& x) { return pointwise(formula::Round{}, x); }
template <Scalar T, class D>
Tensor<T, D> trunc(const Tensor<T, D>& x) { return pointwise(formula::Trunc{}, x); }

template <class T, class D>
Tensor<bool, D> isnan(const Tensor<T, D>& x) { return detail::map_new<bool>("isnan", formula::IsNan{}, x); }
template <Floating T, class D>
Tensor<bool, D> isinf(const Tensor<T, D>& x) { return detail::map_new<bool>("isinf", formula::IsInf{}, x); }
template <Floating T, class D>
Tensor<bool, D> isfinite(const Tensor<T, D>& x) { return detail::map_new<bool>("isfinite", formula::IsFinite{}, x); }

template <class T, class D>
Tensor<T, D> Tensor<T, D>::abs(const Here&) const { return headtorch::abs(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::exp(const Here&) const { return headtorch::exp(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::log(const Here&) const { return headtorch::log(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::sqrt(const Here&) const { return headtorch::sqrt(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::square(const Here&) const { return headtorch::square(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::sin(const Here&) const { return headtorch::sin(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::cos(const Here&) const { return headtorch::cos(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::tanh(const Here&) const { return headtorch::tanh(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::sigmoid(const Here&) const { return headtorch::sigmoid(*this); }

}  // namespace headtorch
