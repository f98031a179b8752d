// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The CUDA runtime, and its errors as exceptions.

#if !defined(__CUDACC__) && !defined(HEADTORCH_CUDA_EMULATOR)
#error "headtorch: headtorch/cuda.hpp is compiled with nvcc (CMake: link headtorch::cuda, or set the source's LANGUAGE to CUDA)"
#endif

#include <cuda_runtime.h>

#include <string>
#include <string_view>

#include "headtorch/core/error.hpp"

namespace headtorch {

/// A call of CUDA, cuBLAS or cuDNN failed. After some failures (an illegal address, say) the process can use the GPU no more: the message
/// says so, and usable() is false.
class CudaError : public Error {
public:
    CudaError(const std::string& text, bool usable) : Error(text), usable_(usable) {}
    /// The GPU can still be used.
    bool usable() const noexcept { return usable_; }

private:
    bool usable_;
};

namespace cuda {

/// Throws CudaError when a call did not succeed: `op` is ours, `call` the name of the function.
HEADTORCH_COLD inline void raise(cudaError_t status, std::string_view op, std::string_view call) {
    // an error that stays after it was fetched is one of the context, which only the end of the process clears
    cudaGetLastError();
    const bool usable = cudaGetLastError() == cudaSuccess && cudaStreamQuery(nullptr) != status;
    cudaGetLastError();
    const std::string text = message(op, ": ", call, " failed: ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")",
                                     usable ? "" : "; the GPU cannot be used any more by this process, start it again");
    if (status == cudaErrorMemoryAllocation) throw OutOfMemoryError(text);
    throw CudaError(text, usable);
}

inline void check(cudaError_t status, std::string_view op, std::string_view call) {
    if (status != cudaSuccess) [[unlikely]]
        raise(status, op, call);
}

}  // namespace cuda
}  // namespace headtorch
