// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pieces of a strided operand that are not adjacent in memory are gathered into a small buffer, so that a kernel only ever sees plain
/// arrays.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "headtorch/core/config.hpp"
#include "headtorch/device/loop.hpp"

namespace headtorch::cpu {

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

using Word16 __attribute__((may_alias)) = std::uint16_t;
using Word32 __attribute__((may_alias)) = std::uint32_t;
using Word64 __attribute__((may_alias)) = std::uint64_t;

}  // namespace detail

/// Copies elements begin … begin + count of operand k, of 1, 2, 4 or 8 bytes each, to (`gather`) or from a plain buffer.
inline void move_elements(const Loop& loop, std::size_t k, std::int64_t begin, std::int64_t count, void* operand, void* buffer,
                          std::size_t bytes, bool gather) {
    if (bytes == 4)
        detail::move_words(loop, k, begin, count, static_cast<detail::Word32*>(operand), static_cast<detail::Word32*>(buffer), gather);
    else if (bytes == 8)
        detail::move_words(loop, k, begin, count, static_cast<detail::Word64*>(operand), static_cast<detail::Word64*>(buffer), gather);
    else if (bytes == 2)
        detail::move_words(loop, k, begin, count, static_cast<detail::Word16*>(operand), static_cast<detail::Word16*>(buffer), gather);
    else
        detail::move_words(loop, k, begin, count, static_cast<std::uint8_t*>(operand), static_cast<std::uint8_t*>(buffer), gather);
}

/// `count` copies of one element.
inline void fill_elements(const void* element, void* buffer, std::int64_t count, std::size_t bytes) {
    for (std::int64_t i = 0; i < count; ++i) std::memcpy(static_cast<char*>(buffer) + static_cast<std::size_t>(i) * bytes, element, bytes);
}

}  // namespace headtorch::cpu
