// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sums that many blocks share: each makes the sum of its part, and a second pass adds the parts in their order. How something is parted
/// depends on its shape alone, so that every run and every GPU gives the same bits.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/walk.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {
namespace detail {

/// How a range is parted.
struct Parts {
    std::int64_t count, length;
};
/// Parts of `range`, multiples of `unit` long and at least `least`: as many as give all multiprocessors of a large GPU work, when there are
/// `tiles` of such ranges, but no more than fit `most`.
inline Parts part_range(std::int64_t range, std::int64_t tiles, std::int64_t unit, std::int64_t least, std::int64_t most) {
    constexpr std::int64_t wanted = 512;
    const std::int64_t fewest = ceil_div(range, std::int64_t{1} << 30);  // an int counts what is in a part
    const std::int64_t count =
        std::max({std::min({ceil_div(wanted, std::max<std::int64_t>(1, tiles)), range / least, most}), fewest, std::int64_t{1}});
    const std::int64_t length = std::max(unit, ceil_div(ceil_div(range, count), unit) * unit);
    return {std::max<std::int64_t>(1, ceil_div(range, length)), length};
}

/// The sum of the block's 256 values, for thread 0.
__device__ inline double block_sum(double value) {
    __shared__ double values[block_threads];
    values[threadIdx.x] = value;
    for (unsigned half = block_threads / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
    }
    __syncthreads();
    return values[0];
}

/// out[i] = the sum of parts[j, i] over j.
template <class C, class T>
__global__ void add_parts_kernel(std::int64_t count, std::int64_t parts, const C* from, T* out) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) {
        double sum = 0;
        for (std::int64_t j = 0; j < parts; ++j) sum += static_cast<double>(from[j * count + i]);
        out[i] = static_cast<T>(static_cast<ComputeType<T>>(sum));
    }
}
template <class C, class T>
void add_parts(std::string_view op, std::int64_t count, std::int64_t parts, const C* from, T* out) {
    if (count > 0) launch(op, &add_parts_kernel<C, T>, grid_for(count), count, parts, from, out);
}

/// partial[part, channel] = the sum of the elements of a channel that are in a part: counted through all images, part * length and on.
template <class T>
__global__ void channel_sums_kernel(std::int64_t channels, std::int64_t size, Divisor by_size, std::int64_t images, Parts parts, const T* x,
                                    double* partial) {
    const std::int64_t channel = blockIdx.x;
    for (std::int64_t part = blockIdx.y; part < parts.count; part += gridDim.y) {
        const std::int64_t begin = part * parts.length, first_image = begin / size;
        const std::int64_t end = begin + parts.length < images * size ? begin + parts.length : images * size;
        const std::int64_t first = begin - first_image * size;
        const T* const from = x + (first_image * channels + channel) * size;
        ComputeType<T> sum{};
        for (std::int64_t i = threadIdx.x; i < end - begin; i += block_threads) {
            const std::int64_t at = first + i;
            // a large image is left at most once
            const std::int64_t image = size > parts.length ? at >= size : by_size(static_cast<std::uint32_t>(at));
            sum += static_cast<ComputeType<T>>(from[(image * channels - image) * size + at]);
        }
        const double total = block_sum(static_cast<double>(sum));
        if (threadIdx.x == 0) partial[part * channels + channel] = total;
        __syncthreads();
    }
}

}  // namespace detail

/// sums[c] = sum of x[n, c, i] over n and i.
template <class T>
void channel_sums(Cuda, std::int64_t images, std::int64_t channels, std::int64_t size, const T* x, T* sums) {
    if (channels == 0) return;
    // 16384 elements: 64 for each thread of a block
    const std::int64_t range = images * size, length = std::min<std::int64_t>(16384, std::max<std::int64_t>(1, range));
    const detail::Parts parts{ceil_div(range, length), length};
    const Scratch<double> partial(std::max<std::int64_t>(1, parts.count * channels));
    const Grid grid{dim3(static_cast<unsigned>(channels), static_cast<unsigned>(std::min(parts.count, most_blocks_y))),
                    dim3(block_threads)};
    if (range > 0)
        launch("channel_sums", &detail::channel_sums_kernel<T>, grid, channels, size,
               Divisor(static_cast<std::uint32_t>(std::min(size, length))), images, parts, x, partial.data());
    detail::add_parts("channel_sums", channels, parts.count, partial.data(), sums);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::channel_sums;
}  // namespace headtorch
