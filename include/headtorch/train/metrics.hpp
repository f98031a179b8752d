// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// All metrics, as functions of tensors and as objects that gather over batches.

#include "headtorch/train/metric.hpp"
#include "headtorch/train/metrics_classification.hpp"
#include "headtorch/train/metrics_ranking.hpp"
#include "headtorch/train/metrics_regression.hpp"
