// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Settings from the environment, a small random number generator, and the one way in which the emulator gives up.
///
/// CUDA_EMULATOR_SEED: order of threads, blocks and streams (default 1). CUDA_EMULATOR_MEMORY: bytes of memory per device, with an optional
/// K, M or G (default 2G). CUDA_EMULATOR_DEVICES: number of devices (default 2, at most 8; 0 for a machine without one).

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_EMULATOR_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_EMULATOR_ASAN
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CUDA_EMULATOR_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CUDA_EMULATOR_TSAN
#endif
#endif

namespace cuda_emulator {

/// Prints a message on stderr and ends the program: for mistakes whose effect on a GPU would be undefined.
[[noreturn]] __attribute__((format(printf, 1, 2))) inline void fail(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    std::fflush(stdout);
    std::fputs("cuda_emulator: ", stderr);
    std::vfprintf(stderr, format, arguments);
    std::fputc('\n', stderr);
    va_end(arguments);
    std::abort();
}

inline std::size_t environment_number(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    char* end = nullptr;
    std::size_t value = std::strtoull(text, &end, 10);
    if (*end == 'K')
        value <<= 10;
    else if (*end == 'M')
        value <<= 20;
    else if (*end == 'G')
        value <<= 30;
    else if (*end != '\0')
        fail("%s is '%s', which is not a number with an optional K, M or G", name, text);
    return value;
}

struct Settings {
    std::uint64_t seed = environment_number("CUDA_EMULATOR_SEED", 1);
    std::size_t memory = environment_number("CUDA_EMULATOR_MEMORY", std::size_t{2} << 30);
    int devices = static_cast<int>(environment_number("CUDA_EMULATOR_DEVICES", 2));
};
inline Settings& settings() {
    static Settings values;
    return values;
}

/// SplitMix64.
struct Random {
    std::uint64_t position = 0;

    std::uint64_t next() {
        std::uint64_t z = position += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// A number of 0 … n - 1.
    std::uint64_t below(std::uint64_t n) { return next() % n; }
};

}  // namespace cuda_emulator
