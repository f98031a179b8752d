// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Custom functions.
#include "headtorch/autograd/function.hpp"

#include <string>
#include <tuple>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Double = Tensor<double>;

struct Cube : Function<Cube> {
    static constexpr const char* name = "cube";
    static Double forward(Context<double>& context, const Double& x) {
        CHECK_FALSE(GradMode::enabled());
        context.save_for_backward(x);
        return x * x * x;
    }
    static Double backward(Context<double>& context, const Double& g) {
        const auto x = context.saved(0);
        return 3 * x * x * g;
    }
};

/// a^power * b + shift, with the shift not differentiable.
struct Mixed : Function<Mixed> {
    static inline std::vector<bool> needed;
    static Double forward(Context<double>& context, const Double& a, int power, const Double& b, const Double& shift) {
        context.save_for_backward(a, b);
        context.set("power", power);
        context.set("label", std::string("mixed"));
        return a.pow(power) * b + shift;
    }
    static std::tuple<Double, Double, Double> backward(Context<double>& context, const Double& g) {
        const auto a = context.saved(0), b = context.saved(1);
        const int power = context.get<int>("power");
        CHECK(context.get<std::string>("label") == "mixed");
        CHECK_THROWS_AS(context.get<int>("label"), ValueError);
        CHECK_THROWS_WITH(context.get<int>("absent"), contains("absent"));
        CHECK_THROWS_WITH(context.saved(2), contains("saved(2)") && contains("2 tensors"));
        needed = {context.needs_input_grad(0), context.needs_input_grad(1), context.needs_input_grad(2), context.needs_input_grad(3)};
        return {power * a.pow(power - 1) * b * g, a.pow(power) * g, Double()};
    }
};

struct Wrong : Function<Wrong> {
    static Double forward(Context<double>& context, const Double& x) {
        context.save_for_backward(x);
        return x * x;
    }
    static Double backward(Context<double>& context, const Double& g) { return context.saved(0) * g; }  // not 2 x g
};

struct Same : Function<Same> {
    static Double forward(Context<double>&, const Double& x) { return x; }
    static Double backward(Context<double>&, const Double& g) { return g * 7; }
};

struct Rounded : Function<Rounded> {  // straight through
    static Double forward(Context<double>&, const Double& x) { return round(x); }
    static Double backward(Context<double>&, const Double& g) { return g; }
};

}  // namespace

TEST_CASE("a function with its own gradient", "[autograd]") {
    const auto x = tensor<double>({1, -2, 3}).requires_grad_();
    const auto y = Cube::apply(x);
    CHECK(y.tolist() == std::vector<double>{1, -8, 27});
    CHECK(y.grad_fn() == "cube");
    y.sum().backward();
    CHECK(x.grad().tolist() == std::vector<double>{3, 12, 27});
    CHECK_FALSE(Cube::apply(x.detach()).requires_grad());
    {
        NoGrad guard;
        CHECK_FALSE(Cube::apply(x).requires_grad());
    }
    CHECK(gradcheck([](const auto& in) { return Cube::apply(in[0]); }, {x}));
    CHECK(gradgradcheck([](const auto& in) { return Cube::apply(in[0]); }, {x}));
}

TEST_CASE("several inputs, plain arguments, and inputs without a gradient", "[autograd]") {
    const auto a = tensor<double>({1.5, 2}).requires_grad_(), b = tensor<double>({3, 4}), shift = tensor<double>({5, 6}).requires_grad_();
    const auto y = Mixed::apply(a, 2, b, shift);
    CHECK(y.tolist() == std::vector<double>{2.25 * 3 + 5, 4 * 4 + 6});
    y.sum().backward();
    CHECK(a.grad().tolist() == std::vector<double>{9, 16});
    CHECK_FALSE(b.grad().defined());
    CHECK_FALSE(shift.grad().defined());
    CHECK(Mixed::needed == std::vector<bool>{true, false, true, false});
    const auto f = [&](const auto& in) { return Mixed::apply(in[0], 3, in[1], shift.detach()); };
    CHECK(gradcheck(f, {a, b}));
    CHECK(gradgradcheck(f, {a, b}));
}

TEST_CASE("a wrong gradient is found", "[autograd]") {
    const auto x = tensor<double>({1, 2});
    const auto wrong = [](const auto& in) { return Wrong::apply(in[0]); };
    CHECK_THROWS_AS(gradcheck(wrong, {x}), AutogradError);
    CHECK_THROWS_WITH(gradcheck(wrong, {x}),
                      contains("gradcheck: derivative of element 0 of output 0 by element 0 of input 0") && contains("gives 1"));
}

TEST_CASE("a function that gives back its input", "[autograd]") {
    const auto x = tensor<double>({1, 2}).requires_grad_();
    const auto y = Same::apply(x);
    CHECK(x.is_leaf());
    y.sum().backward();
    CHECK(x.grad().tolist() == std::vector<double>{7, 7});
}

TEST_CASE("a straight-through estimator", "[autograd]") {
    const auto x = tensor<double>({0.4, 1.7}).requires_grad_();
    (Rounded::apply(x) * tensor<double>({2, 3})).sum().backward();
    CHECK(x.grad().tolist() == std::vector<double>{2, 3});
}

TEST_CASE("a saved input overwritten in between", "[autograd]") {
    const auto x = tensor<double>({1, 2}).requires_grad_();
    const auto h = x * 1;
    const auto y = Cube::apply(h);
    h *= 2;
    CHECK_THROWS_WITH(y.sum().backward(), contains("cube") && contains("mul") && contains("clone()"));
}
