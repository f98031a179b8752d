// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The emulator of CUDA (tests/support/cuda_emulator): memory, streams, events, errors that tests ask for.

#include <cuda_runtime.h>

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

__global__ void fill_kernel(int* x, int value) { x[threadIdx.x] = value; }
__global__ void note_kernel(int* log, int value) { log[++log[0]] = value; }
__global__ void add_kernel(int* x, int value) { x[threadIdx.x] += value; }

template <class... P, class... A>
cudaError_t launch(cudaStream_t stream, unsigned int threads, void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t config{};
    config.blockDim = threads;
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

template <class T>
T* device_array(std::size_t n) {
    T* p = nullptr;
    REQUIRE(cudaMalloc(&p, n * sizeof(T)) == cudaSuccess);
    return p;
}
template <class T>
std::vector<T> read(const T* p, std::size_t n) {
    std::vector<T> values(n);
    REQUIRE(cudaMemcpy(values.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
}
cudaStream_t new_stream(unsigned int flags = cudaStreamNonBlocking) {
    cudaStream_t stream = nullptr;
    REQUIRE(cudaStreamCreateWithFlags(&stream, flags) == cudaSuccess);
    return stream;
}
cudaEvent_t new_event(unsigned int flags = cudaEventDefault) {
    cudaEvent_t event = nullptr;
    REQUIRE(cudaEventCreateWithFlags(&event, flags) == cudaSuccess);
    return event;
}

}  // namespace

TEST_CASE("new memory is NaN, there is an end to it, and what is freed can be had again") {
    float* x = device_array<float>(3);
    for (const float value : read(x, 3)) REQUIRE(std::isnan(value));
    cudaPointerAttributes attributes;
    REQUIRE(cudaPointerGetAttributes(&attributes, x + 1) == cudaSuccess);
    REQUIRE((attributes.type == cudaMemoryTypeDevice && attributes.device == 0));
    std::size_t before = 0, total = 0, after = 0;
    REQUIRE(cudaMemGetInfo(&before, &total) == cudaSuccess);
    void* large = nullptr;
    REQUIRE(cudaMalloc(&large, total) == cudaErrorMemoryAllocation);
    REQUIRE(large == nullptr);
    REQUIRE(cudaGetLastError() == cudaErrorMemoryAllocation);
    REQUIRE(cudaMalloc(&large, 1000) == cudaSuccess);
    REQUIRE(cudaMemGetInfo(&after, &total) == cudaSuccess);
    REQUIRE(before - after == 1000);
    REQUIRE(cudaFree(large) == cudaSuccess);
    REQUIRE(cudaFree(large) == cudaErrorInvalidValue);
    REQUIRE(cudaFree(nullptr) == cudaSuccess);
    REQUIRE(cudaMemGetInfo(&after, &total) == cudaSuccess);
    REQUIRE(before == after);
    REQUIRE(cudaFree(x) == cudaSuccess);
    cudaGetLastError();
    // holes are joined: twenty small blocks, freed in two orders, make room for one at the same place
    std::vector<int*> blocks;
    for (int i = 0; i < 20; ++i) blocks.push_back(device_array<int>(100));
    for (std::size_t i = 0; i < 20; i += 2) REQUIRE(cudaFree(blocks[i]) == cudaSuccess);
    for (std::size_t i = 1; i < 20; i += 2) REQUIRE(cudaFree(blocks[i]) == cudaSuccess);
    int* again = device_array<int>(2000);
    REQUIRE(again == blocks[0]);
    REQUIRE(cudaFree(again) == cudaSuccess);
}

TEST_CASE("copies in all directions, of rows too, within the memory that was allocated") {
    int* x = device_array<int>(12);
    int* y = device_array<int>(12);
    std::vector<int> host(12);
    for (int i = 0; i < 12; ++i) host[static_cast<std::size_t>(i)] = i;
    REQUIRE(cudaMemcpy(x, host.data(), 48, cudaMemcpyDefault) == cudaSuccess);
    REQUIRE(cudaMemcpy(y, x, 48, cudaMemcpyDeviceToDevice) == cudaSuccess);
    REQUIRE(read(y, 12) == host);
    REQUIRE(cudaMemset(y, 0, 48) == cudaSuccess);
    REQUIRE(cudaMemcpy2DAsync(y, 16, x + 1, 12, 8, 3, cudaMemcpyDeviceToDevice) == cudaSuccess);
    REQUIRE(read(y, 12) == std::vector<int>{1, 2, 0, 0, 4, 5, 0, 0, 7, 8, 0, 0});
    REQUIRE(cudaMemset2DAsync(y, 16, 255, 4, 3) == cudaSuccess);
    REQUIRE(read(y, 12) == std::vector<int>{-1, 2, 0, 0, -1, 5, 0, 0, -1, 8, 0, 0});
    REQUIRE(cudaMemcpy(x, host.data(), 49, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    REQUIRE(cudaMemcpy(x, host.data(), 48, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
    REQUIRE(cudaMemcpy(host.data(), x, 48, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    REQUIRE(cudaMemcpy(x, host.data(), 4, static_cast<cudaMemcpyKind>(7)) == cudaErrorInvalidMemcpyDirection);
    REQUIRE(cudaMemset(host.data(), 0, 4) == cudaErrorInvalidValue);
    REQUIRE(cudaMemcpy2DAsync(y, 4, x, 12, 8, 3, cudaMemcpyDeviceToDevice) == cudaErrorInvalidPitchValue);
    REQUIRE(std::string(cudaGetErrorName(cudaGetLastError())) == "cudaErrorInvalidPitchValue");
    REQUIRE(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)) == "out of memory");
    // the other device
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    int* z = device_array<int>(12);
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    REQUIRE(cudaMemcpy(x, host.data(), 48, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaMemcpyPeerAsync(z, 0, x, 0, 48) == cudaErrorInvalidValue);
    REQUIRE(cudaMemcpyPeerAsync(z, 1, x, 0, 48) == cudaSuccess);
    REQUIRE(read(z, 12) == host);
    cudaGetLastError();
    for (int* p : {x, y, z}) REQUIRE(cudaFree(p) == cudaSuccess);
}

TEST_CASE("pageable memory is taken at the call, pinned memory when the copy runs") {
    int* x = device_array<int>(1);
    int pageable = 1;
    int* pinned = nullptr;
    REQUIRE(cudaMallocHost(&pinned, sizeof(int)) == cudaSuccess);
    const cudaStream_t stream = new_stream();
    REQUIRE(cudaMemcpyAsync(x, &pageable, 4, cudaMemcpyHostToDevice, stream) == cudaSuccess);
    pageable = 2;
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    REQUIRE(read(x, 1)[0] == 1);
    *pinned = 3;
    REQUIRE(cudaMemcpyAsync(x, pinned, 4, cudaMemcpyHostToDevice, stream) == cudaSuccess);
    *pinned = 4;  // too early: the mistake that this shows
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    REQUIRE(read(x, 1)[0] == 4);
    // to the host: into pageable memory at once, into pinned memory later
    *pinned = 0;
    REQUIRE(launch(stream, 1, fill_kernel, x, 5) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(pinned, x, 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(*pinned == 0);
    REQUIRE(cudaMemcpyAsync(&pageable, x, 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(pageable == 5);
    REQUIRE(*pinned == 5);
    cudaPointerAttributes attributes;
    REQUIRE(cudaPointerGetAttributes(&attributes, pinned) == cudaSuccess);
    REQUIRE(attributes.type == cudaMemoryTypeHost);
    REQUIRE(cudaPointerGetAttributes(&attributes, &pageable) == cudaSuccess);
    REQUIRE(attributes.type == cudaMemoryTypeUnregistered);
    // a kernel may write page-locked memory
    REQUIRE(launch(stream, 1, fill_kernel, pinned, 6) == cudaSuccess);
    REQUIRE(*pinned == 5);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    REQUIRE(*pinned == 6);
    REQUIRE(cudaFreeHost(pinned) == cudaSuccess);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    REQUIRE(cudaFree(x) == cudaSuccess);
}

TEST_CASE("allocations in a stream") {
    const cudaStream_t stream = new_stream();
    int* x = nullptr;
    const auto before = cuda_emulator::statistics();
    REQUIRE(cudaMallocAsync(&x, 16, stream) == cudaSuccess);
    REQUIRE(launch(stream, 4, fill_kernel, x, 7) == cudaSuccess);
    int host[4] = {};
    REQUIRE(cudaMemcpyAsync(host, x, 16, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(host[3] == 7);
    REQUIRE(cudaFreeAsync(x, stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    REQUIRE(cudaFreeAsync(x, stream) == cudaErrorInvalidValue);
    REQUIRE(cuda_emulator::statistics().allocations == before.allocations + 1);
    REQUIRE(cuda_emulator::statistics().frees == before.frees + 1);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    cudaGetLastError();
}

TEST_CASE("nothing runs before it is waited for; arguments are those of the call") {
    int* x = device_array<int>(8);
    const cudaStream_t stream = new_stream();
    int value = 1;
    REQUIRE(launch(stream, 8, fill_kernel, x, value) == cudaSuccess);
    value = 2;
    REQUIRE(cuda_emulator::pending() == 1);
    while (cudaStreamQuery(stream) == cudaErrorNotReady) {
    }
    REQUIRE(cuda_emulator::pending() == 0);
    REQUIRE(read(x, 8) == std::vector<int>(8, 1));
    // thousands of launches do not pile up
    REQUIRE(cudaMemset(x, 0, 32) == cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    for (int i = 0; i < 20000; ++i) REQUIRE(launch(stream, 1, add_kernel, x, 1) == cudaSuccess);
    REQUIRE(cuda_emulator::pending() < 10000);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    REQUIRE(read(x, 1)[0] == 20000);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    REQUIRE(cudaFree(x) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
}

namespace {

/// The orders in which three notes come in 40 trials; `submit` queues them in two streams with these flags.
template <class F>
std::set<std::vector<int>> orders(unsigned int flags, const F& submit) {
    int* log = device_array<int>(10);
    const cudaStream_t a = new_stream(flags), b = new_stream(flags);
    std::set<std::vector<int>> seen;
    for (int trial = 0; trial < 40; ++trial) {
        REQUIRE(cudaMemset(log, 0, 40) == cudaSuccess);
        REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
        submit(a, b, log);
        REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
        seen.insert(read(log, 4));
    }
    for (const cudaStream_t stream : {a, b}) REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    REQUIRE(cudaFree(log) == cudaSuccess);
    return seen;
}
const auto note = [](cudaStream_t stream, int* log, int value) { REQUIRE(launch(stream, 1, note_kernel, log, value) == cudaSuccess); };

}  // namespace

TEST_CASE("streams are free of each other, in order in themselves, and wait for events") {
    const std::set<std::vector<int>> three = {{3, 1, 2, 3}, {3, 1, 3, 2}, {3, 3, 1, 2}}, in_turn = {{3, 1, 2, 3}};
    REQUIRE(orders(cudaStreamNonBlocking, [](cudaStream_t a, cudaStream_t b, int* log) {
                note(a, log, 1);
                note(a, log, 2);
                note(b, log, 3);
            }) == three);
    const cudaEvent_t event = new_event(cudaEventDisableTiming);
    REQUIRE(orders(cudaStreamNonBlocking, [&](cudaStream_t a, cudaStream_t b, int* log) {
                note(a, log, 1);
                note(a, log, 2);
                REQUIRE(cudaEventRecord(event, a) == cudaSuccess);
                REQUIRE(cudaStreamWaitEvent(b, event, 0) == cudaSuccess);
                note(b, log, 3);
            }) == in_turn);
    const std::set<std::vector<int>> after_first = {{3, 1, 2, 3}, {3, 1, 3, 2}};
    REQUIRE(orders(cudaStreamNonBlocking, [&](cudaStream_t a, cudaStream_t b, int* log) {
                note(a, log, 1);
                REQUIRE(cudaEventRecord(event, a) == cudaSuccess);
                note(a, log, 2);
                REQUIRE(cudaStreamWaitEvent(b, event, 0) == cudaSuccess);
                note(b, log, 3);
            }) == after_first);
    REQUIRE(cudaEventDestroy(event) == cudaSuccess);
}

TEST_CASE("the default stream waits for blocking streams and they for it; non-blocking ones are free") {
    const auto submit = [](cudaStream_t a, cudaStream_t b, int* log) {
        note(a, log, 1);
        note(nullptr, log, 2);
        note(b, log, 3);
    };
    REQUIRE(orders(cudaStreamDefault, submit) == std::set<std::vector<int>>{{3, 1, 2, 3}});
    REQUIRE(orders(cudaStreamNonBlocking, submit).size() == 6);
}

TEST_CASE("events: query, wait, elapsed time") {
    int* x = device_array<int>(64);
    const cudaStream_t stream = new_stream();
    const cudaEvent_t begin = new_event(), end = new_event(), untimed = new_event(cudaEventDisableTiming);
    REQUIRE(cudaEventQuery(begin) == cudaSuccess);
    REQUIRE(cudaEventSynchronize(begin) == cudaSuccess);
    REQUIRE(cudaEventRecord(begin, stream) == cudaSuccess);
    for (int i = 0; i < 20; ++i) REQUIRE(launch(stream, 64, fill_kernel, x, 1) == cudaSuccess);
    REQUIRE(cudaEventRecord(end, stream) == cudaSuccess);
    float milliseconds = -1;
    REQUIRE(cudaEventElapsedTime(&milliseconds, begin, end) == cudaErrorNotReady);
    int asked = 1;
    while (cudaEventQuery(end) == cudaErrorNotReady) ++asked;
    REQUIRE(asked > 3);
    REQUIRE(cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess);
    REQUIRE(milliseconds >= 0);
    REQUIRE(cudaEventRecord(untimed, stream) == cudaSuccess);
    REQUIRE(cudaEventSynchronize(untimed) == cudaSuccess);
    REQUIRE(cudaEventElapsedTime(&milliseconds, begin, untimed) == cudaErrorInvalidResourceHandle);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    for (const cudaEvent_t event : {begin, end, untimed}) REQUIRE(cudaEventDestroy(event) == cudaSuccess);
    REQUIRE(cudaEventSynchronize(end) == cudaErrorInvalidResourceHandle);
    REQUIRE(cudaFree(x) == cudaSuccess);
    cudaGetLastError();
}

TEST_CASE("host functions run in their turn and may not call CUDA; a destroyed stream's work is done") {
    struct Seen {
        int* pinned;
        int value = 0;
        cudaError_t status = cudaSuccess;
    } seen{nullptr};
    REQUIRE(cudaMallocHost(&seen.pinned, 4) == cudaSuccess);
    const cudaStream_t stream = new_stream();
    REQUIRE(launch(stream, 1, fill_kernel, seen.pinned, 5) == cudaSuccess);
    REQUIRE(cudaLaunchHostFunc(
                stream,
                [](void* data) {
                    auto* what = static_cast<Seen*>(data);
                    what->value = *what->pinned;
                    what->status = cudaDeviceSynchronize();
                },
                &seen) == cudaSuccess);
    REQUIRE(launch(stream, 1, fill_kernel, seen.pinned, 6) == cudaSuccess);
    REQUIRE(seen.value == 0);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    REQUIRE(seen.value == 5);
    REQUIRE(seen.status == cudaErrorNotPermitted);
    REQUIRE(*seen.pinned == 6);
    REQUIRE(cudaFreeHost(seen.pinned) == cudaSuccess);
    cudaGetLastError();
}

TEST_CASE("devices: each has its memory and its streams; the current one is a thread's own") {
    int count = 0, device = -1;
    REQUIRE(cudaGetDeviceCount(&count) == cudaSuccess);
    REQUIRE(count == cuda_emulator::settings().devices);
    REQUIRE(cudaSetDevice(count) == cudaErrorInvalidDevice);
    cudaDeviceProp properties;
    REQUIRE(cudaGetDeviceProperties(&properties, 1) == cudaSuccess);
    REQUIRE(std::string(properties.name) == "CUDA emulator");
    REQUIRE((properties.major == 8 && properties.multiProcessorCount == 4 && properties.totalGlobalMem > 0));
    int value = 0;
    REQUIRE(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0) == cudaSuccess);
    REQUIRE(value == 4);
    int* x = device_array<int>(1);
    const cudaStream_t stream = new_stream();
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    std::thread([&] { REQUIRE(cudaGetDevice(&device) == cudaSuccess); }).join();
    REQUIRE(device == 0);
    REQUIRE(launch(stream, 1, fill_kernel, x, 1) == cudaErrorInvalidResourceHandle);
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
    REQUIRE(cudaFree(x) == cudaSuccess);
    cudaGetLastError();
}

TEST_CASE("several host threads") {
    std::vector<std::thread> threads;
    std::vector<int> sums(4);
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            int* x = nullptr;
            cudaStream_t stream = nullptr;
            cudaMalloc(&x, 40);
            cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
            cudaMemsetAsync(x, 0, 40, stream);
            for (int i = 0; i < 200; ++i) {
                launch(stream, 10, add_kernel, x, static_cast<int>(t));
                if (i % 7 == 0) cudaStreamSynchronize(stream);
            }
            std::vector<int> host(10);
            cudaMemcpyAsync(host.data(), x, 40, cudaMemcpyDeviceToHost, stream);
            cudaStreamDestroy(stream);
            cudaFree(x);
            sums[t] = host[9];
        });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(sums == std::vector<int>{0, 200, 400, 600});
}

TEST_CASE("calls fail when a test asks them to, and a kernel's failure loses the context") {
    int* x = device_array<int>(1);
    cuda_emulator::fail_next("cudaLaunchKernelEx", cudaErrorLaunchOutOfResources, 2);
    REQUIRE(launch(nullptr, 1, fill_kernel, x, 1) == cudaSuccess);
    REQUIRE(launch(nullptr, 1, fill_kernel, x, 2) == cudaSuccess);
    REQUIRE(launch(nullptr, 1, fill_kernel, x, 3) == cudaErrorLaunchOutOfResources);
    REQUIRE(cudaGetLastError() == cudaErrorLaunchOutOfResources);
    REQUIRE(read(x, 1)[0] == 2);
    REQUIRE(launch(nullptr, 1, fill_kernel, x, 4) == cudaSuccess);
    REQUIRE(read(x, 1)[0] == 4);
    cuda_emulator::fail_next("kernel", cudaErrorIllegalAddress, 1);
    for (int i = 0; i < 3; ++i) REQUIRE(launch(nullptr, 1, fill_kernel, x, 5 + i) == cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    REQUIRE(cudaGetLastError() == cudaErrorIllegalAddress);
    REQUIRE(cudaGetLastError() == cudaErrorIllegalAddress);
    void* p = nullptr;
    REQUIRE(cudaMalloc(&p, 4) == cudaErrorIllegalAddress);
    cuda_emulator::recover();
    REQUIRE(cudaGetLastError() == cudaSuccess);
    REQUIRE(read(x, 1)[0] == 5);
    REQUIRE(cudaFree(x) == cudaSuccess);
}
