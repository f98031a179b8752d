// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/core/math.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "tests/support/catch.hpp"

namespace elsewhere {

/// A type with functions of its own, which math:: must find.
struct Traced {
    double value;
};
Traced exp(const Traced& x) { return {x.value + 100}; }
Traced sigmoid(const Traced& x) { return {x.value + 200}; }
Traced pow(const Traced& x, double e) { return {x.value + e}; }
Traced pow(double b, const Traced& x) { return {x.value * b}; }
Traced where(const Traced& c, double a, const Traced& b) { return {c.value > 0 ? a : b.value}; }

}  // namespace elsewhere

using namespace headtorch;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEST_CASE("math:: forwards to the argument's own namespace", "[core]") {
    const elsewhere::Traced x{1};
    CHECK(math::exp(x).value == 101);
    CHECK(math::sigmoid(x).value == 201);
    CHECK(math::pow(x, 3).value == 4);
    CHECK(math::pow(3, x).value == 3);
    CHECK(math::where(x, 7, x).value == 7);
    const auto silu = [](auto u) { return u * math::sigmoid(u); };
    CHECK(silu(1.5) == Approx(1.5 / (1 + std::exp(-1.5))));
}

TEST_CASE("math:: keeps the type of numbers", "[core]") {
    static_assert(std::is_same_v<decltype(math::exp(1.0f)), float>);
    static_assert(std::is_same_v<decltype(math::sigmoid(1.0f)), float>);
    static_assert(std::is_same_v<decltype(math::pow(1.0f, 2.0f)), float>);
    static_assert(std::is_same_v<decltype(math::sign(1.0f)), float>);
    static_assert(std::is_same_v<decltype(math::maximum(1.0f, 0)), float>);
    static_assert(std::is_same_v<decltype(math::abs(std::uint8_t{1})), std::uint8_t>);
    static_assert(std::is_same_v<decltype(math::floor(std::int64_t{1})), std::int64_t>);
    CHECK(math::reciprocal(4) == 0.25);
    CHECK(math::rsqrt(4) == 0.5);
}

TEST_CASE("math:: of numbers has PyTorch's conventions", "[core]") {
    CHECK(math::round(0.5) == 0);
    CHECK(math::round(1.5) == 2);
    CHECK(math::round(-2.5f) == -2);
    CHECK(math::trunc(-2.5f) == -2);
    CHECK(math::floor(-2.5) == -3);
    CHECK(math::ceil(-2.5) == -2);
    CHECK(math::sign(-3) == -1);
    CHECK(math::sign(0.0) == 0);
    CHECK(math::sign(not_a_number) == 0);
    CHECK_FALSE(std::signbit(math::sign(-0.0)));
    CHECK_FALSE(std::signbit(math::abs(-0.0)));
    CHECK(math::abs(std::int64_t{-4}) == 4);
    CHECK(math::square(-3) == 9);

    CHECK(math::minimum(1, 2.5) == 1);
    CHECK(math::maximum(1, 2.5) == 2.5);
    CHECK(std::isnan(math::minimum(not_a_number, 1.0)));
    CHECK(std::isnan(math::minimum(1.0, not_a_number)));
    CHECK(std::isnan(math::maximum(not_a_number, 1.0)));
    CHECK(std::isnan(math::maximum(1.0, not_a_number)));

    CHECK(math::where(true, 1, 2.5) == 1);
    CHECK(math::where(false, 1, 2.5) == 2.5);
    CHECK(math::isnan(not_a_number));
    CHECK(math::isinf(-infinity));
    CHECK(math::isfinite(1.0f));
}

TEST_CASE("sigmoid and logaddexp of numbers do not overflow", "[core]") {
    CHECK(math::sigmoid(800.0) == 1);
    CHECK(math::sigmoid(-700.0) == Approx(std::exp(-700.0)).epsilon(1e-14));
    CHECK(math::sigmoid(-800.0) == 0);
    CHECK(math::sigmoid(0.0f) == 0.5f);
    CHECK(std::isnan(math::sigmoid(not_a_number)));

    CHECK(math::logaddexp(1000.0, 1000.0) == Approx(1000 + std::log(2.0)));
    CHECK(math::logaddexp(1.0, 2.0) == Approx(std::log(std::exp(1.0) + std::exp(2.0))));
    CHECK(math::logaddexp(-infinity, 3.0) == 3);
    CHECK(math::logaddexp(infinity, infinity) == infinity);
    CHECK(math::logaddexp(-infinity, -infinity) == -infinity);
    CHECK(math::logaddexp(infinity, -infinity) == infinity);
    CHECK(std::isnan(math::logaddexp(not_a_number, 1.0)));
}
