// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Walking several strided operands together: dimensions that can be joined are joined, and pieces of an operand that are not
/// adjacent in memory are gathered into a small buffer, so that a kernel only ever sees plain arrays.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "headtorch/core/config.hpp"
#include "headtorch/core/shape.hpp"

namespace headtorch::cpu {

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

namespace detail {

template <class Word>
inline void copy_strided(Word* to, std::int64_t to_stride, const Word* from, std::int64_t from_stride, std::int64_t count) {
    if (to_stride == 1 && from_stride == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Word));
    } else {
        for (std::int64_t i = 0; i < count; ++i) to[i * to_stride] = from[i * from_stride];
    }
}

/// Copies elements begin … begin + count of operand k to (`gather`) or from a plain buffer.
template <class Word>
HEADTORCH_NOINLINE void move_words(const Loop& loop, std::size_t k, std::int64_t begin, std::int64_t count, Word* operand, Word* buffer,
                                   bool gather) {
    LoopPosition position(loop, begin);
    const std::int64_t stride = loop.strides[k][loop.rank - 1];
    for (std::int64_t done = 0; done < count;) {
        const std::int64_t n = std::min(count - done, position.row_left());
        Word* here = operand + position.offset(k);
        if (gather) {
            copy_strided(buffer + done, 1, here, stride, n);
        } else {
            copy_strided(here, stride, buffer + done, 1, n);
        }
        position.advance(n);
        done += n;
    }
}

using Word32 __attribute__((may_alias)) = std::uint32_t;
using Word64 __attribute__((may_alias)) = std::uint64_t;

}  // namespace detail

/// Copies elements begin … begin + count of operand k, of 1, 4 or 8 bytes each, to (`gather`) or from a plain buffer.
inline void move_elements(const Loop& loop, std::size_t k, std::int64_t begin, std::int64_t count, void* operand, void* buffer,
                          std::size_t bytes, bool gather) {
    if (bytes == 4)
        detail::move_words(loop, k, begin, count, static_cast<detail::Word32*>(operand), static_cast<detail::Word32*>(buffer), gather);
    else if (bytes == 8)
        detail::move_words(loop, k, begin, count, static_cast<detail::Word64*>(operand), static_cast<detail::Word64*>(buffer), gather);
    else
        detail::move_words(loop, k, begin, count, static_cast<std::uint8_t*>(operand), static_cast<std::uint8_t*>(buffer), gather);
}

/// `count` copies of one element.
inline void fill_elements(const void* element, void* buffer, std::int64_t count, std::size_t bytes) {
    for (std::int64_t i = 0; i < count; ++i) std::memcpy(static_cast<char*>(buffer) + static_cast<std::size_t>(i) * bytes, element, bytes);
}

}  // namespace headtorch::cpu
