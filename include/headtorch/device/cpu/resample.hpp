// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Resampling of planes, one axis after the other, the order such that fewer elements pass through the middle. Threads share out planes.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/resample.hpp"

namespace headtorch {
namespace cpu::detail {

/// y [rows, axis.out] from x [rows, axis.in]; K taps, or any number where K is 0.
template <int K, class T>
void resample_along_rows(const T* x, std::int64_t rows, const ResampleAxis<T>& axis, T* y) {
    const std::int64_t taps = K ? K : axis.taps;
    for (std::int64_t r = 0; r < rows; ++r, x += axis.in, y += axis.out) {
        for (std::int64_t j = 0; j < axis.out; ++j) {
            const T *in = x + axis.start[j], *weight = axis.weight + j * taps;
            if constexpr (K == 1) {
                y[j] = in[0];
            } else {
                T sum = in[0] * weight[0];
                for (std::int64_t k = 1; k < taps; ++k) sum += in[k] * weight[k];
                y[j] = sum;
            }
        }
    }
}
template <class T>
void resample_rows(const T* x, std::int64_t rows, const ResampleAxis<T>& axis, T* y) {
    switch (axis.taps) {
        case 1: return resample_along_rows<1>(x, rows, axis, y);
        case 2: return resample_along_rows<2>(x, rows, axis, y);
        case 4: return resample_along_rows<4>(x, rows, axis, y);
        default: return resample_along_rows<0>(x, rows, axis, y);
    }
}
/// The transpose: dx [rows, axis.in] from g [rows, axis.out].
template <class T>
void resample_rows_back(const T* g, std::int64_t rows, const ResampleAxis<T>& axis, T* dx) {
    std::fill_n(dx, rows * axis.in, T(0));
    for (std::int64_t r = 0; r < rows; ++r, dx += axis.in, g += axis.out)
        for (std::int64_t j = 0; j < axis.out; ++j)
            for (std::int64_t k = 0; k < axis.taps; ++k) dx[axis.start[j] + k] += g[j] * axis.weight[j * axis.taps + k];
}

/// y [axis.out, width] from x [axis.in, width].
template <class T>
void resample_columns(const T* x, std::int64_t width, const ResampleAxis<T>& axis, T* y) {
    constexpr int W = native_lanes<T>;
    for (std::int64_t o = 0; o < axis.out; ++o) {
        const T *in = x + axis.start[o] * width, *weight = axis.weight + o * axis.taps;
        if (axis.taps == 1) {
            std::copy_n(in, width, y + o * width);
            continue;
        }
        for (std::int64_t i = 0; i < width; i += W) {
            Packet<T, W> sum = load_some<W>(in + i, width - i) * weight[0];
            for (std::int64_t k = 1; k < axis.taps; ++k) sum += load_some<W>(in + k * width + i, width - i) * weight[k];
            store_some(y + o * width + i, width - i, sum);
        }
    }
}
/// The transpose: dx [axis.in, width] from g [axis.out, width].
template <class T>
void resample_columns_back(const T* g, std::int64_t width, const ResampleAxis<T>& axis, T* dx) {
    constexpr int W = native_lanes<T>;
    std::fill_n(dx, axis.in * width, T(0));
    for (std::int64_t o = 0; o < axis.out; ++o)
        for (std::int64_t k = 0; k < axis.taps; ++k) {
            const T *from = g + o * width, weight = axis.weight[o * axis.taps + k];
            T* to = dx + (axis.start[o] + k) * width;
            for (std::int64_t i = 0; i < width; i += W)
                store_some(to + i, width - i, load_some<W>(to + i, width - i) + load_some<W>(from + i, width - i) * weight);
        }
}

/// Calls plane(p, middle) for each plane, in threads; `middle` has room for what stands between the two axes.
template <class T, class Plane>
void for_each_resampled_plane(std::int64_t planes, const ResampleAxis<T>& rows, const ResampleAxis<T>& columns, const Plane& plane) {
    const std::int64_t size = rows.in <= rows.out ? rows.in * columns.out : rows.out * columns.in;
    const std::int64_t work = rows.in * columns.in + rows.out * columns.out * (rows.taps + columns.taps);
    parallel_for(planes, 65536 / std::max<std::int64_t>(1, work), [&](std::int64_t begin, std::int64_t end) {
        const Scratch<T> middle(size);
        for (; begin < end; ++begin) plane(begin, middle.data());
    });
}

}  // namespace cpu::detail

/// y, planes of rows.out x columns.out, from x, planes of rows.in x columns.in.
template <class T>
void resample_forward(Cpu, const T* x, std::int64_t planes, const ResampleAxis<T>& rows, const ResampleAxis<T>& columns, T* y) {
    cpu::detail::for_each_resampled_plane(planes, rows, columns, [&](std::int64_t p, T* middle) {
        const T* in = x + p * rows.in * columns.in;
        T* out = y + p * rows.out * columns.out;
        if (rows.in <= rows.out) {
            cpu::detail::resample_rows(in, rows.in, columns, rows.out == 1 ? out : middle);
            if (rows.out > 1) cpu::detail::resample_columns(middle, columns.out, rows, out);
        } else {
            cpu::detail::resample_columns(in, columns.in, rows, middle);
            cpu::detail::resample_rows(middle, rows.out, columns, out);
        }
    });
}

/// dx from g: the transpose of resample_forward().
template <class T>
void resample_backward(Cpu, const T* g, std::int64_t planes, const ResampleAxis<T>& rows, const ResampleAxis<T>& columns, T* dx) {
    cpu::detail::for_each_resampled_plane(planes, rows, columns, [&](std::int64_t p, T* middle) {
        const T* in = g + p * rows.out * columns.out;
        T* out = dx + p * rows.in * columns.in;
        if (rows.in <= rows.out) {
            if (rows.out > 1) cpu::detail::resample_columns_back(in, columns.out, rows, middle);
            cpu::detail::resample_rows_back(rows.out == 1 ? in : static_cast<const T*>(middle), rows.in, columns, out);
        } else {
            cpu::detail::resample_rows_back(in, rows.out, columns, middle);
            cpu::detail::resample_columns_back(static_cast<const T*>(middle), columns.in, rows, out);
        }
    });
}

}  // namespace headtorch
