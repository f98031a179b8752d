// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: plain and gzipped streams.
#include <algorithm>
#include <vector>

#include "headtorch/io/gzip.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        io::InputFile file("fuzz", path);
        std::vector<unsigned char> buffer(4096);
        for (std::size_t total = 0; total < (std::size_t{1} << 20);) {
            const std::size_t count = file.read(buffer.data(), buffer.size());
            if (count == 0) break;
            total += count;
        }
    });
}
