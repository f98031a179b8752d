// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: npy files, with and without conversion.
#include "headtorch/io/npy.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/touch.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        touch({{"array", io::load_npy(path, {.dtype = Dtype::float64, .widen = true})}});
        touch({{"array", io::load_npy(path)}});
    });
}
