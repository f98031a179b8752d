// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: a module with a C array as a member cannot be read: use std::array

#include <array>
#include <headtorch/nn/linear.hpp>

using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Linear<> fc{2, 3};
#ifdef CORRECTED
    std::array<int, 2> kernel{3, 3};
#else
    int kernel[2]{3, 3};
#endif
    nn::Linear<> last{3, 1};
};

auto f(const Net& net) { return net.parameters(); }
