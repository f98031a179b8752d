// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Places counted with an int where they fit, else with 64 bits, and their quotients.

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/walk.cuh"

namespace headtorch::cuda {

/// Division of places by a size that is not 0 (for 0, by 1: there are no places then).
template <class Index>
struct Quotient {
    Index divisor;
    Divisor quick;

    explicit Quotient(std::int64_t size)
        : divisor(static_cast<Index>(std::max<std::int64_t>(1, size))),
          quick(sizeof(Index) == 4 ? static_cast<std::uint32_t>(divisor) : 1u) {}

    __device__ Index operator()(Index n) const {
        if constexpr (sizeof(Index) == 4)
            return static_cast<Index>(quick(static_cast<std::uint32_t>(n)));
        else
            return n / divisor;
    }
    /// The rest; `n` becomes the quotient.
    __device__ Index take_rest(Index& n) const {
        const Index quotient = (*this)(n), rest = n - quotient * divisor;
        n = quotient;
        return rest;
    }
};

/// Calls run(Index{}) with the type that counts `elements` places.
template <class Run>
void with_index(std::int64_t elements, const Run& run) {
    if (fits_int(elements))
        run(int{});
    else
        run(std::int64_t{});
}

/// An unsigned integer of so many bytes: kernels that only move elements need no more of their type.
template <int bytes>
using Word =
    std::conditional_t<bytes == 1, std::uint8_t,
                       std::conditional_t<bytes == 2, std::uint16_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;

/// Sets every byte, when its turn on the current stream has come.
inline void fill_bytes(std::string_view op, void* data, int value, std::int64_t bytes) {
    if (bytes > 0) check(cudaMemsetAsync(data, value, static_cast<std::size_t>(bytes), current_stream().get()), op, "cudaMemsetAsync");
}

}  // namespace headtorch::cuda
