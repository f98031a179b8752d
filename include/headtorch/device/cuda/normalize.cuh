// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What normalisation of rows and of channels share: sums over a row or channel, and the gradients of weight and bias. A channel's elements
/// are split into parts of a size that only shapes decide; a warp then puts the parts together in a fixed order, so results are the same in
/// every run and on every GPU.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/walk.cuh"
#include "headtorch/device/normalize.hpp"

namespace headtorch::cuda::detail {

/// Two sums that are gathered in one pass.
template <class A>
struct TwoSums {
    A first = 0, second = 0;
};
struct AddTwoSums {
    template <class A>
    __device__ TwoSums<A> operator()(TwoSums<A> a, TwoSums<A> b) const {
        return {a.first + b.first, a.second + b.second};
    }
};

/// The threads that share a row: a warp, of which a block has four, or a block. A warp's rows are short: it adds up in C itself.
template <class C, int threads>
struct Team {
    static constexpr int size = threads, in_block = threads == 32 ? 4 : 1, block = size * in_block;
    using Total = std::conditional_t<threads == 32, C, double>;
    static __device__ int rank() { return static_cast<int>(threadIdx.x) % threads; }
    static __device__ int index() { return static_cast<int>(threadIdx.x) / threads; }

    /// Calls add(i, sums) for the places i of this thread in [begin, end), and adds up the sums of all threads. Runs of 16 are summed in C.
    template <class Add>
    static __device__ TwoSums<Total> sums(std::int64_t begin, std::int64_t end, const Add& add) {
        TwoSums<Total> total;
        for (std::int64_t i = begin + rank(); i < end;) {
            TwoSums<C> part;
#pragma unroll 4
            for (int u = 0; u < 16 && i < end; ++u, i += size) add(i, part);
            total.first += static_cast<Total>(part.first);
            total.second += static_cast<Total>(part.second);
        }
        if constexpr (threads == 32)
            return warp_reduce(total, AddTwoSums{});
        else
            return block_reduce<threads>(total, AddTwoSums{});
    }
};

template <class T, int V>
__device__ inline Lanes<T, V> load_lanes(const T* x, std::int64_t group) {
    return reinterpret_cast<const Lanes<T, V>*>(x)[group];
}
template <class T, int V>
__device__ inline void store_lanes(T* x, std::int64_t group, const Lanes<T, V>& value) {
    reinterpret_cast<Lanes<T, V>*>(x)[group] = value;
}

/// Calls run(V) with the number of elements that one load takes, as a constant: 16 bytes of them, or one.
template <class T, class Run>
void with_lanes(bool wide, const Run& run) {
    if (wide)
        run(std::integral_constant<int, static_cast<int>(16 / sizeof(T))>{});
    else
        run(std::integral_constant<int, 1>{});
}
template <class... T>
bool aligned_to_16(const T*... data) {
    return ((reinterpret_cast<std::uintptr_t>(data) % 16 == 0) && ...);  // null is
}
template <class T>
bool takes_lanes(std::int64_t adjacent) {
    return adjacent % static_cast<std::int64_t>(16 / sizeof(T)) == 0;
}

/// Where the elements of a channel lie in [batch, channels, inner], in units of the V elements that are loaded at once.
struct ChannelPlaces {
    std::int64_t batch, channels, inner, count;
    Divisor by_inner;
    bool quick;  ///< places within a channel are below 2^31

    ChannelPlaces(const ChannelNorm& norm, int lanes)
        : batch(norm.batch), channels(norm.channels), inner(norm.inner / lanes), count(norm.batch * (norm.inner / lanes)),
          quick(fits_int(count)) {
        if (quick && inner > 0) by_inner = Divisor(static_cast<std::uint32_t>(inner));
    }
    /// The example of element j of a channel.
    __device__ std::int64_t example(std::int64_t j) const {
        return quick ? static_cast<std::int64_t>(by_inner(static_cast<std::uint32_t>(j))) : j / inner;
    }
    __device__ std::int64_t place(std::int64_t n, std::int64_t c, std::int64_t j) const {
        return (n * channels + c) * inner + (j - n * inner);
    }
};

/// Into how many parts `count` elements of each of `channels` channels are split: about a thousand blocks, none of them with less than
/// `least` elements, and none so large that it does not stay in a cache.
struct ChannelParts {
    std::int64_t size, parts;
    ChannelParts(std::int64_t count, std::int64_t channels, std::int64_t least, std::int64_t most)
        : size(std::clamp(ceil_div(count * std::max<std::int64_t>(1, channels), 1024), least, most)),
          parts(std::max<std::int64_t>(1, ceil_div(count, size))) {}
};
inline Grid split_grid(std::int64_t parts, std::int64_t channels, unsigned threads = block_threads) {
    return {dim3(static_cast<unsigned>(parts * channels)), dim3(threads)};
}
inline Grid warps_grid(std::int64_t warps) { return {dim3(static_cast<unsigned>(ceil_div(warps, 4))), dim3(128)}; }

/// Columns side by side that a block of 8 warps works on where a channel's elements stand alone.
inline constexpr int tile_columns = 32;

/// The sum over the warps of a block for each lane.
__device__ inline double column_total(double value) {
    __shared__ double of_warp[8][tile_columns];
    of_warp[threadIdx.x / 32][threadIdx.x % 32] = value;
    __syncthreads();
    double total = 0;
    for (int warp = 0; warp < 8; ++warp) total += of_warp[warp][threadIdx.x % 32];
    __syncthreads();
    return total;
}
/// Adds add(n, sums) for the rows of this warp in [begin, end) and then those of all warps.
template <class C, class Add>
__device__ TwoSums<double> column_sums(std::int64_t begin, std::int64_t end, bool two, const Add& add) {
    TwoSums<double> total;
    for (std::int64_t n = begin + threadIdx.x / 32; n < end;) {
        TwoSums<C> part;
#pragma unroll 4
        for (int u = 0; u < 16 && n < end; ++u, n += 8) add(n, part);
        total.first += static_cast<double>(part.first);
        total.second += static_cast<double>(part.second);
    }
    return {column_total(total.first), two ? column_total(total.second) : 0};
}

/// How numbers are made normal: ((x - center) - rest) factor. The mean is center + rest, so that nothing of it is lost in C.
template <class C>
struct Normal {
    C center, rest, factor;
    __device__ C operator()(C x) const { return ((x - center) - rest) * factor; }
};

template <class C>
__global__ void normals_kernel(std::int64_t n, const double* mean, const double* variance, double eps, Normal<C>* normal) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count()) {
        const C center = static_cast<C>(mean[i]);
        normal[i] = {center, static_cast<C>(mean[i] - static_cast<double>(center)), static_cast<C>(1 / std::sqrt(variance[i] + eps))};
    }
}

