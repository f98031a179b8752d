// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The emulator of CUDA (tests/support/cuda_emulator): kernels, barriers, warps, and that mistakes are found.

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/device/cuda/emulated.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child_process.hpp"

using namespace headtorch::testing;

namespace {

__global__ void index_kernel(int* count, uint3* where) {
    const unsigned int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned int i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    atomicAdd(count + i, 1);
    where[i] = {blockIdx.x + 100 * blockIdx.y + 10000 * blockIdx.z, threadIdx.x + 100 * threadIdx.y + 10000 * threadIdx.z, thread};
}

__global__ void log_kernel(int* count, int* log, bool barrier) {
    log[atomicAdd(count, 1)] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (!barrier) return;
    __syncthreads();
    log[atomicAdd(count, 1)] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

/// Sums of 256 numbers each, with as many barriers as are needed, or with one left out.
template <bool Right>
__global__ void sum_kernel(const float* x, float* y) {
    __shared__ float part[256];
    const unsigned int t = threadIdx.x;
    part[t] = x[blockIdx.x * 256 + t];
    if (Right) __syncthreads();
    for (unsigned int half = 128; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) y[blockIdx.x] = part[0];
}

}  // namespace

TEST_CASE("each thread of a grid runs once and knows its place") {
    const dim3 grid(3, 2, 4), block(5, 3, 2);
    const std::size_t n = 3 * 2 * 4 * 5 * 3 * 2;
    Array<int> count(n, 0);
    Array<uint3> where(n);
    REQUIRE(launch(grid, block, index_kernel, count.data, where.data) == cudaSuccess);
    REQUIRE(count.get() == std::vector<int>(n, 1));
    const uint3 last = where.get().back();
    REQUIRE((last.x == 2 + 100 + 30000 && last.y == 4 + 200 + 10000 && last.z == 29));
    const uint3 other = where.get()[30 * 4 + 7];  // block (1, 1, 0), thread (2, 1, 0)
    REQUIRE((other.x == 101 && other.y == 102 && other.z == 7));
}

TEST_CASE("a launch has limits") {
    Array<int> count(2000, 0);
    Array<int> log(2000);
    const auto status = [&](dim3 grid, dim3 block) { return launch(grid, block, log_kernel, count.data, log.data, false); };
    REQUIRE(status(0, 32) == cudaErrorInvalidConfiguration);
    REQUIRE(status(1, 0) == cudaErrorInvalidConfiguration);
    REQUIRE(status(1, 1025) == cudaErrorInvalidConfiguration);
    REQUIRE(status(1, dim3(32, 33)) == cudaErrorInvalidConfiguration);
    REQUIRE(status(1, dim3(1, 1, 65)) == cudaErrorInvalidConfiguration);
    REQUIRE(status(dim3(1, 65536), 1) == cudaErrorInvalidConfiguration);
    REQUIRE(status(dim3(1, 1, 65536), 1) == cudaErrorInvalidConfiguration);
    REQUIRE(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
    REQUIRE(cudaGetLastError() == cudaErrorInvalidConfiguration);
    REQUIRE(cudaGetLastError() == cudaSuccess);
    REQUIRE(status(1, 1024) == cudaSuccess);
    REQUIRE(count.get()[0] == 1024);
    cudaLaunchConfig_t config{1, 1, 1 << 20, nullptr, nullptr, 0};
    REQUIRE(cudaLaunchKernelEx(&config, log_kernel, count.data, log.data, false) == cudaErrorInvalidConfiguration);
    int blocks = 0;
    REQUIRE(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, log_kernel, 256, 0) == cudaSuccess);
    REQUIRE(blocks == 8);
    cudaFuncAttributes attributes;
    REQUIRE(cudaFuncGetAttributes(&attributes, log_kernel) == cudaSuccess);
    REQUIRE(attributes.maxThreadsPerBlock == 1024);
}

TEST_CASE("threads and blocks come in orders that change, also after a barrier, and the same ones for the same seed") {
    const auto orders = [](bool barrier) {
        std::set<std::vector<int>> seen;
        for (int i = 0; i < 40; ++i) {
            Array<int> count(1, 0);
            Array<int> log(24);
            REQUIRE(launch(3, 4, log_kernel, count.data, log.data, barrier) == cudaSuccess);
            std::vector<int> order = log.get();
            if (!barrier) order.resize(12);
            // after a barrier each thread of the block once again
            for (std::size_t begin = 0; barrier && begin < 24; begin += 8) {
                REQUIRE(std::is_permutation(order.begin() + static_cast<int>(begin), order.begin() + static_cast<int>(begin) + 4,
                                            order.begin() + static_cast<int>(begin) + 4));
            }
            seen.insert(order);
        }
        return seen;
    };
    cuda_emulator::reseed(5);
    const auto first = orders(false);
    REQUIRE(first.size() > 20);
    REQUIRE(orders(true).size() > 30);
    cuda_emulator::reseed(5);
    REQUIRE(orders(false) == first);
    cuda_emulator::reseed(6);
    REQUIRE(orders(false) != first);
}

TEST_CASE("a block's sum is right with its barriers, and wrong for some order when one is missing") {
    std::vector<float> numbers(256 * 7);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i % 11);
    std::vector<float> expected(7);
    for (std::size_t b = 0; b < 7; ++b)
        expected[b] = std::accumulate(numbers.begin() + 256 * static_cast<int>(b), numbers.begin() + 256 * static_cast<int>(b + 1), 0.0f);
    Array<float> x(numbers.size());
    x.put(numbers);
    bool found = false;
    for (int trial = 0; trial < 6; ++trial) {
        Array<float> y(7);
        REQUIRE(launch(7, 256, sum_kernel<true>, x.data, y.data) == cudaSuccess);
        REQUIRE(y.get() == expected);
        REQUIRE(launch(7, 256, sum_kernel<false>, x.data, y.data) == cudaSuccess);
        found = found || y.get() != expected;
    }
    REQUIRE(found);
}

