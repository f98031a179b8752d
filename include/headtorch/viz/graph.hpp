// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures of networks and of the tape, drawn by the program dot of Graphviz: `viz::graph(net)`, `viz::graph(net, {1, 28, 28})`,
/// `viz::graph(loss, net)`; save() writes DOT, SVG or PNG.

#include "headtorch/viz/graph_modules.hpp"
#include "headtorch/viz/graph_tape.hpp"
