// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What vector extensions alone cannot say: part of a register to and from memory, writing past the caches, square roots, "any bit set?".
/// Each has a portable form; with AVX-512 or SSE the instruction is named instead.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "headtorch/core/config.hpp"

namespace headtorch::cpu {

template <class T, int W>
struct VectorType {
    typedef T type __attribute__((vector_size(W * sizeof(T)), may_alias));
};
/// W lanes of T as the compiler's own vector type.
template <class T, int W>
using VectorOf = typename VectorType<T, W>::type;

/// Where packets keep their lanes: plain bytes, because nvcc refuses vectors in whatever a host-and-device function touches.
template <std::size_t N>
struct alignas(N) Bytes {
    std::byte bytes[N];
};

/// The signed integer as wide as a T.
template <class T>
using SignedOf = std::conditional_t<sizeof(T) == 1, std::int8_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>>;

/// y = the W values of x as U. Bytes go by way of 16 and 32 bits: in one leap, g++ 12 would convert them one at a time.
template <class U, class T, int W>
HEADTORCH_ALWAYS_INLINE void convert_lanes(VectorOf<U, W>& y, const VectorOf<T, W>& x) {
    if constexpr (sizeof(T) == sizeof(U) || (sizeof(T) > 2 && sizeof(U) > 2)) {
        y = __builtin_convertvector(x, VectorOf<U, W>);
    } else {
        constexpr bool is_signed = std::is_signed_v<std::conditional_t<sizeof(T) == 1, T, U>>;
        using Short = std::conditional_t<is_signed, std::int16_t, std::uint16_t>;
        if constexpr (sizeof(T) == 1) {
            const auto ints = __builtin_convertvector(__builtin_convertvector(x, VectorOf<Short, W>), VectorOf<std::int32_t, W>);
            y = __builtin_convertvector(ints, VectorOf<U, W>);
        } else {
            const auto ints = __builtin_convertvector(x, VectorOf<std::int32_t, W>);
            y = __builtin_convertvector(__builtin_convertvector(ints, VectorOf<Short, W>), VectorOf<U, W>);
        }
    }
}

/// Copies n < W values without a call to memcpy: halves, quarters, … as n says.
template <int W, class T>
HEADTORCH_ALWAYS_INLINE void copy_partial(T* to, const T* from, int n) {
    if constexpr (W > 1) {
        constexpr int half = W / 2;
        if (n >= half) {
            std::memcpy(to, from, half * sizeof(T));
            copy_partial<half>(to + half, from + half, n - half);
        } else {
            copy_partial<half>(to, from, n);
        }
    } else if (n > 0) {
        *to = *from;
    }
}

/// Is any bit set?
template <class V>
HEADTORCH_ALWAYS_INLINE bool any_bit(const V& v) {
    if constexpr (sizeof(V) > 16) {
        VectorOf<std::int64_t, sizeof(V) / 16> halves[2];
        std::memcpy(halves, &v, sizeof v);
        halves[0] |= halves[1];
        return any_bit(halves[0]);
    } else {
        std::int64_t words[2] = {};
        std::memcpy(words, &v, sizeof v);
        return (words[0] | words[1]) != 0;
    }
}

#if defined(__AVX512F__) && defined(__AVX512VL__)

/// Has T x W a masked load and store of its own? (32- and 64-bit lanes, 16 to 64 bytes)
template <class T, int W>
inline constexpr bool has_masked_memory = (sizeof(T) == 4 || sizeof(T) == 8) && W * sizeof(T) >= 16 && W * sizeof(T) <= 64;

/// The first n lanes of v from p; the others stay.
template <class V, class T>
HEADTORCH_ALWAYS_INLINE void load_masked(V& v, const T* p, int n) {
    const auto lanes = static_cast<unsigned>((1u << n) - 1);
    if constexpr (sizeof(T) == 4 && sizeof(V) == 64) {
        auto& r = reinterpret_cast<__m512i&>(v);
        r = _mm512_mask_loadu_epi32(r, static_cast<__mmask16>(lanes), p);
    } else if constexpr (sizeof(T) == 4 && sizeof(V) == 32) {
        auto& r = reinterpret_cast<__m256i&>(v);
        r = _mm256_mask_loadu_epi32(r, static_cast<__mmask8>(lanes), p);
    } else if constexpr (sizeof(T) == 4) {
        auto& r = reinterpret_cast<__m128i&>(v);
        r = _mm_mask_loadu_epi32(r, static_cast<__mmask8>(lanes), p);
    } else if constexpr (sizeof(V) == 64) {
        auto& r = reinterpret_cast<__m512i&>(v);
        r = _mm512_mask_loadu_epi64(r, static_cast<__mmask8>(lanes), p);
    } else if constexpr (sizeof(V) == 32) {
        auto& r = reinterpret_cast<__m256i&>(v);
        r = _mm256_mask_loadu_epi64(r, static_cast<__mmask8>(lanes), p);
    } else {
        auto& r = reinterpret_cast<__m128i&>(v);
        r = _mm_mask_loadu_epi64(r, static_cast<__mmask8>(lanes), p);
    }
}

/// The first n lanes of v to p.
template <class V, class T>
HEADTORCH_ALWAYS_INLINE void store_masked(T* p, const V& v, int n) {
    const auto lanes = static_cast<unsigned>((1u << n) - 1);
    if constexpr (sizeof(T) == 4 && sizeof(V) == 64) {
        _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(lanes), reinterpret_cast<const __m512i&>(v));
    } else if constexpr (sizeof(T) == 4 && sizeof(V) == 32) {
        _mm256_mask_storeu_epi32(p, static_cast<__mmask8>(lanes), reinterpret_cast<const __m256i&>(v));
    } else if constexpr (sizeof(T) == 4) {
        _mm_mask_storeu_epi32(p, static_cast<__mmask8>(lanes), reinterpret_cast<const __m128i&>(v));
    } else if constexpr (sizeof(V) == 64) {
        _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(lanes), reinterpret_cast<const __m512i&>(v));
    } else if constexpr (sizeof(V) == 32) {
        _mm256_mask_storeu_epi64(p, static_cast<__mmask8>(lanes), reinterpret_cast<const __m256i&>(v));
    } else {
        _mm_mask_storeu_epi64(p, static_cast<__mmask8>(lanes), reinterpret_cast<const __m128i&>(v));
    }
}

