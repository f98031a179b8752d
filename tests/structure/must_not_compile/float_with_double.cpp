// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: tensors of different element types: convert one, for example float with double: x.to<double>()

#include <headtorch/headtorch.hpp>

headtorch::Tensor<float> f(const headtorch::Tensor<float>& x, const headtorch::Tensor<double>& y) {
#ifdef CORRECTED
    return x + y.to<float>();
#else
    return x + y;
#endif
}
