// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What the examples for Cuda ask of the GPU before they begin.
#include "examples/common/cli.hpp"
#include "headtorch/device/cuda/device.cuh"

namespace examples {

std::string gpu_name() {
    return headtorch::cuda::is_available() ? headtorch::cuda::get_device_properties().name : "";
}

}  // namespace examples
