// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Normalisation within each example: layer, RMS, group and instance normalisation.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/device/cpu/normalize_rows.hpp"
#include "headtorch/ops/batch_norm.hpp"
#include "headtorch/ops/normalize.hpp"

namespace headtorch {
namespace detail {

/// y = (x - mean) / sqrt(variance + eps) * weight + bias, row by row. `moments`, unless null, takes means and variances [2, rows].
template <class T, class D>
Tensor<T, D> normalize_rows(const char* op, const Tensor<T, D>& x, const RowNorm& norm, const Tensor<T, D>& weight,
                            const Tensor<T, D>& bias, const Shape& parameters, const Shape& along, double eps,
                            Tensor<double, D>* moments = nullptr) {
    const OpScope scope(op, {x.impl().get(), weight.impl().get(), bias.impl().get()});
    static_assert(Floating<T>, "headtorch: normalisation: needs a tensor of float or double: write x.to<float>() first");
    check_norm_parameter(op, "weight", weight, parameters);
    check_norm_parameter(op, "bias", bias, parameters);
    check_eps(op, eps);
    auto y = empty<T, D>(x.shape());
    auto stats = empty<double, D>({2, norm.rows});
    Tensor<T, D> held_weight, held_bias;
    if (y.numel() > 0)
        row_norm_forward(D{}, static_cast<const T*>(detached_contiguous(x).data()), norm, eps, values_or_null(weight, held_weight),
                         values_or_null(bias, held_bias), stats.data(), stats.data() + norm.rows, y.data());
    if (moments) *moments = stats;
    if (!needs_grad(x, weight, bias)) return y;
    return record(op, std::move(y), inputs(x, weight, bias),
                  [x = saved(x), weight = saved(weight), norm, parameters, along, stats = Kept(stats), eps](const Tensor<T, D>& g,
                                                                                                            auto wants) {
                      if (GradMode::enabled())
                          return recorded_norm_gradients(g, x(), weight(), parameters,
                                                         {{norm.rows, norm.length()}, Dims{1}, along, norm.centred}, eps);
                      std::tuple<Tensor<T, D>, Tensor<T, D>, Tensor<T, D>> results;
                      auto& [dx, dweight, dbias] = results;
                      if (wants(0)) dx = empty<T, D>(x().shape());
                      if (wants(1)) dweight = empty<T, D>(parameters);
                      if (wants(2)) dbias = empty<T, D>(parameters);
                      Tensor<T, D> held;
                      const Tensor<T, D> gradient = detached_contiguous(g), in = detached_contiguous(x());
                      const double *mean = stats.data(), *variance = stats.data() + norm.rows;
                      if (wants(0) && x().numel() > 0)
                          row_norm_backward(D{}, static_cast<const T*>(gradient.data()), static_cast<const T*>(in.data()), norm, eps,
                                            values_or_null(weight(), held), mean, variance, dx.data());
                      if (wants(1) || wants(2))
                          row_norm_parameters(D{}, static_cast<const T*>(gradient.data()), static_cast<const T*>(in.data()), norm, eps,
                                              mean, variance, output_or_null(dweight), output_or_null(dbias));
                      return results;
                  });
}

/// Rows of the last dimensions, which must be `normalized_shape`.
inline RowNorm rows_of_shape(const char* op, const Shape& shape, const Shape& normalized_shape) {
    const int leading = shape.rank() - normalized_shape.rank();
    bool fits = leading >= 0 && !normalized_shape.empty();
    for (int d = 0; fits && d < normalized_shape.rank(); ++d) fits = shape[leading + d] == normalized_shape[d];
    if (!fits) throw ShapeError(message(op, ": an input of shape ", shape, " does not end in the normalized_shape ", normalized_shape));
    RowNorm norm{.rows = 1, .channels = normalized_shape.numel()};
    for (int d = 0; d < leading; ++d) norm.rows *= shape[d];
    return norm;
}

/// Rows of groups of channels (dimension 1).
inline RowNorm rows_of_groups(const char* op, const Shape& shape, std::int64_t groups) {
    if (shape.rank() < 2) throw ShapeError(message(op, ": needs an input [batch, channels, ...], got ", shape));
    if (groups < 1) throw ValueError(message(op, ": num_groups must be positive, got ", groups));
    if (shape[1] % groups != 0)
        throw ShapeError(message(op, ": the ", shape[1], " channels of ", shape, " do not divide into ", groups, " groups"));
    RowNorm norm{.rows = shape[0] * groups, .channels = shape[1] / groups, .groups = groups};
    for (int d = 2; d < shape.rank(); ++d) norm.inner *= shape[d];
    return norm;
}

/// [1, C, 1, …].
inline Shape along_channels(const Shape& shape) {
    Shape along = IntList::filled(shape.rank(), 1);
    along[1] = shape[1];
    return along;
}

}  // namespace detail

/// Mean 0 and variance 1 over the last dimensions, which have `normalized_shape`, then times weight plus bias, both of that shape or
/// undefined. Ba, Kiros and Hinton, Layer Normalization (2016).
template <class T, class D>
Tensor<T, D> layer_norm(const Tensor<T, D>& x, const std::type_identity_t<Shape>& normalized_shape,
                        const std::type_identity_t<Tensor<T, D>>& weight = {}, const std::type_identity_t<Tensor<T, D>>& bias = {},
                        double eps = 1e-5, const Here& = Here::call("layer_norm")) {
    const RowNorm norm = detail::rows_of_shape("layer_norm", x.shape(), normalized_shape);
    return detail::normalize_rows("layer_norm", x, norm, weight, bias, normalized_shape, normalized_shape, eps);
}

/// x / sqrt(mean of x^2 + eps) * weight over the last dimensions; eps is the machine's unless given.
/// Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
template <class T, class D>
Tensor<T, D> rms_norm(const Tensor<T, D>& x, const std::type_identity_t<Shape>& normalized_shape,
                      const std::type_identity_t<Tensor<T, D>>& weight = {}, std::optional<double> eps = {},
                      const Here& = Here::call("rms_norm")) {
    RowNorm norm = detail::rows_of_shape("rms_norm", x.shape(), normalized_shape);
    norm.centred = false;
    return detail::normalize_rows("rms_norm", x, norm, weight, Tensor<T, D>(), normalized_shape, normalized_shape,
                                  eps.value_or(static_cast<double>(std::numeric_limits<T>::epsilon())));
}

/// The channels (dimension 1) of each example in `num_groups` groups, each of mean 0 and variance 1, then times weight plus bias, one for
/// each channel. Wu and He, Group Normalization (2018).
template <class T, class D>
Tensor<T, D> group_norm(const Tensor<T, D>& x, std::int64_t num_groups, const std::type_identity_t<Tensor<T, D>>& weight = {},
                        const std::type_identity_t<Tensor<T, D>>& bias = {}, double eps = 1e-5, const Here& = Here::call("group_norm")) {
    const RowNorm norm = detail::rows_of_groups("group_norm", x.shape(), num_groups);
    if (norm.rows == norm.groups && norm.length() == 1)
        throw ValueError(message("group_norm: needs more than one value per group, got ", x.shape()));
    return detail::normalize_rows("group_norm", x, norm, weight, bias, {x.shape()[1]}, detail::along_channels(x.shape()), eps);
}

/// Each channel of each example of x [N, C, …] on its own, by its own statistics, or with use_input_stats = false by running ones, which
/// are gathered as in batch_norm() where they are given. Ulyanov, Vedaldi and Lempitsky, Instance Normalization (2016).
template <class T, class D>
Tensor<T, D> instance_norm(const Tensor<T, D>& x, const std::type_identity_t<Tensor<T, D>>& running_mean = {},
                           const std::type_identity_t<Tensor<T, D>>& running_var = {},
                           const std::type_identity_t<Tensor<T, D>>& weight = {}, const std::type_identity_t<Tensor<T, D>>& bias = {},
                           bool use_input_stats = true, double momentum = 0.1, double eps = 1e-5,
                           const Here& = Here::call("instance_norm")) {
    const OpScope scope("instance_norm");
    if (!use_input_stats) return batch_norm(x, running_mean, running_var, weight, bias, false, momentum, eps);
    if (x.dim() < 3) throw ShapeError(message("instance_norm: needs an input [batch, channels, ...], got ", x.shape()));
    const std::int64_t channels = x.shape()[1];
    const RowNorm norm = detail::rows_of_groups("instance_norm", x.shape(), std::max<std::int64_t>(1, channels));
    if (norm.inner == 1) throw ValueError(message("instance_norm: needs more than one value per channel, got ", x.shape()));
    detail::check_norm_parameter("instance_norm", "running mean", running_mean, {channels});
    detail::check_norm_parameter("instance_norm", "running variance", running_var, {channels});
    if (running_mean.defined() != running_var.defined())
        throw ValueError("instance_norm: running mean and running variance come together or not at all");
    Tensor<double, D> moments;
    auto y = detail::normalize_rows("instance_norm", x, norm, weight, bias, {channels}, detail::along_channels(x.shape()), eps, &moments);
    if (running_mean.defined() && x.numel() > 0) {
        NoGrad guard;
        const auto means = mean(moments.reshape({2, x.shape()[0], channels}), 1);
        const double correction = static_cast<double>(norm.inner) / static_cast<double>(norm.inner - 1);
        running_mean.copy_(running_mean * (1 - momentum) + means.select(0, 0).template to<T>() * momentum);
        running_var.copy_(running_var * (1 - momentum) + means.select(0, 1).template to<T>() * (momentum * correction));
    }
    return y;
}

}  // namespace headtorch
