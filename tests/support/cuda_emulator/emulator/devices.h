// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Devices, what they can do, and errors.

#include "launch.h"
#include "memory.h"

inline cudaError_t cudaGetLastError() {
    if (cuda_emulator::in_host_function) return cudaErrorNotPermitted;
    const std::lock_guard lock(cuda_emulator::state().mutex);
    const cudaError_t error = std::exchange(cuda_emulator::last_error, cudaSuccess);
    return cuda_emulator::state().sticky != cudaSuccess ? cuda_emulator::state().sticky : error;
}
inline cudaError_t cudaPeekAtLastError() {
    const std::lock_guard lock(cuda_emulator::state().mutex);
    return cuda_emulator::state().sticky != cudaSuccess ? cuda_emulator::state().sticky : cuda_emulator::last_error;
}

inline cudaError_t cudaGetDeviceCount(int* count) {
    *count = 0;
    return cuda_emulator::call("cudaGetDeviceCount", [&] {
        *count = cuda_emulator::settings().devices;
        return cudaSuccess;
    });
}
inline cudaError_t cudaSetDevice(int device) {
    return cuda_emulator::call("cudaSetDevice", [&] {
        if (device < 0 || device >= cuda_emulator::settings().devices) return cudaErrorInvalidDevice;
        cuda_emulator::current_device = device;
        return cudaSuccess;
    });
}
inline cudaError_t cudaGetDevice(int* device) {
    return cuda_emulator::call("cudaGetDevice", [&] {
        *device = cuda_emulator::current_device;
        return cudaSuccess;
    });
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    return cuda_emulator::call("cudaDeviceGetAttribute", [&] {
        if (device < 0 || device >= cuda_emulator::settings().devices) return cudaErrorInvalidDevice;
        switch (attribute) {
            case cudaDevAttrMaxThreadsPerBlock:
            case cudaDevAttrMaxBlockDimX:
            case cudaDevAttrMaxBlockDimY:
                *value = 1024;
                break;
            case cudaDevAttrMaxBlockDimZ:
                *value = 64;
                break;
            case cudaDevAttrMaxGridDimX:
                *value = 0x7fffffff;
                break;
            case cudaDevAttrMaxGridDimY:
            case cudaDevAttrMaxGridDimZ:
                *value = 65535;
                break;
            case cudaDevAttrMaxSharedMemoryPerBlock:
                *value = static_cast<int>(cuda_emulator::most_shared);
                break;
            case cudaDevAttrWarpSize:
                *value = 32;
                break;
            case cudaDevAttrMaxRegistersPerBlock:
            case cudaDevAttrMaxRegistersPerMultiprocessor:
                *value = 65536;
                break;
            case cudaDevAttrMultiProcessorCount:
                *value = 4;
                break;
            case cudaDevAttrIntegrated:
                *value = 0;
                break;
            case cudaDevAttrConcurrentKernels:
                *value = 1;
                break;
            case cudaDevAttrL2CacheSize:
                *value = 4 << 20;
                break;
            case cudaDevAttrMaxThreadsPerMultiProcessor:
                *value = 2048;
                break;
            case cudaDevAttrComputeCapabilityMajor:
                *value = 8;
                break;
            case cudaDevAttrComputeCapabilityMinor:
                *value = 0;
                break;
            case cudaDevAttrMaxSharedMemoryPerBlockOptin:
                *value = static_cast<int>(cuda_emulator::most_shared_optin);
                break;
            case cudaDevAttrMaxBlocksPerMultiprocessor:
                *value = 32;
                break;
            case cudaDevAttrMemoryPoolsSupported:
                *value = 1;
                break;
            default:
                return cudaErrorInvalidValue;
        }
        return cudaSuccess;
    });
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    return cuda_emulator::call("cudaGetDeviceProperties", [&] {
        if (device < 0 || device >= cuda_emulator::settings().devices) return cudaErrorInvalidDevice;
        cudaDeviceProp p{};
        std::strcpy(p.name, "CUDA emulator");
        p.totalGlobalMem = cuda_emulator::arena(device).limit();
        p.sharedMemPerBlock = cuda_emulator::most_shared;
        p.sharedMemPerBlockOptin = cuda_emulator::most_shared_optin;
        p.sharedMemPerMultiprocessor = 100 << 10;
        p.regsPerBlock = p.regsPerMultiprocessor = 65536;
        p.warpSize = 32;
        p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
        p.maxThreadsDim[2] = 64;
        p.maxGridSize[0] = 0x7fffffff;
        p.maxGridSize[1] = p.maxGridSize[2] = 65535;
        p.totalConstMem = 64 << 10;
        p.major = 8;
        p.multiProcessorCount = 4;
        p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = p.streamPrioritiesSupported = p.memoryPoolsSupported = 1;
        p.asyncEngineCount = 2;
        p.memoryBusWidth = 64;
        p.l2CacheSize = 4 << 20;
        p.maxThreadsPerMultiProcessor = 2048;
        p.maxBlocksPerMultiProcessor = 32;
        p.pciBusID = device + 1;
        *properties = p;
        return cudaSuccess;
    });
}

inline cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
    return cuda_emulator::call("cudaDeviceCanAccessPeer", [&] {
        const int devices = cuda_emulator::settings().devices;
        if (device < 0 || device >= devices || peer < 0 || peer >= devices) return cudaErrorInvalidDevice;
        *can = device != peer;
        return cudaSuccess;
    });
}
inline cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int flags) {
    return cuda_emulator::call("cudaDeviceEnablePeerAccess", [&] {
        if (flags != 0) return cudaErrorInvalidValue;
        if (peer < 0 || peer >= cuda_emulator::settings().devices || peer == cuda_emulator::current_device) return cudaErrorInvalidDevice;
        unsigned int& peers = cuda_emulator::state().peers[static_cast<std::size_t>(cuda_emulator::current_device)];
        if ((peers >> peer & 1) != 0) return cudaErrorPeerAccessAlreadyEnabled;
        peers |= 1u << peer;
        return cudaSuccess;
    });
}
inline cudaError_t cudaDeviceDisablePeerAccess(int peer) {
    return cuda_emulator::call("cudaDeviceDisablePeerAccess", [&] {
        if (peer < 0 || peer >= cuda_emulator::settings().devices) return cudaErrorInvalidDevice;
        unsigned int& peers = cuda_emulator::state().peers[static_cast<std::size_t>(cuda_emulator::current_device)];
        if ((peers >> peer & 1) == 0) return cudaErrorPeerAccessNotEnabled;
        peers &= ~(1u << peer);
        return cudaSuccess;
    });
}

inline cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}
inline cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
inline cudaError_t cudaSetDeviceFlags(unsigned int) { return cudaSuccess; }
