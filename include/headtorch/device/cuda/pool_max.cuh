// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Largest elements of windows, and where they stand in their plane. Gradients are gathered: each element of the input asks the windows
/// that it is in.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/pool_window.cuh"
#include "headtorch/device/cuda/scatter.cuh"

namespace headtorch::cuda {
namespace detail {

template <class T, class Index>
__global__ void max_pool_kernel(const T* x, PoolLine<Index> rows, PoolLine<Index> columns, Quotient<Index> height, Quotient<Index> width,
                                Index n, T* y, std::int32_t* at) {
    using C = ComputeType<T>;
    const Index step = thread_count<Index>();
    for (Index e = thread_place<Index>(); e < n; e += step) {
        Index plane = e;
        const Index column = width.take_rest(plane), row = height.take_rest(plane);
        const T* in = x + static_cast<std::int64_t>(plane) * rows.in * columns.in;
        const auto down = rows.window(row), across = columns.window(column);
        C best = -std::numeric_limits<C>::infinity();
        Index place = -1;
        for (Index r = down.first; r < down.last; r += down.step)
            for (Index c = across.first; c < across.last; c += across.step) {
                const C v = static_cast<C>(in[r * columns.in + c]);
                if (v > best || v != v || place < 0) {  // the first of equal values stays; NaN is larger than all
                    best = v;
                    place = r * columns.in + c;
                }
            }
        y[e] = static_cast<T>(best);
        if (at) at[e] = static_cast<std::int32_t>(place);
    }
}

}  // namespace detail

/// y = the largest element of each window; `at`, unless null, its place in the plane, or -1 where all of a window is padding.
template <class T>
void max_pool_forward(Cuda, const T* x, const PoolPlan& plan, T* y, std::int32_t* at) {
    const std::int64_t n = plan.planes * plan.out_size();
    if (n == 0) return;
    with_pool_index(plan, [&](auto as) {
        using Index = decltype(as);
        launch("max_pool", &detail::max_pool_kernel<T, Index>, grid_for(n), x, PoolLine<Index>(plan.rows), PoolLine<Index>(plan.columns),
               Quotient<Index>(plan.rows.out), Quotient<Index>(plan.columns.out), static_cast<Index>(n), y, at);
    });
}

namespace detail {

template <class T, class Index>
__global__ void max_unpool_kernel(const T* g, const std::int32_t* at, PoolLine<Index> rows, PoolLine<Index> columns, Quotient<Index> height,
                                  Quotient<Index> width, Index n, T* dx) {
    using C = ComputeType<T>;
    const Index step = thread_count<Index>();
    for (Index e = thread_place<Index>(); e < n; e += step) {
        Index plane = e;
        const Index column = width.take_rest(plane), row = height.take_rest(plane);
        const std::int64_t base = static_cast<std::int64_t>(plane) * rows.out * columns.out;
        const auto down = rows.windows(row), across = columns.windows(column);
        const auto place = static_cast<std::int32_t>(row * columns.in + column);
        C sum = 0;
        for (Index r = down.first; r < down.last; ++r)
            for (Index c = across.first; c < across.last; ++c) {
                const std::int64_t o = base + r * columns.out + c;
                if (at[o] == place) sum += static_cast<C>(g[o]);
            }
        dx[e] = static_cast<T>(sum);
    }
}

/// The place of each value among all planes; `none` where it has none.
template <class Key>
__global__ void plane_keys_kernel(const std::int32_t* at, std::int64_t in, std::int64_t out, std::int64_t none, std::int64_t n, Key* keys) {
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) {
        const std::int64_t place = at[e];
        keys[e] = static_cast<Key>(place < 0 ? none : e / out * in + (place < in ? place : in - 1));
    }
}

}  // namespace detail

/// dx = g at the places that max_pool_forward() found, added up.
template <class T>
void max_pool_backward(Cuda, const T* g, const std::int32_t* at, const PoolPlan& plan, T* dx) {
    const std::int64_t n = plan.planes * plan.in_size(), values = plan.planes * plan.out_size();
    if (n == 0) return;
    if (plan.anywhere) {
        fill_bytes("max_pool", dx, 0, n * static_cast<std::int64_t>(sizeof(T)));
        return with_key(n + 1, values, [&](auto as) {
            using Key = decltype(as);
            const Scratch<Key> keys(values);
            launch("max_pool", &detail::plane_keys_kernel<Key>, grid_for(values), at, plan.in_size(), plan.out_size(), n, values,
                   keys.data());
            add_by_key("max_pool", Addition<T>{.from = g, .to = dx, .skipped = n}, static_cast<const Key*>(keys.data()), values, n + 1);
        });
    }
    with_pool_index(plan, [&](auto as) {
        using Index = decltype(as);
        launch("max_pool", &detail::max_unpool_kernel<T, Index>, grid_for(n), g, at, PoolLine<Index>(plan.rows),
               PoolLine<Index>(plan.columns), Quotient<Index>(plan.rows.in), Quotient<Index>(plan.columns.in), static_cast<Index>(n), dx);
    });
}

namespace detail {

template <class W>
__global__ void pick_places_kernel(const W* x, const std::int32_t* at, std::int64_t in, std::int64_t out, std::int64_t n, W* y) {
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) {
        const std::int64_t place = at[e];
        y[e] = place < 0 ? W{0} : x[e / out * in + (place < in ? place : in - 1)];
    }
}

/// winners[place] = the last value that goes there; it was -1 at first.
template <int unused>
__global__ void last_places_kernel(const std::int32_t* at, std::int64_t in, std::int64_t out, std::int64_t n, int* winners) {
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) {
        const std::int64_t plane = e / in, place = at[e];
        if (place >= 0 && place < out) atomicMax(&winners[plane * out + place], static_cast<int>(e - plane * in));
    }
}
template <class W>
__global__ void put_places_kernel(const W* x, const int* winners, std::int64_t in, std::int64_t out, std::int64_t n, W* y) {
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) y[e] = winners[e] < 0 ? W{0} : x[e / out * in + winners[e]];
}

}  // namespace detail

/// y = the elements of x at the places of a plane, 0 for place -1: the transpose of max_pool_backward().
template <class T>
void pick_places(Cuda, const T* x, const std::int32_t* at, std::int64_t planes, std::int64_t in, std::int64_t out, T* y) {
    const std::int64_t n = planes * out;
    if (n == 0) return;
    using W = Word<sizeof(T)>;
    launch("max_pool", &detail::pick_places_kernel<W>, grid_for(n), reinterpret_cast<const W*>(x), at, in, out, n, reinterpret_cast<W*>(y));
}

/// y, planes of `out` elements, has those of x, planes of `in`, at their places and zeros elsewhere; the last of equal places wins.
template <class T>
void put_places(Cuda, const T* x, const std::int32_t* at, std::int64_t planes, std::int64_t in, std::int64_t out, T* y) {
    const std::int64_t n = planes * out;
    if (n == 0) return;
    using W = Word<sizeof(T)>;
    const Scratch<int> winners(n);
    fill_bytes("max_unpool2d", winners.data(), 0xff, n * static_cast<std::int64_t>(sizeof(int)));
    launch("max_unpool2d", &detail::last_places_kernel<0>, grid_for(planes * in), at, in, out, planes * in, winners.data());
    launch("max_unpool2d", &detail::put_places_kernel<W>, grid_for(n), reinterpret_cast<const W*>(x), winners.data(), in, out, n,
           reinterpret_cast<W*>(y));
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::max_pool_backward;
using cuda::max_pool_forward;
using cuda::pick_places;
using cuda::put_places;
}  // namespace headtorch
