// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures, most of them drawn by the program gnuplot (CMake target headtorch::viz).

#include "headtorch/viz/image_grid.hpp"
#include "headtorch/viz/make_grid.hpp"
#include "headtorch/viz/plot.hpp"
