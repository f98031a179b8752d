// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: tensors of different element types

#include <headtorch/headtorch.hpp>

void f(headtorch::Tensor<float> x, const headtorch::Tensor<double>& y) {
#ifdef CORRECTED
    x *= y.to<float>();
#else
    x *= y;
#endif
}
