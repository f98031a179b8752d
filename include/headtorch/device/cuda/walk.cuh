// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Walking over strided operands on the device: quick division, and where element i of each operand lies.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cuda/runtime.cuh"
#include "headtorch/device/loop.hpp"

namespace headtorch::cuda {

/// Division of numbers below 2^31 by a divisor that is known before: a multiplication and a shift.
/// After T. Granlund and P. Montgomery, "Division by invariant integers using multiplication", PLDI 1994.
struct Divisor {
    std::uint32_t divisor = 1, magic = 0, shift = 0;

    Divisor() = default;
    explicit Divisor(std::uint32_t d) : divisor(d) {
        while ((std::uint64_t{1} << shift) < d) ++shift;
        magic = static_cast<std::uint32_t>(((std::uint64_t{1} << 32) * ((std::uint64_t{1} << shift) - d)) / d + 1);
    }
    HEADTORCH_HOST_DEVICE std::uint32_t operator()(std::uint32_t n) const {
        return (static_cast<std::uint32_t>((static_cast<std::uint64_t>(n) * magic) >> 32) + n) >> shift;
    }
};

/// A Loop of N operands whose places all fit an int.
template <int N>
struct Walk {
    int rank = 1;
    Divisor sizes[max_rank];
    int strides[N][max_rank];

    explicit Walk(const Loop& loop) : rank(loop.rank) {
        for (int d = 0; d < rank; ++d) {
            sizes[d] = Divisor(static_cast<std::uint32_t>(loop.sizes[d]));
            for (int k = 0; k < N; ++k) strides[k][d] = static_cast<int>(loop.strides[k][d]);
        }
    }

    struct Offsets {
        int of[N];
    };
    /// Where element i of each operand lies.
    __device__ Offsets offsets(int i) const {
        Offsets result{};
        std::uint32_t left = static_cast<std::uint32_t>(i);
        for (int d = rank - 1; d > 0; --d) {
            const std::uint32_t next = sizes[d](left);
            const int index = static_cast<int>(left - next * sizes[d].divisor);
            for (int k = 0; k < N; ++k) result.of[k] += index * strides[k][d];
            left = next;
        }
        for (int k = 0; k < N; ++k) result.of[k] += static_cast<int>(left) * strides[k][0];
        return result;
    }
};

/// Calls run(part, n, offsets) for parts of a loop of `operands` operands that a Walk can take, from first to last: the whole of it, where
/// it is not huge. `offsets` says where each operand of the part begins.
template <class Run>
void in_parts(const Loop& loop, int operands, const Run& run) {
    constexpr std::int64_t most = (std::int64_t{1} << 31) - (std::int64_t{1} << 26);
    const auto n_of = [](const Loop& part) {
        std::int64_t n = 1;
        for (int d = 0; d < part.rank; ++d) n *= part.sizes[d];
        return n;
    };
    const auto visit = [&](const auto& self, const Loop& part, const std::int64_t* offsets) -> void {
        const std::int64_t n = n_of(part);
        std::int64_t reach = n;
        for (int k = 0; k < operands; ++k) {
            std::int64_t last = 0;
            for (int d = 0; d < part.rank; ++d) last += (part.sizes[d] - 1) * std::abs(part.strides[k][d]);
            reach = std::max(reach, last);
        }
        if (reach < most) return run(part, n, offsets);
        // halve the dimension that reaches farthest
        int widest = 0;
        std::int64_t farthest = -1;
        for (int d = 0; d < part.rank; ++d)
            for (int k = 0; k < operands; ++k)
                if (const std::int64_t step = std::max<std::int64_t>(1, std::abs(part.strides[k][d])), far = (part.sizes[d] - 1) * step;
                    part.sizes[d] > 1 && far > farthest) {
                    farthest = far;
                    widest = d;
                }
        Loop half = part;
        half.sizes[widest] = part.sizes[widest] / 2;
        self(self, half, offsets);
        std::int64_t moved[Loop::max_operands];
        for (int k = 0; k < operands; ++k) moved[k] = offsets[k] + half.sizes[widest] * part.strides[k][widest];
        half.sizes[widest] = part.sizes[widest] - half.sizes[widest];
        self(self, half, moved);
    };
    const std::int64_t start[Loop::max_operands] = {};
    visit(visit, loop, start);
}

}  // namespace headtorch::cuda
