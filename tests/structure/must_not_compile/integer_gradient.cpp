// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch:

#include <headtorch/headtorch.hpp>

#ifdef CORRECTED
void f(headtorch::Tensor<float>& x) { x.requires_grad_(); }
#else
void f(headtorch::Tensor<int64_t>& x) { x.requires_grad_(); }
#endif
