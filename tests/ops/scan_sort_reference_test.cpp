// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Scans, sorting and softmax, held against PyTorch.
#include "headtorch/ops/scan.hpp"
#include "headtorch/ops/softmax.hpp"
#include "headtorch/ops/sort.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("scans and sorting agree with PyTorch", "[ops]") {
    check_family(
        "scan_sort.txt",
        {
            {"cumsum", [](const auto& in, const Case& c) { return cumsum(in("x"), c.integer("dim")); }},
            {"cumprod", [](const auto& in, const Case& c) { return cumprod(in("x"), c.integer("dim")); }},
            {"cumsum_long", [](const auto& in, const Case& c) { return cumsum(in.longs("x"), c.integer("dim")); }},
            {"cumprod_long", [](const auto& in, const Case& c) { return cumprod(in.longs("x"), c.integer("dim")); }},
            {"sort", [](const auto& in, const Case& c) { return sort(in("x"), c.integer("dim", -1), c.flag("descending")); }},
            {"sort_stable",
             [](const auto& in, const Case& c) { return sort(in("x"), {.descending = c.flag("descending"), .stable = true}); }},
            {"sort_long", [](const auto& in, const Case&) { return sort(in.longs("x")); }},
            {"argsort", [](const auto& in, const Case& c) { return argsort(in("x"), c.integer("dim", -1), c.flag("descending")); }},
            {"topk",
             [](const auto& in, const Case& c) { return topk(in("x"), c.integer("k"), c.integer("dim", -1), c.flag("largest", true)); }},
            {"topk_long", [](const auto& in, const Case& c) { return topk(in.longs("x"), c.integer("k")); }},
        });
}

TEST_CASE("softmax agrees with PyTorch", "[ops]") {
    check_family("softmax.txt", {
        {"softmax", [](const auto& in, const Case& c) { return softmax(in("x"), c.integer("dim")); }},
        {"log_softmax", [](const auto& in, const Case& c) { return log_softmax(in("x"), c.integer("dim")); }},
        {"softmin", [](const auto& in, const Case& c) { return softmax(-in("x"), c.integer("dim")); }},
    });
}
