// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Reductions, held against PyTorch.
#include "headtorch/ops/argmax.hpp"
#include "headtorch/ops/norm.hpp"
#include "headtorch/ops/prod.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/sort.hpp"
#include "headtorch/ops/statistics.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Dims dims_of(const Case& c) { return Dims(c.integers("dim")); }
bool keepdim(const Case& c) { return c.flag("keepdim"); }

/// One type for a tensor and for values with indices.
template <class In, class R>
Results<typename In::value_type> results(const In&, const R& result) { return result; }

}  // namespace

TEST_CASE("sums, means and products agree with PyTorch", "[ops]") {
    check_family(
        "reduction.txt",
        {
            {"sum", [](const auto& in, const Case& c) { return c.has("dim") ? sum(in("x"), dims_of(c), keepdim(c)) : sum(in("x")); }},
            {"mean", [](const auto& in, const Case& c) { return c.has("dim") ? mean(in("x"), dims_of(c), keepdim(c)) : mean(in("x")); }},
            {"prod", [](const auto& in, const Case& c) { return c.has("dim") ? prod(in("x"), dims_of(c), keepdim(c)) : prod(in("x")); }},
            {"sum_long", [](const auto& in, const Case& c) { return c.has("dim") ? sum(in.longs("x"), dims_of(c)) : sum(in.longs("x")); }},
            {"prod_long",
             [](const auto& in, const Case& c) { return c.has("dim") ? prod(in.longs("x"), dims_of(c)) : prod(in.longs("x")); }},
            {"sum_int", [](const auto& in, const Case&) { return sum(in.ints("x")); }},
            {"sum_byte", [](const auto& in, const Case&) { return sum(in.bytes("x")); }},
            {"sum_bool", [](const auto& in, const Case&) { return sum(in.bools("x")); }},
        },
        {"amax", "amin", "amax_long", "amin_long", "max", "min", "argmax", "argmin", "all", "any", "median", "var", "std", "norm",
         "logsumexp"});
}

TEST_CASE("largest and smallest elements agree with PyTorch", "[ops]") {
    check_family(
        "reduction.txt",
        {
            {"amax", [](const auto& in, const Case& c) { return c.has("dim") ? amax(in("x"), dims_of(c), keepdim(c)) : amax(in("x")); }},
            {"amin", [](const auto& in, const Case& c) { return c.has("dim") ? amin(in("x"), dims_of(c), keepdim(c)) : amin(in("x")); }},
            {"amax_long", [](const auto& in, const Case& c) { return amax(in.longs("x"), dims_of(c)); }},
            {"amin_long", [](const auto& in, const Case& c) { return amin(in.longs("x"), dims_of(c)); }},
            {"max",
             [](const auto& in, const Case& c) {
                 return c.has("dim") ? results(in, max(in("x"), c.integer("dim"), keepdim(c))) : results(in, max(in("x")));
             }},
            {"min",
             [](const auto& in, const Case& c) {
                 return c.has("dim") ? results(in, min(in("x"), c.integer("dim"), keepdim(c))) : results(in, min(in("x")));
             }},
            {"argmax",
             [](const auto& in, const Case& c) {
                 if (!in.has("x") || c.inputs[0].type == "long") return argmax(in.longs("x"));
                 return c.has("dim") ? argmax(in("x"), c.integer("dim"), keepdim(c)) : argmax(in("x"));
             }},
            {"argmin",
             [](const auto& in, const Case& c) {
                 if (!in.has("x") || c.inputs[0].type == "long") return argmin(in.longs("x"));
                 return c.has("dim") ? argmin(in("x"), c.integer("dim"), keepdim(c)) : argmin(in("x"));
             }},
            {"all",
             [](const auto& in, const Case& c) { return c.has("dim") ? headtorch::all(in.bools("x"), dims_of(c), keepdim(c)) : headtorch::all(in.bools("x")); }},
            {"any",
             [](const auto& in, const Case& c) { return c.has("dim") ? headtorch::any(in.bools("x"), dims_of(c), keepdim(c)) : headtorch::any(in.bools("x")); }},
            {"median",
             [](const auto& in, const Case& c) {
                 return c.has("dim") ? results(in, median(in("x"), c.integer("dim"), keepdim(c))) : results(in, median(in("x")));
             }},
        },
        {"sum", "mean", "prod", "sum_long", "prod_long", "sum_int", "sum_byte", "sum_bool", "var", "std", "norm", "logsumexp"});
}

TEST_CASE("variances, norms and logsumexp agree with PyTorch", "[ops]") {
    check_family(
        "reduction.txt",
        {
            {"var", [](const auto& in,
                       const Case& c) { return var(in("x"), c.has("dim") ? dims_of(c) : Dims{}, c.num("correction", 1), keepdim(c)); }},
            {"std",
             [](const auto& in, const Case& c) {
                 return headtorch::std(in("x"), c.has("dim") ? dims_of(c) : Dims{}, c.num("correction", 1), keepdim(c));
             }},
            {"norm",
             [](const auto& in, const Case& c) { return norm(in("x"), c.num("p", 2), c.has("dim") ? dims_of(c) : Dims{}, keepdim(c)); }},
            {"logsumexp", [](const auto& in, const Case& c) { return logsumexp(in("x"), c.has("dim") ? dims_of(c) : Dims{}, keepdim(c)); }},
        },
        {"sum", "mean", "prod", "sum_long", "prod_long", "sum_int", "sum_byte", "sum_bool", "amax", "amin", "amax_long", "amin_long", "max",
         "min", "argmax", "argmin", "all", "any", "median"});
}