namespace {

__global__ void leftover_kernel(float* out, bool set) {
    __shared__ float kept[32];
    if (set) kept[threadIdx.x] = 1;
    out[blockIdx.x * 32 + threadIdx.x] = kept[threadIdx.x];
}

}  // namespace

TEST_CASE("a block does not find what another left in shared memory") {
    Array<float> out(96);
    REQUIRE(launch(3, 32, leftover_kernel, out.data, true) == cudaSuccess);
    REQUIRE(out.get() == std::vector<float>(96, 1.0f));
    REQUIRE(launch(3, 32, leftover_kernel, out.data, false) == cudaSuccess);
    for (const float value : out.get()) REQUIRE(std::isnan(value));
}

namespace {

__global__ void barrier_results_kernel(int limit, int* out) {
    const int t = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
    for (int round = 0; round < 3; ++round) {
        const int count = __syncthreads_count(t < limit + round);
        const int all = __syncthreads_and(t < limit + round), any = __syncthreads_or(t < limit + round - 1);
        out[(round * n + t) * 3] = count;
        out[(round * n + t) * 3 + 1] = all;
        out[(round * n + t) * 3 + 2] = any;
    }
}

template <class T>
__global__ void shuffle_kernel(T* out, int width) {
    const unsigned int t = threadIdx.x;
    const T mine = static_cast<T>(t + 1);
    out[t * 4] = __shfl_sync(0xffffffffu, mine, 3, width);
    out[t * 4 + 1] = __shfl_up_sync(0xffffffffu, mine, 2, width);
    out[t * 4 + 2] = __shfl_down_sync(0xffffffffu, mine, 1, width);
    out[t * 4 + 3] = __shfl_xor_sync(0xffffffffu, mine, 5, width);
}

__global__ void vote_kernel(unsigned int* out) {
    const unsigned int t = threadIdx.x, mask = 0xffffffffu;
    unsigned int* mine = out + t * 12;
    mine[0] = __ballot_sync(mask, t % 3 == 0);
    mine[1] = static_cast<unsigned int>(__any_sync(mask, t == 40));
    mine[2] = static_cast<unsigned int>(__all_sync(mask, t < 32));
    mine[3] = __reduce_add_sync(mask, t);
    mine[4] = static_cast<unsigned int>(__reduce_min_sync(mask, 10 - static_cast<int>(t)));
    mine[5] = __reduce_max_sync(mask, t);
    mine[6] = __reduce_and_sync(mask, t | 64);
    mine[7] = __reduce_xor_sync(mask, t == 7 ? 5u : 0u);
    mine[8] = __match_any_sync(mask, t % 4);
    // two halves that go separate ways, one of them twice
    const unsigned int half = t % 32 < 16 ? 0x0000ffffu : 0xffff0000u;
    unsigned int sum = t;
    if (t % 32 < 16) {
        sum = __reduce_add_sync(half, sum);
        sum = __reduce_max_sync(half, sum + t);
    } else {
        sum = __reduce_add_sync(half, sum);
    }
    mine[9] = sum;
    __syncwarp();
    mine[10] = __shfl_sync(half, t, 32 + 16);  // lane 16
    mine[11] = 0;
}

}  // namespace

