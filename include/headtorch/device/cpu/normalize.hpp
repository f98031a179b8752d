// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What normalisation does to adjacent numbers: sums gathered in double, and the shifting and scaling.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/cpu/softmax.hpp"

namespace headtorch::cpu::detail {

/// Mean and variance (not corrected) of one channel or row.
struct Moments {
    double mean = 0, variance = 0;
    /// From the sums of deviations from `center`, a number near the mean, and of their squares.
    static Moments around(double center, const double (&sums)[2], double count) {
        const double rest = sums[0] / count;
        return {center + rest, std::max(0.0, sums[1] / count - rest * rest)};
    }
};

/// K sums over n adjacent places. term(i, k, m) is the k-th term at places i … i + m - 1, a packet whose further lanes do not matter.
/// Packets are added up in T over 64 of them, and then in double.
template <class T, int K, class Term>
HEADTORCH_ALWAYS_INLINE void add_sums(std::int64_t n, double (&totals)[K], const Term& term) {
    constexpr int W = native_lanes<T>, unroll = 4;
    constexpr std::int64_t block = 64 * W;
    using P = Packet<T, W>;
    for (std::int64_t first = 0; first < n; first += block) {
        const std::int64_t end = std::min(n, first + block);
        P sums[K][unroll];
        for (int k = 0; k < K; ++k)
            for (int u = 0; u < unroll; ++u) sums[k][u] = 0;
        std::int64_t i = first;
        for (; i + unroll * W <= end; i += unroll * W)
            for (int u = 0; u < unroll; ++u)
                for (int k = 0; k < K; ++k) sums[k][u] += term(i + u * W, k, std::int64_t{W});
        for (; i < end; i += W) {
            const std::int64_t m = std::min<std::int64_t>(W, end - i);
            for (int k = 0; k < K; ++k) sums[k][0] += m == W ? term(i, k, m) : P(where(first_lanes<T, W>(m), term(i, k, m), T(0)));
        }
        for (int k = 0; k < K; ++k)
            totals[k] += static_cast<double>(fold_lanes(reduction::Sum{}, P((sums[k][0] + sums[k][1]) + (sums[k][2] + sums[k][3]))));
    }
}

/// y[i] = f(i, m) for n adjacent places, packet by packet.
template <class T, class F>
HEADTORCH_ALWAYS_INLINE void write_line(std::int64_t n, T* y, const F& f) {
    constexpr int W = native_lanes<T>;
    std::int64_t i = 0;
    for (; i + W <= n; i += W) f(i, std::int64_t{W}).store(y + i);
    if (i < n) f(i, n - i).store_partial(y + i, static_cast<int>(n - i));
}

template <class T>
HEADTORCH_ALWAYS_INLINE Packet<T, native_lanes<T>> load_lanes(const T* x, std::int64_t m) {
    constexpr int W = native_lanes<T>;
    return m == W ? Packet<T, W>::load(x) : Packet<T, W>::load_partial(x, static_cast<int>(m));
}

template <class T>
HEADTORCH_NOINLINE double sum_line(const T* x, std::int64_t n) {
    double total[1] = {};
    add_sums<T>(n, total, [&](std::int64_t i, int, std::int64_t m) { return load_lanes(x + i, m); });
    return total[0];
}

/// totals += sum of x - center, and of its square.
template <class T>
HEADTORCH_NOINLINE void add_deviations(const T* x, std::int64_t n, T center, double (&totals)[2]) {
    add_sums<T>(n, totals, [&](std::int64_t i, int k, std::int64_t m) {
        const auto value = load_lanes(x + i, m) - center;
        return k == 0 ? value : square(value);
    });
}

/// totals += sum of g, and of g (x - center).
template <class T>
HEADTORCH_NOINLINE void add_gradient_sums(const T* g, const T* x, std::int64_t n, T center, double (&totals)[2]) {
    add_sums<T>(n, totals, [&](std::int64_t i, int k, std::int64_t m) {
        const auto value = load_lanes(g + i, m);
        return k == 0 ? value : value * (load_lanes(x + i, m) - center);
    });
}

/// y = (x - center) scale + shift. With the center rounded to T; what is lost by that is to be in the shift.
template <class T>
HEADTORCH_NOINLINE void shift_and_scale(const T* x, std::int64_t n, T center, T scale, T shift, T* y) {
    write_line(n, y, [&](std::int64_t i, std::int64_t m) { return (load_lanes(x + i, m) - center) * scale + shift; });
}

/// dx = a g + b (x - center) + c.
template <class T>
HEADTORCH_NOINLINE void blend_gradient(const T* g, const T* x, std::int64_t n, T center, T a, T b, T c, T* dx) {
    write_line(n, dx, [&](std::int64_t i, std::int64_t m) { return load_lanes(g + i, m) * a + (load_lanes(x + i, m) - center) * b + c; });
}

}  // namespace headtorch::cpu::detail
