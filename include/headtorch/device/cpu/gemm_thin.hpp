// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Matrix products in which one operand is a vector or a few: sums along k where its neighbour lies that way, or sums of rows.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/gemm_pack.hpp"
#include "headtorch/device/cpu/gemm_small.hpp"
#include "headtorch/device/matrix.hpp"
#include "headtorch/device/cpu/parallel.hpp"

namespace headtorch::cpu::detail {

template <class T, int W>
HEADTORCH_ALWAYS_INLINE void fold_to_four(Four<T>& sum, const VectorOf<T, W>& v) {
    if constexpr (W > 4) {
        VectorOf<T, W / 2> halves[2];
        std::memcpy(halves, &v, sizeof v);
        fold_to_four<T, W / 2>(sum, halves[0] + halves[1]);
    } else if constexpr (W == 4) {
        sum = v;
    } else {
        T values[4] = {};
        store(values, v);
        load(sum, values);
    }
}

/// The sums over the lanes of four vectors.
template <class T>
HEADTORCH_ALWAYS_INLINE void sum_lanes(Four<T>& sums, const Vector<T>& v0, const Vector<T>& v1, const Vector<T>& v2, const Vector<T>& v3) {
    Four<T> a, b, c, d;
    fold_to_four<T, lanes<T>>(a, v0);
    fold_to_four<T, lanes<T>>(b, v1);
    fold_to_four<T, lanes<T>>(c, v2);
    fold_to_four<T, lanes<T>>(d, v3);
    transpose_fours<4>(a, b, c, d);
    sums = (a + b) + (c + d);
}

/// Writes the sums over the lanes of v[first .. first + 4) to the first n of four columns.
template <class T, int first, int cols>
HEADTORCH_ALWAYS_INLINE void dot_store(const Vector<T> (&v)[cols], T* to, std::int64_t step, std::int64_t n, bool accumulate) {
    Four<T> sums;
    sum_lanes<T>(sums, v[first], v[first + 1], v[first + 2], v[first + 3]);
    if (n >= 4 && step == 1 && !accumulate) {
        store(to, sums);
    } else {
        T values[4];
        store(values, sums);
        for (int i = 0; i < std::min<std::int64_t>(4, n); ++i) put(to[i * step], values[i], accumulate);
    }
}

// One by one: for `= {}`, g++ 12 calls memset.
template <class T, int cols, int... r>
HEADTORCH_ALWAYS_INLINE void dot_clear(Vector<T> (&sum)[sizeof...(r)][cols], int col, std::integer_sequence<int, r...>) {
    ((sum[r][col] = Vector<T>{}), ...);
}

template <class T, int cols, int... r>
HEADTORCH_ALWAYS_INLINE void dot_step(Vector<T> (&sum)[sizeof...(r)][cols], const Vector<T> (&x)[sizeof...(r)], const Vector<T>& y, int col,
                                      std::integer_sequence<int, r...>) {
    ((sum[r][col] += x[r] * y), ...);
}

/// C[r, j] (+)= x_r . y_j for j < n, where vectors lie in memory without gaps; several columns at a time.
template <class T, int... r, int... j>
void dot_product(std::int64_t depth, const T* x, std::int64_t x_stride, const T* y, std::int64_t y_stride, std::int64_t n, MatrixRef<T> c,
                 bool accumulate, std::integer_sequence<int, r...> each_row, std::integer_sequence<int, j...>) {
    constexpr int rows = sizeof...(r), cols = sizeof...(j);
    for (std::int64_t first = 0; first < n; first += cols) {
        const std::int64_t last = std::min<std::int64_t>(cols, n - first) - 1;
        const T* const columns[cols] = {y + (first + std::min<std::int64_t>(j, last)) * y_stride...};
        Vector<T> sum[rows][cols], left[rows], right;
        (dot_clear<T>(sum, j, each_row), ...);
        std::int64_t p = 0;
        for (; p + lanes<T> <= depth; p += lanes<T>) {
            (load(left[r], x + r * x_stride + p), ...);
            ((load(right, columns[j] + p), dot_step<T>(sum, left, right, j, each_row)), ...);
        }
        if (p < depth) {
            const int rest = static_cast<int>(depth - p);
            (load_first(left[r], x + r * x_stride + p, rest), ...);
            ((load_first(right, columns[j] + p, rest), dot_step<T>(sum, left, right, j, each_row)), ...);
        }
        T* const to = c.data + first * c.col_stride;
        (dot_store<T, 0>(sum[r], to + r * c.row_stride, c.col_stride, n - first, accumulate), ...);
        if constexpr (cols == 8)
            if (n > first + 4)
                (dot_store<T, 4>(sum[r], to + 4 * c.col_stride + r * c.row_stride, c.col_stride, n - first - 4, accumulate), ...);
    }
}

template <class T, int rows, int cols>
HEADTORCH_NOINLINE void dot_product_of(std::int64_t depth, const T* x, std::int64_t x_stride, const T* y, std::int64_t y_stride,
                                       std::int64_t n, MatrixRef<T> c, bool accumulate) {
    dot_product(depth, x, x_stride, y, y_stride, n, c, accumulate, std::make_integer_sequence<int, rows>{},
                std::make_integer_sequence<int, cols>{});
}

/// x . y of two vectors that lie in memory without gaps.
template <class T, int... i>
T dot_single(std::int64_t depth, const T* x, const T* y, std::integer_sequence<int, i...>) {
    constexpr int ways = sizeof...(i);
    Vector<T> sum[ways] = {}, left, right;
    std::int64_t p = 0;
    for (; p + ways * lanes<T> <= depth; p += ways * lanes<T>)
        ((load(left, x + p + i * lanes<T>), load(right, y + p + i * lanes<T>), sum[i] += left * right), ...);
    for (; p < depth; p += lanes<T>) {
        const int rest = static_cast<int>(std::min<std::int64_t>(lanes<T>, depth - p));
        load_first(left, x + p, rest);
        load_first(right, y + p, rest);
        sum[0] += left * right;
    }
    Four<T> four;
    sum_lanes<T>(four, sum[0], sum[1], sum[2], sum[3]);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

/// A product with few rows in a, at most 8, whose b lies column by column: sums along k, vector by vector. Threads share the columns.
template <class T>
void gemm_dots(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    const std::int64_t m = c.rows, n = c.cols, k = a.cols;
    if (a.col_stride != 1) {
        T* const packed = gemm_scratch<T>(m * k);
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t p = 0; p < k; ++p) packed[i * k + p] = a(i, p);
        a = {packed, m, k, k, 1};
    }
    if (m == 1 && n == 1) return put(*c.data, dot_single(k, a.data, b.data, std::make_integer_sequence<int, 4>{}), accumulate);

    constexpr int rows_at_once = simd_bytes == 64 ? 4 : 2;  // times four sums each: more would not fit 16 registers
    parallel_for(ceil_div(n, 8), ceil_div(parallel_grain, m * k * 8), [&](std::int64_t begin, std::int64_t end) {
        begin *= 8;
        end = std::min(n, end * 8);
        // While rows of a are left, the same columns of b serve them from the cache.
        const std::int64_t step = m <= 2 || m == rows_at_once ? end - begin : 8;
        for (std::int64_t j = begin; j < end; j += step)
            for_row_pieces<rows_at_once>(0, m, [&](std::int64_t i, auto rows) {
                dot_product_of<T, rows, rows == 1 ? 8 : 4>(k, &a(i, 0), a.row_stride, &b(0, j), b.col_stride, std::min(step, end - j),
                                                           c.block(i, j, 0, 0), accumulate);
            });
    });
}

template <class T, int... r>
HEADTORCH_ALWAYS_INLINE void add_rows(const T* const (&row)[sizeof...(r)], const T (&x)[sizeof...(r)], T* y, std::int64_t n,
                                      bool accumulate, std::integer_sequence<int, r...>) {
    std::int64_t j = 0;
    for (; j + lanes<T> <= n; j += lanes<T>) {
        Vector<T> sum{}, b;
        if (accumulate) load(sum, y + j);
        ((load(b, row[r] + j), sum += x[r] * b), ...);
        store(y + j, sum);
    }
    if (j < n) {
        const int rest = static_cast<int>(n - j);
        Vector<T> sum{}, b;
        if (accumulate) load_first(sum, y + j, rest);
        ((load_first(b, row[r] + j, rest), sum += x[r] * b), ...);
        store_first(y + j, sum, rest, false);
    }
}

/// y[j] (+)= sum_r x[r] b[r, j] for a few rows of b.
template <class T, int... r>
HEADTORCH_NOINLINE void add_rows_of(const T* x, std::int64_t x_step, const T* b, std::int64_t b_step, T* y, std::int64_t n, bool accumulate,
                                    std::integer_sequence<int, r...> each) {
    const T* const row[] = {b + r * b_step...};
    const T factor[] = {x[r * x_step]...};
    add_rows<T>(row, factor, y, n, accumulate, each);
}

/// A row times a matrix whose rows lie without gaps: eight of its rows at a time are added to the result. Threads share the columns.
template <class T>
void gemm_vector(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    constexpr std::int64_t width = 4096 / sizeof(T);
    const std::int64_t n = c.cols, k = a.cols;
    parallel_for(ceil_div(n, width), ceil_div(parallel_grain, k * width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t j = begin * width; j < std::min(n, end * width); j += width) {
            const std::int64_t cols = std::min(width, n - j);
            std::int64_t p = 0;
            for (; p + 8 <= k; p += 8)
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0,
                            std::make_integer_sequence<int, 8>{});
            for (; p + 2 <= k; p += 2)
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0,
                            std::make_integer_sequence<int, 2>{});
            if (p < k)
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0,
                            std::make_integer_sequence<int, 1>{});
        }
    });
}

}  // namespace headtorch::cpu::detail
