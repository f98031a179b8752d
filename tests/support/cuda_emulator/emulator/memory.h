// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// cudaMalloc, cudaMemcpy, cudaMemset and their kin.

#include "queue.h"

namespace cuda_emulator {

inline Arena& arena(int device) { return *state().arenas[static_cast<std::size_t>(device)]; }
inline unsigned int device_bit(const void* p) {
    const int device = device_of(p);
    return device < 0 ? 0 : 1u << device;
}

/// Device memory must hold all of it; host memory is believed.
inline bool has_room(const void* p, std::size_t size) {
    if (size == 0) return true;
    if (p == nullptr) return false;
    const int device = device_of(p);
    if (device < 0) return true;
    const Arena::Found found = arena(device).find(p);
    return found.size != 0 && size <= static_cast<std::size_t>(found.begin + found.size - static_cast<const char*>(p));
}

inline bool fits_kind(const void* to, const void* from, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyDefault) return true;
    const auto fits = [](const void* p, bool on_device) { return (device_of(p) >= 0) == on_device || is_pinned(p); };
    return fits(to, kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) &&
           fits(from, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice);
}

struct Rows {
    std::size_t width, height, to_pitch, from_pitch;
    std::size_t span(std::size_t pitch) const { return height == 0 || width == 0 ? 0 : (height - 1) * pitch + width; }
};

/// Copies rows. `blocking` is cudaMemcpy's way: it waits unless both sides lie on the device. An asynchronous copy from pageable memory
/// takes the bytes at the call, one into pageable memory waits, and one of pinned memory uses the bytes that are there when it runs.
inline cudaError_t copy(void* to, const void* from, const Rows& rows, cudaMemcpyKind kind, cudaStream_t handle, bool blocking) {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (blocking)
        if (const cudaError_t error = forbidden_in_capture(); error != cudaSuccess) return error;
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
    if (rows.height > 1 && (rows.to_pitch < rows.width || rows.from_pitch < rows.width)) return cudaErrorInvalidPitchValue;
    const std::size_t to_span = rows.span(rows.to_pitch), from_span = rows.span(rows.from_pitch);
    if (to_span == 0) return cudaSuccess;
    if (!has_room(to, to_span) || !has_room(from, from_span) || !fits_kind(to, from, kind)) return cudaErrorInvalidValue;
    const bool from_device = device_of(from) >= 0, to_device = device_of(to) >= 0;
    const char* source = static_cast<const char*>(from);
    std::shared_ptr<std::vector<char>> snapshot;
    if (!from_device && !is_pinned(from) && !stream->capture && !blocking) {
        snapshot = std::make_shared<std::vector<char>>(source, source + from_span);
        source = snapshot->data();
    }
    const cudaError_t error = enqueue(
        *stream, "a copy", device_bit(to) | device_bit(from),
        [=, place = static_cast<char*>(to)] {
            (void)snapshot;
            ++state().statistics.copies;
            for (std::size_t row = 0; row < rows.height; ++row)
                std::memmove(place + row * rows.to_pitch, source + row * rows.from_pitch, rows.width);
        },
        {}, snapshot ? from_span : 0);
    if (error != cudaSuccess || stream->capture) return error;
    const bool waits = blocking ? !(from_device && to_device) : !to_device && !is_pinned(to);
    return waits ? wait_for(stream->last) : cudaSuccess;
}

inline cudaError_t set(void* to, int value, const Rows& rows, cudaStream_t handle) {
    CUstream_st* stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    const std::size_t span = rows.span(rows.to_pitch);
    if (span == 0) return cudaSuccess;
    if ((device_of(to) < 0 && !is_pinned(to)) || !has_room(to, span)) return cudaErrorInvalidValue;
    return enqueue(*stream, "a memset", device_bit(to), [=, place = static_cast<char*>(to)] {
        for (std::size_t row = 0; row < rows.height; ++row) std::memset(place + row * rows.to_pitch, value, rows.width);
    });
}

}  // namespace cuda_emulator

inline cudaError_t cudaMalloc(void** p, std::size_t size) {
    return cuda_emulator::call("cudaMalloc", [&] {
        cuda_emulator::watch_faults();
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        *p = nullptr;
        if (size == 0) return cudaSuccess;
        *p = cuda_emulator::arena(cuda_emulator::current_device).allocate(size);
        ++cuda_emulator::state().statistics.allocations;
        return *p == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
    });
}
inline cudaError_t cudaFree(void* p) {
    return cuda_emulator::call("cudaFree", [&] {
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        if (p == nullptr) return cudaSuccess;
        const int device = cuda_emulator::device_of(p);
        if (device < 0) return cudaErrorInvalidValue;
        for (int d = 0; d < cuda_emulator::settings().devices; ++d) cuda_emulator::wait_for_device(d);
        ++cuda_emulator::state().statistics.frees;
        return cuda_emulator::arena(device).free(p) ? cudaSuccess : cudaErrorInvalidValue;
    });
}

