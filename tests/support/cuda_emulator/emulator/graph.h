// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// Graphs: what a stream captures is recorded, not run; each launch of the graph queues it anew.

#include "queue.h"

struct CUgraphExec_st {
    std::vector<cuda_emulator::GraphNode> nodes;
};

namespace cuda_emulator {

inline std::set<CUgraph_st*>& graphs() {
    static auto* const live = new std::set<CUgraph_st*>;
    return *live;
}
inline std::set<CUgraphExec_st*>& executables() {
    static auto* const live = new std::set<CUgraphExec_st*>;
    return *live;
}

/// True when all that the capture recorded comes before the end of its first stream.
inline bool all_joined(const Capture& capture) {
    const auto& nodes = capture.graph->nodes;
    std::vector<bool> reached(nodes.size(), false);
    for (const std::size_t node : capture.origin->frontier) reached[node] = true;
    for (std::size_t i = nodes.size(); i-- > 0;) {
        if (!reached[i]) return false;  // later nodes are never before earlier ones, so i can no longer be reached
        for (const std::size_t before : nodes[i].after) reached[before] = true;
    }
    for (const CUstream_st* stream : capture.streams)
        for (const std::size_t node : stream->frontier)
            if (!reached[node]) return false;
    return true;
}

/// Queues all nodes: each goes behind one that it follows where that is the last of its queue, else into a new queue.
inline cudaError_t launch_graph(const CUgraphExec_st& executable, CUstream_st& stream) {
    State& s = state();
    if (stream.capture) {  // a graph in a graph: its nodes are recorded
        if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
        auto& nodes = stream.capture->graph->nodes;
        const std::size_t offset = nodes.size();
        std::vector<std::size_t> ends;
        std::vector<bool> followed(executable.nodes.size(), false);
        for (const GraphNode& node : executable.nodes) {
            GraphNode copy = node;
            for (std::size_t& before : copy.after) {
                followed[before] = true;
                before += offset;
            }
            if (copy.after.empty()) copy.after = stream.frontier;
            nodes.push_back(std::move(copy));
        }
        for (std::size_t i = 0; i < followed.size(); ++i)
            if (!followed[i]) ends.push_back(offset + i);
        if (!ends.empty()) stream.frontier = ends;
        return cudaSuccess;
    }
    if (const cudaError_t error = enqueue(stream, "a graph's begin", 0, nullptr); error != cudaSuccess) return error;
    const Ticket begin = stream.last;
    std::vector<Ticket> tickets, ends;
    std::vector<bool> followed(executable.nodes.size(), false);
    for (const GraphNode& node : executable.nodes) {
        auto operation = std::make_shared<Operation>();
        operation->name = node.name;
        operation->devices = node.devices;
        operation->work = node.work;
        operation->after.push_back(begin);
        Queue* queue = nullptr;
        for (const std::size_t before : node.after) {
            followed[before] = true;
            operation->after.push_back(tickets[before]);
            Queue* candidate = tickets[before]->queue;
            if (!candidate->waiting.empty() && candidate->waiting.back() == tickets[before]) queue = candidate;
        }
        if (queue == nullptr) {
            s.queues.push_back(std::make_unique<Queue>());
            queue = s.queues.back().get();
            queue->owned = false;
        }
        push(*queue, operation);
        tickets.push_back(operation);
    }
    for (std::size_t i = 0; i < tickets.size(); ++i)
        if (!followed[i]) ends.push_back(tickets[i]);
    ++s.statistics.graph_launches;
    return enqueue(stream, "a graph's end", 0, nullptr, std::move(ends));
}

}  // namespace cuda_emulator

