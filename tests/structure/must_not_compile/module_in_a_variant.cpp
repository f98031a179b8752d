// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: modules in a container of this kind would not be found

#include <headtorch/nn/sequential.hpp>
#include <headtorch/nn/linear.hpp>
#include <variant>

using namespace headtorch;

struct Net : nn::Module<Net> {
#ifdef CORRECTED
    nn::AnyModule<> choice = nn::Linear<>(2, 3);
#else
    std::variant<nn::Linear<>, nn::Identity> choice = nn::Linear<>(2, 3);
#endif
};

auto f(const Net& net) { return net.parameters(); }
