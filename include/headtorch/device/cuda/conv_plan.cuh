// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A convolution and its input gradient as the kernels see them: both are correlations. Targets of the gradient whose positions leave the
/// same rest when divided by the stride are reached by the same taps of the kernel; such a class is a correlation of stride 1 of its own.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string_view>

#include "headtorch/core/error.hpp"
#include "headtorch/device/conv.hpp"
#include "headtorch/device/cuda/runtime.cuh"
#include "headtorch/device/cuda/walk.cuh"

namespace headtorch::cuda::detail {

/// The quotient and the rest.
struct Split {
    int quotient, rest;
};
__device__ inline Split divide(int n, const Divisor& by) {
    const std::uint32_t quotient = by(static_cast<std::uint32_t>(n));
    return {static_cast<int>(quotient), n - static_cast<int>(quotient * by.divisor)};
}
inline Divisor divisor_of(std::int64_t n) { return Divisor(static_cast<std::uint32_t>(std::max<std::int64_t>(1, n))); }

/// One axis of one class: target t lies at first + t * pace, and its source for tap j at t * stride + base + j * step.
struct AxisClass {
    int count, first, pace;  ///< targets
    int stride, base, step;
    int taps, tap_first, tap_pace;  ///< tap j is element tap_first + j * tap_pace of the kernel
    int by_count, by_taps;          ///< which of the axis's divisors are theirs
};

/// One axis, for all classes.
struct CorrelationAxis {
    int source, target, kernel, stride, dilation, padding;
    bool backward;
    int classes;
    int tap_pace, step;          ///< backward: every tap_pace-th tap reaches a class, and each lies `step` before the one before
    Divisor counts[2], taps[2];  ///< a class has the whole part of target / classes or kernel / tap_pace, or one more

    CorrelationAxis(const ConvAxis& axis, bool is_backward)
        : source(static_cast<int>(is_backward ? axis.out : axis.in)),
          target(static_cast<int>(is_backward ? axis.in : axis.out)),
          kernel(static_cast<int>(axis.kernel)),
          stride(static_cast<int>(axis.stride)),
          dilation(static_cast<int>(axis.dilation)),
          padding(static_cast<int>(axis.padding)),
          backward(is_backward),
          classes(is_backward ? std::min(stride, std::max(target, 1)) : 1),
          tap_pace(is_backward ? stride / std::gcd(stride, dilation) : 1),
          step(is_backward ? -dilation / std::gcd(stride, dilation) : dilation) {
        const int pace = is_backward ? stride : 1;
        for (int more = 0; more < 2; ++more) {
            counts[more] = divisor_of(target / pace + more);
            taps[more] = divisor_of(kernel / tap_pace + more);
        }
    }

    __device__ AxisClass at(int residue) const {
        if (!backward) return {target, 0, 1, stride, -padding, dilation, kernel, 0, 1, 0, 0};
        AxisClass c{};
        c.count = (target - residue + stride - 1) / stride;
        c.first = residue;
        c.pace = stride;
        c.stride = 1;
        c.step = step;
        c.tap_pace = tap_pace;
        c.by_count = c.count - target / stride;
        // tap k reaches a target at position i if i + padding - k * dilation is a multiple of the stride
        while (c.tap_first < tap_pace && (residue + padding - c.tap_first * dilation) % stride != 0) ++c.tap_first;
        if (c.tap_first < tap_pace && c.tap_first < kernel) {
            c.taps = (kernel - c.tap_first + tap_pace - 1) / tap_pace;
            c.base = (residue + padding - c.tap_first * dilation) / stride;
            c.by_taps = c.taps - kernel / tap_pace;
        }
        return c;
    }
};

/// Both sides of a correlation, for `images` of its images.
struct Correlation {
    int images, groups;
    int source_channels, target_channels;  ///< of one group
    CorrelationAxis axes[3];
    int source_size, target_size;    ///< of one channel
    int row_stride, channel_stride;  ///< of the weight, per target channel and per source channel of a group
    std::int64_t group_weights;

    Correlation(const ConvGeometry& g, bool backward)
        : images(static_cast<int>(g.batch)),
          groups(static_cast<int>(g.groups)),
          source_channels(static_cast<int>(backward ? g.group_outputs() : g.group_inputs())),
          target_channels(static_cast<int>(backward ? g.group_inputs() : g.group_outputs())),
          axes{{g.axes[0], backward}, {g.axes[1], backward}, {g.axes[2], backward}},
          source_size(static_cast<int>(backward ? g.out_size() : g.in_size())),
          target_size(static_cast<int>(backward ? g.in_size() : g.out_size())),
          row_stride(static_cast<int>(backward ? g.taps() : g.taps() * g.group_inputs())),
          channel_stride(static_cast<int>(backward ? g.taps() * g.group_inputs() : g.taps())),
          group_weights(g.taps() * g.group_inputs() * g.group_outputs()) {}

    int classes() const { return axes[0].classes * axes[1].classes * axes[2].classes; }
};

/// Elements of an image, on the larger side. Throws ValueError when an int cannot count them, or those of the weight.
inline std::int64_t image_elements(std::string_view op, const ConvGeometry& g) {
    constexpr std::int64_t most = (std::int64_t{1} << 31) - (std::int64_t{1} << 26);
    const std::int64_t image = std::max({g.in_channels * g.in_size(), g.out_channels * g.out_size(), std::int64_t{1}});
    const std::int64_t weights = g.out_channels * g.group_inputs() * g.taps();
    if (image > most || weights > most)
        throw ValueError(message(op, ": an image of ", image, " elements and a weight of ", weights,
                                 " elements: on a GPU neither may have more than ", most, "; divide the image into tiles"));
    return image;
}

/// Calls run(part, first image) for parts of the batch whose elements, on either side, an int can count.
template <class Run>
void in_image_parts(std::string_view op, const ConvGeometry& g, const Run& run) {
    const std::int64_t at_once = ((std::int64_t{1} << 31) - (std::int64_t{1} << 26)) / image_elements(op, g);
    for (std::int64_t first = 0; first < g.batch; first += at_once) {
        ConvGeometry part = g;
        part.batch = std::min(at_once, g.batch - first);
        run(part, first);
    }
}

}  // namespace headtorch::cuda::detail
