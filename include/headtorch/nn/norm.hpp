// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Normalisation layers. A shape of several dimensions goes in braces of its own: `nn::LayerNorm<> norm{{10, 8}};`

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "headtorch/nn/activation.hpp"
#include "headtorch/nn/linear.hpp"
#include "headtorch/nn/options.hpp"
#include "headtorch/ops/batch_norm.hpp"
#include "headtorch/ops/local_response_norm.hpp"
#include "headtorch/ops/row_norm.hpp"

namespace headtorch::nn {

using headtorch::batch_norm, headtorch::group_norm, headtorch::instance_norm, headtorch::layer_norm, headtorch::local_response_norm;
using headtorch::rms_norm;

/// momentum = std::nullopt: running statistics are plain means over all batches so far.
struct BatchNormOptions {
    std::int64_t num_features;
    double eps = 1e-5;
    std::optional<double> momentum = 0.1;
    bool affine = true, track_running_stats = true, bias = true;
};
struct InstanceNormOptions {
    std::int64_t num_features;
    double eps = 1e-5;
    std::optional<double> momentum = 0.1;
    bool affine = false, track_running_stats = false, bias = true;
};

namespace detail {

/// What batch and instance normalisation share: weight and bias start as ones and zeros, the running statistics as zeros and ones.
template <class Layer, class T, class D>
struct TrackingNorm : Module<Layer> {
    std::int64_t num_features;
    double eps;
    std::optional<double> momentum;
    bool affine, track_running_stats;
    bool training = true;
    Parameter<T, D> weight, bias;
    Buffer<T, D> running_mean, running_var;
    Buffer<std::int64_t, D> num_batches_tracked;

    template <class Options>
    TrackingNorm(const char* name, const Options& options)
        : num_features(options.num_features), eps(options.eps), momentum(options.momentum), affine(options.affine),
          track_running_stats(options.track_running_stats) {
        check_size((std::string(name) + ": num_features").c_str(), num_features);
        headtorch::detail::check_eps(name, eps);
        if (affine) weight = Parameter<T, D>(ones<T, D>({num_features}));
        if (affine && options.bias) bias = Parameter<T, D>(zeros<T, D>({num_features}));
        if (!track_running_stats) return;
        running_mean = Buffer<T, D>(zeros<T, D>({num_features}));
        running_var = Buffer<T, D>(ones<T, D>({num_features}));
        num_batches_tracked = Buffer<std::int64_t, D>(zeros<std::int64_t, D>({}));
    }
    void reset_running_stats() {
        if (!track_running_stats) return;
        running_mean.zero_();
        running_var.fill_(1);
        num_batches_tracked.zero_();
    }
    void reset_parameters() {
        reset_running_stats();
        NoGrad guard;
        if (weight.defined()) weight.fill_(1);
        if (bias.defined()) bias.zero_();
    }
    auto fields() {
        return nn::fields("weight", weight, "bias", bias, "running_mean", running_mean, "running_var", running_var, "num_batches_tracked",
                          num_batches_tracked);
    }
    std::string extra_repr() const {
        return message(num_features, ", eps=", python_float(eps), ", momentum=", momentum ? python_float(*momentum) : "None",
                       ", affine=", python_bool(affine), ", bias=", python_bool(bias.defined()),
                       ", track_running_stats=", python_bool(track_running_stats));
    }
};

/// Takes inputs of `least` to `most` dimensions.
template <class Layer, class T, class D, int least, int most>
struct BatchNorm : TrackingNorm<Layer, T, D> {
    using TrackingNorm<Layer, T, D>::TrackingNorm;

    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        if (x.dim() < least || x.dim() > most)
            throw ShapeError(message("batch_norm: needs an input of ", least, least < most ? " or 3" : "", " dimensions, got ", x.shape()));
        double rate = this->momentum.value_or(0);
        if (this->training && this->track_running_stats) {
            const std::int64_t batches = this->num_batches_tracked.item() + 1;
            this->num_batches_tracked.fill_(batches);
            if (!this->momentum) rate = 1 / static_cast<double>(batches);
        }
        return batch_norm(x, this->running_mean, this->running_var, this->weight, this->bias,
                          this->training || !this->track_running_stats, rate, this->eps);
    }
};

}  // namespace detail

/// Batch normalisation of [N, C] or [N, C, L]; in training by the batch's statistics, in evaluation by the running ones.
template <class T = float, class D = DefaultDevice>
struct BatchNorm1d : detail::BatchNorm<BatchNorm1d<T, D>, T, D, 2, 3> {
    explicit BatchNorm1d(std::int64_t features, double epsilon = 1e-5, std::optional<double> rate = 0.1, bool with_affine = true,
                         bool tracked = true)
        : BatchNorm1d(BatchNormOptions{features, epsilon, rate, with_affine, tracked}) {}
    BatchNorm1d(const BatchNormOptions& options) : BatchNorm1d::BatchNorm("BatchNorm1d", options) {}
};
/// Batch normalisation of [N, C, H, W].
template <class T = float, class D = DefaultDevice>
struct BatchNorm2d : detail::BatchNorm<BatchNorm2d<T, D>, T, D, 4, 4> {
    explicit BatchNorm2d(std::int64_t features, double epsilon = 1e-5, std::optional<double> rate = 0.1, bool with_affine = true,
                         bool tracked = true)
        : BatchNorm2d(BatchNormOptions{features, epsilon, rate, with_affine, tracked}) {}
    BatchNorm2d(const BatchNormOptions& options) : BatchNorm2d::BatchNorm("BatchNorm2d", options) {}
};

