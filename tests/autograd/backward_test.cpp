// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// backward() and grad(): what gathers where, what is kept, and what is refused.
#include "headtorch/autograd/backward.hpp"

#include <limits>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {
using Values = std::vector<float>;
}

TEST_CASE("backward fills the gradients of leaves", "[autograd]") {
    const auto x = tensor({1, 2, 3}).requires_grad_(), w = tensor({4, 5, 6}).requires_grad_();
    CHECK(x.is_leaf());
    CHECK_FALSE(x.grad().defined());
    const auto y = (x * w).sum();
    CHECK(y.requires_grad());
    CHECK_FALSE(y.is_leaf());
    CHECK(y.grad_fn() == "sum");
    y.backward();
    CHECK(x.grad().tolist() == Values{4, 5, 6});
    CHECK(w.grad().tolist() == Values{1, 2, 3});
    CHECK_FALSE(x.grad().requires_grad());
    CHECK_FALSE(y.grad().defined());
}

TEST_CASE("a tensor used twice gets the sum of its gradients", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto y = x * x;
    (y * y + y + x).sum().backward();  // x^4 + x^2 + x
    CHECK(x.grad().tolist() == Values{4 + 2 + 1, 32 + 4 + 1});
    x.zero_grad();
    (x + x).sum().backward();
    CHECK(x.grad().tolist() == Values{2, 2});
}

TEST_CASE("gradients gather until zero_grad", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    for (int i = 1; i <= 3; ++i) {
        (x * x).sum().backward();
        CHECK(x.grad().tolist() == Values{2.0f * static_cast<float>(i), 4.0f * static_cast<float>(i)});
    }
    x.zero_grad();
    CHECK_FALSE(x.grad().defined());
    (x * 3).sum().backward();
    CHECK(x.grad().tolist() == Values{3, 3});

    SECTION("a handle from grad() sees what is added") {
        const auto g = x.grad();
        (x * 3).sum().backward();
        CHECK(g.tolist() == Values{6, 6});
    }
    SECTION("set_grad") {
        x.set_grad(tensor({10, 20}));
        (x * 3).sum().backward();
        CHECK(x.grad().tolist() == Values{13, 23});
        CHECK_THROWS_WITH(x.set_grad(ones({3})), contains("set_grad") && contains("[3]") && contains("[2]"));
        CHECK_THROWS_AS(ones({2}).set_grad(ones({2})), AutogradError);
        x.set_grad(Tensor<>());
        CHECK_FALSE(x.grad().defined());
    }
}

TEST_CASE("a gradient that others hold is not written to", "[autograd]") {
    const auto g = ones({2});
    const auto x = tensor({1, 2}).requires_grad_(), w = tensor({1, 2}).requires_grad_();
    const bool create = GENERATE(false, true);
    (x + w).backward(g, {.create_graph = create});
    CHECK_FALSE(x.grad().is_same(w.grad()));
    (x * 5).sum().backward();
    CHECK(x.grad().tolist() == Values{6, 6});
    CHECK(w.grad().tolist() == Values{1, 1});
    CHECK(g.tolist() == Values{1, 1});
    x.zero_grad();
    w.zero_grad();
}

TEST_CASE("backward from more than one number needs a gradient", "[autograd]") {
    const auto x = tensor({1, 2, 3}).requires_grad_();
    const auto y = x * x;
    CHECK_THROWS_AS(y.backward(), AutogradError);
    CHECK_THROWS_WITH(y.backward(), contains("backward: a tensor of shape [3]") && contains("sum() or mean()"));
    CHECK_THROWS_AS(y.backward(ones({2})), ShapeError);
    CHECK_THROWS_WITH(y.backward(ones({2})), contains("gradient of shape [2]") && contains("output of shape [3]"));
    CHECK_FALSE(x.grad().defined());
    y.backward(tensor({1, 0, 2}));
    CHECK(x.grad().tolist() == Values{2, 0, 12});
    // one element in any number of dimensions is enough
    const auto one = ones({1, 1}).requires_grad_();
    (one * 2).backward();
    CHECK(one.grad().tolist() == Values{2});
}

