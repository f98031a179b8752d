// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the compiler and the target offer: the only place, beside device/, with conditional compilation.

#include <cstddef>
#include <cstdint>
#include <version>

#if defined(__cpp_lib_source_location)
#include <source_location>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define HEADTORCH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEADTORCH_ADDRESS_SANITIZER 1
#endif
#endif

#define HEADTORCH_ALWAYS_INLINE inline __attribute__((always_inline))
#define HEADTORCH_NOINLINE __attribute__((noinline))
/// For code that runs seldom, such as recording a backward pass: small rather than fast, and quickly compiled.
#define HEADTORCH_COLD __attribute__((noinline, cold))

/// Marks scalar code that CUDA kernels may call too.
#if defined(__CUDACC__)
#define HEADTORCH_HOST_DEVICE __host__ __device__
#else
#define HEADTORCH_HOST_DEVICE
#endif

namespace headtorch {

#if defined(__cpp_lib_source_location)
using SourceLocation = std::source_location;
#else
/// std::source_location, for a compiler (clang 14) that does not have it yet.
class SourceLocation {
public:
    static constexpr SourceLocation current(const char* file = __builtin_FILE(), const char* function = __builtin_FUNCTION(),
                                            std::uint_least32_t line = __builtin_LINE()) noexcept {
        SourceLocation here;
        here.file_ = file;
        here.function_ = function;
        here.line_ = line;
        return here;
    }
    constexpr const char* file_name() const noexcept { return file_; }
    constexpr const char* function_name() const noexcept { return function_; }
    constexpr std::uint_least32_t line() const noexcept { return line_; }

private:
    const char *file_ = "", *function_ = "";
    std::uint_least32_t line_ = 0;
};
#endif

/// Bytes of one hardware vector. Kernels are written for any width; this only picks the fastest.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
inline constexpr std::size_t simd_bytes = 64;
#elif defined(__AVX__)
inline constexpr std::size_t simd_bytes = 32;
#else
inline constexpr std::size_t simd_bytes = 16;
#endif

/// Alignment of every buffer: a cache line, and the widest vector.
inline constexpr std::size_t buffer_alignment = 64;

/// Buffers are cached and reused, except where the address sanitizer should see each of them come and go.
#if defined(HEADTORCH_ADDRESS_SANITIZER)
inline constexpr bool reuse_memory = false;
#else
inline constexpr bool reuse_memory = true;
#endif

}  // namespace headtorch
