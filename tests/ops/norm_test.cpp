// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Norms at their corners. Their values against PyTorch: reduction_reference_test.
#include "headtorch/ops/norm.hpp"

#include <cmath>
#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
}

TEST_CASE("the gradient of a norm is 0 where the norm is", "[ops]") {
    for (const double p : {1.0, 2.0, 3.0, 0.0, infinity}) {
        INFO(p);
        const auto x = zeros<double>({3}).requires_grad_();
        norm(x, p).backward();
        CHECK(x.grad().tolist() == std::vector<double>{0, 0, 0});
    }
}

TEST_CASE("every norm and its gradients", "[ops]") {
    const auto x = tensor<double>({{3, -4, 1}, {0.5, 2, -2.5}});
    CHECK(norm(x, 0).item() == 6);
    CHECK(norm(x, 1).item() == 13);
    CHECK(norm(x, infinity).item() == 4);
    CHECK(norm(x, -infinity).item() == 0.5);
    CHECK(norm(tensor<float>({{3, 4}, {6, 8}}), 2, 1).tolist() == std::vector<float>{5, 10});
    CHECK(x.norm().item() == norm(x).item());
    CHECK(norm(x, 2, {0, 1}, true).shape() == Shape{1, 1});
    for (const double p : {1.0, 2.0, 3.0, 0.5, -1.0, infinity, -infinity})
        for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}}) {
            INFO(p << " over " << dims.to_string());
            CHECK(gradgradcheck([&](const auto& in) { return norm(in[0], p, dims); }, {x}));
        }
}

TEST_CASE("norms of large numbers and of nothing", "[ops]") {
    CHECK(norm(full<float>({4}, 1e30f)).item() == Approx(2e30));
    CHECK(norm(zeros<float>({0})).item() == 0);
    CHECK_THROWS_AS(norm(zeros<float>({0}), infinity), ValueError);
    CHECK(std::isnan(norm(full<float>({2}, std::numeric_limits<float>::quiet_NaN())).item()));
}
