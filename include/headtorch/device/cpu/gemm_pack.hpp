// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Operands of the matrix product as panels: strips of A or B in the order in which the micro-kernel reads them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/matrix.hpp"

namespace headtorch::cpu::detail {

/// Memory of one thread for panels: grows, and is given back when the thread ends.
class GemmScratch {
public:
    GemmScratch() = default;
    GemmScratch(const GemmScratch&) = delete;
    GemmScratch& operator=(const GemmScratch&) = delete;
    ~GemmScratch() { release(); }

    void* reserve(std::size_t bytes) {
        if (bytes > size_ || !reuse_memory) {
            release();
            data_ = ::operator new(bytes, std::align_val_t{buffer_alignment});
            size_ = bytes;
        }
        return data_;
    }

private:
    void release() {
        if (data_ != nullptr) ::operator delete(data_, std::align_val_t{buffer_alignment});
        data_ = nullptr;
        size_ = 0;
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

/// `count` elements of the calling thread's scratch; the next call of the same thread hands out the same memory again.
template <class T>
T* gemm_scratch(std::int64_t count) {
    thread_local GemmScratch scratch;
    return static_cast<T*>(scratch.reserve(static_cast<std::size_t>(count) * sizeof(T)));
}

/// A strip of an operand: element (r, p), r along m or n and p along k, is data[p * step + r].
template <class T>
struct Panel {
    const T* data;
    std::int64_t step;
};

template <class T>
HEADTORCH_ALWAYS_INLINE void transpose_4x4(const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
    Four<T> a, b, c, d;
    load(a, from);
    load(b, from + from_step);
    load(c, from + 2 * from_step);
    load(d, from + 3 * from_step);
    const Four<T> ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Four<T> cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    store(to, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
    store(to + to_step, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
    store(to + 2 * to_step, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
    store(to + 3 * to_step, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/// out[p * out_width + r] = from[r * step + p] for r < width, p < depth.
template <class T>
void pack_transposed(const T* from, std::int64_t step, int width, std::int64_t depth, T* out, int out_width) {
    std::int64_t p = 0;
    if (width >= 4) {
        for (; p + 4 <= depth; p += 4) {
            // The last group of four overlaps its neighbour.
            for (int r = 0; r < width; r += 4) {
                const int first = r + 4 <= width ? r : width - 4;
                transpose_4x4(from + first * step + p, step, out + p * out_width + first, out_width);
            }
        }
    }
    for (; p < depth; ++p)
        for (int r = 0; r < width; ++r) out[p * out_width + r] = from[r * step + p];
}

/// out[p * out_width + r] = from[p * step + r] for r < width, p < depth.
template <class T>
void pack_rows(const T* from, std::int64_t step, int width, std::int64_t depth, T* out, int out_width) {
    if (width == tile_cols<T>) {
        for (std::int64_t p = 0; p < depth; ++p, from += step, out += out_width) std::memcpy(out, from, sizeof(T) * tile_cols<T>);
    } else if (width >= 4) {
        for (std::int64_t p = 0; p < depth; ++p, from += step, out += out_width)
            for (int r = 0; r < width; r += 4) {
                const int first = r + 4 <= width ? r : width - 4;
                std::memcpy(out + first, from + first, sizeof(T) * 4);
            }
    } else {
        for (std::int64_t p = 0; p < depth; ++p, from += step, out += out_width)
            for (int r = 0; r < width; ++r) out[r] = from[r];
    }
}

/// Packs panels of a matrix in memory. `stride` leads along m or n, `step` along k.
/// Panels whose elements already lie side by side may be used where they are.
template <class T>
struct PackMatrix {
    const T* data;
    std::int64_t stride, step;
    bool in_place;

    /// The elements [first, first + width) x [p, p + depth). The kernel reads `out_width` of them at each p; those past `width` count for nothing.
    Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
        const T* from = data + first * stride + p * step;
        if (stride == 1 && in_place && width == out_width) return {from, step};
        if (width < out_width) std::memset(out, 0, static_cast<std::size_t>(depth * out_width) * sizeof(T));
        if (stride == 1) {
            pack_rows(from, step, width, depth, out, out_width);
        } else if (step == 1) {
            pack_transposed(from, stride, width, depth, out, out_width);
        } else {
            for (std::int64_t q = 0; q < depth; ++q)
                for (int r = 0; r < width; ++r) out[q * out_width + r] = from[r * stride + q * step];
        }
        return {out, out_width};
    }
};

}  // namespace headtorch::cpu::detail
