// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Every function of packets that formulas may call by way of math:::
/// abs sign square reciprocal sqrt rsqrt minimum maximum copysign floor ceil round trunc isnan isinf isfinite where,
/// exp expm1 log log1p log2 logaddexp sinh cosh tanh sigmoid erf pow, sin cos tan atan atan2.

#include "headtorch/device/cpu/packet_basic.hpp"
#include "headtorch/device/cpu/packet_exp.hpp"
#include "headtorch/device/cpu/packet_trig.hpp"
