// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A pointwise kernel without its types, as every device sees it: whatever prepares a call is compiled once, for all formulas.

#include <cstdint>

#include "headtorch/device/loop.hpp"

namespace headtorch {

/// A formula, compiled for its element types: out[i] = formula(in[i]...) for n elements. `loop` says where they lie, operand 0 being the
/// output; null stands for plain arrays, the only ones that the kernels of the CPU are given.
using MapKernel = void (*)(const void* formula, std::int64_t n, void* out, const void* const* in, const Loop* loop);

/// A kernel and its operands.
struct MapCall {
    MapKernel kernel;
    const void* formula;
    int operands;                            ///< the output is operand 0; it may be one of the inputs
    void* data[Loop::max_operands];
    std::uint8_t bytes[Loop::max_operands];  ///< of one element
};

namespace detail {

/// What a kernel's formula pointer points to: an F, or what F says that it is made of.
template <class F>
struct FormulaOf {
    using type = F;
};
template <class F>
    requires requires { typename F::Formula; }
struct FormulaOf<F> {
    using type = typename F::Formula;
};

}  // namespace detail
}  // namespace headtorch
