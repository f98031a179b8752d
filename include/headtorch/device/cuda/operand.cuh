// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A number as a formula meets it in a kernel: one lane of what a SIMD packet is on the CPU.

#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/core/math.hpp"

namespace headtorch::cuda {

/// A T that stays one beside plain numbers of any type, as a packet does: 0.5 * x is a float for a float x. In the language's own terms it
/// would be a double, of which most GPUs compute few at a time. Integers wrap around, as in PyTorch: signed ones would be undefined.
template <class T>
struct Operand {
    T value;

    Operand() = default;
    template <class S>
        requires(math::Number<S> || Half<S>)
    constexpr Operand(S s) : value(static_cast<T>(s)) {}
    /// For storing it.
    template <class U>
        requires(math::Number<U> || Half<U>)
    constexpr explicit operator U() const {
        return static_cast<U>(value);
    }

    friend constexpr Operand operator+(Operand a, Operand b) { return math::wrapping(a.value) + math::wrapping(b.value); }
    friend constexpr Operand operator-(Operand a, Operand b) { return math::wrapping(a.value) - math::wrapping(b.value); }
    friend constexpr Operand operator*(Operand a, Operand b) { return math::wrapping(a.value) * math::wrapping(b.value); }
    friend constexpr Operand operator/(Operand a, Operand b) { return a.value / b.value; }
    friend constexpr Operand operator-(Operand a) { return -math::wrapping(a.value); }
    friend constexpr Operand operator+(Operand a) { return a; }
    constexpr Operand& operator+=(Operand b) { return *this = *this + b; }
    constexpr Operand& operator-=(Operand b) { return *this = *this - b; }
    constexpr Operand& operator*=(Operand b) { return *this = *this * b; }
    constexpr Operand& operator/=(Operand b) { return *this = *this / b; }

    friend constexpr bool operator<(Operand a, Operand b) { return a.value < b.value; }
    friend constexpr bool operator<=(Operand a, Operand b) { return a.value <= b.value; }
    friend constexpr bool operator>(Operand a, Operand b) { return a.value > b.value; }
    friend constexpr bool operator>=(Operand a, Operand b) { return a.value >= b.value; }
    friend constexpr bool operator==(Operand a, Operand b) { return a.value == b.value; }
    friend constexpr bool operator!=(Operand a, Operand b) { return a.value != b.value; }

    // What formulas call by way of math::.
    friend constexpr bool isnan(Operand x) { return math::isnan(x.value); }
    friend constexpr bool isinf(Operand x) { return math::isinf(x.value); }
    friend constexpr bool isfinite(Operand x) { return math::isfinite(x.value); }
    friend constexpr Operand abs(Operand x) { return math::abs(x.value); }
    friend constexpr Operand sign(Operand x) { return math::sign(x.value); }
    friend constexpr Operand square(Operand x) { return x * x; }
    friend constexpr Operand reciprocal(Operand x) { return math::reciprocal(x.value); }
    friend constexpr Operand sqrt(Operand x) { return math::sqrt(x.value); }
    friend constexpr Operand rsqrt(Operand x) { return math::rsqrt(x.value); }
    friend constexpr Operand floor(Operand x) { return math::floor(x.value); }
    friend constexpr Operand ceil(Operand x) { return math::ceil(x.value); }
    friend constexpr Operand round(Operand x) { return math::round(x.value); }
    friend constexpr Operand trunc(Operand x) { return math::trunc(x.value); }
    friend constexpr Operand exp(Operand x) { return math::exp(x.value); }
    friend constexpr Operand expm1(Operand x) { return math::expm1(x.value); }
    friend constexpr Operand log(Operand x) { return math::log(x.value); }
    friend constexpr Operand log1p(Operand x) { return math::log1p(x.value); }
    friend constexpr Operand log2(Operand x) { return math::log2(x.value); }
    friend constexpr Operand sin(Operand x) { return math::sin(x.value); }
    friend constexpr Operand cos(Operand x) { return math::cos(x.value); }
    friend constexpr Operand tan(Operand x) { return math::tan(x.value); }
    friend constexpr Operand atan(Operand x) { return math::atan(x.value); }
    friend constexpr Operand sinh(Operand x) { return math::sinh(x.value); }
    friend constexpr Operand cosh(Operand x) { return math::cosh(x.value); }
    friend constexpr Operand tanh(Operand x) { return math::tanh(x.value); }
    friend constexpr Operand sigmoid(Operand x) { return math::sigmoid(x.value); }
    friend constexpr Operand erf(Operand x) { return math::erf(x.value); }
    friend constexpr Operand pow(Operand a, Operand b) { return math::pow(a.value, b.value); }
    friend constexpr Operand atan2(Operand a, Operand b) { return math::atan2(a.value, b.value); }
    friend constexpr Operand copysign(Operand a, Operand b) { return math::copysign(a.value, b.value); }
    friend constexpr Operand minimum(Operand a, Operand b) { return math::minimum(a.value, b.value); }
    friend constexpr Operand maximum(Operand a, Operand b) { return math::maximum(a.value, b.value); }
    friend constexpr Operand logaddexp(Operand a, Operand b) { return math::logaddexp(a.value, b.value); }
    friend constexpr Operand where(bool condition, Operand a, Operand b) { return condition ? a : b; }
};

/// What a formula is given for an element of type T: truth values stay what they are.
template <class T>
using OperandOf = std::conditional_t<std::is_same_v<T, bool>, bool, Operand<ComputeType<T>>>;

}  // namespace headtorch::cuda
