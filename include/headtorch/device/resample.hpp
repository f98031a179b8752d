// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Resampling along one axis, as every device sees it.

#include <cstdint>

namespace headtorch {

/// Output o is the sum over k < taps of weight[o * taps + k] * in[start[o] + k].
template <class T>
struct ResampleAxis {
    std::int64_t in = 1, out = 1, taps = 1;
    const std::int64_t* start = nullptr;
    const T* weight = nullptr;
};

}  // namespace headtorch
