// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolution and its input gradient as one problem. Images are copied once into a form in which neither padding nor stride is left: with
/// zeros around, and with the positions that a strided kernel reads together side by side. There every sum is a correlation
///
///     target[m, j] = sum over k of weight[m, k] source[offset[k] + position(j)]
///
/// over k = (channel, taps); the input gradient of a strided convolution is one such sum for each residue of the target's position.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "headtorch/device/conv.hpp"
#include "headtorch/device/cpu/gemm_small.hpp"
#include "headtorch/device/cpu/memory.hpp"
#include "headtorch/device/cpu/packet_pairs.hpp"

namespace headtorch::cpu::detail {

/// Elements j * stride - lead of an axis, for begin <= j < end, are those that exist.
struct RowSpan {
    std::int64_t lead, begin, end;
};

/// One axis of a prepared source: position phase * length + j holds element j * stride + residue(phase) - front, or 0 outside.
struct SourceAxis {
    std::int64_t size, stride, dilation, front, phases, length;

    std::int64_t residue(std::int64_t phase) const { return phase * dilation % stride; }
    std::int64_t extent() const { return phases * length; }
    RowSpan span(std::int64_t phase) const {
        const std::int64_t lead = front - residue(phase);  // zeros in front of the first element
        const std::int64_t begin = lead <= 0 ? 0 : std::min(length, ceil_div(lead, stride));
        const std::int64_t end = size + lead <= 0 ? 0 : std::min(length, ceil_div(size + lead, stride));
        return {lead, begin, std::max(begin, end)};
    }
    bool plain() const { return stride == 1 && front == 0 && length == size; }
};

inline std::int64_t greatest_common_divisor(std::int64_t a, std::int64_t b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

/// The taps of an axis that the targets first, first + step, … have in common. Tap i is element tap_first + i * tap_step of the kernel.
struct TapAxis {
    std::int64_t first = 0, step = 1, count = 0;
    std::int64_t tap_first = 0, tap_step = 1, taps = 0;
    std::int64_t stride = 1, dilation = 1, phases = 1, length = 0, shift = 0;
    bool mirrored = false;

    std::int64_t kernel_index(std::int64_t i) const { return tap_first + i * tap_step; }
    /// Where target `first` finds tap i in the source.
    std::int64_t offset(std::int64_t i) const {
        const std::int64_t k = kernel_index(i);
        return mirrored ? shift - k * dilation / stride : k % phases * length + k * dilation / stride;
    }
};

/// The input as a source of the output.
inline SourceAxis forward_source(const ConvAxis& a) {
    const std::int64_t period = a.stride / greatest_common_divisor(a.stride, a.dilation);
    return {a.in, a.stride, a.dilation, a.padding, std::min(a.kernel, period), a.out + (a.kernel - 1) * a.dilation / a.stride};
}
inline TapAxis forward_taps(const ConvAxis& a) {
    const SourceAxis source = forward_source(a);
    return {.count = a.out, .taps = a.kernel, .stride = a.stride, .dilation = a.dilation, .phases = source.phases, .length = source.length};
}

// Backwards, input i = t * stride + residue - padding is reached by output t - floor(k * dilation / stride) through the taps k with
// k * dilation = residue modulo the stride.

inline std::int64_t first_step(const ConvAxis& a, std::int64_t residue) {
    return a.padding > residue ? ceil_div(a.padding - residue, a.stride) : 0;
}
/// The output's gradient as a source of the input's.
inline SourceAxis backward_source(const ConvAxis& a) {
    const std::int64_t front = std::max<std::int64_t>(0, (a.kernel - 1) * a.dilation / a.stride - first_step(a, a.stride - 1));
    return {a.out, 1, 1, front, 1, (a.in - 1 + a.padding) / a.stride + front + 1};
}
inline TapAxis backward_taps(const ConvAxis& a, std::int64_t residue) {
    const std::int64_t t = first_step(a, residue), first = a.stride * t + residue - a.padding;
    const std::int64_t period = a.stride / greatest_common_divisor(a.stride, a.dilation);
    TapAxis axis{.first = first, .step = a.stride, .stride = a.stride, .dilation = a.dilation, .mirrored = true};
    axis.count = first < a.in ? (a.in - 1 - first) / a.stride + 1 : 0;
    axis.shift = t + backward_source(a).front;
    axis.tap_step = period;
    while (axis.tap_first < std::min(period, a.kernel) && axis.tap_first * a.dilation % a.stride != residue) ++axis.tap_first;
    axis.taps = axis.tap_first < std::min(period, a.kernel) ? (a.kernel - 1 - axis.tap_first) / period + 1 : 0;
    return axis;
}

/// A prepared source: per channel its axes, row-major.
struct SourceShape {
    SourceAxis axes[3];

    std::int64_t stride(int axis) const { return axis == 2 ? 1 : axis == 1 ? axes[2].extent() : axes[1].extent() * axes[2].extent(); }
    std::int64_t channel_size() const { return axes[0].extent() * stride(0); }
    /// Is the tensor itself its prepared source?
    bool plain() const { return axes[0].plain() && axes[1].plain() && axes[2].plain(); }
    /// Prepares one channel.
    template <class T>
    void copy(const T* from, T* to) const;
};

/// Stores a vector, or as much of it as there is room.
template <class T>
HEADTORCH_ALWAYS_INLINE void store_within(T* to, const Vector<T>& v, std::int64_t room) {
    if (room >= lanes<T>)
        store(to, v);
    else
        store_first(to, v, static_cast<int>(room), false);
}

/// to[j] = in[j * stride - lead] for the j of the span, and 0 for the other j < length. Writes on, up to `room` elements in all, where what
/// comes next will be written later.
template <class T>
HEADTORCH_ALWAYS_INLINE void copy_source_row(const T* in, const SourceAxis& axis, const RowSpan& span, T* to, std::int64_t room) {
    constexpr int W = lanes<T>;
    const auto [lead, begin, end] = span;
    for (std::int64_t j = 0; j < begin; j += W) store_within(to + j, Vector<T>{}, room - j);
    std::int64_t j = begin;
    for (; j < end; j += W) {
        const int n = static_cast<int>(std::min<std::int64_t>(W, end - j));
        const T* const from = in + (j * axis.stride - lead);
        Vector<T> v{};
        if (axis.stride == 1) {
            load_first(v, from, n);
        } else if (axis.stride == 2) {
            const int left = static_cast<int>(std::min<std::int64_t>(2 * W, axis.size - (j * 2 - lead)));
            Vector<T> low, high{};
            load_first(low, from, std::min(W, left));
            if (left > W) load_first(high, from + W, left - W);
            v = every_other<0>(Packet<T, W>(low), Packet<T, W>(high)).v();
        } else {
            T values[static_cast<std::size_t>(W)] = {};
            for (int i = 0; i < n; ++i) values[i] = from[i * axis.stride];
            load(v, values);
        }
        store_within(to + j, v, room - j);
    }
    for (; j < axis.length; j += W) store_within(to + j, Vector<T>{}, room - j);
}

template <class T>
HEADTORCH_NOINLINE void SourceShape::copy(const T* from, T* to) const {
    const SourceAxis &depth = axes[0], &height = axes[1], &width = axes[2];
    constexpr std::int64_t kept = 4;
    RowSpan spans[kept];
    for (std::int64_t xp = 0; xp < std::min(kept, width.phases); ++xp) spans[xp] = width.span(xp);
    T* const last = to + channel_size();
    for (std::int64_t zp = 0; zp < depth.phases; ++zp)
        for (std::int64_t z = depth.residue(zp) - depth.front, i = 0; i < depth.length; ++i, z += depth.stride)
            for (std::int64_t yp = 0; yp < height.phases; ++yp)
                for (std::int64_t y = height.residue(yp) - height.front, k = 0; k < height.length; ++k, y += height.stride)
                    for (std::int64_t xp = 0; xp < width.phases; ++xp, to += width.length) {
                        if (z < 0 || z >= depth.size || y < 0 || y >= height.size) {
                            copy_source_row<T>(nullptr, width, {0, 0, 0}, to, last - to);
                            continue;
                        }
                        const RowSpan span = xp < kept ? spans[xp] : width.span(xp);
                        copy_source_row(from + (z * height.size + y) * width.size, width, span, to, last - to);
                    }
}

/// The targets that have the same taps, and what they sum over.
struct TapGrid {
    TapAxis axes[3];

    std::int64_t positions() const { return axes[0].count * axes[1].count * axes[2].count; }
    std::int64_t taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
    /// Are the targets all positions of a tensor of these sizes?
    bool covers(const std::int64_t (&sizes)[3]) const {
        for (int d = 0; d < 3; ++d)
            if (axes[d].step != 1 || axes[d].count != sizes[d]) return false;
        return true;
    }
    /// For k = (channel, taps): where a target finds it in the source, and which element of the weight belongs to it.
    void list(std::int64_t channels, const SourceShape& shape, const std::int64_t (&kernel)[3], std::int64_t channel_stride,
              std::int64_t* offset, std::int64_t* weight_index) const {
        for (std::int64_t c = 0; c < channels; ++c)
            for (std::int64_t z = 0; z < axes[0].taps; ++z)
                for (std::int64_t y = 0; y < axes[1].taps; ++y)
                    for (std::int64_t x = 0; x < axes[2].taps; ++x) {
                        *offset++ = c * shape.channel_size() + axes[0].offset(z) * shape.stride(0) + axes[1].offset(y) * shape.stride(1) +
                                    axes[2].offset(x);
                        *weight_index++ = c * channel_stride + (axes[0].kernel_index(z) * kernel[1] + axes[1].kernel_index(y)) * kernel[2] +
                                          axes[2].kernel_index(x);
                    }
    }
};

/// Elements behind a source that may be read: more than a vector, as few as a cache line's.
inline constexpr std::int64_t source_slack = 64;

}  // namespace headtorch::cpu::detail
