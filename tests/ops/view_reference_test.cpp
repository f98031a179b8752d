// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Views, indexing and picking by index or mask, held against PyTorch.
#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("views and indexing agree with PyTorch", "[ops]") {
    check_family(
        "shape.txt",
        {
            {"reshape", [](const auto& in, const Case& c) { return in("x").reshape(c.shape("shape")); }},
            {"flatten", [](const auto& in, const Case& c) { return in("x").flatten(c.integer("start"), c.integer("end")); }},
            {"squeeze", [](const auto& in, const Case& c) { return c.has("dim") ? in("x").squeeze(c.integer("dim")) : in("x").squeeze(); }},
            {"unsqueeze", [](const auto& in, const Case& c) { return in("x").unsqueeze(c.integer("dim")); }},
            {"transpose", [](const auto& in, const Case& c) { return in("x").transpose(c.integer("dim0"), c.integer("dim1")); }},
            {"t", [](const auto& in, const Case&) { return in("x").t(); }},
            {"permute", [](const auto& in, const Case& c) { return in("x").permute(c.dims("dims")); }},
            {"expand", [](const auto& in, const Case& c) { return in("x").expand(c.shape("shape")); }},
            {"narrow",
             [](const auto& in, const Case& c) { return in("x").narrow(c.integer("dim"), c.integer("start"), c.integer("length")); }},
            {"select", [](const auto& in, const Case& c) { return in("x").select(c.integer("dim"), c.integer("index")); }},
            {"unfold",
             [](const auto& in, const Case& c) { return in("x").unfold(c.integer("dim"), c.integer("size"), c.integer("step")); }},
            {"diagonal",
             [](const auto& in, const Case& c) { return in("x").diagonal(c.integer("offset"), c.integer("dim1"), c.integer("dim2")); }},
            {"slice", [](const auto& in, const Case&) { return in("x")(slice(0, 2), ellipsis, slice(1, 4, 2)); }},
            {"slice_newaxis", [](const auto& in, const Case&) { return in("x")(slice(1), newaxis, headtorch::all, -1); }},
            {"index_mask", [](const auto& in, const Case&) { return in("x")(in.bools("mask")); }},
            {"index_long", [](const auto& in, const Case&) { return in("x")(in.longs("index")); }},
            {"gather", [](const auto& in, const Case& c) { return gather(in("x"), c.integer("dim"), in.longs("index")); }},
            {"scatter_add",
             [](const auto& in, const Case& c) { return scatter_add(in("x"), c.integer("dim"), in.longs("index"), in("src")); }},
            {"index_select", [](const auto& in, const Case& c) { return index_select(in("x"), c.integer("dim"), in.longs("index")); }},
            {"take_along_dim", [](const auto& in, const Case& c) { return take_along_dim(in("x"), in.longs("index"), c.integer("dim")); }},
            {"masked_select", [](const auto& in, const Case&) { return masked_select(in("x"), in.bools("mask")); }},
            {"masked_fill", [](const auto& in, const Case& c) { return masked_fill(in("x"), in.bools("mask"), c.num("value")); }},
            {"cat", [](const auto& in, const Case& c) { return cat(in.list("x"), c.integer("dim")); }},
            {"cat_long",
             [](const auto& in, const Case& c) {
                 return cat({in.longs("x.0"), in.longs("x.1")}, c.integer("dim"));
             }},
            {"stack", [](const auto& in, const Case& c) { return stack(in.list("x"), c.integer("dim")); }},
            {"split", [](const auto& in, const Case& c) { return split(in("x"), c.integer("size"), c.integer("dim")); }},
            {"split_sizes", [](const auto& in, const Case& c) { return split(in("x"), c.integers("sizes"), c.integer("dim")); }},
            {"chunk", [](const auto& in, const Case& c) { return chunk(in("x"), c.integer("chunks"), c.integer("dim")); }},
            {"repeat", [](const auto& in, const Case& c) { return repeat(in("x"), c.shape("times")); }},
            {"tile", [](const auto& in, const Case& c) { return tile(in("x"), c.shape("times")); }},
            {"flip", [](const auto& in, const Case& c) { return flip(in("x"), c.dims("dims")); }},
            {"roll",
             [](const auto& in, const Case& c) {
                 return c.has("dims") ? roll(in("x"), c.dims("shifts"), c.dims("dims")) : roll(in("x"), c.integer("shifts"));
             }},
            {"tril", [](const auto& in, const Case& c) { return tril(in("x"), c.integer("diagonal", 0)); }},
            {"triu", [](const auto& in, const Case& c) { return triu(in("x"), c.integer("diagonal", 0)); }},
            {"one_hot", [](const auto& in, const Case& c) { return one_hot(in.longs("x"), c.integer("num_classes", -1)); }},
        });
}
