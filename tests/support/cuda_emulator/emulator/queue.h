// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Queued work: nothing runs before something waits for it, and then in an order that streams and events allow but that changes: sometimes
/// only what is waited for, sometimes work of other streams in between.

#include <algorithm>
#include <chrono>
#include <utility>

#include "faults.h"

namespace cuda_emulator {

/// One recorded piece of work of a graph; `after` are earlier nodes.
struct GraphNode {
    const char* name = "";
    unsigned int devices = 0;
    std::function<void()> work;
    std::vector<std::size_t> after;
};

}  // namespace cuda_emulator

struct CUgraph_st {
    std::vector<cuda_emulator::GraphNode> nodes;
};

namespace cuda_emulator {

/// Above these, enqueueing runs some of what waits: a GPU would have begun long ago.
inline constexpr std::size_t most_pending = 8192, most_held = 64 << 20;

/// The stream that a handle names; null when there is none.
inline CUstream_st* find_stream(cudaStream_t handle) {
    State& s = state();
    if (handle == nullptr || handle == cudaStreamLegacy) return s.legacy[static_cast<std::size_t>(current_device)].get();
    return s.streams.contains(handle) ? handle : nullptr;
}

inline void invalidate(const std::shared_ptr<Capture>& capture) {
    if (capture) capture->invalid = true;
}

/// Calls that a capture forbids: those that wait, allocate or free. The error also spoils the capture.
inline cudaError_t forbidden_in_capture() {
    cudaError_t error = cudaSuccess;
    for (const auto& capture : state().captures) {
        const bool here = capture->thread == std::this_thread::get_id();
        const bool counts = here ? capture->mode != cudaStreamCaptureModeRelaxed : capture->mode == cudaStreamCaptureModeGlobal;
        const bool ignored =
            capture_interaction == cudaStreamCaptureModeRelaxed || (capture_interaction == cudaStreamCaptureModeThreadLocal && !here);
        if (!counts || ignored) continue;
        invalidate(capture);
        error = cudaErrorStreamCaptureUnsupported;
    }
    return error;
}

/// The legacy default stream waits for all blocking streams, also for those that capture: that is an error.
inline cudaError_t implicit_wait(const CUstream_st& stream) {
    if (!stream.legacy) return cudaSuccess;
    for (CUstream_st* other : state().streams) {
        if (!other->capture || !other->blocking() || other->device != stream.device) continue;
        invalidate(other->capture);
        return cudaErrorStreamCaptureImplicit;
    }
    return cudaSuccess;
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Executes the operation at the head of a queue.
inline void execute(Queue& queue) {
    State& s = state();
    const Ticket operation = queue.waiting.front();
    queue.waiting.pop_front();
    if (s.sticky == cudaSuccess && operation->work) {
        open_devices(operation->devices);
        s.operation = operation->name;
        s.running = true;
        operation->work();
        s.running = false;
    }
    operation->done = true;
    operation->time = seconds();
    operation->work = nullptr;
    operation->after.clear();
    --s.pending;
    s.held -= operation->held;
}

/// Executes one operation: the head of `queue`, or one that this head waits for.
inline void step(Queue* queue) {
    for (;;) {
        const Operation& head = *queue->waiting.front();
        const Operation* missing = nullptr;
        std::size_t seen = 0;
        for (const Ticket& before : head.after)
            if (!before->done && state().random.below(++seen) == 0) missing = before.get();
        if (missing == nullptr) return execute(*queue);
        queue = missing->queue;
    }
}

inline void step_anywhere() {
    State& s = state();
    std::vector<Queue*> busy;
    for (const auto& queue : s.queues)
        if (!queue->waiting.empty()) busy.push_back(queue.get());
    for (CUstream_st* stream : s.streams)
        if (!stream->queue->waiting.empty()) busy.push_back(stream->queue.get());
    for (const auto& stream : s.legacy)
        if (!stream->queue->waiting.empty()) busy.push_back(stream->queue.get());
    if (!busy.empty()) step(busy[s.random.below(busy.size())]);
}

/// To be called after the last step: host code has the processor again.
inline void end_steps() {
    State& s = state();
    open_devices(0);
    std::erase_if(s.queues, [](const auto& queue) { return queue->waiting.empty() && !queue->owned; });
    watch_faults();
}

/// Runs what `target` needs, and by chance other work too.
inline cudaError_t wait_for(const Ticket& target) {
    State& s = state();
    if (target && !target->done) {
        const std::uint64_t others = s.random.below(4);  // 0: only what is needed
        while (!target->done) {
            if (s.random.below(4) < others)
                step_anywhere();
            else
                step(target->queue);
        }
        end_steps();
    }
    return s.sticky;
}

inline cudaError_t wait_for_device(int device) {
    State& s = state();
    wait_for(s.legacy[static_cast<std::size_t>(device)]->last);
    for (CUstream_st* stream : s.streams)
        if (stream->device == device) wait_for(stream->last);
    while (s.pending > 0 && s.arenas.size() == 1) step_anywhere();  // destroyed streams' work too
    for (bool found = true; found;) {
        found = false;
        for (const auto& queue : s.queues)
            if (!queue->waiting.empty()) {
                step(queue.get());
                found = true;
                break;
            }
    }
    end_steps();
    return s.sticky;
}

/// Polls: runs a few operations and says whether the target is done.
inline cudaError_t query(const Ticket& target) {
    State& s = state();
    for (std::uint64_t steps = 1 + s.random.below(3); target && !target->done && steps > 0; --steps) step(target->queue);
    end_steps();
    return s.sticky != cudaSuccess ? s.sticky : !target || target->done ? cudaSuccess : cudaErrorNotReady;
}

/// Puts an operation at the end of a queue.
inline void push(Queue& queue, const Ticket& operation) {
    State& s = state();
    operation->queue = &queue;
    queue.waiting.push_back(operation);
    ++s.pending;
    s.held += operation->held;
}

/// What the next operation of a stream waits for in other streams.
inline void add_default_stream_waits(const CUstream_st& stream, std::vector<Ticket>& after) {
    State& s = state();
    const auto add = [&](const CUstream_st& other) {
        if (other.last && !other.last->done) after.push_back(other.last);
    };
    if (stream.legacy) {
        for (CUstream_st* other : s.streams)
            if (other->device == stream.device && other->blocking()) add(*other);
        // work of streams that have been destroyed still counts
        for (const auto& queue : s.queues)
            if (!queue->waiting.empty()) after.push_back(queue->waiting.back());
    } else if (stream.blocking()) {
        add(*s.legacy[static_cast<std::size_t>(stream.device)]);
    }
}

/// Queues work in a stream, or records it in the graph that the stream captures.
inline cudaError_t enqueue(CUstream_st& stream, const char* name, unsigned int devices, std::function<void()> work,
                           std::vector<Ticket> after = {}, std::size_t held = 0) {
    State& s = state();
    watch_faults();
    if (stream.capture) {
        if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
        auto& nodes = stream.capture->graph->nodes;
        nodes.push_back({name, devices, std::move(work), stream.frontier});
        stream.frontier = {nodes.size() - 1};
        return cudaSuccess;
    }
    if (const cudaError_t error = implicit_wait(stream); error != cudaSuccess) return error;
    auto operation = std::make_shared<Operation>();
    operation->name = name;
    operation->devices = devices;
    operation->work = std::move(work);
    operation->after = std::move(after);
    operation->held = held;
    add_default_stream_waits(stream, operation->after);
    push(*stream.queue, operation);
    stream.last = operation;
    if (s.pending > most_pending || s.held > most_held) {
        while (s.pending > most_pending / 2 || s.held > most_held / 2) step_anywhere();
        end_steps();
    }
    return cudaSuccess;
}

}  // namespace cuda_emulator
