// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sorting along lines, as every device offers it: equal elements keep their order and NaN counts as the largest, so that every result is
/// determined.

#include "headtorch/device/lines.hpp"

namespace headtorch {

/// How far sort_lines() goes: all of the line in order, the first `k` in order, or only element k - 1 in its place (with the lesser ones
/// before it).
enum class SortExtent { whole, first_k, element_k };

}  // namespace headtorch
