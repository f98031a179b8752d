// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: a module with a constructor or private members lists its parameters and modules once, in the open

#include <headtorch/headtorch.hpp>
using namespace headtorch;

struct Net : nn::Module<Net> {
    explicit Net(int hidden) : fc1(2, hidden), fc2(hidden, 1) {}
    Tensor<> forward(const Tensor<>& x) { return fc2(fc1(x)); }
#ifdef CORRECTED
    auto fields() { return nn::fields("fc1", fc1, "fc2", fc2); }
#endif
    nn::Linear<> fc1, fc2;
};

auto f(Net& net) { return net.parameters(); }
