// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// SIMD packets: W lanes of T in one value, over the compilers' vector extensions, and masks, the results of comparing them.
/// Any power of two is a valid W; up to `native_lanes<T>` a packet is one register, and every operation a few instructions.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/packet_register.hpp"

namespace headtorch::cpu {

/// Lanes of T that fill one hardware register.
template <class T>
inline constexpr int native_lanes = static_cast<int>(simd_bytes / sizeof(T));

template <class T>
concept Arithmetic = std::is_arithmetic_v<T>;

template <class T, int W>
struct Packet;

template <class T>
struct WrappingType {
    using type = T;
};
template <std::integral T>
struct WrappingType<T> {
    using type = std::make_unsigned_t<T>;
};
template <class T>
using WrappingOf = typename WrappingType<T>::type;

/// W truth values, each as wide as a T: all bits set for true, none for false.
template <class T, int W>
struct Mask {
    using Vector = VectorOf<SignedOf<T>, W>;
    static constexpr int lanes = W;
    Bytes<sizeof(Vector)> raw;
    /// The compiler's vector, for its operators.
    HEADTORCH_ALWAYS_INLINE Vector& v() { return reinterpret_cast<Vector&>(raw); }
    HEADTORCH_ALWAYS_INLINE const Vector& v() const { return reinterpret_cast<const Vector&>(raw); }

    // Copied as a vector: bytes, g++ would move in pieces.
    Mask() = default;
    HEADTORCH_ALWAYS_INLINE Mask(const Mask& other) { v() = other.v(); }
    HEADTORCH_ALWAYS_INLINE Mask& operator=(const Mask& other) {
        v() = other.v();
        return *this;
    }
    HEADTORCH_ALWAYS_INLINE Mask(const Vector& bits) { v() = bits; }
    HEADTORCH_ALWAYS_INLINE Mask(std::same_as<bool> auto b) {
        const auto bits = static_cast<SignedOf<T>>(b ? -1 : 0);
        v() = bits - Vector{};
    }

    /// The same truth values for lanes of another width.
    template <class U>
    HEADTORCH_ALWAYS_INLINE explicit Mask(const Mask<U, W>& m) {
        convert_lanes<SignedOf<T>, SignedOf<U>, W>(v(), m.v());
    }

    HEADTORCH_ALWAYS_INLINE bool operator[](int i) const { return v()[i] != 0; }

    HEADTORCH_ALWAYS_INLINE static Mask load(const bool* p) {
        VectorOf<std::int8_t, W> bytes;
        std::memcpy(&bytes, p, W);
        Mask m;
        convert_lanes<SignedOf<T>, std::int8_t, W>(m.v(), -bytes);
        return m;
    }
    /// Lanes n … W - 1 are false.
    HEADTORCH_ALWAYS_INLINE static Mask load_partial(const bool* p, int n) {
        bool bytes[W] = {};
        copy_partial<W>(bytes, p, n);
        return load(bytes);
    }
    HEADTORCH_ALWAYS_INLINE void store(bool* p) const {
        VectorOf<std::int8_t, W> bytes;
        convert_lanes<std::int8_t, SignedOf<T>, W>(bytes, v());
        bytes = -bytes;
        std::memcpy(p, &bytes, W);
    }
    HEADTORCH_ALWAYS_INLINE void store_partial(bool* p, int n) const {
        bool bytes[W];
        store(bytes);
        copy_partial<W>(p, bytes, n);
    }

