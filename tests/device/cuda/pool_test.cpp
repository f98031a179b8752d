// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pooling on the GPU, against the CPU in double: windows of every kind, forward and back.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::int64_t below(std::mt19937_64& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

/// Numbers that a float holds, with equal ones among them, and now and then NaN and infinities.
Tensor<double, Cpu> some(const Shape& shape, std::mt19937_64& random, bool special) {
    auto x = empty<double, Cpu>(shape);
    const bool coarse = random() % 2 == 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
        const double value = std::normal_distribution<double>()(random);
        x.data()[i] = coarse ? std::round(value) : static_cast<double>(static_cast<float>(value));
        if (special && random() % 30 == 0) x.data()[i] = std::numeric_limits<double>::quiet_NaN();
        if (special && random() % 30 == 0) x.data()[i] = -std::numeric_limits<double>::infinity();
    }
    return x;
}

/// What a T holds of them.
template <class T>
Tensor<double, Cpu> rounded(const Tensor<double, Cpu>& x) {
    return x.to<T>().template to<double>();
}

template <class T>
bool close(const Tensor<T, Cuda>& got, const Tensor<double, Cpu>& expected) {
    const double tolerance = std::is_same_v<T, double> ? 1e-12 : std::is_same_v<T, float> ? 1e-6 : 1e-2;
    const auto host = got.template to<Cpu>();
    double size = 1;
    for (std::int64_t i = 0; i < expected.numel(); ++i)
        if (std::isfinite(expected.data()[i])) size = std::max(size, std::abs(expected.data()[i]));
    for (std::int64_t i = 0; i < expected.numel(); ++i) {
        const double a = static_cast<double>(host.data()[i]), b = expected.data()[i];
        if (std::isnan(b) ? !std::isnan(a) : a != b && !(std::abs(a - b) <= tolerance * size)) return false;
    }
    return true;
}
bool same(const Tensor<std::int32_t, Cuda>& got, const Tensor<std::int32_t, Cpu>& expected) {
    const auto host = got.to<Cpu>();
    return std::equal(host.data(), host.data() + host.numel(), expected.data());
}

detail::Pooling some_pooling(const Shape& shape, std::mt19937_64& random, bool dilated) {
    for (;;) {
        if (random() % 3 == 0) return detail::plan_adaptive_pool("pool", shape, 2, {1 + below(random, 9), 1 + below(random, 9)});
        const IntList kernel{1 + below(random, 5), 1 + below(random, 5)}, stride{1 + below(random, 4), 1 + below(random, 4)};
        const IntList dilation{dilated ? 1 + below(random, 3) : 1, dilated ? 1 + below(random, 3) : 1};
        IntList padding;
        for (int k = 0; k < 2; ++k) padding.push_back(below(random, ((kernel[k] - 1) * dilation[k] + 1) / 2 + 1));
        try {
            return detail::plan_pool("pool", shape, 2, kernel, stride, padding, dilation, random() % 2 == 0);
        } catch (const ShapeError&) {  // the window does not fit: another one
        }
    }
}

template <class T>
void compare_max(const detail::Pooling& pooling, const Shape& shape, std::mt19937_64& random) {
    const auto x = rounded<T>(some(shape, random, random() % 4 == 0)), g = rounded<T>(some(pooling.out, random, false));
    auto y = empty<double, Cpu>(pooling.out);
    auto at = empty<std::int32_t, Cpu>(pooling.out);
    max_pool_forward(Cpu{}, static_cast<const double*>(x.data()), pooling.plan, y.data(), at.data());
    const auto x_there = x.template to<T>().template to<Cuda>(), g_there = g.template to<T>().template to<Cuda>();
    const auto y_there = empty<T, Cuda>(pooling.out), y_only = empty<T, Cuda>(pooling.out), dx_there = empty<T, Cuda>(shape);
    const auto at_there = empty<std::int32_t, Cuda>(pooling.out);
    max_pool_forward(Cuda{}, static_cast<const T*>(x_there.data()), pooling.plan, y_there.data(), at_there.data());
    max_pool_forward(Cuda{}, static_cast<const T*>(x_there.data()), pooling.plan, y_only.data(), nullptr);
    REQUIRE(same(at_there, at));
    REQUIRE(close(y_there, y));
    REQUIRE(close(y_only, y));
    auto dx = empty<double, Cpu>(shape);
    max_pool_backward(Cpu{}, static_cast<const double*>(g.data()), at.data(), pooling.plan, dx.data());
    max_pool_backward(Cuda{}, static_cast<const T*>(g_there.data()), at_there.data(), pooling.plan, dx_there.data());
    REQUIRE(close(dx_there, dx));
    // the same by way of places that may be anywhere
    PoolPlan anywhere = pooling.plan;
    anywhere.anywhere = true;
    max_pool_backward(Cuda{}, static_cast<const T*>(g_there.data()), at_there.data(), anywhere, dx_there.data());
    REQUIRE(close(dx_there, dx));
    pick_places(Cpu{}, static_cast<const double*>(dx.data()), at.data(), pooling.plan.planes, pooling.plan.in_size(),
                pooling.plan.out_size(), y.data());
    pick_places(Cuda{}, static_cast<const T*>(dx_there.data()), at_there.data(), pooling.plan.planes, pooling.plan.in_size(),
                pooling.plan.out_size(), y_there.data());
    REQUIRE(close(y_there, y));
}

