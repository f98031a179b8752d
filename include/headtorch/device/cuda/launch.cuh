// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Starting kernels: on the current stream, with the status checked, and in the words of the op.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "headtorch/device/cuda/stream.cuh"

namespace headtorch::cuda {

/// Blocks, and threads of a block.
struct Grid {
    dim3 blocks, threads;
};

inline constexpr unsigned warp_size = 32;
/// The usual size of a block.
inline constexpr unsigned block_threads = 256;
/// Blocks beyond this along y or z are not possible; along x there may be 2^31 - 1.
inline constexpr std::int64_t most_blocks_y = 65535;

template <class A, class B>
HEADTORCH_HOST_DEVICE constexpr A ceil_div(A a, B b) {
    return (a + static_cast<A>(b) - 1) / static_cast<A>(b);
}

/// One thread for each of `items`, as far as the GPU keeps busy with: kernels go on with a stride of the whole grid.
inline Grid grid_for(std::int64_t items, unsigned threads = block_threads) {
    const std::int64_t most = std::int64_t{multi_processor_count()} * 32;
    const std::int64_t blocks = std::clamp<std::int64_t>(ceil_div(items, threads), 1, most);
    return {dim3(static_cast<unsigned>(blocks)), dim3(threads)};
}

/// True when places in an array of this many elements can be counted with an int, with room for a grid's stride.
inline bool fits_int(std::int64_t elements) { return elements < (std::int64_t{1} << 31) - (std::int64_t{1} << 26); }

/// Runs `kernel` on the current stream. A grid without blocks is no work.
template <class... P, class... A>
void launch(std::string_view op, void (*kernel)(P...), const Grid& grid, A... arguments) {
    if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
    cudaLaunchConfig_t config{};
    config.gridDim = grid.blocks;
    config.blockDim = grid.threads;
    config.stream = current_stream().get();
    check(cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...), op, "cudaLaunchKernelEx");
}

/// The place of this thread in the grid, and the number of threads of the grid, along x.
template <class Index = std::int64_t>
__device__ inline Index thread_place() {
    return static_cast<Index>(blockIdx.x) * static_cast<Index>(blockDim.x) + static_cast<Index>(threadIdx.x);
}
template <class Index = std::int64_t>
__device__ inline Index thread_count() {
    return static_cast<Index>(gridDim.x) * static_cast<Index>(blockDim.x);
}

}  // namespace headtorch::cuda
