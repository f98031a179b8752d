// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The printed form is PyTorch's, to the character.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
std::string printed(const Case& c, Layout layout) {
    const Tensor<T> x = c.tensor<T>("x", layout);
    if constexpr (Floating<T>) {
        if (c.flag("requires_grad")) x.requires_grad_();
    }
    return x.to_string();
}

std::string printed(const Case& c, Layout layout) {
    const std::string dtype = c.str("dtype");
    if (dtype == "float32") return printed<float>(c, layout);
    if (dtype == "float64") return printed<double>(c, layout);
    if (dtype == "int64") return printed<std::int64_t>(c, layout);
    if (dtype == "int32") return printed<std::int32_t>(c, layout);
    if (dtype == "uint8") return printed<std::uint8_t>(c, layout);
    return printed<bool>(c, layout);
}

/// Sets what the case says, and afterwards what was there.
struct Options {
    explicit Options(const Case& c) {
        auto& options = print_options();
        options.precision = static_cast<int>(c.integer("precision", options.precision));
        options.threshold = c.integer("threshold", options.threshold);
        options.edgeitems = c.integer("edgeitems", options.edgeitems);
        options.linewidth = static_cast<int>(c.integer("linewidth", options.linewidth));
        if (c.has("sci_mode")) options.sci_mode = c.flag("sci_mode") ? PrintOptions::Scientific::always : PrintOptions::Scientific::never;
    }
    ~Options() { print_options() = before; }
    PrintOptions before = print_options();
};

}  // namespace

TEST_CASE("tensors print as in PyTorch", "[tensor]") {
    const auto cases = load_cases("print.txt");
    CHECK(cases.size() > 150);
    for (const Case& c : cases) {
        const Options options(c);
        std::string expected;
        for (std::size_t i = 0; i < c.text.size(); ++i) expected += (i ? "\n" : "") + c.text[i];
        INFO(c.title);
        CHECK(printed(c, Layout::contiguous) == expected);
        CHECK(printed(c, Layout::strided) == expected);
    }
}
