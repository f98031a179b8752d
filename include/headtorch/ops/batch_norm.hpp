// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Batch normalisation.

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/device/cpu/normalize_channels.hpp"
#include "headtorch/ops/normalize.hpp"

namespace headtorch {
namespace detail {

/// One number for each channel, as a constant that broadcasts.
template <class T, class D>
Tensor<T, D> channel_constant(const Tensor<double, D>& stats, std::int64_t row, const Shape& shape) {
    return stats.select(0, row).template to<T>().reshape(shape);
}

template <class T, class D>
Tensor<T, D> normalize_batch(const Tensor<T, D>& x, const ChannelNorm& norm, bool training, const Tensor<T, D>& weight,
                             const Tensor<T, D>& bias, double eps, const Tensor<double, D>& stats) {
    auto y = empty<T, D>(x.shape());
    Tensor<T, D> held_weight, held_bias;
    if (y.numel() > 0)
        batch_norm_forward(D{}, static_cast<const T*>(detached_contiguous(x).data()), norm, training, eps,
                           values_or_null(weight, held_weight), values_or_null(bias, held_bias), stats.data(), stats.data() + norm.channels,
                           y.data());
    return y;
}

}  // namespace detail

/// y = (x - mean) / sqrt(variance + eps) * weight + bias for each channel (dimension 1) of x [N, C, …]; weight and bias [C] or undefined.
/// In training, mean and variance are those of x over all other dimensions, and the running ones, unless undefined, become
/// (1 - momentum) running + momentum new (the variance corrected by n / (n - 1)). Else the running ones are used.
/// Throws ValueError when a channel has one element in training, or when there are no running statistics to use.
/// Ioffe and Szegedy, Batch Normalization (2015).
template <class T, class D>
Tensor<T, D> batch_norm(const Tensor<T, D>& x, const std::type_identity_t<Tensor<T, D>>& running_mean,
                        const std::type_identity_t<Tensor<T, D>>& running_var, const std::type_identity_t<Tensor<T, D>>& weight = {},
                        const std::type_identity_t<Tensor<T, D>>& bias = {}, bool training = false, double momentum = 0.1,
                        double eps = 1e-5, const Here& = Here::call("batch_norm")) {
    const OpScope scope("batch_norm", {x.impl().get(), weight.impl().get(), bias.impl().get(), running_mean.impl().get(),
                                       running_var.impl().get()});
    static_assert(Floating<T>, "headtorch: batch_norm: needs a tensor of float or double: write x.to<float>() first");
    if (x.dim() < 2) throw ShapeError(message("batch_norm: needs an input [batch, channels, ...], got ", x.shape()));
    ChannelNorm norm{.batch = x.shape()[0], .channels = x.shape()[1]};
    for (int d = 2; d < x.dim(); ++d) norm.inner *= x.shape()[d];
    const Shape parameters{norm.channels};
    detail::check_norm_parameter("batch_norm", "weight", weight, parameters);
    detail::check_norm_parameter("batch_norm", "bias", bias, parameters);
    detail::check_norm_parameter("batch_norm", "running mean", running_mean, parameters);
    detail::check_norm_parameter("batch_norm", "running variance", running_var, parameters);
    detail::check_eps("batch_norm", eps);
    if (running_mean.defined() != running_var.defined())
        throw ValueError("batch_norm: running mean and running variance come together or not at all");
    if (!training && !running_mean.defined()) throw ValueError("batch_norm: evaluation needs running mean and variance");
    if (training && norm.count() == 1)
        throw ValueError(message("batch_norm: needs more than one value per channel in training, got ", x.shape()));
    if (running_mean.defined() && !(running_mean.is_contiguous() && running_var.is_contiguous()))
        throw ValueError("batch_norm: running mean and variance must be contiguous");

    auto stats = empty<double, D>({2, norm.channels});
    if (!training) {
        detail::run_map(detail::Identity{}, stats.select(0, 0).detach(), running_mean.detach());
        detail::run_map(detail::Identity{}, stats.select(0, 1).detach(), running_var.detach());
    }
    auto y = detail::normalize_batch(x, norm, training, weight, bias, eps, stats);
    if (training && running_mean.defined() && x.numel() > 0) {
        update_running(D{}, static_cast<const double*>(stats.data()), static_cast<const double*>(stats.data() + norm.channels),
                       norm.channels, static_cast<double>(norm.count()), momentum, running_mean.data(), running_var.data());
        running_mean.get()->bump_version("batch_norm");
        running_var.get()->bump_version("batch_norm");
    }
    if (!needs_grad(x, weight, bias)) return y;
    return record("batch_norm", std::move(y), inputs(x, weight, bias),
                  [x = saved(x), weight = saved(weight), norm, parameters, stats = Kept(stats), training, eps](const Tensor<T, D>& g,
                                                                                                               auto wants) {
                      if (GradMode::enabled()) {
                          Dims dims;
                          Shape along = IntList::filled(x().dim(), 1);
                          along[1] = norm.channels;
                          for (int d = 0; d < x().dim(); ++d)
                              if (d != 1) dims.push_back(d);
                          const detail::Normalisation how{x().shape(), dims, along};
                          if (training) return detail::recorded_norm_gradients(g, x(), weight(), parameters, how, eps);
                          return detail::recorded_norm_gradients(g, x(), weight(), parameters, how, eps,
                                                                 detail::channel_constant<T>(stats, 0, along),
                                                                 detail::channel_constant<T>(stats, 1, along));
                      }
                      std::tuple<Tensor<T, D>, Tensor<T, D>, Tensor<T, D>> results;
                      auto& [dx, dweight, dbias] = results;
                      if (wants(0)) dx = empty<T, D>(x().shape());
                      if (wants(1)) dweight = empty<T, D>(parameters);
                      if (wants(2)) dbias = empty<T, D>(parameters);
                      Tensor<T, D> held;
                      batch_norm_backward(D{}, static_cast<const T*>(detail::detached_contiguous(g).data()),
                                          static_cast<const T*>(detail::detached_contiguous(x()).data()), norm, training, eps,
                                          detail::values_or_null(weight(), held), static_cast<const double*>(stats.data()),
                                          static_cast<const double*>(stats.data() + norm.channels), detail::output_or_null(dx),
                                          detail::output_or_null(dweight), detail::output_or_null(dbias));
                      return results;
                  });
}

}  // namespace headtorch
