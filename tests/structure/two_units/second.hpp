// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the other translation unit sees.

#include <headtorch/headtorch.hpp>

headtorch::Generator* generator_of_second();
bool grad_mode_of_second();
int threads_of_second();
headtorch::Tensor<> twice_in_second(const headtorch::Tensor<>& x);
