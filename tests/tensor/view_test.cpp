// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Views: which elements they show, what they share, and which they refuse.
#include "headtorch/tensor/view.hpp"

#include <limits>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

using Values = std::vector<float>;

namespace {
Tensor<> counting(const Shape& shape) { return arange<float>(0, shape.numel()).view(shape); }
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
}  // namespace

TEST_CASE("view and reshape", "[tensor]") {
    const auto x = counting({2, 3, 4});
    CHECK(x.view(6, 4).data() == x.data());
    CHECK(x.view(-1).shape() == Shape{24});
    CHECK(x.view(4, -1).shape() == Shape{4, 6});
    CHECK(x.view(1, 24, 1).tolist() == x.tolist());
    CHECK(x.transpose(0, 1).view(3, 2, 2, 2).tolist() == x.transpose(0, 1).tolist());
    CHECK(x(headtorch::all, headtorch::all, slice(0, 4, 2)).view(6, 2).data() == x.data());
    CHECK(zeros({0, 3}).view(3, 0).shape() == Shape{3, 0});
    CHECK(tensor(1).view(1, 1).shape() == Shape{1, 1});
    CHECK(ones({1, 1}).view(Shape{}).dim() == 0);

    CHECK_THROWS_AS(x.view(5, 5), ShapeError);
    CHECK_THROWS_WITH(x.view(5, 5), contains("view: shape [5, 5] has 25 elements, but the tensor of shape [2, 3, 4] has 24"));
    CHECK_THROWS_WITH(x.reshape(5, -1), contains("reshape: shape [5, -1] does not fit 24 elements of [2, 3, 4]"));
    CHECK_THROWS_WITH(x.view(-1, -1), contains("only one size may be -1"));
    CHECK_THROWS_AS(x.view(-2, 12), ShapeError);
    CHECK_THROWS_AS(x.view(largest, largest), ShapeError);
    CHECK_THROWS_AS(zeros({0, 3}).view(0, -1), ShapeError);
    CHECK_THROWS_WITH(x.transpose(0, 2).view(24), contains("cannot be viewed as [24] without a copy; use reshape()"));
    const auto copied = x.transpose(0, 2).reshape(24);
    CHECK(copied.data() != x.data());
    CHECK(copied.tolist() == x.transpose(0, 2).tolist());
}

TEST_CASE("flatten, unflatten, squeeze and unsqueeze", "[tensor]") {
    const auto x = counting({2, 1, 3, 1});
    CHECK(x.flatten().shape() == Shape{6});
    CHECK(x.flatten(1).shape() == Shape{2, 3});
    CHECK(x.flatten(0, 1).shape() == Shape{2, 3, 1});
    CHECK(x.flatten(-2, -1).shape() == Shape{2, 1, 3});
    CHECK(tensor(1).flatten().shape() == Shape{1});
    CHECK(x.squeeze().shape() == Shape{2, 3});
    CHECK(x.squeeze(1).shape() == Shape{2, 3, 1});
    CHECK(x.squeeze(0).shape() == x.shape());
    CHECK(x.unsqueeze(0).shape() == Shape{1, 2, 1, 3, 1});
    CHECK(x.unsqueeze(-1).shape() == Shape{2, 1, 3, 1, 1});
    CHECK(x.unflatten(2, {3, -1}).shape() == Shape{2, 1, 3, 1, 1});
    CHECK_THROWS_AS(x.flatten(2, 1), ShapeError);
    CHECK_THROWS_AS(x.squeeze(4), IndexError);
    CHECK_THROWS_AS(x.unsqueeze(6), IndexError);
    CHECK_THROWS_AS(x.unflatten(0, {3, 1}), ShapeError);
    CHECK_THROWS_AS(zeros({1, 1, 1, 1, 1, 1, 1, 1}).unsqueeze(0), ShapeError);
}

TEST_CASE("transpose and permute", "[tensor]") {
    const auto x = counting({2, 3});
    CHECK(x.t().tolist() == Values{0, 3, 1, 4, 2, 5});
    CHECK(x.transpose(-1, 0).shape() == Shape{3, 2});
    CHECK(x.permute({1, 0}).tolist() == x.t().tolist());
    CHECK(counting({2, 3, 4}).permute(2, -3, 1).shape() == Shape{4, 2, 3});
    CHECK(tensor({1, 2}).t().shape() == Shape{2});
    CHECK_THROWS_AS(x.transpose(0, 2), IndexError);
    CHECK_THROWS_WITH(x.permute({0}), contains("permute: 1 dimensions given for a tensor of shape [2, 3]"));
    CHECK_THROWS_WITH(x.permute(0, 0), contains("appears twice"));
    CHECK_THROWS_WITH(zeros({1, 2, 3}).t(), contains("t: needs at most two dimensions"));
}

TEST_CASE("expand", "[tensor]") {
    const auto x = tensor({{1}, {2}});
    CHECK(x.expand(2, 3).tolist() == Values{1, 1, 1, 2, 2, 2});
    CHECK(x.expand(2, 2, 2).shape() == Shape{2, 2, 2});
    CHECK(x.expand(-1, 2).shape() == Shape{2, 2});
    CHECK(x.expand(2, 0).numel() == 0);
    CHECK(x.expand_as(zeros({2, 2})).stride(1) == 0);
    CHECK(tensor(3).expand(2).tolist() == Values{3, 3});
    CHECK_THROWS_WITH(x.expand(3, 1), contains("expand: [2, 1] does not expand to [3, 1]"));
    CHECK_THROWS_WITH(x.expand(2), contains("expand: [2] has fewer dimensions than [2, 1]"));
    CHECK_THROWS_AS(x.expand(-1, 2, 1), ShapeError);
    CHECK_THROWS_AS(tensor(1).expand(largest, largest), ShapeError);
    CHECK(x.expand(2, 3).t().tolist() == Values{1, 2, 1, 2, 1, 2});
}

