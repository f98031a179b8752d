// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The device on which a function is asked for the numbers of a picture: where a network is, or what a function takes.

#include <concepts>
#include <type_traits>

#include "headtorch/nn/reflect.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::viz::detail {

/// `Given`: the device of the tensors at hand, which serve where it makes no difference.
template <class F, class T, class Given>
constexpr auto asked_device() {
    if constexpr (requires(F& f) { f.module_ref(); }) {
        using Parameter = nn::detail::ParameterTensor<F>;
        if constexpr (AnyTensor<Parameter>)
            return typename Parameter::device_type();
        else
            return Given();
    } else if constexpr (std::invocable<F&, const Tensor<T, Given>&>) {
        return Given();
    } else if constexpr (std::invocable<F&, const Tensor<T, DefaultDevice>&>) {
        return DefaultDevice();
    } else {
        return Cpu();
    }
}
template <class F, class T, class Given>
using AskedDevice = decltype(asked_device<std::remove_cvref_t<F>, T, Given>());

}  // namespace headtorch::viz::detail
