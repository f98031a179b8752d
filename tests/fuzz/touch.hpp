// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Ends the program when a tensor reaches beyond its storage, and reads its first and last byte, so that the address sanitizer sees them.

#include <cstdint>
#include <cstdlib>

#include "headtorch/nn/state_dict.hpp"

inline int touch(const headtorch::nn::StateDict& dict) {
    int sum = 0;
    for (const auto& [name, tensor] : dict) {
        const headtorch::TensorImpl& impl = *tensor.impl();
        if (impl.numel == 0) continue;
        std::int64_t last = 0;
        for (int d = 0; d < impl.shape.rank(); ++d) last += (impl.shape[d] - 1) * impl.strides[d];
        const auto* begin = static_cast<const std::uint8_t*>(impl.data);
        const auto* end = begin + (last + 1) * static_cast<std::int64_t>(size_of(impl.dtype));
        const auto* memory = static_cast<const std::uint8_t*>(impl.storage->data);
        if (begin < memory || last < 0 || end > memory + impl.storage->bytes) std::abort();
        sum += *static_cast<const volatile std::uint8_t*>(begin) + *static_cast<const volatile std::uint8_t*>(end - 1);
    }
    return sum;
}
