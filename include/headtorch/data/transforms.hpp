// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// All transforms of images, and the data set that applies them.

#include "headtorch/data/transformed.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/data/transforms_color.hpp"
#include "headtorch/data/transforms_crop.hpp"
#include "headtorch/data/transforms_resize.hpp"
