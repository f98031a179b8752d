// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Activations as modules, with PyTorch's names, defaults and printed form. Those without parameters take tensors of any element type.

#include <cstdint>
#include <string>
#include <utility>

#include "headtorch/nn/module.hpp"
#include "headtorch/nn/parameter.hpp"
#include "headtorch/ops/activation.hpp"
#include "headtorch/ops/activation_piecewise.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch::nn {
namespace detail {
/// As Python prints a float: 1.0, not 1.
inline std::string python_float(double value) {
    std::string text = message(value);
    return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}
}  // namespace detail

using headtorch::bent_identity, headtorch::celu, headtorch::elu, headtorch::gelu, headtorch::glu, headtorch::hardshrink,
    headtorch::hardsigmoid;
using headtorch::hardswish, headtorch::hardtanh, headtorch::leaky_relu, headtorch::log_softmax, headtorch::logsigmoid, headtorch::mish;
using headtorch::prelu, headtorch::relu, headtorch::relu6, headtorch::selu, headtorch::sigmoid, headtorch::silu,
    headtorch::soft_exponential;
using headtorch::softmax, headtorch::softmin, headtorch::softplus, headtorch::softshrink, headtorch::softsign, headtorch::tanh;
using headtorch::tanhshrink, headtorch::threshold;

struct ReLU : Module<ReLU> { auto forward(const auto& x) const { return relu(x); } };
struct ReLU6 : Module<ReLU6> { auto forward(const auto& x) const { return relu6(x); } };
struct SELU : Module<SELU> { auto forward(const auto& x) const { return selu(x); } };
struct SiLU : Module<SiLU> { auto forward(const auto& x) const { return silu(x); } };
struct Mish : Module<Mish> { auto forward(const auto& x) const { return mish(x); } };
struct Softsign : Module<Softsign> { auto forward(const auto& x) const { return softsign(x); } };
struct Hardsigmoid : Module<Hardsigmoid> { auto forward(const auto& x) const { return hardsigmoid(x); } };
struct Hardswish : Module<Hardswish> { auto forward(const auto& x) const { return hardswish(x); } };
struct Sigmoid : Module<Sigmoid> { auto forward(const auto& x) const { return sigmoid(x); } };
struct LogSigmoid : Module<LogSigmoid> { auto forward(const auto& x) const { return logsigmoid(x); } };
struct Tanh : Module<Tanh> { auto forward(const auto& x) const { return tanh(x); } };
struct Tanhshrink : Module<Tanhshrink> { auto forward(const auto& x) const { return tanhshrink(x); } };
struct BentIdentity : Module<BentIdentity> { auto forward(const auto& x) const { return bent_identity(x); } };

struct LeakyReLU : Module<LeakyReLU> {
    double negative_slope;
    explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return leaky_relu(x, negative_slope); }
    std::string extra_repr() const { return message("negative_slope=", negative_slope); }
};

struct ELU : Module<ELU> {
    double alpha;
    explicit ELU(double factor = 1) : alpha(factor) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return elu(x, alpha); }
    std::string extra_repr() const { return message("alpha=", detail::python_float(alpha)); }
};

struct CELU : Module<CELU> {
    double alpha;
    explicit CELU(double factor = 1) : alpha(factor) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return celu(x, alpha); }
    std::string extra_repr() const { return message("alpha=", detail::python_float(alpha)); }
};

struct GELU : Module<GELU> {
    std::string approximate;
    explicit GELU(std::string form = "none") : approximate(std::move(form)) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return gelu(x, approximate); }
    std::string extra_repr() const { return message("approximate='", approximate, "'"); }
};

struct Softplus : Module<Softplus> {
    double beta, limit;
    explicit Softplus(double steepness = 1, double threshold = 20) : beta(steepness), limit(threshold) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return softplus(x, beta, limit); }
    std::string extra_repr() const { return message("beta=", detail::python_float(beta), ", threshold=", detail::python_float(limit)); }
};

struct Hardtanh : Module<Hardtanh> {
    double min_val, max_val;
    explicit Hardtanh(double low = -1, double high = 1) : min_val(low), max_val(high) {
        if (!(low < high)) throw ValueError(message("Hardtanh: min_val ", low, " must be less than max_val ", high));
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return hardtanh(x, min_val, max_val); }
    std::string extra_repr() const {
        return message("min_val=", detail::python_float(min_val), ", max_val=", detail::python_float(max_val));
    }
};

struct Softshrink : Module<Softshrink> {
    double lambda;
    explicit Softshrink(double width = 0.5) : lambda(width) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return softshrink(x, lambda); }
    std::string extra_repr() const { return detail::python_float(lambda); }
};

struct Hardshrink : Module<Hardshrink> {
    double lambda;
    explicit Hardshrink(double width = 0.5) : lambda(width) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return hardshrink(x, lambda); }
    std::string extra_repr() const { return detail::python_float(lambda); }
};

struct Threshold : Module<Threshold> {
    double limit, value;
    Threshold(double threshold, double fill) : limit(threshold), value(fill) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return threshold(x, limit, value); }
    std::string extra_repr() const { return message("threshold=", detail::python_float(limit), ", value=", detail::python_float(value)); }
};

/// The modules that work along one dimension, which PyTorch lets one leave out, but not without a warning; here it is asked for.
struct GLU : Module<GLU> {
    std::int64_t dim;
    explicit GLU(std::int64_t along = -1) : dim(along) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return glu(x, dim); }
    std::string extra_repr() const { return message("dim=", dim); }
};

struct Softmax : Module<Softmax> {
    std::int64_t dim;
    explicit Softmax(std::int64_t along) : dim(along) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return softmax(x, dim); }
    std::string extra_repr() const { return message("dim=", dim); }
};

struct LogSoftmax : Module<LogSoftmax> {
    std::int64_t dim;
    explicit LogSoftmax(std::int64_t along) : dim(along) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return log_softmax(x, dim); }
    std::string extra_repr() const { return message("dim=", dim); }
};

struct Softmin : Module<Softmin> {
    std::int64_t dim;
    explicit Softmin(std::int64_t along) : dim(along) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return softmin(x, dim); }
    std::string extra_repr() const { return message("dim=", dim); }
};

template <class T = float, class D = DefaultDevice>
struct PReLU : Module<PReLU<T, D>> {
    Parameter<T, D> weight;
    explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25) : weight(full<T, D>({num_parameters}, static_cast<T>(init))) {}
    auto fields() { return nn::fields("weight", weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return prelu(x, weight); }
    std::string extra_repr() const { return message("num_parameters=", weight.numel()); }
};

/// `alpha` is trainable; its sign chooses between logarithm, identity and exponential.
template <class T = float, class D = DefaultDevice>
struct SoftExponential : Module<SoftExponential<T, D>> {
    Parameter<T, D> alpha;
    explicit SoftExponential(double init = 0) : alpha(full<T, D>({}, static_cast<T>(init))) {}
    auto fields() { return nn::fields("alpha", alpha); }
    Tensor<T, D> forward(const Tensor<T, D>& x) const { return soft_exponential(x, alpha); }
    std::string extra_repr() const { return message("alpha=", alpha.item()); }
};

}  // namespace headtorch::nn
