// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// cudaLaunchKernelEx and what one may ask about a kernel. The arguments are copied at the call, as CUDA does; the kernel runs later.

#include <tuple>
#include <type_traits>

#include "queue.h"

namespace cuda_emulator {

inline constexpr std::size_t most_shared = 48 << 10, most_shared_optin = 99 << 10;

template <class... P>
struct KernelCall {
    void (*function)(P...);
    std::tuple<std::remove_cv_t<P>...> arguments;

    static void invoke(const void* self) {
        const auto* call = static_cast<const KernelCall*>(self);
        std::apply(call->function, call->arguments);
    }
};

/// A pointer argument must lead to memory of the device (or of a peer it may use) or to page-locked memory.
template <class T>
void check_argument([[maybe_unused]] const T& value, [[maybe_unused]] int device, [[maybe_unused]] int index,
                    [[maybe_unused]] const void* function) {
    if constexpr (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>) {
        const void* address = value;
        if (address == nullptr || is_pinned(address)) return;
        const int owner = device_of(address);
        if (owner == device || (owner >= 0 && (state().peers[static_cast<std::size_t>(device)] >> owner & 1) != 0)) return;
        if (owner >= 0)
            fail("kernel %s is launched on device %d, but its argument %d points to memory of device %d", symbol_name(function).c_str(),
                 device, index, owner);
        fail("kernel %s is launched with a pointer to host memory as its argument %d", symbol_name(function).c_str(), index);
    }
}

inline bool valid_launch(const dim3& grid, const dim3& block) {
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    return grid.x >= 1 && grid.x <= 0x7fffffffu && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535 && threads >= 1 &&
           threads <= most_threads && block.x <= 1024 && block.y <= 1024 && block.z <= 64;
}

/// A failure that a test has asked for under the name "kernel" is found when the kernel runs, and loses the context.
inline bool kernel_fails() {
    auto& failures = state().failures;
    for (std::size_t i = 0; i < failures.size(); ++i) {
        if (failures[i].call != "kernel" || failures[i].after-- != 0) continue;
        state().sticky = failures[i].error;
        failures.erase(failures.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
    }
    return false;
}

template <class... P, std::size_t... I>
cudaError_t launch(const cudaLaunchConfig_t& config, void (*function)(P...), std::tuple<std::remove_cv_t<P>...> arguments,
                   std::index_sequence<I...>) {
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    CUstream_st* stream = find_stream(config.stream);
    if (stream == nullptr || stream->device != current_device) return cudaErrorInvalidResourceHandle;
    if (!valid_launch(config.gridDim, config.blockDim) || config.dynamicSmemBytes > most_shared_optin) return cudaErrorInvalidConfiguration;
    const int device = stream->device;
    const void* address = reinterpret_cast<const void*>(function);
    (check_argument(std::get<I>(arguments), device, static_cast<int>(I), address), ...);
    const unsigned int devices = 1u << device | state().peers[static_cast<std::size_t>(device)];
    const KernelCall<P...> call{function, std::move(arguments)};
    return enqueue(*stream, "a kernel", devices, [call, address, device, grid = config.gridDim, block = config.blockDim] {
        State& s = state();
        ++s.statistics.kernels;
        if (kernel_fails()) return;
        engine.run({&KernelCall<P...>::invoke, &call, address, device, grid, block}, settings().seed + ++s.launches);
    });
}

}  // namespace cuda_emulator

template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...), A&&... arguments) {
    return cuda_emulator::call("cudaLaunchKernelEx", [&] {
        return cuda_emulator::launch(*config, kernel, std::tuple<std::remove_cv_t<P>...>(static_cast<P>(std::forward<A>(arguments))...),
                                     std::index_sequence_for<P...>());
    });
}

/// The older form, whose arguments are pointers to the values.
template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments, std::size_t shared = 0,
                             cudaStream_t stream = nullptr) {
    return cuda_emulator::call("cudaLaunchKernel", [&] {
        cudaLaunchConfig_t config{grid, block, shared, stream, nullptr, 0};
        std::size_t i = 0;
        std::tuple<std::remove_cv_t<P>...> values{*static_cast<std::remove_cv_t<P>*>(arguments[i++])...};
        return cuda_emulator::launch(config, kernel, std::move(values), std::index_sequence_for<P...>());
    });
}

template <class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(P...)) {
    return cuda_emulator::call("cudaFuncGetAttributes", [&] {
        if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
        *attributes = {};
        attributes->maxThreadsPerBlock = cuda_emulator::most_threads;
        attributes->numRegs = 32;
        attributes->ptxVersion = attributes->binaryVersion = 80;
        attributes->maxDynamicSharedSizeBytes = static_cast<int>(cuda_emulator::most_shared);
        return cudaSuccess;
    });
}
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
    return cuda_emulator::call("cudaFuncSetAttribute", [&] {
        if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
        const int most =
            attribute == cudaFuncAttributeMaxDynamicSharedMemorySize ? static_cast<int>(cuda_emulator::most_shared_optin) : 100;
        return value > most ? cudaErrorInvalidValue : cudaSuccess;
    });
}
template <class... P>
cudaError_t cudaFuncSetCacheConfig(void (*)(P...), cudaFuncCache) {
    return cudaSuccess;
}
template <class... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(P...), int block_size, std::size_t shared) {
    return cuda_emulator::call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
        if (block_size < 1) return cudaErrorInvalidValue;
        const int warps = (block_size + 31) / 32;
        *blocks = block_size > cuda_emulator::most_threads || shared > cuda_emulator::most_shared_optin ? 0 : std::min(32, 64 / warps);
        return cudaSuccess;
    });
}
template <class... P>
cudaError_t cudaOccupancyMaxPotentialBlockSize(int* least_grid, int* block_size, void (*)(P...), std::size_t = 0, int limit = 0) {
    return cuda_emulator::call("cudaOccupancyMaxPotentialBlockSize", [&] {
        *block_size = limit > 0 ? std::min(limit, 1024) : 1024;
        *least_grid = 4 * (2048 / *block_size);
        return cudaSuccess;
    });
}
