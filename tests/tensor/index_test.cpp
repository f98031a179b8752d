// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Indexing: numbers, slices, all, newaxis, ellipsis, tensors of integers and masks, read and assigned to. Shapes as in PyTorch.
#include "headtorch/ops/index.hpp"

#include <limits>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Values = std::vector<float>;
using Index = Tensor<std::int64_t>;

Tensor<> counting(const Shape& shape) { return arange<float>(0, shape.numel()).view(shape); }

Values range(int begin, int end) {
    Values values;
    for (int i = begin; i < end; ++i) values.push_back(static_cast<float>(i));
    return values;
}

}  // namespace

TEST_CASE("numbers pick, from either end", "[tensor]") {
    const auto x = counting({2, 3, 4});
    CHECK(x(1, 2, 3).item() == 23);
    CHECK(x(-1, -1, -1).item() == 23);
    CHECK(x(1, 2, 3).shape() == Shape{});
    CHECK(x[1].shape() == Shape{3, 4});
    CHECK(x[-2].tolist() == range(0, 12));
    CHECK(x[1][0][-4].item() == 12);
    CHECK(x(0, 1).tolist() == Values{4, 5, 6, 7});
    CHECK(x(0).data() == x.data());
}

TEST_CASE("slices follow Python", "[tensor]") {
    const auto x = counting({10});
    CHECK(x(slice(2, 5)).tolist() == Values{2, 3, 4});
    CHECK(x(slice(7)).tolist() == Values{7, 8, 9});
    CHECK(x(slice(-3)).tolist() == Values{7, 8, 9});
    CHECK(x(slice(1, -1, 2)).tolist() == Values{1, 3, 5, 7});
    CHECK(x(slice(0, 10, 3)).tolist() == Values{0, 3, 6, 9});
    CHECK(x(slice(0, 100)).numel() == 10);
    CHECK(x(slice(-100, 2)).tolist() == Values{0, 1});
    CHECK(x(slice(5, 2)).numel() == 0);
    CHECK(x(slice(20, 30)).numel() == 0);
    CHECK(x(slice(3, 9, std::numeric_limits<std::int64_t>::max())).tolist() == Values{3});
    CHECK(x(slice(0, 10, 2))(slice(1, 4, 2)).tolist() == Values{2, 6});
    CHECK_THROWS_WITH(x(slice(0, 5, 0)), contains("slice: the step must be positive, not 0"));
    CHECK_THROWS_AS(x(slice(0, 5, -1)), ValueError);
    CHECK(x(headtorch::all).tolist() == range(0, 10));
}

TEST_CASE("newaxis and ellipsis", "[tensor]") {
    const auto x = counting({2, 3, 4});
    CHECK(x(newaxis).shape() == Shape{1, 2, 3, 4});
    CHECK(x(headtorch::all, newaxis, 1).shape() == Shape{2, 1, 4});
    CHECK(x(ellipsis, newaxis).shape() == Shape{2, 3, 4, 1});
    CHECK(x(ellipsis, 0).shape() == Shape{2, 3});
    CHECK(x(ellipsis, 0).tolist() == Values{0, 4, 8, 12, 16, 20});
    CHECK(x(1, ellipsis, slice(0, 2)).shape() == Shape{3, 2});
    CHECK(x(1, ellipsis, 2, 3).item() == 23);
    CHECK(x(0, 0, 0, ellipsis).item() == 0);
    CHECK(x(0, headtorch::all, slice(1, -1, 2), newaxis, ellipsis).shape() == Shape{3, 1, 1});
    CHECK(tensor(5)(ellipsis).item() == 5);
    CHECK(tensor(5)(newaxis).shape() == Shape{1});
}

TEST_CASE("bad indices", "[tensor]") {
    const auto x = counting({2, 3});
    CHECK_THROWS_AS(x[2], IndexError);
    CHECK_THROWS_WITH(x[2], contains("index 2 is out of range for dimension 0 of [2, 3]"));
    CHECK_THROWS_AS(x[-3], IndexError);
    CHECK_THROWS_AS(x(0, 3), IndexError);
    CHECK_THROWS_WITH(x(0, 0, 0), contains("index: 3 indices for a tensor of shape [2, 3]"));
    CHECK_THROWS_AS(tensor(1)[0], IndexError);
    CHECK_THROWS_WITH(tensor(1)[0], contains("0-dim") && contains("item()"));
    CHECK_THROWS_AS(tensor(1)(headtorch::all), IndexError);
    CHECK_THROWS_WITH(x(tensor<std::int64_t>({0, 2})), contains("index: index 2 is out of range for a dimension of size 2 in [2, 3]"));
    CHECK_THROWS_AS(x(tensor<std::int64_t>({-3})), IndexError);
    CHECK_THROWS_WITH(x(tensor<bool>({1, 0, 1})), contains("index: a mask of shape [3] does not fit a tensor of shape [2, 3]"));
    CHECK_THROWS_AS(x(tensor<std::int64_t>({0, 1}), tensor<std::int64_t>({0, 1, 2})), ShapeError);
    CHECK_THROWS_AS(x(zeros<bool>({2, 3, 1})), IndexError);
    CHECK_THROWS_AS(zeros({0, 3})(tensor<std::int64_t>({0})), IndexError);
    CHECK(x.tolist() == range(0, 6));
}

