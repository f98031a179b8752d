// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The calls that copy and set memory, and those that ask about it.

#include "memory.h"

inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind) {
    return cuda_emulator::call("cudaMemcpy", [&] { return cuda_emulator::copy(to, from, {size, 1, size, size}, kind, nullptr, true); });
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind kind, cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemcpyAsync", [&] {
        return cuda_emulator::copy(to, from, {size, 1, size, size}, kind, stream, false);
    });
}
inline cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                                std::size_t height, cudaMemcpyKind kind) {
    return cuda_emulator::call("cudaMemcpy2D", [&] {
        return cuda_emulator::copy(to, from, {width, height, to_pitch, from_pitch}, kind, nullptr, true);
    });
}
inline cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                                     std::size_t height, cudaMemcpyKind kind, cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemcpy2DAsync", [&] {
        return cuda_emulator::copy(to, from, {width, height, to_pitch, from_pitch}, kind, stream, false);
    });
}
inline cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, std::size_t size,
                                       cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemcpyPeerAsync", [&] {
        const int devices = cuda_emulator::settings().devices;
        if (to_device < 0 || to_device >= devices || from_device < 0 || from_device >= devices) return cudaErrorInvalidDevice;
        if (size > 0 && (cuda_emulator::device_of(to) != to_device || cuda_emulator::device_of(from) != from_device))
            return cudaErrorInvalidValue;
        return cuda_emulator::copy(to, from, {size, 1, size, size}, cudaMemcpyDeviceToDevice, stream, false);
    });
}
inline cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device, std::size_t size) {
    return cudaMemcpyPeerAsync(to, to_device, from, from_device, size, nullptr);
}

inline cudaError_t cudaMemset(void* to, int value, std::size_t size) {
    return cuda_emulator::call("cudaMemset", [&] {
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        return cuda_emulator::set(to, value, {size, 1, size, size}, nullptr);
    });
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t size, cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemsetAsync", [&] { return cuda_emulator::set(to, value, {size, 1, size, size}, stream); });
}
inline cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height,
                                     cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemset2DAsync", [&] { return cuda_emulator::set(to, value, {width, height, pitch, pitch}, stream); });
}

/// `__constant__` and `__device__` variables are plain ones; a copy to one is queued like any other.
template <class T>
cudaError_t cudaMemcpyToSymbolAsync(T& symbol, const void* from, std::size_t size, std::size_t offset = 0,
                                    cudaMemcpyKind kind = cudaMemcpyHostToDevice, cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaMemcpyToSymbolAsync", [&] {
        if (offset + size > sizeof(T)) return cudaErrorInvalidValue;
        auto* place = const_cast<char*>(reinterpret_cast<const char*>(&symbol)) + offset;
        const cudaMemcpyKind plain = kind == cudaMemcpyHostToDevice ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost;
        return cuda_emulator::copy(place, from, {size, 1, size, size}, plain, stream, false);
    });
}
template <class T>
cudaError_t cudaMemcpyToSymbol(T& symbol, const void* from, std::size_t size, std::size_t offset = 0,
                               cudaMemcpyKind kind = cudaMemcpyHostToDevice) {
    return cudaMemcpyToSymbolAsync(symbol, from, size, offset, kind, nullptr);
}

inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    return cuda_emulator::call("cudaMemGetInfo", [&] {
        const cuda_emulator::Arena& arena = cuda_emulator::arena(cuda_emulator::current_device);
        *total = arena.limit();
        *free = arena.limit() - arena.used();
        return cudaSuccess;
    });
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
    return cuda_emulator::call("cudaPointerGetAttributes", [&] {
        const int device = cuda_emulator::device_of(p);
        void* plain = const_cast<void*>(p);
        if (device >= 0)
            *attributes = {cudaMemoryTypeDevice, device, plain, nullptr};
        else if (cuda_emulator::is_pinned(p))
            *attributes = {cudaMemoryTypeHost, cuda_emulator::current_device, plain, plain};
        else
            *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, plain};
        return cudaSuccess;
    });
}
