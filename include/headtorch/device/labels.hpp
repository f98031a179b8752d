// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Class labels as the kernels of losses see them.

#include <cstdint>

#include "headtorch/core/config.hpp"

namespace headtorch {

/// Labels of `rows` rows of `classes` scores; rows labelled `ignored` do not count. `weight` has one element for each class, or is null.
template <class T>
struct Labels {
    const std::int64_t* label;
    std::int64_t rows, classes, ignored;
    const T* weight;

    /// Is the label one that can be followed? Others are reported before, but on a GPU the kernels run on meanwhile.
    HEADTORCH_HOST_DEVICE bool is_class(std::int64_t row) const { return label[row] >= 0 && label[row] < classes; }
    /// 0 for ignored rows. The label must be ignored or a class.
    HEADTORCH_HOST_DEVICE double weight_of(std::int64_t row) const {
        const std::int64_t c = label[row];
        return c == ignored ? 0 : weight ? static_cast<double>(weight[c]) : 1;
    }
};

}  // namespace headtorch
