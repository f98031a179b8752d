// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: Tensor<T, Cuda> needs #include <headtorch/cuda.hpp>, compiled with nvcc

#include <headtorch/headtorch.hpp>

#ifdef CORRECTED
auto f() { return headtorch::zeros<float, headtorch::Cpu>({2, 3}); }
#else
auto f() { return headtorch::zeros<float, headtorch::Cuda>({2, 3}); }
#endif
