// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Everything that reads and writes files: link with headtorch::io.

#include "headtorch/data/cifar.hpp"
#include "headtorch/data/mnist.hpp"
#include "headtorch/io/gzip.hpp"
#include "headtorch/io/idx.hpp"
#include "headtorch/io/image.hpp"