template <class T>
void compare_average(detail::Pooling pooling, const Shape& shape, std::mt19937_64& random) {
    pooling.plan.count_include_pad = random() % 2 == 0;
    if (!pooling.plan.rows.adaptive && random() % 3 == 0) pooling.plan.divisor = 1 + below(random, 9);
    const auto x = rounded<T>(some(shape, random, false)), g = rounded<T>(some(pooling.out, random, false));
    auto y = empty<double, Cpu>(pooling.out), dx = empty<double, Cpu>(shape);
    const auto x_there = x.template to<T>().template to<Cuda>(), g_there = g.template to<T>().template to<Cuda>();
    const auto y_there = empty<T, Cuda>(pooling.out), dx_there = empty<T, Cuda>(shape);
    average_pool_forward(Cpu{}, static_cast<const double*>(x.data()), pooling.plan, y.data());
    average_pool_forward(Cuda{}, static_cast<const T*>(x_there.data()), pooling.plan, y_there.data());
    REQUIRE(close(y_there, y));
    average_pool_backward(Cpu{}, static_cast<const double*>(g.data()), pooling.plan, dx.data());
    average_pool_backward(Cuda{}, static_cast<const T*>(g_there.data()), pooling.plan, dx_there.data());
    REQUIRE(close(dx_there, dx));
}

template <class T>
void compare_pools(int rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < rounds; ++round) {
        const Shape shape{below(random, 12) == 0 ? 0 : 1 + below(random, 3), 1 + below(random, 3), 1 + below(random, 12),
                          1 + below(random, 12)};
        compare_max<T>(some_pooling(shape, random, true), shape, random);
        compare_average<T>(some_pooling(shape, random, false), shape, random);
    }
}

}  // namespace

TEST_CASE("largest and mean elements of windows, and their gradients", "[cuda]") {
    compare_pools<float>(1000, 1);
    compare_pools<double>(200, 2);
    compare_pools<float16>(50, 5);
    compare_pools<bfloat16>(50, 6);
}

TEST_CASE("large windows are accurate", "[cuda]") {
    std::mt19937_64 random(3);
    const Shape shape{2, 3, 61, 75};
    for (const IntList& out : {IntList{1, 1}, IntList{1, 7}, IntList{3, 2}, IntList{5, 60}, IntList{100, 100}})
        compare_average<float>(detail::plan_adaptive_pool("pool", shape, 2, out), shape, random);
    compare_average<float>(detail::plan_pool("pool", shape, 2, {50, 3}, {7, 2}, {20, 1}, {1, 1}, true), shape, random);
    compare_average<double>(detail::plan_pool("pool", shape, 2, {9, 40}, {9, 4}, {0, 20}, {1, 1}, false), shape, random);
    // the same sums with an offset that a float carries along
    auto x = empty<double, Cpu>({1, 1, 200, 200});
    double total = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i)
        total += x.data()[i] = static_cast<double>(static_cast<float>(1000 + std::normal_distribution<double>()(random)));
    const auto pooling = detail::plan_adaptive_pool("pool", x.shape(), 2, {1, 1});
    const auto y = empty<float, Cuda>(pooling.out);
    average_pool_forward(Cuda{}, static_cast<const float*>(x.to<float>().to<Cuda>().data()), pooling.plan, y.data());
    CHECK(std::abs(static_cast<double>(y.to<Cpu>().data()[0]) - total / 40000) <= 1e-6 * 1000);
}

TEST_CASE("values put at their places, the last of several", "[cuda]") {
    std::mt19937_64 random(4);
    for (int round = 0; round < 300; ++round) {
        const std::int64_t planes = below(random, 5), in = 1 + below(random, 30), out = 1 + below(random, 40);
        const auto x = some({planes, in}, random, false);
        auto at = empty<std::int32_t, Cpu>({planes, in});
        for (std::int64_t i = 0; i < at.numel(); ++i) at.data()[i] = static_cast<std::int32_t>(below(random, out));
        auto y = empty<double, Cpu>({planes, out});
        const auto y_there = empty<double, Cuda>({planes, out});
        put_places(Cpu{}, static_cast<const double*>(x.data()), at.data(), planes, in, out, y.data());
        put_places(Cuda{}, static_cast<const double*>(x.to<Cuda>().data()), at.to<Cuda>().data(), planes, in, out, y_there.data());
        REQUIRE(close(y_there, y));
    }
}
