// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: parameters: this module's parameters are of different element types or devices

#include <headtorch/nn/linear.hpp>

using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Linear<float> coarse{2, 3};
    nn::Linear<double> fine{2, 3};
};

#ifdef CORRECTED
auto f(const Net& net) { return net.parameters<double>(); }
#else
auto f(const Net& net) { return net.parameters(); }
#endif
