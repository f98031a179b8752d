// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The windows of pooling, as every device sees them.

#include <algorithm>
#include <cstdint>

namespace headtorch {

/// Windows along one dimension: window o has the elements o * stride - padding + k * dilation for k < kernel, as far as they are in
/// [0, in). Adaptive ones share the dimension out among `out` windows, which overlap where that is not even.
struct PoolAxis {
    std::int64_t in = 1, out = 1, kernel = 1, stride = 1, padding = 0, dilation = 1;
    bool adaptive = false;

    /// Where window o starts and stops, without dilation; may be outside of the input.
    constexpr std::int64_t start(std::int64_t o) const { return adaptive ? o * in / out : o * stride - padding; }
    constexpr std::int64_t stop(std::int64_t o) const { return adaptive ? ((o + 1) * in + out - 1) / out : start(o) + kernel; }
    /// The part within the input.
    constexpr std::int64_t first(std::int64_t o) const { return std::max<std::int64_t>(0, start(o)); }
    constexpr std::int64_t last(std::int64_t o) const { return std::clamp(stop(o), first(o), in); }
    /// Its size with the padding that it covers, on either side.
    constexpr std::int64_t padded_size(std::int64_t o) const { return std::min(stop(o), in + padding) - start(o); }
    /// Pairs side by side: the commonest windows.
    constexpr bool pairs() const { return !adaptive && kernel == 2 && stride == 2 && padding == 0 && dilation == 1 && 2 * out <= in; }
};

/// Planes of rows and columns; one-dimensional signals are planes of one row.
struct PoolPlan {
    std::int64_t planes = 1;
    PoolAxis rows = {}, columns = {};
    bool anywhere = false;          ///< places of largest elements: not such as the windows have, but any
    bool count_include_pad = true;  ///< averages: padding counts as zeros
    std::int64_t divisor = 0;       ///< averages: what sums are divided by; 0 stands for the window's size

    constexpr std::int64_t in_size() const { return rows.in * columns.in; }
    constexpr std::int64_t out_size() const { return rows.out * columns.out; }
};

}  // namespace headtorch
