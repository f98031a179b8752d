// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Correlations (conv_source.hpp): which way each goes, and the threads.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_direct.hpp"
#include "headtorch/device/cpu/conv_pack.hpp"
#include "headtorch/device/cpu/conv_problem.hpp"
#include "headtorch/device/cpu/conv_source.hpp"
#include "headtorch/device/cpu/conv_winograd.hpp"
#include "headtorch/device/cpu/gemm.hpp"
#include "headtorch/device/cpu/reduce.hpp"

namespace headtorch::cpu::detail {

/// target[m, position] = value[m, position] + bias[m] for the positions of a grid in some images; no values are zeros.
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

/// Some images, prepared: in memory of their own, or where they lie, if they lie right and more follows.
template <class T>
class PreparedSource {
public:
    PreparedSource(const CorrelationProblem<T>& problem, std::int64_t first, std::int64_t images)
        : data_(problem.prepared ? problem.prepared + first * problem.source_channels * problem.shape.channel_size()
                                 : problem.source + first * problem.source_channels * problem.source_size),
          in_place_(
              problem.prepared ||
              (problem.shape.plain() && (problem.images - first - images) * problem.source_channels * problem.source_size >= source_slack)),
          copy_(in_place_ ? 0 : images * problem.source_channels * problem.shape.channel_size() + source_slack) {
        if (in_place_) return;
        const std::int64_t size = problem.shape.channel_size();
        parallel_for(images * problem.source_channels, ceil_div(parallel_grain / 16, std::max<std::int64_t>(1, size)),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t c = begin; c < end; ++c)
                             problem.shape.copy(data_ + c * problem.source_size, copy_.data() + c * size);
                     });
    }
    const T* data() const { return in_place_ ? data_ : copy_.data(); }

private:
    const T* data_;
    bool in_place_;
    Scratch<T> copy_;
};

/// As a matrix product for each group, of as many images as make it large.
template <class T>
void correlate_by_product(const CorrelationProblem<T>& problem, const TapGrid& grid, std::int64_t k, const std::int64_t* table) {
    const std::int64_t channels = problem.group_targets(), size = problem.target_size(), positions = grid.positions();
    const std::int64_t channel_size = problem.shape.channel_size(), source_size = problem.source_channels * channel_size;
    const std::int64_t at_once = std::clamp<std::int64_t>(ceil_div(512, positions), 1, problem.images);
    for_each_image_group(problem.images, at_once, k * positions * problem.target_channels, [&](std::int64_t first, std::int64_t images) {
        const std::int64_t n = images * positions;
        const bool in_place = images == 1 && grid.covers(problem.target_axes);
        const PreparedSource<T> source(problem, first, images);
        const Scratch<T> values(in_place ? 0 : channels * n);
        for (std::int64_t group = 0; group < problem.groups; ++group) {
            const PackWeight<T> rows{problem.weight + group * problem.group_weights(), problem.row_stride, table + k};
            const PackSource<T> columns{source.data() + group * problem.group_sources() * channel_size,
                                        source_size,
                                        table,
                                        {grid.axes[0].count, grid.axes[1].count, grid.axes[2].count},
                                        {problem.shape.stride(0), problem.shape.stride(1)}};
            T* const target = problem.target + (first * problem.target_channels + group * channels) * size;
            const T* const bias = problem.bias_of(group);
            if (in_place && bias)
                for (std::int64_t m = 0; m < channels; ++m) std::fill_n(target + m * n, n, bias[m]);
            gemm_packed(channels, n, k, rows, columns, MatrixRef<T>{in_place ? target : values.data(), channels, n, n, 1},
                        in_place && bias ? Accumulate::yes : Accumulate::no);
            if (!in_place) scatter(problem, grid, images, static_cast<const T*>(values.data()), channels, bias, target);
        }
    });
}

