// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Atomic functions: one thread of a kernel runs at a time, so that a plain read and write is atomic. For the types that CUDA has.

#include <concepts>
#include <type_traits>

namespace cuda_emulator {

template <class T, class... Others>
concept AnyOf = (std::same_as<T, Others> || ...);
template <class T>
concept AtomicInteger = AnyOf<T, int, unsigned int, unsigned long long>;
template <class T>
concept AtomicOrdered = AnyOf<T, int, unsigned int, long long, unsigned long long>;
template <class T>
concept AtomicNumber = AnyOf<T, int, unsigned int, unsigned long long, float, double>;

template <class T>
T replace(T* address, T value) {
    const T old = *address;
    *address = value;
    return old;
}

}  // namespace cuda_emulator

template <cuda_emulator::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, static_cast<T>(*address + value));
}
template <cuda_emulator::AnyOf<int, unsigned int> T>
T atomicSub(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, static_cast<T>(*address - value));
}
template <cuda_emulator::AnyOf<int, unsigned int, unsigned long long, float> T>
T atomicExch(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, value);
}
template <cuda_emulator::AtomicOrdered T>
T atomicMin(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, value < *address ? value : *address);
}
template <cuda_emulator::AtomicOrdered T>
T atomicMax(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, value > *address ? value : *address);
}
template <cuda_emulator::AnyOf<int, unsigned int, unsigned long long, unsigned short> T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, *address == expected ? value : *address);
}
template <cuda_emulator::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, static_cast<T>(*address & value));
}
template <cuda_emulator::AtomicInteger T>
T atomicOr(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, static_cast<T>(*address | value));
}
template <cuda_emulator::AtomicInteger T>
T atomicXor(T* address, std::type_identity_t<T> value) {
    return cuda_emulator::replace(address, static_cast<T>(*address ^ value));
}
inline unsigned int atomicInc(unsigned int* address, unsigned int last) {
    return cuda_emulator::replace(address, *address >= last ? 0u : *address + 1);
}
inline unsigned int atomicDec(unsigned int* address, unsigned int last) {
    return cuda_emulator::replace(address, *address == 0 || *address > last ? last : *address - 1);
}
