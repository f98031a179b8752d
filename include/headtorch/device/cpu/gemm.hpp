// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Matrix products on plain pointers: c = a b and c += a b for any strides, single or in batches.
/// After K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008).

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/gemm_pack.hpp"
#include "headtorch/device/cpu/gemm_small.hpp"
#include "headtorch/device/cpu/gemm_thin.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/matrix.hpp"

namespace headtorch::cpu {

namespace detail {

// A panel of B (depth x tile_cols) lives in the first cache, a block of A (gemm_block_rows x depth) in the second, B in the last.
inline constexpr std::int64_t block_depth_bytes = 1280;
inline constexpr std::int64_t gemm_block_tiles = 16, gemm_block_rows = gemm_block_tiles * tile_rows;
inline constexpr std::int64_t block_panels = 96;

/// The product of rows [row, row + m) and columns [col, col + n), on this thread.
template <class T, class PackA, class PackB>
HEADTORCH_NOINLINE void gemm_block(std::int64_t row, std::int64_t m, std::int64_t col, std::int64_t n, std::int64_t k, const PackA& pack_a,
                                   const PackB& pack_b, MatrixRef<T> c, bool accumulate) {
    constexpr std::int64_t cols = tile_cols<T>;
    const std::int64_t depth_step = even_piece(k, block_depth_bytes / static_cast<std::int64_t>(sizeof(T)));
    const std::int64_t row_step = even_piece(m, gemm_block_rows);
    const std::int64_t col_step = even_piece(ceil_div(n, cols), block_panels) * cols;
    const std::int64_t height = (even_piece(row_step, tile_rows) + 1) / 2 * 2;
    T* const packed_b = gemm_scratch<T>((col_step + ceil_div(row_step, height) * height) * depth_step);
    T* const packed_a = packed_b + col_step * depth_step;
    Panel<T> panels_a[gemm_block_tiles], panels_b[block_panels];

    for (std::int64_t j0 = 0; j0 < n; j0 += col_step) {
        const std::int64_t j1 = std::min(n, j0 + col_step);
        for (std::int64_t p = 0; p < k; p += depth_step) {
            const std::int64_t depth = std::min(depth_step, k - p);
            for (std::int64_t j = j0; j < j1; j += cols) {
                const int width = static_cast<int>(std::min(cols, j1 - j));
                T* out = packed_b + (j - j0) * depth_step;
                panels_b[(j - j0) / cols] = pack_b(col + j, width, p, depth, out, width > lanes<T> ? tile_cols<T> : lanes<T>);
            }
            for (std::int64_t i0 = 0; i0 < m; i0 += row_step) {
                const std::int64_t i1 = std::min(m, i0 + row_step);
                for (std::int64_t i = i0; i < i1; i += height) {
                    const int rows = static_cast<int>(std::min(height, i1 - i));
                    panels_a[(i - i0) / height] = pack_a(row + i, rows, p, depth, packed_a + (i - i0) * depth_step, rows + rows % 2);
                }
                for (std::int64_t j = j0; j < j1; j += cols) {
                    const Panel<T> b = panels_b[(j - j0) / cols];
                    const int width = static_cast<int>(std::min(cols, j1 - j));
                    for (std::int64_t i = i0; i < i1; i += height) {
                        const Panel<T> a = panels_a[(i - i0) / height];
                        const int rows = static_cast<int>(std::min(height, i1 - i));
                        const TileTarget<T> target{&c(row + i, col + j), c.row_stride, c.col_stride, rows, width, accumulate || p > 0};
                        tile_product_for<T>(rows, width > lanes<T> ? 2 : 1)(depth, a.data, a.step, b.data, b.step, target);
                    }
                }
            }
        }
    }
}

/// c (+)= A B for operands that only their packing functors know: A has m rows, B has n columns, k is theirs in common, all at least 1.
///
/// `pack(first, width, p, depth, out, out_width)` returns a Panel<T> with the elements [first, first + width) of m (or n) and
/// [p, p + depth) of k: written to `out` (room for depth * out_width) as out[q * out_width + r], or read where they lie like that.
/// What it writes to r >= width is multiplied but never stored. It is called from several threads, and must not call gemm itself.
/// A convolution passes its weights as PackMatrix and, as B, a functor that gathers im2col columns: k = (channel, ky, kx), n = pixel.
template <class T, class PackA, class PackB>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, const PackA& pack_a, const PackB& pack_b, MatrixRef<T> c,
                 Accumulate accumulate) {
    const bool add = accumulate == Accumulate::yes;
    const std::int64_t limit = m * n * k / parallel_grain;
    const std::int64_t threads = limit <= 1 || in_parallel_region() ? 1 : std::min<std::int64_t>(get_num_threads(), limit);
    if (threads == 1) {
        gemm_block(0, m, 0, n, k, pack_a, pack_b, c, add);
        return;
    }
    // C is cut into a grid with one rectangle for each thread: of all grids, the one whose rectangles need least work, packing included.
    constexpr std::int64_t cols = tile_cols<T>;
    std::int64_t best = 0, height = m, width = n;
    for (std::int64_t across = 1; across <= threads; ++across) {
        const std::int64_t h = ceil_div(m, threads / across), w = ceil_div(ceil_div(n, cols), across) * cols;
        const std::int64_t cost = h * w + 4 * (h + w);
        if (across > 1 && cost >= best) continue;
        best = cost;
        height = h;
        width = w;
    }
    const std::int64_t down = ceil_div(m, height), across = ceil_div(n, width);
    parallel_for(down * across, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t piece = begin; piece < end; ++piece) {
            const std::int64_t i = piece / across * height, j = piece % across * width;
            gemm_block(i, std::min(height, m - i), j, std::min(width, n - j), k, pack_a, pack_b, c, add);
        }
    });
}

