// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The innermost loops of the matrix product: a tile of C stays in vector registers while k runs.
/// Vectors are the compilers' vector extensions, so that one source serves AVX-512, AVX2, SSE2 and NEON.

#include <cstdint>
#include <cstring>
#include <utility>

#include "headtorch/core/config.hpp"
#include "headtorch/device/matrix.hpp"
#include "headtorch/device/cpu/packet_register.hpp"

namespace headtorch::cpu::detail {

template <class T>
inline constexpr int lanes = static_cast<int>(simd_bytes / sizeof(T));
template <class T>
using Vector = VectorOf<T, lanes<T>>;
template <class T>
using Four = VectorOf<T, 4>;

template <class V, class T>
HEADTORCH_ALWAYS_INLINE void load(V& v, const T* from) {
    std::memcpy(&v, from, sizeof(V));
}
template <class V, class T>
HEADTORCH_ALWAYS_INLINE void store(T* to, const V& v) {
    std::memcpy(to, &v, sizeof(V));
}

/// Copies n < lanes<T> values. Not inlined, where masked loads are missing: its branches would cost the kernels their registers.
template <class T>
HEADTORCH_NOINLINE void copy_first(T* to, const T* from, int n) {
    copy_partial<lanes<T>>(to, from, n);
}

/// v = the first n values, then zeros.
template <class T>
HEADTORCH_ALWAYS_INLINE void load_first(Vector<T>& v, const T* from, int n) {
    v = Vector<T>{};
    if constexpr (has_masked_memory<T, lanes<T>>) {
        load_masked(v, from, n);
    } else if (n == lanes<T>) {
        load(v, from);
    } else {
        T values[static_cast<std::size_t>(lanes<T>)] = {};
        copy_first(values, from, n);
        load(v, values);
    }
}

/// Stores the first n values, or adds them to what is there.
template <class T>
HEADTORCH_ALWAYS_INLINE void store_first(T* to, Vector<T> v, int n, bool accumulate) {
    if (accumulate) {
        Vector<T> old;
        load_first(old, to, n);
        v = old + v;
    }
    if constexpr (has_masked_memory<T, lanes<T>>) {
        store_masked(to, v, n);
    } else if (n == lanes<T>) {
        store(to, v);
    } else {
        T values[static_cast<std::size_t>(lanes<T>)];
        store(values, v);
        copy_first(to, values, n);
    }
}

/// The largest tile: `tile_rows` x 2 vectors. It fills the registers (32, or 16 before AVX-512), bar two vectors of B and one of A.
/// Tiles have an even number of rows: half the code, and at most one row in vain.
inline constexpr int tile_rows = simd_bytes == 64 ? 14 : simd_bytes == 32 ? 6 : 4;
template <class T>
inline constexpr int tile_cols = 2 * lanes<T>;

/// Where a tile goes: `rows` x `cols` of it are wanted.
template <class T>
struct TileTarget {
    T* data;
    std::int64_t row_stride, col_stride;
    int rows, cols;
    bool accumulate;
};

/// Writes a tile that is cut off at an edge, or whose target is not row-major.
template <class T>
HEADTORCH_NOINLINE void store_partial(const T* tile, int width, const TileTarget<T>& c) {
    for (int i = 0; i < c.rows; ++i, tile += width) {
        T* to = c.data + i * c.row_stride;
        if (c.col_stride == 1) {
            for (int j = 0; j < c.cols; j += lanes<T>) {
                Vector<T> sum;
                load(sum, tile + j);
                store_first(to + j, sum, c.cols - j < lanes<T> ? c.cols - j : lanes<T>, c.accumulate);
            }
        } else {
            for (int j = 0; j < c.cols; ++j) {
                T& target = to[j * c.col_stride];
                target = c.accumulate ? target + tile[j] : tile[j];
            }
        }
    }
}

template <class T, int... j>
HEADTORCH_ALWAYS_INLINE void store_row(const Vector<T> (&sum)[sizeof...(j)], T* to, bool accumulate, std::integer_sequence<int, j...>) {
    if (accumulate) {
        Vector<T> old[sizeof...(j)];
        (load(old[j], to + j * lanes<T>), ...);
        (store(to + j * lanes<T>, old[j] + sum[j]), ...);
    } else {
        (store(to + j * lanes<T>, sum[j]), ...);
    }
}

// Pack expansions rather than loops: they unroll at every optimisation level, with every compiler.
template <class T, int rows, int vectors, int... r>
HEADTORCH_ALWAYS_INLINE void tile_step(Vector<T> (&sum)[rows][vectors], const T* a, const T* b, std::integer_sequence<int, r...>) {
    Vector<T> b0, b1;
    load(b0, b);
    if constexpr (vectors == 2) {
        load(b1, b + lanes<T>);
        ((sum[r][0] += a[r] * b0, sum[r][1] += a[r] * b1), ...);
    } else {
        ((sum[r][0] += a[r] * b0), ...);
    }
}

template <class T, int rows, int vectors, int... r>
HEADTORCH_ALWAYS_INLINE void tile_store(const Vector<T> (&sum)[rows][vectors], const TileTarget<T>& c, std::integer_sequence<int, r...>) {
    if (c.col_stride == 1 && c.rows == rows && c.cols == vectors * lanes<T>) {
        (store_row<T>(sum[r], c.data + r * c.row_stride, c.accumulate, std::make_integer_sequence<int, vectors>{}), ...);
    } else {
        alignas(buffer_alignment) T tile[static_cast<std::size_t>(rows * vectors * lanes<T>)];
        (store_row<T>(sum[r], tile + r * vectors * lanes<T>, false, std::make_integer_sequence<int, vectors>{}), ...);
        store_partial(tile, vectors * lanes<T>, c);
    }
}

/// C[r, j] (+)= sum_p a[p * a_step + r] b[p * b_step + j] for `rows` rows and `vectors` vectors of columns.
/// Every element is summed in the order of p whatever the tile, so the tiling never shows in a result.
template <class T, int rows, int vectors>
void tile_product(std::int64_t depth, const T* a, std::int64_t a_step, const T* b, std::int64_t b_step, const TileTarget<T>& c) {
    constexpr auto each_row = std::make_integer_sequence<int, rows>{};
    Vector<T> sum[rows][vectors] = {};
    for (std::int64_t p = 0; p < depth; ++p, a += a_step, b += b_step) tile_step<T>(sum, a, b, each_row);
    tile_store<T>(sum, c, each_row);
}

template <class T>
using TileProduct = void (*)(std::int64_t, const T*, std::int64_t, const T*, std::int64_t, const TileTarget<T>&);

template <class T, int... i>
constexpr TileProduct<T> find_tile_product(int rows, int vectors, std::integer_sequence<int, i...>) {
    constexpr TileProduct<T> table[2][sizeof...(i)] = {{&tile_product<T, 2 * i + 2, 1>...}, {&tile_product<T, 2 * i + 2, 2>...}};
    return table[vectors - 1][(rows - 1) / 2];
}

/// The kernel for 1 .. tile_rows rows and 1 or 2 vectors of columns. It reads an even number of rows of A.
template <class T>
TileProduct<T> tile_product_for(int rows, int vectors) {
    return find_tile_product<T>(rows, vectors, std::make_integer_sequence<int, tile_rows / 2>{});
}

}  // namespace headtorch::cpu::detail
