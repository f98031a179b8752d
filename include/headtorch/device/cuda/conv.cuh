// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolution on the GPU: forward, gradient of the input, gradient of the weight. By cuDNN where the program is built with it, else by our
/// own kernels, whose results are the same bits on every run. Semantics as in device/cpu/conv.hpp.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/conv_cudnn.cuh"
#include "headtorch/device/cuda/conv_direct.cuh"
#include "headtorch/device/cuda/conv_sums.cuh"
#include "headtorch/device/cuda/conv_tile.cuh"
#include "headtorch/device/cuda/conv_tile_weight.cuh"
#include "headtorch/device/cuda/gemm.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {
namespace detail {

/// Where a tile would be nearly empty, the elements are computed one by one.
inline bool suits_direct(const ConvGeometry& g, std::int64_t target_channels) { return g.groups > 1 && target_channels < 8; }

template <class T>
__global__ void bias_kernel(std::int64_t count, std::int64_t size, std::int64_t channels, const T* bias, T* y) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) y[i] = bias[i / size % channels];
}

/// target[n] = W source[n] for images that are matrices [channels, pixels], or W^T for the input gradient.
template <class T, class Out>
void conv_pointwise(std::string_view op, const ConvGeometry& g, bool backward, const T* source, const T* weight, const Out* bias,
                    Out* target) {
    const std::int64_t sources = backward ? g.out_channels : g.in_channels, targets = backward ? g.in_channels : g.out_channels;
    const std::int64_t size = g.in_size();
    MatrixRef<const T> w{weight, g.out_channels, g.in_channels, g.in_channels, 1};
    if (backward) w = w.transposed();
    if (size == 1)  // a linear layer
        return gemm_any<T, Out>(op, {.a = {source, g.batch, sources, sources, 1},
                                     .b = w.transposed(),
                                     .c = {target, g.batch, targets, targets, 1},
                                     .bias = bias});
    if (bias) {  // which goes along the rows: it is there before the product is added
        const std::int64_t count = g.batch * targets * size;
        launch(op, &bias_kernel<Out>, grid_for(count), count, size, targets, bias, target);
    }
    gemm_any<T, Out>(op, {.batch = g.batch,
                          .a = w,
                          .b = {source, sources, size, size, 1},
                          .c = {target, targets, size, size, 1},
                          .b_batch = sources * size,
                          .c_batch = targets * size,
                          .add = bias != nullptr});
}

/// The convolution, or its input gradient, by our own kernels.
template <class T, class Out>
void correlate(std::string_view op, const ConvGeometry& whole, bool backward, const T* source, const T* weight, const Out* bias,
               Out* target) {
    const std::int64_t in_image = whole.in_channels * whole.in_size(), out_image = whole.out_channels * whole.out_size();
    in_image_parts(op, whole, [&](const ConvGeometry& g, std::int64_t first) {
        const T* const from = source + first * (backward ? out_image : in_image);
        Out* const to = target + first * (backward ? in_image : out_image);
        if (!suits_direct(g, backward ? g.group_inputs() : g.group_outputs()))
            correlate_by_tiles<T, Out>(op, Correlation(g, backward), {from, weight, bias, to});
        else if (backward)
            conv_input_direct(op, g, from, weight, bias, to);
        else
            conv_direct(op, g, from, weight, bias, to);
    });
}

}  // namespace detail

/// y = x * w + bias (null for none). Of halfs, bias and result may be floats, here and below.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void conv_forward(Cuda, const ConvGeometry& g, const T* x, const T* weight, const Out* bias, Out* y) {
    if (g.batch * g.out_channels * g.out_size() == 0) return;
    if (g.groups == 1 && g.pointwise()) return detail::conv_pointwise("conv", g, false, x, weight, bias, y);
    if (detail::cudnn_forward("conv", g, x, weight, bias, y)) return;
    detail::correlate("conv", g, false, x, weight, bias, y);
}

/// dx = what x receives when y receives dy; or, the other way round, the transposed convolution of dy, with a bias per channel of dx.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void conv_input_gradient(Cuda, const ConvGeometry& g, const T* dy, const T* weight, const Out* bias, Out* dx) {
    if (g.batch * g.in_channels * g.in_size() == 0) return;
    if (g.groups == 1 && g.pointwise()) return detail::conv_pointwise("conv_input_gradient", g, true, dy, weight, bias, dx);
    if (detail::cudnn_input_gradient("conv_input_gradient", g, dy, weight, bias, dx)) return;
    detail::correlate("conv_input_gradient", g, true, dy, weight, bias, dx);
}

/// dw = what the weight receives when y receives dy.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void conv_weight_gradient(Cuda, const ConvGeometry& g, const T* x, const T* dy, Out* dw) {
    const std::int64_t count = g.out_channels * g.group_inputs() * g.taps();
    if (count == 0) return;
    constexpr std::string_view op = "conv_weight_gradient";
    if (g.batch * g.out_size() == 0)
        return check(cudaMemsetAsync(dw, 0, static_cast<std::size_t>(count) * sizeof(Out), current_stream().get()), op, "cudaMemsetAsync");
    if (g.groups == 1 && g.pointwise() && g.in_size() == 1)
        return detail::gemm_any<T, Out>(op, {.a = MatrixRef<const T>{dy, g.batch, g.out_channels, g.out_channels, 1}.transposed(),
                                             .b = {x, g.batch, g.in_channels, g.in_channels, 1},
                                             .c = {dw, g.out_channels, g.in_channels, g.in_channels, 1}});
    if (detail::cudnn_weight_gradient(op, g, x, dy, dw)) return;
    detail::image_elements(op, g);
    const detail::WeightPlan plan(g);
    if (g.groups > 1 && g.group_outputs() * g.group_inputs() * g.taps() < 128)
        detail::conv_weight_direct(op, plan, x, dy, dw);
    else
        detail::weight_gradient_by_tiles(op, plan, x, dy, dw);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::conv_forward;
using cuda::conv_input_gradient;
using cuda::conv_weight_gradient;
}  // namespace headtorch
