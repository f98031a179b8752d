// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Correlations (conv_source.hpp) as matrix products: rows are target channels, columns are target positions of one or several images, and
/// the packing of the columns picks them from the source.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/gemm.hpp"
#include "headtorch/device/cpu/reduce.hpp"

namespace headtorch::cpu::detail {

/// A convolution or its input gradient: which tensor is correlated with the weight, and where the results go.
template <class T>
struct CorrelationProblem {
    std::int64_t images, groups, source_channels, target_channels;
    SourceShape shape;
    const T* source;
    std::int64_t source_size;  ///< of one channel
    const T* weight;
    std::int64_t row_stride, channel_stride;  ///< of the weight, per target and per source channel
    std::int64_t kernel[3];
    const T* bias;  ///< per target channel, or null
    T* target;
    std::int64_t target_axes[3];

    std::int64_t group_sources() const { return source_channels / groups; }
    std::int64_t group_targets() const { return target_channels / groups; }
    std::int64_t target_size() const { return target_axes[0] * target_axes[1] * target_axes[2]; }
};

/// The targets that have the same taps, and what they sum over.
struct TapGrid {
    TapAxis axes[3];

    std::int64_t positions() const { return axes[0].count * axes[1].count * axes[2].count; }
    std::int64_t taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
    /// Are the targets all positions of a tensor of these sizes?
    bool covers(const std::int64_t (&sizes)[3]) const {
        for (int d = 0; d < 3; ++d)
            if (axes[d].step != 1 || axes[d].count != sizes[d]) return false;
        return true;
    }
    /// For k = (channel, taps): where a target finds it in the source, and which element of the weight belongs to it.
    void list(std::int64_t channels, const SourceShape& shape, const std::int64_t (&kernel)[3], std::int64_t channel_stride,
              std::int64_t* offset, std::int64_t* weight_index) const {
        for (std::int64_t c = 0; c < channels; ++c)
            for (std::int64_t z = 0; z < axes[0].taps; ++z)
                for (std::int64_t y = 0; y < axes[1].taps; ++y)
                    for (std::int64_t x = 0; x < axes[2].taps; ++x) {
                        *offset++ = c * shape.channel_size() + axes[0].offset(z) * shape.stride(0) + axes[1].offset(y) * shape.stride(1) +
                                    axes[2].offset(x);
                        *weight_index++ = c * channel_stride + (axes[0].kernel_index(z) * kernel[1] + axes[1].kernel_index(y)) * kernel[2] +
                                          axes[2].kernel_index(x);
                    }
    }
};

/// Panels of the weight: element (r, k) is data[r * row_stride + index[k]].
template <class T>
struct PackWeight {
    const T* data;
    std::int64_t row_stride;
    const std::int64_t* index;

    HEADTORCH_NOINLINE Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
        const T* from = data + first * row_stride;
        if (width < out_width) std::fill(out, out + depth * out_width, T{});
        for (std::int64_t q = 0; q < depth;) {  // runs of neighbours in the weight are transposed together
            std::int64_t run = 1;
            while (q + run < depth && index[p + q + run] == index[p + q] + run) ++run;
            pack_transposed(from + index[p + q], row_stride, width, run, out + q * out_width, out_width);
            q += run;
        }
        return {out, out_width};
    }
};

/// Panels of the source: column j is position j of the targets, counted through all images.
template <class T>
struct PackSource {
    const T* data;
    std::int64_t image_size;
    const std::int64_t* offset;
    std::int64_t count[3], stride[2];

    HEADTORCH_NOINLINE Panel<T> operator()(std::int64_t first, int width, std::int64_t p, std::int64_t depth, T* out, int out_width) const {
        struct Run {
            std::int64_t from;
            int to, length;
        };
        Run runs[static_cast<std::size_t>(tile_cols<T>)];
        int n = 0;
        std::int64_t x = first % count[2], row = first / count[2];
        for (int at = 0; at < width; row += 1, x = 0) {
            const std::int64_t y = row % count[1], z = row / count[1] % count[0], image = row / count[1] / count[0];
            const int length = static_cast<int>(std::min<std::int64_t>(width - at, count[2] - x));
            runs[n++] = {image * image_size + z * stride[0] + y * stride[1] + x, at, length};
            at += length;
        }
        if (width < out_width) std::fill(out, out + depth * out_width, T{});
        for (std::int64_t q = 0; q < depth; ++q, out += out_width) {
            const T* from = data + offset[p + q];
            for (int i = 0; i < n; ++i) copy_run(from + runs[i].from, runs[i].length, out + runs[i].to, out_width - runs[i].to);
        }
        return {out - depth * out_width, out_width};
    }

private:
    /// The source may be read past the run, and the panel be written past it, as far as there is room.
    HEADTORCH_ALWAYS_INLINE static void copy_run(const T* from, int length, T* to, int room) {
        for (int i = 0; i < length; i += lanes<T>) {
            Vector<T> v;
            load(v, from + i);
            if (i + lanes<T> <= room) {
                store(to + i, v);
            } else {
                store_first(to + i, v, std::min(lanes<T>, length - i), false);
            }
        }
    }
};

/// Elements behind a source that may be read: more than a vector, as few as a cache line's.
inline constexpr std::int64_t source_slack = 64;

