// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Layer, group, instance and RMS normalisation of adjacent rows. Threads share out rows; what is summed over rows, the gradients of weight
/// and bias, is summed by column, in the order of the rows, for any number of threads.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/cpu/normalize.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/normalize.hpp"

namespace headtorch {
namespace cpu::detail {

template <class T>
Moments row_moments(const T* x, std::int64_t n, bool centred) {
    const double count = static_cast<double>(n);
    const T center = centred ? static_cast<T>(sum_line(x, n) / count) : T(0);
    double deviations[2] = {};
    add_deviations(x, n, center, deviations);
    return centred ? Moments::around(static_cast<double>(center), deviations, count) : Moments{0, deviations[1] / count};
}

/// y = (x - center) scale * weight + bias with a weight for each element; either may be null.
template <class T>
void scale_by_elements(const T* x, std::int64_t n, T center, T scale, T shift, const T* weight, const T* bias, T* y) {
    using P = Packet<T, native_lanes<T>>;
    if (weight && bias)
        write_line(n, y, [&](std::int64_t i, std::int64_t m) {
            return ((load_lanes(x + i, m) - center) * scale + shift) * load_lanes(weight + i, m) + load_lanes(bias + i, m);
        });
    else
        write_line(n, y, [&](std::int64_t i, std::int64_t m) {
            const P value = (load_lanes(x + i, m) - center) * scale + shift;
            return weight ? P(value * load_lanes(weight + i, m)) : bias ? P(value + load_lanes(bias + i, m)) : value;
        });
}

/// Rows r of which weights begin at channel (r % groups) * channels.
inline std::int64_t first_channel(const RowNorm& norm, std::int64_t row) { return row % norm.groups * norm.channels; }

template <class Body>
void for_each_row(const RowNorm& norm, const Body& body) {
    parallel_for(norm.rows, 32768 / std::max<std::int64_t>(1, norm.length()), [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; ++begin) body(begin);
    });
}

}  // namespace cpu::detail

/// y = (x - mean) / sqrt(variance + eps) * weight + bias; weight and bias may be null. Mean and variance of each row are written.
template <class T>
void row_norm_forward(Cpu, const T* x, const RowNorm& norm, double eps, const T* weight, const T* bias, double* mean, double* variance,
                      T* y) {
    cpu::detail::for_each_row(norm, [&](std::int64_t row) {
        const std::int64_t length = norm.length(), first = cpu::detail::first_channel(norm, row);
        const T* in = x + row * length;
        T* out = y + row * length;
        const cpu::detail::Moments moments = cpu::detail::row_moments(in, length, norm.centred);
        mean[row] = moments.mean;
        variance[row] = moments.variance;
        const double scale = 1 / std::sqrt(moments.variance + eps);
        const T center = static_cast<T>(moments.mean);
        const double shift = -(moments.mean - static_cast<double>(center)) * scale;
        if (norm.inner == 1) {
            cpu::detail::scale_by_elements(in, length, center, static_cast<T>(scale), static_cast<T>(shift),
                                           weight ? weight + first : weight, bias ? bias + first : bias, out);
            return;
        }
        for (std::int64_t c = 0; c < norm.channels; ++c) {
            const double w = weight ? static_cast<double>(weight[first + c]) : 1, b = bias ? static_cast<double>(bias[first + c]) : 0;
            cpu::detail::shift_and_scale(in + c * norm.inner, norm.inner, center, static_cast<T>(scale * w), static_cast<T>(shift * w + b),
                                         out + c * norm.inner);
        }
    });
}

