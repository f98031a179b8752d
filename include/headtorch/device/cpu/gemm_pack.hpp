// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Operands of the matrix product as panels: strips of A or B in the order in which the micro-kernel reads them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/matrix.hpp"

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
            data_ = ::operator new (bytes, std::align_val_t{buffer_alignment});
            size_ = bytes;
        }
        return data_;
    }

private:
    void release() {
        if (data_ != nullptr) ::operator delete (data_, std::align_val_t{buffer_alignment});
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

// Lane numbers are spelt out: nvcc does not expand packs in the arguments of a builtin.

/// Of each four lanes: low = a0 b0 a1 b1, high = a2 b2 a3 b3.
template <int W, class V>
HEADTORCH_ALWAYS_INLINE void zip_fours(V& low, V& high, const V& a, const V& b) {
    if constexpr (W == 4) {
        low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    } else {
        low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
        high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    }
}

/// Of each four lanes: low = a0 a1 b0 b1, high = a2 a3 b2 b3.
template <int W, class V>
HEADTORCH_ALWAYS_INLINE void zip_pairs(V& low, V& high, const V& a, const V& b) {
    if constexpr (W == 4) {
        low = __builtin_shufflevector(a, b, 0, 1, 4, 5);
        high = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    } else {
        low = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
        high = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
}

/// In each four lanes, a, b, c, d become the columns of the 4x4 matrix whose rows they were.
template <int W, class V>
HEADTORCH_ALWAYS_INLINE void transpose_fours(V& a, V& b, V& c, V& d) {
    V ab_low, ab_high, cd_low, cd_high;
    zip_fours<W>(ab_low, ab_high, a, b);
    zip_fours<W>(cd_low, cd_high, c, d);
    zip_pairs<W>(a, b, ab_low, cd_low);
    zip_pairs<W>(c, d, ab_high, cd_high);
}

/// v = fours from rows 0 and, for W = 8, 4 of a matrix.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE void load_fours(VectorOf<T, W>& v, const T* from, std::int64_t step) {
    if constexpr (W == 4) {
        load(v, from);
    } else {
        Four<T> low, high;
        load(low, from);
        load(high, from + 4 * step);
        v = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
    }
}

/// to[q * to_step + r] = from[r * from_step + q] for r < W, q < 4.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE void transpose_block(const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
    VectorOf<T, W> a, b, c, d;
    load_fours<T, W>(a, from, from_step);
    load_fours<T, W>(b, from + from_step, from_step);
    load_fours<T, W>(c, from + 2 * from_step, from_step);
    load_fours<T, W>(d, from + 3 * from_step, from_step);
    transpose_fours<W>(a, b, c, d);
    store(to, a);
    store(to + to_step, b);
    store(to + 2 * to_step, c);
    store(to + 3 * to_step, d);
}

/// out[p * out_width + r] = from[r * step + p] for r < width, p < 4 n; W <= width.
template <class T, int W>
void pack_transposed_by(const T* from, std::int64_t step, int width, std::int64_t n, T* out, int out_width) {
    for (; n > 0; --n, from += 4, out += 4 * out_width)
        for (int r = 0; r < width; r += W) {
            const int first = std::min(r, width - W);  // the last group overlaps its neighbour
            transpose_block<T, W>(from + first * step, step, out + first, out_width);
        }
}

/// out[p * out_width + r] = from[r * step + p] for r < width, p < depth.
template <class T>
void pack_transposed(const T* from, std::int64_t step, int width, std::int64_t depth, T* out, int out_width) {
    constexpr int widest = lanes<T> >= 8 ? 8 : 4;
    std::int64_t p = 0;
    if (width >= 4) {
        p = depth / 4 * 4;
        if (width >= widest) {
            pack_transposed_by<T, widest>(from, step, width, depth / 4, out, out_width);
        } else {
            pack_transposed_by<T, 4>(from, step, width, depth / 4, out, out_width);
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

    /// The elements [first, first + width) x [p, p + depth). The kernel reads `out_width` at each p; those past `width` count for nothing.
    HEADTORCH_NOINLINE Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
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
