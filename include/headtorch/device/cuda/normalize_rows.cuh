// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Layer, group, instance and RMS normalisation on a GPU: a warp for each short row, a block for each long one, which stays in the cache
/// from its mean to its result.

#include <cmath>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/normalize.cuh"

namespace headtorch::cuda {
namespace detail {

/// RowNorm as kernels want it, with rows in groups of V elements.
struct RowPlaces {
    std::int64_t rows, groups, length, inner, channels, count;
    Divisor by_inner;
    bool quick, centred, by_element;  ///< by_element: each has a weight of its own

    RowPlaces(const RowNorm& norm, int lanes)
        : rows(norm.rows), groups(norm.groups), length(norm.length() / lanes), inner(norm.inner == 1 ? 1 : norm.inner / lanes),
          channels(norm.channels), count(norm.length()), quick(fits_int(length)), centred(norm.centred),
          by_element(norm.inner == 1) {
        if (quick) by_inner = Divisor(static_cast<std::uint32_t>(inner));
    }
    __device__ std::int64_t first_channel(std::int64_t row) const { return groups == 1 ? 0 : row % groups * channels; }
    /// The channel of group j of a row, counted from its first.
    __device__ std::int64_t channel(std::int64_t j) const {
        return quick ? static_cast<std::int64_t>(by_inner(static_cast<std::uint32_t>(j))) : j / inner;
    }
};

/// One weight (or bias) for each of the V elements of group j; `otherwise` where there are none.
template <class T, int V>
__device__ inline Lanes<ComputeType<T>, V> row_weights(const RowPlaces& at, const T* weight, std::int64_t j, ComputeType<T> otherwise) {
    using C = ComputeType<T>;
    Lanes<C, V> result;
    if (!weight || !at.by_element) {
        const C all = weight ? static_cast<C>(weight[at.channel(j)]) : otherwise;
        for (int k = 0; k < V; ++k) result.at[k] = all;
    } else {
        const auto loaded = load_lanes<T, V>(weight, j);
        for (int k = 0; k < V; ++k) result.at[k] = static_cast<C>(loaded.at[k]);
    }
    return result;
}

template <class T, int V, int threads>
__global__ void __launch_bounds__(Team<ComputeType<T>, threads>::block)
    row_norm_kernel(const T* x, RowPlaces at, double eps, const T* weight, const T* bias, double* mean, double* variance, T* y) {
    using C = ComputeType<T>;
    using Row = Team<C, threads>;
    using A = typename Row::Total;
    const A count = static_cast<A>(at.count);
    for (std::int64_t row = std::int64_t{blockIdx.x} * Row::in_block + Row::index(); row < at.rows;
         row += std::int64_t{gridDim.x} * Row::in_block) {
        const T* in = x + row * at.length * V;
        T* out = y + row * at.length * V;
        C center = 0;
        if (at.centred) {
            const auto sum = Row::sums(0, at.length, [&](std::int64_t j, TwoSums<C>& part) {
                const auto value = load_lanes<T, V>(in, j);
                for (int k = 0; k < V; ++k) part.first += static_cast<C>(value.at[k]);
            });
            center = static_cast<C>(sum.first / count);
        }
        const auto deviations = Row::sums(0, at.length, [&](std::int64_t j, TwoSums<C>& part) {
            const auto value = load_lanes<T, V>(in, j);
            for (int k = 0; k < V; ++k) {
                const C apart = static_cast<C>(value.at[k]) - center;
                part.first += apart;
                part.second += apart * apart;
            }
        });
        const A rest = at.centred ? deviations.first / count : 0;
        A spread = deviations.second / count - rest * rest;
        if (spread < 0) spread = 0;
        if (Row::rank() == 0) {
            mean[row] = at.centred ? static_cast<double>(center) + static_cast<double>(rest) : 0;
            variance[row] = static_cast<double>(spread);
        }
        const A factor = 1 / std::sqrt(spread + static_cast<A>(eps));
        const C scale = static_cast<C>(factor), shift = static_cast<C>(-rest * factor);
        const std::int64_t first = at.first_channel(row);
        const T *w = weight ? weight + first : nullptr, *b = bias ? bias + first : nullptr;
        for (std::int64_t j = Row::rank(); j < at.length; j += threads) {
            const auto value = load_lanes<T, V>(in, j);
            const auto ws = row_weights<T, V>(at, w, j, C(1)), bs = row_weights<T, V>(at, b, j, C(0));
            Lanes<T, V> result;
            for (int k = 0; k < V; ++k)
                result.at[k] = static_cast<T>(((static_cast<C>(value.at[k]) - center) * scale + shift) * ws.at[k] + bs.at[k]);
            store_lanes<T, V>(out, j, result);
        }
    }
}

template <class T, int V, int threads>
__global__ void __launch_bounds__(Team<ComputeType<T>, threads>::block)
    row_norm_back_kernel(const T* g, const T* x, RowPlaces at, double eps, const T* weight, const double* mean, const double* variance,
                         T* dx) {
    using C = ComputeType<T>;
    using Row = Team<C, threads>;
    using A = typename Row::Total;
    const A count = static_cast<A>(at.count);
    for (std::int64_t row = std::int64_t{blockIdx.x} * Row::in_block + Row::index(); row < at.rows;
         row += std::int64_t{gridDim.x} * Row::in_block) {
        const T *in = x + row * at.length * V, *gradient = g + row * at.length * V;
        T* out = dx + row * at.length * V;
        const T* w = weight ? weight + at.first_channel(row) : nullptr;
        const C center = static_cast<C>(mean[row]), rest = static_cast<C>(mean[row] - static_cast<double>(center));
        const A factor = 1 / std::sqrt(static_cast<A>(variance[row]) + static_cast<A>(eps));
        const Normal<C> normal{center, rest, static_cast<C>(factor)};
        const auto h_of = [&](std::int64_t j) {
            const auto value = load_lanes<T, V>(gradient, j);
            auto h = row_weights<T, V>(at, w, j, C(1));
            for (int k = 0; k < V; ++k) h.at[k] *= static_cast<C>(value.at[k]);
            return h;
        };
        const auto sums = Row::sums(0, at.length, [&](std::int64_t j, TwoSums<C>& part) {
            const auto h = h_of(j);
            const auto value = load_lanes<T, V>(in, j);
            for (int k = 0; k < V; ++k) {
                part.first += h.at[k];
                part.second += h.at[k] * normal(static_cast<C>(value.at[k]));
            }
        });
        const C mean_h = at.centred ? static_cast<C>(sums.first / count) : 0, mean_product = static_cast<C>(sums.second / count);
        for (std::int64_t j = Row::rank(); j < at.length; j += threads) {
            const auto h = h_of(j);
            const auto value = load_lanes<T, V>(in, j);
            Lanes<T, V> result;
            for (int k = 0; k < V; ++k)
                result.at[k] = static_cast<T>((h.at[k] - mean_h - normal(static_cast<C>(value.at[k])) * mean_product) * normal.factor);
            store_lanes<T, V>(out, j, result);
        }
    }
}

/// Calls run(V, threads), constants that suit rows of this length; `wide`: rows, and what goes with them, can be loaded by 16 bytes.
template <class T, class Run>
void with_row_teams(const RowNorm& norm, bool wide, const Run& run) {
    with_lanes<T>(wide, [&](auto lanes) {
        const std::int64_t groups = norm.length() / lanes;
        const auto with = [&](auto threads) {
            using Row = Team<ComputeType<T>, threads()>;
            const std::int64_t blocks = std::min<std::int64_t>(ceil_div(norm.rows, Row::in_block), std::int64_t{1} << 20);
            run(lanes, threads, Grid{dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(Row::block))});
        };
        if (groups <= 256)
            with(std::integral_constant<int, 32>{});
        else if (groups <= 4096)
            with(std::integral_constant<int, 256>{});
        else
            with(std::integral_constant<int, 1024>{});
    });
}

template <class T>
bool rows_take_lanes(const RowNorm& norm, const T* weight, const T* bias) {
    return takes_lanes<T>(norm.inner == 1 ? norm.channels : norm.inner) && (norm.inner != 1 || aligned_to_16(weight, bias));
}

/// A warp for each channel.
template <class T>
__global__ void parameter_gradients_kernel(const TwoSums<double>* sums, std::int64_t parts, std::int64_t channels, T* dweight, T* dbias) {
    const std::int64_t c = thread_place() / 32;
    if (c >= channels) return;
    const auto total = total_of_parts(sums, parts, channels, c);
    if (lane_index() != 0) return;
    if (dweight) dweight[c] = static_cast<T>(total.second);
    if (dbias) dbias[c] = static_cast<T>(total.first);
}

}  // namespace detail

