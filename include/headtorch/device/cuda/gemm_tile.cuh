// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The inner part of our products and convolutions: a block of threads computes one tile of the result, slice by slice of the depth. While
/// it multiplies one slice out of shared memory, the next is on its way.
/// After V. Volkov and J. Demmel, "Benchmarking GPUs to tune dense linear algebra", SC 2008.

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/map.cuh"

namespace headtorch::cuda::detail {

/// What products of T are summed in: integers as unsigned ones, which wrap around.
template <class T>
struct ProductOf {
    using type = ComputeType<T>;
};
template <class T>
    requires std::is_integral_v<T>
struct ProductOf<T> {
    using type = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
};
template <class T>
using ProductType = typename ProductOf<T>::type;

/// Results may be of the operands' type; those of halfs may also stay floats.
template <class T, class Out>
concept StoredAs = std::same_as<T, Out> || (Half<T> && std::same_as<Out, float>);

template <class T>
__device__ inline ProductType<T> as_factor(T x) {
    return static_cast<ProductType<T>>(x);
}

/// Two slices of both factors, in shared memory. A tile is computed by 16 x 16 threads, thread_rows x 4 results each.
template <class C, int thread_rows>
struct Tile {
    static constexpr int threads = 256, thread_cols = 4;
    static constexpr int rows = 16 * thread_rows, cols = 16 * thread_cols, depth = sizeof(C) > 4 ? 8 : 16;
    /// Elements that each thread fetches of a slice.
    static constexpr int a_elements = rows * depth / threads, b_elements = cols * depth / threads;
    alignas(32) C a[2][depth][rows + 4];
    alignas(32) C b[2][depth][cols + 4];
};

/// Where in a slice an element lies.
struct TilePlace {
    int depth, index;
};
/// Element e of this thread when neighbours in the warp are neighbours along the depth, or along the tile's edge of `width`.
template <class Tile>
__device__ inline TilePlace along_depth(int e) {
    const int i = e * Tile::threads + static_cast<int>(threadIdx.x);
    return {i % Tile::depth, i / Tile::depth};
}
template <class Tile, int width>
__device__ inline TilePlace along_edge(int e) {
    const int i = e * Tile::threads + static_cast<int>(threadIdx.x);
    return {i / width, i % width};
}

/// sum[i][j] = the element in row (thread / 16) * thread_rows + i and column (thread % 16) * 4 + j of the tile.
///
/// `source` belongs to a thread. a(slice, e) and b(slice, e) return element e that it fetches, 0 outside of the factors, and a_place(e) and
/// b_place(e) say where that goes. prepare(slice) may write what the threads are to share into slot slice % 2: it is called before a
/// barrier that comes before the slice is fetched, also for up to two slices past the end.
/// After each `run` slices what was summed goes to a second sum: over great depths, errors stay small. 0: never.
template <int run, class C, int thread_rows, class Source>
__device__ inline void multiply_tile(Tile<C, thread_rows>& tile, Source& source, int slices, C (&sum)[thread_rows][4]) {
    using Shape = Tile<C, thread_rows>;
    const int row = static_cast<int>(threadIdx.x) / 16 * thread_rows, col = static_cast<int>(threadIdx.x) % 16 * 4;
    C part[thread_rows][4], a_next[Shape::a_elements], b_next[Shape::b_elements];
#pragma unroll
    for (int i = 0; i < thread_rows; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] = part[i][j] = C{};

    const auto fetch = [&](int slice) {
#pragma unroll
        for (int e = 0; e < Shape::a_elements; ++e) a_next[e] = source.a(slice, e);
#pragma unroll
        for (int e = 0; e < Shape::b_elements; ++e) b_next[e] = source.b(slice, e);
    };
    const auto put = [&](int slot) {
#pragma unroll
        for (int e = 0; e < Shape::a_elements; ++e) {
            const TilePlace place = source.a_place(e);
            tile.a[slot][place.depth][place.index] = a_next[e];
        }
#pragma unroll
        for (int e = 0; e < Shape::b_elements; ++e) {
            const TilePlace place = source.b_place(e);
            tile.b[slot][place.depth][place.index] = b_next[e];
        }
    };
    source.prepare(0);
    source.prepare(1);
    __syncthreads();
    if (slices > 0) {
        fetch(0);
        put(0);
    }
    __syncthreads();
    for (int slice = 0; slice < slices; ++slice) {
        const int slot = slice & 1;
        if (slice + 1 < slices) fetch(slice + 1);
        source.prepare(slice + 2);
#pragma unroll 4
        for (int k = 0; k < Shape::depth; ++k) {
            C a[thread_rows];
            constexpr int width = thread_rows < 4 ? thread_rows : 4;
#pragma unroll
            for (int i = 0; i < thread_rows; i += width) {
                const auto lanes = *reinterpret_cast<const Lanes<C, width>*>(&tile.a[slot][k][row + i]);
#pragma unroll
                for (int q = 0; q < width; ++q) a[i + q] = lanes.at[q];
            }
            const auto b = *reinterpret_cast<const Lanes<C, 4>*>(&tile.b[slot][k][col]);
#pragma unroll
            for (int i = 0; i < thread_rows; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) part[i][j] += a[i] * b.at[j];
        }
        if constexpr (run > 0) {
            if (slice % run == run - 1) {
#pragma unroll
                for (int i = 0; i < thread_rows; ++i)
#pragma unroll
                    for (int j = 0; j < 4; ++j) {
                        sum[i][j] += part[i][j];
                        part[i][j] = C{};
                    }
            }
        }
        if (slice + 1 < slices) put(slot ^ 1);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < thread_rows; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += part[i][j];
}

}  // namespace headtorch::cuda::detail
