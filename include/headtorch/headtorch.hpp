// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Everything for the CPU. Files and pictures are apart: headtorch/io.hpp, headtorch/viz.hpp; the GPU: headtorch/cuda.hpp.

#include "headtorch/autograd/backward.hpp"
#include "headtorch/autograd/function.hpp"
#include "headtorch/autograd/gradcheck.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/compare.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/index.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/math.hpp"
#include "headtorch/ops/matmul.hpp"
#include "headtorch/ops/power.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/ops/where.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"
