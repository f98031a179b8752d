// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random numbers drawn on a GPU. They are other numbers than the CPU's for the same seed: see philox.cuh.

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/philox.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/random.hpp"

namespace headtorch::cuda {
namespace detail {

/// 32 or 64 random bits for one number.
template <int words>
using DrawBits = std::conditional_t<words == 2, std::uint64_t, std::uint32_t>;
/// How many words a continuous number takes.
template <class T>
inline constexpr int draw_words = sizeof(T) == 8 ? 2 : 1;

/// In [0, 1), as many random bits as a T has digits.
template <class T, class Bits>
__device__ inline ComputeType<T> fraction(Bits bits) {
    using C = ComputeType<T>;
    constexpr int digits = std::numeric_limits<T>::digits;
    constexpr C unit = std::numeric_limits<T>::epsilon() / 2;
    return static_cast<C>(bits >> (static_cast<int>(sizeof(Bits)) * 8 - digits)) * unit;
}
/// In (0, 1], as close to 0 as the bits allow.
template <class C>
__device__ inline C above_zero(std::uint32_t bits) {
    return (static_cast<C>(bits) + C(0.5)) * C(0x1p-32);
}
template <class C>
__device__ inline C above_zero(std::uint64_t bits) {
    return (static_cast<C>(bits >> 11) + C(0.5)) * C(0x1p-53);
}
/// Exponentially distributed with mean 1: -log(1 - u), from that side on which no digits are lost.
template <class C, class Bits>
__device__ inline C exponential_of(Bits bits) {
    const bool upper = bits >> (sizeof(Bits) * 8 - 1) != 0;
    return upper ? -std::log(above_zero<C>(static_cast<Bits>(~bits))) : -std::log1p(-above_zero<C>(bits));
}

// What is made of random bits; T is stored, C computed with.

template <class T>
struct UniformOf {
    static constexpr int words = draw_words<T>;
    ComputeType<T> low, high;
    __device__ T operator()(DrawBits<words> bits) const {
        const T value = static_cast<T>(fraction<T>(bits) * (high - low) + low);
        return static_cast<ComputeType<T>>(value) < high ? value : static_cast<T>(low);  // it may have been rounded up
    }
};
/// Two at a time: G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958.
template <class T, bool logarithm>
struct NormalOf {
    static constexpr int words = draw_words<T>;
    using C = ComputeType<T>;
    C mean, std;
    __device__ void operator()(DrawBits<words> first, DrawBits<words> second, T& x, T& y) const {
        const C radius = std::sqrt(2 * exponential_of<C>(first)), angle = static_cast<C>(2 * std::numbers::pi) * above_zero<C>(second);
        x = finish(radius * std::cos(angle));
        y = finish(radius * std::sin(angle));
    }
    __device__ T finish(C z) const {
        const C value = z * std + mean;
        if constexpr (logarithm)
            return static_cast<T>(std::exp(value));
        else
            return static_cast<T>(value);
    }
};
template <class T>
struct ExponentialOf {
    static constexpr int words = draw_words<T>;
    ComputeType<T> mean;
    __device__ T operator()(DrawBits<words> bits) const { return static_cast<T>(exponential_of<ComputeType<T>>(bits) * mean); }
};
template <class T>
struct CauchyOf {
    static constexpr int words = draw_words<T>;
    using C = ComputeType<T>;
    C median, sigma;
    __device__ T operator()(DrawBits<words> bits) const {
        return static_cast<T>(median + sigma * std::tan(static_cast<C>(std::numbers::pi) * (above_zero<C>(bits) - C(0.5))));
    }
};
template <class T>
struct GeometricOf {
    static constexpr int words = draw_words<T>;
    using C = ComputeType<T>;
    C mean;  ///< of the exponential distribution that, rounded up, is this one
    __device__ T operator()(DrawBits<words> bits) const {
        const C value = std::ceil(exponential_of<C>(bits) * mean);
        return static_cast<T>(value > 1 ? value : C(1));
    }
};
template <class T>
struct BernoulliOf {
    static constexpr int words = 1;
    std::uint64_t below;
    T one;
    __device__ T operator()(std::uint32_t bits) const { return bits < below ? one : T(0); }
};
template <class T, int count>
struct IntegersOf {
    static constexpr int words = count;
    std::int64_t from;
    std::uint64_t range;
    __device__ T operator()(DrawBits<words> bits) const {
        return static_cast<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + bits % range));
    }
};
struct BitsOf {
    static constexpr int words = 2;
    __device__ std::uint64_t operator()(std::uint64_t bits) const { return bits; }
};
/// 1 with the probability that is given for each element.
template <class T>
struct ChanceOf {
    static constexpr int words = draw_words<T>;
    __device__ T operator()(DrawBits<words> bits, T p) const {
        return static_cast<T>(fraction<ComputeType<T>>(bits) < static_cast<ComputeType<T>>(p) ? 1 : 0);
    }
};
template <class T>
struct DropoutOf {
    static constexpr int words = 1;
    using C = ComputeType<T>;
    std::uint64_t below;
    C scale, shift, dropped;
    __device__ T operator()(std::uint32_t bits, T x) const {
        return static_cast<T>(bits < below ? static_cast<C>(x) * scale + shift : dropped);
    }
};

/// 2^32 p, for comparing with 32 random bits.
inline std::uint64_t threshold(double p) { return static_cast<std::uint64_t>(std::llround(p * 0x1p32)); }