TEST_CASE("narrow, select, diagonal, unfold", "[tensor]") {
    const auto x = counting({3, 4});
    CHECK(x.narrow(1, 1, 2).tolist() == Values{1, 2, 5, 6, 9, 10});
    CHECK(x.narrow(0, -1, 1).tolist() == Values{8, 9, 10, 11});
    CHECK(x.narrow(0, 3, 0).numel() == 0);
    CHECK_THROWS_WITH(x.narrow(0, 1, 3), contains("narrow: 3 elements from 1 on are not all in dimension 0 of [3, 4]"));
    CHECK_THROWS_AS(x.narrow(0, 1, -1), IndexError);
    CHECK_THROWS_AS(x.narrow(0, 1, largest), IndexError);
    CHECK_THROWS_AS(x.narrow(0, largest, 1), IndexError);
    CHECK_THROWS_AS(x.narrow(0, -4, 1), IndexError);
    CHECK_THROWS_AS(tensor(1).narrow(0, 0, 1), ShapeError);
    CHECK(x.select(1, -1).tolist() == Values{3, 7, 11});
    CHECK_THROWS_AS(x.select(1, 4), IndexError);
    CHECK_THROWS_AS(x.select(2, 0), IndexError);

    CHECK(x.diagonal().tolist() == Values{0, 5, 10});
    CHECK(x.diagonal(1).tolist() == Values{1, 6, 11});
    CHECK(x.diagonal(-2).tolist() == Values{8});
    CHECK(x.diagonal(9).numel() == 0);
    CHECK(x.diagonal(-9).numel() == 0);
    CHECK(counting({2, 2, 2}).diagonal(0, 0, 2).tolist() == Values{0, 5, 2, 7});
    CHECK_THROWS_AS(x.diagonal(0, 1, -1), ShapeError);
    CHECK_THROWS_AS(tensor({1}).diagonal(), ShapeError);

    const auto line = counting({6});
    CHECK(line.unfold(0, 3, 2).tolist() == Values{0, 1, 2, 2, 3, 4});
    CHECK(line.unfold(0, 6, 1).shape() == Shape{1, 6});
    CHECK(x.unfold(1, 2, 2).shape() == Shape{3, 2, 2});
    CHECK_THROWS_AS(line.unfold(0, 7, 1), ValueError);
    CHECK_THROWS_AS(line.unfold(0, 2, 0), ValueError);
}

TEST_CASE("views without elements point nowhere else", "[tensor]") {
    const auto none = zeros({0, 3}), some = counting({2, 3});
    CHECK(none.select(1, 2).data() == none.data());
    CHECK(none.narrow(1, 1, 2).data() == none.data());
    CHECK(some.narrow(0, 2, 0).data() == some.data());
    const auto leaf = zeros({0, 3}).requires_grad_();
    leaf.select(1, 2).sum().backward();
    CHECK(leaf.grad().shape() == Shape{0, 3});
}

TEST_CASE("views share elements", "[tensor]") {
    const auto x = counting({2, 3});
    x.t()(1, headtorch::all).fill_(9);
    x.view(6)(slice(5)) = 7;
    x.diagonal() = -1;
    CHECK(x.tolist() == Values{-1, 9, 2, 3, -1, 7});
}

TEST_CASE("eight dimensions", "[tensor]") {
    const auto x = counting({2, 1, 3, 2, 1, 2, 2, 2});
    const auto p = x.permute(7, 6, 5, 4, 3, 2, 1, 0);
    CHECK(p.shape() == Shape{2, 2, 2, 1, 2, 3, 1, 2});
    CHECK(equal(p.contiguous().permute(7, 6, 5, 4, 3, 2, 1, 0), x));
    CHECK((p + p.contiguous()).sum().item() == 96 * 95);
    CHECK(x(1, 0, 2, 1, 0, 1, 1, 1).item() == 95);
    CHECK_THROWS_AS(x(newaxis), ShapeError);
    CHECK_THROWS_AS(x.unfold(2, 2, 1), ShapeError);
    const auto leaf = x.to<double>().requires_grad_();
    leaf.permute(7, 6, 5, 4, 3, 2, 1, 0).square().sum().backward();
    CHECK(allclose(leaf.grad(), leaf.detach() * 2));
}

TEST_CASE("gradients of views", "[tensor]") {
    manual_seed(4);
    const auto x = randn<double>({3, 4});
    using In = std::vector<Tensor<double>>;
    CHECK(gradcheck([](const In& in) { return in[0].unfold(1, 3, 1); }, {x}));
    CHECK(gradcheck([](const In& in) { return in[0].t().reshape(12).narrow(0, 2, 5); }, {x}));
    CHECK(gradcheck([](const In& in) { return in[0].diagonal(1).expand(2, 3).unsqueeze(1); }, {x}));
    CHECK(gradgradcheck([](const In& in) { return in[0].select(1, 2).square().flatten().unflatten(0, {1, 3}).squeeze(0); }, {x}));
    CHECK(gradcheck([](const In& in) { return in[0].t().clone().view(2, 6).to<float>().to<double>(); }, {x}, {.eps = 1e-3, .atol = 1e-3}));
}
