// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Largest elements of windows, and where they stand in their plane. Threads share out planes, so that each result has one writer.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/pool.hpp"

namespace headtorch {
namespace cpu::detail {

/// Largest values so far and where they stand: W neighbours of an output row, or one.
template <class V, class I>
struct Largest {
    V value;
    I place;
    /// The first of equal values stays; NaN is larger than all.
    HEADTORCH_ALWAYS_INLINE void consider(const V& v, const I& at) {
        if constexpr (is_packet<V>) {
            using T = typename V::Scalar;
            const Mask<T, V::lanes> better = (v > value) | (v != v);
            value = where(better, v, value);
            place = where(better, at, place);
        } else if (v > value || v != v) {
            value = v;
            place = at;
        }
    }
};

/// 0, step, 2 step, …
template <int W>
HEADTORCH_ALWAYS_INLINE Packet<std::int32_t, W> ramp(std::int64_t step) {
    Packet<std::int32_t, W> lanes;
    for (int i = 0; i < W; ++i) lanes.set(i, static_cast<std::int32_t>(i * step));
    return lanes;
}

/// One output row of pairs by pairs: x is the first of the two input rows, whose first element is number `base` of its plane.
template <class T>
HEADTORCH_ALWAYS_INLINE void max_of_pairs(const T* x, std::int64_t base, std::int64_t width, std::int64_t count, T* y, std::int32_t* at) {
    constexpr int W = native_lanes<T>;
    using P = Packet<T, W>;
    using I = Packet<std::int32_t, W>;
    const I lane = ramp<W>(2);
    for (std::int64_t j = 0; j < count; j += W) {
        const std::int64_t n = count - j;
        const T *top = x + 2 * j, *bottom = top + width;
        const P a = load_some<W>(top, 2 * n), b = load_some<W>(top + W, 2 * n - W);
        const P c = load_some<W>(bottom, 2 * n), d = load_some<W>(bottom + W, 2 * n - W);
        const I place = lane + I(base + 2 * j);
        Largest<P, I> largest{every_other<0>(a, b), place};
        largest.consider(every_other<1>(a, b), place + I(1));
        largest.consider(every_other<0>(c, d), place + I(width));
        largest.consider(every_other<1>(c, d), place + I(width + 1));
        store_some(y + j, n, largest.value);
        if (at) store_some(at + j, n, largest.place);
    }
}

/// Row `o` of the output of any other windows: each element of the window in turn, for the whole row. `at` is needed.
template <class T>
void max_of_windows(const T* plane, const PoolPlan& plan, std::int64_t o, T* y, std::int32_t* at) {
    constexpr int W = native_lanes<T>;
    using P = Packet<T, W>;
    using I = Packet<std::int32_t, W>;
    const PoolAxis &rows = plan.rows, &columns = plan.columns;
    const std::int64_t stride = columns.stride;
    std::fill_n(y, columns.out, -std::numeric_limits<T>::infinity());
    std::fill_n(at, columns.out, -1);
    const I lane = ramp<W>(stride);
    for (std::int64_t k = 0; k < rows.kernel; ++k) {
        const std::int64_t row = o * rows.stride - rows.padding + k * rows.dilation;
        if (row < 0 || row >= rows.in) continue;
        for (std::int64_t l = 0; l < columns.kernel; ++l) {
            // output column j looks at element j * stride + shift, for begin <= j < end
            const std::int64_t shift = l * columns.dilation - columns.padding;
            const std::int64_t begin = shift < 0 ? (-shift + stride - 1) / stride : 0;
            const std::int64_t end = shift >= columns.in ? 0 : std::min(columns.out, (columns.in - 1 - shift) / stride + 1);
            const std::int64_t base = row * columns.in + shift;
            const T* x = plane + base;
            if (stride <= 2) {
                for (std::int64_t j = begin; j < end; j += W) {
                    const std::int64_t n = end - j, reach = 2 * n - 1;
                    const P v = stride == 1 ? load_some<W>(x + j, n)
                                            : every_other<0>(load_some<W>(x + 2 * j, reach), load_some<W>(x + 2 * j + W, reach - W));
                    const P best = load_some<W>(y + j, n);
                    const I old = load_some<W>(at + j, n);
                    const Mask<T, W> better = (v > best) | (v != v) | Mask<T, W>(old < I(0));
                    store_some(y + j, n, where(better, v, best));
                    store_some(at + j, n, where(better, lane + I(base + j * stride), old));
                }
            } else {
                for (std::int64_t j = begin; j < end; ++j) {
                    const T v = x[j * stride];
                    const bool better = v > y[j] || v != v || at[j] < 0;
                    y[j] = better ? v : y[j];
                    at[j] = better ? static_cast<std::int32_t>(base + j * stride) : at[j];
                }
            }
        }
    }
}

/// The same for adaptive windows.
template <class T>
void max_of_shares(const T* plane, const PoolPlan& plan, std::int64_t o, T* y, std::int32_t* at) {
    for (std::int64_t j = 0; j < plan.columns.out; ++j) {
        Largest<T, std::int64_t> largest{-std::numeric_limits<T>::infinity(), plan.rows.first(o) * plan.columns.in + plan.columns.first(j)};
        for (std::int64_t r = plan.rows.first(o); r < plan.rows.last(o); ++r)
            for (std::int64_t c = plan.columns.first(j); c < plan.columns.last(j); ++c)
                largest.consider(plane[r * plan.columns.in + c], r * plan.columns.in + c);
        y[j] = largest.value;
        at[j] = static_cast<std::int32_t>(largest.place);
    }
}

/// g at the places of its windows, zero elsewhere, for pairs by pairs: two rows at a time, without reading what is there.
template <class T>
HEADTORCH_ALWAYS_INLINE void spread_pairs(const T* g, const std::int32_t* at, std::int64_t base, std::int64_t width, std::int64_t count,
                                          T* dx) {
    constexpr int W = native_lanes<T>;
    using P = Packet<T, W>;
    using I = Packet<std::int32_t, W>;
    const I lane = ramp<W>(2);
    for (std::int64_t j = 0; j < count; j += W) {
        const std::int64_t n = count - j;
        const I place = load_some<W>(at + j, n) - lane - I(base + 2 * j);
        const P values = load_some<W>(g + j, n);
        const auto spread = [&](T* to, std::int64_t k) {
            const P left = where(Mask<T, W>(place == I(k)), values, T(0)), right = where(Mask<T, W>(place == I(k + 1)), values, T(0));
            store_some(to + 2 * j, 2 * n, in_turn<0>(left, right));
            store_some(to + 2 * j + W, 2 * n - W, in_turn<1>(left, right));
        };
        spread(dx, 0);
        spread(dx + width, width);
    }
    for (std::int64_t j = 2 * count; j < width; ++j) dx[j] = dx[width + j] = T(0);
}

}  // namespace cpu::detail

/// y = the largest element of each window; `at`, unless null, its place in the plane, or -1 where all of a window is padding.
template <class T>
void max_pool_forward(Cpu, const T* x, const PoolPlan& plan, T* y, std::int32_t* at) {
    const std::int64_t in = plan.in_size(), out = plan.out_size(), width = plan.columns.in, count = plan.columns.out;
    const bool pairs = plan.rows.pairs() && plan.columns.pairs();
    const std::int64_t work = std::max<std::int64_t>(1, in + out * plan.rows.kernel * plan.columns.kernel);
    parallel_for(plan.planes, 65536 / work, [&](std::int64_t begin, std::int64_t end) {
        const cpu::Scratch<std::int32_t> unwanted(at || pairs ? 0 : count);
        for (std::int64_t p = begin; p < end; ++p)
            for (std::int64_t o = 0; o < plan.rows.out; ++o) {
                const std::int64_t row = p * out + o * count;
                std::int32_t* places = at ? at + row : unwanted.data();
                if (pairs)
                    cpu::detail::max_of_pairs(x + p * in + 2 * o * width, 2 * o * width, width, count, y + row, at ? places : nullptr);
                else if (plan.rows.adaptive)
                    cpu::detail::max_of_shares(x + p * in, plan, o, y + row, places);
                else
                    cpu::detail::max_of_windows(x + p * in, plan, o, y + row, places);
            }
    });
}

/// dx = g at the places that max_pool_forward() found, added up.
template <class T>
void max_pool_backward(Cpu, const T* g, const std::int32_t* at, const PoolPlan& plan, T* dx) {
    const std::int64_t in = plan.in_size(), out = plan.out_size(), width = plan.columns.in, count = plan.columns.out;
    const bool pairs = plan.rows.pairs() && plan.columns.pairs();
    parallel_for(plan.planes, 65536 / std::max<std::int64_t>(1, in + out), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) {
            T* plane = dx + p * in;
            if (pairs) {
                for (std::int64_t o = 0; o < plan.rows.out; ++o) {
                    const std::int64_t row = p * out + o * count;
                    cpu::detail::spread_pairs(g + row, at + row, 2 * o * width, width, count, plane + 2 * o * width);
                }
                std::fill(plane + 2 * plan.rows.out * width, plane + in, T(0));
            } else {
                std::fill_n(plane, in, T(0));
                for (std::int64_t i = p * out; i < (p + 1) * out; ++i)
                    if (at[i] >= 0) plane[at[i]] += g[i];
            }
        }
    });
}

/// y = the elements of x at the places of a plane, 0 for place -1: the transpose of max_pool_backward().
template <class T>
void pick_places(Cpu, const T* x, const std::int32_t* at, std::int64_t planes, std::int64_t in, std::int64_t out, T* y) {
    parallel_for(planes, 65536 / std::max<std::int64_t>(1, in + out), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p)
            for (std::int64_t i = p * out; i < (p + 1) * out; ++i) y[i] = at[i] < 0 ? T(0) : x[p * in + at[i]];
    });
}

/// y, planes of `out` elements, has those of x, planes of `in`, at their places and zeros elsewhere; the last of equal places wins.
template <class T>
void put_places(Cpu, const T* x, const std::int32_t* at, std::int64_t planes, std::int64_t in, std::int64_t out, T* y) {
    parallel_for(planes, 65536 / std::max<std::int64_t>(1, in + out), [&](std::int64_t begin, std::int64_t end) {
        std::fill(y + begin * out, y + end * out, T(0));
        for (std::int64_t p = begin; p < end; ++p)
            for (std::int64_t i = p * in; i < (p + 1) * in; ++i) y[p * out + at[i]] = x[i];
    });
}

}  // namespace headtorch
