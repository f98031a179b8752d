// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolutions by cuDNN, where the program is built with HEADTORCH_CUDNN (headtorch::cuda defines it when it finds
/// header and library of version 8 or later, and links the library).

#include <string_view>

#include "headtorch/device/conv.hpp"
#include "headtorch/device/cuda/gemm_settings.cuh"

#if defined(HEADTORCH_CUDNN)

#include "headtorch/device/cuda/conv_cudnn_plan.cuh"

#else

namespace headtorch::cuda {

/// The version of cuDNN that the program runs with, such as 91900; 0 without it.
inline long cudnn_version() { return 0; }

namespace detail {
template <class T, class Out>
bool cudnn_forward(std::string_view, const ConvGeometry&, const T*, const T*, const Out*, Out*) {
    return false;
}
template <class T, class Out>
bool cudnn_input_gradient(std::string_view, const ConvGeometry&, const T*, const T*, const Out*, Out*) {
    return false;
}
template <class T, class Out>
bool cudnn_weight_gradient(std::string_view, const ConvGeometry&, const T*, const T*, Out*) {
    return false;
}
}  // namespace detail
}  // namespace headtorch::cuda

#endif
