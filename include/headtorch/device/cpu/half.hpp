// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Halfs on the CPU: they are turned into floats, the kernels of floats run, and what they write is rounded. Here are the ways there and
/// back; the kernels in between are in device/cpu/half_kernels.hpp.

#include <concepts>
#include <cstdint>
#include <type_traits>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "headtorch/core/half.hpp"
#include "headtorch/device/cpu/memory.hpp"
#include "headtorch/device/cpu/packet.hpp"

namespace headtorch::cpu {

/// to[i] = from[i], exactly.
template <Half T>
HEADTORCH_NOINLINE void widen(const T* from, std::int64_t n, float* to) {
    std::int64_t i = 0;
#if defined(__F16C__)
    if constexpr (std::same_as<T, float16>)
        for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
    for (; i < n; ++i) to[i] = from[i];
}

/// to[i] = from[i], rounded.
template <Half T>
HEADTORCH_NOINLINE void narrow(const float* from, std::int64_t n, T* to) {
    std::int64_t i = 0;
#if defined(__F16C__)
    if constexpr (std::same_as<T, float16>)
        for (; i + 8 <= n; i += 8)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; ++i) to[i] = T(from[i]);
}

/// W adjacent elements as packets of A.
template <class A, int W, class T>
HEADTORCH_ALWAYS_INLINE Packet<A, W> load_as(const T* p) {
    if constexpr (Half<T>) {
        float lanes[W];
        for (int i = 0; i < W; ++i) lanes[i] = p[i];
        return convert<A>(Packet<float, W>::load(lanes));
    } else {
        return convert<A>(Packet<T, W>::load(p));
    }
}

/// What a kernel does with an array.
enum class Access { read, write, change };

/// An array of n halfs as floats; null stays null. What is written goes back at the end of the scope.
template <Access access, Half T>
class AsFloats {
public:
    using Pointer = std::conditional_t<access == Access::read, const T*, T*>;
    AsFloats(Pointer halfs, std::int64_t n) : halfs_(halfs), n_(n), floats_(halfs ? n : 0) {
        if (halfs && access != Access::write) widen(static_cast<const T*>(halfs), n, floats_.data());
    }
    AsFloats(const AsFloats&) = delete;
    AsFloats& operator=(const AsFloats&) = delete;
    ~AsFloats() {
        if constexpr (access != Access::read)
            if (halfs_) narrow(floats_.data(), n_, halfs_);
    }
    operator float*() const { return floats_.data(); }

private:
    Pointer halfs_;
    std::int64_t n_;
    Scratch<float> floats_;
};

template <Half T>
AsFloats<Access::read, T> reads(const T* halfs, std::int64_t n) { return {halfs, n}; }
template <Half T>
AsFloats<Access::write, T> writes(T* halfs, std::int64_t n) { return {halfs, n}; }
template <Half T>
AsFloats<Access::change, T> changes(T* halfs, std::int64_t n) { return {halfs, n}; }

}  // namespace headtorch::cpu
