// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Products of vectors, matrices and batches, held against PyTorch.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("products agree with PyTorch", "[ops]") {
    check_family("linalg.txt", {
        {"matmul", [](const auto& in, const Case&) { return matmul(in("x"), in("y")); }},
        {"mm", [](const auto& in, const Case&) { return mm(in("x"), in("y")); }},
        {"bmm", [](const auto& in, const Case&) { return bmm(in("x"), in("y")); }},
        {"dot", [](const auto& in, const Case&) { return dot(in("x"), in("y")); }},
        {"outer", [](const auto& in, const Case&) { return outer(in("x"), in("y")); }},
        {"addmm", [](const auto& in, const Case& c) { return addmm(in("input"), in("x"), in("y"), c.num("beta", 1), c.num("alpha", 1)); }},
        {"einsum", [](const auto& in, const Case& c) { return einsum(c.str("equation"), in.list("x")); }},
    });
}
