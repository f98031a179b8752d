// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Holds transforms against what torchvision made with the same seed: tests/reference/data/transforms.txt.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "headtorch/core/random.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

/// Numbers that a case gives as `key=a,b,c`.
inline std::vector<double> numbers(const headtorch::testing::Case& c, const std::string& key) {
    std::vector<double> values;
    for (const std::string& word : c.words(key)) values.push_back(std::strtod(word.c_str(), nullptr));
    return values;
}

/// Runs all cases of `op`: on bytes, or on floats and doubles. `call(case, image, generator)`. Bytes may differ by `bytes_margin`.
template <class Call>
void check_transforms(const std::string& op, const Call& call, double float_margin = 1e-6, int bytes_margin = 0,
                      double double_margin = 1e-10) {
    using namespace headtorch;
    int cases = 0;
    const auto check = [&]<class T>(const testing::Case& c, T, double margin) {
        INFO(c.title << ", " << name(dtype_of<T>));
        Generator generator(static_cast<std::uint64_t>(c.integer("seed")));
        const auto result = call(c, c.tensor<T>("x"), generator);
        const auto& expected = c.outputs.at(0);
        REQUIRE(result.shape() == expected.shape);
        const auto want = expected.template values<double>();
        double worst = 0;
        for (std::size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(result.data()[i]) - want[i]));
        CHECK(worst <= margin);
    };
    for (const testing::Case& c : testing::load_cases("transforms.txt")) {
        if (c.op != op) continue;
        ++cases;
        if (c.inputs.at(0).type == "byte") {
            check(c, std::uint8_t{}, op == "to_tensor" ? float_margin : bytes_margin);
        } else {
            check(c, float{}, float_margin);
            check(c, double{}, double_margin);
        }
    }
    CHECK(cases > 0);
}
