// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Batch normalisation. Threads share out channels: a channel's planes stay in the cache from its mean to its result.
/// Where a channel's elements stand alone ([batch, channels]), packets go across the channels instead.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/cpu/normalize.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/normalize.hpp"

namespace headtorch {
namespace cpu::detail {

/// The channel's elements in lines: f(offset) for each of norm.inner adjacent ones.
template <class F>
HEADTORCH_ALWAYS_INLINE void for_each_line_of_channel(const ChannelNorm& norm, std::int64_t c, const F& f) {
    for (std::int64_t n = 0; n < norm.batch; ++n) f((n * norm.channels + c) * norm.inner);
}

/// Two visits: a first mean, then deviations from it, which also say how far off that was.
template <class T>
Moments channel_moments(const T* x, const ChannelNorm& norm, std::int64_t c) {
    const double count = static_cast<double>(norm.count());
    double sum = 0, deviations[2] = {};
    for_each_line_of_channel(norm, c, [&](std::int64_t at) { sum += sum_line(x + at, norm.inner); });
    const T center = static_cast<T>(sum / count);
    for_each_line_of_channel(norm, c, [&](std::int64_t at) { add_deviations(x + at, norm.inner, center, deviations); });
    return Moments::around(static_cast<double>(center), deviations, count);
}
/// The same for `lanes` channels side by side.
template <class T>
void column_moments(const T* x, const ChannelNorm& norm, std::int64_t lanes, double* mean, double* variance) {
    constexpr int W = native_lanes<double>;
    const double count = static_cast<double>(norm.count());
    Packet<double, W> sum = 0, squares = 0;
    for (std::int64_t n = 0; n < norm.batch; ++n) sum += convert<double>(load_some<W>(x + n * norm.channels, lanes));
    sum /= count;
    for (std::int64_t n = 0; n < norm.batch; ++n) squares += square(convert<double>(load_some<W>(x + n * norm.channels, lanes)) - sum);
    store_some(mean, lanes, sum);
    store_some(variance, lanes, squares / count);
}

/// How one channel is normalised: y = (x - center) scale + shift.
template <class T>
struct ChannelMap {
    T center, scale, shift;
    ChannelMap(double mean, double variance, double eps, double weight, double bias) {
        const double factor = weight / std::sqrt(variance + eps);
        center = static_cast<T>(mean);
        scale = static_cast<T>(factor);
        shift = static_cast<T>(bias - (mean - static_cast<double>(center)) * factor);
    }
};

/// Calls tile(first channel, number of channels) in pieces for threads: one channel at a time, or a packet of them where they stand alone.
template <class Tile>
void for_each_channel(const ChannelNorm& norm, const Tile& tile) {
    const std::int64_t width = norm.inner == 1 ? native_lanes<double> : 1, tiles = (norm.channels + width - 1) / width;
    parallel_for(tiles, 32768 / std::max<std::int64_t>(1, norm.count() * width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t c = begin * width; c < std::min(end * width, norm.channels); c += width)
            tile(c, std::min(width, norm.channels - c));
    });
}

template <class T>
double value_or(const T* values, std::int64_t i, double otherwise) { return values ? static_cast<double>(values[i]) : otherwise; }

}  // namespace cpu::detail

/// y = (x - mean) / sqrt(variance + eps) * weight + bias. In training mean and variance (not corrected) are written first.
/// weight and bias may be null. There must be elements.
template <class T>
void batch_norm_forward(Cpu, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight, const T* bias, double* mean,
                        double* variance, T* y) {
    cpu::detail::for_each_channel(norm, [&](std::int64_t c, std::int64_t lanes) {
        const auto map_of = [&](std::int64_t i) {
            return cpu::detail::ChannelMap<T>(mean[i], variance[i], eps, cpu::detail::value_or(weight, i, 1),
                                              cpu::detail::value_or(bias, i, 0));
        };
        if (norm.inner == 1) {
            if (training) cpu::detail::column_moments(x + c, norm, lanes, mean + c, variance + c);
            constexpr int W = cpu::native_lanes<double>;
            cpu::Packet<T, W> center = 0, scale = 0, shift = 0;
            for (int i = 0; i < static_cast<int>(lanes); ++i) {
                const auto map = map_of(c + i);
                center.set(i, map.center);
                scale.set(i, map.scale);
                shift.set(i, map.shift);
            }
            for (std::int64_t n = 0; n < norm.batch; ++n) {
                const std::int64_t at = n * norm.channels + c;
                cpu::store_some(y + at, lanes, (cpu::load_some<W>(x + at, lanes) - center) * scale + shift);
            }
        } else {
            if (training) {
                const cpu::detail::Moments moments = cpu::detail::channel_moments(x, norm, c);
                mean[c] = moments.mean;
                variance[c] = moments.variance;
            }
            const auto map = map_of(c);
            cpu::detail::for_each_line_of_channel(norm, c, [&](std::int64_t at) {
                cpu::detail::shift_and_scale(x + at, norm.inner, map.center, map.scale, map.shift, y + at);
            });
        }
    });
}

