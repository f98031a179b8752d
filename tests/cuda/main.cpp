// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// main() of the tests of CUDA: without a GPU they are skipped, and say so; but for the one with HEADTORCH_WITHOUT_GPU in its environment.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <cstdlib>

#include "headtorch/device/cuda/device_error.cuh"

int main(int argc, char** argv) {
    if (!headtorch::cuda::is_available() && !std::getenv("HEADTORCH_WITHOUT_GPU")) {
        std::puts("skipped: there is no NVIDIA GPU here, or no driver for it");
        return 77;
    }
    headtorch::cuda::launch_blocking() = true;  // an index out of range is thrown by the op itself, as on the CPU
    return Catch::Session().run(argc, argv);
}
