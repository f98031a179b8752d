// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Extended's own members would not be seen by Block's nn::Module<Block>.
// expect: headtorch: a module is derived from nn::Module<itself>

#include <headtorch/nn/linear.hpp>

using namespace headtorch;

struct Block : nn::Module<Block> {
    nn::Linear<> first{2, 2};
};
#ifdef CORRECTED
struct Extended : nn::Module<Extended> {
    Block block;
    nn::Linear<> second{2, 2};
};
#else
struct Extended : Block {
    nn::Linear<> second{2, 2};
};
#endif
struct Net : nn::Module<Net> {
    Extended extended;
};

auto f(const Net& net) { return net.parameters(); }
