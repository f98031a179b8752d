// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reading by index: rows picked by a list, elements picked along one dimension, and the places at which a mask is true.

#include <array>
#include <cstdint>

#include "headtorch/device/cuda/block_scan.cuh"
#include "headtorch/device/cuda/check_index.cuh"
#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/gather.hpp"

namespace headtorch::cuda {
namespace detail {

/// Rows of `width` words: row (o, i) of `to` is row (o, index[i]) of `from`.
template <class W, class Index>
__global__ void copy_slabs_kernel(const W* from, const std::int64_t* index, Quotient<Index> width, Quotient<Index> count, Index size,
                                  Index words, W* to) {
    const Index step = thread_count<Index>();
    for (Index word = thread_place<Index>(); word < words; word += step) {
        Index row = word;
        const Index k = width.take_rest(row), i = count.take_rest(row);
        const auto source = static_cast<std::int64_t>(row) * size + safe_index(index[i], size);
        to[word] = from[source * width.divisor + k];
    }
}

template <class W>
void copy_slabs_by(const void* from, const Slabs& slabs, std::int64_t width, const std::int64_t* index, std::int64_t count, void* to) {
    const std::int64_t words = slabs.outer * count * width;
    with_index(std::max(words, slabs.size), [&](auto as) {
        using Index = decltype(as);
        launch("index_select", &copy_slabs_kernel<W, Index>, grid_for(words), static_cast<const W*>(from), index, Quotient<Index>(width),
               Quotient<Index>(count), static_cast<Index>(slabs.size), static_cast<Index>(words), static_cast<W*>(to));
    });
}

}  // namespace detail

/// to[o, i, :] = from[o, index[i], :] for contiguous [outer, size, inner]; negative indices count from the end.
template <class T>
void copy_slabs(Cuda, const T* from, const Slabs& slabs, const std::int64_t* index, std::int64_t count, T* to) {
    if (slabs.outer * count * slabs.inner == 0 || slabs.size == 0) return;
    // whole rows are moved in words as large as they and their places allow
    const std::int64_t bytes = slabs.inner * static_cast<std::int64_t>(sizeof(T));
    const auto all = static_cast<std::uint64_t>(bytes) | reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
    if (all % 16 == 0)
        detail::copy_slabs_by<Lanes<std::uint32_t, 4>>(from, slabs, bytes / 16, index, count, to);
    else if (all % 8 == 0)
        detail::copy_slabs_by<std::uint64_t>(from, slabs, bytes / 8, index, count, to);
    else
        detail::copy_slabs_by<Word<sizeof(T)>>(from, slabs, slabs.inner, index, count, to);
}

namespace detail {

/// The walk over an index along `dim` of something else, which is entered at the same place but for that dimension: operand 0 is the index,
/// and what goes with it, 1 the other.
inline Loop loop_along(const Shape& shape, int dim, const Strides& strides) {
    std::array<Strides, 2> each{shape.contiguous_strides(), strides};
    if (strides.rank() > 0) each[1][dim] = 0;
    return Loop(shape, each);
}

template <class W>
__global__ void gather_along_kernel(const W* from, std::int64_t step, std::int64_t size, const std::int64_t* index, int n, Walk<2> walk,
                                    W* to) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count()) {
        const auto at = walk.offsets(static_cast<int>(k));
        to[at.of[0]] = from[at.of[1] + safe_index(index[at.of[0]], size) * step];
    }
}

}  // namespace detail

/// to[k] = from[… index[k] …] along one dimension.
template <class T>
void gather_along(Cuda, const T* from, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                  T* to) {
    if (shape.numel() == 0 || size == 0) return;
    using W = Word<sizeof(T)>;
    const std::int64_t step = strides.rank() ? strides[dim] : 0;
    in_parts(detail::loop_along(shape, dim, strides), 2, [&](const Loop& part, std::int64_t n, const std::int64_t* offsets) {
        launch("gather", &detail::gather_along_kernel<W>, grid_for(n), reinterpret_cast<const W*>(from) + offsets[1], step, size,
               index + offsets[0], static_cast<int>(n), Walk<2>(part), reinterpret_cast<W*>(to) + offsets[0]);
    });
}

