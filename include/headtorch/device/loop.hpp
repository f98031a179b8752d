// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The walk over several strided operands together, as every device sees it: dimensions that can be joined are joined.

#include <cstdint>
#include <span>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// The common index space of several operands, row-major, with as few dimensions as their strides allow.
struct Loop {
    static constexpr int max_operands = 8;
    int rank = 0;
    std::int64_t sizes[max_rank];
    std::int64_t strides[max_operands][max_rank];

    /// `operands`: strides of each operand, broadcast to `shape`.
    Loop(const Shape& shape, std::span<const Strides> operands) {
        for (int d = 0; d < shape.rank(); ++d) {
            if (shape[d] == 1) continue;
            bool joins = rank > 0;
            for (std::size_t k = 0; joins && k < operands.size(); ++k) joins = strides[k][rank - 1] == operands[k][d] * shape[d];
            if (joins) {
                sizes[rank - 1] *= shape[d];
            } else {
                sizes[rank++] = shape[d];
            }
            for (std::size_t k = 0; k < operands.size(); ++k) strides[k][rank - 1] = operands[k][d];
        }
        if (rank == 0) {
            rank = 1;
            sizes[0] = 1;
            for (std::size_t k = 0; k < operands.size(); ++k) strides[k][0] = 1;
        }
    }

    std::int64_t inner() const { return sizes[rank - 1]; }
    /// Operand k lies in memory exactly in the order of the walk.
    bool is_linear(std::size_t k) const { return rank == 1 && strides[k][0] == 1; }
    /// Operand k is one number.
    bool is_constant(std::size_t k) const {
        for (int d = 0; d < rank; ++d)
            if (strides[k][d] != 0) return false;
        return true;
    }
};

/// Positions begin, begin + 1, … of a Loop: which row, and where operand k stands.
class LoopPosition {
public:
    LoopPosition(const Loop& loop, std::int64_t begin) : loop_(loop) {
        for (int d = loop.rank - 1; d >= 0; --d) {
            index_[d] = begin % loop.sizes[d];
            begin /= loop.sizes[d];
        }
    }
    std::int64_t offset(std::size_t k) const {
        std::int64_t sum = 0;
        for (int d = 0; d < loop_.rank; ++d) sum += index_[d] * loop_.strides[k][d];
        return sum;
    }
    /// Steps that stay in the present row.
    std::int64_t row_left() const { return loop_.inner() - index_[loop_.rank - 1]; }
    /// `count` is at most row_left().
    void advance(std::int64_t count) {
        index_[loop_.rank - 1] += count;
        for (int d = loop_.rank - 1; d > 0 && index_[d] == loop_.sizes[d]; --d) {
            index_[d] = 0;
            ++index_[d - 1];
        }
    }

private:
    const Loop& loop_;
    std::int64_t index_[max_rank];
};

}  // namespace headtorch
