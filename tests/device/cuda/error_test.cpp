// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Failures of CUDA: what is said, and what can still be done.

#include "headtorch/cuda.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

__global__ void too_large_kernel(float* x) { x[threadIdx.x] = 1; }

/// What a call throws, as text; "" for nothing.
template <class F>
std::string thrown(const F& call) {
    try {
        call();
    } catch (const CudaError& error) {
        return (error.usable() ? "usable: " : "unusable: ") + std::string(error.what());
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a kernel that cannot start is named, and the rest goes on", "[cuda]") {
    const auto x = zeros<float, Cuda>({10});
    const std::string text = thrown([&] { cuda::launch("my_op", &too_large_kernel, {dim3(1), dim3(5000)}, x.data()); });
    CHECK(text.find("usable: my_op: cudaLaunchKernelEx failed: ") == 0);
    CHECK(text.find("(cudaError") != std::string::npos);
    CHECK((x + 1.0f).tolist() == std::vector<float>(10, 1.0f));
}

TEST_CASE("an index that is wrong is found without waiting", "[cuda]") {
    const auto x = full<float, Cuda>({3, 2}, 1.0f);
    const auto bad = tensor<std::int64_t, Cpu>({0, 7}).to<Cuda>();
    const std::string text = thrown([&] { (void)index_select(x, 0, bad).tolist(); });
    CHECK(text.find("index_select") != std::string::npos);
    CHECK(text.find('7') != std::string::npos);
    CHECK(thrown([&] { cuda::synchronize(); }).empty());  // said once
    CHECK((x * 2.0f).tolist() == std::vector<float>(6, 2.0f));
}

TEST_CASE("a label that is wrong is found", "[cuda]") {
    const auto x = zeros<float, Cuda>({2, 3});
    const auto bad = tensor<std::int64_t, Cpu>({1, 3}).to<Cuda>();
    const std::string text = thrown([&] { (void)nn::cross_entropy(x, bad).item(); });
    CHECK(text.find("cross_entropy") != std::string::npos);
    CHECK(text.find('3') != std::string::npos);
    CHECK(nn::cross_entropy(x, tensor<std::int64_t, Cpu>({1, 2}).to<Cuda>()).item() > 1);
}

#if defined(HEADTORCH_CUDA_EMULATOR)
TEST_CASE("every call's failure is an exception with its name", "[cuda]") {
    const auto x = full<float, Cuda>({1000}, 1.0f);
    (void)x.tolist();
    struct Failure {
        const char* call;
        void (*work)(const Tensor<float, Cuda>&);
    };
    for (const Failure& failure : std::vector<Failure>{
             {"cudaLaunchKernelEx", [](const auto& t) { (void)(t + t); }},
             {"cudaMemcpyAsync", [](const auto& t) { (void)t.tolist(); }},
             {"cudaStreamSynchronize", [](const auto& t) { (void)t.tolist(); }},
             {"cudaStreamCreateWithFlags", [](const auto&) { cuda::Stream::create(); }},
             {"cudaEventCreateWithFlags", [](const auto&) { cuda::Event event; }},
             {"cudaEventRecord", [](const auto&) { cuda::Event().record(); }},
             {"cudaDeviceSynchronize", [](const auto&) { cuda::synchronize(); }},
             {"cudaHostAlloc", [](const auto&) { cuda::PinnedMemory::instance().allocate(1 << 22); }},
             {"cudaStreamBeginCapture", [](const auto& t) { cuda::Graph().capture([&] { (void)(t + t); }); }},
             {"cudaGraphInstantiate", [](const auto& t) { cuda::Graph().capture([&] { (void)(t + t); }); }},
         }) {
        cuda_emulator::fail_next(failure.call, cudaErrorInvalidValue);
        const std::string text = thrown([&] { failure.work(x); });
        INFO(failure.call << ": " << text);
        CHECK(text.find(std::string(failure.call) + " failed: ") != std::string::npos);
        CHECK(text.find("usable: ") == 0);
        CHECK((x + x).tolist() == std::vector<float>(1000, 2.0f));
    }
    cuda::empty_cache();
    cuda_emulator::fail_next("cudaMalloc", cudaErrorMemoryAllocation);
    CHECK(empty<float, Cuda>({1 << 20}).numel() == 1 << 20);  // found room after the one retry
}

TEST_CASE("memory is given back though a call fails, and no recording asks for more room", "[cuda]") {
    const auto side = cuda::Stream::create();
    auto& allocator = cuda::Allocator::instance();
    for (const char* call : {"cudaEventCreateWithFlags", "cudaEventRecord", "cudaEventQuery"}) {
        INFO(call);
        const auto before = cuda::memory_stats();
        void* block = allocator.allocate(1 << 22);
        allocator.record_stream(block, side);
        cuda_emulator::fail_next(call, cudaErrorInvalidValue);
        allocator.deallocate(block);
        const std::string text = thrown([] { (void)empty<float, Cuda>({10}); });
        if (!text.empty()) CHECK(text.find("cudaEventQuery failed") != std::string::npos);
        CHECK(zeros<float, Cuda>({10}).tolist() == std::vector<float>(10));
        CHECK(cuda::memory_stats().memory_allocated == before.memory_allocated);
    }
    const auto x = full<float, Cuda>({1000}, 1.0f);
    for (const char* call : {"cudaMemcpyAsync", "cudaEventCreateWithFlags", "cudaEventRecord"}) {
        auto pinned = full<float, Cpu>({1000}, 1.0f).pin_memory();
        for (int k = 0; k < 50; ++k) x.copy_(x * 1.0f);  // what keeps the copy waiting
        cuda_emulator::fail_next(call, cudaErrorInvalidValue);
        CHECK(thrown([&] { x.copy_(pinned, {.non_blocking = true}); }).find(std::string(call) + " failed") != std::string::npos);
        pinned = {};
        const auto next = full<float, Cpu>({1000}, -1.0f).pin_memory();  // perhaps in the same memory
        CHECK(x.tolist() == std::vector<float>(1000, 1.0f));
    }
    cuda::Graph graph;
    const auto before = cuda::memory_stats();
    cuda_emulator::fail_next("cudaMalloc", cudaErrorMemoryAllocation, 1);
    CHECK(thrown([&] { graph.capture([&] { (void)(x + x); }); }).find("allocate: GPU 0 has no room") == 0);
    CHECK(cuda::memory_stats().retries == before.retries);
    CHECK((x + x).tolist() == std::vector<float>(1000, 2.0f));
}

TEST_CASE("a kernel that fails while it runs takes the GPU with it, and that is said", "[cuda]") {
    const auto x = full<float, Cuda>({1000}, 1.0f);
    (void)x.tolist();
    cuda_emulator::fail_next("kernel", cudaErrorIllegalAddress);
    const auto y = x + x;
    const std::string text = thrown([&] { (void)y.tolist(); });
    INFO(text);
    CHECK(text.find("unusable: ") == 0);
    CHECK(text.find("(cudaErrorIllegalAddress); the GPU cannot be used any more by this process, start it again") != std::string::npos);
    CHECK(thrown([&] { (void)(x + x); }).find("unusable: ") == 0);
    cuda_emulator::recover();
    CHECK((x + x).tolist() == std::vector<float>(1000, 2.0f));
}
#endif
