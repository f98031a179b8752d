// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: PNG and JPEG images.
#include "headtorch/io/image.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(nullptr, 0, [&](const std::string&) {
        io::decode_image({data, size}, io::ImageReadMode::unchanged, {.max_pixels = 1 << 20});
    });
}
