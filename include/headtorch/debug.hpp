// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What finds out what a program does: AnomalyMode (where the first NaN comes from) and Profile (where the time goes).

#include "headtorch/train/anomaly.hpp"
#include "headtorch/train/profile.hpp"
