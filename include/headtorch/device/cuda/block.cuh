// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the threads of a warp or of a block find out together: sums, running sums, largest elements. All threads of the warp or block must
/// take part. Results depend on nothing but the values: the order of the combinations is fixed.
/// `combine(a, b)` is a function object of two A; it is associative, but for rounding. Where combine(a, b) and combine(b, a) may differ in
/// anything, not only in rounding, it has a member `static constexpr bool ordered = true`, and reductions call it with the earlier thread's
/// value first.

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "headtorch/device/cuda/launch.cuh"

namespace headtorch::cuda {

inline constexpr unsigned whole_warp = 0xffffffffu;

namespace detail {

/// Sends any trivially copyable value with shuffles of one 32-bit or 64-bit number.
template <class A, class Send>
__device__ inline A send_words(const A& value, const Send& send) {
    static_assert(std::is_trivially_copyable_v<A>);
    if constexpr (std::is_arithmetic_v<A> && (sizeof(A) == 4 || sizeof(A) == 8)) {
        return send(value);
    } else {
        constexpr int words = (sizeof(A) + 3) / 4;
        std::uint32_t word[words] = {};
        std::memcpy(word, &value, sizeof(A));
        for (int i = 0; i < words; ++i) word[i] = send(word[i]);
        A result;
        std::memcpy(&result, word, sizeof(A));
        return result;
    }
}

template <class Combine>
constexpr bool is_ordered() {
    if constexpr (requires { Combine::ordered; })
        return Combine::ordered;
    else
        return false;
}

}  // namespace detail

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x % warp_size); }

/// The value of lane `lane` of the same group of `width` lanes.
template <int width = 32, class A>
__device__ A shuffle(const A& value, int lane) {
    return detail::send_words(value, [&](auto word) { return __shfl_sync(whole_warp, word, lane, width); });
}
template <int width = 32, class A>
__device__ A shuffle_xor(const A& value, int mask) {
    return detail::send_words(value, [&](auto word) { return __shfl_xor_sync(whole_warp, word, mask, width); });
}
/// The value `delta` lanes before; the own one where there is none.
template <int width = 32, class A>
__device__ A shuffle_up(const A& value, int delta) {
    return detail::send_words(value, [&](auto word) { return __shfl_up_sync(whole_warp, word, static_cast<unsigned>(delta), width); });
}

/// The values of each group of `width` lanes (a power of two) combined: every lane gets the same result.
template <int width = 32, class A, class Combine>
__device__ A warp_reduce(A value, const Combine& combine) {
    for (int mask = 1; mask < width; mask *= 2) {
        const A other = shuffle_xor(value, mask);
        if constexpr (detail::is_ordered<Combine>())
            value = (lane_index() & mask) ? combine(other, value) : combine(value, other);
        else
            value = combine(value, other);
    }
    return value;
}

/// The values of a block of `threads` threads (a power of two, 32 to 1024, along x) combined: every thread gets the same result.
template <int threads, class A, class Combine>
__device__ A block_reduce(A value, const Combine& combine) {
    static_assert(threads >= 32 && threads <= 1024 && (threads & (threads - 1)) == 0);
    constexpr int warps = threads / 32;
    value = warp_reduce(value, combine);
    if constexpr (warps > 1) {
        alignas(16) __shared__ unsigned char memory[sizeof(A) * warps];
        A* const of_warp = reinterpret_cast<A*>(memory);
        if (lane_index() == 0) of_warp[threadIdx.x / warp_size] = value;
        __syncthreads();
        value = warp_reduce<warps>(of_warp[threadIdx.x % warps], combine);
        __syncthreads();  // the array may be written again by the next call
    }
    return value;
}

/// Lane i gets the values of lanes 0 … i of its group of `width` lanes combined, the lower lane's first.
template <int width = 32, class A, class Combine>
__device__ A warp_inclusive_scan(A value, const Combine& combine) {
    for (int delta = 1; delta < width; delta *= 2) {
        const A before = shuffle_up<width>(value, delta);
        if (lane_index() % width >= delta) value = combine(before, value);
    }
    return value;
}

/// What a scan tells a thread: its own and all earlier values combined, the earlier ones alone, and those of the whole block.
template <class A>
struct Scanned {
    A inclusive, exclusive, total;
};

/// Running combination along the threads of a block; `exclusive` of the first thread is `identity`.
template <int threads, class A, class Combine>
__device__ Scanned<A> block_scan(A value, A identity, const Combine& combine) {
    static_assert(threads >= 32 && threads <= 1024 && (threads & (threads - 1)) == 0);
    constexpr int warps = threads / 32;
    const A mine = warp_inclusive_scan(value, combine);
    const A previous = shuffle_up(mine, 1);
    const bool first = lane_index() == 0;
    if constexpr (warps == 1) {
        return {mine, first ? identity : previous, shuffle(mine, 31)};
    } else {
        alignas(16) __shared__ unsigned char memory[sizeof(A) * warps];
        A* const of_warp = reinterpret_cast<A*>(memory);
        const int warp = static_cast<int>(threadIdx.x / warp_size);
        if (lane_index() == 31) of_warp[warp] = mine;
        __syncthreads();
        const A sums = warp_inclusive_scan<warps>(of_warp[threadIdx.x % warps], combine);
        __syncthreads();
        const A total = shuffle<warps>(sums, warps - 1), before = shuffle<warps>(sums, warp == 0 ? 0 : warp - 1);
        if (warp == 0) return {mine, first ? identity : previous, total};
        return {combine(before, mine), first ? before : combine(before, previous), total};
    }
}

template <int threads, class A, class Combine>
__device__ A block_inclusive_scan(A value, const Combine& combine) {
    return block_scan<threads>(value, value, combine).inclusive;
}
template <int threads, class A, class Combine>
__device__ A block_exclusive_scan(A value, A identity, const Combine& combine) {
    return block_scan<threads>(value, identity, combine).exclusive;
}

/// Usual combinations.
struct Plus {
    template <class A>
    __device__ A operator()(A a, A b) const {
        return a + b;
    }
};
struct Largest {
    template <class A>
    __device__ A operator()(A a, A b) const {
        return a > b || a != a ? a : b;  // NaN wins
    }
};
struct Smallest {
    template <class A>
    __device__ A operator()(A a, A b) const {
        return a < b || a != a ? a : b;
    }
};

}  // namespace headtorch::cuda
