// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <cstdio>
#include <headtorch/headtorch.hpp>

int main() {
    headtorch::Tensor<> x = headtorch::tensor({1.0f, 2.0f, 3.0f});
    x.requires_grad_();
    (x * x).sum().backward();
    std::printf("consumer of headtorch: gradient %g\n", static_cast<double>(x.grad()(2).item()));
}