/// Picks the way for a shape. Every choice depends on shapes and strides alone, never on threads.
template <class T>
void gemm_floating(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, bool accumulate) {
    const std::int64_t m = c.rows, n = c.cols, k = a.cols;
    // What follows wants rows of C without gaps, and a vector to be a row.
    if (m > 1 && (n == 1 || (c.col_stride != 1 && c.row_stride == 1)))
        return gemm_floating(b.transposed(), a.transposed(), c.transposed(), accumulate);
    if (m == 1 && n > 1 && b.col_stride == 1 && c.col_stride == 1) return gemm_vector(a, b, c, accumulate);
    if (m == 1 && k < 16) return gemm_narrow(b.transposed(), a.transposed(), c.transposed(), accumulate, gemm_scratch<T>(4 * k));
    if (b.row_stride == 1 && (m <= 4 || (m <= 8 && k >= 64))) return gemm_dots(a, b, c, accumulate);
    if (n <= 4 && a.col_stride == 1 && k >= 32) return gemm_dots(b.transposed(), a.transposed(), c.transposed(), accumulate);
    if (n <= 4 && (k < 32 || a.row_stride != 1)) return gemm_narrow(a, b, c, accumulate, gemm_scratch<T>(4 * k));
    const std::int64_t work = m * n * k;
    const bool small = work <= 2048 || (work <= 16 * 1024 && k >= 8);
    if (a.row_stride == 1 && n <= 4 && m > 2 * n && (small || (m <= tile_cols<T> && k * m <= 8192)))
        return gemm_strips(b.transposed(), a.transposed(), c.transposed(), accumulate);
    if (small || (n <= tile_cols<T> && k * n <= 8192)) return gemm_strips(a, b, c, accumulate);
    gemm_packed(m, n, k, PackMatrix<T>{a.data, a.row_stride, a.col_stride, true},
                PackMatrix<T>{b.data, b.col_stride, b.row_stride, m <= 4 * tile_rows}, c, accumulate ? Accumulate::yes : Accumulate::no);
}

}  // namespace detail

