// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Products, with and without zeros. Their values against PyTorch: reduction_reference_test.
#include "headtorch/ops/prod.hpp"

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("products over several dimensions, with zeros", "[ops]") {
    const auto x = tensor<double>({{{1, 2, 0.5}, {3, 0, 1}}, {{0, 2, 0}, {1.5, 1, -2}}});
    for (const Dims& dims : {Dims{}, Dims{0}, Dims{1}, Dims{2}, Dims{0, 2}, Dims{1, 2}, Dims{-1, 0, 1}}) {
        INFO(dims.to_string());
        CHECK(gradcheck([&](const auto& in) { return prod(in[0], dims); }, {x}));
        CHECK(gradgradcheck([&](const auto& in) { return prod(in[0], dims, true); }, {x}));
        CHECK(gradcheck([&](const auto& in) { return prod(in[0].transpose(0, 2), dims); }, {x}));
    }
    CHECK(prod(x, {0, 1}).shape() == Shape{3});
    CHECK(prod(x, {0, 1}, true).shape() == Shape{1, 1, 3});
}

TEST_CASE("products of nothing, of one number and of integers", "[ops]") {
    CHECK(prod(zeros<float>({0})).item() == 1);
    CHECK(prod(zeros<float>({0, 2}), 0).tolist() == std::vector<float>{1, 1});
    CHECK(prod(full<std::int32_t>({40}, 2)).item() == std::int64_t{1} << 40);
    CHECK(prod(tensor<bool>({1, 0})).item() == 0);
    CHECK(gradgradcheck([](const auto& in) { return prod(in[0]) * prod(in[0], 0); }, {full<double>({}, 3)}));
    CHECK_THROWS_AS(prod(zeros<float>({2}), 1), IndexError);
}

TEST_CASE("float products do not overflow on their way", "[ops]") {
    CHECK(prod(tensor<float>({1e30f, 1e30f, 1e-30f, 1e-30f})).item() == Approx(1));
}
