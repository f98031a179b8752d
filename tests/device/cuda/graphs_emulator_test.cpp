// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The emulator of CUDA (tests/support/cuda_emulator): graphs captured from streams.

#include <cuda_runtime.h>

#include <set>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

__global__ void note_kernel(int* log, int value) { log[++log[0]] = value; }
__global__ void add_kernel(int* x, int value) { *x += value; }

template <class... P, class... A>
cudaError_t launch(cudaStream_t stream, void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t config{};
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

/// A stream, a number or log on the device, and an event.
struct Fixture {
    cudaStream_t stream = nullptr, other = nullptr;
    cudaEvent_t event = nullptr;
    int* x = nullptr;

    explicit Fixture(unsigned int flags = cudaStreamNonBlocking) {
        REQUIRE(cudaStreamCreateWithFlags(&stream, flags) == cudaSuccess);
        REQUIRE(cudaStreamCreateWithFlags(&other, flags) == cudaSuccess);
        REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
        REQUIRE(cudaMalloc(&x, 64) == cudaSuccess);
        clear();
    }
    Fixture(const Fixture&) = delete;
    ~Fixture() {
        cudaStreamDestroy(stream);
        cudaStreamDestroy(other);
        cudaEventDestroy(event);
        cudaFree(x);
        cudaGetLastError();
    }
    void clear() const {
        REQUIRE(cudaMemset(x, 0, 64) == cudaSuccess);
        REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    }
    std::vector<int> get(std::size_t n) const {
        std::vector<int> values(n);
        REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
        REQUIRE(cudaMemcpy(values.data(), x, n * sizeof(int), cudaMemcpyDeviceToHost) == cudaSuccess);
        return values;
    }
    void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) const {
        REQUIRE(cudaStreamBeginCapture(stream, mode) == cudaSuccess);
    }
    cudaError_t end() const {
        cudaGraph_t graph = nullptr;
        const cudaError_t status = cudaStreamEndCapture(stream, &graph);
        REQUIRE((status == cudaSuccess) == (graph != nullptr));
        if (graph != nullptr) REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
        return status;
    }
    cudaGraphExec_t finish(std::size_t nodes) const {
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t executable = nullptr;
        REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
        std::size_t count = 0;
        REQUIRE(cudaGraphGetNodes(graph, nullptr, &count) == cudaSuccess);
        REQUIRE(count == nodes);
        REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
        REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
        REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaErrorInvalidValue);
        return executable;
    }
    cudaStreamCaptureStatus status() const {
        cudaStreamCaptureStatus result = cudaStreamCaptureStatusNone;
        REQUIRE(cudaStreamIsCapturing(stream, &result) == cudaSuccess);
        return result;
    }
};

}  // namespace

TEST_CASE("captured work is recorded, not run, and done anew by each launch") {
    const Fixture f;
    REQUIRE(f.status() == cudaStreamCaptureStatusNone);
    f.begin();
    REQUIRE(f.status() == cudaStreamCaptureStatusActive);
    REQUIRE(cudaStreamBeginCapture(f.stream, cudaStreamCaptureModeGlobal) == cudaErrorIllegalState);
    REQUIRE(launch(f.stream, add_kernel, f.x, 2) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(f.x + 1, f.x, 4, cudaMemcpyDeviceToDevice, f.stream) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(f.x + 2, 1, 4, f.stream) == cudaSuccess);
    REQUIRE(launch(f.stream, add_kernel, f.x, 1) == cudaSuccess);
    cudaStreamCaptureStatus status;
    unsigned long long id = 0;
    REQUIRE(cudaStreamGetCaptureInfo(f.stream, &status, &id) == cudaSuccess);
    REQUIRE((status == cudaStreamCaptureStatusActive && id > 0));
    const cudaGraphExec_t graph = f.finish(4);
    REQUIRE(f.status() == cudaStreamCaptureStatusNone);
    REQUIRE(f.get(3) == std::vector<int>{0, 0, 0});
    REQUIRE(cudaGraphUpload(graph, f.stream) == cudaSuccess);
    REQUIRE(cudaGraphLaunch(graph, f.stream) == cudaSuccess);
    REQUIRE(f.get(3) == std::vector<int>{3, 2, 0x01010101});
    for (int i = 0; i < 10; ++i) REQUIRE(cudaGraphLaunch(graph, i % 2 == 0 ? f.stream : nullptr) == cudaSuccess);
    REQUIRE(f.get(2)[0] == 33);
    // what is in the queue does not need the graph any more
    REQUIRE(cudaGraphLaunch(graph, f.stream) == cudaSuccess);
    REQUIRE(cudaGraphExecDestroy(graph) == cudaSuccess);
    REQUIRE(f.get(2) == std::vector<int>{36, 35});
    REQUIRE(cudaGraphLaunch(graph, f.stream) == cudaErrorInvalidValue);
    REQUIRE(cudaGraphExecDestroy(graph) == cudaErrorInvalidValue);
    REQUIRE(cuda_emulator::statistics().graph_launches >= 12);
}

