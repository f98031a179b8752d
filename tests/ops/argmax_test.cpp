// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Indices of largest and smallest elements: ties, NaN, long lines, errors. Their values against PyTorch: reduction_reference_test.
#include "headtorch/ops/argmax.hpp"

#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
}

TEMPLATE_TEST_CASE("of equal elements the first is found", "[ops]", float, double, std::int64_t, std::int32_t, std::uint8_t) {
    for (const std::int64_t n : {1, 2, 7, 40, 300}) {
        auto x = full<TestType>({3, n, 50}, TestType(5));
        for (std::int64_t line = 0; line < 3; ++line)
            for (std::int64_t k : {n / 2, n - 1}) x.select(0, line).select(0, k).fill_(TestType(9));
        CHECK(argmax(x, 1).tolist() == std::vector<std::int64_t>(150, n / 2));
        CHECK(argmax(x.transpose(1, 2).contiguous(), 2).tolist() == std::vector<std::int64_t>(150, n / 2));
        CHECK(argmax(x.transpose(1, 2), 2).tolist() == std::vector<std::int64_t>(150, n / 2));
        CHECK(argmax(x).item() == n / 2 * 50);
        CHECK(max(x, 1).values.tolist() == std::vector<TestType>(150, TestType(9)));
        CHECK(argmin(x, 1).tolist() == std::vector<std::int64_t>(150, 0));
    }
}

TEST_CASE("booleans have a largest element too", "[ops]") {
    CHECK(argmax(tensor<bool>({0, 1, 1})).item() == 1);
    CHECK(max(tensor<bool>({{0, 1}, {0, 0}}), 1).values.tolist() == std::vector<bool>{true, false});
}

TEST_CASE("the first NaN is the largest and the smallest", "[ops]") {
    for (const std::int64_t n : {3, 20, 100}) {
        const auto x = full<float>({n, 20}, 1);
        x.select(0, n - 1).fill_(nan_value);
        x.select(0, n / 2).fill_(nan_value);
        CHECK(argmax(x, 0).tolist() == std::vector<std::int64_t>(20, n / 2));
        CHECK(argmin(x, 0).tolist() == std::vector<std::int64_t>(20, n / 2));
        CHECK(argmax(x.t().contiguous(), 1).tolist() == std::vector<std::int64_t>(20, n / 2));
        CHECK(argmin(x.t().contiguous(), 1).tolist() == std::vector<std::int64_t>(20, n / 2));
    }
}

TEST_CASE("the gradient of max goes to the index", "[ops]") {
    const auto x = tensor<double>({{3, 1, 3}, {2, 2, 2}}).requires_grad_();
    const auto [values, indices] = max(x, 1);
    values.backward(tensor<double>({1.0, 2.0}));
    CHECK(indices.tolist() == std::vector<std::int64_t>{0, 0});
    CHECK(x.grad().tolist() == std::vector<double>{1, 0, 0, 2, 0, 0});
    CHECK_FALSE(indices.requires_grad());
    const auto y = tensor<double>({{3, 1, 7}, {2, 4, 6}});
    CHECK(gradgradcheck([](const auto& in) { return min(in[0].t() * in[0].t(), 1, true).values; }, {y}));
}

TEST_CASE("shapes and errors of argmax", "[ops]") {
    const auto x = zeros<float>({2, 3, 4});
    CHECK(argmax(x).shape() == Shape{});
    CHECK(argmax(x, 1).shape() == Shape{2, 4});
    CHECK(x.argmin(-1, true).shape() == Shape{2, 3, 1});
    CHECK(x.max(0).indices.shape() == Shape{3, 4});
    CHECK(argmax(tensor<float>(1.0f), 0).item() == 0);
    CHECK(max(tensor<float>(1.0f), -1, true).values.shape() == Shape{});
    CHECK_THROWS_AS(argmax(x, 3), IndexError);
    CHECK_THROWS_WITH(argmax(zeros<float>({0, 2})), "argmax: a tensor of shape [0, 2] is empty, and nothing has no index");
    CHECK_THROWS_WITH(max(zeros<float>({0, 2}), 0), "max: dimension 0 of [0, 2] is empty, and nothing has no index");
    CHECK(argmin(zeros<float>({0, 2}), 1).shape() == Shape{0});
}
