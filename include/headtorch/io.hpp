// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Everything that reads and writes files: link with headtorch::io.

#include "headtorch/data/celeba.hpp"
#include "headtorch/data/cifar.hpp"
#include "headtorch/data/csv.hpp"
#include "headtorch/data/image_folder.hpp"
#include "headtorch/data/mnist.hpp"
#include "headtorch/io/checkpoint.hpp"
#include "headtorch/io/csv.hpp"
#include "headtorch/io/gzip.hpp"
#include "headtorch/io/idx.hpp"
#include "headtorch/io/image.hpp"
#include "headtorch/io/npy.hpp"
#include "headtorch/io/npz.hpp"
#include "headtorch/io/safetensors.hpp"
#include "headtorch/io/state_dict_file.hpp"
#include "headtorch/io/torch_file.hpp"
#include "headtorch/train/checkpoint.hpp"
