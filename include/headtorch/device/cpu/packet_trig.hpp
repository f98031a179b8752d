// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// sin, cos, tan, atan and atan2 for packets of float and double, within 3 units in the last place.

#include <cmath>

#include "headtorch/device/cpu/packet_basic.hpp"

namespace headtorch::cpu {

/// x = n π/2 + r + rest, |r| <= π/4. Good up to reduction_limit (Cody and Waite's method); beyond, std:: must help.
template <class T, int W>
struct QuarterTurns {
    Packet<T, W> r, rest;
    Packet<typename Ieee<T>::Bits, W> n;  // its two lowest bits count
};
template <class T>
inline constexpr T reduction_limit = std::same_as<T, float> ? T(1e6) : T(1e9);

template <class T, int W>
HEADTORCH_ALWAYS_INLINE QuarterTurns<T, W> quarter_turns(const Packet<T, W>& x) {
    constexpr double two_over_pi = 0.63661977236758134308;
    using D = Packet<double, W>;
    if constexpr (std::same_as<T, float>) {
        // In double, two parts of π/2 suffice: n times the first (33 bits) is exact.
        const D wide = convert<double>(x);
        const D n = multiply_add(wide, D(two_over_pi), D(Ieee<double>::round_to_int)) - Ieee<double>::round_to_int;
        const D r = multiply_add(n, D(-6.07710050650619224932e-11), multiply_add(n, D(-1.57079632673412561417e+00), wide));
        return {convert<float>(r), Packet<T, W>(0), to_bits(convert<float>(n) + Ieee<float>::round_to_int)};
    } else {
        // Three parts of 23 bits, for exact products with n < 2^30, and a fourth of 53 bits.
        const D shifted = multiply_add(x, D(two_over_pi), D(Ieee<double>::round_to_int));
        const D n = shifted - Ieee<double>::round_to_int;
        const D b = (x - n * 1.570796251296997) - n * 7.549789415861596e-08, c = n * 5.390302529957765e-15;
        const D r = b - c, part = b - r;
        const D rest = ((b - (r + part)) + (part - c)) - n * 3.2820035428735005e-22;
        const D sum = r + rest, taken = sum - r;
        return {sum, (r - (sum - taken)) + (rest - taken), to_bits(shifted)};
    }
}

/// sin(r + rest) and cos(r + rest).
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sin_kernel(const Packet<T, W>& r, const Packet<T, W>& rest) {
    const Packet<T, W> z = r * r;
    if constexpr (std::same_as<T, float>) {
        return multiply_add(z * r, polynomial(z, -0.166666552f, 0.00833217613f, -0.000195169487f), r);
    } else {
        const auto p = polynomial(z, -0.16666666666666632, 0.0083333333333224565, -0.0001984126982981691, 2.7557313689127547e-06,
                                  -2.5050756979989951e-08, 1.5896697689399021e-10);
        return r + multiply_add(z * r, p, rest * (1 - 0.5 * z));
    }
}
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> cos_kernel(const Packet<T, W>& r, const Packet<T, W>& rest) {
    const Packet<T, W> z = r * r;
    if constexpr (std::same_as<T, float>) {
        return multiply_add(z * z, polynomial(z, 0.0416666456f, -0.00138873723f, 2.44387593e-05f), 1 - 0.5f * z);
    } else {
        const auto p = polynomial(z, 0.041666666666666616, -0.0013888888888875998, 2.480158729048641e-05, -2.755731460690362e-07,
                                  2.0875754142496172e-09, -1.1361091311931103e-11);
        const Packet<T, W> half = 0.5 * z, w = 1 - half;
        return w + (((1 - w) - half) + (z * z * p - r * rest));
    }
}

/// f(lane) where |x| is beyond the limit, else y.
template <class T, int W, class F>
HEADTORCH_ALWAYS_INLINE Packet<T, W> mend_large(const Packet<T, W>& x, const Packet<T, W>& y, F f) {
    if (any(abs(x) > reduction_limit<T>)) [[unlikely]] {
        return lane_by_lane([f](T u, T v) { return std::fabs(u) > reduction_limit<T> ? f(u) : v; }, x, y);
    }
    return y;
}

/// The low bit of n swaps sine and cosine, the second one changes the sign.
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> sin(const Packet<T, W>& x) {
    const auto turn = quarter_turns(x);
    const auto odd = (turn.n & 1) != 0;
    const Packet<T, W> y = where(odd, cos_kernel(turn.r, turn.rest), sin_kernel(turn.r, turn.rest));
    const auto flip = (turn.n >> 1) << (sizeof(T) * 8 - 1);
    const Packet<T, W> signed_y = where(x == 0, x, bits_as<T>(to_bits(y) ^ flip));  // sin -0 is -0
    return mend_large(x, signed_y, [](T u) { return std::sin(u); });
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> cos(const Packet<T, W>& x) {
    const auto turn = quarter_turns(x);
    const auto odd = (turn.n & 1) != 0;
    const Packet<T, W> y = where(odd, sin_kernel(turn.r, turn.rest), cos_kernel(turn.r, turn.rest));
    const auto flip = ((turn.n + 1) >> 1) << (sizeof(T) * 8 - 1);
    return mend_large(x, bits_as<T>(to_bits(y) ^ flip), [](T u) { return std::cos(u); });
}

/// sin / cos, or -cos / sin in the odd quarters. Float goes by way of double, for the quotient adds up errors.
template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> tan(const Packet<T, W>& x) {
    if constexpr (std::same_as<T, float>) {
        return in_double<W>([](const auto& u) { return tan(u); }, x);
    } else {
        const auto turn = quarter_turns(x);
        const Packet<T, W> s = sin_kernel(turn.r, turn.rest), c = cos_kernel(turn.r, turn.rest);
        const auto odd = (turn.n & 1) != 0;
        const Packet<T, W> y = where(odd, -c, s) / where(odd, s, c);
        return mend_large(x, where(x == 0, x, y), [](T u) { return std::tan(u); });
    }
}

/// atan(a / b) for a, b >= 0, not both 0, by 0, π/4 or π/2 plus atan(t), |t| <= tan π/8.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> atan_quotient(const Packet<T, W>& a, const Packet<T, W>& b) {
    using P = Packet<T, W>;
    constexpr T half_pi = T(1.57079632679489661923L), quarter_pi = T(0.78539816339744830962L);
    constexpr T half_pi_rest = static_cast<T>(1.57079632679489661923L - static_cast<long double>(half_pi));
    const auto steep = a > T(2.41421356237309504880) * b, middle = a > T(0.41421356237309504880) * b;
    const P t = where(steep, -b, where(middle, a - b, a)) / where(steep, a, where(middle, a + b, b));
    const P base = where(steep, half_pi, where(middle, quarter_pi, T(0)));
    const P base_rest = where(steep, half_pi_rest, where(middle, T(0.5) * half_pi_rest, T(0)));
    const P z = t * t;
    P p;
    if constexpr (std::same_as<T, float>) {
        p = polynomial(z, -0.333329648f, 0.19978188f, -0.138819307f, 0.0806531981f);
    } else {
        p = polynomial(z, -0.33333333333333232, 0.19999999999960966, -0.14285714280803363, 0.11111110809189977, -0.090908984007181212,
                       0.076920703230990789, -0.066632068370591782, 0.058485644976303895, -0.050420706631919152, 0.038128810469152112,
                       -0.0179718275291922);
    }
    return base + (t + multiply_add(z * t, p, base_rest));
}

template <std::floating_point T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> atan(const Packet<T, W>& x) {
    return copysign(atan_quotient(abs(x), Packet<T, W>(1)), x);
}

/// The angle of the point (x, y), in (-π, π]; signed zeros and infinities as std::atan2.
template <class A, class B>
    requires std::floating_point<typename CommonPacket<A, B>::Scalar> HEADTORCH_ALWAYS_INLINE CommonPacket<A, B> atan2(const A& ordinate,
                                                                                                                       const B& abscissa) {
        using P = CommonPacket<A, B>;
        using T = typename P::Scalar;
        const P y = ordinate, x = abscissa;
        P a = abs(y), b = abs(x);
        // Equal infinities are a diagonal, two zeros lie on the axis, and the sum of large numbers must not overflow.
        const auto diagonal = isinf(a) && isinf(b);
        const P scale = where(maximum(a, b) > std::numeric_limits<T>::max() / 4, T(0.25), T(1));
        a = where(diagonal, T(1), scale * a);
        b = where(diagonal, T(1), where(a == 0 && b == 0, T(1), scale * b));
        const P angle = atan_quotient(a, b);
        constexpr T pi = T(3.14159265358979323846L);
        constexpr T pi_rest = static_cast<T>(3.14159265358979323846L - static_cast<long double>(pi));
        const auto left = copysign(P(1), x) < 0;
        return copysign(where(left, pi - (angle - pi_rest), angle), y);
    }

}  // namespace headtorch::cpu
