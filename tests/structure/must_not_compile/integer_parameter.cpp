// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: nn::Parameter<T>: T is float or double; for other element types use nn::Buffer<T>

#include <headtorch/nn/parameter.hpp>
#include <headtorch/tensor/create.hpp>

using namespace headtorch;

#ifdef CORRECTED
nn::Buffer<std::int64_t> steps = zeros<std::int64_t>({1});
#else
nn::Parameter<std::int64_t> steps = zeros<std::int64_t>({1});
#endif