/// Instance normalisation of [N, C, H, W] or [C, H, W].
template <class T = float, class D = DefaultDevice>
struct InstanceNorm2d : detail::TrackingNorm<InstanceNorm2d<T, D>, T, D> {
    explicit InstanceNorm2d(std::int64_t features, double epsilon = 1e-5, std::optional<double> rate = 0.1, bool with_affine = false,
                            bool tracked = false)
        : InstanceNorm2d(InstanceNormOptions{features, epsilon, rate, with_affine, tracked}) {}
    InstanceNorm2d(const InstanceNormOptions& options) : InstanceNorm2d::TrackingNorm("InstanceNorm2d", options) {}

    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        if (x.dim() == 3) return forward(x.unsqueeze(0)).squeeze(0);
        if (x.dim() != 4 || x.shape()[1] != this->num_features)
            throw ShapeError(message("instance_norm: needs an input [N, ", this->num_features, ", H, W] or [", this->num_features,
                                     ", H, W], got ", x.shape()));
        return instance_norm(x, this->running_mean, this->running_var, this->weight, this->bias,
                             this->training || !this->track_running_stats, this->momentum.value_or(0), this->eps);
    }
};

/// Layer normalisation over the last dimensions, of shape `normalized_shape`.
template <class T = float, class D = DefaultDevice>
struct LayerNorm : Module<LayerNorm<T, D>> {
    Shape normalized_shape;
    double eps;
    bool elementwise_affine;
    Parameter<T, D> weight, bias;

    LayerNorm(const Dims& shape, double epsilon = 1e-5, bool affine = true, bool with_bias = true)
        : normalized_shape(shape), eps(epsilon), elementwise_affine(affine) {
        headtorch::detail::check_eps("LayerNorm", eps);
        normalized_shape.numel();  // throws on negative sizes
        if (affine) weight = Parameter<T, D>(ones<T, D>(normalized_shape));
        if (affine && with_bias) bias = Parameter<T, D>(zeros<T, D>(normalized_shape));
    }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return layer_norm(x, normalized_shape, weight, bias, eps); }
    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        return message(detail::python_tuple(normalized_shape), ", eps=", detail::python_float(eps),
                       ", elementwise_affine=", detail::python_bool(elementwise_affine), ", bias=", detail::python_bool(bias.defined()));
    }
};

/// RMS normalisation over the last dimensions; eps is the machine's unless given.
template <class T = float, class D = DefaultDevice>
struct RMSNorm : Module<RMSNorm<T, D>> {
    Shape normalized_shape;
    std::optional<double> eps;
    bool elementwise_affine;
    Parameter<T, D> weight;

    RMSNorm(const Dims& shape, std::optional<double> epsilon = {}, bool affine = true)
        : normalized_shape(shape), eps(epsilon), elementwise_affine(affine) {
        if (eps) headtorch::detail::check_eps("RMSNorm", *eps);
        normalized_shape.numel();  // throws on negative sizes
        if (affine) weight = Parameter<T, D>(ones<T, D>(normalized_shape));
    }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return rms_norm(x, normalized_shape, weight, eps); }
    auto fields() { return nn::fields("weight", weight); }
    std::string extra_repr() const {
        return message(detail::python_tuple(normalized_shape), ", eps=", eps ? detail::python_float(*eps) : "None",
                       ", elementwise_affine=", detail::python_bool(elementwise_affine));
    }
};

/// Group normalisation of [N, C, …].
template <class T = float, class D = DefaultDevice>
struct GroupNorm : Module<GroupNorm<T, D>> {
    std::int64_t num_groups, num_channels;
    double eps;
    bool affine;
    Parameter<T, D> weight, bias;

    GroupNorm(std::int64_t groups, std::int64_t channels, double epsilon = 1e-5, bool with_affine = true, bool with_bias = true)
        : num_groups(groups), num_channels(channels), eps(epsilon), affine(with_affine) {
        headtorch::detail::check_eps("GroupNorm", eps);
        detail::check_size("GroupNorm: num_channels", channels);
        if (groups < 1 || channels % groups != 0)
            throw ValueError(message("GroupNorm: ", channels, " channels do not divide into ", groups, " groups"));
        if (affine) weight = Parameter<T, D>(ones<T, D>({channels}));
        if (affine && with_bias) bias = Parameter<T, D>(zeros<T, D>({channels}));
    }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return group_norm(x, num_groups, weight, bias, eps); }
    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        return message(num_groups, ", ", num_channels, ", eps=", detail::python_float(eps), ", affine=", detail::python_bool(affine),
                       ", bias=", detail::python_bool(bias.defined()));
    }
};

struct LocalResponseNorm : Module<LocalResponseNorm> {
    std::int64_t size;
    double alpha, beta, k;
    explicit LocalResponseNorm(std::int64_t channels, double factor = 1e-4, double exponent = 0.75, double offset = 1)
        : size(channels), alpha(factor), beta(exponent), k(offset) {
        if (size < 1) throw ValueError(message("LocalResponseNorm: size must be positive, got ", size));
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return local_response_norm(x, size, alpha, beta, k); }
    std::string extra_repr() const {
        return message(size, ", alpha=", detail::python_float(alpha), ", beta=", detail::python_float(beta),
                       ", k=", detail::python_float(k));
    }
};

}  // namespace headtorch::nn
