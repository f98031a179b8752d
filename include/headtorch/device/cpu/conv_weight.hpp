// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The weight gradient of a convolution: weight[m, k] = sum over images and positions j of dy[m, j] source[offset[k] + j]. The lanes of a
/// vector are channels m, for which dy is transposed; or, when there are few of these, positions. Nothing is done to the source.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/gemm_thin.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"

namespace headtorch::cpu::detail {

/// Positions whose elements lie side by side in the source: `count` from `from` on; `at` is the number of the first.
struct PositionRun {
    std::int64_t from, at, count;
};

inline constexpr std::int64_t position_block = 256;  // of dy, 32 channels wide, fit the first cache

/// Rows of sums for some taps: sums[tap, m] += sum of source[offset[tap] + j] dy[j, m] over runs of positions.
template <class T, int vectors, int... r>
HEADTORCH_ALWAYS_INLINE void channel_sums_of_taps(const PositionRun* runs, std::int64_t n, const T* source, const std::int64_t* offset,
                                                  const T* dy, T* sums, std::int64_t step, std::integer_sequence<int, r...>) {
    Vector<T> sum[sizeof...(r)][vectors] = {};
    for (; n > 0; --n, ++runs) {
        const T* const x[] = {source + offset[r] + runs->from...};
        const T* b = dy + runs->at * vectors * lanes<T>;
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
}

inline constexpr int taps_at_once = simd_bytes == 64 ? 8 : 4;

template <class T, int vectors>
HEADTORCH_NOINLINE void channel_lanes(const PositionRun* runs, std::int64_t n, const T* source, const std::int64_t* offset, const T* dy,
                                      T* sums, std::int64_t step) {
    channel_sums_of_taps<T, vectors>(runs, n, source, offset, dy, sums, step, std::make_integer_sequence<int, taps_at_once>{});
}

/// weight[m, tap] += sum of dy[m, j] source[offset[tap] + j] over images and runs of positions, for four taps and some channels.
template <class T, int... m>
HEADTORCH_ALWAYS_INLINE void position_sums(const PositionRun* runs, std::int64_t n, std::int64_t images, const T* source,
                                           std::int64_t source_step, const std::int64_t* offset, const T* dy, std::int64_t dy_step,
                                           std::int64_t channel_step, T (&sums)[4 * sizeof...(m)], std::integer_sequence<int, m...>) {
    Vector<T> sum[sizeof...(m)][4] = {};
    for (std::int64_t image = 0; image < images; ++image, source += source_step, dy += dy_step)
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < runs[i].count; j += lanes<T>) {
                const int count = static_cast<int>(std::min<std::int64_t>(lanes<T>, runs[i].count - j));
                const T* const from = source + runs[i].from + j;
                const T* const g = dy + runs[i].at + j;
                Vector<T> x0, x1, x2, x3, v;  // both are cut off: what is no position may be no number
                load_first(x0, from + offset[0], count);
                load_first(x1, from + offset[1], count);
                load_first(x2, from + offset[2], count);
                load_first(x3, from + offset[3], count);
                ((load_first(v, g + m * channel_step, count), sum[m][0] += v * x0, sum[m][1] += v * x1, sum[m][2] += v * x2,
                  sum[m][3] += v * x3),
                 ...);
            }
    Four<T> totals;
    ((sum_lanes<T>(totals, sum[m][0], sum[m][1], sum[m][2], sum[m][3]), store(sums + 4 * m, totals)), ...);
}

inline constexpr int channels_at_once = simd_bytes == 64 ? 6 : 2;

template <class T, int channels>
HEADTORCH_NOINLINE void position_lanes(const PositionRun* runs, std::int64_t n, std::int64_t images, const T* source,
                                       std::int64_t source_step, const std::int64_t* offset, const T* dy, std::int64_t dy_step,
                                       std::int64_t channel_step, T (&sums)[4 * channels]) {
    position_sums<T>(runs, n, images, source, source_step, offset, dy, dy_step, channel_step, sums,
                     std::make_integer_sequence<int, channels>{});
}

/// One group's weight gradient.
template <class T>
class WeightGradient {
public:
    WeightGradient(const ConvGeometry& geometry, const SourceShape& shape, std::int64_t group, const T* x, const T* dy, T* dw)
        : geometry_(geometry),
          shape_(shape),
          x_(x + group * geometry.group_inputs() * geometry.in_size()),
          dy_(dy + group * geometry.group_outputs() * geometry.out_size()),
          inputs_(geometry.group_inputs()),
          outputs_(geometry.group_outputs()),
          size_(geometry.out_size()),
          taps_(inputs_ * geometry.taps()),
          padded_taps_(ceil_div(taps_, taps_at_once) * taps_at_once),
          dw_(dw + group * outputs_ * taps_),
          table_(2 * padded_taps_),
          runs_(size_ / geometry.axes[2].out * ceil_div(geometry.axes[2].out, position_block)) {
        const ConvAxis(&a)[3] = geometry.axes;
        TapGrid{{forward_taps(a[0]), forward_taps(a[1]), forward_taps(a[2])}}.list(
            inputs_, shape, {a[0].kernel, a[1].kernel, a[2].kernel}, geometry.taps(), table_.data(), table_.data() + padded_taps_);
        std::fill(table_.data() + taps_, table_.data() + padded_taps_, 0);
        for (std::int64_t row = 0, at = 0; row < size_ / a[2].out; ++row)
            for (std::int64_t x0 = 0; x0 < a[2].out; x0 += position_block) {
                const std::int64_t count = std::min(position_block, a[2].out - x0);
                runs_[run_count_++] = {row / a[1].out * shape.stride(0) + row % a[1].out * shape.stride(1) + x0, at, count};
                at += count;
            }
    }