/// c = a b, or c += a b. Shapes [m, k], [k, n], [m, n] must agree; c must not overlap a or b, nor itself.
/// k = 0 gives zeros. Large products use several threads; the result does not depend on how many.
/// Integers wrap around as in PyTorch.
template <class T>
void gemm(std::type_identity_t<MatrixRef<const T>> a, std::type_identity_t<MatrixRef<const T>> b, MatrixRef<T> c, Accumulate accumulate) {
    if (c.rows == 0 || c.cols == 0) return;
    const bool add = accumulate == Accumulate::yes;
    if constexpr (!std::is_floating_point_v<T>) {
        detail::gemm_integer(a, b, c, add);
    } else if (c.rows * c.cols * a.cols <= 64) {
        detail::gemm_tiny(a, b, c, add);  // anything cleverer would cost more than the arithmetic
    } else {
        detail::gemm_floating(a, b, c, add);
    }
}

/// c[i] (+)= a[i] b[i] for i in [0, batch), where matrix i of an operand starts at data + i * stride. stride_a and stride_b may be 0 (one
/// matrix for all); stride_c may be 0 to sum all products into one matrix.
template <class T>
void gemm_batched(std::int64_t batch, std::type_identity_t<MatrixRef<const T>> a, std::int64_t stride_a,
                  std::type_identity_t<MatrixRef<const T>> b, std::int64_t stride_b, MatrixRef<T> c, std::int64_t stride_c,
                  Accumulate accumulate) {
    if (batch <= 0) return;
    const auto one = [&](std::int64_t i, Accumulate add) {
        gemm<T>({a.data + i * stride_a, a.rows, a.cols, a.row_stride, a.col_stride},
                {b.data + i * stride_b, b.rows, b.cols, b.row_stride, b.col_stride},
                {c.data + i * stride_c, c.rows, c.cols, c.row_stride, c.col_stride}, add);
    };
    if (batch == 1) return one(0, accumulate);
    if (stride_c == 0) {
        for (std::int64_t i = 0; i < batch; ++i) one(i, i > 0 ? Accumulate::yes : accumulate);
        return;
    }
    // One matrix b for all, and rows that continue from matrix to matrix: that is one tall product.
    if (stride_b == 0 && stride_a == a.rows * a.row_stride && stride_c == c.rows * c.row_stride) {
        a.rows *= batch;
        c.rows *= batch;
        return one(0, accumulate);
    }
    const std::int64_t work = std::max<std::int64_t>(1, c.rows * c.cols * a.cols);
    if (work >= 4 * detail::parallel_grain) {
        for (std::int64_t i = 0; i < batch; ++i) one(i, accumulate);
        return;
    }
    parallel_for(batch, detail::ceil_div(detail::parallel_grain, work), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) one(i, accumulate);
    });
}

}  // namespace headtorch::cpu

namespace headtorch {

/// The products as every device offers them.
template <class T>
void gemm(Cpu, MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, Accumulate accumulate) { cpu::gemm<T>(a, b, c, accumulate); }
template <class T>
void gemm_batched(Cpu, std::int64_t batch, MatrixRef<const T> a, std::int64_t stride_a, MatrixRef<const T> b, std::int64_t stride_b,
                  MatrixRef<T> c, std::int64_t stride_c, Accumulate accumulate) {
    cpu::gemm_batched<T>(batch, a, stride_a, b, stride_b, c, stride_c, accumulate);
}
/// c = a b + bias, which has one element for each column, or is null; then what the epilogue says.
template <class T>
void gemm_bias(Cpu, MatrixRef<const T> a, MatrixRef<const T> b, const T* bias, MatrixRef<T> c, Epilogue epilogue) {
    const auto for_rows = [&](const auto& visit) {
        parallel_for(c.rows, 1 + 32768 / std::max<std::int64_t>(1, c.cols), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) visit(i);
        });
    };
    if (bias)
        for_rows([&](std::int64_t i) {
            for (std::int64_t j = 0; j < c.cols; ++j) c(i, j) = bias[j];
        });
    cpu::gemm<T>(a, b, c, bias ? Accumulate::yes : Accumulate::no);
    if (epilogue == Epilogue::relu)
        for_rows([&](std::int64_t i) {
            for (std::int64_t j = 0; j < c.cols; ++j) c(i, j) = c(i, j) < T(0) ? T(0) : c(i, j);
        });
}

}  // namespace headtorch
