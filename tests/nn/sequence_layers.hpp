// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Layers made from a seed, held against what PyTorch's do with the same input: sequence_layers.txt.

#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/filled.hpp"
#include "tests/support/reference.hpp"

namespace headtorch::testing {

/// sin(1), sin(2), … in the case's shape.
inline Tensor<> wave(const Case& c) {
    return filled<float>(c.shape("shape"), [](std::int64_t i) { return std::sin(static_cast<double>(i + 1)); });
}

/// Compares names of parameters, printed form, outputs, and the gradients of the sum of the squares of the outputs.
template <class Net>
void check_layer(const Case& c, Net& net, const std::vector<std::pair<std::string, Tensor<>>>& outputs) {
    INFO(c.title);
    std::string names, printed = net.to_string(), expected;
    for (const auto& [name, parameter] : net.named_parameters()) names += (names.empty() ? "" : ",") + name;
    CHECK(names == c.str("parameters"));
    for (const std::string& line : c.text) expected += (expected.empty() ? "" : "\n") + line;
    const std::string special = "NonDynamicallyQuantizable";  // a Linear that PyTorch marks for its quantiser
    if (const std::size_t at = expected.find(special); at != std::string::npos)
        for (std::size_t k = at; k != std::string::npos; k = expected.find(special)) expected.erase(k, special.size());
    CHECK(printed == expected);
    Tensor<> loss = zeros({});
    for (const auto& [name, y] : outputs) {
        CHECK(c.compare(name, y, 1e-5) == "");
        loss = loss + (y * y).sum();
    }
    loss.backward();
    std::vector<Tensor<>> sums;
    for (const auto& parameter : net.parameters()) sums.push_back(parameter.grad().abs().sum());
    CHECK(c.compare("gradients", stack(sums, 0), 2e-5) == "");
}

inline std::vector<Case> sequence_cases(const std::string& start) {
    std::vector<Case> chosen;
    for (Case& c : load_cases("sequence_layers.txt"))
        if (c.op.rfind(start, 0) == 0) chosen.push_back(std::move(c));
    REQUIRE(!chosen.empty());
    return chosen;
}

}  // namespace headtorch::testing
