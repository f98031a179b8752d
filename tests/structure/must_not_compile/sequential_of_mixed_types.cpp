// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: a layer in nn::Sequential<T, D> or nn::AnyModule<T, D> has forward(Tensor<T, D>) -> Tensor<T, D>

#include <headtorch/nn/linear.hpp>
#include <headtorch/nn/sequential.hpp>

using namespace headtorch;

#ifdef CORRECTED
nn::Sequential<double> f() { return nn::Sequential<double>(nn::Linear<double>(2, 3), nn::Identity()); }
#else
nn::Sequential<double> f() { return nn::Sequential<double>(nn::Linear<float>(2, 3), nn::Identity()); }
#endif
