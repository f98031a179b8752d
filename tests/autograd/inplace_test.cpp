// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// In-place writes that the tape sees, through bases and views, and those that it refuses. The numbers are PyTorch's.
#include "headtorch/ops/inplace.hpp"

#include <functional>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Double = Tensor<double>;
using Values = std::vector<double>;

void check_near(const Values& values, const Values& expected) {
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == Approx(expected[i]).epsilon(1e-12));
}

/// y = f(x, w) for x = [[1, 2, 3], [4, 5, 6]] and w = [2, 3, 5]; gradients of the sum of 1 y[0] + 2 y[1] + …
void check(const std::function<Double(const Double&, const Double&)>& f, const Values& y_expected, const Values& x_grad,
           const Values& w_grad) {
    const auto x = tensor<double>({{1, 2, 3}, {4, 5, 6}}).requires_grad_(), w = tensor<double>({2, 3, 5}).requires_grad_();
    const auto y = f(x, w);
    check_near(y.tolist(), y_expected);
    (y * arange<double>(1, y.numel() + 1).view(y.shape())).sum().backward();
    check_near(x.grad().tolist(), x_grad);
    CHECK(w.grad().defined() == !w_grad.empty());
    if (w.grad().defined()) check_near(w.grad().tolist(), w_grad);
}

}  // namespace

TEST_CASE("a write through a view reaches its base", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            b[0] *= w;
            CHECK(b.grad_fn() == "mul");
            return b;
        },
        {2, 6, 15, 4, 5, 6}, {2, 6, 15, 4, 5, 6}, {1, 4, 9});
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            b(headtorch::all, slice(0, 2)).diagonal() *= w(slice(0, 2));
            return b;
        },
        {2, 2, 3, 4, 15, 6}, {2, 2, 3, 4, 15, 6}, {1, 25, 0});
}

TEST_CASE("a write through a view reaches its siblings", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            const auto v = b[0], s = b(headtorch::all, 1);
            v *= w;
            return s * s;
        },
        {36, 25}, {0, 36, 0, 0, 20, 0}, {0, 24, 0});
}

TEST_CASE("a write to the base reaches its views", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            const auto v = b[1];
            b *= w;
            return v * v;
        },
        {64, 225, 900}, {0, 0, 0, 32, 180, 900}, {64, 300, 1080});
}

TEST_CASE("views of views", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1, v = b.t()(slice(1)), u = v[0];
            u.copy_(w(slice(0, 2)));
            return cat(std::vector<Double>{b.flatten(), v.flatten()}, 0);
        },
        {1, 2, 3, 4, 3, 6, 2, 3, 3, 6}, {1, 0, 12, 4, 0, 16}, {9, 13, 0});
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * x, c = b.view(6), d = b(headtorch::all, slice(0, 3, 2));
            d += w(slice(0, 2));
            c *= 3;
            return b + d.sum();
        },
        {225, 228, 252, 270, 291, 333}, {132, 24, 432, 600, 150, 972}, {141, 153, 0});
}

TEST_CASE("values that are overwritten get no gradient", "[autograd]") {
    check(
        [](const Double& x, const Double&) {
            const auto b = x * 1;
            b.zero_();
            return b + x;
        },
        {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}, {});
}

TEST_CASE("a fresh tensor filled row by row", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = zeros<double>({2, 3});
            b[0] = w;
            b[1] = x[0] * w;
            CHECK(b.requires_grad());
            CHECK_FALSE(b.is_leaf());
            return b;
        },
        {2, 3, 5, 2, 6, 15}, {8, 15, 30, 0, 0, 0}, {5, 12, 21});
}

TEST_CASE("several writes one after another", "[autograd]") {
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1, v = b[0];
            v *= w;
            v *= w;
            b[1] = v;
            return b;
        },
        {4, 18, 75, 4, 18, 75}, {20, 63, 225, 0, 0, 0}, {20, 84, 270});
    check(
        [](const Double& x, const Double&) {
            const auto b = x * 1;
            b += b;
            b *= b + 1;
            return b;
        },
        {6, 20, 42, 72, 110, 156}, {10, 36, 78, 136, 210, 300}, {});
}

