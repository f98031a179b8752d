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
#include "headtorch/device/cpu/matrix.hpp"
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
HEADTORCH_ALWAYS_INLINE void strip_step(Vector<T> (&sum)[sizeof...(r)], const T* const (&a)[sizeof...(r)], std::int64_t at, const T* b, int cols,
                                        std::integer_sequence<int, r...>) {
    Vector<T> row;
    if constexpr (has_masked_memory<T, lanes<T>>) {
        load_first(row, b, cols);
    } else {
        load(row, b);
    }
    ((sum[r] += a[r][at] * row), ...);
}

/// C[r, j] (+)= sum_p a[r * a_stride + p * a_step] b[p * b_step + j] for at most one vector of columns.
/// Without masked loads, a whole vector of b must be readable. Few rows take turns on several sums, lest each addition wait for the last.
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

template <class T, int rows>
void strip_product_of(std::int64_t depth, const T* a, std::int64_t a_stride, std::int64_t a_step, const T* b, std::int64_t b_step,
                      const TileTarget<T>& c) {
    strip_product(depth, a, a_stride, a_step, b, b_step, c, std::make_integer_sequence<int, rows>{});
}

/// Calls `product(i, rows)` on pieces of [begin, end) with 8, 4, 2 or 1 rows, given as a constant.
template <int rows = 8, class Product>
HEADTORCH_ALWAYS_INLINE void for_row_pieces(std::int64_t begin, std::int64_t end, const Product& product) {
    for (; begin + rows <= end; begin += rows) product(begin, std::integral_constant<int, rows>{});
    if constexpr (rows > 1) for_row_pieces<rows / 2>(begin, end, product);
}

/// A product for which packing A does not pay: few columns, or few of everything. Threads share the rows.
template <class T>
void gemm_strips(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    const std::int64_t m = c.rows, n = c.cols, k = a.cols;
    if (b.col_stride != 1 || (!has_masked_memory<T, lanes<T>> && n % lanes<T> != 0)) {
        const std::int64_t width = ceil_div(n, lanes<T>) * lanes<T>;
        T* const packed = gemm_scratch<T>(k * width);
        const PackMatrix<T> pack{b.data, b.col_stride, b.row_stride, false};
        pack(0, static_cast<int>(n), 0, k, packed, static_cast<int>(width));
        b = {packed, k, n, width, 1};
    }
    // Pieces of eight rows, as without threads: a row must meet the same kernel however many there are.
    parallel_for(ceil_div(m, 8), ceil_div(parallel_grain, 8 * n * k), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t j = 0; j < n; j += lanes<T>) {
            const int cols = static_cast<int>(std::min<std::int64_t>(lanes<T>, n - j));
            for_row_pieces(8 * begin, std::min(m, 8 * end), [&](std::int64_t i, auto rows) {
                const TileTarget<T> target{&c(i, j), c.row_stride, c.col_stride, rows, cols, accumulate};
                strip_product_of<T, rows>(k, &a(i, 0), a.row_stride, a.col_stride, &b(0, j), b.row_stride, target);
            });
        }
    });
}

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
HEADTORCH_ALWAYS_INLINE void sum_lanes(Four<T>& sums, const Vector<T>* v) {
    Four<T> a, b, c, d;
    fold_to_four<T, lanes<T>>(a, v[0]);
    fold_to_four<T, lanes<T>>(b, v[1]);
    fold_to_four<T, lanes<T>>(c, v[2]);
    fold_to_four<T, lanes<T>>(d, v[3]);
    transpose_fours<4>(a, b, c, d);
    sums = (a + b) + (c + d);
}

template <class T, int rows, int... j>
HEADTORCH_ALWAYS_INLINE void dot_step(Vector<T> (&sum)[rows][sizeof...(j)], const Vector<T>& x, const Vector<T> (&y)[sizeof...(j)], int row,
                                      std::integer_sequence<int, j...>) {
    ((sum[row][j] += x * y[j]), ...);
}

