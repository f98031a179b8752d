// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: a module has at most 64 members that the compiler can read

#include <headtorch/nn/linear.hpp>

using namespace headtorch;

struct Net : nn::Module<Net> {
    int a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0, a9 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0;
    int c0 = 0, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0, c8 = 0, c9 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0, d4 = 0, d5 = 0;
    int e0 = 0, e1 = 0, e2 = 0, e3 = 0, e4 = 0, e5 = 0, e6 = 0, e7 = 0, e8 = 0, e9 = 0, f0 = 0, f1 = 0, f2 = 0, f3 = 0, f4 = 0, f5 = 0;
    int g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0, g8 = 0, g9 = 0, h0 = 0, h1 = 0, h2 = 0, h3 = 0, h4 = 0;
    nn::Linear<> fc{2, 3};
#ifndef CORRECTED
    int one_too_many = 0;
#endif
};

auto f(const Net& net) { return net.parameters(); }
