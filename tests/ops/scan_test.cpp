// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Running sums and products: zeros, long lines, views, errors. Their values against PyTorch: scan_sort_reference_test.
#include "headtorch/ops/scan.hpp"

#include "headtorch/autograd/gradcheck.hpp"
#include "headtorch/ops/reduce.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/filled.hpp"

using namespace headtorch;

TEST_CASE("running products of zeros have gradients of every order", "[ops]") {
    const auto x = tensor<double>({{2, 0, 3, 0.5}, {0, 1, 0, 2}, {1, -2, 3, 0}});
    for (const int dim : {0, 1}) {
        CHECK(gradcheck([&](const auto& in) { return cumprod(in[0], dim); }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return cumprod(in[0], dim); }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return cumprod(in[0].t(), dim); }, {x}));
    }
    // the third derivative, by gradgradcheck of a first one
    const auto slope = [](const std::vector<Tensor<double>>& in) { return grad(sum(cumprod(in[0], 1)), in[0], {.create_graph = true}); };
    const auto slope_of = [&](const std::vector<Tensor<double>>& in) {
        return in[0].requires_grad() ? slope(in) : slope({in[0].detach().requires_grad_()});
    };
    CHECK(gradcheck([&](const auto& in) {
        EnableGrad guard;
        return slope_of(in);
    }, {x}));
}

TEST_CASE("float running sums do not drift", "[ops]") {
    const auto x = full<float>({2, 1'000'000}, 0.1f);
    const auto y = cumsum(x, 1);
    CHECK(y(0, -1).item() == static_cast<float>(1'000'000 * static_cast<double>(0.1f)));
    CHECK(cumsum(x.t(), 0).tolist().back() == y(0, -1).item());
}

TEST_CASE("scans along each dimension of a view", "[ops]") {
    const auto x = testing::filled<std::int32_t>({3, 5, 300}, [](std::int64_t i) { return i % 11 - 5; });
    for (const int dim : {0, 1, 2}) {
        const auto y = cumsum(x, dim);
        const auto swapped = cumsum(x.transpose(0, 2), 2 - dim);
        CHECK(swapped.transpose(0, 2).tolist() == y.tolist());
        CHECK(y.select(dim, -1).tolist() == sum(x, dim).tolist());
    }
}

TEST_CASE("scans of integers, of nothing and of one number", "[ops]") {
    STATIC_REQUIRE(std::is_same_v<decltype(cumsum(Tensor<bool>(), 0)), Tensor<std::int64_t>>);
    CHECK(cumsum(tensor<bool>({1, 0, 1, 1}), 0).tolist() == std::vector<std::int64_t>{1, 1, 2, 3});
    CHECK(cumprod(full<std::uint8_t>({4}, 100), 0).tolist() == std::vector<std::int64_t>{100, 10'000, 1'000'000, 100'000'000});
    CHECK(cumsum(zeros<float>({0, 3}), 0).shape() == Shape{0, 3});
    CHECK(cumsum(zeros<float>({1000, 9, 0}), 1).shape() == Shape{1000, 9, 0});  // nothing is written either
    CHECK(cumprod(zeros<float>({1000, 9, 0}), 1).numel() == 0);
    CHECK(cumprod(zeros<float>({3, 0}), 0).shape() == Shape{3, 0});
    CHECK(gradgradcheck([](const auto& in) { return cumprod(in[0], 0) * cumsum(in[0], -1); }, {full<double>({}, 3)}));
    CHECK_THROWS_WITH(cumsum(zeros<float>({2}), 1), "cumsum: dimension out of range: expected [-1, 0], but got 1");
}
