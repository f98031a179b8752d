// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// softmax and log_softmax along lines on the GPU, and their gradients. Short lines stay in the registers of a warp; of long ones a block
/// visits each twice; few very long ones, and lines side by side, are summed by the reduction kernel first.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/exp_sum.cuh"
#include "headtorch/device/cuda/reduce_kernel.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/lines.hpp"

namespace headtorch::cuda {
namespace detail {

/// The gradient: dx = y (g - sum of g y), or g - e^y (sum of g).
template <bool log_of_it, class C>
struct SoftmaxGradient {
    __device__ static C term(C y, C g) { return log_of_it ? g : g * y; }
    __device__ static C result(C y, C g, C sum) {
        if constexpr (log_of_it)
            return g - std::exp(y) * sum;
        else
            return (g - sum) * y;
    }
};

template <bool log_of_it, int K, class T>
__global__ void softmax_warp_kernel(const T* x, std::int64_t lines, int length, int width, T* y) {
    using C = ComputeType<T>;
    const WarpPlace place = warp_place(width);
    // all lanes go on as long as the block's first line exists: they take part in shuffles
    for (std::int64_t line = place.first; line - threadIdx.x / static_cast<unsigned>(width) < lines; line += place.step) {
        const int here = line < lines ? length : 0;
        const WarpLine<K, T> values(x + line * length, here, place.lane, width, -std::numeric_limits<C>::infinity());
        const SoftmaxLine<log_of_it, C> result(warp_exp_sum(values, here, place.lane, width));
        values.store(y + line * length, here, place.lane, width, [&](int k) { return result(values.at[k]); });
    }
}

template <bool log_of_it, int K, class T>
__global__ void softmax_gradient_warp_kernel(const T* y, const T* g, std::int64_t lines, int length, int width, T* dx) {
    using C = ComputeType<T>;
    using Formula = SoftmaxGradient<log_of_it, C>;
    const WarpPlace place = warp_place(width);
    for (std::int64_t line = place.first; line - threadIdx.x / static_cast<unsigned>(width) < lines; line += place.step) {
        const int here = line < lines ? length : 0;
        const WarpLine<K, T> of_y(y + line * length, here, place.lane, width, C(0)), of_g(g + line * length, here, place.lane, width, C(0));
        C sum = 0;
#pragma unroll
        for (int k = 0; k < K; ++k) sum += Formula::term(of_y.at[k], of_g.at[k]);
        sum = lanes_reduce(sum, width, Plus{});
        of_y.store(dx + line * length, here, place.lane, width, [&](int k) { return Formula::result(of_y.at[k], of_g.at[k], sum); });
    }
}

template <bool log_of_it, class T>
__global__ void __launch_bounds__(line_threads) softmax_block_kernel(const T* x, std::int64_t lines, std::int64_t length, T* y) {
    using C = ComputeType<T>;
    for (std::int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        const T* const from = x + line * length;
        const SoftmaxLine<log_of_it, C> result(block_exp_sum<line_threads>(from, length));
        map_line<line_threads>(from, length, y + line * length, [&](std::int64_t, C value) { return result(value); });
    }
}

template <bool log_of_it, class T>
__global__ void __launch_bounds__(line_threads)
    softmax_gradient_block_kernel(const T* y, const T* g, std::int64_t lines, std::int64_t length, T* dx) {
    using C = ComputeType<T>;
    using Formula = SoftmaxGradient<log_of_it, C>;
    for (std::int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        const T *const of_y = y + line * length, *const of_g = g + line * length;
        double mine = 0;
        for_line<line_threads>(of_y, length, [&](std::int64_t i, C value) {
            mine += static_cast<double>(Formula::term(value, static_cast<C>(of_g[i])));
        });
        const C sum = static_cast<C>(block_reduce<line_threads>(mine, Plus{}));
        map_line<line_threads>(of_y, length, dx + line * length, [&](std::int64_t i, C value) {
            return Formula::result(value, static_cast<C>(of_g[i]), sum);
        });
    }
}

/// The reduction that finds the SoftmaxLine of each line.
template <bool log_of_it, class T>
struct GatherExpSum {
    using C = ComputeType<T>;
    using A = ExpSum<C>;
    SoftmaxLine<log_of_it, C>* lines;

    __device__ A identity() const { return empty_exp_sum<C>(); }
    __device__ int center_at(std::int64_t) const { return 0; }
    __device__ A take(T x, std::int64_t, std::int64_t, int) const { return exp_sum_of(static_cast<C>(x)); }
    __device__ A combine(const A& a, const A& b) const { return JoinExpSums{}(a, b); }
    __device__ void finish(std::int64_t at, const A& sum, int) const { lines[at] = SoftmaxLine<log_of_it, C>(sum); }
};

/// The reduction that finds the sum of each line's gradient.
template <bool log_of_it, class T>
struct GatherGradient {
    using C = ComputeType<T>;
    using A = double;
    const T* g;
    C* sums;

    __device__ A identity() const { return 0; }
    __device__ int center_at(std::int64_t) const { return 0; }
    __device__ A take(T y, std::int64_t, std::int64_t at, int) const {
        return static_cast<A>(SoftmaxGradient<log_of_it, C>::term(static_cast<C>(y), static_cast<C>(g[at])));
    }
    __device__ A combine(A a, A b) const { return a + b; }
    __device__ void finish(std::int64_t at, A sum, int) const { sums[at] = static_cast<C>(sum); }
};

/// The number of the line of element i.
struct LineOf {
    std::int64_t slab, inner;  ///< elements of `inner` lines side by side
    Divisor by_slab, by_inner;
    bool small;

