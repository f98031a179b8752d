// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Local response normalisation, across neighbouring channels.

#include <cstdint>

#include "headtorch/ops/pad.hpp"
#include "headtorch/ops/pool_average.hpp"

namespace headtorch {

/// x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta for x [N, C, …], with zeros beyond the first and last channel.
/// Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks (2012).
template <class T, class D>
Tensor<T, D> local_response_norm(const Tensor<T, D>& x, std::int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1,
                                 const Here& = Here::call("local_response_norm")) {
    const OpScope scope("local_response_norm", {x.impl().get()});
    if (x.dim() < 3) throw ShapeError(message("local_response_norm: needs an input [batch, channels, ...], got ", x.shape()));
    if (size < 1) throw ValueError(message("local_response_norm: size must be positive, got ", size));
    if (x.numel() == 0) return x;
    const std::int64_t batch = x.shape()[0], channels = x.shape()[1];
    const auto squares = square(x).reshape({batch, channels, x.numel() / (batch * channels)});
    const auto means = avg_pool2d(pad(squares, {0, 0, size / 2, (size - 1) / 2}), {size, 1}, 1).reshape(x.shape());
    return x / pow(means * alpha + k, beta);
}

}  // namespace headtorch
