// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/core/dual.hpp"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "headtorch/device/cpu/packet_math.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

/// The slope of f at x, in all the ways it can be had, against central differences.
template <class F>
void check_slope(const std::string& name, F f, std::initializer_list<double> points) {
    for (const double x : points) {
        CAPTURE(name, x);
        const double h = 1e-5;
        const double difference = (f(x + h) - f(x - h)) / (2 * h);
        const auto y = f(Dual<double>(x, 1));
        CHECK(y.value == Approx(f(x)).epsilon(1e-13).margin(1e-15));
        CHECK(y.slope == Approx(difference).epsilon(1e-7).margin(1e-8));
        CHECK(f(Dual<double>(x, -3)).slope == Approx(-3 * y.slope).epsilon(1e-13).margin(1e-15));

        const auto single = f(Dual<float>(x, 1));
        static_assert(std::is_same_v<decltype(single.slope), float>);
        CHECK(single.slope == Approx(y.slope).epsilon(1e-4).margin(1e-5));

        using P = cpu::Packet<double, 4>;
        const auto packet = f(Dual<P>(P(x), 1));
        CHECK(packet.value[1] == Approx(y.value).epsilon(1e-13).margin(1e-15));
        CHECK(packet.slope[2] == Approx(y.slope).epsilon(1e-13).margin(1e-15));

        // The slope of the slope.
        const auto second = f(Dual<Dual<double>>(Dual<double>(x, 1), 1)).slope;
        const double slope_difference = (f(Dual<double>(x + h, 1)).slope - f(Dual<double>(x - h, 1)).slope) / (2 * h);
        CHECK(second.value == Approx(y.slope).epsilon(1e-13).margin(1e-15));
        CHECK(second.slope == Approx(slope_difference).epsilon(1e-6).margin(1e-7));
    }
}

}  // namespace

TEST_CASE("duals: arithmetic", "[core]") {
    const auto points = {-2.3, -0.4, 0.7, 3.1};
    check_slope(
        "x + 2", [](auto x) { return (x + 2) + x; }, points);
    check_slope(
        "2 + x", [](auto x) { return 2 + x; }, points);
    check_slope(
        "x - x²", [](auto x) { return x - x * x; }, points);
    check_slope(
        "x - 2", [](auto x) { return x - 2; }, points);
    check_slope(
        "2 - x", [](auto x) { return 0.5 * (2 - x); }, points);
    check_slope(
        "-x", [](auto x) { return -x * (+x); }, points);
    check_slope(
        "x * 3", [](auto x) { return x * 3; }, points);
    check_slope(
        "x / 3", [](auto x) { return x / 3; }, points);
    check_slope(
        "3 / x", [](auto x) { return 3 / x; }, points);
    check_slope(
        "x / (x² + 1)", [](auto x) { return x / (x * x + 1); }, points);
    check_slope(
        "in place",
        [](auto x) {
            auto y = x;
            y += 1;
            y *= x;
            y -= x / 7;
            y /= 2;
            return y;
        },
        points);
}

TEST_CASE("duals: functions of one variable", "[core]") {
    const auto points = {-2.3, -0.4, 0.7, 3.1};
    const auto positive = {0.2, 0.9, 2.2, 30.0};
    check_slope(
        "exp", [](auto x) { return math::exp(x); }, points);
    check_slope(
        "expm1", [](auto x) { return math::expm1(x); }, points);
    check_slope(
        "log", [](auto x) { return math::log(x); }, positive);
    check_slope(
        "log1p", [](auto x) { return math::log1p(x); }, positive);
    check_slope(
        "log2", [](auto x) { return math::log2(x); }, positive);
    check_slope(
        "sqrt", [](auto x) { return math::sqrt(x); }, positive);
    check_slope(
        "rsqrt", [](auto x) { return math::rsqrt(x); }, positive);
    check_slope(
        "reciprocal", [](auto x) { return math::reciprocal(x); }, points);
    check_slope(
        "square", [](auto x) { return math::square(x); }, points);
    check_slope(
        "abs", [](auto x) { return math::abs(x); }, points);
    check_slope(
        "sin", [](auto x) { return math::sin(x); }, points);
    check_slope(
        "cos", [](auto x) { return math::cos(x); }, points);
    check_slope(
        "tan", [](auto x) { return math::tan(x); }, points);
    check_slope(
        "atan", [](auto x) { return math::atan(x); }, points);
    check_slope(
        "sinh", [](auto x) { return math::sinh(x); }, points);
    check_slope(
        "cosh", [](auto x) { return math::cosh(x); }, points);
    check_slope(
        "tanh", [](auto x) { return math::tanh(x); }, points);
    check_slope(
        "sigmoid", [](auto x) { return math::sigmoid(x); }, points);
    check_slope(
        "erf", [](auto x) { return math::erf(x); }, points);
    check_slope(
        "sign", [](auto x) { return math::sign(x); }, points);
    check_slope(
        "floor", [](auto x) { return math::floor(x); }, points);
    check_slope(
        "ceil", [](auto x) { return math::ceil(x); }, points);
    check_slope(
        "trunc", [](auto x) { return math::trunc(x); }, points);
    check_slope(
        "round", [](auto x) { return math::round(x); }, points);
}

