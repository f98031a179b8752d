// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding as kernels see it: which element of the input stands at each place of the output.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/shape.hpp"

namespace headtorch {

enum class PadMode : std::uint8_t { constant, reflect, replicate, circular };

/// Output place j along dimension d shows input place j - left[d] where that exists; elsewhere the mode says which. Only the part of the
/// input from low[d] to high[d] is shown, which is less than all where a padding is negative.
struct PadPlan {
    Shape in, out;
    IntList left, low, high;
    PadMode mode = PadMode::constant;

    /// The input place shown at output place j along dimension d, or -1 for the constant.
    std::int64_t source(int d, std::int64_t j) const {
        const std::int64_t i = j - left[d], n = in[d];
        switch (mode) {
            case PadMode::constant: return i < 0 || i >= n ? -1 : i;
            case PadMode::reflect: return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
            case PadMode::replicate: return std::clamp<std::int64_t>(i, 0, n - 1);
            case PadMode::circular: return i < low[d] ? i + (high[d] - low[d]) : i >= high[d] ? i - (high[d] - low[d]) : i;
        }
        return -1;
    }
    /// Output places [first, last) along dimension d show the input as it is.
    std::int64_t first(int d) const { return std::clamp<std::int64_t>(left[d] + low[d], 0, out[d]); }
    std::int64_t last(int d) const { return std::clamp<std::int64_t>(left[d] + high[d], first(d), out[d]); }
    /// Number of leading dimensions that stay as they are.
    int kept() const {
        int d = 0;
        while (d < in.rank() && left[d] == 0 && in[d] == out[d]) ++d;
        return d;
    }
};

}  // namespace headtorch
