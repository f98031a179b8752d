// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The harness itself: it must notice every kind of mistake that it is there to find.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

struct WrongSlope {
    static constexpr const char* name = "wrong";
    static auto value(const auto& x) { return math::exp(x); }
    static auto slope(const auto&, const auto& y) { return y * 1.0001; }
};

const Case& exp_case() {
    static const std::vector<Case> cases = load_cases("pointwise.txt");
    return *std::find_if(cases.begin(), cases.end(), [](const Case& c) { return c.op == "exp"; });
}

template <class F>
std::string check(F f) { return check_case(exp_case(), Entry("exp", f)); }

}  // namespace

TEST_CASE("the right op passes", "[support]") {
    CHECK(check([](const auto& in, const Case&) { return exp(in("x")); }).empty());
}

TEST_CASE("wrong values, shapes, types and counts are found", "[support]") {
    CHECK_THAT(check([](const auto& in, const Case&) { return exp(in("x")) + 1e-4; }), contains("element 0 of 6"));
    CHECK_THAT(check([](const auto& in, const Case&) { return exp(in("x")).t(); }), contains("shape [3, 2] instead of [2, 3]"));
    CHECK_THAT(check([](const auto& in, const Case&) { return in("x") > 0; }), contains("type bool instead of float"));
    CHECK_THAT(check([](const auto& in, const Case&) { return std::vector{exp(in("x")), in("x")}; }), contains("2 results instead of 1"));
    CHECK_THAT(check([](const auto& in, const Case&) { return exp(in("z")); }), contains("no float input z"));
}

TEST_CASE("wrong gradients are found", "[support]") {
    CHECK_THAT(check([](const auto& in, const Case&) { return exp(in("x").detach()); }), contains("exp"));
    CHECK_THAT(check([](const auto& in, const Case&) { return pointwise(WrongSlope{}, in("x")); }), contains("gradient of x"));
    // the gradient is right, the gradient of the gradient is not
    CHECK_THAT(check([](const auto& in, const Case&) {
                   const auto x = in("x");
                   auto y = exp(x.detach());
                   return record("exp", y.clone(), input(x, [y](const auto& g) { return g * y; }));
               }),
               contains("gradgradcheck"));
}

TEST_CASE("memory read in the wrong order and inputs overwritten are found", "[support]") {
    CHECK_THAT(check([](const auto& in, const Case&) {
                   const auto x = in("x");
                   auto flat = x.detach().clone();
                   std::copy_n(x.data(), 6, flat.data());
                   auto y = exp(flat);
                   return record("exp", y, input(x, [x](const auto& g) { return g * exp(x); }));
               }),
               contains("strided"));
    CHECK_THAT(check([](const auto& in, const Case&) {
                   const auto x = in("x");
                   auto y = exp(x);
                   x.detach().data()[0] = 7;
                   return y;
               }),
               contains("overwritten"));
}

TEST_CASE("a file that is not there or makes no sense is refused", "[support]") {
    CHECK_THROWS_AS(load_cases("nothing.txt"), IoError);
    CHECK_THROWS_AS(load_cases("../make_reference.py"), IoError);
    CHECK_THROWS_AS(exp_case().num("absent"), ValueError);
}

TEST_CASE("arguments and flags are read", "[support]") {
    for (const Case& c : load_cases("reduction.txt")) {
        if (c.op != "sum" || !c.has("keepdim") || c.words("dim").size() != 2) continue;
        CHECK(c.dims("dim") == Dims{0, 2});
        CHECK(c.flag("keepdim"));
        CHECK_FALSE(c.flag("absent"));
        CHECK(c.tensor<float>("x").shape() == Shape{2, 3, 4});
        CHECK(c.tensor<float>("y").shape() == Shape{1, 3, 1});
        return;
    }
    FAIL("no such case");
}
