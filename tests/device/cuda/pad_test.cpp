// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Padding on the GPU, forward and back, against the CPU in double.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::int64_t below(std::mt19937_64& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

/// Numbers whose sums a float holds as they are.
Tensor<double, Cpu> some(const Shape& shape, std::mt19937_64& random) {
    auto x = empty<double, Cpu>(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<double>(below(random, 33) - 16) / 8;
    return x;
}

template <class T>
bool close(const Tensor<T, Cuda>& got, const Tensor<double, Cpu>& expected, double tolerance) {
    const auto host = got.template to<Cpu>();
    for (std::int64_t i = 0; i < expected.numel(); ++i) {
        const double b = expected.data()[i];
        if (!(std::abs(static_cast<double>(host.data()[i]) - b) <= tolerance * std::max(1.0, std::abs(b)))) return false;
    }
    return true;
}

/// A padding that the op allows; one in eight of its numbers cuts.
PadPlan some_plan(PadMode mode, std::mt19937_64& random) {
    for (;;) {
        Shape shape;
        const std::int64_t rank = 1 + below(random, 5);
        for (std::int64_t d = 0; d < rank; ++d) shape.push_back(below(random, 30) == 0 ? 0 : 1 + below(random, 6));
        IntList pads;
        const std::int64_t padded = below(random, std::min<std::int64_t>(4, rank) + 1);
        for (std::int64_t k = 0; k < 2 * padded; ++k) pads.push_back(random() % 8 == 0 ? -below(random, 4) : below(random, 6));
        try {
            return detail::plan_pad(shape, pads, mode);
        } catch (const ShapeError&) {  // not for this shape: another one
        }
    }
}

template <class T>
void compare(int rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const double tolerance = std::is_same_v<T, double> ? 1e-12 : std::is_same_v<T, float> ? 1e-6 : 1e-2;
    for (const PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::replicate, PadMode::circular})
        for (int round = 0; round < rounds; ++round) {
            const PadPlan plan = some_plan(mode, random);
            const auto x = some(plan.in, random);
            auto y = empty<double, Cpu>(plan.out);
            const auto x_there = x.to<T>().template to<Cuda>(), y_there = empty<T, Cuda>(plan.out);
            pad_forward(Cpu{}, static_cast<const double*>(x.data()), plan, 1.5, y.data());
            pad_forward(Cuda{}, static_cast<const T*>(x_there.data()), plan, static_cast<T>(1.5), y_there.data());
            REQUIRE(close(y_there, y, tolerance));
            if (mode == PadMode::constant) continue;
            const auto g = some(plan.out, random);
            auto dx = empty<double, Cpu>(plan.in);
            const auto g_there = g.to<T>().template to<Cuda>(), dx_there = empty<T, Cuda>(plan.in);
            pad_backward(Cpu{}, static_cast<const double*>(g.data()), plan, dx.data());
            pad_backward(Cuda{}, static_cast<const T*>(g_there.data()), plan, dx_there.data());
            INFO(plan.in.to_string() << " to " << plan.out.to_string() << ", left " << plan.left.to_string() << ", mode "
                                     << static_cast<int>(mode));
            REQUIRE(close(dx_there, dx, tolerance));
        }
}

}  // namespace

TEST_CASE("padding of every mode, and its gradient", "[cuda]") {
    compare<float>(1000, 1);
    compare<double>(200, 2);
}
TEST_CASE("padding of integers, truth values and halfs", "[cuda]") {
    std::mt19937_64 random(3);
    const PadPlan plan = detail::plan_pad({2, 3, 5}, {1, 2, 2, 0}, PadMode::constant);
    auto x = empty<bool, Cpu>(plan.in), y = empty<bool, Cpu>(plan.out);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = random() % 2 == 0;
    const auto y_there = empty<bool, Cuda>(plan.out);
    pad_forward(Cpu{}, static_cast<const bool*>(x.data()), plan, true, y.data());
    pad_forward(Cuda{}, static_cast<const bool*>(x.to<Cuda>().data()), plan, true, y_there.data());
    const auto host = y_there.to<Cpu>();
    CHECK(std::equal(host.data(), host.data() + host.numel(), y.data()));
    compare<float16>(20, 4);
}
