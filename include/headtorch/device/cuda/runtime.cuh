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

/// A call of CUDA, cuBLAS or cuDNN failed. Where there is no GPU, and after some failures (an illegal address, say), the process cannot use
/// one: the message says so, and usable() is false.
class CudaError : public Error {
public:
    CudaError(const std::string& text, bool usable) : Error(text), usable_(usable) {}
    /// The GPU can still be used.
    bool usable() const noexcept { return usable_; }

private:
    bool usable_;
};

namespace cuda {

/// What to do about a failure.
inline std::string_view remedy(cudaError_t status, bool usable) {
    switch (status) {
        case cudaErrorNoDevice:
        case cudaErrorInsufficientDriver:
            return "; there is no NVIDIA GPU here that this program can use (is a driver installed, is it as new as the CUDA Toolkit, "
                   "does CUDA_VISIBLE_DEVICES hide the GPU?): use Cpu where cuda::is_available() is false";
        case cudaErrorNoKernelImageForDevice:
        case cudaErrorUnsupportedPtxVersion:
            return "; the program was not compiled for this GPU: add its compute capability to CMAKE_CUDA_ARCHITECTURES (nvcc -arch)";
        default: return usable ? "" : "; the GPU cannot be used any more by this process, start it again";
    }
}

/// Throws CudaError when a call did not succeed: `op` is ours, `call` the name of the function.
HEADTORCH_COLD inline void raise(cudaError_t status, std::string_view op, std::string_view call) {
    // an error that stays after it was fetched is one of the context, which only the end of the process clears
    cudaGetLastError();
    const bool usable = cudaGetLastError() == cudaSuccess && cudaStreamQuery(nullptr) != status;
    cudaGetLastError();
    const std::string text =
        message(op, ": ", call, " failed: ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")", remedy(status, usable));
    if (status == cudaErrorMemoryAllocation) throw OutOfMemoryError(text);
    throw CudaError(text, usable);
}

inline void check(cudaError_t status, std::string_view op, std::string_view call) {
    if (status != cudaSuccess) [[unlikely]]
        raise(status, op, call);
}

/// While it lives, this thread may make calls that are no work, such as for memory, though a graph is being captured. What it calls itself
/// fails only where the next call fails too, which says so.
class BesideCapture {
public:
    BesideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
    ~BesideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
    BesideCapture(const BesideCapture&) = delete;
    BesideCapture& operator=(const BesideCapture&) = delete;

private:
    cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace cuda
}  // namespace headtorch
