// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// cudaError_t with CUDA's numbers, and the names of its values.

#define CUDA_EMULATOR_ERRORS(ENTRY)                                                                                            \
    ENTRY(cudaSuccess, 0, "no error")                                                                                          \
    ENTRY(cudaErrorInvalidValue, 1, "invalid argument")                                                                        \
    ENTRY(cudaErrorMemoryAllocation, 2, "out of memory")                                                                       \
    ENTRY(cudaErrorInitializationError, 3, "initialization error")                                                             \
    ENTRY(cudaErrorCudartUnloading, 4, "driver shutting down")                                                                 \
    ENTRY(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                                                  \
    ENTRY(cudaErrorInvalidPitchValue, 12, "invalid pitch argument")                                                            \
    ENTRY(cudaErrorInvalidSymbol, 13, "invalid device symbol")                                                                 \
    ENTRY(cudaErrorInvalidDevicePointer, 17, "invalid device pointer")                                                         \
    ENTRY(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")                                            \
    ENTRY(cudaErrorInsufficientDriver, 35, "CUDA driver version is insufficient for CUDA runtime version")                     \
    ENTRY(cudaErrorDevicesUnavailable, 46, "CUDA-capable device(s) is/are busy or unavailable")                                \
    ENTRY(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                                                       \
    ENTRY(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                                                        \
    ENTRY(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                                               \
    ENTRY(cudaErrorNoKernelImageForDevice, 209, "no kernel image is available for execution on the device")                    \
    ENTRY(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error encountered")                                               \
    ENTRY(cudaErrorPeerAccessUnsupported, 217, "peer access is not supported between these two devices")                       \
    ENTRY(cudaErrorUnsupportedPtxVersion, 222, "the provided PTX was compiled with an unsupported toolchain")                  \
    ENTRY(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                                                      \
    ENTRY(cudaErrorIllegalState, 401, "the operation cannot be performed in the present state")                                \
    ENTRY(cudaErrorSymbolNotFound, 500, "named symbol not found")                                                              \
    ENTRY(cudaErrorNotReady, 600, "device not ready")                                                                          \
    ENTRY(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")                                            \
    ENTRY(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")                                       \
    ENTRY(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                                              \
    ENTRY(cudaErrorPeerAccessAlreadyEnabled, 704, "peer access is already enabled")                                            \
    ENTRY(cudaErrorPeerAccessNotEnabled, 705, "peer access has not been enabled")                                              \
    ENTRY(cudaErrorContextIsDestroyed, 709, "context is destroyed")                                                            \
    ENTRY(cudaErrorAssert, 710, "device-side assert triggered")                                                                \
    ENTRY(cudaErrorHostMemoryAlreadyRegistered, 712, "part or all of the requested memory range is already mapped")            \
    ENTRY(cudaErrorHostMemoryNotRegistered, 713, "pointer does not correspond to a registered memory region")                  \
    ENTRY(cudaErrorIllegalInstruction, 715, "an illegal instruction was encountered")                                          \
    ENTRY(cudaErrorMisalignedAddress, 716, "misaligned address")                                                               \
    ENTRY(cudaErrorLaunchFailure, 719, "unspecified launch failure")                                                           \
    ENTRY(cudaErrorNotPermitted, 800, "operation not permitted")                                                               \
    ENTRY(cudaErrorNotSupported, 801, "operation not supported")                                                               \
    ENTRY(cudaErrorStreamCaptureUnsupported, 900, "operation not permitted when stream is capturing")                          \
    ENTRY(cudaErrorStreamCaptureInvalidated, 901, "operation failed due to a previous error during capture")                   \
    ENTRY(cudaErrorStreamCaptureMerge, 902, "operation would result in a merge of separate capture sequences")                 \
    ENTRY(cudaErrorStreamCaptureUnmatched, 903, "capture was not ended in the same stream as it began")                        \
    ENTRY(cudaErrorStreamCaptureUnjoined, 904, "capturing stream has unjoined work")                                           \
    ENTRY(cudaErrorStreamCaptureIsolation, 905, "dependency created on uncaptured work in another stream")                     \
    ENTRY(cudaErrorStreamCaptureImplicit, 906, "operation would make the legacy stream depend on a capturing blocking stream") \
    ENTRY(cudaErrorCapturedEvent, 907, "operation not permitted on an event last recorded in a capturing stream")              \
    ENTRY(cudaErrorStreamCaptureWrongThread, 908, "attempt to terminate a thread-local capture sequence from another thread")  \
    ENTRY(cudaErrorTimeout, 909, "wait operation timed out")                                                                   \
    ENTRY(cudaErrorUnknown, 999, "unknown error")

#define CUDA_EMULATOR_VALUE(name, number, text) name = number,
enum cudaError { CUDA_EMULATOR_ERRORS(CUDA_EMULATOR_VALUE) };
#undef CUDA_EMULATOR_VALUE
using cudaError_t = cudaError;

inline const char* cudaGetErrorName(cudaError_t error) {
#define CUDA_EMULATOR_NAME(name, number, text) \
    case name:                                 \
        return #name;
    switch (error) { CUDA_EMULATOR_ERRORS(CUDA_EMULATOR_NAME) }
#undef CUDA_EMULATOR_NAME
    return "unrecognized error code";
}

inline const char* cudaGetErrorString(cudaError_t error) {
#define CUDA_EMULATOR_TEXT(name, number, text) \
    case name:                                 \
        return text;
    switch (error) { CUDA_EMULATOR_ERRORS(CUDA_EMULATOR_TEXT) }
#undef CUDA_EMULATOR_TEXT
    return "unrecognized error code";
}
#undef CUDA_EMULATOR_ERRORS

namespace cuda_emulator {

/// True for the errors after which a CUDA context is lost: every later call returns them too.
constexpr bool is_sticky(cudaError_t error) {
    return error == cudaErrorIllegalAddress || error == cudaErrorLaunchTimeout || error == cudaErrorAssert ||
           error == cudaErrorIllegalInstruction || error == cudaErrorMisalignedAddress || error == cudaErrorLaunchFailure ||
           error == cudaErrorECCUncorrectable;
}

}  // namespace cuda_emulator
