// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolution on the CPU: forward, gradient of the input, gradient of the weight, and the sums over channels that a bias needs.
/// No result depends on the number of threads.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_correlate.hpp"
#include "headtorch/device/cpu/conv_weight.hpp"
#include "headtorch/device/cpu/conv_winograd_weight.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/reduction.hpp"

namespace headtorch::cpu {

/// y = x * w + bias (null for none).
template <class T>
void conv_forward(Cpu, const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
    using namespace detail;
    if (g.batch * g.out_channels * g.out_size() == 0) return;
    const ConvAxis(&a)[3] = g.axes;
    const CorrelationProblem<T> problem{.images = g.batch,
                                        .groups = g.groups,
                                        .source_channels = g.in_channels,
                                        .target_channels = g.out_channels,
                                        .shape = {{forward_source(a[0]), forward_source(a[1]), forward_source(a[2])}},
                                        .source = x,
                                        .source_size = g.in_size(),
                                        .weight = weight,
                                        .row_stride = g.group_inputs() * g.taps(),
                                        .channel_stride = g.taps(),
                                        .kernel = {a[0].kernel, a[1].kernel, a[2].kernel},
                                        .bias = bias,
                                        .target = y,
                                        .target_axes = {a[0].out, a[1].out, a[2].out},
                                        .winograd = suits_winograd<T>(g)};
    correlate<T>(problem, {1, 1, 1}, [&](int d, std::int64_t) { return forward_taps(a[d]); });
}

/// dx = what x receives when y receives dy; or, the other way round, the transposed convolution of dy, with a bias per channel of dx.
template <class T>
void conv_input_gradient(Cpu, const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
    using namespace detail;
    if (g.batch * g.in_channels * g.in_size() == 0) return;
    const ConvAxis(&a)[3] = g.axes;
    const CorrelationProblem<T> problem{.images = g.batch,
                                        .groups = g.groups,
                                        .source_channels = g.out_channels,
                                        .target_channels = g.in_channels,
                                        .shape = {{backward_source(a[0]), backward_source(a[1]), backward_source(a[2])}},
                                        .source = dy,
                                        .source_size = g.out_size(),
                                        .weight = weight,
                                        .row_stride = g.taps(),
                                        .channel_stride = g.group_inputs() * g.taps(),
                                        .kernel = {a[0].kernel, a[1].kernel, a[2].kernel},
                                        .bias = bias,
                                        .target = dx,
                                        .target_axes = {a[0].in, a[1].in, a[2].in},
                                        .winograd = suits_winograd<T>(g)};
    correlate<T>(problem, {a[0].stride, a[1].stride, a[2].stride},
                 [&](int d, std::int64_t residue) { return backward_taps(a[d], residue); });
}

/// dw = what the weight receives when y receives dy.
template <class T>
void conv_weight_gradient(Cpu, const ConvGeometry& g, const T* x, const T* dy, T* dw) {
    using namespace detail;
    const std::int64_t count = g.out_channels * g.group_inputs() * g.taps();
    if (count == 0) return;
    if (g.batch * g.out_size() == 0) return std::fill_n(dw, count, T{}), void();
    if (suits_winograd<T>(g)) return WinogradWeightGradient<T>(g, x, dy, dw).run();
    const SourceShape shape{{forward_source(g.axes[0]), forward_source(g.axes[1]), forward_source(g.axes[2])}};
    const auto some_groups = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t group = begin; group < end; ++group) WeightGradient<T>(g, shape, group, x, dy, dw).run();
    };
    if (g.groups > 1)
        parallel_for(g.groups, ceil_div(parallel_grain, count / g.groups * g.batch * g.out_size()), some_groups);
    else
        some_groups(0, 1);
}

/// sums[c] = sum of x[n, c, i] over n and i.
template <class T>
void channel_sums(Cpu, std::int64_t images, std::int64_t channels, std::int64_t size, const T* x, T* sums) {
    parallel_for(channels, detail::ceil_div(reduce_block, std::max<std::int64_t>(1, images * size)),
                 [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t c = begin; c < end; ++c) {
                         double sum = 0;
                         for (std::int64_t n = 0; n < images; ++n)
                             for (std::int64_t i = 0; i < size; i += reduce_block)
                                 sum += static_cast<double>(detail::reduce_run<T>(reduction::Sum{}, x + (n * channels + c) * size + i,
                                                                                  std::min(reduce_block, size - i), 1, T{}));
                         sums[c] = static_cast<T>(sum);
                     }
                 });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::channel_sums;
using cpu::conv_forward;
using cpu::conv_input_gradient;
using cpu::conv_weight_gradient;
}  // namespace headtorch