TEST_CASE("launches of a graph stand in their stream's order") {
    const Fixture f;
    f.begin();
    REQUIRE(launch(f.stream, note_kernel, f.x, 2) == cudaSuccess);
    const cudaGraphExec_t graph = f.finish(1);
    for (int trial = 0; trial < 20; ++trial) {
        f.clear();
        REQUIRE(launch(f.other, note_kernel, f.x, 1) == cudaSuccess);
        REQUIRE(cudaGraphLaunch(graph, f.other) == cudaSuccess);
        REQUIRE(launch(f.other, note_kernel, f.x, 3) == cudaSuccess);
        REQUIRE(f.get(4) == std::vector<int>{3, 1, 2, 3});
    }
    REQUIRE(cudaGraphExecDestroy(graph) == cudaSuccess);
}

TEST_CASE("a capture takes in other streams by events, and they must come back") {
    const Fixture f;
    f.begin();
    REQUIRE(launch(f.stream, note_kernel, f.x, 1) == cudaSuccess);
    REQUIRE(cudaEventRecord(f.event, f.stream) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(f.other, f.event, 0) == cudaSuccess);
    REQUIRE(launch(f.stream, note_kernel, f.x, 2) == cudaSuccess);
    REQUIRE(launch(f.other, note_kernel, f.x, 3) == cudaSuccess);
    REQUIRE(launch(f.other, note_kernel, f.x, 4) == cudaSuccess);
    SECTION("joined: the branches run in any order") {
        REQUIRE(cudaEventQuery(f.event) == cudaErrorCapturedEvent);  // and this spoils the capture
        REQUIRE(f.end() == cudaErrorStreamCaptureInvalidated);
        f.begin();
        REQUIRE(launch(f.stream, note_kernel, f.x, 1) == cudaSuccess);
        REQUIRE(cudaEventRecord(f.event, f.stream) == cudaSuccess);
        REQUIRE(cudaStreamWaitEvent(f.other, f.event, 0) == cudaSuccess);
        REQUIRE(launch(f.stream, note_kernel, f.x, 2) == cudaSuccess);
        REQUIRE(launch(f.other, note_kernel, f.x, 3) == cudaSuccess);
        REQUIRE(launch(f.other, note_kernel, f.x, 4) == cudaSuccess);
        REQUIRE(cudaEventRecord(f.event, f.other) == cudaSuccess);
        REQUIRE(cudaStreamWaitEvent(f.stream, f.event, 0) == cudaSuccess);
        REQUIRE(launch(f.stream, note_kernel, f.x, 5) == cudaSuccess);
        const cudaGraphExec_t graph = f.finish(5);
        std::set<std::vector<int>> seen;
        for (int trial = 0; trial < 60; ++trial) {
            f.clear();
            REQUIRE(cudaGraphLaunch(graph, trial % 2 == 0 ? f.stream : f.other) == cudaSuccess);
            seen.insert(f.get(6));
        }
        REQUIRE(seen == std::set<std::vector<int>>{{5, 1, 2, 3, 4, 5}, {5, 1, 3, 2, 4, 5}, {5, 1, 3, 4, 2, 5}});
        REQUIRE(cudaGraphExecDestroy(graph) == cudaSuccess);
        REQUIRE(launch(f.other, add_kernel, f.x, 1) == cudaSuccess);  // the other stream is a plain one again
        REQUIRE(f.get(1)[0] == 6);
    }
    SECTION("not joined") {
        REQUIRE(f.end() == cudaErrorStreamCaptureUnjoined);
        REQUIRE(f.get(1)[0] == 0);
    }
    SECTION("ended in the wrong stream") {
        cudaGraph_t graph = nullptr;
        REQUIRE(cudaStreamEndCapture(f.other, &graph) == cudaErrorStreamCaptureUnmatched);
        REQUIRE(f.end() == cudaErrorStreamCaptureInvalidated);
    }
}

