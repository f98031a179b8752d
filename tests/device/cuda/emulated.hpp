// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Arrays and launches for the tests of the emulator itself, which use nothing but CUDA.

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

#include "tests/support/catch.hpp"

namespace headtorch::testing {

/// An array on the device.
template <class T>
struct Array {
    T* data = nullptr;
    std::size_t count;

    explicit Array(std::size_t n) : count(n) { REQUIRE(cudaMalloc(&data, n * sizeof(T)) == cudaSuccess); }
    Array(std::size_t n, T value) : Array(n) { put(std::vector<T>(n, value)); }
    Array(const Array&) = delete;
    ~Array() { cudaFree(data); }
    void put(const std::vector<T>& values) {
        REQUIRE(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
    }
    std::vector<T> get() const {
        std::vector<T> values(count);
        REQUIRE(cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
        return values;
    }
};

template <class... P, class... A>
cudaError_t launch(dim3 grid, dim3 block, void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace headtorch::testing
