// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: mean: the mean of integers is not an integer; write mean(x.to<float>())

#include <headtorch/headtorch.hpp>

#ifdef CORRECTED
auto f(const headtorch::Tensor<int64_t>& x) { return headtorch::mean(x.to<float>()); }
#else
auto f(const headtorch::Tensor<int64_t>& x) { return headtorch::mean(x); }
#endif
