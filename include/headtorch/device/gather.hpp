// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A tensor around one dimension, as picking and adding by index see it.

#include <cstdint>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// A contiguous tensor seen around one dimension: [outer, size, inner].
struct Slabs {
    std::int64_t outer = 1, size = 1, inner = 1;
    Slabs(const Shape& shape, int dim) {
        for (int d = 0; d < shape.rank(); ++d) (d < dim ? outer : d == dim ? size : inner) *= shape[d];
    }
};

}  // namespace headtorch
