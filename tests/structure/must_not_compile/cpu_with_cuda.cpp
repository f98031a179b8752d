// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: tensors on different devices: move one with x.to<Cpu>() or x.to<Cuda>()

#include <headtorch/headtorch.hpp>

using headtorch::Cpu, headtorch::Cuda;

#ifdef CORRECTED
auto f(const headtorch::Tensor<float, Cpu>& x, const headtorch::Tensor<float, Cpu>& y) { return x + y; }
#else
auto f(const headtorch::Tensor<float, Cpu>& x, const headtorch::Tensor<float, Cuda>& y) { return x + y; }
#endif
