// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Two-byte floating-point numbers: float16 (IEEE 754 binary16: 5 bits of exponent, 10 of fraction) and bfloat16 (8 and 7).
/// They store; arithmetic is done in float, to which they convert by themselves. What goes in is rounded once, to nearest, ties to even;
/// what is too large becomes infinity, and NaN stays NaN.

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "headtorch/core/config.hpp"

namespace headtorch {
namespace detail {

HEADTORCH_HOST_DEVICE constexpr float float16_to_float(std::uint16_t bits) {
    const std::uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | rest << 13);
    if (rest >= 0x0400u) return std::bit_cast<float>(sign | ((rest << 13) + (112u << 23)));
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(rest) * 0x1p-24f));
}

HEADTORCH_HOST_DEVICE constexpr std::uint16_t float_to_float16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    std::uint32_t rest = 0;
    if (size > 0x7f800000u) {
        rest = 0x7e00u | (size >> 13 & 0x1ffu);  // NaN, made quiet
    } else if (size >= 0x477ff000u) {
        rest = 0x7c00u;  // 65520 and more round to infinity
    } else if (size >= 0x38800000u) {
        rest = (size - (112u << 23) + 0xfffu + (size >> 13 & 1u)) >> 13;
    } else {  // multiples of 2^-24, which is the last digit of 0.5: the sum rounds
        rest = std::bit_cast<std::uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3f000000u;
    }
    return static_cast<std::uint16_t>(sign | rest);
}

HEADTORCH_HOST_DEVICE constexpr float bfloat16_to_float(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

HEADTORCH_HOST_DEVICE constexpr std::uint16_t float_to_bfloat16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
    return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// x as a float that rounds on to fewer digits as x itself would: where x is no float, the neighbour whose last bit is 1 ("round to odd").
HEADTORCH_HOST_DEVICE constexpr float sticky_float(double x) {
    const auto nearest = static_cast<float>(x);
    const auto there = static_cast<double>(nearest);
    auto bits = std::bit_cast<std::uint32_t>(nearest);
    if (there == x || x != x || (bits & 1u)) return nearest;
    bits += (there < x) == (x > 0) ? 1u : ~0u;  // away from zero, or towards it
    return std::bit_cast<float>(bits);
}

/// Any number as a float that rounds on as it would itself.
template <class S>
HEADTORCH_HOST_DEVICE constexpr float narrowed(S x) {
    if constexpr (std::same_as<S, float> || (std::is_integral_v<S> && sizeof(S) <= 2)) {
        return static_cast<float>(x);
    } else if constexpr (std::is_integral_v<S> && sizeof(S) == 8) {
        // what a double cannot hold decides no more than that a number lies between two others
        const bool fits = x < S{1} << 53 && (std::is_unsigned_v<S> || x > -(S{1} << 53));
        return sticky_float(static_cast<double>(fits ? x : static_cast<S>((x & ~S{0x7ff}) | (x & S{0x7ff} ? S{0x800} : S{0}))));
    } else {
        return sticky_float(static_cast<double>(x));
    }
}

}  // namespace detail

struct float16 {
    std::uint16_t bits;

    float16() = default;
    template <class S>
        requires std::is_arithmetic_v<S>
    HEADTORCH_HOST_DEVICE constexpr float16(S x) : bits(detail::float_to_float16(detail::narrowed(x))) {}
    HEADTORCH_HOST_DEVICE constexpr operator float() const { return detail::float16_to_float(bits); }
    HEADTORCH_HOST_DEVICE static constexpr float16 from_bits(std::uint16_t bits) {
        float16 x{};
        x.bits = bits;
        return x;
    }
    HEADTORCH_HOST_DEVICE constexpr float16& operator+=(float x) { return *this = float16(*this + x); }
    HEADTORCH_HOST_DEVICE constexpr float16& operator-=(float x) { return *this = float16(*this - x); }
    HEADTORCH_HOST_DEVICE constexpr float16& operator*=(float x) { return *this = float16(*this * x); }
    HEADTORCH_HOST_DEVICE constexpr float16& operator/=(float x) { return *this = float16(*this / x); }
};

struct bfloat16 {
    std::uint16_t bits;

