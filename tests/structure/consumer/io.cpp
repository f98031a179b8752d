// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Needs zlib and nlohmann-json through the target, and fails unless a tensor comes back from two files. The folder is the argument.
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <string>

int main(int, char** arguments) {
    using namespace headtorch;
    for (const char* name : {"/file.safetensors", "/file.npz"}) {
        const std::string path = std::string(arguments[1]) + name;
        io::save(path, {{"x", arange<float>(3)}});
        if (io::load(path).get("x").tolist() != std::vector<float>{0, 1, 2}) return 1;
    }
}
