// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The same seed gives the numbers that PyTorch gives.
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// Numbers in [0, 1) are PyTorch's to the bit. A scaling may be fused by the compiler; log, sin and cos may differ in the last bit.
template <class T>
constexpr double near = std::is_same_v<T, float> ? 1e-6 : 1e-14;

template <class T>
std::string check(const Case& c) {
    const auto draw = [&](const std::string& op, const Shape& shape) { return op == "rand" ? rand<T>(shape) : randn<T>(shape); };
    manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
    if (c.op == "sequence") {
        std::string wrong;
        const auto draws = c.words("draws");
        for (std::size_t i = 0; i < draws.size() && wrong.empty(); ++i) {
            const std::size_t colon = draws[i].find(':');
            const std::string op = draws[i].substr(0, colon), output = "y." + std::to_string(i);
            const std::int64_t n = std::strtoll(draws[i].c_str() + colon + 1, nullptr, 10);
            if (op == "randint")
                wrong = c.compare(output, randint(0, 100, {n}), 0);
            else if (op == "randperm")
                wrong = c.compare(output, randperm(n), 0);
            else
                wrong = c.compare(output, draw(op, {n}), near<T>);
        }
        return wrong;
    }
    const Shape shape = c.outputs[0].shape;
    if (c.op == "rand") return c.compare("y", draw("rand", shape), 0);
    if (c.op == "randn") return c.compare("y", draw("randn", shape), near<T>);
    if (c.op == "uniform_") return c.compare("y", empty<T>(shape).uniform_(c.num("from"), c.num("to")), near<T>);
    if (c.op == "normal_") return c.compare("y", empty<T>(shape).normal_(c.num("mean"), c.num("std")), near<T>);
    if (c.op == "randint") return c.compare("y", randint(c.integer("low"), c.integer("high"), shape), 0);
    if (c.op == "randperm") return c.compare("y", randperm(c.integer("n")), 0);
    return c.title + ": no test of " + c.op;
}

}  // namespace

TEST_CASE("the same seed gives PyTorch's numbers", "[tensor]") {
    int count = 0;
    for (const Case& c : load_cases("random.txt")) {
        if (c.op.find("init") != std::string::npos) continue;  // tests/nn/init_reference_test.cpp
        CHECK(((c.str("dtype", "float32") == "float64") ? check<double>(c) : check<float>(c)) == "");
        ++count;
    }
    CHECK(count > 100);
}
