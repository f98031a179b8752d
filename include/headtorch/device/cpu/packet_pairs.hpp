// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pairs of neighbours in packets: taken apart and put together; and packets of which only some lanes count.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/packet.hpp"

namespace headtorch::cpu {

/// The given lanes of a and b, one after the other.
template <class T, int W, int... lane>
HEADTORCH_ALWAYS_INLINE Packet<T, W> pick_lanes(const Packet<T, W>& a, const Packet<T, W>& b, std::integer_sequence<int, lane...>) {
#if defined(__clang__)
    return Packet<T, W>(__builtin_shufflevector(a.v(), b.v(), lane...));
#else  // nvcc's front end does not expand a pack in the other one
    return Packet<T, W>(__builtin_shuffle(a.v(), b.v(), typename Mask<T, W>::Vector{lane...}));
#endif
}

template <int first, int... I>
constexpr auto every_other_lane(std::integer_sequence<int, I...>) {
    return std::integer_sequence<int, (2 * I + first)...>();
}
template <int half, int... I>
constexpr auto lanes_in_turn(std::integer_sequence<int, I...>) {
    constexpr int width = sizeof...(I);
    return std::integer_sequence<int, (I / 2 + half * width / 2 + I % 2 * width)...>();
}

/// From a and b, one after the other: every other lane, from lane `first` (0 or 1) on.
template <int first, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> every_other(const Packet<T, W>& a, const Packet<T, W>& b) {
    return pick_lanes(a, b, every_other_lane<first>(std::make_integer_sequence<int, W>()));
}

/// a[0], b[0], a[1], b[1], …: lanes 0 … W - 1 of that (`half` 0), or W … 2 W - 1 (1).
template <int half, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> in_turn(const Packet<T, W>& a, const Packet<T, W>& b) {
    return pick_lanes(a, b, lanes_in_turn<half>(std::make_integer_sequence<int, W>()));
}

/// Lanes 0 … n - 1 from and to memory, all of them when n is larger, none when it is negative.
template <int W, class T>
HEADTORCH_ALWAYS_INLINE Packet<T, W> load_some(const T* p, std::int64_t n) {
    return n >= W ? Packet<T, W>::load(p) : Packet<T, W>::load_partial(p, static_cast<int>(std::max<std::int64_t>(0, n)));
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE void store_some(T* p, std::int64_t n, const Packet<T, W>& x) {
    n >= W ? x.store(p) : x.store_partial(p, static_cast<int>(std::max<std::int64_t>(0, n)));
}

}  // namespace headtorch::cpu
