// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Order: ties, NaN, long lines, views, errors. Its values against PyTorch: scan_sort_reference_test.
#include "headtorch/ops/sort.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/filled.hpp"

using namespace headtorch;

namespace {
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
using Indices = std::vector<std::int64_t>;
}  // namespace

TEST_CASE("equal elements keep their order", "[ops]") {
    const auto x = testing::filled<float>({2000}, [](std::int64_t i) { return i * 31 % 7; });
    for (const bool descending : {false, true}) {
        const auto sorted = sort(x, {.dim = 0, .descending = descending, .stable = true});
        const auto values = sorted.values.tolist();
        const auto indices = sorted.indices.tolist();
        for (std::size_t i = 1; i < values.size(); ++i) {
            const float a = values[i - 1], b = values[i];
            REQUIRE((a == b || (a > b) == descending));
            if (a == b) REQUIRE(indices[i - 1] < indices[i]);
        }
    }
}

TEST_CASE("NaN is sorted behind infinity", "[ops]") {
    const auto x = tensor<float>({nan_value, 1.0f, std::numeric_limits<float>::infinity(), nan_value, -2.0f});
    CHECK(sort(x).indices.tolist() == Indices{4, 1, 2, 0, 3});
    CHECK(argsort(x, 0, true).tolist() == Indices{0, 3, 2, 1, 4});
    CHECK(topk(x, 3).indices.tolist() == Indices{0, 3, 2});
    CHECK(kthvalue(x, 3).indices.item() == 2);
    CHECK(median(x, 0).indices.item() == 0);
    CHECK(std::isnan(median(x).item()));
}

TEST_CASE("the largest of many, by either way", "[ops]") {
    const auto x = testing::filled<double>({3, 1000}, [](std::int64_t i) { return i * 7919 % 1009; });
    for (const bool largest : {true, false}) {
        const auto sorted = sort(x, 1, largest);
        for (const std::int64_t k : {0, 1, 5, 500, 1000}) {
            const auto top = topk(x, k, 1, largest);
            CHECK(top.values.tolist() == sorted.values.narrow(1, 0, k).tolist());
            CHECK(top.indices.tolist() == sorted.indices.narrow(1, 0, k).tolist());
            auto loose = topk(x, k, 1, largest, false).values.tolist(), strict = top.values.tolist();
            std::sort(loose.begin(), loose.end());
            std::sort(strict.begin(), strict.end());
            CHECK(loose == strict);
        }
    }
    CHECK(kthvalue(x, 17).values.tolist() == sort(x).values.select(1, 16).tolist());
    CHECK(sort(x.t(), 0).values.t().tolist() == sort(x, 1).values.tolist());
}

TEST_CASE("the median is the lower of two", "[ops]") {
    CHECK(median(tensor<float>({4, 1, 3, 2})).item() == 2);
    CHECK(median(tensor<float>({5, 1, 3})).item() == 3);
    CHECK(median(tensor<std::int64_t>({5, 1, 3, 9})).item() == 3);
    const auto [values, indices] = median(tensor<float>({{4, 1, 3, 2}, {8, 8, 8, 0}}), 1, true);
    CHECK(values.tolist() == std::vector<float>{2, 8});
    CHECK(indices.tolist() == Indices{3, 0});
    CHECK(values.shape() == Shape{2, 1});
    CHECK(std::isnan(median(zeros<float>({0})).item()));
    CHECK_THROWS_AS(median(zeros<std::int64_t>({0})), ValueError);
    CHECK_THROWS_AS(median(zeros<float>({0, 2}), 0), IndexError);
}

TEST_CASE("gradients go where the values came from", "[ops]") {
    const auto x = tensor<double>({{3, -1, 2, 5}, {0.5, 4, -2.5, 1.5}});
    for (const int dim : {0, 1}) {
        CHECK(gradgradcheck([&](const auto& in) { return sort(in[0] * in[0], dim, true).values; }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return topk(in[0] * in[0], 2, dim).values; }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return kthvalue(in[0] * in[0], 2, dim).values; }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return median(in[0] * in[0], dim, true).values; }, {x}));
    }
    CHECK(gradgradcheck([&](const auto& in) { return median(in[0] * in[0]); }, {x}));
}

TEST_CASE("errors of order", "[ops]") {
    const auto x = zeros<float>({2, 3});
    CHECK_THROWS_WITH(topk(x, 4), "topk: k is 4, but dimension 1 of [2, 3] has 3 elements");
    CHECK_THROWS_AS(topk(x, -1), ValueError);
    CHECK_THROWS_AS(kthvalue(x, 0), ValueError);
    CHECK_THROWS_AS(sort(x, 2), IndexError);
    CHECK(sort(zeros<float>({0, 3}), 0).values.shape() == Shape{0, 3});
    CHECK(topk(zeros<float>({3, 0}), 2, 0).values.shape() == Shape{2, 0});
}