/// The gradients of batch_norm_forward(), as far as their pointers are not null. With x' = (x - mean) / sqrt(variance + eps):
/// dweight = sum of g x', dbias = sum of g, dx = weight / sqrt(variance + eps) * (g - dbias / count - x' dweight / count),
/// the last two terms in training only.
template <class T>
void batch_norm_backward(Cpu, const T* g, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight,
                         const double* mean, const double* variance, T* dx, T* dweight, T* dbias) {
    const double count = static_cast<double>(norm.count());
    const bool sums_needed = training || dweight || dbias;
    cpu::detail::for_each_channel(norm, [&](std::int64_t c, std::int64_t lanes) {
        constexpr int W = cpu::native_lanes<double>;
        using Doubles = cpu::Packet<double, W>;
        using P = cpu::Packet<T, W>;
        double sums[W][2] = {};  // of g and g (x - center) for each lane
        P a = 0, b = 0, shift = 0, center = 0;
        for (int i = 0; i < static_cast<int>(lanes); ++i) center.set(i, static_cast<T>(mean[c + i]));
        if (sums_needed && norm.inner == 1) {
            Doubles total = 0, products = 0;
            for (std::int64_t n = 0; n < norm.batch; ++n) {
                const std::int64_t at = n * norm.channels + c;
                const Doubles value = cpu::convert<double>(cpu::load_some<W>(g + at, lanes));
                total += value;
                products += value * cpu::convert<double>(cpu::load_some<W>(x + at, lanes) - center);
            }
            for (int i = 0; i < W; ++i) {
                sums[i][0] = total[i];
                sums[i][1] = products[i];
            }
        } else if (sums_needed) {
            cpu::detail::for_each_line_of_channel(
                norm, c, [&](std::int64_t at) { cpu::detail::add_gradient_sums(g + at, x + at, norm.inner, center[0], sums[0]); });
        }
        for (int i = 0; i < static_cast<int>(lanes); ++i) {
            const double rest = mean[c + i] - static_cast<double>(center[i]), factor = 1 / std::sqrt(variance[c + i] + eps);
            const double total = sums[i][0], product = (sums[i][1] - rest * total) * factor;
            if (dbias) dbias[c + i] = static_cast<T>(total);
            if (dweight) dweight[c + i] = static_cast<T>(product);
            const double scale = factor * cpu::detail::value_or(weight, c + i, 1);
            a.set(i, static_cast<T>(scale));
            if (!training) continue;
            const double slope = -scale * factor * product / count;
            b.set(i, static_cast<T>(slope));
            shift.set(i, static_cast<T>(-scale * total / count - slope * rest));
        }
        if (!dx) return;
        if (norm.inner == 1) {
            for (std::int64_t n = 0; n < norm.batch; ++n) {
                const std::int64_t at = n * norm.channels + c;
                cpu::store_some(dx + at, lanes,
                                cpu::load_some<W>(g + at, lanes) * a + (cpu::load_some<W>(x + at, lanes) - center) * b + shift);
            }
        } else {
            cpu::detail::for_each_line_of_channel(norm, c, [&](std::int64_t at) {
                cpu::detail::blend_gradient(g + at, x + at, norm.inner, center[0], a[0], b[0], shift[0], dx + at);
            });
        }
    });
}

/// running += momentum (new - running), with the variance corrected by count / (count - 1).
template <class T>
void update_running(Cpu, const double* mean, const double* variance, std::int64_t channels, double count, double momentum, T* running_mean,
                    T* running_variance) {
    const double correction = count / (count - 1);
    for (std::int64_t c = 0; c < channels; ++c) {
        running_mean[c] = static_cast<T>((1 - momentum) * static_cast<double>(running_mean[c]) + momentum * mean[c]);
        running_variance[c] =
            static_cast<T>((1 - momentum) * static_cast<double>(running_variance[c]) + momentum * (variance[c] * correction));
    }
}

}  // namespace headtorch
