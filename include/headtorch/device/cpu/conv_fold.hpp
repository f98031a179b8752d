// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Patches of images as columns of a matrix, and their sum back into images.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/conv.hpp"
#include "headtorch/device/cpu/gemm_small.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"

namespace headtorch::cpu {
namespace detail {

/// Calls row(image row, column row, first, last) for each tap of a plane's kernel and each output row in reach: outputs [first, last) of
/// that row lie inside the image.
template <class Row>
HEADTORCH_ALWAYS_INLINE void for_each_patch_row(const ConvAxis& height, const ConvAxis& width, const Row& row) {
    for (std::int64_t ky = 0; ky < height.kernel; ++ky)
        for (std::int64_t kx = 0; kx < width.kernel; ++kx) {
            const std::int64_t shift = kx * width.dilation - width.padding;
            const std::int64_t first = shift < 0 ? std::min(width.out, ceil_div(-shift, width.stride)) : 0;
            const std::int64_t last = width.in > shift ? std::min(width.out, ceil_div(width.in - shift, width.stride)) : 0;
            for (std::int64_t oy = 0; oy < height.out; ++oy) {
                const std::int64_t iy = oy * height.stride + ky * height.dilation - height.padding;
                const bool inside = iy >= 0 && iy < height.in;
                row(iy * width.in + shift, ((ky * width.kernel + kx) * height.out + oy) * width.out, inside ? first : 0,
                    inside ? std::max(first, last) : 0);
            }
        }
}

}  // namespace detail

/// columns[n, (c, ky, kx), (oy, ox)] = x[n, c, oy * stride + ky * dilation - padding, …], for the planes of in_channels; 0 outside.
template <class T>
void conv_unfold(Cpu, const ConvGeometry& g, const T* x, T* columns) {
    const ConvAxis &height = g.axes[1], &width = g.axes[2];
    const std::int64_t size = g.taps() * g.out_size();
    if (size == 0) return;
    parallel_for(g.batch * g.in_channels, detail::ceil_div(1 << 16, size), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane) {
            const T* const from = x + plane * g.in_size();
            detail::for_each_patch_row(height, width, [&](std::int64_t in, std::int64_t out, std::int64_t first, std::int64_t last) {
                T* const to = columns + plane * size + out;
                std::fill(to, to + first, T{});
                for (std::int64_t j = first; j < last; ++j) to[j] = from[in + j * width.stride];
                std::fill(to + last, to + width.out, T{});
            });
        }
    });
}

/// x[n, c, …] = the sum of all columns' elements that conv_unfold() would have taken from there.
template <class T>
void conv_fold(Cpu, const ConvGeometry& g, const T* columns, T* x) {
    const ConvAxis &height = g.axes[1], &width = g.axes[2];
    const std::int64_t size = g.taps() * g.out_size();
    parallel_for(
        g.batch * g.in_channels, detail::ceil_div(1 << 16, std::max<std::int64_t>(1, size)), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t plane = begin; plane < end; ++plane) {
                T* const to = x + plane * g.in_size();
                std::fill(to, to + g.in_size(), T{});
                detail::for_each_patch_row(height, width, [&](std::int64_t in, std::int64_t out, std::int64_t first, std::int64_t last) {
                    const T* const from = columns + plane * size + out;
                    for (std::int64_t j = first; j < last; ++j) to[in + j * width.stride] += from[j];
                });
            }
        });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::conv_fold;
using cpu::conv_unfold;
}  // namespace headtorch
