// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Values out of a tensor: one, or all.
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <vector>

#include "headtorch/device/loop.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {

template <class T, class D>
T Tensor<T, D>::item() const {
    if (numel() != 1) throw ShapeError(message("item: a tensor of shape ", shape(), " is not a single number"));
    if constexpr (std::same_as<D, Cpu>)
        return *data();
    else
        return detach().template to<Cpu>().item();
}

template <class T, class D>
std::vector<T> Tensor<T, D>::tolist() const {
    if constexpr (std::same_as<D, Cpu>) {
        std::vector<T> values(static_cast<std::size_t>(numel()));
        if (values.empty()) return values;
        const Strides strides[] = {this->strides()};
        const Loop loop(shape(), strides);
        LoopPosition position(loop, 0);
        for (std::size_t i = 0; i < values.size(); ++i, position.advance(1)) values[i] = data()[position.offset(0)];
        return values;
    } else {
        return detach().template to<Cpu>().tolist();
    }
}

}  // namespace headtorch
