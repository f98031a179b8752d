// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Adding many numbers to places that an index names, where several may go to one place. In the usual, deterministic way the entries are
/// sorted by place, and each place gets the sum of its own, in their order; otherwise atomics add them as they come.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/determinism.cuh"
#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/cuda/radix.cuh"

namespace headtorch::cuda {

/// What elements of type T are added up in.
template <class T>
using SumType = std::conditional_t<std::is_integral_v<T>, std::int64_t, ComputeType<T>>;

/// Entry i with key c adds from[i * step + u] to to[c * step + u] for each unit u; units lie in `inner` neighbours each, further ones apart
/// by from_outer and to_outer.
template <class T>
struct Addition {
    const T* from;
    T* to;
    std::int64_t units = 1, inner = 1, step = 1, from_outer = 0, to_outer = 0;
    const int* times = nullptr;  ///< unless null, entries are divided by times[c]
    std::int64_t skipped = -1;   ///< a key that nothing is added to

    struct Unit {
        const T* from;
        T* to;
    };
    __device__ Unit unit(std::int64_t u) const {
        const std::int64_t outer = u / inner, k = u - outer * inner;
        return {from + outer * from_outer + k, to + outer * to_outer + k};
    }
    template <class Key>
    __device__ SumType<T> scale(Key key) const {
        return times ? SumType<T>(1) / static_cast<SumType<T>>(times[key]) : SumType<T>(1);
    }
    template <class Key>
    __device__ void add(const Unit& at, Key key, SumType<T> sum) const {
        if (static_cast<std::int64_t>(key) == skipped) return;
        T& place = at.to[static_cast<std::int64_t>(key) * step];
        place = static_cast<T>(static_cast<SumType<T>>(place) + sum);
    }
};

namespace detail {

/// Entries in the order of their keys, cut into chunks of equal length. Each thread adds up one unit of a chunk, run by run of equal keys.
/// Runs that reach over an edge leave a sum for each chunk in `edges`: [chunk, first or last run, unit].
template <class T, class Key, class Place>
__global__ void add_runs_kernel(Addition<T> what, const Key* keys, const Place* order, Place count, Place chunk, std::int64_t items,
                                SumType<T>* edges) {
    for (std::int64_t item = thread_place(); item < items; item += thread_count()) {
        const std::int64_t part = item / what.units, u = item - part * what.units;
        const auto at = what.unit(u);
        const Place begin = static_cast<Place>(part * chunk), end = count - begin > chunk ? begin + chunk : count;
        bool open = begin > 0 && keys[begin - 1] == keys[begin];
        for (Place j = begin; j < end;) {
            const Key key = keys[j];
            const SumType<T> scale = what.scale(key);
            SumType<T> sum = 0;
            for (; j < end && keys[j] == key; ++j) {
                const auto value = static_cast<SumType<T>>(at.from[static_cast<std::int64_t>(order[j]) * what.step]);
                if constexpr (std::is_integral_v<T>)
                    sum += value;
                else
                    sum += value * scale;
            }
            if (open)
                edges[2 * part * what.units + u] = sum;
            else if (j == end && end < count && keys[end] == key)
                edges[(2 * part + 1) * what.units + u] = sum;
            else
                what.add(at, key, sum);
            open = false;
        }
    }
}

/// Adds what the other kernel left at the edges, for the runs that begin in each chunk.
template <class T, class Key, class Place>
__global__ void add_edges_kernel(Addition<T> what, const Key* keys, Place count, Place chunk, std::int64_t items, const SumType<T>* edges) {
    for (std::int64_t item = thread_place(); item < items; item += thread_count()) {
        const std::int64_t part = item / what.units, u = item - part * what.units;
        const Place begin = static_cast<Place>(part * chunk);
        if (count - begin <= chunk) continue;
        Place end = begin + chunk;
        const Key key = keys[end];
        if (keys[end - 1] != key || (keys[begin] == key && begin > 0 && keys[begin - 1] == key)) continue;
        SumType<T> sum = edges[(2 * part + 1) * what.units + u];
        for (std::int64_t next = part + 1;; ++next) {
            sum += edges[2 * next * what.units + u];
            if (count - end <= chunk) break;
            end += chunk;
            if (keys[end - 1] != key || keys[end] != key) break;
        }
        what.add(what.unit(u), key, sum);
    }
}

/// Element types whose atomic sums are those of the hardware.
template <class T>
inline constexpr bool has_atomic_add =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int64_t>;

template <class T>
__device__ inline void atomic_add(T* place, T value) {
    if constexpr (std::is_same_v<T, std::int64_t>)
        atomicAdd(reinterpret_cast<unsigned long long*>(place), static_cast<unsigned long long>(value));
    else
        atomicAdd(place, value);
}

template <class T, class Key>
__global__ void add_atomically_kernel(Addition<T> what, const Key* keys, std::int64_t items) {
    for (std::int64_t item = thread_place(); item < items; item += thread_count()) {
        const std::int64_t i = item / what.units;
        const auto at = what.unit(item - i * what.units);
        const Key key = keys[i];
        if (static_cast<std::int64_t>(key) == what.skipped) continue;
        const T value = at.from[i * what.step];
        T* place = at.to + static_cast<std::int64_t>(key) * what.step;
        if constexpr (std::is_integral_v<T>)
            atomic_add(place, value);
        else
            atomic_add(place, value * what.scale(key));
    }
}

}  // namespace detail

/// Adds entries 0 … count - 1, whose unsigned keys are below `limit`.
template <class T, class Key>
void add_by_key(std::string_view op, const Addition<T>& what, const Key* keys, std::int64_t count, std::int64_t limit) {
    if (count == 0 || what.units == 0 || limit == 0) return;
    if constexpr (detail::has_atomic_add<T>) {
        if (std::is_integral_v<T> || !are_deterministic_algorithms_enabled()) {
            const std::int64_t items = count * what.units;
            launch(op, &detail::add_atomically_kernel<T, Key>, grid_for(items), what, keys, items);
            return;
        }
    }
    using Place = std::conditional_t<sizeof(Key) == 4, std::int32_t, std::int64_t>;
    const Scratch<Place> order(count);
    const Scratch<Key> sorted(count);
    sort_pairs(op, keys, sorted.data(), static_cast<const Place*>(nullptr), order.data(), count, key_bits(limit));
    // so long that the longest run needs as many steps within a chunk as from chunk to chunk
    const auto chunk = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::sqrt(static_cast<double>(count))), 16, 1024);
    const std::int64_t chunks = ceil_div(count, chunk), items = chunks * what.units;
    const Scratch<SumType<T>> edges(2 * items);
    launch(op, &detail::add_runs_kernel<T, Key, Place>, grid_for(items), what, sorted.data(), order.data(), static_cast<Place>(count),
           static_cast<Place>(chunk), items, edges.data());
    if (chunks > 1)
        launch(op, &detail::add_edges_kernel<T, Key, Place>, grid_for(items), what, sorted.data(), static_cast<Place>(count),
               static_cast<Place>(chunk), items, edges.data());
}

/// Calls run(Key{}) with the unsigned type for keys below `limit` of `count` entries.
template <class Run>
void with_key(std::int64_t limit, std::int64_t count, const Run& run) {
    if (limit <= std::int64_t{1} << 32 && count < std::int64_t{1} << 31)
        run(std::uint32_t{});
    else
        run(std::uint64_t{});
}

}  // namespace headtorch::cuda