TEST_CASE("backward without anything to differentiate says so", "[autograd]") {
    CHECK_THROWS_WITH(ones({1}).backward(), contains("backward") && contains("requires a gradient"));
    CHECK_THROWS_AS(Tensor<>().backward(), Error);
    const auto x = ones({1}).requires_grad_();
    CHECK_THROWS_AS(grad(ones({1}), x), AutogradError);
    CHECK_THROWS_WITH(grad(x * 2, ones({1})), contains("grad: input 0 of shape [1] does not require a gradient"));
    const auto y = x.detach() * 2;
    CHECK_THROWS_AS(y.backward(), AutogradError);
    // of a leaf itself
    x.backward();
    CHECK(x.grad().item() == 1);
}

TEST_CASE("an op of any kind that was freed says so, by its name", "[autograd]") {
    const auto x = tensor({{1, 2}, {3, 4}}).requires_grad_();
    const auto twice = [](const Tensor<>& y) {
        y.backward(ones(y.shape()));
        y.backward(ones(y.shape()));
    };
    CHECK_THROWS_WITH(twice(sum(x)), contains("sum: backward a second time"));
    CHECK_THROWS_WITH(twice(mm(x, x)), contains("mm: backward a second time"));
    CHECK_THROWS_WITH(twice(softmax(x, 1)), contains("softmax: backward a second time"));
    CHECK_THROWS_WITH(twice(cat({x, x}, 0)), contains("cat: backward a second time"));
    CHECK_THROWS_WITH(twice(x * 2), contains("mul: backward a second time"));
}

TEST_CASE("backward twice throws unless the graph was retained", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto y = x.exp().sum();
    y.backward();
    const auto first = x.grad().tolist();
    CHECK_THROWS_AS(y.backward(), AutogradError);
    CHECK_THROWS_WITH(y.backward(), contains("second time") && contains("retain_graph"));
    CHECK(x.grad().tolist() == first);

    x.zero_grad();
    const auto z = (x * x).sum();
    z.backward({.retain_graph = true});
    z.backward({.retain_graph = true});
    CHECK(x.grad().tolist() == Values{4, 8});
    z.backward();
    CHECK_THROWS_AS(z.backward(), AutogradError);
}

TEST_CASE("grad gives gradients and leaves grad() alone", "[autograd]") {
    const auto a = tensor({1, 2}).requires_grad_(), b = tensor({3, 4}).requires_grad_(), c = ones({5}).requires_grad_();
    const auto h = a * b;
    const auto y = (h * h).sum();
    const auto g = grad(y, {a, c, b, h, a});
    CHECK(g[0].tolist() == Values{18, 64});
    CHECK_FALSE(g[1].defined());  // y does not depend on c
    CHECK(g[2].tolist() == Values{6, 32});
    CHECK(g[3].tolist() == Values{6, 16});
    CHECK(g[4].tolist() == g[0].tolist());
    for (const auto& x : {a, b, c}) CHECK_FALSE(x.grad().defined());
    // by itself
    const auto z = a.sum();
    CHECK(grad(z, z).item() == 1);
    // of a weighted sum
    CHECK(grad(a * b, {a}, tensor({10, 100}))[0].tolist() == Values{30, 400});
}

TEST_CASE("grad runs only what leads to its inputs", "[autograd]") {
    const auto a = tensor({1, 2}).requires_grad_(), b = tensor({3, 4}).requires_grad_();
    int calls = 0;
    const auto side = b * 2;
    side.register_hook([&](const Tensor<>& g) {
        ++calls;
        return g;
    });
    const auto y = (a * 3 + side).sum();
    CHECK(grad(y, a).tolist() == Values{3, 3});
    CHECK(calls == 0);
}