    void run() const {
        const std::int64_t rows = size_ / geometry_.axes[2].out, vectors = rows * ceil_div(geometry_.axes[2].out, lanes<T>);
        if (4 * vectors * outputs_ < 3 * size_ * ceil_div(outputs_, lanes<T>))
            run_position_lanes(vectors);
        else
            run_channel_lanes();
    }

private:
    /// Calls work(first, images, source, step): the sources of some images, `step` apart.
    template <class Work>
    void for_each_chunk(std::int64_t at_once, const Work& work) const {
        const std::int64_t image_size = inputs_ * shape_.channel_size(), image_step = geometry_.in_channels * geometry_.in_size();
        at_once = std::clamp<std::int64_t>(at_once, 1, geometry_.batch);
        const Scratch<T> source(at_once * image_size + source_slack);
        for (std::int64_t first = 0; first < geometry_.batch; first += at_once) {
            const std::int64_t images = std::min(at_once, geometry_.batch - first);
            if (shape_.plain() && (geometry_.batch - first - images) * image_step >= source_slack) {
                work(first, images, x_ + first * image_step, image_step);
                continue;
            }
            parallel_for(images * inputs_, ceil_div(parallel_grain / 16, shape_.channel_size()), [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i)
                    shape_.copy(x_ + (first + i / inputs_) * image_step + i % inputs_ * geometry_.in_size(),
                                source.data() + i * shape_.channel_size());
            });
            work(first, images, static_cast<const T*>(source.data()), image_size);
        }
    }