namespace detail {

/// What a block of the next two kernels looks at.
inline constexpr int mask_tile = 2048;

template <class Index>
__global__ void count_true_kernel(const bool* mask, Index count, Index* found) {
    int here = 0;
    const Index begin = static_cast<Index>(blockIdx.x) * mask_tile, end = count - begin < mask_tile ? count : begin + mask_tile;
    for (Index i = begin + static_cast<Index>(threadIdx.x); i < end; i += static_cast<Index>(blockDim.x)) here += mask[i] ? 1 : 0;
    __shared__ BlockSums<int> room;
    int total;
    block_exclusive_sum(here, room, total);
    if (threadIdx.x == 0) found[blockIdx.x] = static_cast<Index>(total);
}

/// Replaces n numbers by their running sums; out[n] is the sum of all. One block.
template <class Index>
__global__ void __launch_bounds__(1024) running_sums_kernel(Index n, Index* data) {
    __shared__ BlockSums<Index> room;
    Index before = 0;
    for (Index begin = 0; begin < n; begin += static_cast<Index>(blockDim.x)) {
        const Index i = begin + static_cast<Index>(threadIdx.x);
        Index total;
        const Index sum = block_exclusive_sum(i < n ? data[i] : Index{0}, room, total);
        if (i < n) data[i] = before + sum;
        before += total;
        __syncthreads();
    }
    if (threadIdx.x == 0) data[n] = before;
}

template <class Index>
__global__ void list_true_kernel(const bool* mask, Index count, const Index* before, std::int64_t* out) {
    __shared__ BlockSums<int> room;
    Index to = before[blockIdx.x];
    const Index begin = static_cast<Index>(blockIdx.x) * mask_tile;
    for (int k = 0; k < mask_tile; k += static_cast<int>(blockDim.x)) {
        const Index i = begin + k + static_cast<Index>(threadIdx.x);
        const bool set = i < count && mask[i];
        int total;
        const int mine = block_exclusive_sum(set ? 1 : 0, room, total);
        if (set) out[to + mine] = i;
        to += total;
        __syncthreads();
    }
}

template <class Index>
__global__ void unravel_kernel(const std::int64_t* flat, Index count, int rank, std::array<Quotient<Index>, max_rank> sizes,
                               std::int64_t* rows) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) {
        Index left = static_cast<Index>(flat[i]);
        for (int d = rank - 1; d >= 0; --d) rows[i * rank + d] = sizes.data()[d].take_rest(left);
    }
}

}  // namespace detail

/// Writes the flat positions at which a contiguous mask is true, in order, to room(how many), which returns where; the host waits for that.
template <class Room>
void true_positions(Cuda, const bool* mask, std::int64_t count, const Room& room) {
    const std::int64_t tiles = ceil_div(count, detail::mask_tile);
    if (tiles == 0) return void(room(0));
    const Grid grid{dim3(static_cast<unsigned>(tiles)), dim3(block_threads)};
    with_index(count, [&](auto as) {
        using Index = decltype(as);
        const Scratch<Index> before(tiles + 1);
        launch("nonzero", &detail::count_true_kernel<Index>, grid, mask, static_cast<Index>(count), before.data());
        launch("nonzero", &detail::running_sums_kernel<Index>, Grid{dim3(1), dim3(1024)}, static_cast<Index>(tiles), before.data());
        const std::int64_t found = read_one(before.data() + tiles, "nonzero");
        std::int64_t* out = room(found);
        if (found > 0)
            launch("nonzero", &detail::list_true_kernel<Index>, grid, mask, static_cast<Index>(count), before.data(), out);
    });
}

/// Turns each flat position in a contiguous tensor of `shape` into a row [i, j, …] of `rows`.
inline void unravel(Cuda, const std::int64_t* flat, std::int64_t count, const Shape& shape, std::int64_t* rows) {
    if (count == 0 || shape.rank() == 0) return;
    with_index(shape.numel(), [&](auto as) {
        using Index = decltype(as);
        const auto sizes = [&]<std::size_t... D>(std::index_sequence<D...>) {
            return std::array<Quotient<Index>, max_rank>{
                Quotient<Index>(static_cast<int>(D) < shape.rank() ? shape[static_cast<int>(D)] : 1)...};
        }
        (std::make_index_sequence<max_rank>{});
        launch("nonzero", &detail::unravel_kernel<Index>, grid_for(count), flat, static_cast<Index>(count), shape.rank(), sizes, rows);
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::copy_slabs;
using cuda::gather_along;
using cuda::true_positions;
using cuda::unravel;
}  // namespace headtorch
