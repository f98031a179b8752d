// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// What the emulator knows: devices, streams, events, pinned memory, errors. One mutex guards all of it.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "arena.h"
#include "block.h"
#include "types.h"

namespace cuda_emulator {

struct Queue;

/// A piece of queued work: a kernel, a copy, an event. It may run once those of `after` and all before it in its queue have.
struct Operation {
    const char* name = "";
    unsigned int devices = 0;  // the bits of those whose memory it touches
    std::function<void()> work;
    std::vector<std::shared_ptr<Operation>> after;
    std::size_t held = 0;  // bytes of host memory that its closure keeps
    Queue* queue = nullptr;
    bool done = false;
    double time = 0;  // when it ended, in seconds
};
using Ticket = std::shared_ptr<Operation>;

struct Queue {
    std::deque<Ticket> waiting;
    bool owned = true;  // by a stream; another's goes when it is empty
};

/// A graph being captured.
struct Capture {
    CUgraph_st* graph = nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    std::thread::id thread;
    CUstream_st* origin = nullptr;
    unsigned long long id = 0;
    bool invalid = false;
    std::vector<CUstream_st*> streams;
};

}  // namespace cuda_emulator

struct CUstream_st {
    int device = 0;
    unsigned int flags = 0;
    int priority = 0;
    bool legacy = false;
    std::unique_ptr<cuda_emulator::Queue> queue;
    cuda_emulator::Ticket last;
    std::shared_ptr<cuda_emulator::Capture> capture;
    std::vector<std::size_t> frontier;  // the captured nodes that the next one comes after

    bool blocking() const { return !legacy && (flags & cudaStreamNonBlocking) == 0; }
};

struct CUevent_st {
    int device = 0;
    unsigned int flags = 0;
    cuda_emulator::Ticket recorded;
    std::weak_ptr<cuda_emulator::Capture> capture;
    bool captured = false;
    std::vector<std::size_t> nodes;
};

namespace cuda_emulator {

struct Statistics {
    std::size_t kernels = 0, copies = 0, allocations = 0, frees = 0, synchronisations = 0, graph_launches = 0;
};

struct Failure {
    std::string call;
    cudaError_t error;
    std::size_t after;
};

struct State {
    std::recursive_mutex mutex;
    Random random{settings().seed};
    std::vector<std::unique_ptr<Arena>> arenas;
    std::vector<std::unique_ptr<CUstream_st>> legacy;  // one per device
    std::set<CUstream_st*> streams;
    std::set<CUevent_st*> events;
    std::vector<std::unique_ptr<Queue>> queues;
    std::map<const char*, std::size_t> pinned;  // host memory that is page-locked
    std::vector<std::shared_ptr<Capture>> captures;
    std::vector<unsigned int> peers;  // the devices whose memory each device's kernels may touch
    std::vector<Failure> failures;
    cudaError_t sticky = cudaSuccess;
    unsigned int open = 0;
    bool running = false;
    const char* operation = nullptr;  // the one that runs
    std::size_t pending = 0, held = 0;
    unsigned long long captures_begun = 0;
    std::uint64_t launches = 0;
    Statistics statistics;

    State() {
        for (int d = 0; d < settings().devices; ++d) {
            arenas.push_back(std::make_unique<Arena>(settings().memory));
            legacy.push_back(std::make_unique<CUstream_st>());
            legacy.back()->device = d;
            legacy.back()->legacy = true;
            legacy.back()->queue = std::make_unique<Queue>();
            peers.push_back(0);
        }
    }
};

/// Never destroyed: static objects may own device memory.
inline State& state() {
    static State* const value = new State;
    return *value;
}

inline thread_local int current_device = 0;
inline thread_local cudaError_t last_error = cudaSuccess;
inline thread_local bool in_host_function = false;
inline thread_local cudaStreamCaptureMode capture_interaction = cudaStreamCaptureModeGlobal;

/// The device whose memory holds p, or -1.
inline int device_of(const void* p) {
    const State& s = state();
    for (std::size_t d = 0; d < s.arenas.size(); ++d)
        if (s.arenas[d]->holds(p)) return static_cast<int>(d);
    return -1;
}

/// True when p lies in page-locked memory.
inline bool is_pinned(const void* p) {
    const State& s = state();
    auto after = s.pinned.upper_bound(static_cast<const char*>(p));
    if (after == s.pinned.begin()) return false;
    --after;
    return static_cast<const char*>(p) < after->first + after->second;
}

/// Makes the memory of these devices, and of no others, accessible.
inline void open_devices(unsigned int devices) {
    State& s = state();
    if (devices == s.open) return;
    for (std::size_t d = 0; d < s.arenas.size(); ++d) s.arenas[d]->open((devices >> d & 1) != 0);
    s.open = devices;
}

/// What every call of the runtime does: one at a time; a lost context and a failure that a test asked for come first; the error is kept.
template <class Body>
cudaError_t call(const char* name, const Body& body) {
    if (in_host_function) return last_error = cudaErrorNotPermitted;
    State& s = state();
    const std::lock_guard lock(s.mutex);
    cudaError_t error = s.arenas.empty() ? cudaErrorNoDevice : s.sticky;
    for (std::size_t i = 0; i < s.failures.size() && error == cudaSuccess; ++i) {
        if (s.failures[i].call != name || s.failures[i].after-- != 0) continue;
        error = s.failures[i].error;
        s.failures.erase(s.failures.begin() + static_cast<std::ptrdiff_t>(i));
        if (error == cudaSuccess) break;
    }
    if (error == cudaSuccess) error = body();
    if (error != cudaSuccess) last_error = error;
    return error;
}

}  // namespace cuda_emulator
