// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Indices are checked before they are followed.

#include <cstdint>

#include "headtorch/device/device.hpp"
#include "headtorch/device/index_rule.hpp"

namespace headtorch {

/// Throws IndexError about the first index that breaks the rule.
inline void check_index(Cpu, const std::int64_t* index, std::int64_t count, const IndexRule& rule) {
    for (std::int64_t i = 0; i < count; ++i)
        if (!rule.allows(index[i])) throw IndexError(rule.describe(rule, index[i], i));
}

}  // namespace headtorch
