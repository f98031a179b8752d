// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: requires_grad_: only tensors of float or double have gradients: write x.to<float>() first

#include <headtorch/headtorch.hpp>

#ifdef CORRECTED
void f(headtorch::Tensor<float>& x) { x.requires_grad_(); }
#else
void f(headtorch::Tensor<int64_t>& x) { x.requires_grad_(); }
#endif