/// y = (x - mean) / sqrt(variance + eps) * weight + bias; weight and bias may be null. Mean and variance of each row are written.
template <class T>
void row_norm_forward(Cuda, const T* x, const RowNorm& norm, double eps, const T* weight, const T* bias, double* mean, double* variance,
                      T* y) {
    const bool wide = detail::rows_take_lanes(norm, weight, bias) && detail::aligned_to_16(x, y);
    detail::with_row_teams<T>(norm, wide, [&](auto lanes, auto threads, const Grid& grid) {
        launch("normalize", &detail::row_norm_kernel<T, lanes(), threads()>, grid, x, detail::RowPlaces(norm, lanes), eps, weight, bias,
               mean, variance, y);
    });
}

/// dx of row_norm_forward(), with x' = (x - mean) / sqrt(variance + eps) and h = g weight:
/// (h - mean of h - x' (mean of h x')) / sqrt(variance + eps), the mean of h for centred rows only.
template <class T>
void row_norm_backward(Cuda, const T* g, const T* x, const RowNorm& norm, double eps, const T* weight, const double* mean,
                       const double* variance, T* dx) {
    const bool wide = detail::rows_take_lanes(norm, weight, weight) && detail::aligned_to_16(g, x, dx);
    detail::with_row_teams<T>(norm, wide, [&](auto lanes, auto threads, const Grid& grid) {
        launch("normalize backward", &detail::row_norm_back_kernel<T, lanes(), threads()>, grid, g, x, detail::RowPlaces(norm, lanes), eps,
               weight, mean, variance, dx);
    });
}

/// dweight = sum of g x' and dbias = sum of g, over all rows of a channel; either may be null.
template <class T>
void row_norm_parameters(Cuda, const T* g, const T* x, const RowNorm& norm, double eps, const double* mean, const double* variance,
                         T* dweight, T* dbias) {
    using C = ComputeType<T>;
    constexpr std::string_view op = "normalize backward";
    const ChannelNorm channels{.batch = norm.rows / norm.groups, .channels = norm.groups * norm.channels, .inner = norm.inner};
    const Scratch<detail::Normal<C>> normal(norm.rows);
    if (norm.rows > 0) launch(op, &detail::normals_kernel<C>, grid_for(norm.rows), norm.rows, mean, variance, eps, normal.data());
    detail::gradient_sums(op, g, x, channels, normal.data(), {norm.groups, norm.channels}, dweight != nullptr,
                          [&](std::int64_t parts, const detail::TwoSums<double>* sums) {
                              launch(op, &detail::parameter_gradients_kernel<T>, detail::warps_grid(channels.channels), sums, parts,
                                     channels.channels, dweight, dbias);
                          });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::row_norm_backward;
using cuda::row_norm_forward;
using cuda::row_norm_parameters;
}  // namespace headtorch
