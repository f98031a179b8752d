// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Indices are checked on the GPU, and the host goes on meanwhile: see device_error.cuh. Kernels that follow indices keep bad ones inside.

#include <cstdint>

#include "headtorch/device/cuda/capture.cuh"
#include "headtorch/device/cuda/device_error.cuh"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {
namespace detail {

inline constexpr unsigned long long no_position = ~0ull;

template <int unused>  // a template, so that each program has the kernel once
__global__ void check_index_kernel(const std::int64_t* index, std::int64_t count, Reporter report) {
    __shared__ unsigned long long first;
    std::int64_t bad = -1;
    const std::int64_t step = thread_count();
    for (std::int64_t i = thread_place(); i < count && bad < 0; i += step)
        if (!report.rule.allows(index[i])) bad = i;
    if (!__syncthreads_or(bad >= 0)) return;
    if (threadIdx.x == 0) first = no_position;
    __syncthreads();
    if (bad >= 0) atomicMin(&first, static_cast<unsigned long long>(bad));
    __syncthreads();
    if (bad >= 0 && first == static_cast<unsigned long long>(bad)) report(index[bad], bad);
}

}  // namespace detail

/// The next call that waits for the GPU throws IndexError about the first index that breaks the rule.
inline void check_index(Cuda, const std::int64_t* index, std::int64_t count, const IndexRule& rule) {
    if (count == 0) return;
    launch(rule.op, &detail::check_index_kernel<0>, grid_for(count), index, count, reporter(rule));
    if (launch_blocking() && !recording(Cuda{})) current_stream().synchronize();
}

/// The place that an index means, which may count from the end: inside [0, size) also where the index is not, for that was reported.
/// `size` must not be 0.
template <class Index>
__device__ inline Index safe_index(std::int64_t index, Index size) {
    const std::int64_t i = index < 0 ? index + size : index;
    return static_cast<Index>(i < 0 ? 0 : i < size ? i : size - 1);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::check_index;
}
