// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Variances and logsumexp at their corners. Their values against PyTorch: reduction_reference_test.
#include "headtorch/ops/statistics.hpp"

#include <cmath>
#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/filled.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
}

TEST_CASE("variance without a degree of freedom is NaN", "[ops]") {
    CHECK(std::isnan(var(tensor<float>({1.0f})).item()));
    CHECK(std::isnan(headtorch::std(zeros<float>({0})).item()));
    CHECK(std::isnan(var(zeros<float>({0}), false).item()));
    CHECK(var(tensor<float>({1.0f}), false).item() == 0);
}

TEST_CASE("arguments of var and std", "[ops]") {
    const auto x = tensor<double>({{1, 2, 4}, {8, 16, 32}});
    CHECK(var(x).item() == Approx(140.7));
    CHECK(var(x, false).item() == Approx(117.25));
    CHECK(var(x, {0, 1}, 3).item() == Approx(234.5));
    CHECK(x.var(1, false).tolist()[0] == Approx(14.0 / 9));
    CHECK(x.std(1, true, true).shape() == Shape{2, 1});
    const auto [variance, average] = var_mean(x, 1);
    CHECK(variance.tolist()[0] == Approx(7.0 / 3));
    CHECK(average.tolist()[0] == Approx(7.0 / 3));
}

TEST_CASE("variance of numbers far from zero", "[ops]") {
    const auto x = testing::filled<float>({2, 50'000}, [](std::int64_t i) { return 4'000'000 + i % 2; });
    CHECK(var(x, false).item() == 0.25f);
    CHECK(var(x, 1, 0).tolist() == std::vector<float>{0.25f, 0.25f});
    CHECK(var(x.t(), 0, 0).tolist() == std::vector<float>{0.25f, 0.25f});
    CHECK(var(x.t().contiguous(), 0, 0).tolist() == std::vector<float>{0.25f, 0.25f});
}

TEST_CASE("the gradient of std is 0 where std is", "[ops]") {
    const auto x = full<double>({2, 3}, 5).requires_grad_();
    headtorch::std(x, 1).sum().backward();
    CHECK(x.grad().tolist() == std::vector<double>(6));
}

TEST_CASE("gradients of the gradients, of views as well", "[ops]") {
    const auto x = tensor<double>({{1, -2, 0.5}, {3, 0.25, -1}});
    for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}}) {
        CHECK(gradgradcheck([&](const auto& in) { return var(in[0].t(), dims); }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return headtorch::std(in[0].t(), dims, 0); }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return logsumexp(in[0].t(), dims); }, {x}));
    }
}

TEST_CASE("logsumexp neither overflows nor loses infinities", "[ops]") {
    CHECK(logsumexp(tensor<double>({1000, 1000})).item() == Approx(1000 + std::log(2.0)));
    CHECK(logsumexp(full<double>({3}, -infinity)).item() == -infinity);
    CHECK(logsumexp(tensor<double>({infinity, -infinity})).item() == infinity);
    CHECK(std::isnan(logsumexp(tensor<double>({std::nan(""), 1.0})).item()));
    CHECK(logsumexp(zeros<double>({0, 2}), 0).tolist() == std::vector<double>{-infinity, -infinity});
    const auto wide = full<float>({3, 70'000}, 1.0f);
    for (const float value : logsumexp(wide, 1).tolist()) CHECK(value == Approx(1 + std::log(70'000.0)));
    const auto x = tensor<double>({-infinity, 0, 0}).requires_grad_();
    logsumexp(x).backward();
    CHECK(x.grad().tolist() == std::vector<double>{0, 0.5, 0.5});
}

TEST_CASE("statistics do not depend on the number of threads", "[ops]") {
    Generator generator(2);
    const auto x = empty<float>({200, 700});
    x.normal_(3, 1, generator);
    const auto results = [&] {
        return std::vector<std::vector<float>>{var(x).tolist(), var(x, 0).tolist(), var(x, 1).tolist(), logsumexp(x).tolist(),
                                               logsumexp(x, 0).tolist()};
    };
    check_with_threads(results);
}
