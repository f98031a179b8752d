// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Devices are types: `Tensor<float, Cpu>`, `Tensor<float, Cuda>`. Kernels are overloads on these tags.

#include <concepts>
#include <cstdint>
#include <string_view>

namespace headtorch {

/// The host's processor.
struct Cpu {};
/// An NVIDIA GPU; its kernels come with headtorch/cuda.hpp, which wants nvcc.
struct Cuda {};

enum class DeviceKind : std::uint8_t { cpu, cuda };

template <class D>
concept Device = std::same_as<D, Cpu> || std::same_as<D, Cuda>;

/// Where `Tensor<T>` and `nn::Linear<>` are when no device is named: the CPU, or what the whole program was compiled with as
/// -DHEADTORCH_DEFAULT_DEVICE=Cuda (PyTorch's set_default_device).
#if defined(HEADTORCH_DEFAULT_DEVICE)
using DefaultDevice = HEADTORCH_DEFAULT_DEVICE;
#else
using DefaultDevice = Cpu;
#endif

template <Device D>
inline constexpr DeviceKind device_kind = std::same_as<D, Cpu> ? DeviceKind::cpu : DeviceKind::cuda;

constexpr std::string_view name(DeviceKind kind) { return kind == DeviceKind::cpu ? "cpu" : "cuda"; }

/// True once the kernels of a device are there; headtorch/cuda.hpp specialises it.
template <Device D>
inline constexpr bool device_available = std::same_as<D, Cpu>;

/// Turns a missing include into one sentence.
template <Device D>
constexpr void require_device() {
    static_assert(device_available<D>, "headtorch: Tensor<T, Cuda> needs #include <headtorch/cuda.hpp>, compiled with nvcc");
}

}  // namespace headtorch