TEST_CASE("tensors of integers pick entries", "[tensor]") {
    const auto x = counting({3, 4});
    CHECK(x(tensor<std::int64_t>({2, 0, -1})).tolist() == Values{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11});
    CHECK(x(headtorch::all, tensor<std::int64_t>({3, 3})).tolist() == Values{3, 3, 7, 7, 11, 11});
    CHECK(x(tensor<std::int64_t>({0, 2}), tensor<std::int64_t>({1, -1})).tolist() == Values{1, 11});
    const auto grid = x(tensor<std::int64_t>({{0}, {2}}), tensor<std::int64_t>({0, 1, 2}));
    CHECK(grid.shape() == Shape{2, 3});
    CHECK(grid.tolist() == Values{0, 1, 2, 8, 9, 10});
    CHECK(x(1, tensor<std::int64_t>({0, 3})).tolist() == Values{4, 7});
    CHECK(x(tensor<std::int64_t>(1)).tolist() == Values{4, 5, 6, 7});
    CHECK(x(zeros<std::int64_t>({0})).shape() == Shape{0, 4});
    CHECK(zeros({0, 3})(zeros<std::int64_t>({0})).shape() == Shape{0, 3});
    CHECK(x.t()(tensor<std::int64_t>({1})).tolist() == Values{1, 5, 9});
}

TEST_CASE("where the picked dimensions stand", "[tensor]") {
    const auto i = tensor<std::int64_t>({0, 1});
    CHECK(zeros({2, 3, 4})(0, headtorch::all, i).shape() == Shape{3, 2});
    CHECK(zeros({6, 3, 4, 5})(headtorch::all, i, 0, i).shape() == Shape{6, 2});
    CHECK(zeros({6, 3, 4, 5})(headtorch::all, i, headtorch::all, i).shape() == Shape{2, 6, 4});
    CHECK(zeros({6, 3, 4, 5})(headtorch::all, headtorch::all, i, i).shape() == Shape{6, 3, 2});
    CHECK(zeros({6, 3, 4, 5})(headtorch::all, i, i).shape() == Shape{6, 2, 5});
    CHECK(zeros({6, 3, 4})(headtorch::all, i, newaxis, i).shape() == Shape{2, 6, 1});
    CHECK(zeros({2, 3, 4})(ellipsis, tensor<std::int64_t>({{0, 1}, {1, 2}})).shape() == Shape{2, 3, 2, 2});
    CHECK(zeros({2, 3, 4})(1, ones<bool>({3, 4})).shape() == Shape{12});
    CHECK(zeros({2, 3, 4})(headtorch::all, ones<bool>({3}), slice(1, 3)).shape() == Shape{2, 3, 2});
    const auto x = counting({2, 3, 4});
    CHECK(x(headtorch::all, i, i).tolist() == Values{0, 5, 12, 17});
    CHECK(x(i, headtorch::all, i).tolist() == Values{0, 4, 8, 13, 17, 21});
    CHECK(x(i, 1, i).tolist() == Values{4, 17});
}

TEST_CASE("masks pick elements", "[tensor]") {
    const auto x = counting({2, 3});
    CHECK(x(x > 2.0f).tolist() == Values{3, 4, 5});
    CHECK(x(x > 9.0f).shape() == Shape{0});
    CHECK(x(tensor<bool>({0, 1})).shape() == Shape{1, 3});
    CHECK(x(headtorch::all, tensor<bool>({1, 0, 1})).tolist() == Values{0, 2, 3, 5});
    CHECK(x(tensor<bool>(1)).shape() == Shape{1, 2, 3});
    CHECK(x(tensor<bool>(0)).shape() == Shape{0, 2, 3});
    const auto s = tensor(4);
    CHECK(s(s > 3.0f).tolist() == Values{4});
    CHECK(zeros({0, 2})(zeros<bool>({0, 2})).shape() == Shape{0});
}