TEST_CASE("create_graph: gradients of gradients", "[autograd]") {
    const auto x = tensor<double>({1, 2, -3}).requires_grad_();
    const auto y = (x * x * x * x).sum();
    const auto g1 = grad(y, x, {.create_graph = true});
    CHECK(g1.requires_grad());
    const auto g2 = grad(g1.sum(), x, {.create_graph = true});
    const auto g3 = grad(g2.sum(), x, {.create_graph = true});
    const auto g4 = grad(g3.sum(), x, {.retain_graph = true});
    CHECK(g1.tolist() == std::vector<double>{4, 32, -108});
    CHECK(g2.tolist() == std::vector<double>{12, 48, 108});
    CHECK(g3.tolist() == std::vector<double>{24, 48, -72});
    CHECK(g4.tolist() == std::vector<double>{24, 24, 24});
    CHECK_FALSE(g4.requires_grad());

    // a penalty on the gradient, through backward()
    (y + g1.square().sum()).backward();  // d/dx (x^4 + 16 x^6) = 4 x^3 + 96 x^5
    CHECK(x.grad().tolist() == std::vector<double>{4 + 96, 32 + 96 * 32, -108 - 96 * 243});
}

TEST_CASE("backward with create_graph leaves a gradient that can be differentiated", "[autograd]") {
    const auto x = tensor({3}).requires_grad_();
    (x * x * x).sum().backward({.create_graph = true});
    const auto g = x.grad();
    CHECK(g.requires_grad());
    x.zero_grad();  // else leaf and gradient would hold each other
    g.sum().backward();
    CHECK(x.grad().tolist() == Values{18});
}

TEST_CASE("hooks change gradients", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto h = x * 3;
    Values seen;
    h.register_hook([&](const Tensor<>& g) {
        seen = g.tolist();
        return g * 10;
    });
    h.register_hook([](const Tensor<>&) { return Tensor<>(); });  // keeps it
    x.register_hook([](const Tensor<>& g) { return g + 1; });
    (h * h).sum().backward();
    CHECK(seen == Values{6, 12});
    CHECK(x.grad().tolist() == Values{181, 361});
    CHECK_THROWS_AS(ones({1}).register_hook([](const Tensor<>& g) { return g; }), AutogradError);

    const auto y = x * 1;
    y.register_hook([](const Tensor<>&) { return ones({7}); });
    CHECK_THROWS_WITH(y.sum().backward(), contains("register_hook") && contains("[7]") && contains("[2]"));
    // the engine is whole again after an exception
    x.zero_grad();
    (x * 2).sum().backward();
    CHECK(x.grad().tolist() == Values{3, 3});
}

TEST_CASE("a hook may call backward itself", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_(), other = tensor({5}).requires_grad_();
    const auto h = x * 2;
    h.register_hook([&](const Tensor<>& g) {
        EnableGrad guard;
        (other * other).sum().backward();
        return g;
    });
    h.sum().backward();
    CHECK(x.grad().tolist() == Values{2, 2});
    CHECK(other.grad().tolist() == Values{10});
}

TEST_CASE("retain_grad keeps the gradient of an intermediate value", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto h = x * 2;
    h.retain_grad();
    const auto other = h * 1;
    (h * h + other).sum().backward();
    CHECK(h.grad().tolist() == Values{5, 9});
    CHECK_FALSE(other.grad().defined());
    CHECK(x.grad().tolist() == Values{10, 18});
    CHECK_THROWS_AS(ones({1}).retain_grad(), AutogradError);
}

TEST_CASE("detach, NoGrad and EnableGrad", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto d = x.detach();
    CHECK_FALSE(d.requires_grad());
    CHECK(d.data() == x.data());
    (x * d).sum().backward();
    CHECK(x.grad().tolist() == Values{1, 2});
    {
        NoGrad outer;
        CHECK_FALSE(GradMode::enabled());
        CHECK_FALSE((x * 2).requires_grad());
        {
            EnableGrad inner;
            CHECK((x * 2).requires_grad());
            {
                NoGrad innermost;
                CHECK_FALSE((x * 2).requires_grad());
            }
            CHECK((x * 2).requires_grad());
        }
        CHECK_FALSE((x * 2).requires_grad());
        CHECK(x.requires_grad());
    }
    CHECK(GradMode::enabled());
    try {
        NoGrad guard;
        throw ValueError("out");
    } catch (const ValueError&) {
    }
    CHECK(GradMode::enabled());
}