/// target[m, position] = value[m, position] + bias[m] for the positions of a grid in some images.
template <class T>
HEADTORCH_NOINLINE void scatter(const CorrelationProblem<T>& problem, const TapGrid& grid, std::int64_t images, const T* values,
                                std::int64_t channels, const T* bias, T* target) {
    const std::int64_t size = problem.target_size(), columns = images * grid.positions();
    const TapAxis &depth = grid.axes[0], &height = grid.axes[1], &width = grid.axes[2];
    for (std::int64_t image = 0; image < images; ++image)
        for (std::int64_t m = 0; m < channels; ++m) {
            const T* from = values ? values + m * columns + image * grid.positions() : nullptr;
            const T shift = bias ? bias[m] : T{};
            for (std::int64_t z = 0; z < depth.count; ++z)
                for (std::int64_t y = 0; y < height.count; ++y) {
                    T* to = target + (image * problem.target_channels + m) * size +
                            ((depth.first + z * depth.step) * problem.target_axes[1] + height.first + y * height.step) *
                                problem.target_axes[2] +
                            width.first;
                    for (std::int64_t x = 0; x < width.count; ++x) to[x * width.step] = shift + (from ? from[x] : T{});
                    if (from) from += width.count;
                }
        }
}

/// One group's targets of a grid in some images, whose sources are prepared at `source`.
template <class T>
void correlate_group(const CorrelationProblem<T>& problem, const TapGrid& grid, std::int64_t images, const T* source, std::int64_t group,
                     T* target) {
    const std::int64_t channels = problem.group_targets(), sources = problem.group_sources(), k = sources * grid.taps();
    const T* const bias = problem.bias ? problem.bias + group * channels : nullptr;
    target += group * channels * problem.target_size();
    if (grid.positions() == 0) return;
    if (k == 0) return scatter<T>(problem, grid, images, nullptr, channels, bias, target);
    const Scratch<std::int64_t> table(2 * k);
    grid.list(sources, problem.shape, problem.kernel, problem.channel_stride, table.data(), table.data() + k);
    const PackWeight<T> weight{problem.weight + group * channels * sources * problem.kernel[0] * problem.kernel[1] * problem.kernel[2],
                               problem.row_stride, table.data() + k};
    const PackSource<T> columns{source + group * sources * problem.shape.channel_size(),
                                problem.source_channels * problem.shape.channel_size(),
                                table.data(),
                                {grid.axes[0].count, grid.axes[1].count, grid.axes[2].count},
                                {problem.shape.stride(0), problem.shape.stride(1)}};
    const std::int64_t n = images * grid.positions();
    if (images == 1 && grid.covers(problem.target_axes)) {
        if (bias)
            for (std::int64_t m = 0; m < channels; ++m) std::fill_n(target + m * n, n, bias[m]);
        return gemm_packed(channels, n, k, weight, columns, MatrixRef<T>{target, channels, n, n, 1},
                           bias ? Accumulate::yes : Accumulate::no);
    }
    const Scratch<T> values(channels * n);
    gemm_packed(channels, n, k, weight, columns, MatrixRef<T>{values.data(), channels, n, n, 1}, Accumulate::no);
    scatter<T>(problem, grid, images, values.data(), channels, bias, target);
}

/// Calls piece(first, images) for all images, in groups of up to `at_once`. Threads share the groups, or else each group's work.
template <class Piece>
void for_each_image_group(std::int64_t images, std::int64_t at_once, std::int64_t work, const Piece& piece) {
    const std::int64_t groups = ceil_div(images, at_once), threads = get_num_threads();
    const auto some = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) piece(i * at_once, std::min(at_once, images - i * at_once));
    };
    if (groups >= 4 * threads || groups % threads == 0)
        parallel_for(groups, ceil_div(parallel_grain, std::max<std::int64_t>(1, work * at_once)), some);
    else
        some(0, groups);
}

/// Calls visit(grid) for all combinations of `classes` kinds of targets along each axis.
template <class Axis, class Visit>
void for_each_grid(const std::int64_t (&classes)[3], const Axis& axis, const Visit& visit) {
    for (std::int64_t z = 0; z < classes[0]; ++z)
        for (std::int64_t y = 0; y < classes[1]; ++y)
            for (std::int64_t x = 0; x < classes[2]; ++x) visit(TapGrid{{axis(0, z), axis(1, y), axis(2, x)}});
}

template <class T>
void prepare_source(const CorrelationProblem<T>& problem, std::int64_t images, const T* from, T* to) {
    const std::int64_t size = problem.shape.channel_size();
    parallel_for(images * problem.source_channels, ceil_div(parallel_grain / 16, std::max<std::int64_t>(1, size)),
                 [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t c = begin; c < end; ++c) problem.shape.copy(from + c * problem.source_size, to + c * size);
                 });
}

template <class T, class Axis>
void correlate(const CorrelationProblem<T>& problem, const std::int64_t (&classes)[3], const Axis& axis) {
    const std::int64_t size = problem.target_size(), source_size = problem.source_channels * problem.shape.channel_size();
    const std::int64_t at_once = std::clamp<std::int64_t>(ceil_div(512, size), 1, std::max<std::int64_t>(1, problem.images));
    const std::int64_t work =
        problem.group_sources() * problem.kernel[0] * problem.kernel[1] * problem.kernel[2] * problem.target_channels * size;
    for_each_image_group(problem.images, at_once, work, [&](std::int64_t first, std::int64_t images) {
        const Scratch<T> source(images * source_size + source_slack);
        prepare_source(problem, images, problem.source + first * problem.source_channels * problem.source_size, source.data());
        for (std::int64_t group = 0; group < problem.groups; ++group)
            for_each_grid(classes, axis, [&](const TapGrid& grid) {
                correlate_group<T>(problem, grid, images, source.data(), group, problem.target + first * problem.target_channels * size);
            });
    });
}

}  // namespace headtorch::cpu::detail