TEST_CASE("an op between two writes keeps what it saw", "[autograd]") {
    check(
        [](const Double& x, const Double&) {
            const auto b = x * 0.1, v = b(headtorch::all, 1), e = b.exp();
            v += e(headtorch::all, 1);
            return b * e.detach() + v[0];
        },
        {1.5319198499677347, 3.1575080074334743, 1.8263604004329708, 2.018132637216678, 4.964045221969279, 2.5146740383944755},
        {0.11051709180756478, 5.207591283296646, 0.40495764227280096, 0.5967298790565082, 2.1835015495795873, 1.0932712802342054}, {});
}

TEST_CASE("assignment by mask and by index is differentiable", "[autograd]") {
    check(
        [](const Double& x, const Double&) {
            const auto b = x * 1;
            b(b > 2) = 0;
            return b * b;
        },
        {1, 4, 0, 0, 0, 0}, {2, 8, 0, 0, 0, 0}, {});
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            b(headtorch::all, tensor<bool>({1, 0, 1})) = w(slice(0, 2));
            return b * b;
        },
        {4, 4, 9, 4, 25, 9}, {0, 8, 0, 0, 50, 0}, {20, 54, 0});
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            b(tensor<std::int64_t>({1, 0}), tensor<std::int64_t>({2, 0})) = w(slice(0, 2)) * 2;
            return b * b;
        },
        {36, 4, 9, 16, 25, 16}, {0, 8, 18, 32, 50, 0}, {96, 24, 0});
    check(
        [](const Double& x, const Double& w) {
            const auto b = x * 1;
            b(tensor<std::int64_t>({1})) += w;
            return b * b;
        },
        {1, 4, 9, 36, 64, 121}, {2, 8, 18, 48, 80, 132}, {48, 80, 132});
}

TEST_CASE("in-place writes may be differentiated twice", "[autograd]") {
    const auto f = [](const std::vector<Double>& in) {
        const auto b = in[0] * in[0], v = b(headtorch::all, slice(0, 2));
        v *= in[1](slice(0, 2)).exp();
        b[1] += in[1] * in[1];
        return b.tanh();
    };
    manual_seed(5);
    const auto x = randn<double>({2, 3}) * 0.5, w = randn<double>({3}) * 0.5;
    CHECK(gradcheck(f, {x, w}));
    CHECK(gradgradcheck(f, {x, w}));
}

TEST_CASE("backward refuses a saved value that was overwritten, and names both ops", "[autograd]") {
    const auto x = tensor<double>({1, 2, 3}).requires_grad_();
    const auto h = x * 2;
    SECTION("by the base") {
        const auto y = (h * h).sum();
        h += 1;
        CHECK_THROWS_AS(y.backward({.retain_graph = true}), AutogradError);
        CHECK_THROWS_WITH(y.backward({.retain_graph = true}), contains("mul: backward needs a value of shape [3] that add"));
        CHECK_THROWS_WITH(y.backward({.retain_graph = true}), contains("overwrote in place") && contains("clone() it first"));
        CHECK_FALSE(x.grad().defined());
    }
    SECTION("through a view, under NoGrad") {
        const auto y = h.exp();
        {
            NoGrad guard;
            y[0].fill_(3);
        }
        CHECK_THROWS_WITH(y.sum().backward(), contains("exp") && contains("fill_"));
    }
    SECTION("through a detached handle") {
        const auto y = h.square();
        h.detach().zero_();
        CHECK_THROWS_WITH(y.sum().backward(), contains("square") && contains("fill_"));
    }
    SECTION("by a gradient that is added to a saved one") {
        const auto y = h.sin();
        h.detach().copy_(ones<double>({3}));
        CHECK_THROWS_WITH(y.sum().backward(), contains("sin") && contains("copy_"));
    }
    SECTION("not when the op needs no values") {
        const auto y = (h + 1).sum();
        h += 1;
        y.backward();
        CHECK(x.grad().tolist() == Values{2, 2, 2});
    }
}

