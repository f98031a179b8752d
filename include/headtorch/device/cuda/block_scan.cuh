// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running sums over the threads of a block.

#include "headtorch/device/cuda/launch.cuh"

namespace headtorch::cuda {

/// Room for block_exclusive_sum(), in shared memory.
template <class T>
struct BlockSums {
    T of_warp[32];
};

/// The sum of `value` over the threads before this one, and in `total` over all. All threads of the block call it together; a barrier
/// stands between two calls with the same room.
template <class T>
__device__ inline T block_exclusive_sum(T value, BlockSums<T>& room, T& total) {
    const int lane = static_cast<int>(threadIdx.x % warp_size), warp = static_cast<int>(threadIdx.x / warp_size);
    const int warps = static_cast<int>(blockDim.x / warp_size);
    T sum = value;
    for (int step = 1; step < 32; step *= 2) {
        const T before = __shfl_up_sync(0xffffffffu, sum, static_cast<unsigned>(step));
        if (lane >= step) sum += before;
    }
    if (lane == 31) room.of_warp[warp] = sum;
    __syncthreads();
    T start = 0;
    total = 0;
    for (int w = 0; w < warps; ++w) {
        if (w == warp) start = total;
        total += room.of_warp[w];
    }
    return start + sum - value;
}

}  // namespace headtorch::cuda
