// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Matrix products that are too small or too thin for packing, and those of integers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/gemm_pack.hpp"
#include "headtorch/device/matrix.hpp"
#include "headtorch/device/cpu/parallel.hpp"

namespace headtorch::cpu::detail {

/// Multiply-adds below which a product runs on one thread, and the least each thread gets.
inline constexpr std::int64_t parallel_grain = std::int64_t{1} << 20;

inline constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The size of the pieces when `count` is cut into the fewest equal ones of at most `limit`.
inline constexpr std::int64_t even_piece(std::int64_t count, std::int64_t limit) { return ceil_div(count, ceil_div(count, limit)); }

template <class T>
HEADTORCH_ALWAYS_INLINE void put(T& target, T value, bool accumulate) {
    target = accumulate ? target + value : value;
}

/// Any product, one element after the other.
template <class T>
void gemm_tiny(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.cols; ++j) {
            const T* x = a.data + i * a.row_stride;
            const T* y = b.data + j * b.col_stride;
            T sum = 0;
            for (std::int64_t p = 0; p < a.cols; ++p) sum += x[p * a.col_stride] * y[p * b.row_stride];
            put(c(i, j), sum, accumulate);
        }
}

/// Any product of integers, which wrap around.
template <class T>
void gemm_integer(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    using Wide = std::conditional_t<(sizeof(T) > sizeof(unsigned)), std::uint64_t, unsigned>;
    const auto add_row = [n = c.cols](Wide x, const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
        for (std::int64_t j = 0; j < n; ++j)
            to[j * to_step] = static_cast<T>(static_cast<Wide>(to[j * to_step]) + x * static_cast<Wide>(from[j * from_step]));
    };
    for (std::int64_t i = 0; i < c.rows; ++i) {
        if (!accumulate)
            for (std::int64_t j = 0; j < c.cols; ++j) c(i, j) = 0;
        for (std::int64_t p = 0; p < a.cols; ++p) {
            const Wide x = static_cast<Wide>(a(i, p));
            if (b.col_stride == 1 && c.col_stride == 1) {
                add_row(x, &b(p, 0), 1, &c(i, 0), 1);
            } else {
                add_row(x, &b(p, 0), b.col_stride, &c(i, 0), c.col_stride);
            }
        }
    }
}

template <class T, int... r>
HEADTORCH_ALWAYS_INLINE void strip_step(Vector<T> (&sum)[sizeof...(r)], const T* const (&a)[sizeof...(r)], std::int64_t at, const T* b,
                                        int cols, std::integer_sequence<int, r...>) {
    Vector<T> row;
    if constexpr (has_masked_memory<T, lanes<T>>) {
        load_first(row, b, cols);
    } else {
        load(row, b);
    }
    ((sum[r] += a[r][at] * row), ...);
}

/// C[r, j] (+)= sum_p a[r * a_stride + p * a_step] b[p * b_step + j] for at most one vector of columns.
/// Without masked loads it must be a whole one. Few rows take turns on several sums, lest each addition wait for the last.
template <class T, int... r>
void strip_product(std::int64_t depth, const T* a, std::int64_t a_stride, std::int64_t a_step, const T* b, std::int64_t b_step,
                   const TileTarget<T>& c, std::integer_sequence<int, r...> each_row) {
    constexpr int rows = sizeof...(r), ways = rows <= 2 ? 4 : rows <= 4 ? 2 : 1;
    const T* const x[rows] = {a + r * a_stride...};
    Vector<T> sum[ways][rows] = {};
    std::int64_t p = 0;
    for (; p + ways <= depth; p += ways) {
        strip_step<T>(sum[0], x, p * a_step, b + p * b_step, c.cols, each_row);
        if constexpr (ways >= 2) strip_step<T>(sum[1], x, (p + 1) * a_step, b + (p + 1) * b_step, c.cols, each_row);
        if constexpr (ways >= 4) {
            strip_step<T>(sum[2], x, (p + 2) * a_step, b + (p + 2) * b_step, c.cols, each_row);
            strip_step<T>(sum[3], x, (p + 3) * a_step, b + (p + 3) * b_step, c.cols, each_row);
        }
    }
    if constexpr (ways > 1)
        for (; p < depth; ++p) strip_step<T>(sum[0], x, p * a_step, b + p * b_step, c.cols, each_row);
    if constexpr (ways >= 4) ((sum[0][r] += sum[2][r], sum[1][r] += sum[3][r]), ...);
    if constexpr (ways >= 2) ((sum[0][r] += sum[1][r]), ...);
    if (c.col_stride == 1) {
        (store_first(c.data + r * c.row_stride, sum[0][r], c.cols, c.accumulate), ...);
    } else {
        T tile[static_cast<std::size_t>(rows * lanes<T>)];
        (store(tile + r * lanes<T>, sum[0][r]), ...);
        store_partial(tile, lanes<T>, c);
    }
}

// Not inlined: g++ would keep the sums in memory.
template <class T, int rows>
HEADTORCH_NOINLINE void strip_product_of(std::int64_t depth, const T* a, std::int64_t a_stride, std::int64_t a_step, const T* b,
                                         std::int64_t b_step, const TileTarget<T>& c) {
    strip_product(depth, a, a_stride, a_step, b, b_step, c, std::make_integer_sequence<int, rows>{});
}

