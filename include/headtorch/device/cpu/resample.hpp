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
            T sum = in[0] * weight[0];
            for (std::int64_t k = 1; k < taps; ++k) sum += in[k] * weight[k];
            y[j] = sum;
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

/// y [axis.out, width] from x [axis.in, width].
template <class T>
void resample_columns(const T* x, std::int64_t width, const ResampleAxis<T>& axis, T* y) {
    constexpr int W = native_lanes<T>;
    for (std::int64_t o = 0; o < axis.out; ++o) {
        const T *in = x + axis.start[o] * width, *weight = axis.weight + o * axis.taps;
        if (axis.taps == 1 && weight[0] == 1) {
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

}  // namespace cpu::detail

/// y, planes of rows.out x columns.out, from x, planes of rows.in x columns.in.
template <class T>
void resample_planes(Cpu, const T* x, std::int64_t planes, const ResampleAxis<T>& rows, const ResampleAxis<T>& columns, T* y) {
    const bool grows = rows.in <= rows.out;
    const std::int64_t between = grows ? rows.in * columns.out : rows.out * columns.in;
    const std::int64_t work = between * (grows ? columns.taps : rows.taps) + rows.out * columns.out * (grows ? rows.taps : columns.taps);
    parallel_for(planes, 65536 / std::max<std::int64_t>(1, work), [&](std::int64_t begin, std::int64_t end) {
        const bool signal = rows.in == 1 && rows.out == 1;
        const cpu::Scratch<T> middle(signal ? 0 : between);
        for (std::int64_t p = begin; p < end; ++p) {
            const T* in = x + p * rows.in * columns.in;
            T* out = y + p * rows.out * columns.out;
            if (signal) {
                cpu::detail::resample_rows(in, 1, columns, out);
            } else if (grows) {
                cpu::detail::resample_rows(in, rows.in, columns, middle.data());
                cpu::detail::resample_columns(static_cast<const T*>(middle.data()), columns.out, rows, out);
            } else {
                cpu::detail::resample_columns(in, columns.in, rows, middle.data());
                cpu::detail::resample_rows(static_cast<const T*>(middle.data()), rows.out, columns, out);
            }
        }
    });
}

}  // namespace headtorch
