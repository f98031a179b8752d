// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pooling against PyTorch: values, indices, gradients of first and second order.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Dims size(const Case& c, const char* key, const Dims& otherwise) { return c.has(key) ? c.dims(key) : otherwise; }

}  // namespace

TEST_CASE("pooling agrees with PyTorch", "[ops]") {
    check_family(
        "pooling.txt",
        {
            {"max_pool2d",
             [](const auto& in, const Case& c) {
                 return max_pool2d(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0), size(c, "dilation", 1),
                                   c.flag("ceil_mode"));
             }},
            {"max_pool2d_with_indices",
             [](const auto& in, const Case& c) {
                 return max_pool2d_with_indices(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0),
                                                size(c, "dilation", 1), c.flag("ceil_mode"));
             }},
            {"max_pool1d",
             [](const auto& in, const Case& c) {
                 return max_pool1d(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0), size(c, "dilation", 1),
                                   c.flag("ceil_mode"));
             }},
            {"max_pool1d_with_indices",
             [](const auto& in, const Case& c) {
                 return max_pool1d_with_indices(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0),
                                                size(c, "dilation", 1), c.flag("ceil_mode"));
             }},
            {"avg_pool2d",
             [](const auto& in, const Case& c) {
                 std::optional<std::int64_t> divisor;
                 if (c.has("divisor_override")) divisor = c.integer("divisor_override");
                 return avg_pool2d(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0), c.flag("ceil_mode"),
                                   c.flag("count_include_pad", true), divisor);
             }},
            {"avg_pool1d",
             [](const auto& in, const Case& c) {
                 return avg_pool1d(in("x"), c.dims("kernel_size"), size(c, "stride", {}), size(c, "padding", 0), c.flag("ceil_mode"),
                                   c.flag("count_include_pad", true));
             }},
            {"adaptive_avg_pool2d", [](const auto& in, const Case& c) { return adaptive_avg_pool2d(in("x"), c.dims("output_size")); }},
            {"adaptive_avg_pool1d", [](const auto& in, const Case& c) { return adaptive_avg_pool1d(in("x"), c.dims("output_size")); }},
            {"adaptive_max_pool2d", [](const auto& in, const Case& c) { return adaptive_max_pool2d(in("x"), c.dims("output_size")); }},
            {"adaptive_max_pool2d_with_indices",
             [](const auto& in, const Case& c) { return adaptive_max_pool2d_with_indices(in("x"), c.dims("output_size")); }},
            {"adaptive_max_pool1d", [](const auto& in, const Case& c) { return adaptive_max_pool1d(in("x"), c.dims("output_size")); }},
            {"lp_pool2d",
             [](const auto& in, const Case& c) {
                 return lp_pool2d(in("x"), c.num("norm_type"), c.dims("kernel_size"), size(c, "stride", {}), c.flag("ceil_mode"));
             }},
        });
}

TEST_CASE("unpooling agrees with PyTorch", "[ops]") {
    check_family("unpooling.txt", {{"max_unpool2d", [](const auto& in, const Case& c) {
                                        return max_unpool2d(in("x"), in.longs("indices"), c.dims("kernel_size"), size(c, "stride", {}),
                                                            size(c, "padding", 0), size(c, "output_size", {}));
                                    }}});
}