    bfloat16() = default;
    template <class S>
        requires std::is_arithmetic_v<S>
    HEADTORCH_HOST_DEVICE constexpr bfloat16(S x) : bits(detail::float_to_bfloat16(detail::narrowed(x))) {}
    /// By way of float, which holds every float16.
    HEADTORCH_HOST_DEVICE constexpr explicit bfloat16(float16 x) : bfloat16(static_cast<float>(x)) {}
    HEADTORCH_HOST_DEVICE constexpr operator float() const { return detail::bfloat16_to_float(bits); }
    HEADTORCH_HOST_DEVICE static constexpr bfloat16 from_bits(std::uint16_t bits) {
        bfloat16 x{};
        x.bits = bits;
        return x;
    }
    HEADTORCH_HOST_DEVICE constexpr bfloat16& operator+=(float x) { return *this = bfloat16(*this + x); }
    HEADTORCH_HOST_DEVICE constexpr bfloat16& operator-=(float x) { return *this = bfloat16(*this - x); }
    HEADTORCH_HOST_DEVICE constexpr bfloat16& operator*=(float x) { return *this = bfloat16(*this * x); }
    HEADTORCH_HOST_DEVICE constexpr bfloat16& operator/=(float x) { return *this = bfloat16(*this / x); }
};

static_assert(sizeof(float16) == 2 && std::is_trivially_copyable_v<float16> && std::is_trivially_default_constructible_v<float16>);
static_assert(sizeof(bfloat16) == 2 && std::is_trivially_copyable_v<bfloat16> && std::is_trivially_default_constructible_v<bfloat16>);

/// A two-byte floating-point number.
template <class T>
concept Half = std::same_as<T, float16> || std::same_as<T, bfloat16>;

/// What a T is computed in.
template <class T>
using ComputeType = std::conditional_t<Half<T>, float, T>;

namespace detail {

/// What both halfs share of std::numeric_limits.
struct HalfLimits : std::numeric_limits<float> {
    static constexpr std::float_denorm_style has_denorm = std::denorm_present;
    static constexpr bool traps = false, tinyness_before = false;
};

}  // namespace detail
}  // namespace headtorch

template <>
struct std::numeric_limits<headtorch::float16> : headtorch::detail::HalfLimits {
    static constexpr int digits = 11, digits10 = 3, max_digits10 = 5;
    static constexpr int min_exponent = -13, min_exponent10 = -4, max_exponent = 16, max_exponent10 = 4;
    static constexpr headtorch::float16 min() noexcept { return headtorch::float16::from_bits(0x0400); }
    static constexpr headtorch::float16 max() noexcept { return headtorch::float16::from_bits(0x7bff); }
    static constexpr headtorch::float16 lowest() noexcept { return headtorch::float16::from_bits(0xfbff); }
    static constexpr headtorch::float16 epsilon() noexcept { return headtorch::float16::from_bits(0x1400); }
    static constexpr headtorch::float16 round_error() noexcept { return headtorch::float16::from_bits(0x3800); }
    static constexpr headtorch::float16 infinity() noexcept { return headtorch::float16::from_bits(0x7c00); }
    static constexpr headtorch::float16 quiet_NaN() noexcept { return headtorch::float16::from_bits(0x7e00); }
    static constexpr headtorch::float16 signaling_NaN() noexcept { return headtorch::float16::from_bits(0x7d00); }
    static constexpr headtorch::float16 denorm_min() noexcept { return headtorch::float16::from_bits(0x0001); }
};

template <>
struct std::numeric_limits<headtorch::bfloat16> : headtorch::detail::HalfLimits {
    static constexpr int digits = 8, digits10 = 2, max_digits10 = 4;
    static constexpr headtorch::bfloat16 min() noexcept { return headtorch::bfloat16::from_bits(0x0080); }
    static constexpr headtorch::bfloat16 max() noexcept { return headtorch::bfloat16::from_bits(0x7f7f); }
    static constexpr headtorch::bfloat16 lowest() noexcept { return headtorch::bfloat16::from_bits(0xff7f); }
    static constexpr headtorch::bfloat16 epsilon() noexcept { return headtorch::bfloat16::from_bits(0x3c00); }
    static constexpr headtorch::bfloat16 round_error() noexcept { return headtorch::bfloat16::from_bits(0x3f00); }
    static constexpr headtorch::bfloat16 infinity() noexcept { return headtorch::bfloat16::from_bits(0x7f80); }
    static constexpr headtorch::bfloat16 quiet_NaN() noexcept { return headtorch::bfloat16::from_bits(0x7fc0); }
    static constexpr headtorch::bfloat16 signaling_NaN() noexcept { return headtorch::bfloat16::from_bits(0x7fa0); }
    static constexpr headtorch::bfloat16 denorm_min() noexcept { return headtorch::bfloat16::from_bits(0x0001); }
};
