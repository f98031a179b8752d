// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Functions of two numbers: pow, atan2, logaddexp, lerp.

#include <tuple>
#include <type_traits>

#include "headtorch/ops/compare.hpp"
#include "headtorch/ops/math.hpp"

namespace headtorch {
namespace formula {

/// x^n:  n x^(n-1), and 0 for n = 0, also at x = 0.
struct PowNumber {
    static constexpr const char* name = "pow";
    static constexpr Keep keep = Keep::inputs;
    double exponent;
    constexpr auto value(const auto& x) const { return math::pow(x, exponent); }
    constexpr auto slope(const auto& x, const auto&) const {
        return exponent == 0 ? 0 * math::pow(x, 0) : exponent * math::pow(x, exponent - 1);
    }
};
/// s^x:  s^x ln s, and 0 for s = 0.
struct NumberPow {
    static constexpr const char* name = "pow";
    static constexpr Keep keep = Keep::both;
    double base, log_base = base == 0 ? 0 : math::log(base);
    constexpr auto value(const auto& x) const { return math::pow(math::constant(x, base), x); }
    constexpr auto slope(const auto& x, const auto& y) const {
        return math::where((x >= 0) & (x * 0 + base == 0), math::constant(x, 0), y * log_base);
    }
};
struct Pow {
    static constexpr const char* name = "pow";
    static constexpr Keep keep = Keep::both;
    static constexpr auto value(const auto& a, const auto& b) { return math::pow(a, b); }
    static constexpr auto slopes(const auto& a, const auto& b, const auto& y) {
        return std::tuple(math::where(b == 0, math::constant(a, 0), b * math::pow(a, b - 1)),
                          math::where((a == 0) & (b >= 0), math::constant(a, 0), y * math::log(a)));
    }
};
/// The angle of the point (x, y):  d/dy = x / (x² + y²),  d/dx = -y / (x² + y²); 0 at the origin.
struct Atan2 {
    static constexpr const char* name = "atan2";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& y, const auto& x) { return math::atan2(y, x); }
    static constexpr auto slopes(const auto& y, const auto& x, const auto&) {
        const auto square = x * x + y * y;
        const auto inverse = math::where(square == 0, math::constant(x, 0), 1 / square);
        return std::tuple(x * inverse, -y * inverse);
    }
};
/// log(e^a + e^b):  the slopes are sigmoid(a - b) and sigmoid(b - a).
struct Logaddexp {
    static constexpr const char* name = "logaddexp";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return math::logaddexp(a, b); }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) {
        return std::tuple(math::sigmoid(a - b), math::sigmoid(b - a));
    }
};
/// a + w (b - a), from the nearer end, so that w = 1 gives b exactly.
struct Lerp {
    static constexpr const char* name = "lerp";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b, const auto& w) {
        return math::where(math::abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w));
    }
    static constexpr auto slopes(const auto& a, const auto& b, const auto& w, const auto&) { return std::tuple(1 - w, w, b - a); }
};
struct LerpNumber {
    static constexpr const char* name = "lerp";
    static constexpr Keep keep = Keep::nothing;
    double weight;
    constexpr auto value(const auto& a, const auto& b) const {
        return math::abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1 - weight);
    }
    constexpr auto slopes(const auto&, const auto&, const auto&) const { return std::tuple(1 - weight, weight); }
};

}  // namespace formula

/// x to the power of a number. Integer tensors take integer exponents that are not negative.
template <class T, class D, Number S>
Tensor<T, D> pow(const Tensor<T, D>& x, S exponent, const Here& = Here::call("pow")) {
    const OpScope scope("pow");
    if constexpr (Floating<T>) {
        if (exponent == 2) return square(x);
        if (exponent == 0.5) return sqrt(x);
        return pointwise(formula::PowNumber{static_cast<double>(exponent)}, x);
    } else {
        static_assert(std::is_integral_v<S>, "headtorch: pow: an integer tensor to a real power: convert it first, x.to<float>()");
        if (exponent < 0) throw ValueError(message("pow: integers to the negative power ", exponent, "; convert with x.to<float>()"));
        auto y = full<T, D>(x.shape(), T(1));
        for (S i = 0; i < exponent; ++i) y = y * x;
        return y;
    }
}
template <Floating T, class D, Number S>
Tensor<T, D> pow(S base, const Tensor<T, D>& exponent, const Here& = Here::call("pow")) {
    return pointwise(formula::NumberPow{static_cast<double>(base)}, exponent);
}
template <Floating T, class D, class U, class E>
auto pow(const Tensor<T, D>& base, const Tensor<U, E>& exponent, const Here& = Here::call("pow")) {
    return pointwise(formula::Pow{}, base, exponent);
}

template <Floating T, class D, class U, class E>
auto atan2(const Tensor<T, D>& y, const Tensor<U, E>& x, const Here& = Here::call("atan2")) { return pointwise(formula::Atan2{}, y, x); }
template <Floating T, class D, class U, class E>
auto logaddexp(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("logaddexp")) {
    return pointwise(formula::Logaddexp{}, a, b);
}
/// a + weight (b - a); the weight is a number or a tensor.
template <Floating T, class D, class U, class E>
auto lerp(const Tensor<T, D>& a, const Tensor<U, E>& b, Number auto weight) {
    return pointwise(formula::LerpNumber{static_cast<double>(weight)}, a, b);
}
template <Floating T, class D, class U, class E, class V, class F>
auto lerp(const Tensor<T, D>& a, const Tensor<U, E>& b, const Tensor<V, F>& weight) { return pointwise(formula::Lerp{}, a, b, weight); }

template <class T, class D>
Tensor<T, D> Tensor<T, D>::pow(double exponent, const Here&) const { return headtorch::pow(*this, exponent); }

}  // namespace headtorch
