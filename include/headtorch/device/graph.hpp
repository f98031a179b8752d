// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Recording work to repeat it: what train::GraphedStep asks of a device.

#include "headtorch/device/device.hpp"

namespace headtorch {

/// The CPU records nothing: there a step is called each time.
struct NoGraph {};
inline NoGraph device_graph(Cpu) { return {}; }

}  // namespace headtorch
