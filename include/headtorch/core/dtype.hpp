// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Element types.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "headtorch/core/half.hpp"

namespace headtorch {

enum class Dtype : std::uint8_t { float32, float64, int64, int32, uint8, boolean, float16, bfloat16 };

/// What a tensor may hold.
template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t> || std::same_as<T, std::int32_t> ||
                 std::same_as<T, std::uint8_t> || std::same_as<T, bool> || Half<T>;

/// What can have a gradient.
template <class T>
concept Floating = std::same_as<T, float> || std::same_as<T, double> || Half<T>;

template <class T>
concept Integral = Scalar<T> && !Floating<T>;

/// A plain C++ number, as in `x * 2`.
template <class S>
concept Number = std::is_arithmetic_v<S> || Half<S>;

template <Scalar T>
inline constexpr Dtype dtype_of = std::same_as<T, float>          ? Dtype::float32
                                  : std::same_as<T, double>       ? Dtype::float64
                                  : std::same_as<T, std::int64_t> ? Dtype::int64
                                  : std::same_as<T, std::int32_t> ? Dtype::int32
                                  : std::same_as<T, std::uint8_t> ? Dtype::uint8
                                  : std::same_as<T, bool>         ? Dtype::boolean
                                  : std::same_as<T, float16>      ? Dtype::float16
                                                                  : Dtype::bfloat16;

constexpr bool is_floating(Dtype dtype) {
    return dtype == Dtype::float32 || dtype == Dtype::float64 || dtype == Dtype::float16 || dtype == Dtype::bfloat16;
}

/// PyTorch's name of a dtype, without `torch.`.
constexpr std::string_view name(Dtype dtype) {
    constexpr std::string_view names[] = {"float32", "float64", "int64", "int32", "uint8", "bool", "float16", "bfloat16"};
    return names[static_cast<std::size_t>(dtype)];
}

constexpr std::size_t size_of(Dtype dtype) {
    constexpr std::size_t sizes[] = {4, 8, 8, 4, 1, 1, 2, 2};
    return sizes[static_cast<std::size_t>(dtype)];
}

/// Sums of integers and booleans are counted in int64, as in PyTorch.
template <Scalar T>
using SumType = std::conditional_t<Floating<T>, T, std::int64_t>;

/// True division, mean and the like turn integers into float.
template <Scalar T>
using RealType = std::conditional_t<Floating<T>, T, float>;

/// What long float sums are gathered in.
template <Scalar T>
using Accumulator = std::conditional_t<Floating<T>, double, std::int64_t>;

}  // namespace headtorch
