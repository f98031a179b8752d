// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Errors that kernels find. The host does not wait for a check: a kernel notes what is wrong in memory that both can read, and the next
/// call that waits for the GPU (a copy to the host, item(), synchronize()) throws.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "headtorch/device/cuda/device.cuh"
#include "headtorch/device/index_rule.hpp"

namespace headtorch::cuda {

/// What a kernel of one GPU found wrong: the first index of the earliest launch.
struct Report {
    unsigned lock = 0;        ///< of the GPU's threads
    std::int64_t launch = 0;  ///< 0: all is well
    std::int64_t index = 0, position = 0;
    IndexRule rule = {};
};

/// Given to a kernel that checks.
struct Reporter {
    Report* report;
    std::int64_t launch;
    IndexRule rule;

    /// Notes that the index at `position` breaks the rule. One thread of a block at a time should do: they wait for each other.
    __device__ void operator()(std::int64_t index, std::int64_t position) const {
        for (bool done = false; !done;) {
            if (atomicCAS(&report->lock, 0u, 1u) != 0u) continue;
            volatile std::int64_t &noted = report->launch, &at = report->position;
            if (noted == 0 || launch < noted || (launch == noted && position < at)) {
                *const_cast<volatile std::int64_t*>(&report->index) = index;
                at = position;
                report->rule = rule;
                __threadfence_system();
                noted = launch;
            }
            __threadfence_system();
            atomicExch(&report->lock, 0u);
            done = true;
        }
    }
};

namespace detail {

inline std::atomic<Report*>& reports() {
    static std::atomic<Report*> all{nullptr};
    return all;
}

/// One report for each GPU, in host memory that every GPU can write to. Never freed.
inline Report* make_reports() {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    if (Report* all = reports().load()) return all;
    void* data = nullptr;
    const BesideCapture beside;
    check(cudaHostAlloc(&data, max_devices * sizeof(Report), cudaHostAllocPortable | cudaHostAllocMapped), "check_index", "cudaHostAlloc");
    Report* all = static_cast<Report*>(data);
    for (int device = 0; device < max_devices; ++device) new (all + device) Report;
    reports().store(all);
    return all;
}

}  // namespace detail

/// For a check that is about to be launched on the current GPU.
inline Reporter reporter(const IndexRule& rule) {
    static std::atomic<std::int64_t> launches{0};
    Report* all = detail::reports().load(std::memory_order_acquire);
    if (!all) all = detail::make_reports();
    return {all + current_device(), ++launches, rule};
}

/// Throws what kernels of the current GPU have reported, once. Called when the host has waited for it.
inline void raise_reported() {
    Report* all = detail::reports().load(std::memory_order_acquire);
    if (!all) return;
    Report& report = all[current_device()];
    std::atomic_ref<std::int64_t> launch(report.launch);
    if (launch.load(std::memory_order_acquire) == 0) [[likely]]
        return;
    const IndexRule rule = report.rule;
    const std::int64_t index = report.index, position = report.position;
    launch.store(0, std::memory_order_release);
    throw IndexError(rule.describe(rule, index, position));
}

/// True when every check waits for its result, so that the op itself throws: for finding out who is to blame, and for tests. On at first
/// where the environment has CUDA_LAUNCH_BLOCKING=1.
inline bool& launch_blocking() {
    static bool blocking = [] {
        const char* value = std::getenv("CUDA_LAUNCH_BLOCKING");
        return value && value[0] == '1';
    }();
    return blocking;
}

}  // namespace headtorch::cuda