    explicit LineOf(const Lines& lines)
        : slab(lines.length * lines.inner), inner(lines.inner), small(fits_int(lines.count() * lines.length)) {
        if (!small) return;
        by_slab = Divisor(static_cast<std::uint32_t>(slab));
        by_inner = Divisor(static_cast<std::uint32_t>(inner));
    }
    __device__ std::int64_t operator()(std::int64_t i) const {
        if (small) {
            const auto n = static_cast<std::uint32_t>(i), size = static_cast<std::uint32_t>(inner);
            return by_slab(n) * size + (n - by_inner(n) * size);
        }
        return i / slab * inner + i % inner;
    }
};

template <bool log_of_it, class T>
__global__ void softmax_apply_kernel(const T* x, std::int64_t n, LineOf line_of, const SoftmaxLine<log_of_it, ComputeType<T>>* lines,
                                     T* y) {
    const std::int64_t step = thread_count();
    for (std::int64_t i = thread_place(); i < n; i += step) y[i] = static_cast<T>(lines[line_of(i)](static_cast<ComputeType<T>>(x[i])));
}

template <bool log_of_it, class T>
__global__ void softmax_gradient_apply_kernel(const T* y, const T* g, std::int64_t n, LineOf line_of, const ComputeType<T>* sums, T* dx) {
    using C = ComputeType<T>;
    const std::int64_t step = thread_count();
    for (std::int64_t i = thread_place(); i < n; i += step)
        dx[i] = static_cast<T>(SoftmaxGradient<log_of_it, C>::result(static_cast<C>(y[i]), static_cast<C>(g[i]), sums[line_of(i)]));
}

/// Are there enough lines of adjacent elements for one block each?
inline bool lines_for_blocks(const Lines& lines) {
    constexpr std::int64_t enough = 64, short_enough = 32768;
    return lines.inner == 1 && (lines.outer >= enough || lines.length <= short_enough);
}
inline Grid line_grid(const Lines& lines) {
    return {dim3(static_cast<unsigned>(std::min(lines.outer, std::int64_t{1} << 24))), dim3(line_threads)};
}

template <bool log_of_it, class T>
void run_softmax(const char* op, const T* x, const Lines& lines, T* y) {
    const std::int64_t n = lines.count() * lines.length;
    if (n == 0) return;
    if (lines.inner == 1 && lines.length <= warp_line)
        return with_warp_line(lines.length, [&](auto K, int width) {
            launch(op, &softmax_warp_kernel<log_of_it, K(), T>, warp_line_grid(lines.outer, width), x, lines.outer,
                   static_cast<int>(lines.length), width, y);
        });
    if (lines_for_blocks(lines))
        return launch(op, &softmax_block_kernel<log_of_it, T>, line_grid(lines), x, lines.outer, lines.length, y);
    const Scratch<SoftmaxLine<log_of_it, ComputeType<T>>> found(lines.count());
    run_reduce(op, GatherExpSum<log_of_it, T>{found.data()}, plan_lines(lines), x);
    launch(op, &softmax_apply_kernel<log_of_it, T>, grid_for(n), x, n, LineOf(lines), found.data(), y);
}

template <bool log_of_it, class T>
void run_softmax_gradient(const char* op, const T* y, const T* g, const Lines& lines, T* dx) {
    const std::int64_t n = lines.count() * lines.length;
    if (n == 0) return;
    if (lines.inner == 1 && lines.length <= warp_line)
        return with_warp_line(lines.length, [&](auto K, int width) {
            launch(op, &softmax_gradient_warp_kernel<log_of_it, K(), T>, warp_line_grid(lines.outer, width), y, g, lines.outer,
                   static_cast<int>(lines.length), width, dx);
        });
    if (lines_for_blocks(lines))
        return launch(op, &softmax_gradient_block_kernel<log_of_it, T>, line_grid(lines), y, g, lines.outer, lines.length, dx);
    const Scratch<ComputeType<T>> sums(lines.count());
    run_reduce(op, GatherGradient<log_of_it, T>{g, sums.data()}, plan_lines(lines), y);
    launch(op, &softmax_gradient_apply_kernel<log_of_it, T>, grid_for(n), y, g, n, LineOf(lines), sums.data(), dx);
}

}  // namespace detail

/// y = e^x / sum of e^x on each line.
template <class T>
void softmax(Cuda, const T* x, const Lines& lines, T* y) { detail::run_softmax<false>("softmax", x, lines, y); }
template <class T>
void log_softmax(Cuda, const T* x, const Lines& lines, T* y) { detail::run_softmax<true>("log_softmax", x, lines, y); }

/// dx = y (g - sum of g y).
template <class T>
void softmax_gradient(Cuda, const T* y, const T* g, const Lines& lines, T* dx) {
    detail::run_softmax_gradient<false>("softmax", y, g, lines, dx);
}
/// dx = g - e^y (sum of g).
template <class T>
void log_softmax_gradient(Cuda, const T* y, const T* g, const Lines& lines, T* dx) {
    detail::run_softmax_gradient<true>("log_softmax", y, g, lines, dx);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::log_softmax;
using cuda::log_softmax_gradient;
using cuda::softmax;
using cuda::softmax_gradient;
}  // namespace headtorch
