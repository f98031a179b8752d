// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding as kernels see it: which element of the input stands at each place of the output.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/shape.hpp"

namespace headtorch {

enum class PadMode : std::uint8_t { constant, reflect, replicate, circular };

/// One dimension of a padding: output place j shows input place j - left where that is in [low, high); elsewhere the mode says which.
struct PadAxis {
    std::int64_t in = 1, out = 1, left = 0, low = 0, high = 1;

    /// The input place shown at output place j, or -1 for the constant.
    constexpr std::int64_t source(PadMode mode, std::int64_t j) const {
        const std::int64_t i = j - left;
        if (i >= low && i < high) return i;
        switch (mode) {
            case PadMode::constant: return -1;
            case PadMode::reflect: return i < 0 ? -i : i >= in ? 2 * (in - 1) - i : i;
            case PadMode::replicate: return std::clamp<std::int64_t>(i, 0, in - 1);
            case PadMode::circular: return i < low ? i + (high - low) : i >= high ? i - (high - low) : i;
        }
        return -1;
    }
};

/// Output place j along dimension d shows input place j - left[d] where that exists; elsewhere the mode says which. Only the part of the
/// input from low[d] to high[d] is shown, which is less than all where a padding is negative.
struct PadPlan {
    Shape in, out;
    IntList left, low, high;
    PadMode mode = PadMode::constant;

    /// The input place shown at output place j along dimension d, or -1 for the constant.
    std::int64_t source(int d, std::int64_t j) const {
        const std::int64_t i = j - left[d];
        return i >= low[d] && i < high[d] ? i : axis(d).source(mode, j);
    }
    PadAxis axis(int d) const { return {in[d], out[d], left[d], low[d], high[d]}; }
    /// Output places [first, last) along dimension d show the input as it is.
    std::int64_t first(int d) const { return std::clamp<std::int64_t>(left[d] + low[d], 0, out[d]); }
    std::int64_t last(int d) const { return std::clamp<std::int64_t>(left[d] + high[d], first(d), out[d]); }
    /// The same with the leading dimensions that stay as they are joined into one, dimension 0.
    PadPlan joined() const {
        PadPlan plan;
        plan.mode = mode;
        const auto append = [&](std::int64_t n, std::int64_t m, std::int64_t shift, std::int64_t from, std::int64_t to) {
            plan.in.push_back(n);
            plan.out.push_back(m);
            plan.left.push_back(shift);
            plan.low.push_back(from);
            plan.high.push_back(to);
        };
        int d = 0;
        std::int64_t planes = 1;
        for (; d < in.rank() - 1 && left[d] == 0 && in[d] == out[d]; ++d) planes *= in[d];
        append(planes, planes, 0, 0, planes);
        for (; d < in.rank(); ++d) append(in[d], out[d], left[d], low[d], high[d]);
        return plan;
    }
};

}  // namespace headtorch
