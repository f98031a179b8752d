// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Work that is recorded once and then started as a whole: a step of a small network takes one launch instead of hundreds.

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "headtorch/device/cuda/capture.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/random.cuh"
#include "headtorch/device/cuda/stream.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/graph.hpp"

namespace headtorch::cuda {

/// PyTorch's CUDAGraph.
///
///     cuda::Graph graph;
///     graph.capture([&] { y.copy_(net(x)); });
///     x.copy_(batch);
///     graph.replay();   // net(x) into y again, with the numbers that x holds now
///
/// What the body does on the device is recorded, not done; what it does on the host is done once, now. So shapes and addresses stay as
/// they are: new inputs are copied into the same tensors. The body must have run before (what is set up at first use cannot be recorded),
/// and must not wait for the device: no item(), tolist() or to<Cpu>(). Optimisers need `.capturable = true`. Random numbers are new at each
/// replay. What the body made, or let go, keeps its memory as long as the graph; other tensors that it read must be kept by the caller.
class Graph {
public:
    Graph() = default;
    ~Graph() { reset(); }
    Graph(Graph&& other) noexcept { *this = std::move(other); }
    Graph& operator=(Graph&& other) noexcept {
        if (this != &other) {
            reset();
            exec_ = std::exchange(other.exec_, nullptr);
            pool_ = std::exchange(other.pool_, 0);
            stream_ = std::exchange(other.stream_, Stream());
            draws_ = std::move(other.draws_);
            before_replay_ = std::exchange(other.before_replay_, {});
        }
        return *this;
    }

    /// Records `body`. Throws what it throws, and CudaError when it did what cannot be recorded; the graph is then empty.
    template <class F>
    void capture(F&& body) {
        reset();
        synchronize();
        stream_ = Stream::create();
        const StreamGuard guard(stream_);
        draws_ = std::make_unique<Scratch<std::uint64_t>>(1);
        check(cudaMemsetAsync(draws_->data(), 0, sizeof(std::uint64_t), stream_.get()), "Graph::capture", "cudaMemsetAsync");
        stream_.synchronize();
        check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "Graph::capture", "cudaStreamBeginCapture");
        pool_ = Allocator::instance().begin_pool();
        philox::begin_capture(draws_->data());
        capture::begin();
        cudaGraph_t graph = nullptr;
        try {
            body();
            philox::end_capture();
            before_replay_ = capture::end();
        } catch (...) {
            philox::abandon_capture();
            capture::end();
            Allocator::instance().end_pool();
            if (cudaStreamEndCapture(stream_.get(), &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
            cudaGetLastError();
            reset();
            throw;
        }
        Allocator::instance().end_pool();
        cudaError_t status = cudaStreamEndCapture(stream_.get(), &graph);
        const char* call = "cudaStreamEndCapture";
        if (status == cudaSuccess) {
            status = cudaGraphInstantiate(&exec_, graph, 0);
            call = "cudaGraphInstantiate";
        }
        if (graph) cudaGraphDestroy(graph);
        if (status != cudaSuccess) {
            exec_ = nullptr;
            reset();
            raise(status, "Graph::capture", call);
        }
    }

    /// Does the recorded work on the current stream.
    void replay() const {
        if (!exec_) throw ValueError("Graph::replay: nothing was captured yet");
        for (const auto& action : before_replay_) action();
        check(cudaGraphLaunch(exec_, current_stream().get()), "Graph::replay", "cudaGraphLaunch");
    }

    /// True once something was captured.
    bool captured() const noexcept { return exec_ != nullptr; }

    /// Forgets the work; memory that it kept is free again.
    void reset() noexcept {
        if (exec_) {
            cudaDeviceSynchronize();
            cudaGraphExecDestroy(std::exchange(exec_, nullptr));
        }
        if (pool_) Allocator::instance().release_pool(std::exchange(pool_, 0));
        draws_.reset();
        before_replay_.clear();
        stream_ = Stream();
    }

private:
    cudaGraphExec_t exec_ = nullptr;
    PoolId pool_ = 0;
    Stream stream_;
    std::vector<std::function<void()>> before_replay_;
    std::unique_ptr<Scratch<std::uint64_t>> draws_;  ///< how many random numbers all replays took
};

}  // namespace headtorch::cuda

namespace headtorch {
inline cuda::Graph device_graph(Cuda) { return {}; }
}  // namespace headtorch