TEST_CASE("barriers count and combine") {
    Array<int> out(3 * 70 * 3);
    REQUIRE(launch(1, 70, barrier_results_kernel, 69, out.data) == cudaSuccess);
    const std::vector<int> got = out.get();
    for (std::size_t i = 0; i < 3 * 70; ++i) {
        const int below = 69 + static_cast<int>(i / 70);
        REQUIRE(got[i * 3] == std::min(below, 70));
        REQUIRE(got[i * 3 + 1] == (below >= 70));
        REQUIRE(got[i * 3 + 2] == 1);
    }
    REQUIRE(launch(1, 70, barrier_results_kernel, -1, out.data) == cudaSuccess);
    REQUIRE(out.get()[2] == 0);
    REQUIRE(out.get()[0] == 0);
}

TEMPLATE_TEST_CASE("shuffles", "", signed char, short, int, unsigned int, long long, float, double) {
    for (const int width : {32, 8}) {
        Array<TestType> out(64 * 4);
        REQUIRE(launch(1, 64, shuffle_kernel<TestType>, out.data, width) == cudaSuccess);
        const auto got = out.get();
        for (int t = 0; t < 64; ++t) {
            const int begin = t / width * width, end = begin + width;
            const auto is = [&](int i, int source) {
                return got[static_cast<std::size_t>(t * 4 + i)] == static_cast<TestType>(source + 1);
            };
            REQUIRE(is(0, begin + 3));
            REQUIRE(is(1, t - 2 < begin ? t : t - 2));
            REQUIRE(is(2, t + 1 >= end ? t : t + 1));
            REQUIRE(is(3, (t ^ 5) >= end ? t : t ^ 5));
        }
    }
}

TEST_CASE("votes and reductions of a warp, also of its halves") {
    Array<unsigned int> out(64 * 12);
    REQUIRE(launch(1, 64, vote_kernel, out.data) == cudaSuccess);
    const auto got = out.get();
    for (unsigned int t = 0; t < 64; ++t) {
        const unsigned int* mine = got.data() + t * 12;
        const unsigned int begin = t / 32 * 32;
        unsigned int thirds = 0;
        for (unsigned int i = 0; i < 32; ++i) thirds |= ((begin + i) % 3 == 0 ? 1u : 0u) << i;
        REQUIRE(mine[0] == thirds);
        REQUIRE(mine[1] == (begin == 32));
        REQUIRE(mine[2] == (begin == 0));
        REQUIRE(mine[3] == 32 * begin + 31 * 16);
        REQUIRE(static_cast<int>(mine[4]) == 10 - static_cast<int>(begin + 31));
        REQUIRE(mine[5] == begin + 31);
        REQUIRE(mine[6] == 64 + begin);
        REQUIRE(mine[7] == (begin == 0 ? 5u : 0u));
        REQUIRE(mine[8] == 0x11111111u << t % 4);
        REQUIRE(mine[9] == (t % 32 < 16 ? 16 * begin + 120 + begin + 15 : 16 * (begin + 16) + 120));
        REQUIRE(mine[10] == (t % 32 < 16 ? 0xffffffffu : begin + 16));  // from a lane outside the mask: ones
    }
}

namespace {

__global__ void leaves_kernel() {
    if (threadIdx.x == 3) return;
    __syncthreads();
}
__global__ void two_barriers_kernel() {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads_count(1);
}
__global__ void two_lines_kernel(int* out) {
    if (threadIdx.x < 32) {
        __syncthreads();
        *out = 1;
    } else {
        __syncthreads();
        *out = 2;
    }
}
__global__ void lane_gone_kernel(int* out) {
    if (threadIdx.x == 5) return;
    out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
}
__global__ void lane_outside_kernel() { __syncwarp(0xfffffffeu); }
__global__ void lane_missing_kernel(int* out) { *out = __any_sync(0xffffffffu, 1); }
__global__ void stuck_kernel(int* out) {
    if (threadIdx.x % 32 < 8)
        out[0] = __any_sync(0x000000ffu, 1);
    else if (threadIdx.x % 32 < 16)
        out[1] = __any_sync(0x0000ff0fu, 1);
    __syncthreads();
}
struct Holder {
    int* p;
};
__global__ void store_kernel(Holder holder) { *holder.p = 3; }
__global__ void pointer_kernel(int* p) {
    if (p != nullptr) *p = 4;
}

}  // namespace

