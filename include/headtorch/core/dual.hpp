// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Forward-mode dual numbers: a value and its slope along one direction. A formula evaluated on Dual{x, 1} yields its derivative,
/// whatever x is: a number, a SIMD packet, a tensor. Beside a dual, a number or a plain V is a constant: its slope, 0, costs nothing.

#include <type_traits>

#include "headtorch/core/config.hpp"
#include "headtorch/core/math.hpp"

namespace headtorch {

template <class V>
struct Dual {
    using Value = V;
    V value, slope;

    template <class A, class B>
    HEADTORCH_ALWAYS_INLINE constexpr Dual(const A& v, const B& s) : value(static_cast<V>(v)), slope(static_cast<V>(s)) {}
    /// A constant.
    template <math::Number S>
    requires std::is_constructible_v<V, S> HEADTORCH_ALWAYS_INLINE constexpr explicit Dual(S s)
        : value(static_cast<V>(s)), slope(static_cast<V>(0)) {}
};
template <class V>
Dual(V, V) -> Dual<V>;

/// The Dual that A and B make together: one of them is it, the other is as well, or is a constant.
template <class A, class B>
struct DualOf {};
template <class V, class B>
    requires(math::Number<B> || std::is_same_v<B, V> || std::is_same_v<B, Dual<V>>)
struct DualOf<Dual<V>, B> {
    using type = Dual<V>;
};
template <class A, class V>
    requires(math::Number<A> || std::is_same_v<A, V>)
struct DualOf<A, Dual<V>> {
    using type = Dual<V>;
};
template <class A, class B>
using DualWith = typename DualOf<A, B>::type;
template <class A, class B>
concept DualPair = requires {
    typename DualOf<A, B>::type;
};

/// The value of x, a dual D or a constant beside one. A number beside a number takes its type: 0.5 * x is a float for a float x.
template <class D, class X>
HEADTORCH_ALWAYS_INLINE constexpr decltype(auto) value_in(const X& x) {
    if constexpr (std::is_same_v<X, D>) {
        return (x.value);
    } else if constexpr (math::Number<X> && math::Number<typename D::Value>) {
        return static_cast<typename D::Value>(x);
    } else {
        return (x);
    }
}
/// The slope of x, a dual D or a constant beside one: then the number 0.
template <class D, class X>
HEADTORCH_ALWAYS_INLINE constexpr auto slope_in(const X& x) {
    if constexpr (std::is_same_v<X, D>) {
        return x.slope;
    } else if constexpr (math::Number<typename D::Value>) {
        return typename D::Value{0};
    } else {
        return 0;
    }
}

/// y = f(a, b) with the slope da · ∂y/∂a + db · ∂y/∂b. The partial derivatives are functions, called only if needed.
template <class D, class A, class B, class Y, class Pa, class Pb>
HEADTORCH_ALWAYS_INLINE constexpr D chain(const A& a, const B& b, const Y& y, const Pa& by_a, const Pb& by_b) {
    if constexpr (std::is_same_v<A, D> && std::is_same_v<B, D>) {
        return {y, a.slope * by_a() + b.slope * by_b()};
    } else if constexpr (std::is_same_v<A, D>) {
        return {y, a.slope * by_a()};
    } else {
        return {y, b.slope * by_b()};
    }
}

template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> operator-(const Dual<V>& x) {
    return {-x.value, -x.slope};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> operator+(const Dual<V>& x) {
    return x;
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D operator+(const A& a, const B& b) {
    const auto y = value_in<D>(a) + value_in<D>(b);
    if constexpr (std::is_same_v<A, D> && std::is_same_v<B, D>) {
        return {y, a.slope + b.slope};
    } else if constexpr (std::is_same_v<A, D>) {
        return {y, a.slope};
    } else {
        return {y, b.slope};
    }
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D operator-(const A& a, const B& b) {
    const auto y = value_in<D>(a) - value_in<D>(b);
    if constexpr (std::is_same_v<A, D> && std::is_same_v<B, D>) {
        return {y, a.slope - b.slope};
    } else if constexpr (std::is_same_v<A, D>) {
        return {y, a.slope};
    } else {
        return {y, -b.slope};
    }
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D operator*(const A& a, const B& b) {
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    return chain<D>(
        a, b, u * v, [&] { return v; }, [&] { return u; });
}
// y = a / b: dy = (da - y db) / b
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D operator/(const A& a, const B& b) {
    const auto& v = value_in<D>(b);
    const auto y = value_in<D>(a) / v;
    if constexpr (std::is_same_v<A, D> && std::is_same_v<B, D>) {
        return {y, (a.slope - y * b.slope) / v};
    } else if constexpr (std::is_same_v<A, D>) {
        return {y, a.slope / v};
    } else {
        return {y, -y * b.slope / v};
    }
}
template <class V, class B>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V>& operator+=(Dual<V>& a, const B& b) {
    return a = a + b;
}
template <class V, class B>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V>& operator-=(Dual<V>& a, const B& b) {
    return a = a - b;
}
template <class V, class B>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V>& operator*=(Dual<V>& a, const B& b) {
    return a = a * b;
}
template <class V, class B>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V>& operator/=(Dual<V>& a, const B& b) {
    return a = a / b;
}

// Comparisons are of the values.
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator<(const A& a, const B& b) {
    return value_in<D>(a) < value_in<D>(b);
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator<=(const A& a, const B& b) {
    return value_in<D>(a) <= value_in<D>(b);
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator>(const A& a, const B& b) {
    return value_in<D>(a) > value_in<D>(b);
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator>=(const A& a, const B& b) {
    return value_in<D>(a) >= value_in<D>(b);
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator==(const A& a, const B& b) {
    return value_in<D>(a) == value_in<D>(b);
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr auto operator!=(const A& a, const B& b) {
    return value_in<D>(a) != value_in<D>(b);
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr auto isnan(const Dual<V>& x) {
    return math::isnan(x.value);
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr auto isinf(const Dual<V>& x) {
    return math::isinf(x.value);
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr auto isfinite(const Dual<V>& x) {
    return math::isfinite(x.value);
}

// Functions of one variable: y, and dy/dx times the slope of x.
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> exp(const Dual<V>& x) {
    const auto y = math::exp(x.value);
    return {y, x.slope * y};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> expm1(const Dual<V>& x) {
    const auto y = math::expm1(x.value);
    return {y, x.slope * (y + 1)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> log(const Dual<V>& x) {
    return {math::log(x.value), x.slope / x.value};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> log1p(const Dual<V>& x) {
    return {math::log1p(x.value), x.slope / (x.value + 1)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> log2(const Dual<V>& x) {
    return {math::log2(x.value), x.slope / (x.value * 0.693147180559945309417)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> sqrt(const Dual<V>& x) {
    const auto y = math::sqrt(x.value);
    return {y, x.slope / (2 * y)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> rsqrt(const Dual<V>& x) {
    const auto y = math::rsqrt(x.value);
    return {y, x.slope * (-0.5 * y / x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> reciprocal(const Dual<V>& x) {
    const auto y = math::reciprocal(x.value);
    return {y, x.slope * (-y * y)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> square(const Dual<V>& x) {
    return {math::square(x.value), x.slope * (2 * x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> abs(const Dual<V>& x) {
    return {math::abs(x.value), x.slope * math::sign(x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> sin(const Dual<V>& x) {
    return {math::sin(x.value), x.slope * math::cos(x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> cos(const Dual<V>& x) {
    return {math::cos(x.value), x.slope * -math::sin(x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> tan(const Dual<V>& x) {
    const auto y = math::tan(x.value);
    return {y, x.slope * (1 + y * y)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> atan(const Dual<V>& x) {
    return {math::atan(x.value), x.slope / (1 + x.value * x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> sinh(const Dual<V>& x) {
    return {math::sinh(x.value), x.slope * math::cosh(x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> cosh(const Dual<V>& x) {
    return {math::cosh(x.value), x.slope * math::sinh(x.value)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> tanh(const Dual<V>& x) {
    const auto y = math::tanh(x.value);
    return {y, x.slope * (1 - y * y)};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> sigmoid(const Dual<V>& x) {
    const auto y = math::sigmoid(x.value);
    return {y, x.slope * (y * (1 - y))};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> erf(const Dual<V>& x) {
    return {math::erf(x.value), x.slope * (1.12837916709551257390 * math::exp(-x.value * x.value))};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> sign(const Dual<V>& x) {
    return {math::sign(x.value), x.slope * 0};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> floor(const Dual<V>& x) {
    return {math::floor(x.value), x.slope * 0};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> ceil(const Dual<V>& x) {
    return {math::ceil(x.value), x.slope * 0};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> trunc(const Dual<V>& x) {
    return {math::trunc(x.value), x.slope * 0};
}
template <class V>
HEADTORCH_ALWAYS_INLINE constexpr Dual<V> round(const Dual<V>& x) {
    return {math::round(x.value), x.slope * 0};
}

// Functions of two variables, at least one of them a dual.

/// ∂/∂a = b a^(b - 1), 0 for b = 0; ∂/∂b = a^b log a, 0 for a = 0 and b >= 0, as in PyTorch.
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D pow(const A& a, const B& b) {
    using V = typename D::Value;
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    const auto y = math::pow(u, v);
    const auto by_a = [&]() -> V {
        if constexpr (math::Number<B>) {
            return v == 0 ? static_cast<V>(u * 0) : static_cast<V>(v * math::pow(u, v - 1));
        } else {
            return math::where(v == 0, 0, v * math::pow(u, v - 1));
        }
    };
    const auto by_b = [&]() -> V {
        if constexpr (math::Number<A>) {
            return u != 0 ? static_cast<V>(y * math::log(u)) : static_cast<V>(math::where(v >= 0, 0, y * math::log(u)));
        } else {
            return math::where((u == 0) && (v >= 0), 0, y * math::log(u));
        }
    };
    return chain<D>(a, b, y, by_a, by_b);
}

/// With r² = a² + b²: ∂/∂a = b / r², ∂/∂b = -a / r².
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D atan2(const A& a, const B& b) {
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    return chain<D>(
        a, b, math::atan2(u, v), [&] { return v / (u * u + v * v); }, [&] { return -u / (u * u + v * v); });
}

/// ∂/∂a = e^(a - y) = sigmoid(a - b), and the other way round.
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D logaddexp(const A& a, const B& b) {
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    return chain<D>(
        a, b, math::logaddexp(u, v), [&] { return math::sigmoid(u - v); }, [&] { return math::sigmoid(v - u); });
}

/// ±da, 0 at a = 0, as in PyTorch; the sign's source has no part in it.
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D copysign(const A& a, const B& b) {
    const auto y = math::copysign(value_in<D>(a), value_in<D>(b));
    if constexpr (std::is_same_v<A, D>) {
        return {y, math::where(a.value == 0, 0, a.slope * (y / a.value))};
    } else {
        return {y, b.slope * 0};
    }
}

/// Where both are equal, each gives half of its slope, as in PyTorch.
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D minimum(const A& a, const B& b) {
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    const auto s = slope_in<D>(a);
    const auto t = slope_in<D>(b);
    return {math::minimum(u, v), math::where(u == v, 0.5 * (s + t), math::where(u < v, s, t))};
}
template <class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D maximum(const A& a, const B& b) {
    const auto& u = value_in<D>(a);
    const auto& v = value_in<D>(b);
    const auto s = slope_in<D>(a);
    const auto t = slope_in<D>(b);
    return {math::maximum(u, v), math::where(u == v, 0.5 * (s + t), math::where(u > v, s, t))};
}

/// The condition is no dual; a and b as for the functions above.
template <class C, class A, class B, class D = DualWith<A, B>>
HEADTORCH_ALWAYS_INLINE constexpr D where(const C& condition, const A& a, const B& b) {
    return {math::where(condition, value_in<D>(a), value_in<D>(b)), math::where(condition, slope_in<D>(a), slope_in<D>(b))};
}

}  // namespace headtorch
