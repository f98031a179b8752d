// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Layers that multiply by a matrix, and the layers that only change a shape.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "headtorch/nn/init.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/ops/matmul.hpp"

namespace headtorch::nn {
namespace detail {

inline void check_size(const char* what, std::int64_t size) {
    if (size < 0) throw ValueError(message(what, " must not be negative, got ", size));
}

}  // namespace detail

struct LinearOptions {
    std::int64_t in_features, out_features;
    bool bias = true;
};

/// y = x W^T + b for x [..., in_features]; weight [out_features, in_features], bias [out_features].
/// Starts, as in PyTorch, uniform in ±1/sqrt(in_features).
template <class T = float, class D = DefaultDevice>
class Linear : public Module<Linear<T, D>> {
public:
    Linear(std::int64_t inputs, std::int64_t outputs, bool with_bias = true) : in_features(inputs), out_features(outputs) {
        detail::check_size("Linear: in_features", inputs);
        detail::check_size("Linear: out_features", outputs);
        weight = Parameter<T, D>(empty<T, D>({outputs, inputs}));
        if (with_bias) bias = Parameter<T, D>(empty<T, D>({outputs}));
        reset_parameters();
    }
    Linear(const LinearOptions& options) : Linear(options.in_features, options.out_features, options.bias) {}

    Parameter<T, D> weight, bias;
    std::int64_t in_features, out_features;

    void reset_parameters(Generator& generator = default_generator()) {
        init::kaiming_uniform_(weight, {.a = std::sqrt(5.0)}, generator);
        if (!bias.defined()) return;
        const double bound = in_features > 0 ? 1 / std::sqrt(static_cast<double>(in_features)) : 0;
        init::uniform_(bias, -bound, bound, generator);
    }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return linear(x, weight, bias); }

    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        return message("in_features=", in_features, ", out_features=", out_features, ", bias=", bias.defined() ? "True" : "False");
    }
};

/// y_k = x1^T W_k x2 + b_k for x1 [..., in1] and x2 [..., in2] with equal leading dimensions, W [out, in1, in2] and b [out] (or undefined).
template <class T, class D>
Tensor<T, D> bilinear(const Tensor<T, D>& x1, const Tensor<T, D>& x2, const Tensor<T, D>& weight, const Tensor<T, D>& bias = {}) {
    if (weight.dim() != 3) throw ShapeError(message("bilinear: the weight has dimensions [out, in1, in2], got ", weight.shape()));
    const std::int64_t out = weight.size(0), in1 = weight.size(1), in2 = weight.size(2);
    Shape shape = x1.shape(), other = x2.shape();
    bool fits = shape.rank() > 0 && shape.rank() == other.rank() && shape.back() == in1 && other.back() == in2;
    if (fits) shape[shape.rank() - 1] = other[other.rank() - 1] = out;
    fits = fits && shape == other;
    if (!fits)
        throw ShapeError(message("bilinear: needs inputs [..., ", in1, "] and [..., ", in2, "] with equal leading sizes, as the weight of ",
                                 weight.shape(), " says; got ", x1.shape(), " and ", x2.shape()));
    if (bias.defined() && !(bias.shape() == Shape{out}))
        throw ShapeError(message("bilinear: the bias has ", out, " elements, got ", bias.shape()));
    const std::int64_t rows = x1.numel() / std::max<std::int64_t>(1, in1);
    // t[n, k, j] = sum_i x1[n, i] W[k, i, j], then y[n, k] = sum_j t[n, k, j] x2[n, j]
    const Tensor<T, D> t = mm(x1.reshape({rows, in1}), weight.transpose(0, 1).reshape({in1, out * in2})).reshape({rows, out, in2});
    const Tensor<T, D> y = bmm(t, x2.reshape({rows, in2, 1})).reshape(shape);
    return bias.defined() ? y + bias : y;
}

struct BilinearOptions {
    std::int64_t in1_features, in2_features, out_features;
    bool bias = true;
};

/// y_k = x1^T W_k x2 + b_k for x1 [..., in1_features] and x2 [..., in2_features] with equal leading dimensions;
/// weight [out_features, in1_features, in2_features]. Starts uniform in ±1/sqrt(in1_features).
template <class T = float, class D = DefaultDevice>
class Bilinear : public Module<Bilinear<T, D>> {
public:
    Bilinear(std::int64_t inputs1, std::int64_t inputs2, std::int64_t outputs, bool with_bias = true)
        : in1_features(inputs1), in2_features(inputs2), out_features(outputs) {
        if (inputs1 <= 0) throw ValueError(message("Bilinear: in1_features must be positive, got ", inputs1));
        detail::check_size("Bilinear: in2_features", inputs2);
        detail::check_size("Bilinear: out_features", outputs);
        weight = Parameter<T, D>(empty<T, D>({outputs, inputs1, inputs2}));
        if (with_bias) bias = Parameter<T, D>(empty<T, D>({outputs}));
        reset_parameters();
    }
    Bilinear(const BilinearOptions& options) : Bilinear(options.in1_features, options.in2_features, options.out_features, options.bias) {}

    Parameter<T, D> weight, bias;
    std::int64_t in1_features, in2_features, out_features;

    void reset_parameters(Generator& generator = default_generator()) {
        const double bound = 1 / std::sqrt(static_cast<double>(in1_features));
        init::uniform_(weight, -bound, bound, generator);
        if (bias.defined()) init::uniform_(bias, -bound, bound, generator);
    }
    Tensor<T, D> forward(const Tensor<T, D>& x1, const Tensor<T, D>& x2) const {
        return bilinear<T, D>(x1, x2, weight, bias);
    }

    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        return message("in1_features=", in1_features, ", in2_features=", in2_features, ", out_features=", out_features, ", bias=",
                       bias.defined() ? "True" : "False");
    }
};

/// Gives back its input.
struct Identity : Module<Identity> {
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        return x;
    }
};

/// Joins the dimensions start_dim to end_dim.
struct Flatten : Module<Flatten> {
    std::int64_t start_dim = 1, end_dim = -1;

    Flatten(std::int64_t start = 1, std::int64_t end = -1) : start_dim(start), end_dim(end) {}
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        return x.flatten(start_dim, end_dim);
    }
    auto fields() { return nn::fields(); }
    std::string extra_repr() const { return message("start_dim=", start_dim, ", end_dim=", end_dim); }
};

/// Splits dimension `dim` into `sizes`, of which one may be -1.
struct Unflatten : Module<Unflatten> {
    std::int64_t dim;
    Shape unflattened_size;

    Unflatten(std::int64_t dimension, const Shape& sizes) : dim(dimension), unflattened_size(sizes) {}
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        return x.unflatten(dim, unflattened_size);
    }
    auto fields() { return nn::fields(); }
    std::string extra_repr() const {
        std::string sizes = message(unflattened_size);
        sizes.front() = '(';
        sizes.back() = ')';
        if (unflattened_size.rank() == 1) sizes.insert(sizes.size() - 1, ",");
        return message("dim=", dim, ", unflattened_size=", sizes);
    }
};

}  // namespace headtorch::nn
