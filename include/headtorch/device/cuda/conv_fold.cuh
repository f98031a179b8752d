// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Patches of images as columns of a matrix, and their sum back into images: each element of an image gathers what was taken from it.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/conv_direct.cuh"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {
namespace detail {

struct FoldPlan {
    int count;  ///< elements of the result
    WeightAxis height, width;
    Divisor by_in[2], by_stride[2], by_taps;
    int in_size, out_size, taps;

    FoldPlan(const ConvGeometry& g, std::int64_t result)
        : count(static_cast<int>(result)),
          height(g.axes[1]),
          width(g.axes[2]),
          by_in{divisor_of(g.axes[1].in), divisor_of(g.axes[2].in)},
          by_stride{divisor_of(g.axes[1].stride), divisor_of(g.axes[2].stride)},
          by_taps(divisor_of(g.taps())),
          in_size(static_cast<int>(g.in_size())),
          out_size(static_cast<int>(g.out_size())),
          taps(static_cast<int>(g.taps())) {}
};

template <class T>
__global__ void unfold_kernel(const __grid_constant__ FoldPlan plan, const T* x, T* columns) {
    for (std::int64_t i = thread_place(); i < plan.count; i += thread_count()) {
        const Split ox = divide(static_cast<int>(i), plan.width.by_out), oy = divide(ox.quotient, plan.height.by_out);
        const Split kx = divide(oy.quotient, plan.width.by_kernel), ky = divide(kx.quotient, plan.height.by_kernel);
        const int iy = oy.rest * plan.height.stride + ky.rest * plan.height.dilation - plan.height.padding;
        const int ix = ox.rest * plan.width.stride + kx.rest * plan.width.dilation - plan.width.padding;
        const bool inside = static_cast<unsigned>(iy) < static_cast<unsigned>(plan.height.in) &&
                            static_cast<unsigned>(ix) < static_cast<unsigned>(plan.width.in);
        columns[i] = inside ? x[static_cast<std::int64_t>(ky.quotient) * plan.in_size + iy * plan.width.in + ix] : T{};
    }
}

template <class T>
__global__ void fold_kernel(const __grid_constant__ FoldPlan plan, const T* columns, T* x) {
    for (std::int64_t i = thread_place(); i < plan.count; i += thread_count()) {
        const Split ix = divide(static_cast<int>(i), plan.by_in[1]), iy = divide(ix.quotient, plan.by_in[0]);
        const T* const from = columns + static_cast<std::int64_t>(iy.quotient) * plan.taps * plan.out_size;
        ComputeType<T> sum{};
        for (int ky = 0; ky < plan.height.kernel; ++ky) {
            const int oy = output_of(iy.rest, ky, plan.height, plan.by_stride[0]);
            if (oy < 0) continue;
            for (int kx = 0; kx < plan.width.kernel; ++kx) {
                const int ox = output_of(ix.rest, kx, plan.width, plan.by_stride[1]);
                if (ox >= 0)
                    sum += static_cast<ComputeType<T>>(
                        from[static_cast<std::int64_t>(ky * plan.width.kernel + kx) * plan.out_size + oy * plan.width.out + ox]);
            }
        }
        x[i] = static_cast<T>(sum);
    }
}

/// Calls run(first plane, planes) for parts of the planes whose results, of `elements` each, an int can count.
template <class Run>
void in_plane_parts(std::string_view op, std::int64_t planes, std::int64_t elements, const Run& run) {
    constexpr std::int64_t most = (std::int64_t{1} << 31) - (std::int64_t{1} << 26);
    if (elements > most) throw ValueError(message(op, ": a plane of ", elements, " elements; on a GPU it may have at most ", most));
    const std::int64_t at_once = most / std::max<std::int64_t>(1, elements);
    for (std::int64_t first = 0; first < planes && elements > 0; first += at_once) run(first, std::min(at_once, planes - first));
}

}  // namespace detail

/// columns[n, (c, ky, kx), (oy, ox)] = x[n, c, oy * stride + ky * dilation - padding, …], for the planes of in_channels; 0 outside.
template <class T>
void conv_unfold(Cuda, const ConvGeometry& g, const T* x, T* columns) {
    const std::int64_t size = g.taps() * g.out_size();
    detail::in_plane_parts("unfold", g.batch * g.in_channels, size, [&](std::int64_t first, std::int64_t planes) {
        launch("unfold", &detail::unfold_kernel<T>, grid_for(planes * size), detail::FoldPlan(g, planes * size), x + first * g.in_size(),
               columns + first * size);
    });
}

/// x[n, c, …] = the sum of all columns' elements that conv_unfold() would have taken from there.
template <class T>
void conv_fold(Cuda, const ConvGeometry& g, const T* columns, T* x) {
    const std::int64_t size = g.in_size();
    detail::in_plane_parts("fold", g.batch * g.in_channels, size, [&](std::int64_t first, std::int64_t planes) {
        launch("fold", &detail::fold_kernel<T>, grid_for(planes * size), detail::FoldPlan(g, planes * size),
               columns + first * g.taps() * g.out_size(), x + first * size);
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::conv_fold;
using cuda::conv_unfold;
}  // namespace headtorch