/// out[i] is made of the bits of place i, and of in[i]. A thread makes what comes of one block of four words.
template <class T, class F, class... In>
__global__ void draw_kernel(PhiloxState state, F formula, std::int64_t n, T* out, const In*... in) {
    constexpr int words = F::words, per = 4 / words;
    using Bits = DrawBits<words>;
    const std::uint64_t first = state.first_word();
    const std::int64_t skip = static_cast<std::int64_t>(first % 4) / words;  // numbers of the first block that belong to an earlier draw
    const bool whole = skip == 0 && reinterpret_cast<std::uintptr_t>(out) % sizeof(Lanes<T, per>) == 0;
    for (std::int64_t i = thread_place(); i * per < n + skip; i += thread_count()) {
        const PhiloxWords random = state.block(first / 4 + static_cast<std::uint64_t>(i));
        const std::int64_t start = i * per - skip;
        Bits bits[per];
        for (int k = 0; k < per; ++k)
            if constexpr (words == 1)
                bits[k] = random.of[k];
            else
                bits[k] = static_cast<std::uint64_t>(random.of[2 * k + 1]) << 32 | random.of[2 * k];
        Lanes<T, per> made;
        for (int k = 0; k < per; ++k) {
            if constexpr (std::is_invocable_v<F, Bits, Bits, T&, T&>) {
                if (k % 2 == 0) formula(bits[k], bits[k + 1], made.at[k], made.at[k + 1]);
            } else {
                const std::int64_t at = start + k;
                if (at >= 0 && at < n) made.at[k] = formula(bits[k], in[at]...);
            }
        }
        if (whole && start + per <= n) {
            *reinterpret_cast<Lanes<T, per>*>(out + start) = made;
        } else {
            for (int k = 0; k < per; ++k)
                if (start + k >= 0 && start + k < n) out[start + k] = made.at[k];
        }
    }
}

template <class T, class F, class... In>
void run_draw(std::string_view op, const PhiloxState& state, const F& formula, std::int64_t n, T* out, const In*... in) {
    if (n == 0) return;
    launch(op, &draw_kernel<T, F, In...>, grid_for(ceil_div(n * F::words, 4) + 1), state, formula, n, out, in...);
}
template <class T, class F, class... In>
void run_draw(std::string_view op, Generator& generator, const F& formula, std::int64_t n, T* out, const In*... in) {
    run_draw(op, philox::state_for(generator, n, F::words), formula, n, out, in...);
}

}  // namespace detail

template <class T>
void draw(Cuda, const draws::Uniform& d, Generator& generator, T* x, std::int64_t n) {
    using C = ComputeType<T>;
    const C low = static_cast<C>(static_cast<T>(d.from)), high = static_cast<C>(static_cast<T>(d.to));
    detail::run_draw("uniform", generator, detail::UniformOf<T>{low, high}, n, x);
}
template <class T>
void draw(Cuda, const draws::Normal& d, Generator& generator, T* x, std::int64_t n) {
    using C = ComputeType<T>;
    detail::run_draw("normal", generator, detail::NormalOf<T, false>{static_cast<C>(d.mean), static_cast<C>(d.std)}, n, x);
}
template <class T>
void draw(Cuda, const draws::LogNormal& d, Generator& generator, T* x, std::int64_t n) {
    using C = ComputeType<T>;
    detail::run_draw("log_normal", generator, detail::NormalOf<T, true>{static_cast<C>(d.mean), static_cast<C>(d.std)}, n, x);
}
template <class T>
void draw(Cuda, const draws::Exponential& d, Generator& generator, T* x, std::int64_t n) {
    detail::run_draw("exponential", generator, detail::ExponentialOf<T>{static_cast<ComputeType<T>>(1 / d.lambd)}, n, x);
}
template <class T>
void draw(Cuda, const draws::Cauchy& d, Generator& generator, T* x, std::int64_t n) {
    using C = ComputeType<T>;
    detail::run_draw("cauchy", generator, detail::CauchyOf<T>{static_cast<C>(d.median), static_cast<C>(d.sigma)}, n, x);
}
template <class T>
void draw(Cuda, const draws::Geometric& d, Generator& generator, T* x, std::int64_t n) {
    detail::run_draw("geometric", generator, detail::GeometricOf<T>{static_cast<ComputeType<T>>(-1 / std::log1p(-d.p))}, n, x);
}
template <class T>
void draw(Cuda, const draws::Bernoulli& d, Generator& generator, T* x, std::int64_t n) {
    detail::run_draw("bernoulli", generator, detail::BernoulliOf<T>{detail::threshold(d.p), static_cast<T>(d.one)}, n, x);
}
/// From 2^20 numbers on, 64 random bits for each: no number is favoured by more than 0.03 %.
template <class T>
void draw(Cuda, const draws::Integers& d, Generator& generator, T* x, std::int64_t n) {
    if (d.range < (std::uint64_t{1} << 20))
        detail::run_draw("random", generator, detail::IntegersOf<T, 1>{d.from, d.range}, n, x);
    else
        detail::run_draw("random", generator, detail::IntegersOf<T, 2>{d.from, d.range}, n, x);
}

/// The state from which dropout of n elements draws, now and again for the gradient.
inline PhiloxState dropout_state(Cuda, Generator& generator, std::int64_t n) { return philox::state_for(generator, n, 1); }
/// y[i] = x[i] kept, scaled and shifted, or dropped.
template <class T>
void apply_dropout(Cuda, const PhiloxState& state, const draws::Dropout& d, const T* x, std::int64_t n, T* y) {
    using C = ComputeType<T>;
    const C scale = static_cast<C>(d.scale), shift = static_cast<C>(d.shift), dropped = static_cast<C>(d.dropped);
    detail::run_draw("dropout", state, detail::DropoutOf<T>{detail::threshold(d.keep), scale, shift, dropped}, n, y, x);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::apply_dropout;
using cuda::draw;
using cuda::dropout_state;
}  // namespace headtorch
