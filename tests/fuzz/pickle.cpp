// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: the pickle in a file of PyTorch's, beside two storages.
#include <string_view>

#include "headtorch/io/torch_file.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/touch.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    return run_reader(nullptr, 0, [&](const std::string& path) {
        io::ZipWriter zip("fuzz", path);
        zip.add("a/data.pkl", {bytes});
        zip.add("a/data/0", {std::string(24, 0)});
        zip.add("a/data/1", {std::string(8, 0)});
        zip.commit();
        touch(io::read_torch(path, {.widen = true}).state);
    });
}
