// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sums of e^x that cannot overflow, gathered in one visit and in any order: what softmax divides by.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/map.cuh"

namespace headtorch::cuda::detail {

/// The largest x, and the sum of e^(x - top). A single x of +inf or NaN makes the sum NaN, as inf - inf is.
template <class C>
struct ExpSum {
    C top;
    double sum;
};

template <class C>
__device__ ExpSum<C> empty_exp_sum() {
    return {-std::numeric_limits<C>::infinity(), 0.0};
}
template <class C>
__device__ ExpSum<C> exp_sum_of(C x) {
    constexpr C inf = std::numeric_limits<C>::infinity();
    return {x, x < inf ? x == -inf ? 0.0 : 1.0 : std::numeric_limits<double>::quiet_NaN()};
}

struct JoinExpSums {
    static constexpr bool ordered = true;
    template <class C>
    __device__ ExpSum<C> operator()(const ExpSum<C>& a, const ExpSum<C>& b) const {
        const C top = Largest{}(a.top, b.top);
        // where both are the top, even an infinite one, nothing is rescaled
        const double sum_a = a.top == top ? a.sum : a.sum * static_cast<double>(std::exp(a.top - top));
        return {top, sum_a + (b.top == top ? b.sum : b.sum * static_cast<double>(std::exp(b.top - top)))};
    }
};

/// What is known of a line before its elements are written: they are e^(x - top) * rest, or x - top - rest.
template <bool log_of_it, class C>
struct SoftmaxLine {
    C top, rest;
    SoftmaxLine() = default;
    __device__ explicit SoftmaxLine(const ExpSum<C>& sum) : top(sum.top) {
        if constexpr (log_of_it)
            rest = static_cast<C>(std::log(sum.sum));
        else
            rest = static_cast<C>(1 / sum.sum);
    }
    __device__ C operator()(C x) const {
        if constexpr (log_of_it)
            return x - top - rest;
        else
            return std::exp(x - top) * rest;
    }
};

/// Calls f(place, value) for the elements of a line, dealt out to the threads of a block, 16 bytes at a time where the line allows.
template <int threads, class T, class F>
__device__ void for_line(const T* x, std::int64_t length, const F& f) {
    constexpr int lanes = static_cast<int>(16 / sizeof(T));
    std::int64_t done = 0;
    if (reinterpret_cast<std::uintptr_t>(x) % 16 == 0) {
        const std::int64_t groups = length / lanes;
#pragma unroll 2
        for (std::int64_t i = threadIdx.x; i < groups; i += threads) {
            const auto loaded = reinterpret_cast<const Lanes<T, lanes>*>(x)[i];
            for (int lane = 0; lane < lanes; ++lane) f(i * lanes + lane, static_cast<ComputeType<T>>(loaded.at[lane]));
        }
        done = groups * lanes;
    }
    for (std::int64_t i = done + threadIdx.x; i < length; i += threads) f(i, static_cast<ComputeType<T>>(x[i]));
}

/// to[i] = f(i, from[i]) for a line, in the same way.
template <int threads, class T, class F>
__device__ void map_line(const T* from, std::int64_t length, T* to, const F& f) {
    constexpr int lanes = static_cast<int>(16 / sizeof(T));
    std::int64_t done = 0;
    if ((reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to)) % 16 == 0) {
        const std::int64_t groups = length / lanes;
#pragma unroll 2
        for (std::int64_t i = threadIdx.x; i < groups; i += threads) {
            auto numbers = reinterpret_cast<const Lanes<T, lanes>*>(from)[i];
            for (int lane = 0; lane < lanes; ++lane)
                numbers.at[lane] = static_cast<T>(f(i * lanes + lane, static_cast<ComputeType<T>>(numbers.at[lane])));
            reinterpret_cast<Lanes<T, lanes>*>(to)[i] = numbers;
        }
        done = groups * lanes;
    }
    for (std::int64_t i = done + threadIdx.x; i < length; i += threads) to[i] = static_cast<T>(f(i, static_cast<ComputeType<T>>(from[i])));
}

