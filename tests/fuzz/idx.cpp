// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: IDX files of any type.
#include "headtorch/io/idx.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        switch (io::read_idx_header(path).type) {
            case io::IdxType::uint8:
                io::read_idx<std::uint8_t>(path);
                break;
            case io::IdxType::float32:
                io::read_idx<float>(path);
                break;
            case io::IdxType::float64:
                io::read_idx<double>(path);
                break;
            default:
                io::read_idx<std::int32_t>(path);
        }
    });
}
