// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Resampling of planes: in one pass where few elements make each output, else one axis after the other, the order such that fewer
/// elements pass through the middle.

#include <cstdint>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/resample.hpp"

namespace headtorch::cuda {
namespace detail {

/// Both axes at once.
template <class T, class C, class Index>
__global__ void resample_planes_kernel(const T* x, ResampleAxis<C> rows, ResampleAxis<C> columns, Quotient<Index> height,
                                       Quotient<Index> width, Index n, T* y) {
    const Index step = thread_count<Index>();
    for (Index e = thread_place<Index>(); e < n; e += step) {
        Index plane = e;
        const Index j = width.take_rest(plane), i = height.take_rest(plane);
        const T* in = x + (plane * rows.in + rows.start[i]) * columns.in + columns.start[j];
        const C *row_weight = rows.weight + i * rows.taps, *weight = columns.weight + j * columns.taps;
        C sum = 0;
        for (std::int64_t r = 0; r < rows.taps; ++r, in += columns.in) {
            C part = static_cast<C>(in[0]) * weight[0];
            for (std::int64_t k = 1; k < columns.taps; ++k) part += static_cast<C>(in[k]) * weight[k];
            // the first product starts the sum, so that one row of weight 1 stays as it is
            sum = r == 0 ? part * row_weight[0] : sum + part * row_weight[r];
        }
        y[e] = static_cast<T>(sum);
    }
}

/// One axis of [outer, axis, inner].
template <class From, class To, class C, class Index>
__global__ void resample_axis_kernel(const From* x, ResampleAxis<C> axis, Quotient<Index> length, Quotient<Index> inner, Index n, To* y) {
    const Index step = thread_count<Index>();
    for (Index e = thread_place<Index>(); e < n; e += step) {
        Index outer = e;
        const Index k = inner.take_rest(outer), o = length.take_rest(outer);
        const From* in = x + (outer * axis.in + axis.start[o]) * inner.divisor + k;
        const C* weight = axis.weight + o * axis.taps;
        C sum = static_cast<C>(in[0]) * weight[0];
        for (std::int64_t t = 1; t < axis.taps; ++t) sum += static_cast<C>(in[t * inner.divisor]) * weight[t];
        y[e] = static_cast<To>(sum);
    }
}

template <class From, class To, class C>
void resample_axis(const From* x, std::int64_t outer, const ResampleAxis<C>& axis, std::int64_t inner, To* y) {
    const std::int64_t n = outer * axis.out * inner;
    with_index(n, [&](auto as) {
        using Index = decltype(as);
        launch("interpolate", &resample_axis_kernel<From, To, C, Index>, grid_for(n), x, axis, Quotient<Index>(axis.out),
               Quotient<Index>(inner), static_cast<Index>(n), y);
    });
}

}  // namespace detail

/// y, planes of rows.out x columns.out, from x, planes of rows.in x columns.in.
template <class T>
void resample_planes(Cuda, const T* x, std::int64_t planes, const ResampleAxis<ComputeType<T>>& rows,
                     const ResampleAxis<ComputeType<T>>& columns, T* y) {
    using C = ComputeType<T>;
    const std::int64_t n = planes * rows.out * columns.out;
    if (n == 0) return;
    constexpr std::int64_t few = 32;
    if (rows.taps * columns.taps <= few || rows.taps == 1 || columns.taps == 1) {
        return with_index(n, [&](auto as) {
            using Index = decltype(as);
            launch("interpolate", &detail::resample_planes_kernel<T, C, Index>, grid_for(n), x, rows, columns, Quotient<Index>(rows.out),
                   Quotient<Index>(columns.out), static_cast<Index>(n), y);
        });
    }
    if (rows.in * columns.out <= rows.out * columns.in) {
        const Scratch<C> middle(planes * rows.in * columns.out);
        detail::resample_axis(x, planes * rows.in, columns, 1, middle.data());
        detail::resample_axis(static_cast<const C*>(middle.data()), planes, rows, columns.out, y);
    } else {
        const Scratch<C> middle(planes * rows.out * columns.in);
        detail::resample_axis(x, planes, rows, columns.in, middle.data());
        detail::resample_axis(static_cast<const C*>(middle.data()), planes * rows.out, columns, 1, y);
    }
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::resample_planes;
}
