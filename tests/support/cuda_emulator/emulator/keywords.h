// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The words of CUDA C++ that a host compiler does not know. Kernels become plain functions; a `__shared__` array becomes a static one,
/// which all threads of a block see, because the emulator runs one block after another.

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define CUDART_CB
