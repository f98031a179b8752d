// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sorting pairs of an unsigned key and a number; equal keys keep their order. Few of them are sorted by one block (K. Batcher, "Sorting
/// networks and their applications", 1968), many by digits of eight bits, from the last to the first (N. Satish, M. Harris, M. Garland,
/// "Designing efficient sorting algorithms for manycore GPUs", 2009). Not CUB, for its headers declare a namespace ::cuda, which would make
/// `cuda::` ambiguous to whoever writes `using namespace headtorch`.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "headtorch/device/cuda/block_scan.cuh"
#include "headtorch/device/cuda/memory.cuh"

namespace headtorch::cuda {

/// Bits that tell numbers below `limit` apart.
inline int key_bits(std::int64_t limit) { return limit <= 1 ? 0 : static_cast<int>(std::bit_width(static_cast<std::uint64_t>(limit - 1))); }

namespace detail {

/// Pairs that one block sorts in shared memory.
inline constexpr int block_pairs = 2048;
inline constexpr int radix_digits = 256;

/// Sorts each `length` (a power of two) of `total` pairs in shared memory, by key and then by place. All threads call it together, after a
/// barrier, and one follows.
template <class Key>
__device__ inline void sort_in_block(Key* keys, int* places, int length, int total) {
    for (int k = 2; k <= length; k *= 2)
        for (int j = k / 2; j > 0; j /= 2) {
            for (int t = static_cast<int>(threadIdx.x); t < total / 2; t += static_cast<int>(blockDim.x)) {
                const int a = 2 * t - (t & (j - 1)), b = a + j;
                const bool down = (a & (length - 1) & k) != 0;
                const bool greater = keys[a] > keys[b] || (keys[a] == keys[b] && places[a] > places[b]);
                if (greater != down) {
                    const Key key = keys[a];
                    const int place = places[a];
                    keys[a] = keys[b];
                    places[a] = places[b];
                    keys[b] = key;
                    places[b] = place;
                }
            }
            __syncthreads();
        }
}

template <class Key, class Value>
__global__ void sort_few_kernel(const Key* keys, const Value* values, int count, int length, Key* sorted_keys, Value* sorted_values) {
    __shared__ Key tile_keys[block_pairs];
    __shared__ int tile_places[block_pairs];
    for (int i = static_cast<int>(threadIdx.x); i < length; i += static_cast<int>(blockDim.x)) {
        tile_keys[i] = i < count ? keys[i] : static_cast<Key>(~Key{0});
        tile_places[i] = i;
    }
    __syncthreads();
    sort_in_block(tile_keys, tile_places, length, length);
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
        sorted_keys[i] = tile_keys[i];
        sorted_values[i] = values ? values[tile_places[i]] : static_cast<Value>(tile_places[i]);
    }
}

/// What a block sorts by one digit: `items` keys of each thread.
template <class Key, class Value>
struct RadixTile {
    static constexpr int warps = static_cast<int>(block_threads / warp_size);
    static constexpr int items = 128 / static_cast<int>(sizeof(Key) + sizeof(Value));
    static constexpr int size = items * static_cast<int>(block_threads);
};

/// counts[digit * tiles + tile] = how many keys of a tile have a digit.
template <class Key, class Value>
__global__ void count_digits_kernel(const Key* keys, Value count, int shift, Value* counts) {
    __shared__ int found[radix_digits];
    const int thread = static_cast<int>(threadIdx.x);
    found[thread] = 0;
    __syncthreads();
    constexpr int size = RadixTile<Key, Value>::size;
    const Value begin = static_cast<Value>(blockIdx.x) * size;
    const int here = count - begin < size ? static_cast<int>(count - begin) : size;
    for (int i = thread; i < here; i += radix_digits) atomicAdd(&found[static_cast<int>(keys[begin + i] >> shift & 255)], 1);
    __syncthreads();
    counts[static_cast<Value>(thread) * static_cast<Value>(gridDim.x) + static_cast<Value>(blockIdx.x)] = static_cast<Value>(found[thread]);
}

/// Replaces the counts of each digit by running sums from tile to tile; totals[digit] = their sum. One block for each digit.
template <class Value>
__global__ void sum_digits_kernel(Value tiles, Value* counts, Value* totals) {
    __shared__ BlockSums<Value> room;
    Value* row = counts + static_cast<Value>(blockIdx.x) * tiles;
    Value before = 0;
    for (Value begin = 0; begin < tiles; begin += static_cast<Value>(blockDim.x)) {
        const Value i = begin + static_cast<Value>(threadIdx.x);
        Value total;
        const Value sum = block_exclusive_sum(i < tiles ? row[i] : Value{0}, room, total);
        if (i < tiles) row[i] = before + sum;
        before += total;
        __syncthreads();
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = before;
}

/// Puts the pairs of each tile where their digit and the counts say. Within the tile they are put in order first, so that neighbours go to
/// neighbours.
template <class Key, class Value>
__global__ void move_by_digit_kernel(const Key* keys, const Value* values, Value count, int shift, const Value* counts, const Value* totals,
                                     Key* moved_keys, Value* moved_values) {
    using Tile = RadixTile<Key, Value>;
    __shared__ Key tile_keys[Tile::size];
    __shared__ Value tile_values[Tile::size];
    __shared__ int found[Tile::warps][radix_digits];
    __shared__ int start[radix_digits];
    __shared__ Value shift_to[radix_digits];
    __shared__ BlockSums<int> room;
    __shared__ BlockSums<Value> wide_room;
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
    const Value begin = static_cast<Value>(blockIdx.x) * Tile::size;
    const int here = count - begin < Tile::size ? static_cast<int>(count - begin) : Tile::size;
    for (int w = 0; w < Tile::warps; ++w) found[w][thread] = 0;
    __syncthreads();

    // the rank of each key among those of its warp with the same digit; what is beyond the end counts as the largest
    Key key[Tile::items];
    int rank[Tile::items];
    for (int i = 0; i < Tile::items; ++i) {
        const int place = (warp * Tile::items + i) * 32 + lane;
        key[i] = place < here ? keys[begin + place] : static_cast<Key>(~Key{0});
        const int digit = static_cast<int>(key[i] >> shift & 255);
        unsigned peers = 0xffffffffu;
        for (int bit = 0; bit < 8; ++bit) {
            const bool set = (digit >> bit & 1) != 0;
            const unsigned with = __ballot_sync(0xffffffffu, set);
            peers &= set ? with : ~with;
        }
        const int before = __popc(peers & ((1u << lane) - 1u));
        rank[i] = found[warp][digit] + before;
        __syncwarp();
        if (before == 0) found[warp][digit] += __popc(peers);
        __syncwarp();
    }
    __syncthreads();

    int in_tile = 0;  // keys with the digit of this thread's number
    for (int w = 0; w < Tile::warps; ++w) {
        const int more = found[w][thread];
        found[w][thread] = in_tile;
        in_tile += more;
    }
    int all;
    Value all_wide;
    start[thread] = block_exclusive_sum(in_tile, room, all);
    const Value before = block_exclusive_sum(totals[thread], wide_room, all_wide);
    shift_to[thread] =
        before + counts[static_cast<Value>(thread) * static_cast<Value>(gridDim.x) + static_cast<Value>(blockIdx.x)] - start[thread];
    __syncthreads();

    for (int i = 0; i < Tile::items; ++i) {
        const int place = (warp * Tile::items + i) * 32 + lane;
        const int digit = static_cast<int>(key[i] >> shift & 255), to = start[digit] + found[warp][digit] + rank[i];
        tile_keys[to] = key[i];
        if (place < here) tile_values[to] = values ? values[begin + place] : begin + place;
    }
    __syncthreads();
    for (int i = thread; i < here; i += static_cast<int>(block_threads)) {
        const Key moved = tile_keys[i];
        const Value to = shift_to[static_cast<int>(moved >> shift & 255)] + i;
        moved_keys[to] = moved;
        moved_values[to] = tile_values[i];
    }
}

}  // namespace detail

/// Sorts `count` pairs by the low `bits` bits of their keys; the others must be 0. A null pointer for values stands for 0, 1, 2, … Value is
/// int or std::int64_t, and holds `count`.
template <class Key, class Value>
void sort_pairs(std::string_view op, const Key* keys, Key* sorted_keys, const Value* values, Value* sorted_values, std::int64_t count,
                int bits) {
    if (count == 0) return;
    if (count <= detail::block_pairs) {
        const int n = static_cast<int>(count), length = static_cast<int>(std::bit_ceil(static_cast<unsigned>(n)));
        const Grid grid{dim3(1), dim3(length >= 2048 ? 1024u : 256u)};
        return launch(op, &detail::sort_few_kernel<Key, Value>, grid, keys, values, n, length, sorted_keys, sorted_values);
    }
    const std::int64_t tiles = ceil_div(count, detail::RadixTile<Key, Value>::size);
    const int passes = std::max(1, ceil_div(bits, 8));
    const Scratch<Value> counts(tiles * detail::radix_digits), totals(detail::radix_digits);
    const Scratch<Key> other_keys(passes > 1 ? count : 0);
    const Scratch<Value> other_values(passes > 1 ? count : 0);
    const Grid grid{dim3(static_cast<unsigned>(tiles)), dim3(block_threads)};
    for (int pass = 0; pass < passes; ++pass) {
        const bool last = (passes - pass) % 2 == 1;  // of two passes in turn
        Key* to_keys = last ? sorted_keys : other_keys.data();
        Value* to_values = last ? sorted_values : other_values.data();
        const int shift = pass * 8;
        launch(op, &detail::count_digits_kernel<Key, Value>, grid, keys, static_cast<Value>(count), shift, counts.data());
        launch(op, &detail::sum_digits_kernel<Value>, Grid{dim3(detail::radix_digits), dim3(block_threads)}, static_cast<Value>(tiles),
               counts.data(), totals.data());
        launch(op, &detail::move_by_digit_kernel<Key, Value>, grid, keys, values, static_cast<Value>(count), shift, counts.data(),
               totals.data(), to_keys, to_values);
        keys = to_keys;
        values = to_values;
    }
}

}  // namespace headtorch::cuda