TEST_CASE("requires_grad_", "[autograd]") {
    const auto x = ones({2});
    CHECK_FALSE(x.requires_grad());
    CHECK(x.is_leaf());
    x.requires_grad_();
    x.requires_grad_();  // twice does no harm
    CHECK(x.requires_grad());
    const auto y = x * 2;
    CHECK_THROWS_AS(y.requires_grad_(false), AutogradError);
    CHECK_THROWS_WITH(y.requires_grad_(false), contains("requires_grad_: only a leaf") && contains("detach()"));
    CHECK(y.requires_grad());
    x.requires_grad_(false);
    CHECK_FALSE((x * 2).requires_grad());
    // a graph made before still knows the leaf, and an input that wants none gets none
    const auto a = ones({2}).requires_grad_(), b = ones({2});
    (a * b).sum().backward();
    CHECK(a.grad().defined());
    CHECK_FALSE(b.grad().defined());
}

TEST_CASE("mixed types: gradients pass through conversions", "[autograd]") {
    const auto x = tensor({1, 2}).requires_grad_();
    const auto y = x.to<double>();
    (y * y).sum().backward();
    CHECK(x.grad().tolist() == Values{2, 4});
    const auto n = x.to<std::int64_t>();
    CHECK(n.tolist() == std::vector<std::int64_t>{1, 2});
    CHECK(x.to<float>().is_same(x));
}

TEST_CASE("a chain of a million ops", "[autograd]") {
    constexpr int length = std::same_as<DefaultDevice, Cpu> ? 1'000'000 : 10'000;
    const auto chain = [](const Tensor<>& x) {
        Tensor<> y = x;
        for (int i = 0; i < length; ++i) y = y + 1;
        return y;
    };
    const auto x = ones({1}).requires_grad_();
    SECTION("backward, then its end") {
        const auto y = chain(x);
        CHECK(y.item() == length + 1);
        y.backward();
        CHECK(x.grad().item() == 1);
    }
    SECTION("its end without backward") {
        {
            const auto y = chain(x);
            CHECK(y.requires_grad());
        }
        CHECK_FALSE(x.grad().defined());
    }
    SECTION("grad") { CHECK(grad(chain(x), x).item() == 1); }
}

TEST_CASE("a long chain whose nodes keep tensors goes away too", "[autograd]") {
    constexpr int ops = std::same_as<DefaultDevice, Cpu> ? 100'000 : 2'000;
    const auto x = ones({1}).requires_grad_(), w = ones({1}).requires_grad_();
    Tensor<> y = x;
    for (int i = 0; i < ops; ++i) y = (y * w).view(1).exp().log();
    y.backward({.create_graph = true});
    CHECK(x.grad().item() == Approx(1));
    CHECK(w.grad().item() == Approx(ops));
    x.zero_grad();
    w.zero_grad();
}

TEST_CASE("wide graphs", "[autograd]") {
    const auto x = ones({1}).requires_grad_();
    std::vector<Tensor<>> leaves, terms;
    for (int i = 0; i < 3000; ++i) {
        leaves.push_back(full({1}, static_cast<float>(i)).requires_grad_());
        terms.push_back(leaves.back() * x);
    }
    while (terms.size() > 1) {
        std::vector<Tensor<>> next;
        for (std::size_t i = 0; i + 1 < terms.size(); i += 2) next.push_back(terms[i] + terms[i + 1]);
        if (terms.size() % 2) next.push_back(terms.back());
        terms = next;
    }
    terms[0].backward();
    CHECK(x.grad().item() == 3000.0f * 2999 / 2);
    for (const auto& leaf : leaves) REQUIRE(leaf.grad().item() == 1);
}

TEST_CASE("empty and 0-dim tensors have gradients", "[autograd]") {
    const auto e = zeros({0, 3}).requires_grad_();
    (e * 2).sum().backward();
    CHECK(e.grad().shape() == Shape{0, 3});
    const auto s = tensor(3).requires_grad_();
    (s * s).backward();
    CHECK(s.grad().shape() == Shape{});
    CHECK(s.grad().item() == 6);
    const auto b = ones({2, 3}).requires_grad_();
    (b * s).sum().backward();
    CHECK(s.grad().item() == 12);
}
