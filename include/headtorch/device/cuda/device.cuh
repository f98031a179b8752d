// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// GPUs by index. Every thread has a current one, 0 at first, on which tensors are made and kernels run; DeviceGuard changes it.

#include <array>
#include <cstddef>
#include <string>

#include "headtorch/device/cuda/runtime.cuh"

namespace headtorch::cuda {

/// More than any machine has; what is kept for each device is an array of this size.
inline constexpr int max_devices = 64;

/// How many GPUs there are; 0 also where there is no driver.
inline int device_count() {
    static const int count = [] {
        int n = 0;
        if (cudaGetDeviceCount(&n) != cudaSuccess) {
            cudaGetLastError();
            n = 0;
        }
        return n < max_devices ? n : max_devices;
    }();
    return count;
}
inline bool is_available() { return device_count() > 0; }

inline int current_device() {
    int device = 0;
    check(cudaGetDevice(&device), "current_device", "cudaGetDevice");
    return device;
}

/// Throws ValueError when there is no such GPU.
inline void set_device(int device) {
    if (device < 0 || device >= device_count())
        throw ValueError(message("set_device: there is no GPU ", device, "; this machine has ", device_count()));
    check(cudaSetDevice(device), "set_device", "cudaSetDevice");
}

/// Makes a GPU the current one until the end of the scope.
class DeviceGuard {
public:
    explicit DeviceGuard(int device) : before_(current_device()) { set_device(device); }
    ~DeviceGuard() { cudaSetDevice(before_); }
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

private:
    int before_;
};

/// What kernels and their authors want to know of a GPU.
struct DeviceProperties {
    std::string name;
    int major = 0, minor = 0;  ///< compute capability
    int multi_processor_count = 0;
    std::size_t total_memory = 0;  ///< bytes
};

inline DeviceProperties get_device_properties(int device = current_device()) {
    cudaDeviceProp raw;
    check(cudaGetDeviceProperties(&raw, device), "get_device_properties", "cudaGetDeviceProperties");
    return {raw.name, raw.major, raw.minor, raw.multiProcessorCount, raw.totalGlobalMem};
}

/// The current GPU's number of multiprocessors, asked for once.
inline int multi_processor_count() {
    static std::array<int, max_devices> counts{};
    const int device = current_device();
    int& count = counts[static_cast<std::size_t>(device)];
    if (count == 0)
        check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "multi_processor_count", "cudaDeviceGetAttribute");
    return count;
}

}  // namespace headtorch::cuda