inline cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
    if (mode == nullptr) return cudaErrorInvalidValue;
    std::swap(cuda_emulator::capture_interaction, *mode);
    return cudaSuccess;
}
inline cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    return cuda_emulator::call("cudaStreamBeginCapture", [&] {
        auto& s = cuda_emulator::state();
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        if (stream->legacy) return cudaErrorStreamCaptureUnsupported;
        if (stream->capture) return cudaErrorIllegalState;
        auto capture = std::make_shared<cuda_emulator::Capture>();
        capture->graph = new CUgraph_st;
        capture->mode = mode;
        capture->thread = std::this_thread::get_id();
        capture->origin = stream;
        capture->id = ++s.captures_begun;
        capture->streams = {stream};
        stream->capture = capture;
        stream->frontier.clear();
        s.captures.push_back(capture);
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
    return cuda_emulator::call("cudaStreamEndCapture", [&] {
        *graph = nullptr;
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        const std::shared_ptr<cuda_emulator::Capture> capture = stream->capture;
        if (!capture) return cudaErrorIllegalState;
        if (capture->origin != stream) {
            cuda_emulator::invalidate(capture);
            return cudaErrorStreamCaptureUnmatched;
        }
        if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
            return cudaErrorStreamCaptureWrongThread;
        const bool joined = cuda_emulator::all_joined(*capture);
        for (CUstream_st* member : capture->streams) {
            member->capture = nullptr;
            member->frontier.clear();
        }
        std::erase(cuda_emulator::state().captures, capture);
        if (capture->invalid || !joined) {
            delete capture->graph;
            return capture->invalid ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined;
        }
        cuda_emulator::graphs().insert(capture->graph);
        *graph = capture->graph;
        return cudaSuccess;
    });
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
    return cuda_emulator::call("cudaStreamIsCapturing", [&] {
        const CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        *status = cudaStreamCaptureStatusNone;
        if (const cudaError_t error = cuda_emulator::implicit_wait(*stream); error != cudaSuccess) return error;
        if (stream->capture) *status = stream->capture->invalid ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
        return cudaSuccess;
    });
}
/// Without the list of nodes that the next one would follow, which nothing here can use.
inline cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id = nullptr,
                                            cudaGraph_t* graph = nullptr, const cudaGraphNode_t** dependencies = nullptr,
                                            const cudaGraphEdgeData** edges = nullptr, std::size_t* count = nullptr) {
    return cuda_emulator::call("cudaStreamGetCaptureInfo", [&] {
        if (dependencies != nullptr || edges != nullptr) return cudaErrorNotSupported;
        const cudaError_t error = cudaStreamIsCapturing(handle, status);
        if (error != cudaSuccess) return error;
        const CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (id != nullptr && stream->capture) *id = stream->capture->id;
        if (graph != nullptr) *graph = stream->capture ? stream->capture->graph : nullptr;
        if (count != nullptr) *count = stream->frontier.size();
        return cudaSuccess;
    });
}

inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
    return cuda_emulator::call("cudaGraphGetNodes", [&] {
        if (!cuda_emulator::graphs().contains(graph)) return cudaErrorInvalidValue;
        if (nodes != nullptr) return cudaErrorNotSupported;
        *count = graph->nodes.size();
        return cudaSuccess;
    });
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long = 0) {
    return cuda_emulator::call("cudaGraphInstantiate", [&] {
        if (!cuda_emulator::graphs().contains(graph)) return cudaErrorInvalidValue;
        *executable = new CUgraphExec_st{graph->nodes};
        cuda_emulator::executables().insert(*executable);
        return cudaSuccess;
    });
}
inline cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t handle) {
    return cuda_emulator::call("cudaGraphUpload", [&] {
        if (!cuda_emulator::executables().contains(executable)) return cudaErrorInvalidValue;
        return cuda_emulator::find_stream(handle) == nullptr ? cudaErrorInvalidResourceHandle : cudaSuccess;
    });
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
    return cuda_emulator::call("cudaGraphLaunch", [&] {
        if (!cuda_emulator::executables().contains(executable)) return cudaErrorInvalidValue;
        CUstream_st* stream = cuda_emulator::find_stream(handle);
        if (stream == nullptr) return cudaErrorInvalidResourceHandle;
        return cuda_emulator::launch_graph(*executable, *stream);
    });
}
/// Launches that still wait keep what they need.
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    return cuda_emulator::call("cudaGraphExecDestroy", [&] {
        if (cuda_emulator::executables().erase(executable) == 0) return cudaErrorInvalidValue;
        delete executable;
        return cudaSuccess;
    });
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return cuda_emulator::call("cudaGraphDestroy", [&] {
        if (cuda_emulator::graphs().erase(graph) == 0) return cudaErrorInvalidValue;
        delete graph;
        return cudaSuccess;
    });
}