/// From the source where it lies, image by image.
template <class T>
void correlate_directly(const CorrelationProblem<T>& problem, const TapGrid& grid, std::int64_t k, const std::int64_t* table, Lanes way) {
    const std::int64_t channels = problem.group_targets(), size = problem.target_size(), positions = grid.positions();
    const std::int64_t channel_size = problem.shape.channel_size();
    const DirectCorrelation<T> direct(way, grid, problem.shape, problem.groups, channels, k, table, [&](std::int64_t group) {
        return PackWeight<T>{problem.weight + group * problem.group_weights(), problem.row_stride, table + k};
    });
    const bool in_place = grid.covers(problem.target_axes);
    for_each_image_group(problem.images, 1, k * positions * problem.target_channels, [&](std::int64_t image, std::int64_t) {
        const PreparedSource<T> source(problem, image, 1);
        const auto some_groups = [&](std::int64_t begin, std::int64_t end) {
            const Scratch<T> values(in_place ? 0 : channels * positions);
            for (std::int64_t group = begin; group < end; ++group) {
                const T* const from = source.data() + group * problem.group_sources() * channel_size;
                T* const target = problem.target + (image * problem.target_channels + group * channels) * size;
                const T* const bias = problem.bias_of(group);
                direct.run(group, from, in_place ? bias : nullptr, in_place ? target : values.data(), positions);
                if (!in_place) scatter(problem, grid, 1, static_cast<const T*>(values.data()), channels, bias, target);
            }
        };
        if (problem.groups > 1)
            parallel_for(problem.groups, ceil_div(parallel_grain, k * positions * channels), some_groups);
        else
            some_groups(0, 1);
    });
}

/// The targets of one grid, in all images.
template <class T>
void correlate_grid(const CorrelationProblem<T>& problem, const TapGrid& grid) {
    const std::int64_t channels = problem.group_targets(), k = problem.group_sources() * grid.taps();
    if (grid.positions() == 0) return;
    if (k == 0) {
        for (std::int64_t group = 0; group < problem.groups; ++group)
            for (std::int64_t image = 0; image < problem.images; ++image)
                scatter<T>(problem, grid, 1, nullptr, channels, problem.bias_of(group),
                           problem.target + (image * problem.target_channels + group * channels) * problem.target_size());
        return;
    }
    if (problem.winograd) return WinogradCorrelation<T>(problem, grid).run();
    const Scratch<std::int64_t> table(2 * k);
    grid.list(problem.group_sources(), problem.shape, problem.kernel, problem.channel_stride, table.data(), table.data() + k);
    // Vectors that a step of k takes: those that are loaded and packed count as some multiplications.
    const std::int64_t row = grid.axes[2].count, rows = grid.positions() / row;
    const std::int64_t by_positions = rows * ceil_div(row, lanes<T>) * channels;
    const std::int64_t by_channels = rows * std::max<std::int64_t>(8, row) * ceil_div(channels, lanes<T>);
    const std::int64_t by_product = (rows * row * (channels + 8) + lanes<T> - 1) / lanes<T>;
    if (channels == 1)
        correlate_directly(problem, grid, k, table.data(), Lanes::single_channel);
    else if (std::min(by_positions, by_channels) > by_product || grid.positions() > (1 << 30))
        correlate_by_product(problem, grid, k, table.data());
    else
        correlate_directly(problem, grid, k, table.data(), by_positions <= by_channels ? Lanes::positions : Lanes::channels);
}

/// All targets: one grid for each combination of `classes` kinds of positions along the axes.
template <class T, class Axis>
void correlate(const CorrelationProblem<T>& problem, const std::int64_t (&classes)[3], const Axis& axis) {
    if (classes[0] * classes[1] * classes[2] == 1) return correlate_grid<T>(problem, TapGrid{{axis(0, 0), axis(1, 0), axis(2, 0)}});
    // The grids share the preparation of a few images.
    const std::int64_t image_size = problem.source_channels * problem.shape.channel_size();
    const std::int64_t at_once =
        std::clamp<std::int64_t>((1 << 20) / image_size, std::min<std::int64_t>(8, problem.images), problem.images);
    for (std::int64_t first = 0; first < problem.images; first += at_once) {
        CorrelationProblem<T> some = problem;
        some.images = std::min(at_once, problem.images - first);
        const PreparedSource<T> source(problem, first, some.images);
        some.prepared = source.data();
        some.target += first * problem.target_channels * problem.target_size();
        for (std::int64_t z = 0; z < classes[0]; ++z)
            for (std::int64_t y = 0; y < classes[1]; ++y)
                for (std::int64_t x = 0; x < classes[2]; ++x) correlate_grid<T>(some, TapGrid{{axis(0, z), axis(1, y), axis(2, x)}});
    }
}

}  // namespace headtorch::cpu::detail
