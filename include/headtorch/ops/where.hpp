// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Choosing between two values, element by element.

#include <limits>
#include <tuple>
#include <utility>

#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch {

/// For math::constant(): a 0-dim tensor, which broadcasts.
template <class T, class D>
Tensor<T, D> constant_like(const Tensor<T, D>&, Number auto n) { return full<T, D>({}, static_cast<T>(n)); }

namespace formula {

struct Where {
    constexpr auto operator()(const auto& condition, const auto& a, const auto& b) const { return math::where(condition, a, b); }
};
/// The tensor where the condition is true, else the number.
template <class T>
struct WhereElse {
    T s;
    constexpr auto operator()(const auto& condition, const auto& x) const { return math::where(condition, x, s); }
};
/// The number where the condition is true, else the tensor.
template <class T>
struct WhereThen {
    T s;
    constexpr auto operator()(const auto& condition, const auto& x) const { return math::where(condition, s, x); }
};

}  // namespace formula

/// `a` where the condition is true, else `s`.
template <class D, class T, class E, Number S>
Tensor<T, D> where(const Tensor<bool, D>& condition, const Tensor<T, E>& a, S s) {
    detail::require_same<T, D, T, E>();
    auto y = detail::map_new<T>("where", formula::WhereElse<ComputeType<T>>{detail::element<T>(s)}, condition, a);
    if constexpr (Floating<T>) {
        if (needs_grad(a))
            return record("where", std::move(y),
                          input(a, [c = saved(condition), shape = a.shape()](const auto& g) { return sum_to(where(c(), g, 0), shape); }));
    }
    return y;
}
template <class D, class T, class E, Number S>
Tensor<T, D> where(const Tensor<bool, D>& condition, S s, const Tensor<T, E>& b) {
    detail::require_same<T, D, T, E>();
    auto y = detail::map_new<T>("where", formula::WhereThen<ComputeType<T>>{detail::element<T>(s)}, condition, b);
    if constexpr (Floating<T>) {
        if (needs_grad(b))
            return record("where", std::move(y),
                          input(b, [c = saved(condition), shape = b.shape()](const auto& g) { return sum_to(where(c(), 0, g), shape); }));
    }
    return y;
}
/// `a` where the condition is true, else `b`; all three broadcast.
template <class D, class T, class E, class U, class F>
Tensor<T, D> where(const Tensor<bool, D>& condition, const Tensor<T, E>& a, const Tensor<U, F>& b) {
    detail::require_same<T, D, U, F>();
    auto y = detail::map_new<T>("where", formula::Where{}, condition, a, b);
    if constexpr (Floating<T>) {
        if (needs_grad(a, b))
            return record("where", std::move(y),
                          input(a, [c = saved(condition), shape = a.shape()](const auto& g) { return sum_to(where(c(), g, 0), shape); }),
                          input(b, [c = saved(condition), shape = b.shape()](const auto& g) { return sum_to(where(c(), 0, g), shape); }));
    }
    return y;
}

namespace formula {

/// At a tie each gets half of the gradient, as in PyTorch.
struct Maximum {
    static constexpr const char* name = "maximum";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return math::maximum(a, b); }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) {
        const auto half = math::where(a == b, math::constant(a, 0.5), 0);
        return std::tuple(math::where(a > b, math::constant(a, 1), half), math::where(a < b, math::constant(a, 1), half));
    }
};
struct Minimum {
    static constexpr const char* name = "minimum";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return math::minimum(a, b); }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) {
        const auto half = math::where(a == b, math::constant(a, 0.5), 0);
        return std::tuple(math::where(a < b, math::constant(a, 1), half), math::where(a > b, math::constant(a, 1), half));
    }
};
/// The gradient passes between the bounds; on them it is 0, as in PyTorch.
template <class T>
struct Clamp {
    static constexpr const char* name = "clamp";
    static constexpr Keep keep = Keep::inputs;
    T low, high;
    constexpr auto value(const auto& x) const { return math::minimum(math::maximum(x, low), high); }
    constexpr auto slope(const auto& x, const auto&) const { return math::where((x > low) & (x < high), math::constant(x, 1), 0); }
};

}  // namespace formula

/// The larger of two; NaN if either is.
template <class T, class D, class U, class E>
auto maximum(const Tensor<T, D>& a, const Tensor<U, E>& b) { return pointwise(formula::Maximum{}, a, b); }
template <class T, class D, class U, class E>
auto minimum(const Tensor<T, D>& a, const Tensor<U, E>& b) { return pointwise(formula::Minimum{}, a, b); }
template <class T, class D, Number S>
Tensor<T, D> maximum(const Tensor<T, D>& a, S s) { return maximum(a, full<T, D>({}, detail::element<T>(s))); }
template <class T, class D, Number S>
Tensor<T, D> minimum(const Tensor<T, D>& a, S s) { return minimum(a, full<T, D>({}, detail::element<T>(s))); }

/// x cut to [low, high].
template <class T, class D, Number A, Number B>
Tensor<T, D> clamp(const Tensor<T, D>& x, A low, B high) {
    return pointwise(formula::Clamp<ComputeType<T>>{static_cast<T>(low), static_cast<T>(high)}, x);
}
template <class T, class D, Number S>
Tensor<T, D> clamp_min(const Tensor<T, D>& x, S low) {
    using Limits = std::numeric_limits<T>;
    return clamp(x, low, Limits::has_infinity ? Limits::infinity() : Limits::max());
}
template <class T, class D, Number S>
Tensor<T, D> clamp_max(const Tensor<T, D>& x, S high) {
    using Limits = std::numeric_limits<T>;
    return clamp(x, Limits::has_infinity ? -Limits::infinity() : Limits::lowest(), high);
}
template <class T, class D>
Tensor<T, D> clamp(const Tensor<T, D>& x, const Tensor<T, D>& low, const Tensor<T, D>& high) { return minimum(maximum(x, low), high); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::clamp(double low, double high, const Here&) const { return headtorch::clamp(*this, low, high); }

}  // namespace headtorch
