// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The emulator of CUDA (tests/support/cuda_emulator): kernels, barriers, warps, atomics, arithmetic, and that mistakes are found.

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/child_process.hpp"

using headtorch::testing::in_child;

namespace {

/// An array on the device.
template <class T>
struct Array {
    T* data = nullptr;
    std::size_t count;

    explicit Array(std::size_t n) : count(n) { REQUIRE(cudaMalloc(&data, n * sizeof(T)) == cudaSuccess); }
    Array(std::size_t n, T value) : Array(n) { put(std::vector<T>(n, value)); }
    Array(const Array&) = delete;
    ~Array() { cudaFree(data); }
    void put(const std::vector<T>& values) {
        REQUIRE(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
    }
    std::vector<T> get() const {
        std::vector<T> values(count);
        REQUIRE(cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
        return values;
    }
};

template <class... P, class... A>
cudaError_t launch(dim3 grid, dim3 block, void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

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
    for (std::size_t b = 0; b < 7; ++b) expected[b] = std::accumulate(numbers.begin() + 256 * static_cast<int>(b), numbers.begin() + 256 * static_cast<int>(b + 1), 0.0f);
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
            const auto is = [&](int i, int source) { return got[static_cast<std::size_t>(t * 4 + i)] == static_cast<TestType>(source + 1); };
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
    if (threadIdx.x < 32) __syncthreads();
    else __syncthreads_count(1);
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
    if (threadIdx.x % 32 < 8) out[0] = __any_sync(0x000000ffu, 1);
    else if (threadIdx.x % 32 < 16) out[1] = __any_sync(0x0000ff0fu, 1);
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
    CHECK_THAT(message([] { launch(1, 32, lane_outside_kernel); }), contains("lane_outside_kernel") && contains("does not hold the calling lane"));
    CHECK_THAT(message([&] { launch(1, 48, lane_missing_kernel, data); }), contains("lane_missing_kernel") && contains("does not exist"));
    CHECK_THAT(message([&] { launch(1, 32, stuck_kernel, data); }), contains("deadlock") && contains("stuck_kernel") && contains("0x0000ff0f"));
    int host = 0;
    CHECK_THAT(message([&] { launch(1, 1, pointer_kernel, &host); }), contains("pointer_kernel") && contains("pointer to host memory as its argument 0"));
    CHECK_THAT(message([&] { launch(1, 1, store_kernel, Holder{nullptr}); }), contains("store_kernel") && contains("an invalid address"));
    CHECK_THAT(message([&] { host = data[2]; }), contains("host code") && contains("byte 8 of an allocation of 256 bytes"));
    CHECK_THAT(message([&] { std::memset(data, 0, 4); }), contains("host code"));
    int* elsewhere = nullptr;
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    REQUIRE(cudaMalloc(&elsewhere, 4) == cudaSuccess);
    REQUIRE(cudaSetDevice(0) == cudaSuccess);
    CHECK_THAT(message([&] { launch(1, 1, pointer_kernel, elsewhere); }), contains("points to memory of device 1"));
    CHECK_THAT(message([&] { launch(1, 1, store_kernel, Holder{elsewhere}); }), contains("store_kernel") && contains("memory of another device"));
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

__global__ void atomics_kernel(int* i, unsigned int* u, unsigned long long* w, float* f, double* d) {
    const int t = static_cast<int>(threadIdx.x);
    atomicAdd(i, 2);
    atomicSub(i + 1, 3);
    atomicMin(i + 2, -t);
    atomicMax(i + 3, t);
    atomicOr(u, 1u << (t % 32));
    atomicAnd(u + 1, ~(1u << (t % 4)));
    atomicXor(u + 2, 1u << (t % 3));
    atomicInc(u + 3, 9);
    atomicDec(u + 4, 5);
    atomicMax(w, static_cast<unsigned long long>(t) << 40);
    atomicAdd(w + 1, 1);
    atomicAdd(f, 0.5f);
    atomicAdd(d, 0.25);
    if (t == 0) *i = 1000 * atomicCAS(i + 4, 7, 8) + atomicExch(i + 5, 6);
}

__global__ void arithmetic_kernel(double* out) {
    int k = 0;
    const auto put = [&](double value) { out[k++] = value; };
    put(__popc(0xf0f0u)), put(__popcll(~0ull)), put(__clz(1)), put(__clz(0)), put(__clzll(1)), put(__ffs(8)), put(__ffs(0)), put(__ffsll(1ll << 40));
    put(__brev(1)), put(__umulhi(0x80000000u, 6)), put(__mulhi(-1, 1)), put(__mul24(-3, 5)), put(__mul24(0x01000002, 3)), put(__umul24(3, 4));
    put(__int_as_float(__float_as_int(1.5f))), put(__uint_as_float(__float_as_uint(-2.5f))), put(__longlong_as_double(__double_as_longlong(0.1)));
    put(static_cast<double>(__umul64hi(1ull << 63, 6))), put(__fdividef(6, 3)), put(__saturatef(3)), put(__fmaf_rn(2, 3, 4)), put(rsqrtf(4)), put(rsqrt(16.0));
    put(__funnelshift_l(0x80000000u, 1u, 1)), put(__funnelshift_r(2u, 1u, 1)), put(min(3, -2)), put(max(2u, 5u)), put(min(1.0f, NAN)), put(max(NAN, 2.0));
    put(__hiloint2double(0x3ff00000, 0)), put(__double2hiint(1.0)), put(sinpi(0.5)), put(normcdf(0.0));
    float s = 0, c = 0;
    sincosf(0.0f, &s, &c);
    put(s), put(c), put(__ldg(out)), put(__float2int_rn(2.5f)), put(__float2int_rd(-0.5f));
}

}  // namespace

TEST_CASE("atomics") {
    Array<int> i(6);
    i.put({0, 0, 5, 5, 7, 5});
    Array<unsigned int> u(5);
    u.put({0, 0xffu, 0, 0, 0});
    Array<unsigned long long> w(2, 0);
    Array<float> f(1, 0.0f);
    Array<double> d(1, 0.0);
    REQUIRE(launch(1, 64, atomics_kernel, i.data, u.data, w.data, f.data, d.data) == cudaSuccess);
    const auto got = i.get();
    REQUIRE(got[1] == -192);
    REQUIRE(got[2] == -63);
    REQUIRE(got[3] == 63);
    REQUIRE(got[4] == 8);
    REQUIRE(got[5] == 6);
    REQUIRE(u.get() == std::vector<unsigned int>{0xffffffffu, 0xf0u, 0b100u ^ 0b010u ^ 0b000u ^ 0b010u ^ 0b010u, 64 % 10, 2});
    REQUIRE(w.get() == std::vector<unsigned long long>{63ull << 40, 64});
    REQUIRE(f.get()[0] == 32);
    REQUIRE(d.get()[0] == 16);
}

TEST_CASE("arithmetic of device code") {
    Array<double> out(38);
    REQUIRE(launch(1, 1, arithmetic_kernel, out.data) == cudaSuccess);
    const std::vector<double> expected = {8,   64, 31,        32, 63, 4, 0, 41, 2147483648.0, 3, -1, -15, 6, 12, 1.5, -2.5, 0.1, 3, 2, 1, 10, 0.5, 0.25, 3, 0x80000001u, -2, 5, 1,
                                          2.0, 1,  0x3ff00000, 1,  0.5, 0, 1, 8,  2,           -1};
    REQUIRE(out.get() == expected);
    for (const double y : {-0.999999, -0.9, -0.5, -1e-3, 1e-9, 0.2, 0.5, 0.75, 0.99, 1 - 1e-12}) {
        const double x = erfinv(y);
        CAPTURE(y, x);
        if (y > 0.5) REQUIRE(std::abs(std::erfc(x) - (1 - y)) <= 1e-14 * (1 - y) + 1e-17);
        else REQUIRE(std::abs(std::erf(x) - y) <= 3e-16);
    }
    REQUIRE(erfinv(1.0) == INFINITY);
    REQUIRE(erfinv(-1.0) == -INFINITY);
    REQUIRE(std::isnan(erfinv(1.5)));
    REQUIRE(erfinv(0.0) == 0.0);
    REQUIRE((alignof(float4) == 16 && alignof(double2) == 16 && alignof(float2) == 8 && sizeof(float3) == 12 && alignof(uchar4) == 4));
    REQUIRE(make_int4(1, 2, 3, 4).w == 4);
}
