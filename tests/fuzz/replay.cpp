// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// A fuzz target without libFuzzer, for any compiler: tries every file of the folders that are given, whole and cut off at 32 places.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

int main(int count, char** folders) {
    int files = 0;
    for (int i = 1; i < count; ++i)
        for (const auto& entry : std::filesystem::directory_iterator(folders[i])) {
            std::ifstream in(entry.path(), std::ios::binary);
            const std::vector<char> content(std::istreambuf_iterator<char>(in), {});
            std::printf("%s, %zu bytes\n", entry.path().c_str(), content.size());
            std::fflush(stdout);
            for (std::size_t part = 0; part <= 32; ++part) {
                const std::vector<std::uint8_t> bytes(content.begin(),
                                                      content.begin() + static_cast<std::ptrdiff_t>(content.size() * part / 32));
                LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
            }
            ++files;
        }
    if (files == 0) {
        std::fprintf(stderr, "no files to try\n");
        return 1;
    }
    std::printf("%d files\n", files);
}
