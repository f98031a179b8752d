// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Plain arrays in device memory, for tests of kernels.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "tests/support/catch.hpp"

namespace headtorch::testing {

/// True, and the test says so, where there is no GPU to run it on: `if (no_gpu()) return;`
inline bool no_gpu() {
    if (cuda::is_available()) return false;
    WARN("skipped: there is no GPU");
    return true;
}

template <class T>
class OnGpu {
public:
    explicit OnGpu(const std::vector<T>& host) : memory_(static_cast<std::int64_t>(host.size())), count_(host.size()) {
        cuda::copy_async(memory_.data(), host.data(), count_ * sizeof(T), cudaMemcpyHostToDevice, "test");
        cuda::synchronize();
    }
    T* data() const { return memory_.data(); }
    std::vector<T> host() const {
        std::vector<T> copy(count_);
        if (count_ > 0) cuda::read(data(), static_cast<std::int64_t>(count_), copy.data(), "test");
        return copy;
    }

private:
    cuda::Scratch<T> memory_;
    std::size_t count_;
};

/// Numbers from -1 to 1; integers of any size, whose products wrap around.
template <class T>
std::vector<T> uniform_numbers(std::int64_t n, std::mt19937& random) {
    std::vector<T> numbers(static_cast<std::size_t>(n));
    for (T& x : numbers)
        if constexpr (std::is_integral_v<T>)
            x = static_cast<T>(random());
        else
            x = static_cast<T>(std::uniform_real_distribution<float>(-1, 1)(random));
    return numbers;
}

/// How far a sum may be off, as a share of the sum of its absolute terms.
template <class T>
constexpr double sum_tolerance() {
    return std::same_as<T, double> ? 1e-12 : std::same_as<T, float> ? 1e-6 : std::same_as<T, float16> ? 6e-4 : 5e-3;
}

/// What rounding may change at most however small a number is.
template <class T>
constexpr double smallest_step() {
    return std::same_as<T, float16> ? 0x1p-25 : 0;
}

}  // namespace headtorch::testing