#else

template <class T, int W>
inline constexpr bool has_masked_memory = false;
template <class V, class T>
void load_masked(V& v, const T* p, int n);
template <class V, class T>
void store_masked(T* p, const V& v, int n);

#endif

#if defined(__SSE2__)

/// Is there a way to write memory without reading it into the caches first?
inline constexpr bool has_streaming = true;

/// Copies `bytes` bytes past the caches; to be followed by end_streaming().
inline void stream(void* to, const void* from, std::size_t bytes) {
    auto* out = static_cast<std::byte*>(to);
    const auto* in = static_cast<const std::byte*>(from);
    const std::size_t head = std::min(bytes, (0 - reinterpret_cast<std::uintptr_t>(to)) % simd_bytes);
    std::memcpy(out, in, head);
    std::size_t i = head;
    for (; i + simd_bytes <= bytes; i += simd_bytes) {
#if defined(__AVX512F__)
        if constexpr (simd_bytes == 64)
            _mm512_stream_si512(reinterpret_cast<__m512i*>(out + i), _mm512_loadu_si512(in + i));
        else
#endif
            for (std::size_t k = i; k < i + simd_bytes; k += 16)
                _mm_stream_si128(reinterpret_cast<__m128i*>(out + k), _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + k)));
    }
    std::memcpy(out + i, in + i, bytes - i);
}
/// Orders what was streamed before what this thread writes next.
inline void end_streaming() { _mm_sfence(); }

#else

inline constexpr bool has_streaming = false;
inline void stream(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
inline void end_streaming() {}

#endif

#if defined(__SSE2__)
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m128& y, const __m128& x) { y = _mm_sqrt_ps(x); }
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m128d& y, const __m128d& x) { y = _mm_sqrt_pd(x); }
#endif
#if defined(__AVX__)
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m256& y, const __m256& x) { y = _mm256_sqrt_ps(x); }
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m256d& y, const __m256d& x) { y = _mm256_sqrt_pd(x); }
#endif
#if defined(__AVX512F__)
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m512& y, const __m512& x) { y = _mm512_maskz_sqrt_ps(0xffff, x); }
HEADTORCH_ALWAYS_INLINE void sqrt_register(__m512d& y, const __m512d& x) { y = _mm512_maskz_sqrt_pd(0xff, x); }
#endif

/// y = square root of each of the W lanes of x.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE void sqrt_lanes(VectorOf<T, W>& y, const VectorOf<T, W>& x) {
    if constexpr (requires { sqrt_register(y, x); }) {
        sqrt_register(y, x);
    } else {
        for (int i = 0; i < W; ++i) {
            if constexpr (std::same_as<T, float>) {
                y[i] = __builtin_sqrtf(x[i]);
            } else {
                y[i] = __builtin_sqrt(x[i]);
            }
        }
    }
}

}  // namespace headtorch::cpu