/// The address is known at once; the memory may be used by work that comes later in the stream.
inline cudaError_t cudaMallocAsync(void** p, std::size_t size, cudaStream_t handle) {
    return cuda_emulator::call("cudaMallocAsync", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (stream->capture) return cudaErrorNotSupported;
        *p = nullptr;
        if (size == 0) return cudaSuccess;
        *p = cuda_emulator::arena(stream->device).allocate(size);
        ++cuda_emulator::state().statistics.allocations;
        if (*p == nullptr) return cudaErrorMemoryAllocation;
        return cuda_emulator::enqueue(*stream, "an allocation", 1u << stream->device,
                                      [=, place = *p] { std::memset(place, cuda_emulator::Arena::pattern, size); });
    });
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t handle) {
    return cuda_emulator::call("cudaFreeAsync", [&] {
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (stream->capture) return cudaErrorNotSupported;
        if (p == nullptr) return cudaSuccess;
        const int device = cuda_emulator::device_of(p);
        if (device < 0 || cuda_emulator::arena(device).find(p).begin != p) return cudaErrorInvalidValue;
        ++cuda_emulator::state().statistics.frees;
        return cuda_emulator::enqueue(*stream, "a release", 1u << device, [=] {
            if (!cuda_emulator::arena(device).free(p)) cuda_emulator::fail("cudaFreeAsync: %p was freed twice", p);
        });
    });
}

inline cudaError_t cudaHostAlloc(void** p, std::size_t size, unsigned int) {
    return cuda_emulator::call("cudaHostAlloc", [&] {
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        *p = nullptr;
        if (size == 0) return cudaSuccess;
        *p = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
        if (*p == nullptr) return cudaErrorMemoryAllocation;
        std::memset(*p, cuda_emulator::Arena::pattern, size);
        cuda_emulator::state().pinned[static_cast<char*>(*p)] = size;
        return cudaSuccess;
    });
}
inline cudaError_t cudaMallocHost(void** p, std::size_t size, unsigned int flags = cudaHostAllocDefault) {
    return cuda_emulator::call("cudaMallocHost", [&] { return cudaHostAlloc(p, size, flags); });
}
inline cudaError_t cudaFreeHost(void* p) {
    return cuda_emulator::call("cudaFreeHost", [&] {
        if (const cudaError_t error = cuda_emulator::forbidden_in_capture(); error != cudaSuccess) return error;
        if (p == nullptr) return cudaSuccess;
        for (int d = 0; d < cuda_emulator::settings().devices; ++d) cuda_emulator::wait_for_device(d);
        if (cuda_emulator::state().pinned.erase(static_cast<char*>(p)) == 0) return cudaErrorInvalidValue;
        std::free(p);
        return cudaSuccess;
    });
}
/// Page-locked memory has one address for host and device.
inline cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned int) {
    return cuda_emulator::call("cudaHostGetDevicePointer", [&] {
        if (!cuda_emulator::is_pinned(host)) return cudaErrorInvalidValue;
        *device = host;
        return cudaSuccess;
    });
}
inline cudaError_t cudaHostRegister(void* p, std::size_t size, unsigned int) {
    return cuda_emulator::call("cudaHostRegister", [&] {
        if (p == nullptr || size == 0) return cudaErrorInvalidValue;
        if (cuda_emulator::is_pinned(p)) return cudaErrorHostMemoryAlreadyRegistered;
        cuda_emulator::state().pinned[static_cast<char*>(p)] = size;
        return cudaSuccess;
    });
}
inline cudaError_t cudaHostUnregister(void* p) {
    return cuda_emulator::call("cudaHostUnregister", [&] {
        for (int d = 0; d < cuda_emulator::settings().devices; ++d) cuda_emulator::wait_for_device(d);
        return cuda_emulator::state().pinned.erase(static_cast<char*>(p)) == 0 ? cudaErrorHostMemoryNotRegistered : cudaSuccess;
    });
}
template <class T>
cudaError_t cudaMalloc(T** p, std::size_t size) {
    return cudaMalloc(reinterpret_cast<void**>(p), size);
}
template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t size, cudaStream_t stream) {
    return cudaMallocAsync(reinterpret_cast<void**>(p), size, stream);
}
template <class T>
cudaError_t cudaHostAlloc(T** p, std::size_t size, unsigned int flags) {
    return cudaHostAlloc(reinterpret_cast<void**>(p), size, flags);
}
template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t size, unsigned int flags = cudaHostAllocDefault) {
    return cudaMallocHost(reinterpret_cast<void**>(p), size, flags);
}
