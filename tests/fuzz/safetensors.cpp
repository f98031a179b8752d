// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: safetensors files, with and without conversion.
#include "headtorch/io/safetensors.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/touch.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        touch(io::load_safetensors(path, {.dtype = Dtype::float64, .widen = true}));
        touch(io::load_safetensors(path));
    });
}