TEST_CASE("duals: functions of two variables", "[core]") {
    const auto points = {-2.3, -0.4, 0.7, 3.1};
    const auto positive = {0.3, 0.9, 2.2};
    check_slope(
        "x^3", [](auto x) { return math::pow(x, 3); }, points);
    check_slope(
        "x^0", [](auto x) { return math::pow(x, 0); }, points);
    check_slope(
        "2^x", [](auto x) { return math::pow(2, x); }, points);
    check_slope(
        "x^x", [](auto x) { return math::pow(x, x); }, positive);
    check_slope(
        "atan2", [](auto x) { return math::atan2(math::sin(x), x); }, points);
    check_slope(
        "atan2(x, 2)", [](auto x) { return math::atan2(x, 2); }, points);
    check_slope(
        "atan2(2, x)", [](auto x) { return math::atan2(2, x); }, points);
    check_slope(
        "logaddexp", [](auto x) { return math::logaddexp(x * x, x); }, points);
    check_slope(
        "logaddexp(x, 1)", [](auto x) { return math::logaddexp(x, 1); }, points);
    check_slope(
        "copysign", [](auto x) { return math::copysign(x, -2); }, points);
    check_slope(
        "minimum", [](auto x) { return math::minimum(x * x, x + 3); }, points);
    check_slope(
        "minimum(x, 1)", [](auto x) { return math::minimum(x, 1); }, points);
    check_slope(
        "maximum(1, x)", [](auto x) { return math::maximum(1, x); }, points);
    check_slope(
        "maximum", [](auto x) { return math::maximum(x * x, x + 3); }, points);
    check_slope(
        "where", [](auto x) { return math::where(x > 0, x * x, -x); }, points);
    check_slope(
        "where(x, 0)", [](auto x) { return math::where(x <= 1, x, 0); }, points);
    check_slope(
        "where(1, x)", [](auto x) { return math::where(2 < x, 1, x); }, points);
}

TEST_CASE("duals: a plain value beside a dual is a constant", "[core]") {
    using P = cpu::Packet<float, 8>;
    const P c = 3;
    const Dual<P> x(P(2), 1);
    CHECK((c * x).slope[0] == 3);
    CHECK((x - c).slope[7] == 1);
    CHECK((c / x).slope[0] == -0.75f);
    CHECK(math::pow(x, c).slope[3] == 12);
    CHECK(math::where(x < c, c, x).slope[0] == 0);
    CHECK((x < c)[5]);
}

TEST_CASE("duals: where PyTorch has a convention, so have we", "[core]") {
    const Dual<double> zero(0, 1), one(1, 1);
    CHECK(math::abs(zero).slope == 0);
    CHECK(math::maximum(one, 1).slope == 0.5);
    CHECK(math::minimum(one, Dual<double>(1, 3)).slope == 2);
    CHECK(math::pow(zero, 0).slope == 0);
    CHECK(math::pow(zero, 2).slope == 0);
    CHECK(math::pow(0, one).slope == 0);
    CHECK(math::copysign(zero, -1).slope == 0);
    CHECK(std::isinf(math::sqrt(zero).slope));
}

TEST_CASE("duals: slope_in and value_in of results that may be constant", "[core]") {
    using D = Dual<double>;
    CHECK(slope_in<D>(D(2, 5)) == 5);
    CHECK(slope_in<D>(7.0) == 0);
    CHECK(value_in<D>(7) == 7);
    CHECK(math::isnan(D(std::numeric_limits<double>::quiet_NaN(), 1)));
    CHECK(math::isfinite(D(1)));
}
