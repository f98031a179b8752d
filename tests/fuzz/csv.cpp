// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Fuzz target: CSV files, as numbers and as text.
#include "headtorch/io/csv.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace headtorch;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return run_reader(data, size, [](const std::string& path) {
        const io::CsvTable table = io::read_csv(path);
        for (const std::string& name : table.names()) table.codes(name);
        table.numbers<double>();
    });
}
