// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A contiguous tensor seen as lines along one dimension: what scans, sorts and softmax work on.

#include <cstdint>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// Element k of line (i, j) is at (i * length + k) * inner + j, for i < outer, j < inner.
struct Lines {
    std::int64_t outer = 1, length = 1, inner = 1;
    std::int64_t count() const { return outer * inner; }
};

inline Lines lines_along(const Shape& shape, int dim) {
    Lines lines;
    for (int d = 0; d < shape.rank(); ++d) (d < dim ? lines.outer : d == dim ? lines.length : lines.inner) *= shape[d];
    return lines;
}

}  // namespace headtorch
