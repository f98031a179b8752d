// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pointwise ops of two tensors and more, broadcast, held against PyTorch.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("pointwise ops of several tensors agree with PyTorch", "[ops]") {
    check_family("binary.txt", {
        {"add", [](const auto& in, const Case&) { return in("x") + in("y"); }},
        {"sub", [](const auto& in, const Case&) { return in("x") - in("y"); }},
        {"mul", [](const auto& in, const Case&) { return in("x") * in("y"); }},
        {"div", [](const auto& in, const Case&) { return in("x") / in("y"); }},
        {"maximum", [](const auto& in, const Case&) { return maximum(in("x"), in("y")); }},
        {"minimum", [](const auto& in, const Case&) { return minimum(in("x"), in("y")); }},
        {"pow_tensor", [](const auto& in, const Case&) { return pow(in("x"), in("y")); }},
        {"logaddexp", [](const auto& in, const Case&) { return logaddexp(in("x"), in("y")); }},
        {"atan2", [](const auto& in, const Case&) { return atan2(in("x"), in("y")); }},
        {"add_alpha", [](const auto& in, const Case& c) { return add(in("x"), in("y"), c.num("alpha")); }},
        {"sub_alpha", [](const auto& in, const Case& c) { return sub(in("x"), in("y"), c.num("alpha")); }},
        {"iadd", [](const auto& in, const Case&) { return in("x").clone() += in("y"); }},
        {"isub", [](const auto& in, const Case&) { return in("x").clone() -= in("y"); }},
        {"imul", [](const auto& in, const Case&) { return in("x").clone() *= in("y"); }},
        {"idiv", [](const auto& in, const Case&) { return in("x").clone() /= in("y"); }},
        {"where", [](const auto& in, const Case&) { return where(in.bools("condition"), in("x"), in("y")); }},
        {"where_scalar", [](const auto& in, const Case& c) { return where(in.bools("condition"), in("x"), c.num("value")); }},
        {"lerp", [](const auto& in, const Case& c) { return lerp(in("x"), in("y"), c.num("weight")); }},
        {"lerp_tensor", [](const auto& in, const Case&) { return lerp(in("x"), in("y"), in("weight")); }},
        {"clamp_tensor", [](const auto& in, const Case&) { return clamp(in("x"), in("low"), in("high")); }},
        {"eq", [](const auto& in, const Case&) { return in("x") == in("y"); }},
        {"ne", [](const auto& in, const Case&) { return in("x") != in("y"); }},
        {"lt", [](const auto& in, const Case&) { return in("x") < in("y"); }},
        {"le", [](const auto& in, const Case&) { return in("x") <= in("y"); }},
        {"gt", [](const auto& in, const Case&) { return in("x") > in("y"); }},
        {"ge", [](const auto& in, const Case&) { return in("x") >= in("y"); }},
        {"eq_long", [](const auto& in, const Case&) { return in.longs("x") == in.longs("y"); }},
        {"ne_long", [](const auto& in, const Case&) { return in.longs("x") != in.longs("y"); }},
        {"lt_long", [](const auto& in, const Case&) { return in.longs("x") < in.longs("y"); }},
        {"le_long", [](const auto& in, const Case&) { return in.longs("x") <= in.longs("y"); }},
        {"gt_long", [](const auto& in, const Case&) { return in.longs("x") > in.longs("y"); }},
        {"ge_long", [](const auto& in, const Case&) { return in.longs("x") >= in.longs("y"); }},
        {"logical_and", [](const auto& in, const Case&) { return logical_and(in.bools("x"), in.bools("y")); }},
        {"logical_or", [](const auto& in, const Case&) { return logical_or(in.bools("x"), in.bools("y")); }},
        {"logical_xor", [](const auto& in, const Case&) { return logical_xor(in.bools("x"), in.bools("y")); }},
        {"add_long", [](const auto& in, const Case&) { return in.longs("x") + in.longs("y"); }},
        {"sub_long", [](const auto& in, const Case&) { return in.longs("x") - in.longs("y"); }},
        {"mul_long", [](const auto& in, const Case&) { return in.longs("x") * in.longs("y"); }},
        {"div_long", [](const auto& in, const Case&) { return in.longs("x") / in.longs("y"); }},
        {"maximum_long", [](const auto& in, const Case&) { return maximum(in.longs("x"), in.longs("y")); }},
        {"minimum_long", [](const auto& in, const Case&) { return minimum(in.longs("x"), in.longs("y")); }},
    });
}
