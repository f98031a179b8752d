// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What gradcheck() and gradgradcheck() accept and what they refuse.
#include "headtorch/autograd/gradcheck.hpp"

#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Double = Tensor<double>;
using Doubles = std::vector<Double>;

/// Right gradient, wrong gradient of the gradient: the saved input is used without its history.
struct Forgetful : Function<Forgetful> {
    static Double forward(Context<double>& context, const Double& x) {
        context.save_for_backward(x);
        return x * x;
    }
    static Double backward(Context<double>& context, const Double& g) { return 2 * context.saved(0).detach() * g; }
};

struct WrongShape : Function<WrongShape> {
    static Double forward(Context<double>&, const Double& x) { return x * 2; }
    static Double backward(Context<double>&, const Double& g) { return (g * 2).sum(); }
};

}  // namespace

TEST_CASE("gradcheck accepts right gradients", "[autograd]") {
    manual_seed(1);
    const auto x = randn<double>({2, 3}), y = randn<double>({3}), s = randn<double>({});
    CHECK(gradcheck([](const Doubles& in) { return in[0] * in[1].exp() + in[2]; }, {x, y, s}));
    CHECK(gradgradcheck([](const Doubles& in) { return in[0] * in[1].exp() * in[2]; }, {x, y, s}));
    // several outputs, of which one leaves an input out
    const auto two = [](const Doubles& in) { return Doubles{in[0].square().sum(), in[1].tanh() * in[0]}; };
    CHECK(gradcheck(two, {x, y}));
    CHECK(gradgradcheck(two, {x, y}));
    // not contiguous, empty
    CHECK(gradcheck([](const Doubles& in) { return in[0].sin(); }, {x.t()}));
    CHECK(gradcheck([](const Doubles& in) { return in[0].sin(); }, {zeros<double>({0, 2})}));
}

TEST_CASE("gradcheck leaves its inputs as they were", "[autograd]") {
    const auto x = tensor<double>({1, 2});
    gradcheck([](const Doubles& in) { return in[0].exp(); }, {x});
    CHECK(x.tolist() == std::vector<double>{1, 2});
    CHECK_FALSE(x.requires_grad());
    CHECK_FALSE(x.grad().defined());
}

TEST_CASE("gradcheck refuses wrong ones", "[autograd]") {
    const auto x = tensor<double>({1, 2});
    CHECK_THROWS_WITH(gradcheck([](const Doubles& in) { return in[0].detach() * 2; }, {x}),
                      contains("output 0 does not depend on any input"));
    // a part of the function is hidden from the tape
    CHECK_THROWS_AS(gradcheck([](const Doubles& in) { return in[0] * in[0].detach(); }, {x}), AutogradError);
    const auto forgetful = [](const Doubles& in) { return Forgetful::apply(in[0]); };
    CHECK(gradcheck(forgetful, {x}));
    CHECK_THROWS_AS(gradgradcheck(forgetful, {x}), AutogradError);
    CHECK_THROWS_AS(gradcheck([](const Doubles& in) { return WrongShape::apply(in[0]); }, {x}), Error);
    // a step of the difference quotient too long for the tolerance
    CHECK_THROWS_AS(gradcheck([](const Doubles& in) { return in[0].exp(); }, {x}, {.eps = 1.0}), AutogradError);
}

TEST_CASE("gradcheck's fast mode", "[autograd]") {
    manual_seed(2);
    const GradcheckOptions fast{.fast_mode = true};
    const auto x = randn<double>({2, 3}), y = randn<double>({3});
    const auto two = [](const Doubles& in) { return Doubles{in[0].square().sum(), in[1].tanh() * in[0]}; };
    CHECK(gradcheck(two, {x, y}, fast));
    CHECK(gradgradcheck(two, {x, y}, fast));
    CHECK(gradgradcheck([](const Doubles& in) { return in[0] * 3; }, {x}, fast));
    CHECK(gradcheck([](const Doubles& in) { return in[0].sin(); }, {x.t()}, fast));
    CHECK(gradcheck([](const Doubles& in) { return in[0].sin(); }, {zeros<double>({0, 2})}, fast));
    CHECK_THROWS_WITH(gradcheck([](const Doubles& in) { return in[0] * in[0].detach(); }, {x}, fast),
                      contains("gradcheck: derivative of output 0 by input 0 along random directions"));
    const auto forgetful = [](const Doubles& in) { return Forgetful::apply(in[0]); };
    CHECK(gradcheck(forgetful, {x}, fast));
    CHECK_THROWS_AS(gradgradcheck(forgetful, {x}, fast), AutogradError);
    CHECK_THROWS_AS(gradcheck([](const Doubles& in) { return WrongShape::apply(in[0]); }, {x}, fast), Error);
    // one element of a hundred
    const auto spot = zeros<double>({10, 10});
    spot.select(0, 7).select(0, 3).fill_(1);
    CHECK_THROWS_AS(gradcheck([&](const Doubles& in) { return in[0] * 2 + in[0].detach() * spot; }, {randn<double>({10, 10})}, fast),
                    AutogradError);
}