/// Which Normal is that of channel c of example n.
struct NormalPlaces {
    std::int64_t stride, channels;
    __device__ std::int64_t operator()(std::int64_t n, std::int64_t c) const { return n * stride + (channels == 1 ? c : c / channels); }
};

/// Sums of g and of g x', x' being x made normal, for each part of each channel.
template <class T, int V>
__global__ void line_gradients_kernel(const T* g, const T* x, ChannelPlaces at, std::int64_t size, const Normal<ComputeType<T>>* normal,
                                      NormalPlaces which, bool products, TwoSums<double>* sums) {
    using C = ComputeType<T>;
    const std::int64_t c = blockIdx.x % at.channels, begin = blockIdx.x / at.channels * size, end = min(begin + size, at.count);
    const auto total = Team<C, block_threads>::sums(begin, end, [&](std::int64_t j, TwoSums<C>& part) {
        const std::int64_t n = at.example(j), place = at.place(n, c, j);
        const auto gradient = load_lanes<T, V>(g, place);
        for (int k = 0; k < V; ++k) part.first += static_cast<C>(gradient.at[k]);
        if (!products) return;
        const auto value = load_lanes<T, V>(x, place);
        const Normal<C> how = normal[which(n, c)];
        for (int k = 0; k < V; ++k) part.second += static_cast<C>(gradient.at[k]) * how(static_cast<C>(value.at[k]));
    });
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
}
/// The same where each element of a channel stands alone.
template <class T>
__global__ void column_gradients_kernel(const T* g, const T* x, std::int64_t batch, std::int64_t channels, std::int64_t size,
                                        const Normal<ComputeType<T>>* normal, NormalPlaces which, bool products, TwoSums<double>* sums) {
    using C = ComputeType<T>;
    const std::int64_t tiles = ceil_div(channels, tile_columns), part = blockIdx.x / tiles;
    const std::int64_t c = blockIdx.x % tiles * tile_columns + threadIdx.x % 32, begin = part * size;
    const std::int64_t end = c < channels ? min(begin + size, batch) : begin;
    const auto total = column_sums<C>(begin, end, products, [&](std::int64_t n, TwoSums<C>& sum) {
        const C gradient = static_cast<C>(g[n * channels + c]);
        sum.first += gradient;
        if (products) sum.second += gradient * normal[which(n, c)](static_cast<C>(x[n * channels + c]));
    });
    if (c < channels && threadIdx.x < 32) sums[part * channels + c] = total;
}

/// Calls finish(parts, sums) with the sums of all parts, [parts, channels], on the device.
template <class T, class Finish>
void gradient_sums(std::string_view op, const T* g, const T* x, const ChannelNorm& norm, const Normal<ComputeType<T>>* normal,
                   const NormalPlaces& which, bool products, const Finish& finish) {
    if (norm.inner == 1) {
        const std::int64_t tiles = ceil_div(norm.channels, std::int64_t{tile_columns});
        const ChannelParts split(norm.batch, tiles, 32, 512);
        const Scratch<TwoSums<double>> sums(split.parts * norm.channels);
        launch(op, &column_gradients_kernel<T>, split_grid(split.parts, tiles), g, x, norm.batch, norm.channels, split.size, normal, which,
               products, sums.data());
        return finish(split.parts, static_cast<const TwoSums<double>*>(sums.data()));
    }
    with_lanes<T>(takes_lanes<T>(norm.inner) && aligned_to_16(g, x), [&](auto lanes) {
        const ChannelPlaces at(norm, lanes);
        const ChannelParts split(at.count, norm.channels, 1024, 16384);
        const Scratch<TwoSums<double>> sums(split.parts * norm.channels);
        launch(op, &line_gradients_kernel<T, lanes()>, split_grid(split.parts, norm.channels), g, x, at, split.size, normal, which,
               products, sums.data());
        finish(split.parts, static_cast<const TwoSums<double>*>(sums.data()));
    });
}

/// A channel's sums of all parts; a warp's work.
__device__ inline TwoSums<double> total_of_parts(const TwoSums<double>* sums, std::int64_t parts, std::int64_t channels, std::int64_t c) {
    TwoSums<double> total;
    for (std::int64_t part = lane_index(); part < parts; part += 32) total = AddTwoSums{}(total, sums[part * channels + c]);
    return warp_reduce(total, AddTwoSums{});
}

}  // namespace headtorch::cuda::detail