/// The sum of e^x of a line, found by a block; every thread gets it.
template <int threads, class T>
__device__ ExpSum<ComputeType<T>> block_exp_sum(const T* x, std::int64_t length) {
    using C = ComputeType<T>;
    ExpSum<C> mine = empty_exp_sum<C>();
    for_line<threads>(x, length, [&](std::int64_t, C value) { mine = JoinExpSums{}(mine, exp_sum_of(value)); });
    return block_reduce<threads>(mine, JoinExpSums{});
}

/// A line of at most 32 * K elements in the registers of `width` lanes of a warp: element k of a lane is number lane + k * width.
template <int K, class T>
struct WarpLine {
    using C = ComputeType<T>;
    C at[K];

    __device__ WarpLine(const T* x, int length, int lane, int width, C fill) {
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int i = lane + k * width;
            at[k] = i < length ? static_cast<C>(x[i]) : fill;
        }
    }
    template <class F>
    __device__ void store(T* y, int length, int lane, int width, const F& f) const {
#pragma unroll
        for (int k = 0; k < K; ++k)
            if (const int i = lane + k * width; i < length) y[i] = static_cast<T>(f(k));
    }
};

/// Combines the values of groups of `width` lanes, a power of two.
template <class A, class Combine>
__device__ A lanes_reduce(A value, int width, const Combine& combine) {
    for (int mask = 1; mask < width; mask *= 2) value = combine(value, shuffle_xor(value, mask));
    return value;
}

/// The largest element, and the sum of e^(x - top).
template <int K, class T>
__device__ ExpSum<ComputeType<T>> warp_exp_sum(const WarpLine<K, T>& line, int length, int lane, int width) {
    using C = ComputeType<T>;
    C top = line.at[0], sum = 0;
#pragma unroll
    for (int k = 1; k < K; ++k) top = Largest{}(top, line.at[k]);
    top = lanes_reduce(top, width, Largest{});
#pragma unroll
    for (int k = 0; k < K; ++k)
        if (lane + k * width < length) sum += std::exp(line.at[k] - top);
    return {top, static_cast<double>(lanes_reduce(sum, width, Plus{}))};
}

/// Lines this short are a warp's, or part of one's.
inline constexpr std::int64_t warp_line = 1024;
/// Longer ones are a block's, of so many threads.
inline constexpr int line_threads = 512;

/// How a warp holds lines of this length: K elements a lane.
template <class Run>
void with_warp_line(std::int64_t length, const Run& run) {
    if (length <= 32) {
        int width = 1;
        while (width < length) width *= 2;
        run(std::integral_constant<int, 1>{}, width);
    } else if (length <= 128) {
        run(std::integral_constant<int, 4>{}, 32);
    } else if (length <= 384) {
        run(std::integral_constant<int, 12>{}, 32);
    } else {
        run(std::integral_constant<int, 32>{}, 32);
    }
}

/// Blocks for `lines` lines of `width` lanes each.
inline Grid warp_line_grid(std::int64_t lines, int width) {
    constexpr std::int64_t most = std::int64_t{1} << 24;
    const std::int64_t blocks = ceil_div(lines, block_threads / static_cast<unsigned>(width));
    return {dim3(static_cast<unsigned>(std::min(most, blocks))), dim3(block_threads)};
}

/// The first line of this thread's lanes, and how many lines the grid visits at a time.
struct WarpPlace {
    int lane;
    std::int64_t first, step;
};
__device__ inline WarpPlace warp_place(int width) {
    const std::int64_t in_block = block_threads / static_cast<unsigned>(width);
    const int thread = static_cast<int>(threadIdx.x);
    return {thread % width, static_cast<std::int64_t>(blockIdx.x) * in_block + thread / width, gridDim.x * in_block};
}

}  // namespace headtorch::cuda::detail