/// Calls `product(i, rows)` on pieces of [begin, end) with 8, 4, 2 or 1 rows, given as a constant.
template <int rows = 8, class Product>
HEADTORCH_ALWAYS_INLINE void for_row_pieces(std::int64_t begin, std::int64_t end, const Product& product) {
    for (; begin + rows <= end; begin += rows) product(begin, std::integral_constant<int, rows>{});
    if constexpr (rows > 1) for_row_pieces<rows / 2>(begin, end, product);
}

/// Writes or adds up to four columns of rows that lie in `from` by fours.
template <class T>
HEADTORCH_NOINLINE void narrow_store(const T* from, MatrixRef<T> c, bool accumulate) {
    for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.cols; ++j) put(c(i, j), from[4 * i + j], accumulate);
}

template <class T, std::size_t cols, int... r>
HEADTORCH_ALWAYS_INLINE void narrow_copy(const Four<T> (&sum)[sizeof...(r)], T* to, std::int64_t step) {
    (std::memcpy(to + r * step, &sum[r], cols * sizeof(T)), ...);
}

/// C (+)= A B for 1 to 4 columns, which lie in `b` as k rows of four.
template <class T, int... r>
HEADTORCH_NOINLINE void narrow_product(MatrixRef<const T> a, const T* b, MatrixRef<T> c, bool accumulate,
                                       std::integer_sequence<int, r...>) {
    constexpr std::int64_t at_once = sizeof...(r);
    for (std::int64_t i = 0; i < c.rows; i += at_once) {
        const std::int64_t rows = std::min(at_once, c.rows - i);
        const T* const x[] = {&a(i + std::min<std::int64_t>(r, rows - 1), 0)...};
        Four<T> sum[at_once], row;
        ((sum[r] = Four<T>{}), ...);
        for (std::int64_t p = 0; p < a.cols; ++p) {
            load(row, b + 4 * p);
            ((sum[r] += x[r][p * a.col_stride] * row), ...);
        }
        if (rows < at_once || c.col_stride != 1 || accumulate) {
            T values[4 * at_once];
            (store(values + 4 * r, sum[r]), ...);
            narrow_store(values, c.block(i, 0, rows, c.cols), accumulate);
        } else if (c.cols == 1) {
            narrow_copy<T, 1, r...>(sum, &c(i, 0), c.row_stride);
        } else if (c.cols == 2) {
            narrow_copy<T, 2, r...>(sum, &c(i, 0), c.row_stride);
        } else if (c.cols == 3) {
            narrow_copy<T, 3, r...>(sum, &c(i, 0), c.row_stride);
        } else {
            narrow_copy<T, 4, r...>(sum, &c(i, 0), c.row_stride);
        }
    }
}

/// A product with at most four columns, row by row. `room` is for 4 k values. Threads share the rows.
template <class T>
void gemm_narrow(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate, T* room) {
    const std::int64_t m = c.rows, n = c.cols, k = a.cols;
    for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t j = 0; j < 4; ++j) room[4 * p + j] = j < n ? b(p, j) : T{};
    parallel_for(m, ceil_div(parallel_grain, n * k), [&](std::int64_t begin, std::int64_t end) {
        narrow_product(a.block(begin, 0, end - begin, k), room, c.block(begin, 0, end - begin, n), accumulate,
                       std::make_integer_sequence<int, 8>{});
    });
}

/// A product for which packing A does not pay: few columns, or few of everything. Threads share the rows.
template <class T>
void gemm_strips(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    const std::int64_t m = c.rows, k = a.cols, width = ceil_div(c.cols, lanes<T>) * lanes<T>;
    T* const room = gemm_scratch<T>((width + 4) * k);
    if (b.col_stride != 1) {
        const PackMatrix<T> pack{b.data, b.col_stride, b.row_stride, false};
        pack(0, static_cast<int>(c.cols), 0, k, room, static_cast<int>(width));
        b = {room, k, c.cols, width, 1};
    }
    // Without masked loads and stores, columns that do not fill a vector go by fours.
    const std::int64_t n = has_masked_memory<T, lanes<T>> ? c.cols : c.cols / lanes<T> * lanes<T>;
    // Pieces of eight rows, as without threads: a row must meet the same kernel however many there are.
    parallel_for(ceil_div(m, 8), ceil_div(parallel_grain, 8 * (n + 1) * k), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t j = 0; j < n; j += lanes<T>) {
            const int cols = static_cast<int>(std::min<std::int64_t>(lanes<T>, n - j));
            for_row_pieces(8 * begin, std::min(m, 8 * end), [&](std::int64_t i, auto rows) {
                const TileTarget<T> target{&c(i, j), c.row_stride, c.col_stride, rows, cols, accumulate};
                strip_product_of<T, rows>(k, &a(i, 0), a.row_stride, a.col_stride, &b(0, j), b.row_stride, target);
            });
        }
    });
    for (std::int64_t j = n; j < c.cols; j += 4) {
        const std::int64_t cols = std::min<std::int64_t>(4, c.cols - j);
        gemm_narrow(a, b.block(0, j, k, cols), c.block(0, j, m, cols), accumulate, room + width * k);
    }
}

}  // namespace headtorch::cpu::detail
