// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// dim3, float4, make_int2 …: CUDA's short vectors with CUDA's alignment, and the variables threadIdx, blockIdx, blockDim, gridDim.

#include <cstddef>

namespace cuda_emulator {

template <class T>
struct One {
    T x;
};
template <class T, std::size_t Alignment>
struct alignas(Alignment) Two {
    T x, y;
};
template <class T>
struct Three {
    T x, y, z;
};
template <class T, std::size_t Alignment>
struct alignas(Alignment) Four {
    T x, y, z, w;
};

}  // namespace cuda_emulator

#define CUDA_EMULATOR_VECTORS(name, T)                                                 \
    using name##1 = cuda_emulator::One<T>;                                             \
    using name##2 = cuda_emulator::Two<T, 2 * sizeof(T)>;                              \
    using name##3 = cuda_emulator::Three<T>;                                           \
    using name##4 = cuda_emulator::Four<T, (4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16)>; \
    constexpr name##1 make_##name##1(T x) { return {x}; }                              \
    constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }                      \
    constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }              \
    constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

CUDA_EMULATOR_VECTORS(char, signed char)
CUDA_EMULATOR_VECTORS(uchar, unsigned char)
CUDA_EMULATOR_VECTORS(short, short)
CUDA_EMULATOR_VECTORS(ushort, unsigned short)
CUDA_EMULATOR_VECTORS(int, int)
CUDA_EMULATOR_VECTORS(uint, unsigned int)
CUDA_EMULATOR_VECTORS(long, long)
CUDA_EMULATOR_VECTORS(ulong, unsigned long)
CUDA_EMULATOR_VECTORS(longlong, long long)
CUDA_EMULATOR_VECTORS(ulonglong, unsigned long long)
CUDA_EMULATOR_VECTORS(float, float)
CUDA_EMULATOR_VECTORS(double, double)
#undef CUDA_EMULATOR_VECTORS

/// The size of a grid or block; what is not given is 1.
struct dim3 {
    unsigned int x, y, z;
    constexpr dim3(unsigned int width = 1, unsigned int height = 1, unsigned int depth = 1) : x(width), y(height), z(depth) {}
    constexpr dim3(uint3 size) : x(size.x), y(size.y), z(size.z) {}
    constexpr operator uint3() const { return {x, y, z}; }
};

/// Set by the emulator before it enters a thread. One kernel runs at a time, so that plain variables are enough.
inline uint3 threadIdx{};
inline uint3 blockIdx{};
inline dim3 blockDim{};
inline dim3 gridDim{};
inline constexpr int warpSize = 32;
