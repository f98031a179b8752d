// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pointwise ops of one tensor, held against PyTorch.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("pointwise ops of one tensor agree with PyTorch", "[ops]") {
    check_family("pointwise.txt", {
        {"neg", [](const auto& in, const Case&) { return -in("x"); }},
        {"abs", [](const auto& in, const Case&) { return abs(in("x")); }},
        {"sign", [](const auto& in, const Case&) { return sign(in("x")); }},
        {"exp", [](const auto& in, const Case&) { return exp(in("x")); }},
        {"expm1", [](const auto& in, const Case&) { return expm1(in("x")); }},
        {"log", [](const auto& in, const Case&) { return log(in("x")); }},
        {"log1p", [](const auto& in, const Case&) { return log1p(in("x")); }},
        {"log2", [](const auto& in, const Case&) { return log2(in("x")); }},
        {"sqrt", [](const auto& in, const Case&) { return sqrt(in("x")); }},
        {"rsqrt", [](const auto& in, const Case&) { return rsqrt(in("x")); }},
        {"square", [](const auto& in, const Case&) { return square(in("x")); }},
        {"sin", [](const auto& in, const Case&) { return sin(in("x")); }},
        {"cos", [](const auto& in, const Case&) { return cos(in("x")); }},
        {"tan", [](const auto& in, const Case&) { return tan(in("x")); }},
        {"tanh", [](const auto& in, const Case&) { return tanh(in("x")); }},
        {"sigmoid", [](const auto& in, const Case&) { return sigmoid(in("x")); }},
        {"erf", [](const auto& in, const Case&) { return erf(in("x")); }},
        {"floor", [](const auto& in, const Case&) { return floor(in("x")); }},
        {"ceil", [](const auto& in, const Case&) { return ceil(in("x")); }},
        {"round", [](const auto& in, const Case&) { return round(in("x")); }},
        {"reciprocal", [](const auto& in, const Case&) { return reciprocal(in("x")); }},
        {"neg_long", [](const auto& in, const Case&) { return -in.longs("x"); }},
        {"abs_long", [](const auto& in, const Case&) { return abs(in.longs("x")); }},
        {"sign_long", [](const auto& in, const Case&) { return sign(in.longs("x")); }},
        {"square_long", [](const auto& in, const Case&) { return square(in.longs("x")); }},
        {"pow", [](const auto& in, const Case& c) { return pow(in("x"), c.num("exponent")); }},
        {"pow_scalar_base", [](const auto& in, const Case& c) { return pow(c.num("base"), in("x")); }},
        {"add_scalar", [](const auto& in, const Case& c) { return in("x") + c.num("value"); }},
        {"sub_scalar", [](const auto& in, const Case& c) { return in("x") - c.num("value"); }},
        {"rsub_scalar", [](const auto& in, const Case& c) { return c.num("value") - in("x"); }},
        {"mul_scalar", [](const auto& in, const Case& c) { return in("x") * c.num("value"); }},
        {"div_scalar", [](const auto& in, const Case& c) { return in("x") / c.num("value"); }},
        {"rdiv_scalar", [](const auto& in, const Case& c) { return c.num("value") / in("x"); }},
        {"maximum_scalar", [](const auto& in, const Case& c) { return maximum(in("x"), c.num("value")); }},
        {"minimum_scalar", [](const auto& in, const Case& c) { return minimum(in("x"), c.num("value")); }},
        {"clamp", [](const auto& in, const Case& c) {
             if (!c.has("max")) return clamp_min(in("x"), c.num("min"));
             return c.has("min") ? clamp(in("x"), c.num("min"), c.num("max")) : clamp_max(in("x"), c.num("max"));
         }},
        {"clamp_long", [](const auto& in, const Case& c) { return clamp(in.longs("x"), c.integer("min"), c.integer("max")); }},
        {"isnan", [](const auto& in, const Case&) { return isnan(in("x")); }},
        {"isinf", [](const auto& in, const Case&) { return isinf(in("x")); }},
        {"isfinite", [](const auto& in, const Case&) { return isfinite(in("x")); }},
        {"logical_not", [](const auto& in, const Case&) { return logical_not(in("x")); }},
        {"logical_not_bool", [](const auto& in, const Case&) { return logical_not(in.bools("x")); }},
        {"eq_scalar", [](const auto& in, const Case& c) { return in("x") == c.num("value"); }},
        {"ne_scalar", [](const auto& in, const Case& c) { return in("x") != c.num("value"); }},
        {"lt_scalar", [](const auto& in, const Case& c) { return in("x") < c.num("value"); }},
        {"le_scalar", [](const auto& in, const Case& c) { return in("x") <= c.num("value"); }},
        {"gt_scalar", [](const auto& in, const Case& c) { return in("x") > c.num("value"); }},
        {"ge_scalar", [](const auto& in, const Case& c) { return in("x") >= c.num("value"); }},
        {"to_long", [](const auto& in, const Case&) { return in("x").template to<std::int64_t>(); }},
        {"to_bool", [](const auto& in, const Case&) { return in("x").template to<bool>(); }},
    });
}
