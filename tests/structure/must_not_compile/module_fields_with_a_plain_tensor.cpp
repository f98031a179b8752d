// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// expect: headtorch: fields: every member listed is a Parameter, a Buffer, a module, or a container of such

#include <headtorch/nn/linear.hpp>

using namespace headtorch;

class Scale : public nn::Module<Scale> {
public:
    explicit Scale(float start) : factor_(full({1}, start)) {}
    auto fields() { return nn::fields("factor", factor_); }

private:
#ifdef CORRECTED
    nn::Parameter<> factor_;
#else
    Tensor<> factor_;
#endif
};

auto f(const Scale& scale) { return scale.parameters(); }
