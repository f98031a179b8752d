// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures, most of them drawn by the program gnuplot, graphs by Graphviz's dot (CMake target headtorch::viz).

#include "headtorch/viz/bars.hpp"
#include "headtorch/viz/figure.hpp"
#include "headtorch/viz/filters.hpp"
#include "headtorch/viz/function_plot.hpp"
#include "headtorch/viz/graph.hpp"
#include "headtorch/viz/heatmap.hpp"
#include "headtorch/viz/histogram.hpp"
#include "headtorch/viz/image_grid.hpp"
#include "headtorch/viz/learning_curves.hpp"
#include "headtorch/viz/live_plot.hpp"
#include "headtorch/viz/lr_curve.hpp"
#include "headtorch/viz/make_grid.hpp"
#include "headtorch/viz/panels.hpp"
#include "headtorch/viz/regression.hpp"
#include "headtorch/viz/roc.hpp"
#include "headtorch/viz/summary.hpp"
