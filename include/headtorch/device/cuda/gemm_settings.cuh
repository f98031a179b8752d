// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How exactly products and convolutions of floats are computed, for the whole program.

#include <atomic>
#include <string_view>

#include "headtorch/core/error.hpp"

namespace headtorch::cuda {

namespace detail {
inline std::atomic<bool>& tf32_allowed() {
    static std::atomic<bool> allowed{false};
    return allowed;
}
inline std::atomic<bool>& cudnn_wanted() {
    static std::atomic<bool> wanted{true};
    return wanted;
}
}  // namespace detail

/// True: products and convolutions of floats may round their factors to TF32 (10 bits of fraction instead of 23; sums stay floats), which
/// the tensor cores of an Ampere GPU or a later one multiply several times as fast. Off at first, as PyTorch's
/// torch.backends.cuda.matmul.allow_tf32.
inline void allow_tf32(bool allowed) { detail::tf32_allowed() = allowed; }
inline bool is_tf32_allowed() { return detail::tf32_allowed(); }

/// torch.set_float32_matmul_precision: "highest", or "high" for TF32; "medium" is no less exact than "high" here.
inline void set_float32_matmul_precision(std::string_view precision) {
    if (precision != "highest" && precision != "high" && precision != "medium")
        throw ValueError(message("set_float32_matmul_precision: \"highest\", \"high\" or \"medium\", got \"", precision, "\""));
    allow_tf32(precision != "highest");
}
/// False: convolutions are done by our own kernels, also where cuDNN is there.
inline void set_use_cudnn(bool use) { detail::cudnn_wanted() = use; }

inline std::string_view get_float32_matmul_precision() { return is_tf32_allowed() ? "high" : "highest"; }

}  // namespace headtorch::cuda
