// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Exact functions of packets: sign and magnitude, rounding, minimum and maximum, roots, and the bits of floating-point numbers.

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "headtorch/device/cpu/packet.hpp"

namespace headtorch::cpu {

/// How IEEE 754 lays out a T.
template <class T>
struct Ieee;
template <>
struct Ieee<float> {
    using Bits = std::uint32_t;
    static constexpr int mantissa = 23;
    static constexpr Bits bias = 127;
    static constexpr Bits sign = 0x80000000u;
    /// 1.5 · 2^23: adding it rounds to an integer, half to even, and leaves that integer in the low bits.
    static constexpr float round_to_int = 12582912.0f;
};
template <>
struct Ieee<double> {
    using Bits = std::uint64_t;
    static constexpr int mantissa = 52;
    static constexpr Bits bias = 1023;
    static constexpr Bits sign = 0x8000000000000000u;
    static constexpr double round_to_int = 6755399441055744.0;
};

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE auto to_bits(const Packet<T, W>& x) {
    return bits_as<typename Ieee<T>::Bits>(x);
}

/// A packet type and what may stand beside a packet: another packet, or a plain number.
template <class A, class B>
struct PacketOf {};
template <class T, int W, class B>
    requires(Arithmetic<B> || std::same_as<B, Packet<T, W>>)
struct PacketOf<Packet<T, W>, B> {
    using type = Packet<T, W>;
};
template <Arithmetic A, class T, int W>
struct PacketOf<A, Packet<T, W>> {
    using type = Packet<T, W>;
};
/// Packet<T, W> if one of A and B is that and the other converts to it.
template <class A, class B>
using CommonPacket = typename PacketOf<A, B>::type;

template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> abs(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        return bits_as<T>(to_bits(x) & ~Ieee<T>::sign);
    } else if constexpr (std::is_unsigned_v<T>) {
        return x;
    } else {
        return where(x < 0, -x, x);
    }
}

/// -1, 0 or 1; 0 for NaN.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sign(const Packet<T, W>& x) {
    return where(x > 0, Packet<T, W>(1), where(x < 0, Packet<T, W>(-1), Packet<T, W>(0)));
}

template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> square(const Packet<T, W>& x) {
    return x * x;
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> reciprocal(const Packet<T, W>& x) {
    return 1 / x;
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sqrt(const Packet<T, W>& x) {
    Packet<T, W> y;
    sqrt_lanes<T, W>(y.v(), x.v());
    return y;
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> rsqrt(const Packet<T, W>& x) {
    return 1 / sqrt(x);
}

template <class T, int W>
HEADTORCH_ALWAYS_INLINE Mask<T, W> isnan(const Packet<T, W>& x) {
    return x != x;
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Mask<T, W> isinf(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        return abs(x) == std::numeric_limits<T>::infinity();
    } else {
        return x != x;
    }
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Mask<T, W> isfinite(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        return abs(x) < std::numeric_limits<T>::infinity();
    } else {
        return x == x;
    }
}

/// The smaller one; NaN if either is.
template <class A, class B>
HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> minimum(const A& a, const B& b) {
    const CommonPacket<A, B> x = a, y = b;
    return where(isnan(x), x, where(x < y, x, y));
}
/// The larger one; NaN if either is.
template <class A, class B>
HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> maximum(const A& a, const B& b) {
    const CommonPacket<A, B> x = a, y = b;
    return where(isnan(x), x, where(x > y, x, y));
}

/// The magnitude of a with the sign of b.
template <class A, class B>
HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> copysign(const A& a, const B& b) {
    const CommonPacket<A, B> x = a, y = b;
    using F = Ieee<typename CommonPacket<A, B>::Scalar>;
    return bits_as<typename CommonPacket<A, B>::Scalar>((to_bits(x) & ~F::sign) | (to_bits(y) & F::sign));
}

/// To the nearest integer, halves to the even one.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> round(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        constexpr T limit = 1 / std::numeric_limits<T>::epsilon();  // from here on all numbers are integers
        const Packet<T, W> magnitude = abs(x);
        return where(magnitude < limit, copysign((magnitude + limit) - limit, x), x);
    } else {
        return x;
    }
}
// A sum of a select, not a select of a sum: g++ 12 crashes on the latter's AVX-512 form when the operands are constants.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> floor(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        const Packet<T, W> r = round(x);
        return copysign(r - where(r > x, T(1), T(0)), x);
    } else {
        return x;
    }
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> ceil(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        const Packet<T, W> r = round(x);
        return copysign(r + where(r < x, T(1), T(0)), x);
    } else {
        return x;
    }
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> trunc(const Packet<T, W>& x) {
    if constexpr (std::floating_point<T>) {
        return copysign(floor(abs(x)), x);
    } else {
        return x;
    }
}

/// f of double packets, for float packets; in halves where a packet of W doubles would need two registers.
template <int W, class F, class... P>
HEADTORCH_ALWAYS_INLINE Packet<float, W> in_double(const F& f, const P&... x) {
    if constexpr (W > 2 && W * sizeof(double) > simd_bytes) {
        const auto half = [](const Packet<float, W>& p, int i) {
            float lanes[W];
            p.store(lanes);
            return Packet<float, W / 2>::load(lanes + i);
        };
        float lanes[W];
        in_double<W / 2>(f, half(x, 0)...).store(lanes);
        in_double<W / 2>(f, half(x, W / 2)...).store(lanes + W / 2);
        return Packet<float, W>::load(lanes);
    } else {
        return convert<float>(f(convert<double>(x)...));
    }
}

/// c0 + x (c1 + x (c2 + …)). One expression per step, so that every compiler may fuse multiplication and addition.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> polynomial(const Packet<T, W>&, T c) {
    return c;
}
template <class T, int W, std::same_as<T>... C>
HEADTORCH_ALWAYS_INLINE Packet<T, W> polynomial(const Packet<T, W>& x, T c, C... more) {
    return polynomial(x, more...).v() * x.v() + Packet<T, W>(c).v();
}

/// a · b + c, fused where the hardware can.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> multiply_add(const Packet<T, W>& a, const Packet<T, W>& b, const Packet<T, W>& c) {
    return a.v() * b.v() + c.v();
}

}  // namespace headtorch::cpu
