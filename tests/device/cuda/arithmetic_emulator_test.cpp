// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The emulator of CUDA (tests/support/cuda_emulator): atomics and arithmetic.

#include <cuda_runtime.h>

#include <cmath>
#include <vector>

#include "tests/device/cuda/emulated.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch::testing;

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
    put(__popc(0xf0f0u)), put(__popcll(~0ull)), put(__clz(1)), put(__clz(0)), put(__clzll(1)), put(__ffs(8)), put(__ffs(0)),
        put(__ffsll(1ll << 40));
    put(__brev(1)), put(__umulhi(0x80000000u, 6)), put(__mulhi(-1, 1)), put(__mul24(-3, 5)), put(__mul24(0x01000002, 3)),
        put(__umul24(3, 4));
    put(__int_as_float(__float_as_int(1.5f))), put(__uint_as_float(__float_as_uint(-2.5f))),
        put(__longlong_as_double(__double_as_longlong(0.1)));
    put(static_cast<double>(__umul64hi(1ull << 63, 6))), put(__fdividef(6, 3)), put(__saturatef(3)), put(__fmaf_rn(2, 3, 4)),
        put(rsqrtf(4)), put(rsqrt(16.0));
    put(__funnelshift_l(0x80000000u, 1u, 1)), put(__funnelshift_r(2u, 1u, 1)), put(min(3, -2)), put(max(2u, 5u)), put(min(1.0f, NAN)),
        put(max(NAN, 2.0));
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
    const std::vector<double> expected = {8,   64, 31, 32, 63, 4,   0,    41, 2147483648.0, 3,  -1, -15, 6,   12, 1.5,        -2.5,
                                          0.1, 3,  2,  1,  10, 0.5, 0.25, 3,  0x80000001u,  -2, 5,  1,   2.0, 1,  0x3ff00000, 1,
                                          0.5, 0,  1,  8,  2,  -1};
    REQUIRE(out.get() == expected);
    for (const double y : {-0.999999, -0.9, -0.5, -1e-3, 1e-9, 0.2, 0.5, 0.75, 0.99, 1 - 1e-12}) {
        const double x = erfinv(y);
        CAPTURE(y, x);
        if (y > 0.5)
            REQUIRE(std::abs(std::erfc(x) - (1 - y)) <= 1e-14 * (1 - y) + 1e-17);
        else
            REQUIRE(std::abs(std::erf(x) - y) <= 3e-16);
    }
    REQUIRE(erfinv(1.0) == INFINITY);
    REQUIRE(erfinv(-1.0) == -INFINITY);
    REQUIRE(std::isnan(erfinv(1.5)));
    REQUIRE(erfinv(0.0) == 0.0);
    REQUIRE((alignof(float4) == 16 && alignof(double2) == 16 && alignof(float2) == 8 && sizeof(float3) == 12 && alignof(uchar4) == 4));
    REQUIRE(make_int4(1, 2, 3, 4).w == 4);
}
