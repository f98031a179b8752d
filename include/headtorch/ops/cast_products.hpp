// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where products meet Autocast (ops/autocast.hpp): what they ask, and the functions that are called then. Programs without Autocast
/// compile none of those.

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>

#include "headtorch/autograd/autocast.hpp"
#include "headtorch/device/conv.hpp"
#include "headtorch/device/matrix.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::detail {

/// A tensor of rank 2 or 3 as a factor: itself or, of the last two dimensions, its transpose.
enum class As : bool { is, transposed };

/// The products of a convolution: of input and weight, of the output's gradient and weight, of input and the output's gradient.
enum class ConvProduct { forward, input_gradient, weight_gradient };

/// How products on a device are computed in a half type; of T = float only.
template <class T, class D>
struct CastProducts {
    using X = const Tensor<T, D>&;
    /// c = a b or c += a b
    void (*product)(X a, As as_a, X b, As as_b, X c, Accumulate accumulate);
    void (*conv)(ConvProduct kind, const ConvGeometry& geometry, X a, X b, const T* bias, T* out);
};

/// In float16 and in bfloat16, once there was an Autocast of that type.
template <class D>
inline constinit std::array<std::atomic<const CastProducts<float, D>*>, 2> cast_products{};

template <class D>
std::atomic<const CastProducts<float, D>*>& cast_products_of(Dtype dtype) { return cast_products<D>[dtype == Dtype::float16 ? 0 : 1]; }

/// The functions to be called in place of products of T; null when there is no Autocast, or T is not what it is for.
template <class T, class D>
const CastProducts<T, D>* cast_for() {
    if constexpr (std::same_as<T, float>)
        if (AutocastMode::enabled()) [[unlikely]]
            return cast_products_of<D>(AutocastMode::dtype()).load(std::memory_order_acquire);
    return nullptr;
}

}  // namespace headtorch::detail