/// C[r, j] (+)= x_r . y_j for j < n, where vectors lie in memory without gaps; several columns at a time.
template <class T, int... r, int... j>
void dot_product(std::int64_t depth, const T* x, std::int64_t x_stride, const T* y, std::int64_t y_stride, std::int64_t n, MatrixRef<T> c,
                 bool accumulate, std::integer_sequence<int, r...>, std::integer_sequence<int, j...> each) {
    constexpr int rows = sizeof...(r), cols = sizeof...(j);
    const bool direct = c.col_stride == 1 && !accumulate;
    for (std::int64_t first = 0; first < n; first += cols) {
        const std::int64_t last = std::min<std::int64_t>(cols, n - first) - 1;
        const T* const columns[cols] = {y + (first + std::min<std::int64_t>(j, last)) * y_stride...};
        Vector<T> sum[rows][cols] = {}, left, right[cols];
        std::int64_t p = 0;
        for (; p + lanes<T> <= depth; p += lanes<T>) {
            (load(right[j], columns[j] + p), ...);
            ((load(left, x + r * x_stride + p), dot_step<T>(sum, left, right, r, each)), ...);
        }
        if (p < depth) {
            const int rest = static_cast<int>(depth - p);
            (load_first(right[j], columns[j] + p, rest), ...);
            ((load_first(left, x + r * x_stride + p, rest), dot_step<T>(sum, left, right, r, each)), ...);
        }
        const auto finish = [&](int row) {
            for (int col = 0; col < cols; col += 4) {
                T* const to = c.data + row * c.row_stride + (first + col) * c.col_stride;
                Four<T> four;
                sum_lanes<T>(four, sum[row] + col);
                if (direct && last == cols - 1) {
                    store(to, four);
                } else {
                    for (int i = 0; i < 4 && col + i <= last; ++i) put(to[i * c.col_stride], four[i], accumulate);
                }
            }
        };
        (finish(r), ...);
    }
}

template <class T, int rows, int cols>
void dot_product_of(std::int64_t depth, const T* x, std::int64_t x_stride, const T* y, std::int64_t y_stride, std::int64_t n, MatrixRef<T> c,
                    bool accumulate) {
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
    sum_lanes<T>(four, sum);
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

    parallel_for(ceil_div(n, 8), ceil_div(parallel_grain, m * k * 8), [&](std::int64_t begin, std::int64_t end) {
        begin *= 8;
        end = std::min(n, end * 8);
        // While rows of a are left, the same columns of b serve them from the cache.
        const std::int64_t step = m == 1 || m == 2 || m == 4 ? end - begin : 8;
        for (std::int64_t j = begin; j < end; j += step)
            for_row_pieces<4>(0, m, [&](std::int64_t i, auto rows) {
                dot_product_of<T, rows, rows == 1 ? 8 : 4>(k, &a(i, 0), a.row_stride, &b(0, j), b.col_stride, std::min(step, end - j),
                                                           c.block(i, j, 0, 0), accumulate);
            });
    });
}

template <class T, int... r>
HEADTORCH_ALWAYS_INLINE void add_rows(const T* const (&row)[sizeof...(r)], const T (&x)[sizeof...(r)], T* y, std::int64_t n, bool accumulate,
                                      std::integer_sequence<int, r...>) {
    for (std::int64_t j = 0; j < n; j += lanes<T>) {
        const int cols = static_cast<int>(std::min<std::int64_t>(lanes<T>, n - j));
        Vector<T> sum{}, b;
        if (cols == lanes<T>) {
            if (accumulate) load(sum, y + j);
            ((load(b, row[r] + j), sum += x[r] * b), ...);
            store(y + j, sum);
        } else {
            if (accumulate) load_first(sum, y + j, cols);
            ((load_first(b, row[r] + j, cols), sum += x[r] * b), ...);
            store_first(y + j, sum, cols, false);
        }
    }
}

/// y[j] (+)= sum_r x[r] b[r, j] for a few rows of b.
template <class T, int... r>
void add_rows_of(const T* x, std::int64_t x_step, const T* b, std::int64_t b_step, T* y, std::int64_t n, bool accumulate,
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
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0, std::make_integer_sequence<int, 8>{});
            for (; p + 2 <= k; p += 2)
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0, std::make_integer_sequence<int, 2>{});
            if (p < k)
                add_rows_of(&a(0, p), a.col_stride, &b(p, j), b.row_stride, &c(0, j), cols, accumulate || p > 0, std::make_integer_sequence<int, 1>{});
        }
    });
}

}  // namespace headtorch::cpu::detail
