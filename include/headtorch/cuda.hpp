// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Everything of headtorch/headtorch.hpp, on NVIDIA GPUs too: `Tensor<float, Cuda>`, `Net<float, Cuda>`. Compile with nvcc.

#include "headtorch/device/cuda/arg_reduce.cuh"
#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/classify.cuh"
#include "headtorch/device/cuda/conv.cuh"
#include "headtorch/device/cuda/conv_fold.cuh"
#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/embedding.cuh"
#include "headtorch/device/cuda/gather.cuh"
#include "headtorch/device/cuda/gemm.cuh"
#include "headtorch/device/cuda/graph.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/normalize_channels.cuh"
#include "headtorch/device/cuda/normalize_rows.cuh"
#include "headtorch/device/cuda/pad.cuh"
#include "headtorch/device/cuda/pool_average.cuh"
#include "headtorch/device/cuda/pool_max.cuh"
#include "headtorch/device/cuda/random.cuh"
#include "headtorch/device/cuda/reduce.cuh"
#include "headtorch/device/cuda/resample.cuh"
#include "headtorch/device/cuda/rnn.cuh"
#include "headtorch/device/cuda/sample.cuh"
#include "headtorch/device/cuda/scan.cuh"
#include "headtorch/device/cuda/scatter_along.cuh"
#include "headtorch/device/cuda/softmax.cuh"
#include "headtorch/device/cuda/sort.cuh"
#include "headtorch/device/cuda/stream.cuh"
#include "headtorch/device/cuda/transfer.cuh"
#include "headtorch/device/cuda/update.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch {
template <>
inline constexpr bool device_available<Cuda> = true;
}  // namespace headtorch

#include "headtorch/headtorch.hpp"
