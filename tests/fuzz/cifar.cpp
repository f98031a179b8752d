// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: the records of CIFAR-10 and CIFAR-100.
#include "headtorch/data/cifar.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const FuzzDirectory directory;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    directory.write("test_batch.bin", bytes);
    directory.write("test.bin", bytes);
    expect_io_errors([&] { data::CIFAR10(directory.path(), data::Split::test); });
    expect_io_errors([&] { data::CIFAR100(directory.path(), data::Split::test); });
    return 0;
}
