// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Rows of a table: their gradient, how often each is asked for, and cutting their norm.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "headtorch/device/cuda/scatter_along.cuh"

namespace headtorch::cuda {
namespace detail {

template <int unused>
__global__ void count_rows_kernel(const std::int64_t* index, std::int64_t count, std::int64_t rows, int* times) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) atomicAdd(&times[safe_index(index[i], rows)], 1);
}

}  // namespace detail

/// dtable[index[i]] += g[i], rows of `width` numbers, from zeros; row `padding` (unless negative) stays zero. With `by_frequency` each g[i]
/// is divided by the number of times that its index occurs.
template <class T>
void embedding_backward(Cuda, const T* g, const std::int64_t* index, std::int64_t count, std::int64_t rows, std::int64_t width,
                        std::int64_t padding, bool by_frequency, T* dtable) {
    fill_bytes("embedding", dtable, 0, rows * width * static_cast<std::int64_t>(sizeof(T)));
    if (count * rows * width == 0) return;
    const Scratch<int> times(by_frequency ? rows : 0);
    if (by_frequency) {
        fill_bytes("embedding", times.data(), 0, rows * static_cast<std::int64_t>(sizeof(int)));
        launch("embedding", &detail::count_rows_kernel<0>, grid_for(count), index, count, rows, times.data());
    }
    with_key(rows, count, [&](auto as) {
        using Key = decltype(as);
        const Scratch<Key> keys(count);
        launch("embedding", &detail::slab_keys_kernel<Key>, grid_for(count), index, count, rows, keys.data());
        const Addition<T> what{.from = g,
                               .to = dtable,
                               .units = width,
                               .inner = width,
                               .step = width,
                               .times = times.data(),
                               .skipped = padding < 0 ? -1 : padding};
        add_by_key("embedding", what, static_cast<const Key*>(keys.data()), count, rows);
    });
}

namespace detail {

/// One block for each entry of `index`; the first that comes to a row does the work.
template <class T>
__global__ void renorm_rows_kernel(const std::int64_t* index, std::int64_t count, std::int64_t rows, std::int64_t width, double most,
                                   double p, int* taken, T* table) {
    __shared__ bool mine;
    __shared__ double parts[block_threads];
    const int thread = static_cast<int>(threadIdx.x);
    const bool largest = p == std::numeric_limits<double>::infinity();
    for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
        const std::int64_t at = safe_index(index[i], rows);
        if (thread == 0) mine = atomicExch(&taken[at], 1) == 0;
        __syncthreads();
        if (mine) {
            T* row = table + at * width;
            double norm = 0;
            for (std::int64_t k = thread; k < width; k += block_threads) {
                const double size = fabs(static_cast<double>(row[k]));
                norm = largest ? (size > norm ? size : norm) : norm + (p == 2 ? size * size : pow(size, p));
            }
            parts[thread] = norm;
            __syncthreads();
            for (int half = static_cast<int>(block_threads) / 2; half > 0; half /= 2) {
                if (thread < half) {
                    const double other = parts[thread + half];
                    parts[thread] = !largest ? parts[thread] + other : other > parts[thread] ? other : parts[thread];
                }
                __syncthreads();
            }
            norm = largest ? parts[0] : p == 2 ? sqrt(parts[0]) : pow(parts[0], 1 / p);
            if (norm > most)
                for (std::int64_t k = thread; k < width; k += block_threads)
                    row[k] = static_cast<T>(static_cast<double>(row[k]) * (most / (norm + 1e-7)));
        }
        __syncthreads();
    }
}

}  // namespace detail

/// Scales each row of `rows` that `index` names and whose norm (sum |w|^p)^(1/p) is larger than `most` down to that norm.
template <class T>
void renorm_rows(Cuda, const std::int64_t* index, std::int64_t count, std::int64_t rows, std::int64_t width, double most, double p,
                 T* table) {
    if (count * rows * width == 0) return;
    const Scratch<int> taken(rows);
    fill_bytes("embedding", taken.data(), 0, rows * static_cast<std::int64_t>(sizeof(int)));
    const Grid grid{dim3(static_cast<unsigned>(std::min<std::int64_t>(count, 1 << 20))), dim3(block_threads)};
    launch("embedding", &detail::renorm_rows_kernel<T>, grid, index, count, rows, width, most, p, taken.data(), table);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::embedding_backward;
using cuda::renorm_rows;
}  // namespace headtorch
