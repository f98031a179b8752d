// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: the members of this module cannot be counted

#include <headtorch/nn/linear.hpp>

using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Linear<>& shared;
    nn::Linear<> own{2, 3};
#ifdef CORRECTED
    auto fields() { return nn::fields("shared", shared, "own", own); }
#endif
};

auto f(const Net& net) { return net.parameters(); }
