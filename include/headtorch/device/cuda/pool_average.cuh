// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Means of windows, plain or adaptive: one thread for each small window, one warp for each large one. Gradients are gathered: each element
/// of the input asks the windows that it is in.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/pool_window.cuh"

namespace headtorch::cuda {
namespace detail {

/// What the sum of a window is divided by.
template <class Index>
struct PoolCount {
    PoolLine<Index> rows, columns;
    bool with_padding;
    std::int64_t divisor;

    template <class C>
    __device__ C of(Index row, Index column) const {
        if (divisor != 0) return static_cast<C>(divisor);
        return static_cast<C>(static_cast<std::int64_t>(rows.counted(row, with_padding)) * columns.counted(column, with_padding));
    }
};

/// `lanes` threads of a warp share each window: 1, or all 32.
template <int lanes, class T, class Index>
__global__ void average_pool_kernel(const T* x, PoolCount<Index> count, Quotient<Index> height, Quotient<Index> width, Index n, T* y) {
    using C = ComputeType<T>;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const Index step = thread_count<Index>() / lanes;
    for (Index e = thread_place<Index>() / lanes; e < n; e += step) {
        Index plane = e;
        const Index column = width.take_rest(plane), row = height.take_rest(plane);
        const T* in = x + static_cast<std::int64_t>(plane) * count.rows.in * count.columns.in;
        const auto down = count.rows.window(row), across = count.columns.window(column);
        // rows of the window one by one: sums of few numbers each, which are then added up with what rounding took from each addition
        C sum = 0, lost = 0;
        if (across.last > across.first) {
            const Index span = across.last - across.first;
            const bool side_by_side = lanes > 1 && span >= lanes;
            const Index cells = side_by_side ? down.last - down.first : (down.last - down.first) * span;
            for (Index k = side_by_side || lanes == 1 ? 0 : lane; k < (lanes == 1 ? down.last - down.first : cells);
                 k += side_by_side || lanes == 1 ? 1 : lanes) {
                C part = 0;
                if (side_by_side || lanes == 1) {
                    const T* line = in + static_cast<std::int64_t>(down.first + k) * count.columns.in;
                    for (Index c = across.first + lane; c < across.last; c += lanes) part += static_cast<C>(line[c]);
                } else {
                    part =
                        static_cast<C>(in[static_cast<std::int64_t>(down.first + k / span) * count.columns.in + across.first + k % span]);
                }
                const C corrected = part - lost, more = sum + corrected;
                lost = (more - sum) - corrected;
                sum = more;
            }
        }
        if constexpr (lanes > 1)
            for (int other = lanes / 2; other > 0; other /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, other);
        if (lane == 0) y[e] = static_cast<T>(sum / count.template of<C>(row, column));
    }
}

template <class T, class Index>
__global__ void average_unpool_kernel(const T* g, PoolCount<Index> count, Quotient<Index> height, Quotient<Index> width, Index n, T* dx) {
    using C = ComputeType<T>;
    const Index step = thread_count<Index>();
    for (Index e = thread_place<Index>(); e < n; e += step) {
        Index plane = e;
        const Index column = width.take_rest(plane), row = height.take_rest(plane);
        const T* in = g + static_cast<std::int64_t>(plane) * count.rows.out * count.columns.out;
        const auto down = count.rows.windows(row), across = count.columns.windows(column);
        C sum = 0;
        for (Index r = down.first; r < down.last; ++r) {
            C part = 0;
            for (Index c = across.first; c < across.last; ++c)
                part += static_cast<C>(in[r * count.columns.out + c]) / count.template of<C>(r, c);
            sum += part;
        }
        dx[e] = static_cast<T>(sum);
    }
}

template <class Index>
PoolCount<Index> pool_count(const PoolPlan& plan) {
    return {PoolLine<Index>(plan.rows), PoolLine<Index>(plan.columns), plan.count_include_pad, plan.divisor};
}

}  // namespace detail

/// y = the mean of each window, as `plan` counts.
template <class T>
void average_pool_forward(Cuda, const T* x, const PoolPlan& plan, T* y) {
    const std::int64_t n = plan.planes * plan.out_size();
    if (n == 0) return;
    const auto size = [](const PoolAxis& axis) { return axis.adaptive ? axis.in / axis.out : std::min(axis.in, axis.kernel); };
    const bool large = size(plan.rows) * size(plan.columns) >= 64;
    with_pool_index(plan, [&](auto as) {
        using Index = decltype(as);
        const auto kernel = large ? &detail::average_pool_kernel<32, T, Index> : &detail::average_pool_kernel<1, T, Index>;
        launch("avg_pool", kernel, grid_for(large ? n * 32 : n), x, detail::pool_count<Index>(plan), Quotient<Index>(plan.rows.out),
               Quotient<Index>(plan.columns.out), static_cast<Index>(n), y);
    });
}

/// dx = g shared out over the windows: the transpose of average_pool_forward().
template <class T>
void average_pool_backward(Cuda, const T* g, const PoolPlan& plan, T* dx) {
    const std::int64_t n = plan.planes * plan.in_size();
    if (n == 0) return;
    with_pool_index(plan, [&](auto as) {
        using Index = decltype(as);
        launch("avg_pool", &detail::average_unpool_kernel<T, Index>, grid_for(n), g, detail::pool_count<Index>(plan),
               Quotient<Index>(plan.rows.in), Quotient<Index>(plan.columns.in), static_cast<Index>(n), dx);
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::average_pool_backward;
using cuda::average_pool_forward;
}  // namespace headtorch
