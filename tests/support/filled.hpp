// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Tensors of the default device with numbers made by the host.

#include <cstdint>

#include "headtorch/headtorch.hpp"

namespace headtorch::testing {

/// Row-major element i is value_of(i).
template <class T, class F>
Tensor<T> filled(const Shape& shape, const F& value_of) {
    const auto x = empty<T, Cpu>(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<T>(value_of(i));
    return x.template to<DefaultDevice>();
}

}  // namespace headtorch::testing
