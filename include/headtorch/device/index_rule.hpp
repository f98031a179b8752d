// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the indices of an op must keep to.

#include <cstdint>
#include <string>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// Indices from `lowest` to `size - 1`, and what the IndexError says when one is outside. Plain data, for a GPU hands it back with what it
/// found when the op is long over: `op` is a literal, and `describe` no closure.
struct IndexRule {
    const char* op = "";
    std::int64_t lowest = 0, size = 0;
    std::string (*describe)(const IndexRule& rule, std::int64_t index, std::int64_t position) = nullptr;
    IntList sizes = {};        ///< anything else that the message names
    bool has_exempt = false;
    std::int64_t exempt = 0;   ///< allowed, too, if there is one

    HEADTORCH_HOST_DEVICE constexpr bool allows(std::int64_t index) const {
        return (index >= lowest && index < size) || (has_exempt && index == exempt);
    }
};

}  // namespace headtorch
