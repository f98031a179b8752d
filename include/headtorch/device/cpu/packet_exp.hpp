// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// exp, log and their family for packets of float and double: without branches, within 3 units in the last place.
/// Method: reduce to a small interval by an exact step, then a minimax polynomial (coefficients by the Remez algorithm).

#include <cmath>

#include "headtorch/device/cpu/packet_basic.hpp"

namespace headtorch::cpu {

/// e^x = 2^n (1 + q), n an integer and q in [-0.3, 0.42].
template <class T, int W>
struct ExpParts {
    Packet<T, W> q;
    Packet<typename Ieee<T>::Bits, W> n;  // in the low bits; those above the exponent's width are to be shifted out

    /// 2^(n + shift), for results in the range of normal numbers.
    HEADTORCH_ALWAYS_INLINE Packet<T, W> power(int shift) const {
        return bits_as<T>((n + (Ieee<T>::bias + static_cast<typename Ieee<T>::Bits>(shift))) << Ieee<T>::mantissa);
    }
};

/// Takes x apart: r = x - n ln 2, q = e^r - 1 = r + r² P(r). |x| must stay below 1000 (float: 120).
template <class T, int W>
HEADTORCH_ALWAYS_INLINE ExpParts<T, W> exp_parts(const Packet<T, W>& x) {
    using P = Packet<T, W>;
    const P shifted = multiply_add(x, P(T(1.44269504088896340736)), P(Ieee<T>::round_to_int));
    const P n = shifted - Ieee<T>::round_to_int;
    // ln 2 in two parts, the first short enough for n times it to be exact.
    if constexpr (std::same_as<T, float>) {
        const P r = multiply_add(n, P(2.12194440e-4f), multiply_add(n, P(-0.693359375f), x));
        const P p = polynomial(r, 0.5f, 0.166665435f, 0.0416662805f, 0.00836658385f, 0.00139464473f);
        return {multiply_add(r * r, p, r), to_bits(shifted)};
    } else {
        const P a = multiply_add(n, P(-6.93147180369123816490e-01), x);
        const P r = multiply_add(n, P(-1.90821492927058770002e-10), a);
        const P rest = multiply_add(n, P(-1.90821492927058770002e-10), a - r);
        const P p = polynomial(r, 0.50000000000000056, 0.16666666666666685, 0.041666666666573961, 0.008333333333314789,
                               0.0013888888932305737, 0.00019841269902622595, 2.4801504506863056e-05, 2.7557228300521024e-06,
                               2.762630981254535e-07, 2.5114369030884318e-08);
        return {r + multiply_add(r * r, p, rest), to_bits(shifted)};
    }
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> exp(const Packet<T, W>& x) {
    constexpr bool single = std::same_as<T, float>;
    constexpr T low = single ? T(-104) : T(-746), high = single ? T(88.8) : T(709.9);  // beyond: 0 and infinity
    Packet<T, W> y = where(x < low, low, x);
    const auto parts = exp_parts<T, W>(where(y > high, high, y));
    // 2^n itself may be out of range, so multiply by two halves of it.
    const auto half = parts.n >> 1;
    const Packet<T, W> a = bits_as<T>((half + Ieee<T>::bias) << Ieee<T>::mantissa);
    const Packet<T, W> b = bits_as<T>((parts.n - half + Ieee<T>::bias) << Ieee<T>::mantissa);
    return multiply_add(parts.q, a, a) * b;
}

/// (e^x - 1) / 4: does not overflow before e^x / 2 does. `high` is where to cut off.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> quarter_expm1(const Packet<T, W>& x, T high) {
    constexpr T low = std::same_as<T, float> ? T(-20) : T(-40);  // beyond: -1
    Packet<T, W> y = where(x < low, low, x);
    const auto parts = exp_parts<T, W>(where(y > high, high, y));
    const Packet<T, W> s = parts.power(-2);
    return multiply_add(s, parts.q, s - T(0.25));
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> expm1(const Packet<T, W>& x) {
    constexpr bool single = std::same_as<T, float>;
    const Packet<T, W> y = 4 * quarter_expm1<T, W>(x, single ? T(88.8) : T(709.9));
    return where(abs(x) < std::numeric_limits<T>::epsilon() / 2, x, y);  // keeps -0 and denormals
}

/// tanh x = (e^2x - 1) / (e^2x + 1)
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> tanh(const Packet<T, W>& x) {
    const Packet<T, W> h = quarter_expm1<T, W>(2 * abs(x), std::same_as<T, float> ? T(20) : T(40));
    return copysign(h / (h + T(0.5)), x);
}

/// With t = e^|x| - 1: sinh |x| = (t + t / (t + 1)) / 2
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sinh(const Packet<T, W>& x) {
    const Packet<T, W> twice = 2 * quarter_expm1<T, W>(abs(x), std::same_as<T, float> ? T(89.5) : T(710.5));
    const Packet<T, W> bounded = where(twice > T(1e9), T(1e9), twice);  // infinity / infinity is not 1
    return copysign(twice + bounded / (2 * bounded + 1), x);
}

/// With e = e^|x|: cosh x = (e + 1 / e) / 2
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> cosh(const Packet<T, W>& x) {
    const Packet<T, W> quarter = quarter_expm1<T, W>(abs(x), std::same_as<T, float> ? T(89.5) : T(710.5)) + T(0.25);
    return 2 * quarter + T(0.125) / quarter;
}

/// 1 / (1 + e^-x), from e^-|x|, which cannot overflow.
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sigmoid(const Packet<T, W>& x) {
    const Packet<T, W> e = exp(-abs(x));
    return where(x < 0, e, Packet<T, W>(1)) / (1 + e);
}

/// x = 2^k (1 + f), 1 + f in [√½, √2); and log(1 + f) = f + tail.
template <class T, int W>
struct LogParts {
    Packet<T, W> k, f, tail;
};

/// Takes x > 0 apart.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE LogParts<T, W> log_parts(const Packet<T, W>& x) {
    using P = Packet<T, W>;
    using F = Ieee<T>;
    using Bits = typename F::Bits;
    constexpr bool single = std::same_as<T, float>;
    constexpr Bits one = F::bias << F::mantissa, root_half = single ? Bits{0x3f3504f3u} : static_cast<Bits>(0x3fe6a09e667f3bcdu);
    constexpr T two_to_mantissa = 1 / std::numeric_limits<T>::epsilon();  // its bits plus an integer are that integer, as a T
    const auto denormal = x < std::numeric_limits<T>::min();
    const auto bits = to_bits(x * where(denormal, two_to_mantissa, T(1))) + (one - root_half);
    const P exponent = bits_as<T>((bits >> F::mantissa) | ((F::bias + F::mantissa) << F::mantissa));
    const P k = exponent - where(denormal, two_to_mantissa + T(F::bias + F::mantissa), two_to_mantissa + T(F::bias));
    const P f = bits_as<T>((bits & ((Bits{1} << F::mantissa) - 1)) + root_half) - 1;
    if constexpr (single) {
        const P p = polynomial(f, 0.333333164f, -0.250008076f, 0.200022861f, -0.166245967f, 0.14181219f, -0.131284028f, 0.128813729f,
                               -0.0786017403f);
        const P z = f * f;
        return {k, f, multiply_add(f * z, p, T(-0.5) * z)};
    } else {
        // With s = f / (2 + f): log(1 + f) = 2 s + s R(s²) = f - f²/2 + s (f²/2 + R)
        const P s = f / (2 + f), z = s * s, half = T(0.5) * f * f;
        const P r = z * polynomial(z, 0.66666666666667307, 0.39999999999436903, 0.28571428738165744, 0.22222198957370926,
                                   0.18183546196120998, 0.15314478626462227, 0.14791950066975831);
        return {k, f, s * (half + r) - half};
    }
}

/// k ln 2 + log(1 + f) + correction
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> log_sum(const LogParts<T, W>& parts, const Packet<T, W>& correction) {
    constexpr bool single = std::same_as<T, float>;
    constexpr T high = single ? T(0.693359375) : T(6.93147180369123816490e-01),
                low = single ? T(-2.12194440e-4) : T(1.90821492927058770002e-10);
    using P = Packet<T, W>;
    return multiply_add(parts.k, P(high), parts.f + (parts.tail + multiply_add(parts.k, P(low), correction)));
}

/// y for 0 < x < infinity, else what log x is there.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> log_limits(const Packet<T, W>& x, const Packet<T, W>& y) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const Packet<T, W> limit = where(x == 0, -infinity, where(x > 0, x, std::numeric_limits<T>::quiet_NaN()));
    return where(x > 0 && x < infinity, y, limit);
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> log(const Packet<T, W>& x) {
    return log_limits(x, log_sum(log_parts(x), Packet<T, W>(0)));
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> log2(const Packet<T, W>& x) {
    const auto parts = log_parts(x);
    return log_limits(x, multiply_add(parts.f + parts.tail, Packet<T, W>(T(1.44269504088896340736)), parts.k));
}

/// log u + e / u, where u = 1 + x rounded and e is what the rounding lost.
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> log1p(const Packet<T, W>& x) {
    const Packet<T, W> u = 1 + x, part = u - x;
    const Packet<T, W> error = (x - (u - part)) + (1 - part);
    const Packet<T, W> y = log_limits(u, log_sum(log_parts(u), error / u));
    return where(abs(x) < std::numeric_limits<T>::epsilon() / 2, x, y);  // keeps -0 and denormals
}

/// log(e^a + e^b), from the larger one, which cannot overflow.
template <class A, class B>
HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> logaddexp(const A& a, const B& b) {
    const CommonPacket<A, B> x = a, y = b;
    return where(x == y, x + 0.693147180559945309417, maximum(x, y) + log1p(exp(-abs(x - y))));
}

/// |x| < 1: x P(x²). Beyond: ±(1 - e^G(|x|)), G = log erfc.
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> erf(const Packet<T, W>& x) {
    using P = Packet<T, W>;
    const P z = x * x;
    P t = abs(x), near, g;
    const auto is_near = t < 1;
    if constexpr (std::same_as<T, float>) {
        t = where(t > 4, 4, t);
        near = polynomial(z, 1.12837911f, -0.37612626f, 0.112836003f, -0.0268544443f, 0.00518953567f, -0.000802084222f, 7.88912221e-05f);
        g = polynomial(t, -0.000353728974f, -1.12704003f, -0.638225734f, -0.103037305f, 0.0218052864f, -0.00293959887f, 0.000185573095f);
    } else {
        t = where(t > 6, 6, t);
        near = polynomial(z, 1.1283791670955126, -0.37612638903183748, 0.11283791670954885, -0.026866170645077871, 0.0052239776248283985,
                          -0.00085483269814241338, 0.0001205533113291957, -1.4925595771640748e-05, 1.6461008473901569e-06,
                          -1.6350396226460748e-07, 1.4660329014757929e-08, -1.1374957778836955e-09, 5.9606901559648601e-11);
        g = polynomial(t, -1.8436721751479978e-07, -1.1283772825743001, -0.63662870292286455, -0.10274664487038536, 0.019076959780767774,
                       0.00028222215222863101, -0.0017709180224037939, 0.00064282702778546165, -4.5951148085961693e-05,
                       -6.9753200877377945e-05, 4.4771177117690234e-05, -1.6421934391780039e-05, 4.3019061922199692e-06,
                       -8.4521986559469774e-07, 1.2483517638549223e-07, -1.3522731735172947e-08, 1.0170872721346319e-09,
                       -4.7519009940930998e-11, 1.0390927137724089e-12);
    }
    const P far = copysign(1 - exp(g), x);
    return where(is_near, x * near, far);
}

/// Float: e^(y log |x|) in double, then the signs and limits of std::pow. Double: std::pow, lane by lane.
template <class A, class B>
    requires std::floating_point<typename CommonPacket<A, B>::Scalar> HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> pow(const A& a,
                                                                                                                     const B& b) {
        using P = CommonPacket<A, B>;
        const P x = a, y = b;
        if constexpr (std::same_as<typename P::Scalar, float>) {
            const P magnitude = abs(x);
            const P power = in_double<P::lanes>([](const auto& u, const auto& v) { return exp(v * log(u)); }, magnitude, y);
            const auto whole = floor(y) == y;
            const auto odd = whole && floor(0.5f * y) != 0.5f * y;
            const P valid = where(x < 0 && !whole && magnitude < std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::quiet_NaN(), power);
            return where(y == 0 || x == 1 || (magnitude == 1 && isinf(y)), P(1), where(odd, copysign(valid, x), valid));
        } else {
            return lane_by_lane([](auto u, auto v) { return std::pow(u, v); }, x, y);
        }
    }

}  // namespace headtorch::cpu
