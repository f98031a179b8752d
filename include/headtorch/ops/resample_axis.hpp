// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where interpolation looks along one axis, and with what weights.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/resample.hpp"
#include "headtorch/ops/copy.hpp"

namespace headtorch::detail {

enum class Interpolation : std::uint8_t { nearest, nearest_exact, linear, cubic };

/// One axis of an interpolation.
struct AxisRequest {
    std::int64_t in = 1, out = 1;
    double scale = 0;  ///< output size over input size as asked for, or 0
    Interpolation mode = Interpolation::nearest;
    bool align_corners = false, antialias = false;

    /// Input elements for each output element.
    double step() const {
        if (align_corners) return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
        return scale > 0 ? 1 / scale : static_cast<double>(in) / static_cast<double>(out);
    }
    /// Half of the width of the filter, in input elements.
    double support() const { return (mode == Interpolation::cubic ? 2 : 1) * std::max(1.0, step()); }
    std::int64_t taps() const {
        if (mode <= Interpolation::nearest_exact) return 1;
        if (antialias) return std::min(in, 2 * static_cast<std::int64_t>(std::ceil(support())) + 1);
        return std::min<std::int64_t>(in, mode == Interpolation::linear ? 2 : 4);
    }
};

/// Tables for a kernel, as tensors: they come from the pool of memory. The host keeps what it made, for the table of the gradient.
template <class T, class D>
struct ResampleTable {
    std::int64_t in = 1, out = 1, taps = 1;
    Tensor<std::int64_t, Cpu> start;
    Tensor<T, Cpu> weight;
    Tensor<std::int64_t, D> start_there = {};
    Tensor<T, D> weight_there = {};
    ResampleAxis<T> axis() const { return {in, out, taps, start_there.data(), weight_there.data()}; }
};

/// A table from what the host made.
template <class T, class D>
ResampleTable<T, D> resample_table(const Tensor<std::int64_t, Cpu>& start, const Tensor<T, Cpu>& weight, std::int64_t in, std::int64_t out,
                                   std::int64_t taps) {
    return {in, out, taps, start, weight, start.template to<D>(), weight.template to<D>()};
}

/// The table of the gradient: which outputs an input went to, and with what weights. They lie side by side, since `start` never falls.
template <class T, class D>
HEADTORCH_NOINLINE ResampleTable<T, D> transposed(const ResampleTable<T, D>& table) {
    const auto& start = table.start;
    const auto& weight = table.weight;
    auto first = full<std::int64_t, Cpu>({table.in}, table.out);
    std::int64_t most = 1;
    for (int pass = 0; pass < 2; ++pass)  // the first output of each input, then how many there are from it on
        for (std::int64_t o = 0; o < table.out; ++o)
            for (std::int64_t k = 0; k < table.taps; ++k) {
                if (weight.data()[o * table.taps + k] == T(0)) continue;
                std::int64_t& begin = first.data()[start.data()[o] + k];
                if (pass == 0)
                    begin = std::min(begin, o);
                else
                    most = std::max(most, o - begin + 1);
            }
    for (std::int64_t i = 0; i < table.in; ++i) first.data()[i] = std::min(first.data()[i], table.out - most);
    auto weights = zeros<T, Cpu>({table.in, most});
    for (std::int64_t o = 0; o < table.out; ++o)
        for (std::int64_t k = 0; k < table.taps; ++k) {
            const std::int64_t i = start.data()[o] + k;
            if (const T w = weight.data()[o * table.taps + k]; w != T(0)) weights.data()[i * most + o - first.data()[i]] = w;
        }
    return resample_table<T, D>(first, weights, table.out, table.in, most);
}

/// Keys's cubic kernel (1981).
inline double cubic_kernel(double x, double a) {
    x = std::abs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Writes the weights of output element o and says at which input element they begin.
inline std::int64_t filter_weights(const AxisRequest& axis, std::int64_t o, std::int64_t taps, double* weight) {
    const double step = axis.step(), place = static_cast<double>(o);
    const bool cubic = axis.mode == Interpolation::cubic;
    std::fill_n(weight, taps, 0.0);
    if (axis.antialias) {  // the filter grows with the step, and is cut at the edges; as PIL does it, with a = -0.5
        const double center = step * (place + 0.5), support = axis.support(), shrink = 1 / std::max(1.0, step);
        const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
        const auto last = std::min(axis.in, static_cast<std::int64_t>(center + support + 0.5));
        const std::int64_t start = std::min(first, axis.in - taps);
        double total = 0;
        for (std::int64_t i = first; i < last; ++i) {
            const double x = (static_cast<double>(i) - center + 0.5) * shrink;
            total += weight[i - start] = cubic ? cubic_kernel(x, -0.5) : std::max(0.0, 1 - std::abs(x));
        }
        if (total != 0)
            for (std::int64_t k = 0; k < taps; ++k) weight[k] /= total;
        return start;
    }
    double source = axis.align_corners ? step * place : step * (place + 0.5) - 0.5;
    if (axis.in == axis.out && !cubic) source = place;
    if (!cubic) source = std::max(0.0, source);
    const auto floor = static_cast<std::int64_t>(std::floor(source));
    const double rest = source - static_cast<double>(floor);
    const std::int64_t from = cubic ? floor - 1 : floor, count = cubic ? 4 : 2;
    const std::int64_t start = std::clamp<std::int64_t>(from, 0, axis.in - taps);
    for (std::int64_t k = 0; k < count; ++k) {  // what lies beyond an edge counts for the element at the edge
        const double w = cubic ? cubic_kernel(rest + 1 - static_cast<double>(k), -0.75) : k == 0 ? 1 - rest : rest;
        weight[std::clamp<std::int64_t>(from + k, 0, axis.in - 1) - start] += w;
    }
    return start;
}

template <class T, class D>
HEADTORCH_NOINLINE ResampleTable<T, D> resample_table(const AxisRequest& axis) {
    const std::int64_t taps = axis.taps();
    auto start = empty<std::int64_t, Cpu>({axis.out});
    auto weight = empty<T, Cpu>({axis.out, taps});
    if (taps == 1 && axis.mode <= Interpolation::nearest_exact) {
        const T step = static_cast<T>(axis.step()), shift = axis.mode == Interpolation::nearest ? T(0) : T(0.5);
        for (std::int64_t o = 0; o < axis.out; ++o) {  // in T, as PyTorch does it
            start.data()[o] = std::min(axis.in - 1, static_cast<std::int64_t>(std::floor((static_cast<T>(o) + shift) * step)));
            weight.data()[o] = T(1);
        }
    } else {
        const auto row = empty<double, Cpu>({taps});
        for (std::int64_t o = 0; o < axis.out; ++o) {
            start.data()[o] = filter_weights(axis, o, taps, row.data());
            for (std::int64_t k = 0; k < taps; ++k) weight.data()[o * taps + k] = static_cast<T>(row.data()[k]);
        }
    }
    return resample_table<T, D>(start, weight, axis.in, axis.out, taps);
}

}  // namespace headtorch::detail