/// dx of row_norm_forward(), with x' = (x - mean) / sqrt(variance + eps) and h = g weight:
/// (h - mean of h - x' (mean of h x')) / sqrt(variance + eps), the mean of h for centred rows only.
template <class T>
void row_norm_backward(Cpu, const T* g, const T* x, const RowNorm& norm, double eps, const T* weight, const double* mean,
                       const double* variance, T* dx) {
    cpu::detail::for_each_row(norm, [&](std::int64_t row) {
        const std::int64_t length = norm.length(), first = cpu::detail::first_channel(norm, row), start = row * length;
        const double factor = 1 / std::sqrt(variance[row] + eps), count = static_cast<double>(length);
        const T center = static_cast<T>(mean[row]);
        const double rest = mean[row] - static_cast<double>(center);
        using cpu::detail::load_lanes;
        const T *in = x + start, *gradient = g + start, *scales = weight ? weight + first : nullptr;
        const auto scaled = [&](std::int64_t i, std::int64_t m) {
            const auto value = load_lanes(gradient + i, m);
            return scales ? value * load_lanes(scales + i, m) : value;
        };
        double sums[2] = {};  // of h and h (x - center)
        if (norm.inner == 1) {
            cpu::detail::add_sums<T>(length, sums, [&](std::int64_t i, int k, std::int64_t m) {
                const auto h = scaled(i, m);
                return k == 0 ? h : h * (load_lanes(in + i, m) - center);
            });
        } else {
            for (std::int64_t c = 0; c < norm.channels; ++c) {
                double part[2] = {};
                cpu::detail::add_gradient_sums(gradient + c * norm.inner, in + c * norm.inner, norm.inner, center, part);
                for (int k = 0; k < 2; ++k) sums[k] += part[k] * (scales ? static_cast<double>(scales[c]) : 1);
            }
        }
        // dx = a g + b (x - center) + c
        const double b = -factor * factor * factor * (sums[1] - rest * sums[0]) / count;
        const double c = (norm.centred ? -factor * sums[0] / count : 0) - b * rest;
        if (norm.inner == 1) {
            const T a = static_cast<T>(factor), slope = static_cast<T>(b), shift = static_cast<T>(c);
            cpu::detail::write_line(length, dx + start, [&](std::int64_t i, std::int64_t m) {
                return scaled(i, m) * a + (load_lanes(in + i, m) - center) * slope + shift;
            });
        } else {
            for (std::int64_t k = 0; k < norm.channels; ++k)
                cpu::detail::blend_gradient(gradient + k * norm.inner, in + k * norm.inner, norm.inner, center,
                                            static_cast<T>(factor * (scales ? static_cast<double>(scales[k]) : 1)), static_cast<T>(b),
                                            static_cast<T>(c), dx + start + k * norm.inner);
        }
    });
}

/// dweight = sum of g x' and dbias = sum of g, over all rows of a channel; either may be null.
template <class T>
void row_norm_parameters(Cpu, const T* g, const T* x, const RowNorm& norm, double eps, const double* mean, const double* variance,
                         T* dweight, T* dbias) {
    const std::int64_t channels = norm.groups * norm.channels, length = norm.length();
    if (norm.inner == 1) {  // element by element: packets of columns, so many that whole cache lines are used
        constexpr int W = cpu::native_lanes<double>, packets = 4;
        using Doubles = cpu::Packet<double, W>;
        const cpu::Scratch<double> factor(norm.rows);
        for (std::int64_t row = 0; row < norm.rows; ++row) factor[row] = 1 / std::sqrt(variance[row] + eps);
        const std::int64_t tiles = (length + packets * W - 1) / (packets * W);
        parallel_for(tiles, 32768 / (norm.rows * packets * W + 1), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t tile = begin; tile < end; ++tile)
                for (std::int64_t group = 0; group < norm.groups; ++group) {
                    const std::int64_t column = tile * packets * W;
                    Doubles total[packets], product[packets];
                    for (int p = 0; p < packets; ++p) total[p] = product[p] = 0;
                    for (std::int64_t row = group; row < norm.rows; row += norm.groups)
                        for (int p = 0; p < packets; ++p) {
                            const std::int64_t at = row * length + column + p * W, lanes = length - column - p * W;
                            if (lanes <= 0) break;
                            const Doubles value = cpu::convert<double>(cpu::load_some<W>(g + at, lanes));
                            total[p] += value;
                            if (dweight)
                                product[p] += value * ((cpu::convert<double>(cpu::load_some<W>(x + at, lanes)) - mean[row]) * factor[row]);
                        }
                    for (int p = 0; p < packets; ++p) {
                        const std::int64_t lanes = length - column - p * W, at = group * length + column + p * W;
                        if (lanes > 0 && dweight) cpu::store_some(dweight + at, lanes, cpu::convert<T>(product[p]));
                        if (lanes > 0 && dbias) cpu::store_some(dbias + at, lanes, cpu::convert<T>(total[p]));
                    }
                }
        });
        return;
    }
    const std::int64_t work = std::max<std::int64_t>(1, norm.rows / norm.groups * norm.inner);
    parallel_for(channels, 32768 / work, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t c = begin; c < end; ++c) {
            double total = 0, product = 0;
            for (std::int64_t row = c / norm.channels; row < norm.rows; row += norm.groups) {
                const std::int64_t at = row * length + c % norm.channels * norm.inner;
                const T center = static_cast<T>(mean[row]);
                double sums[2] = {};
                cpu::detail::add_gradient_sums(g + at, x + at, norm.inner, center, sums);
                total += sums[0];
                product += (sums[1] - (mean[row] - static_cast<double>(center)) * sums[0]) / std::sqrt(variance[row] + eps);
            }
            if (dweight) dweight[c] = static_cast<T>(product);
            if (dbias) dbias[c] = static_cast<T>(total);
        }
    });
}

}  // namespace headtorch