    void run_position_lanes(std::int64_t vectors) const {
        const std::int64_t quads = ceil_div(taps_, 4), dy_step = geometry_.out_channels * size_;
        std::fill_n(dw_, outputs_ * taps_, T{});
        for_each_chunk(ceil_div(512, vectors), [&](std::int64_t first, std::int64_t images, const T* source, std::int64_t step) {
            parallel_for(quads, ceil_div(parallel_grain, images * size_ * outputs_ * 4), [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t tap = 4 * begin; tap < std::min(4 * end, taps_); tap += 4)
                    for (std::int64_t m = 0; m < outputs_;) {
                        const bool one = outputs_ - m < channels_at_once;
                        const T* const dy = dy_ + first * dy_step + m * size_;
                        const std::int64_t* const offset = table_.data() + tap;
                        T sums[4 * channels_at_once], sum[4];
                        if (one)
                            position_lanes<T, 1>(runs_.data(), run_count_, images, source, step, offset, dy, dy_step, size_, sum);
                        else
                            position_lanes<T, channels_at_once>(runs_.data(), run_count_, images, source, step, offset, dy, dy_step, size_,
                                                                sums);
                        for (std::int64_t i = 0; i < (one ? 1 : channels_at_once); ++i, ++m)
                            for (std::int64_t t = 0; t < std::min<std::int64_t>(4, taps_ - tap); ++t)
                                dw_[m * taps_ + tap + t] += one ? sum[t] : sums[4 * i + t];
                    }
            });
        });
    }

    void run_channel_lanes() const {
        const std::int64_t width = ceil_div(outputs_, lanes<T>) * lanes<T>, panels = ceil_div(width, tile_cols<T>);
        const std::int64_t at_once =
            std::clamp<std::int64_t>((std::int64_t{1} << 18) / (inputs_ * shape_.channel_size() + width * size_), 1, geometry_.batch);
        const Scratch<T> sums(padded_taps_ * width), transposed(at_once * width * size_);
        std::fill_n(sums.data(), padded_taps_ * width, T{});
        for_each_chunk(at_once, [&](std::int64_t first, std::int64_t images, const T* source, std::int64_t step) {
            parallel_for(images * panels, ceil_div(parallel_grain / 16, tile_cols<T> * size_), [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                    const std::int64_t m = i % panels * tile_cols<T>, image = i / panels;
                    const std::int64_t columns = std::min<std::int64_t>(tile_cols<T>, width - m);
                    const PackMatrix<T> pack{dy_ + (first + image) * geometry_.out_channels * size_, size_, 1, false};
                    pack(m, static_cast<int>(std::min(columns, outputs_ - m)), 0, size_, transposed.data() + (image * width + m) * size_,
                         static_cast<int>(columns));
                }
            });
            parallel_for(padded_taps_ / taps_at_once, ceil_div(parallel_grain, images * size_ * width * taps_at_once),
                         [&](std::int64_t begin, std::int64_t end) {
                             for (std::int64_t image = 0; image < images; ++image)
                                 for (std::int64_t m = 0; m < width; m += tile_cols<T>)
                                     sum_image(begin, end, source + image * step, transposed.data() + (image * width + m) * size_,
                                               width - m > lanes<T>, sums.data() + m, width);
                         });
        });
        parallel_for(ceil_div(taps_, lanes<T>), ceil_div(1 << 15, outputs_ * lanes<T>), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin * lanes<T>; i < std::min(taps_, end * lanes<T>); i += lanes<T>)
                pack_transposed(sums.data() + i * width, width, static_cast<int>(std::min<std::int64_t>(lanes<T>, taps_ - i)), outputs_,
                                dw_ + i, static_cast<int>(taps_));
        });
    }
    /// Groups of taps [begin, end), a block of positions at a time.
    void sum_image(std::int64_t begin, std::int64_t end, const T* source, const T* dy, bool wide, T* sums, std::int64_t width) const {
        for (std::int64_t block = 0, next = 0; block < run_count_; block = next) {
            while (next < run_count_ && runs_[next].at + runs_[next].count - runs_[block].at <= position_block) ++next;
            for (std::int64_t i = begin * taps_at_once; i < end * taps_at_once; i += taps_at_once)
                (wide ? &channel_lanes<T, 2> : &channel_lanes<T, 1>)(runs_.data() + block, next - block, source, table_.data() + i, dy,
                                                                     sums + i * width, width);
        }
    }

    const ConvGeometry& geometry_;
    const SourceShape& shape_;
    const T *x_, *dy_;
    std::int64_t inputs_, outputs_, size_, taps_, padded_taps_;
    T* dw_;
    Scratch<std::int64_t> table_;
    Scratch<PositionRun> runs_;
    std::int64_t run_count_ = 0;
};

}  // namespace headtorch::cpu::detail
