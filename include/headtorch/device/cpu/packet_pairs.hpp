// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pairs of neighbours in packets: taken apart and put together; and packets of which only some lanes count.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/packet.hpp"

namespace headtorch::cpu {

/// From a and b, one after the other: every other lane, from lane `first` (0 or 1) on.
template <int first, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> every_other(const Packet<T, W>& a, const Packet<T, W>& b) {
    return [&]<int... I>(std::integer_sequence<int, I...>) {
        return Packet<T, W>(__builtin_shufflevector(a.v(), b.v(), (2 * I + first)...));
    }(std::make_integer_sequence<int, W>());
}

/// a[0], b[0], a[1], b[1], …: lanes 0 … W - 1 of that (`half` 0), or W … 2 W - 1 (1).
template <int half, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> in_turn(const Packet<T, W>& a, const Packet<T, W>& b) {
    return [&]<int... I>(std::integer_sequence<int, I...>) {
        return Packet<T, W>(__builtin_shufflevector(a.v(), b.v(), (I / 2 + half * W / 2 + I % 2 * W)...));
    }(std::make_integer_sequence<int, W>());
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
