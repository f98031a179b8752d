// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: the two lists of CelebA, with a zero byte between them.
#include "headtorch/data/celeba.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const FuzzDirectory directory;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::size_t border = std::min(bytes.find('\0'), size);
    directory.write("list_eval_partition.txt", bytes.substr(0, border));
    directory.write("list_attr_celeba.txt", bytes.substr(std::min(border + 1, size)));
    return expect_io_errors([&] { data::CelebA(directory.path(), data::Split::all); });
}
