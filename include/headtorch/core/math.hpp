// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The functions that formulas call. math::tanh(x) is std::tanh for a number and, for anything else (a SIMD packet, a tensor, a dual
/// number), the function `tanh` of that type's own namespace. So `[](auto x) { return x * math::sigmoid(x); }` serves them all.

#include <cmath>
#include <type_traits>

#include "headtorch/core/config.hpp"

namespace headtorch::math {

template <class T>
concept Number = std::is_arithmetic_v<T>;

/// A number as it is added and multiplied where that may overflow: integers wrap around, as in PyTorch, and in C++ only unsigned ones may.
template <class T>
constexpr auto wrapping(const T& x) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
        return static_cast<std::make_unsigned_t<T>>(x);
    else
        return x;
}

/// For plain numbers: what <cmath> lacks, or does otherwise than PyTorch. Integers stay integers where that is exact.
namespace number {

template <Number T>
constexpr T abs(T x) {
    if constexpr (std::is_floating_point_v<T>) {
        return std::fabs(x);
    } else if constexpr (std::is_unsigned_v<T>) {
        return x;
    } else {
        return x < T{0} ? static_cast<T>(-x) : x;
    }
}
/// -1, 0 or 1; 0 for NaN.
template <Number T>
constexpr T sign(T x) {
    if constexpr (std::is_unsigned_v<T>) {
        return static_cast<T>(x != T{0});
    } else {
        return static_cast<T>((T{0} < x) - (x < T{0}));
    }
}
template <Number T>
constexpr T square(T x) {
    return static_cast<T>(x * x);
}
template <Number T>
constexpr auto reciprocal(T x) {
    return decltype(std::sqrt(x)){1} / x;
}
template <Number T>
constexpr auto rsqrt(T x) {
    return decltype(std::sqrt(x)){1} / std::sqrt(x);
}
/// 1 / (1 + e^-x), without overflow.
template <Number T>
constexpr auto sigmoid(T x) {
    using F = decltype(std::exp(x));
    const F e = std::exp(-std::abs(static_cast<F>(x)));
    return (x < T{0} ? e : F{1}) / (F{1} + e);
}
template <Number T>
constexpr T floor(T x) {
    if constexpr (std::is_integral_v<T>) {
        return x;
    } else {
        return std::floor(x);
    }
}
template <Number T>
constexpr T ceil(T x) {
    if constexpr (std::is_integral_v<T>) {
        return x;
    } else {
        return std::ceil(x);
    }
}
template <Number T>
constexpr T trunc(T x) {
    if constexpr (std::is_integral_v<T>) {
        return x;
    } else {
        return std::trunc(x);
    }
}
/// To the nearest integer, halves to the even one.
template <Number T>
constexpr T round(T x) {
    if constexpr (std::is_integral_v<T>) {
        return x;
    } else {
        return std::rint(x);
    }
}
/// The smaller one; NaN if either is.
template <Number A, Number B>
constexpr auto minimum(A a, B b) {
    using C = std::common_type_t<A, B>;
    const C x = static_cast<C>(a), y = static_cast<C>(b);
    return x != x || x < y ? x : y;
}
/// The larger one; NaN if either is.
template <Number A, Number B>
constexpr auto maximum(A a, B b) {
    using C = std::common_type_t<A, B>;
    const C x = static_cast<C>(a), y = static_cast<C>(b);
    return x != x || y < x ? x : y;
}
/// log(e^a + e^b), without overflow.
template <Number A, Number B>
constexpr auto logaddexp(A a, B b) {
    using F = decltype(std::pow(a, b));
    const F x = static_cast<F>(a), y = static_cast<F>(b);
    return x == y ? x + static_cast<F>(0.693147180559945309417L) : number::maximum(x, y) + std::log1p(std::exp(-std::abs(x - y)));
}
template <Number A, Number B>
constexpr auto where(bool condition, A a, B b) {
    using C = std::common_type_t<A, B>;
    return condition ? static_cast<C>(a) : static_cast<C>(b);
}

}  // namespace number

// A using-declaration inside a function lets the argument's own namespace be searched as well: std:: or number:: for numbers,
// theirs for the rest.
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto exp(const X& x) {
    using std::exp;
    return exp(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto expm1(const X& x) {
    using std::expm1;
    return expm1(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto log(const X& x) {
    using std::log;
    return log(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto log1p(const X& x) {
    using std::log1p;
    return log1p(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto log2(const X& x) {
    using std::log2;
    return log2(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto sqrt(const X& x) {
    using std::sqrt;
    return sqrt(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto sin(const X& x) {
    using std::sin;
    return sin(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto cos(const X& x) {
    using std::cos;
    return cos(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto tan(const X& x) {
    using std::tan;
    return tan(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto atan(const X& x) {
    using std::atan;
    return atan(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto sinh(const X& x) {
    using std::sinh;
    return sinh(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto cosh(const X& x) {
    using std::cosh;
    return cosh(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto tanh(const X& x) {
    using std::tanh;
    return tanh(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto erf(const X& x) {
    using std::erf;
    return erf(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto isnan(const X& x) {
    using std::isnan;
    return isnan(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto isinf(const X& x) {
    using std::isinf;
    return isinf(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto isfinite(const X& x) {
    using std::isfinite;
    return isfinite(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto abs(const X& x) {
    using number::abs;
    return abs(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto sign(const X& x) {
    using number::sign;
    return sign(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto square(const X& x) {
    using number::square;
    return square(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto reciprocal(const X& x) {
    using number::reciprocal;
    return reciprocal(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto rsqrt(const X& x) {
    using number::rsqrt;
    return rsqrt(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto sigmoid(const X& x) {
    using number::sigmoid;
    return sigmoid(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto floor(const X& x) {
    using number::floor;
    return floor(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto ceil(const X& x) {
    using number::ceil;
    return ceil(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto trunc(const X& x) {
    using number::trunc;
    return trunc(x);
}
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr auto round(const X& x) {
    using number::round;
    return round(x);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto pow(const A& a, const B& b) {
    using std::pow;
    return pow(a, b);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto atan2(const A& a, const B& b) {
    using std::atan2;
    return atan2(a, b);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto copysign(const A& a, const B& b) {
    using std::copysign;
    return copysign(a, b);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto minimum(const A& a, const B& b) {
    using number::minimum;
    return minimum(a, b);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto maximum(const A& a, const B& b) {
    using number::maximum;
    return maximum(a, b);
}
template <class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto logaddexp(const A& a, const B& b) {
    using number::logaddexp;
    return logaddexp(a, b);
}
/// a where the condition holds, else b; either may be a plain number.
template <class C, class A, class B>
HEADTORCH_ALWAYS_INLINE constexpr auto where(const C& condition, const A& a, const B& b) {
    using number::where;
    return where(condition, a, b);
}

/// The number n as one of the kind of x: of its element type, so that where(x > 0, constant(x, 1), 0) knows what to make.
template <class X, Number N>
HEADTORCH_ALWAYS_INLINE constexpr auto constant([[maybe_unused]] const X& x, N n) {
    if constexpr (std::is_arithmetic_v<X>) {
        return static_cast<X>(n);
    } else if constexpr (std::is_constructible_v<X, N>) {
        return X(n);
    } else {
        return constant_like(x, n);
    }
}

}  // namespace headtorch::math
