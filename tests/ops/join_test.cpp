// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What joining, rearranging and einsum refuse, and their corners; values are held against PyTorch in view_reference_test.cpp.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("cat and stack name the shapes that do not fit", "[ops]") {
    CHECK_THROWS_WITH(cat({zeros({2, 3}), zeros({2, 4})}), Catch::Contains("[2, 3] and [2, 4]"));
    CHECK_THROWS_AS(cat({zeros({2, 3}), zeros({3})}), ShapeError);
    CHECK_THROWS_AS(cat({zeros({2, 3}), zeros({2, 3})}, 2), IndexError);
    CHECK_THROWS_AS(cat(std::vector<Tensor<>>{}), ValueError);
    CHECK_THROWS_AS(cat({zeros({}), zeros({})}), ShapeError);
    CHECK_THROWS_AS(stack({zeros({2}), zeros({3})}), ShapeError);
    CHECK(cat({zeros({0}), zeros({2, 3})}).shape() == Shape{2, 3});
    CHECK(equal(cat({tensor<bool>({true}), tensor<bool>({false})}), tensor<bool>({true, false})));
}

TEST_CASE("cat gives each input its part of the gradient, also when one is used twice", "[ops]") {
    const auto a = ones({2}).requires_grad_(), b = ones({3}).requires_grad_();
    (cat({a, b, a}) * arange<float>(7)).sum().backward();
    CHECK(a.grad().tolist() == std::vector<float>{5, 7});
    CHECK(b.grad().tolist() == std::vector<float>{2, 3, 4});
}

TEST_CASE("split, chunk and unbind cover the whole", "[ops]") {
    const auto x = arange<float>(10).view(5, 2);
    CHECK(equal(cat(split(x, 2)), x));
    CHECK(equal(cat(chunk(x, 3)), x));
    CHECK(equal(stack(unbind(x, 1), 1), x));
    CHECK_THROWS_AS(split(x, 0), ValueError);
    CHECK_THROWS_AS(split(x, {2, 2}), ShapeError);
    CHECK_THROWS_AS(split(x, {7, -2}), ValueError);
    CHECK_THROWS_AS(chunk(x, 0), ValueError);
}

TEST_CASE("rearranging refuses what makes no sense", "[ops]") {
    const auto x = zeros({2, 3});
    CHECK_THROWS_AS(repeat(x, {2}), ShapeError);
    CHECK_THROWS_AS(repeat(x, {2, -1}), ValueError);
    CHECK_THROWS_AS(flip(x, {0, 0}), ValueError);
    CHECK_THROWS_AS(flip(x, 2), IndexError);
    CHECK_THROWS_AS(roll(x, {1, 2}, {0}), ValueError);
    CHECK_THROWS_AS(tril(zeros({3})), ShapeError);
    CHECK_THROWS_AS(one_hot(tensor<std::int64_t>({0, -1})), IndexError);
    CHECK_THROWS_AS(one_hot(tensor<std::int64_t>({0, 3}), 3), IndexError);
    CHECK(tril(full({2, 2}, std::numeric_limits<float>::infinity()))[0][1].item() == 0);
}

TEST_CASE("einsum says what is wrong with an equation", "[ops]") {
    const auto a = zeros({2, 3}), b = zeros({4, 5});
    CHECK_THROWS_AS(einsum("ij,jk->ik", {a, b}), ShapeError);
    CHECK_THROWS_AS(einsum("ij,jk->ik", {a}), ValueError);
    CHECK_THROWS_AS(einsum("ij->ik", {a}), ValueError);
    CHECK_THROWS_AS(einsum("ij->ii", {a}), ValueError);
    CHECK_THROWS_AS(einsum("ijk->i", {a}), ShapeError);
    CHECK_THROWS_AS(einsum("i1->i", {a}), ValueError);
    CHECK_THROWS_AS(einsum("ii->i", {a}), ShapeError);
}