    friend HEADTORCH_ALWAYS_INLINE Mask operator!(const Mask& a) { return ~a.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator~(const Mask& a) { return ~a.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator&(const Mask& a, const Mask& b) { return a.v() & b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator|(const Mask& a, const Mask& b) { return a.v() | b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator^(const Mask& a, const Mask& b) { return a.v() ^ b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator&&(const Mask& a, const Mask& b) { return a.v() & b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator||(const Mask& a, const Mask& b) { return a.v() | b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator!=(const Mask& a, const Mask& b) { return a.v() ^ b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Mask operator==(const Mask& a, const Mask& b) { return ~(a.v() ^ b.v()); }
};

/// W numbers. A plain number of any type stands for W copies of it, converted to T: `0.5 * x` stays float for float x.
template <class T, int W>
struct Packet {
    static_assert(W > 0 && (W & (W - 1)) == 0, "a packet has a power of two lanes");
    using Scalar = T;
    using Vector = VectorOf<T, W>;
    static constexpr int lanes = W;
    Bytes<sizeof(Vector)> raw;
    /// The compiler's vector, for its operators.
    HEADTORCH_ALWAYS_INLINE Vector& v() { return reinterpret_cast<Vector&>(raw); }
    HEADTORCH_ALWAYS_INLINE const Vector& v() const { return reinterpret_cast<const Vector&>(raw); }
    /// The same lanes for + - * <<, in which integers wrap around, as in PyTorch: without a sign, for a signed overflow is undefined.
    using Wrapping = VectorOf<WrappingOf<T>, W>;
    HEADTORCH_ALWAYS_INLINE Wrapping& w() { return reinterpret_cast<Wrapping&>(raw); }
    HEADTORCH_ALWAYS_INLINE const Wrapping& w() const { return reinterpret_cast<const Wrapping&>(raw); }

    Packet() = default;
    HEADTORCH_ALWAYS_INLINE Packet(const Packet& other) { v() = other.v(); }
    HEADTORCH_ALWAYS_INLINE Packet& operator=(const Packet& other) {
        v() = other.v();
        return *this;
    }
    HEADTORCH_ALWAYS_INLINE Packet(const Vector& values) { v() = values; }
    // s - 0 rather than s + 0, which would turn -0 into +0.
    template <Arithmetic S>
    HEADTORCH_ALWAYS_INLINE Packet(S s) {
        const T t = static_cast<T>(s);
        v() = t - Vector{};
    }
    /// 0 and 1 for false and true.
    template <class M>
    HEADTORCH_ALWAYS_INLINE explicit Packet(const Mask<M, W>& m) {
        convert_lanes<T, SignedOf<M>, W>(v(), -m.v());
    }

    HEADTORCH_ALWAYS_INLINE T operator[](int i) const { return v()[i]; }
    HEADTORCH_ALWAYS_INLINE void set(int i, T value) { v()[i] = value; }

    HEADTORCH_ALWAYS_INLINE static Packet load(const T* p) {
        Vector values;
        std::memcpy(&values, p, sizeof values);
        return values;
    }
    /// The first n values; the other lanes hold 1, which neither log nor division minds.
    HEADTORCH_ALWAYS_INLINE static Packet load_partial(const T* p, int n) {
        Vector values = Packet(1).v();
        if constexpr (has_masked_memory<T, W>) {
            load_masked(values, p, n);
        } else {
            copy_partial<W>(reinterpret_cast<T*>(&values), p, n);
        }
        return values;
    }
    HEADTORCH_ALWAYS_INLINE void store(T* p) const {
        const Vector values = v();
        std::memcpy(p, &values, sizeof values);
    }
    HEADTORCH_ALWAYS_INLINE void store_partial(T* p, int n) const {
        if constexpr (has_masked_memory<T, W>) {
            store_masked(p, v(), n);
        } else {
            const Vector values = v();
            copy_partial<W>(p, reinterpret_cast<const T*>(&values), n);
        }
    }

    friend HEADTORCH_ALWAYS_INLINE Packet operator+(const Packet& a, const Packet& b) { return __builtin_bit_cast(Vector, a.w() + b.w()); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator-(const Packet& a, const Packet& b) { return __builtin_bit_cast(Vector, a.w() - b.w()); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator*(const Packet& a, const Packet& b) { return __builtin_bit_cast(Vector, a.w() * b.w()); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator/(const Packet& a, const Packet& b) { return a.v() / b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator-(const Packet& a) { return __builtin_bit_cast(Vector, -a.w()); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator+(const Packet& a) { return a; }
    HEADTORCH_ALWAYS_INLINE Packet& operator+=(const Packet& b) { return w() += b.w(), *this; }
    HEADTORCH_ALWAYS_INLINE Packet& operator-=(const Packet& b) { return w() -= b.w(), *this; }
    HEADTORCH_ALWAYS_INLINE Packet& operator*=(const Packet& b) { return w() *= b.w(), *this; }
    HEADTORCH_ALWAYS_INLINE Packet& operator/=(const Packet& b) { return v() /= b.v(), *this; }

    // Integers only: as for int, the remainder has the sign of a.
    friend HEADTORCH_ALWAYS_INLINE Packet operator%(const Packet& a, const Packet& b) { return a.v() % b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator&(const Packet& a, const Packet& b) { return a.v() & b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator|(const Packet& a, const Packet& b) { return a.v() | b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator^(const Packet& a, const Packet& b) { return a.v() ^ b.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator~(const Packet& a) { return ~a.v(); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator<<(const Packet& a, int bits) { return __builtin_bit_cast(Vector, a.w() << bits); }
    friend HEADTORCH_ALWAYS_INLINE Packet operator>>(const Packet& a, int bits) { return a.v() >> bits; }

    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator<(const Packet& a, const Packet& b) { return truth(a.v() < b.v()); }
    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator<=(const Packet& a, const Packet& b) { return truth(a.v() <= b.v()); }
    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator>(const Packet& a, const Packet& b) { return truth(a.v() > b.v()); }
    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator>=(const Packet& a, const Packet& b) { return truth(a.v() >= b.v()); }
    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator==(const Packet& a, const Packet& b) { return truth(a.v() == b.v()); }
    friend HEADTORCH_ALWAYS_INLINE Mask<T, W> operator!=(const Packet& a, const Packet& b) { return truth(a.v() != b.v()); }

private:
    template <class V>
    HEADTORCH_ALWAYS_INLINE static Mask<T, W> truth(const V& comparison) {
        return __builtin_bit_cast(typename Mask<T, W>::Vector, comparison);
    }
};

template <class T>
inline constexpr bool is_packet = false;
template <class T, int W>
inline constexpr bool is_packet<Packet<T, W>> = true;

template <class T>
inline constexpr bool is_mask = false;
template <class T, int W>
inline constexpr bool is_mask<Mask<T, W>> = true;

/// The same bits as lanes of another type of the same size.
template <class U, class T, int W>
    requires(sizeof(T) == sizeof(U))
HEADTORCH_ALWAYS_INLINE Packet<U, W> bits_as(const Packet<T, W>& x) { return __builtin_bit_cast(VectorOf<U, W>, x.v()); }

/// The values as U, as static_cast does lane by lane.
template <class U, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<U, W> convert(const Packet<T, W>& x) {
    if constexpr (std::is_same_v<T, U>) {
        return x;
    } else {
        Packet<U, W> y;
        convert_lanes<U, T, W>(y.v(), x.v());
        return y;
    }
}
template <class U, class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<U, W> convert(const Mask<T, W>& m) {
    return Packet<U, W>(m);
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Mask<T, W> to_mask(const Packet<T, W>& x) {
    return x != T{0};
}

/// The element type of where(mask of M, A, B): that of the packets, or M if both are plain numbers.
template <class M, class A, class B>
struct WhereOf {
    using type = M;
};
template <class M, class T, int W, class B>
struct WhereOf<M, Packet<T, W>, B> {
    using type = T;
};
template <class M, Arithmetic A, class T, int W>
struct WhereOf<M, A, Packet<T, W>> {
    using type = T;
};

/// a where the mask is true, else b: packets, or plain numbers for all lanes.
template <class M, int W, class A, class B>
    requires(Arithmetic<A> || is_packet<A>)
&&(Arithmetic<B> || is_packet<B>)HEADTORCH_ALWAYS_INLINE auto where(const Mask<M, W>& m, const A& a, const B& b) {
    using T = typename WhereOf<M, A, B>::type;
    const Packet<T, W> x = a, y = b;
    if constexpr (sizeof(M) == sizeof(T)) {
        return Packet<T, W>(m.v() ? x.v() : y.v());
    } else {
        return Packet<T, W>(Mask<T, W>(m).v() ? x.v() : y.v());
    }
}
template <class M, int W>
HEADTORCH_ALWAYS_INLINE Mask<M, W> where(const Mask<M, W>& m, const Mask<M, W>& a, const Mask<M, W>& b) {
    return (m & a) | (~m & b);
}
template <class M, int W>
HEADTORCH_ALWAYS_INLINE Mask<M, W> where(const Mask<M, W>& m, const Mask<M, W>& a, std::same_as<bool> auto b) {
    return where(m, a, Mask<M, W>(b));
}
template <class M, int W>
HEADTORCH_ALWAYS_INLINE Mask<M, W> where(const Mask<M, W>& m, std::same_as<bool> auto a, const Mask<M, W>& b) {
    return where(m, Mask<M, W>(a), b);
}

template <class T, int W>
HEADTORCH_ALWAYS_INLINE bool any(const Mask<T, W>& m) {
    return any_bit(m.v());
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE bool all(const Mask<T, W>& m) {
    return !any(!m);
}

/// f(lane) for each lane, one after the other: the way out where no vector code is worth its while.
template <class T, int W, class F, class... P>
HEADTORCH_ALWAYS_INLINE Packet<T, W> lane_by_lane(F f, const Packet<T, W>& x, const P&... more) {
    Packet<T, W> y;
    for (int i = 0; i < W; ++i) y.set(i, f(x[i], more[i]...));
    return y;
}

}  // namespace headtorch::cpu