TEST_CASE("a leaf that requires a gradient is not written to", "[autograd]") {
    const auto x = tensor<double>({{1, 2}, {3, 4}}).requires_grad_();
    const Values before = x.tolist();
    CHECK_THROWS_AS(x += 1, AutogradError);
    CHECK_THROWS_WITH(x += 1, contains("add: a leaf that requires a gradient") && contains("NoGrad"));
    CHECK_THROWS_WITH(x.fill_(0), contains("fill_: a leaf"));
    CHECK_THROWS_WITH(x.copy_(x * 2), contains("copy_: a leaf"));
    CHECK_THROWS_WITH(x[0] *= 2, contains("mul: a view of a leaf"));
    CHECK_THROWS_AS(x(0, 0) = 5, AutogradError);
    CHECK_THROWS_AS(x(x > 2) = 5, AutogradError);
    CHECK_THROWS_AS(x.uniform_(), AutogradError);
    CHECK(x.tolist() == before);
    CHECK(x.is_leaf());
    {
        NoGrad guard;
        x += 1;
        x[0] = 7;
    }
    CHECK(x.tolist() == Values{7, 7, 4, 5});
    CHECK(x.is_leaf());
    CHECK(x.requires_grad());
}

TEST_CASE("bad in-place writes change nothing", "[autograd]") {
    const auto x = tensor<double>({1, 2, 3});
    const Values before = x.tolist();
    const auto version = x.get()->version();
    CHECK_THROWS_WITH(x += ones<double>({2}), contains("add") && contains("[3]") && contains("[2]"));
    CHECK_THROWS_WITH(x += ones<double>({2, 3}), contains("add: a result of shape [2, 3] does not fit in place into [3]"));
    CHECK_THROWS_AS(x.copy_(ones<double>({4})), ShapeError);
    CHECK_THROWS_WITH(x.copy_(ones<double>({4})), contains("copy_") && contains("[4]") && contains("[3]"));
    CHECK_THROWS_WITH(x.copy_(ones<double>({2, 3})), contains("copy_") && contains("[2, 3]"));
    CHECK_THROWS_AS(x(slice(0, 2)) = ones<double>({3}), ShapeError);
    CHECK_THROWS_AS(x(tensor<std::int64_t>({0, 1})) = ones<double>({3}), ShapeError);
    CHECK_THROWS_AS(x += Double(), ValueError);
    CHECK_THROWS_AS(x.copy_(Double()), ValueError);
    const auto wide = x.expand(2, 3);
    CHECK_THROWS_AS(wide += 1, ShapeError);
    CHECK_THROWS_WITH(wide.fill_(1), contains("fill_: elements of an expanded tensor of shape [2, 3] share memory") && contains("clone()"));
    CHECK_THROWS_AS(wide[0].expand(4, 3).copy_(zeros<double>({4, 3})), ShapeError);
    CHECK(x.tolist() == before);
    CHECK(x.get()->version() == version);
    wide[1] += 1;  // one row shares nothing
    CHECK(x.tolist() == Values{2, 3, 4});
}

TEST_CASE("a recorded write through a view of a base with gaps is refused before it happens", "[autograd]") {
    const auto memory = arange<double>(1, 7);
    const Tensor<double> base(alias_impl(*memory.get(), {3}, {2}, 0));
    const auto view = base(slice(0, 2));
    const auto w = ones<double>({2}).requires_grad_();
    CHECK_THROWS_WITH(view += w, contains("non-contiguous") && contains("contiguous()"));
    CHECK(base.tolist() == Values{1, 3, 5});
}

TEST_CASE("operands that share memory", "[autograd]") {
    const auto square = arange<double>(0, 9).view(3, 3);
    const Values sums = (square + square.t()).tolist();
    square += square.t();
    CHECK(square.tolist() == sums);
    const auto x = arange<double>(0, 5);
    x(slice(1)).copy_(x(slice(0, -1)));
    CHECK(x.tolist() == Values{0, 0, 1, 2, 3});
    const auto y = arange<double>(0, 4);
    y *= y;
    y -= y[3];
    CHECK(y.tolist() == Values{-9, -8, -5, 0});
}
