// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// The runtime API without device code: the same file here.

#include "cuda_runtime.h"
