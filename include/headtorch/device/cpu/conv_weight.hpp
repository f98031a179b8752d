// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The weight gradient of a convolution: weight[m, k] = sum over images and positions j of g[m, j] source[offset[k] + j]. The lanes of a
/// vector are channels m; for that, g is transposed, and nothing is done to the source.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/conv_correlate.hpp"

namespace headtorch::cpu::detail {

/// Positions whose elements lie side by side in the source: `count` from `from` on; `at` is the number of the first.
struct PositionRun {
    std::int64_t from, at, count;
};

inline constexpr std::int64_t position_block = 256;  // of g, 32 channels wide, fit the first cache

template <class T, int vectors, int... r>
HEADTORCH_ALWAYS_INLINE void tap_rows(const PositionRun* runs, std::int64_t n, const T* source, const std::int64_t* offset, const T* g,
                                      T* sums, std::int64_t step, std::integer_sequence<int, r...> each) {
    Vector<T> sum[sizeof...(r)][vectors] = {};
    for (; n > 0; --n, ++runs) {
        const T* const x[] = {source + offset[r] + runs->from...};
        const T* b = g + runs->at * vectors * lanes<T>;
        for (std::int64_t j = 0; j < runs->count; ++j, b += vectors * lanes<T>) {
            Vector<T> b0, b1;
            load(b0, b);
            if constexpr (vectors == 2) {
                load(b1, b + lanes<T>);
                ((sum[r][0] += x[r][j] * b0, sum[r][1] += x[r][j] * b1), ...);
            } else {
                ((sum[r][0] += x[r][j] * b0), ...);
            }
        }
    }
    (store_row<T>(sum[r], sums + r * step, true, std::make_integer_sequence<int, vectors>{}), ...);
    static_cast<void>(each);
}

inline constexpr int tap_rows_at_once = simd_bytes == 64 ? 8 : 4;

template <class T, int vectors>
HEADTORCH_NOINLINE void tap_rows_of(const PositionRun* runs, std::int64_t n, const T* source, const std::int64_t* offset, const T* g,
                                    T* sums, std::int64_t step) {
    tap_rows<T, vectors>(runs, n, source, offset, g, sums, step, std::make_integer_sequence<int, tap_rows_at_once>{});
}

/// The positions of the output in row-major order, as runs of at most position_block. Returns how many.
inline std::int64_t list_runs(const std::int64_t (&out)[3], const SourceShape& shape, PositionRun* runs) {
    std::int64_t n = 0, at = 0;
    for (std::int64_t z = 0; z < out[0]; ++z)
        for (std::int64_t y = 0; y < out[1]; ++y)
            for (std::int64_t x = 0; x < out[2]; x += position_block) {
                const std::int64_t count = std::min(position_block, out[2] - x);
                runs[n++] = {z * shape.stride(0) + y * shape.stride(1) + x, at, count};
                at += count;
            }
    return n;
}

template <class T>
void weight_gradient_group(const ConvGeometry& geometry, const SourceShape& shape, const T* x, const T* g, std::int64_t group, T* weight) {
    const std::int64_t channels = geometry.group_outputs(), inputs = geometry.group_inputs(), size = geometry.out_size();
    const TapGrid grid{{forward_taps(geometry.axes[0]), forward_taps(geometry.axes[1]), forward_taps(geometry.axes[2])}};
    const std::int64_t kernel[] = {geometry.axes[0].kernel, geometry.axes[1].kernel, geometry.axes[2].kernel};
    const std::int64_t out[] = {geometry.axes[0].out, geometry.axes[1].out, geometry.axes[2].out};
    const std::int64_t k = inputs * geometry.taps(), rows = ceil_div(k, tap_rows_at_once) * tap_rows_at_once;
    const Scratch<std::int64_t> table(2 * rows);
    grid.list(inputs, shape, kernel, geometry.taps(), table.data(), table.data() + rows);
    std::fill(table.data() + k, table.data() + rows, 0);
    const Scratch<PositionRun> runs(out[0] * out[1] * ceil_div(out[2], position_block));
    const std::int64_t run_count = list_runs(out, shape, runs.data());

    const std::int64_t width = ceil_div(channels, lanes<T>) * lanes<T>, source_size = inputs * shape.channel_size();
    const std::int64_t at_once =
        std::clamp<std::int64_t>((std::int64_t{1} << 18) / std::max<std::int64_t>(1, source_size + width * size), 1, geometry.batch);
    const Scratch<T> sums(rows * width), source(at_once * source_size + source_slack), transposed(at_once * width * size);
    std::fill_n(sums.data(), rows * width, T{});
    for (std::int64_t first = 0; first < geometry.batch; first += at_once) {
        const std::int64_t images = std::min(at_once, geometry.batch - first);
        parallel_for(images * inputs, ceil_div(parallel_grain / 16, shape.channel_size()), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
                shape.copy(x + ((first + i / inputs) * geometry.in_channels + group * inputs + i % inputs) * geometry.in_size(),
                           source.data() + i * shape.channel_size());
        });
        const std::int64_t panels = ceil_div(width, tile_cols<T>);
        parallel_for(images * panels, ceil_div(parallel_grain / 16, tile_cols<T> * size), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t m = i % panels * tile_cols<T>, image = i / panels;
                const std::int64_t columns = std::min<std::int64_t>(tile_cols<T>, width - m);
                const PackMatrix<T> pack{g + ((first + image) * geometry.out_channels + group * channels) * size, size, 1, false};
                pack(m, static_cast<int>(std::min(columns, channels - m)), 0, size, transposed.data() + (image * width + m) * size,
                     static_cast<int>(columns));
            }
        });
        parallel_for(rows / tap_rows_at_once, ceil_div(parallel_grain, images * size * width * tap_rows_at_once),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t image = 0; image < images; ++image)
                             for (std::int64_t m = 0; m < width; m += tile_cols<T>)
                                 for (std::int64_t r = 0; r < run_count;) {
                                     const std::int64_t block = r;
                                     while (r < run_count && runs[r].at + runs[r].count - runs[block].at <= position_block) ++r;
                                     for (std::int64_t i = begin * tap_rows_at_once; i < end * tap_rows_at_once; i += tap_rows_at_once) {
                                         const T* const from = source.data() + image * source_size;
                                         const T* const b = transposed.data() + (image * width + m) * size;
                                         T* const to = sums.data() + i * width + m;
                                         if (width - m > lanes<T>)
                                             tap_rows_of<T, 2>(runs.data() + block, r - block, from, table.data() + i, b, to, width);
                                         else
                                             tap_rows_of<T, 1>(runs.data() + block, r - block, from, table.data() + i, b, to, width);
                                     }
                                 }
                     });
    }
    for (std::int64_t m = 0; m < channels; ++m)
        for (std::int64_t i = 0; i < k; ++i) weight[(group * channels + m) * k + i] = sums[i * width + m];
}

}  // namespace headtorch::cpu::detail
