// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Whether convolutions go to cuDNN: they may where the program is built with HEADTORCH_CUDNN (headtorch::cuda defines it when it finds
/// header and library of version 8 or later, and links the library).

#include <atomic>
#include <string_view>

#include "headtorch/device/conv.hpp"

namespace headtorch::cuda {

namespace detail {
inline std::atomic<bool>& cudnn_wanted() {
    static std::atomic<bool> wanted{true};
    return wanted;
}
}  // namespace detail

/// False: convolutions are done by our own kernels, also where cuDNN is there.
inline void set_use_cudnn(bool use) { detail::cudnn_wanted() = use; }

}  // namespace headtorch::cuda

#if defined(HEADTORCH_CUDNN)

#include "headtorch/device/cuda/conv_cudnn_plan.cuh"

#else

namespace headtorch::cuda {

/// The version of cuDNN that the program runs with, such as 91900; 0 without it.
inline long cudnn_version() { return 0; }

namespace detail {
template <class T>
bool cudnn_forward(std::string_view, const ConvGeometry&, const T*, const T*, const T*, T*) {
    return false;
}
template <class T>
bool cudnn_input_gradient(std::string_view, const ConvGeometry&, const T*, const T*, const T*, T*) {
    return false;
}
template <class T>
bool cudnn_weight_gradient(std::string_view, const ConvGeometry&, const T*, const T*, T*) {
    return false;
}
}  // namespace detail
}  // namespace headtorch::cuda

#endif