TEST_CASE("what a capture forbids is an error and spoils the capture") {
    const Fixture f;
    int host = 0;
    int* p = nullptr;
    const auto spoils = [&](cudaStreamCaptureMode mode, auto call, cudaError_t expected) {
        f.begin(mode);
        REQUIRE(launch(f.stream, add_kernel, f.x, 1) == cudaSuccess);
        REQUIRE(call() == expected);
        REQUIRE(f.status() == cudaStreamCaptureStatusInvalidated);
        REQUIRE(launch(f.stream, add_kernel, f.x, 1) == cudaErrorStreamCaptureInvalidated);
        REQUIRE(f.end() == cudaErrorStreamCaptureInvalidated);
        REQUIRE(f.get(1)[0] == 0);
    };
    for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
        spoils(
            mode, [&] { return cudaMalloc(&p, 4); }, cudaErrorStreamCaptureUnsupported);
        spoils(
            mode, [&] { return cudaFree(f.x); }, cudaErrorStreamCaptureUnsupported);
        spoils(
            mode, [&] { return cudaMemcpy(&host, f.x, 4, cudaMemcpyDeviceToHost); }, cudaErrorStreamCaptureUnsupported);
        spoils(
            mode, [&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported);
        spoils(
            mode, [&] { return cudaStreamSynchronize(f.other); }, cudaErrorStreamCaptureUnsupported);
    }
    spoils(
        cudaStreamCaptureModeRelaxed, [&] { return cudaStreamSynchronize(f.stream); }, cudaErrorStreamCaptureUnsupported);
    spoils(
        cudaStreamCaptureModeRelaxed, [&] { return cudaStreamQuery(f.stream); }, cudaErrorStreamCaptureUnsupported);
    REQUIRE(cudaEventRecord(f.event, f.other) == cudaSuccess);
    spoils(
        cudaStreamCaptureModeRelaxed, [&] { return cudaStreamWaitEvent(f.stream, f.event, 0); }, cudaErrorStreamCaptureIsolation);

    // allowed: in relaxed mode, or by a thread that says so
    f.begin(cudaStreamCaptureModeRelaxed);
    REQUIRE(cudaMalloc(&p, 4) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(f.other) == cudaSuccess);
    REQUIRE(f.end() == cudaSuccess);
    REQUIRE(cudaFree(p) == cudaSuccess);
    f.begin(cudaStreamCaptureModeGlobal);
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
    REQUIRE(mode == cudaStreamCaptureModeGlobal);
    REQUIRE(cudaMalloc(&p, 4) == cudaSuccess);
    REQUIRE(cudaThreadExchangeStreamCaptureMode(&mode) == cudaSuccess);
    REQUIRE(mode == cudaStreamCaptureModeRelaxed);
    REQUIRE(f.end() == cudaSuccess);
    REQUIRE(cudaFree(p) == cudaSuccess);
}

TEST_CASE("another thread is disturbed by a global capture, not by a thread's own") {
    const Fixture f;
    const auto elsewhere = [&] {
        cudaError_t status = cudaSuccess;
        std::thread([&] {
            int* p = nullptr;
            status = cudaMalloc(&p, 4);
            cudaFree(p);
        }).join();
        return status;
    };
    f.begin(cudaStreamCaptureModeThreadLocal);
    REQUIRE(elsewhere() == cudaSuccess);
    REQUIRE(f.end() == cudaSuccess);
    f.begin(cudaStreamCaptureModeGlobal);
    REQUIRE(elsewhere() == cudaErrorStreamCaptureUnsupported);
    REQUIRE(f.end() == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("the default stream cannot capture, nor be used beside a blocking stream that does") {
    REQUIRE(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed) == cudaErrorStreamCaptureUnsupported);
    const Fixture blocking(cudaStreamDefault), free;
    blocking.begin(cudaStreamCaptureModeRelaxed);
    REQUIRE(launch(nullptr, add_kernel, blocking.x, 1) == cudaErrorStreamCaptureImplicit);
    REQUIRE(blocking.end() == cudaErrorStreamCaptureInvalidated);
    free.begin(cudaStreamCaptureModeRelaxed);
    REQUIRE(launch(nullptr, add_kernel, free.x, 1) == cudaSuccess);
    REQUIRE(free.end() == cudaSuccess);
    REQUIRE(free.get(1)[0] == 1);
    REQUIRE(cudaGetLastError() != cudaSuccess);
}
