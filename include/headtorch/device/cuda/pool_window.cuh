// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Windows of pooling for kernels: which elements a window has, and which windows have an element.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/pool.hpp"

namespace headtorch::cuda {

/// A PoolAxis whose places are counted with an int, where they fit.
template <class Index>
struct PoolLine {
    Index in, out, kernel, stride, padding, dilation;
    bool adaptive;

    explicit PoolLine(const PoolAxis& axis)
        : in(static_cast<Index>(axis.in)),
          out(static_cast<Index>(axis.out)),
          kernel(static_cast<Index>(axis.kernel)),
          stride(static_cast<Index>(axis.stride)),
          padding(static_cast<Index>(axis.padding)),
          dilation(static_cast<Index>(axis.dilation)),
          adaptive(axis.adaptive) {}

    /// Elements first, first + step, … below `last`; all in the input.
    struct Part {
        Index first, last, step;
    };
    __device__ Part window(Index o) const {
        if (adaptive)
            return {static_cast<Index>(static_cast<std::int64_t>(o) * in / out),
                    static_cast<Index>((static_cast<std::int64_t>(o + 1) * in + out - 1) / out), 1};
        const Index start = o * stride - padding, stop = start + (kernel - 1) * dilation + 1;
        return {start >= 0 ? start : (dilation - 1 - start) / dilation * dilation + start, stop < in ? stop : in, dilation};
    }
    /// What a mean over window `o` is divided by along this dimension.
    __device__ Index counted(Index o, bool with_padding) const {
        const Part part = window(o);
        if (adaptive || !with_padding) return part.last > part.first ? part.last - part.first : 0;
        const Index start = o * stride - padding, stop = start + kernel;
        return (stop < in + padding ? stop : in + padding) - start;
    }
    /// Windows first … last - 1 may have element i; without dilation, they do.
    struct Range {
        Index first, last;
    };
    __device__ Range windows(Index i) const {
        if (adaptive)
            return {static_cast<Index>(static_cast<std::int64_t>(i) * out / in),
                    static_cast<Index>((static_cast<std::int64_t>(i + 1) * out + in - 1) / in)};
        const Index reach = i + padding, room = reach - (kernel - 1) * dilation;
        const Index last = reach / stride + 1;
        return {room <= 0 ? 0 : (room + stride - 1) / stride, last < out ? last : out};
    }
};

/// Calls run(Index{}) with the type that counts everything about these windows, and the elements of all planes.
template <class Run>
void with_pool_index(const PoolPlan& plan, const Run& run) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() / 4;
    bool fits = fits_int(plan.planes * plan.in_size()) && fits_int(plan.planes * plan.out_size());
    for (const PoolAxis* axis : {&plan.rows, &plan.columns})
        fits = fits && (axis->kernel - 1) * axis->dilation < most && axis->padding < most && axis->stride < most &&
               (axis->adaptive || axis->out * axis->stride < most) && axis->in < most && axis->out < most;
    if (fits)
        run(int{});
    else
        run(std::int64_t{});
}

}  // namespace headtorch::cuda
