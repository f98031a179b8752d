// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// What tests may ask of the emulator beyond CUDA.

#include "queue.h"

namespace cuda_emulator {

/// The runtime call of this name returns `error` instead of doing its work, once, after `after` more calls have succeeded. The name
/// "kernel" stands for a kernel that fails while it runs: then every later call returns the error, until recover().
inline void fail_next(const char* call, cudaError_t error, std::size_t after = 0) {
    const std::lock_guard lock(state().mutex);
    state().failures.push_back({call, error, after});
}

/// Forgets failures that have not happened, a lost context and this thread's last error.
inline void recover() {
    const std::lock_guard lock(state().mutex);
    state().failures.clear();
    state().sticky = cudaSuccess;
    last_error = cudaSuccess;
}

/// How much has been done since the program began.
inline Statistics statistics() {
    const std::lock_guard lock(state().mutex);
    return state().statistics;
}

/// Operations that are queued and have not run.
inline std::size_t pending() {
    const std::lock_guard lock(state().mutex);
    return state().pending;
}

/// Begins another sequence of orders of threads, blocks and streams.
inline void reseed(std::uint64_t seed) {
    const std::lock_guard lock(state().mutex);
    settings().seed = seed;
    state().random.position = seed;
    state().launches = 0;
}

}  // namespace cuda_emulator