TEST_CASE("mistakes that are undefined on a GPU end the program with a message") {
    Array<int> out(64);
    int* const data = out.data;
    const auto message = [](auto run) {
        const auto [died, text] = in_child([&] {
            cuda_emulator::watch_faults();
            run();
            cudaDeviceSynchronize();
        });
        REQUIRE(died);
        return text;
    };
    CHECK_THAT(message([] { launch(1, 64, leaves_kernel); }),
               contains("leaves_kernel") && contains("left the kernel") && contains("emulator_test.cpp:"));
    CHECK_THAT(message([] { launch(1, 64, two_barriers_kernel); }), contains("two_barriers_kernel") && contains("another barrier"));
    CHECK_THAT(message([&] { launch(1, 64, two_lines_kernel, data); }), contains("two_lines_kernel") && contains("another barrier"));
    CHECK_THAT(message([&] { launch(1, 32, lane_gone_kernel, data); }), contains("lane_gone_kernel") && contains("left the kernel"));
    CHECK_THAT(message([] { launch(1, 32, lane_outside_kernel); }),
               contains("lane_outside_kernel") && contains("does not hold the calling lane"));
    CHECK_THAT(message([&] { launch(1, 48, lane_missing_kernel, data); }), contains("lane_missing_kernel") && contains("does not exist"));
    CHECK_THAT(message([&] { launch(1, 32, stuck_kernel, data); }),
               contains("deadlock") && contains("stuck_kernel") && contains("0x0000ff0f"));
    int host = 0;
    CHECK_THAT(message([&] { launch(1, 1, pointer_kernel, &host); }),
               contains("pointer_kernel") && contains("pointer to host memory as its argument 0"));
    CHECK_THAT(message([&] { launch(1, 1, store_kernel, Holder{nullptr}); }), contains("store_kernel") && contains("an invalid address"));
    CHECK_THAT(message([&] { host = data[2]; }), contains("host code") && contains("byte 8 of an allocation of 256 bytes"));
    CHECK_THAT(message([&] { std::memset(data, 0, 4); }), contains("host code"));
    int* elsewhere = nullptr;
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    REQUIRE(cudaMalloc(&elsewhere, 4) == cudaSuccess);
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    CHECK_THAT(message([&] { launch(1, 1, pointer_kernel, elsewhere); }), contains("points to memory of device 1"));
    CHECK_THAT(message([&] { launch(1, 1, store_kernel, Holder{elsewhere}); }),
               contains("store_kernel") && contains("memory of another device"));
    // what is allowed, by comparison
    REQUIRE(launch(1, 1, pointer_kernel, nullptr) == cudaSuccess);
    REQUIRE(cudaDeviceEnablePeerAccess(1, 0) == cudaSuccess);
    REQUIRE(launch(1, 1, store_kernel, Holder{elsewhere}) == cudaSuccess);
    REQUIRE(cudaMemcpy(&host, elsewhere, 4, cudaMemcpyDeviceToHost) == cudaSuccess);
    REQUIRE(host == 3);
    REQUIRE(cudaDeviceDisablePeerAccess(1) == cudaSuccess);
    REQUIRE(cudaFree(elsewhere) == cudaSuccess);
    REQUIRE(!in_child([] { cudaDeviceSynchronize(); }).died);
}

namespace {

__global__ void write_kernel(unsigned char* x, int i) { x[i] = 1; }

}  // namespace

TEST_CASE("a write behind an allocation is found; AddressSanitizer finds reads, and freed memory") {
    unsigned char* x = nullptr;
    REQUIRE(cudaMalloc(&x, 100) == cudaSuccess);
    const auto [died, text] = in_child([&] {
        launch(1, 1, write_kernel, x, 100);
        cudaDeviceSynchronize();
        cudaFree(x);
    });
    REQUIRE(died);
#ifdef CUDA_EMULATOR_ASAN
    CHECK_THAT(text, contains("use-after-poison"));
    CHECK_THAT(in_child([&] {
                   cudaFree(x);
                   launch(1, 1, write_kernel, x, 3);
                   cudaDeviceSynchronize();
               }).text,
               contains("use-after-poison"));
#else
    CHECK_THAT(text, contains("byte 100 of an allocation of 100 bytes"));
#endif
    REQUIRE(cudaFree(x) == cudaSuccess);
}
