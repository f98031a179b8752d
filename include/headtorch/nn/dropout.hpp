// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Dropout layers: at work in training, and nothing in evaluation.

#include <string>

#include "headtorch/nn/activation.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/ops/dropout.hpp"

namespace headtorch::nn {

using headtorch::alpha_dropout, headtorch::dropout, headtorch::dropout1d, headtorch::dropout2d;

namespace detail {

template <class Layer>
struct DropoutLayer : Module<Layer> {
    double p;
    bool training = true;
    DropoutLayer(const char* name, double probability) : p(probability) { headtorch::detail::check_dropout(name, p); }
    auto fields() { return nn::fields(); }
    std::string extra_repr() const { return message("p=", python_float(p), ", inplace=False"); }
};

}  // namespace detail

struct Dropout : detail::DropoutLayer<Dropout> {
    explicit Dropout(double probability = 0.5) : DropoutLayer("Dropout", probability) {}
    auto forward(const auto& x) const { return dropout(x, p, training); }
};
/// Drops channels of [N, C, L] or [C, L].
struct Dropout1d : detail::DropoutLayer<Dropout1d> {
    explicit Dropout1d(double probability = 0.5) : DropoutLayer("Dropout1d", probability) {}
    auto forward(const auto& x) const { return dropout1d(x, p, training); }
};
/// Drops channels of [N, C, H, W] or [N, C, L].
struct Dropout2d : detail::DropoutLayer<Dropout2d> {
    explicit Dropout2d(double probability = 0.5) : DropoutLayer("Dropout2d", probability) {}
    auto forward(const auto& x) const { return dropout2d(x, p, training); }
};
/// For networks of SELU.
struct AlphaDropout : detail::DropoutLayer<AlphaDropout> {
    explicit AlphaDropout(double probability = 0.5) : DropoutLayer("AlphaDropout", probability) {}
    auto forward(const auto& x) const { return alpha_dropout(x, p, training); }
};

}  // namespace headtorch::nn