TEST_CASE("assignment through views", "[tensor]") {
    auto x = zeros({3, 4});
    x[0] = 5;
    x(1, headtorch::all) = tensor({1, 2, 3, 4});
    x(2, slice(0, 4, 2)) = 7;
    x(-1, 1).fill_(9);
    CHECK(x.tolist() == Values{5, 5, 5, 5, 1, 2, 3, 4, 7, 9, 7, 0});
    x(headtorch::all, 3) = x(headtorch::all, 0);
    CHECK(x(headtorch::all, 3).tolist() == Values{5, 1, 7});
    x(headtorch::all, slice(0, 2)) = tensor({{1}, {2}, {3}});  // broadcasts
    CHECK(x(headtorch::all, 1).tolist() == Values{1, 2, 3});
    x.t()[0] += 10;
    CHECK(x(headtorch::all, 0).tolist() == Values{11, 12, 13});
    CHECK_THROWS_AS(x[0] = ones({3}), ShapeError);
    // a named handle is bound anew instead
    auto row = x[0];
    row = zeros({4});
    CHECK(x(0, 0).item() == 11);
}

TEST_CASE("assignment by index and mask", "[tensor]") {
    const auto x = counting({2, 3});
    x(x > 3.0f) = -1;
    CHECK(x.tolist() == Values{0, 1, 2, 3, -1, -1});
    x(tensor<std::int64_t>({1, 0}), tensor<std::int64_t>({0, -1})) = tensor({10, 20});
    CHECK(x.tolist() == Values{0, 1, 20, 10, -1, -1});
    x(headtorch::all, tensor<std::int64_t>({0})) = tensor({{7}, {8}});
    CHECK(x.tolist() == Values{7, 1, 20, 8, -1, -1});
    x(x < 0.0f) += 1;
    x(x > 10.0f) -= tensor({5});
    x(tensor<std::int64_t>({0})) *= 2;
    CHECK(x.tolist() == Values{14, 2, 30, 8, 0, 0});
    const auto y = zeros({2, 3});
    y(x > 7.0f) = x(x > 7.0f);
    CHECK(y.tolist() == Values{14, 0, 30, 8, 0, 0});
    y(y > 100.0f) = 3;  // nothing
    CHECK(y.tolist() == Values{14, 0, 30, 8, 0, 0});
    CHECK_THROWS_AS(y(y > 7.0f) = ones({2}), ShapeError);
    CHECK_THROWS_AS(y(tensor<std::int64_t>({5})) = 1, IndexError);
    CHECK(y.tolist() == Values{14, 0, 30, 8, 0, 0});
    const auto t = y.t();
    t(tensor<std::int64_t>({0})) = tensor({{1, 2}});
    CHECK(y.tolist() == Values{1, 0, 30, 2, 0, 0});
    const auto n = tensor<std::int64_t>({1, 2, 3});
    n(n == 2) = 20;
    CHECK(n.tolist() == std::vector<std::int64_t>{1, 20, 3});
}

TEST_CASE("gradients of indexing", "[tensor]") {
    manual_seed(2);
    const auto x = randn<double>({3, 4, 2});
    const auto i = tensor<std::int64_t>({0, 2, 0});
    CHECK(gradcheck([&](const auto& in) { return in[0](1, slice(0, 4, 2), newaxis); }, {x}));
    CHECK(gradcheck([&](const auto& in) { return in[0](i, headtorch::all, tensor<std::int64_t>({1, 0, 1})); }, {x}));
    CHECK(gradcheck([&](const auto& in) { return in[0](x > 0.0); }, {x}));
    CHECK(gradgradcheck([&](const auto& in) { return in[0](i, 1).square(); }, {x}));
}

TEST_CASE("members that pick by index check their arguments", "[tensor]") {
    const auto x = counting({2, 3});
    const auto i = tensor<std::int64_t>({0, 1});
    CHECK_THROWS_WITH(index_select(x, 2, i), contains("index_select") && contains("expected [-2, 1], but got 2"));
    CHECK_THROWS_WITH(index_select(x, 0, tensor<std::int64_t>({0, 2})),
                      contains("index_select: index 2 is out of range") && contains("[2, 3]"));
    CHECK_THROWS_AS(index_select(x, 0, zeros<std::int64_t>({1, 1})), ShapeError);
    CHECK_THROWS_WITH(gather(x, 1, i), contains("gather") && contains("[2]") && contains("[2, 3]"));
    CHECK_THROWS_AS(gather(x, 1, tensor<std::int64_t>({{0, 3}})), IndexError);
    CHECK_THROWS_AS(scatter_add(x, 1, tensor<std::int64_t>({{0, 7}}), ones({1, 2})), IndexError);
    CHECK_THROWS_AS(scatter_add(x, 1, tensor<std::int64_t>({{0, 1}}), ones({2, 2})), ShapeError);
    CHECK_THROWS_WITH(masked_select(x, tensor<bool>({1, 0})), contains("masked_select") && contains("[2, 3]") && contains("[2]"));
    CHECK_THROWS_WITH(masked_fill(x, tensor<bool>({1, 0}), 1), contains("masked_fill"));
    CHECK_THROWS_AS(take_along_dim(x, i, 0), ShapeError);
    CHECK(x.tolist() == range(0, 6));
}
