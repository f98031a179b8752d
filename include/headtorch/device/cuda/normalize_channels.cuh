// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Batch normalisation on a GPU: statistics of each part of each channel, put together in the order of the parts (T. F. Chan, G. H. Golub
/// and R. J. LeVeque, "Algorithms for computing the sample variance", 1983), and one pass that shifts and scales.

#include <cmath>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/normalize.cuh"

namespace headtorch::cuda {
namespace detail {

/// Of some numbers: how many, their mean, and the sum of the squares of their deviations from it.
struct PartMoments {
    double count = 0, mean = 0, squares = 0;
    template <class A>
    static __device__ PartMoments around(double center, TwoSums<A> deviations, double count) {
        const double rest = static_cast<double>(deviations.first) / count;
        return {count, center + rest, max(0.0, static_cast<double>(deviations.second) - rest * static_cast<double>(deviations.first))};
    }
};
struct MergeMoments {
    static constexpr bool ordered = true;
    __device__ PartMoments operator()(const PartMoments& a, const PartMoments& b) const {
        if (a.count == 0) return b;
        if (b.count == 0) return a;
        const double count = a.count + b.count, apart = b.mean - a.mean;
        return {count, a.mean + apart * (b.count / count), a.squares + b.squares + apart * apart * (a.count * b.count / count)};
    }
};

/// Two visits: the mean of the part, then deviations from it, which also say how far off that was.
template <class T, int V>
__global__ void line_moments_kernel(const T* x, ChannelPlaces at, std::int64_t size, PartMoments* moments) {
    using C = ComputeType<T>;
    using Threads = Team<C, block_threads>;
    const std::int64_t c = blockIdx.x % at.channels, begin = blockIdx.x / at.channels * size, end = min(begin + size, at.count);
    const auto value = [&](std::int64_t j) { return load_lanes<T, V>(x, at.place(at.example(j), c, j)); };
    const double count = static_cast<double>((end - begin) * V);
    const auto sum = Threads::sums(begin, end, [&](std::int64_t j, TwoSums<C>& part) {
        const auto loaded = value(j);
        for (int k = 0; k < V; ++k) part.first += static_cast<C>(loaded.at[k]);
    });
    const C center = static_cast<C>(sum.first / count);
    const auto deviations = Threads::sums(begin, end, [&](std::int64_t j, TwoSums<C>& part) {
        const auto loaded = value(j);
        for (int k = 0; k < V; ++k) {
            const C apart = static_cast<C>(loaded.at[k]) - center;
            part.first += apart;
            part.second += apart * apart;
        }
    });
    if (threadIdx.x == 0) moments[blockIdx.x] = PartMoments::around(static_cast<double>(center), deviations, count);
}
template <class T>
__global__ void column_moments_kernel(const T* x, std::int64_t batch, std::int64_t channels, std::int64_t size, PartMoments* moments) {
    using C = ComputeType<T>;
    const std::int64_t tiles = ceil_div(channels, tile_columns), part = blockIdx.x / tiles;
    const std::int64_t c = blockIdx.x % tiles * tile_columns + threadIdx.x % 32, begin = part * size, last = min(begin + size, batch);
    const std::int64_t end = c < channels ? last : begin;
    const double count = static_cast<double>(last - begin);
    const auto sum = column_sums<C>(begin, end, false,
                                    [&](std::int64_t n, TwoSums<C>& total) { total.first += static_cast<C>(x[n * channels + c]); });
    const C center = static_cast<C>(sum.first / count);
    const auto deviations = column_sums<C>(begin, end, true, [&](std::int64_t n, TwoSums<C>& total) {
        const C apart = static_cast<C>(x[n * channels + c]) - center;
        total.first += apart;
        total.second += apart * apart;
    });
    if (c < channels && threadIdx.x < 32)
        moments[part * channels + c] = PartMoments::around(static_cast<double>(center), deviations, count);
}
/// A warp for each channel.
template <class A>
__global__ void merge_moments_kernel(const PartMoments* moments, std::int64_t parts, std::int64_t channels, A* mean, A* variance) {
    const std::int64_t c = thread_place() / 32;
    if (c >= channels) return;
    PartMoments total;
    for (std::int64_t part = lane_index(); part < parts; part += 32) total = MergeMoments{}(total, moments[part * channels + c]);
    total = warp_reduce(total, MergeMoments{});
    if (lane_index() != 0) return;
    mean[c] = total.mean;
    variance[c] = total.squares / total.count;
}

/// Mean and variance (not corrected) of each channel.
template <class T>
void channel_moments(std::string_view op, const T* x, const ChannelNorm& norm, double* mean, double* variance) {
    const auto merge = [&](const PartMoments* moments, std::int64_t parts) {
        launch(op, &merge_moments_kernel<double>, warps_grid(norm.channels), moments, parts, norm.channels, mean, variance);
    };
    if (norm.inner == 1) {
        const std::int64_t tiles = ceil_div(norm.channels, std::int64_t{tile_columns});
        const ChannelParts split(norm.batch, tiles, 32, 512);
        const Scratch<PartMoments> moments(split.parts * norm.channels);
        launch(op, &column_moments_kernel<T>, split_grid(split.parts, tiles), x, norm.batch, norm.channels, split.size, moments.data());
        return merge(moments.data(), split.parts);
    }
    with_lanes<T>(takes_lanes<T>(norm.inner) && aligned_to_16(x), [&](auto lanes) {
        const ChannelPlaces at(norm, lanes);
        const ChannelParts split(at.count, norm.channels, 1024, 16384);
        const Scratch<PartMoments> moments(split.parts * norm.channels);
        launch(op, &line_moments_kernel<T, lanes()>, split_grid(split.parts, norm.channels), x, at, split.size, moments.data());
        merge(moments.data(), split.parts);
    });
}

/// What one channel becomes: g a + (x - center) b + c.
template <class C>
struct Blend {
    C center, a, b, c;
};

template <class T>
__global__ void forward_blends_kernel(std::int64_t channels, const double* mean, const double* variance, double eps, const T* weight,
                                      const T* bias, Blend<ComputeType<T>>* blend) {
    using C = ComputeType<T>;
    for (std::int64_t c = thread_place(); c < channels; c += thread_count()) {
        const double scale = (weight ? static_cast<double>(weight[c]) : 1) / std::sqrt(variance[c] + eps);
        const C center = static_cast<C>(mean[c]);
        const double shift = (bias ? static_cast<double>(bias[c]) : 0) - (mean[c] - static_cast<double>(center)) * scale;
        blend[c] = {center, 0, static_cast<C>(scale), static_cast<C>(shift)};
    }
}
/// A warp for each channel.
template <class T>
__global__ void backward_blends_kernel(const TwoSums<double>* sums, std::int64_t parts, std::int64_t channels, double count, bool training,
                                       double eps, const T* weight, const double* mean, const double* variance, T* dweight, T* dbias,
                                       Blend<ComputeType<T>>* blend) {
    using C = ComputeType<T>;
    const std::int64_t c = thread_place() / 32;
    if (c >= channels) return;
    const auto total = total_of_parts(sums, parts, channels, c);
    if (lane_index() != 0) return;
    if (dbias) dbias[c] = static_cast<T>(total.first);
    if (dweight) dweight[c] = static_cast<T>(total.second);
    if (!blend) return;
    const double factor = 1 / std::sqrt(variance[c] + eps), scale = factor * (weight ? static_cast<double>(weight[c]) : 1);
    const C center = static_cast<C>(mean[c]);
    const double rest = mean[c] - static_cast<double>(center);
    const double slope = training ? -scale * factor * total.second / count : 0;
    const double shift = training ? -scale * total.first / count - slope * rest : 0;
    blend[c] = {center, static_cast<C>(scale), static_cast<C>(slope), static_cast<C>(shift)};
}

/// Which channel group i of V elements belongs to. With `alone` (inner is 1) it is the first of V channels.
struct ChannelOf {
    std::int64_t channels, inner;
    Divisor by_channels, by_inner;
    bool quick;
    ChannelOf(const ChannelNorm& norm, int lanes, bool alone)
        : channels(alone ? norm.channels / lanes : norm.channels), inner(alone ? 1 : norm.inner / lanes),
          quick(fits_int(norm.batch * channels * inner)) {
        if (!quick || channels == 0 || inner == 0) return;
        by_channels = Divisor(static_cast<std::uint32_t>(channels));
        by_inner = Divisor(static_cast<std::uint32_t>(inner));
    }
    __device__ std::int64_t operator()(std::int64_t i) const {
        if (!quick) return i / inner % channels;
        const std::uint32_t line = by_inner(static_cast<std::uint32_t>(i)), example = by_channels(line);
        return static_cast<std::int64_t>(line - example * by_channels.divisor);
    }
};

template <class T, int V, bool alone>
__global__ void blend_kernel(std::int64_t groups, ChannelOf channel_of, const Blend<ComputeType<T>>* blend, const T* g, const T* x, T* y) {
    using C = ComputeType<T>;
    for (std::int64_t i = thread_place(); i < groups; i += thread_count()) {
        const std::int64_t c = channel_of(i);
        const auto value = load_lanes<T, V>(x, i);
        Lanes<T, V> gradient{}, result;
        if (g) gradient = load_lanes<T, V>(g, i);
        Blend<C> how = blend[alone ? c * V : c];
        for (int k = 0; k < V; ++k) {
            if (alone && k > 0) how = blend[c * V + k];
            C out = (static_cast<C>(value.at[k]) - how.center) * how.b + how.c;
            if (g) out += static_cast<C>(gradient.at[k]) * how.a;
            result.at[k] = static_cast<T>(out);
        }
        store_lanes<T, V>(y, i, result);
    }
}
template <class T>
void blend_channels(std::string_view op, const ChannelNorm& norm, const Blend<ComputeType<T>>* blend, const T* g, const T* x, T* y) {
    const bool alone = norm.inner == 1;
    with_lanes<T>(takes_lanes<T>(alone ? norm.channels : norm.inner) && aligned_to_16(g, x, y), [&](auto lanes) {
        const std::int64_t groups = norm.count() * norm.channels / lanes;
        launch(op, alone ? &blend_kernel<T, lanes(), true> : &blend_kernel<T, lanes(), false>, grid_for(groups), groups,
               ChannelOf(norm, lanes, alone), blend, g, x, y);
    });
}

}  // namespace detail

/// y = (x - mean) / sqrt(variance + eps) * weight + bias. In training mean and variance (not corrected) are written first.
/// weight and bias may be null. There must be elements.
template <class T>
void batch_norm_forward(Cuda, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight, const T* bias, double* mean,
                        double* variance, T* y) {
    constexpr std::string_view op = "batch_norm";
    if (training) detail::channel_moments(op, x, norm, mean, variance);
    const Scratch<detail::Blend<ComputeType<T>>> blend(norm.channels);
    launch(op, &detail::forward_blends_kernel<T>, grid_for(norm.channels), norm.channels, mean, variance, eps, weight, bias, blend.data());
    detail::blend_channels(op, norm, blend.data(), static_cast<const T*>(nullptr), x, y);
}

/// The gradients of batch_norm_forward(), as far as their pointers are not null; see the CPU's for the formulas.
template <class T>
void batch_norm_backward(Cuda, const T* g, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight,
                         const double* mean, const double* variance, T* dx, T* dweight, T* dbias) {
    using C = ComputeType<T>;
    constexpr std::string_view op = "batch_norm backward";
    if (norm.channels == 0) return;
    const Scratch<detail::Normal<C>> normal(norm.channels);
    const Scratch<detail::Blend<C>> blend(dx ? norm.channels : 0);
    launch(op, &detail::normals_kernel<C>, grid_for(norm.channels), norm.channels, mean, variance, eps, normal.data());
    const auto finish = [&](std::int64_t parts, const detail::TwoSums<double>* sums) {
        launch(op, &detail::backward_blends_kernel<T>, detail::warps_grid(norm.channels), sums, parts, norm.channels,
               static_cast<double>(norm.count()), training, eps, weight, mean, variance, dweight, dbias, blend.data());
    };
    if (training || dweight || dbias)
        detail::gradient_sums(op, g, x, norm, normal.data(), {0, 1}, training || dweight, finish);
    else
        finish(0, nullptr);
    if (dx) detail::blend_channels(op, norm, blend.data(), g, x, dx);
}

namespace detail {
template <class T>
__global__ void update_running_kernel(const double* mean, const double* variance, std::int64_t channels, double correction, double momentum,
                                      T* running_mean, T* running_variance) {
    const auto follow = [&](T& running, double value) {
        running = static_cast<T>((1 - momentum) * static_cast<double>(running) + momentum * value);
    };
    for (std::int64_t c = thread_place(); c < channels; c += thread_count()) {
        follow(running_mean[c], mean[c]);
        follow(running_variance[c], variance[c] * correction);
    }
}
}  // namespace detail

/// running += momentum (new - running), with the variance corrected by count / (count - 1).
template <class T>
void update_running(Cuda, const double* mean, const double* variance, std::int64_t channels, double count, double momentum, T* running_mean,
                    T* running_variance) {
    launch("batch_norm", &detail::update_running_kernel<T>, grid_for(channels), mean, variance, channels, count / (count - 1), momentum,
           running_mean, running_variance);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::batch_norm_backward;
using cuda::batch_norm_forward;
using cuda::update_running;
}  // namespace headtorch
