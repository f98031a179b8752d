// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Divergences, likelihoods of distributions, margins.

#include <numbers>
#include <utility>

#include "headtorch/ops/loss.hpp"
#include "headtorch/ops/norm.hpp"
#include "headtorch/ops/power.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {
namespace formula {

/// t (log t - x), and 0 for t = 0
struct KlDivergence {
    static constexpr const char* name = "kl_div";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x, const auto& t) {
        return math::where(t == 0, math::constant(t, 0), t * (math::log(math::where(t == 0, math::constant(t, 1), t)) - x));
    }
    static constexpr auto slopes(const auto& x, const auto& t, const auto&) {
        return std::tuple(-t, math::where(t == 0, math::constant(t, 0), math::log(math::where(t == 0, math::constant(t, 1), t)) + 1) - x);
    }
};
/// e^t (t - x)
struct LogKlDivergence {
    static constexpr const char* name = "kl_div";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x, const auto& t) { return math::exp(t) * (t - x); }
    static constexpr auto slopes(const auto& x, const auto& t, const auto&) {
        const auto e = math::exp(t);
        return std::tuple(-e, e * (t - x + 1));
    }
};

}  // namespace formula

namespace nn {

struct KLDivLossOptions {
    Reduction reduction = Reduction::mean;
    bool log_target = false;
};
struct PoissonNLLLossOptions {
    bool log_input = true;
    bool full = false;  ///< adds Stirling's approximation of log(target!)
    double eps = 1e-8;
    Reduction reduction = Reduction::mean;
};
struct GaussianNLLLossOptions {
    bool full = false;  ///< adds the constant log(2 pi) / 2
    double eps = 1e-6;  ///< variances are not taken below this
    Reduction reduction = Reduction::mean;
};
struct MarginLossOptions {
    double margin;
    Reduction reduction = Reduction::mean;
};
struct TripletMarginLossOptions {
    double margin = 1, p = 2, eps = 1e-6;
    bool swap = false;  ///< takes the harder of the two distances to the negative (Balntas et al., 2016)
    Reduction reduction = Reduction::mean;
};

/// Kullback-Leibler divergence of probabilities `target` from log-probabilities `x`.
template <class T, class D, class U, class E>
Tensor<T, D> kl_div(const Tensor<T, D>& x, const Tensor<U, E>& target, KLDivLossOptions options = {}, const Here& = Here::call("kl_div")) {
    const OpScope scope("kl_div");
    headtorch::detail::check_target("kl_div", x.shape(), target.shape());
    auto loss = options.log_target ? pointwise(formula::LogKlDivergence{}, x, target) : pointwise(formula::KlDivergence{}, x, target);
    return headtorch::detail::reduce_loss(loss, options.reduction);
}

/// Counts `target` under a Poisson distribution of mean e^x, or of mean x.
template <class T, class D, class U, class E>
Tensor<T, D> poisson_nll_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, PoissonNLLLossOptions options = {},
                              const Here& = Here::call("poisson_nll_loss")) {
    const OpScope scope("poisson_nll_loss");
    headtorch::detail::check_target("poisson_nll_loss", x.shape(), target.shape());
    auto loss = options.log_input ? exp(x) - target * x : x - target * log(x + options.eps);
    if (options.full) {
        const auto t = where(target > 1, target, 1);
        loss = loss + where(target > 1, t * log(t) - t + 0.5 * log(2 * std::numbers::pi * t), 0);
    }
    return headtorch::detail::reduce_loss(loss, options.reduction);
}

/// `target` under normal distributions of mean x and variance `var` (of the shape of x, or with a last dimension of 1, or without it).
template <class T, class D, class U, class E, class V, class F>
Tensor<T, D> gaussian_nll_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, const Tensor<V, F>& var,
                               GaussianNLLLossOptions options = {}, const Here& = Here::call("gaussian_nll_loss")) {
    const OpScope scope("gaussian_nll_loss");
    headtorch::detail::check_target("gaussian_nll_loss", x.shape(), target.shape());
    if (!(options.eps > 0)) throw ValueError(message("gaussian_nll_loss: eps must be positive, but is ", options.eps));
    if ((var < 0).any().item()) throw ValueError("gaussian_nll_loss: var has negative entries");
    auto variance = var;
    if (!(var.shape() == x.shape())) {
        Shape without_last = x.shape(), with_one = x.shape();
        if (x.dim()) {
            without_last.erase(x.dim() - 1);
            with_one[x.dim() - 1] = 1;
        }
        if (var.shape() == without_last)
            variance = var.unsqueeze(-1);
        else if (!(var.shape() == with_one))
            throw ShapeError(
                message("gaussian_nll_loss: var has shape ", var.shape(), ", expected ", x.shape(), ", ", with_one, " or ", without_last));
    }
    // the bound is not part of the derivative, as in PyTorch
    variance = variance + clamp_min(options.eps - variance.detach(), 0);
    auto loss = 0.5 * (log(variance) + square(x - target) / variance);
    return headtorch::detail::reduce_loss(options.full ? loss + 0.5 * std::log(2 * std::numbers::pi) : loss, options.reduction);
}

/// Labels 1: x; labels -1: max(0, margin - x).
template <class T, class D, class U, class E>
Tensor<T, D> hinge_embedding_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, MarginLossOptions options = {.margin = 1},
                                  const Here& = Here::call("hinge_embedding_loss")) {
    const OpScope scope("hinge_embedding_loss");
    headtorch::detail::check_target("hinge_embedding_loss", x.shape(), target.shape());
    return headtorch::detail::reduce_loss(where(target != 1, clamp_min(options.margin - x, 0), 0) + where(target != -1, x, 0),
                                          options.reduction);
}

/// log(1 + e^(-target x)), labels 1 and -1.
template <class T, class D, class U, class E>
Tensor<T, D> soft_margin_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, LossOptions options = {},
                              const Here& = Here::call("soft_margin_loss")) {
    const OpScope scope("soft_margin_loss");
    headtorch::detail::check_target("soft_margin_loss", x.shape(), target.shape());
    return headtorch::detail::reduce_loss(-logsigmoid(target * x), options.reduction);
}

/// Cross entropy of each label by itself, labels 0 and 1, mean over the classes [N, C].
template <class T, class D, class U, class E>
Tensor<T, D> multilabel_soft_margin_loss(const Tensor<T, D>& x, const Tensor<U, E>& target,
                                         std::type_identity_t<WeightedLossOptions<T, D>> options = {},
                                         const Here& = Here::call("multilabel_soft_margin_loss")) {
    const OpScope scope("multilabel_soft_margin_loss");
    headtorch::detail::check_target("multilabel_soft_margin_loss", x.shape(), target.shape());
    auto loss = pointwise(formula::BinaryCrossEntropyWithLogits{}, x, target);
    if (options.weight.defined()) loss = loss * options.weight;
    return headtorch::detail::reduce_loss(mean(loss, -1), options.reduction);
}

/// Labels 1: 1 - cos(a, b); labels -1: max(0, cos(a, b) - margin). a and b are [N, d] or [d].
template <class T, class D, class U, class E, class V, class F>
Tensor<T, D> cosine_embedding_loss(const Tensor<T, D>& a, const Tensor<U, E>& b, const Tensor<V, F>& target,
                                   MarginLossOptions options = {.margin = 0}, const Here& = Here::call("cosine_embedding_loss")) {
    const OpScope scope("cosine_embedding_loss");
    headtorch::detail::check_target("cosine_embedding_loss", a.shape(), b.shape());
    if (a.dim() < 1 || target.dim() != a.dim() - 1)
        throw ShapeError(
            message("cosine_embedding_loss: inputs of shape ", a.shape(), " want one label for each row, got ", target.shape()));
    constexpr double eps = 1e-12;  // as in PyTorch
    const auto cosine = sum(a * b, -1) * rsqrt((sum(a * a, -1) + eps) * (sum(b * b, -1) + eps));
    return headtorch::detail::reduce_loss(where(target == 1, 1 - cosine, 0) + where(target == -1, clamp_min(cosine - options.margin, 0), 0),
                                          options.reduction);
}

/// max(0, -target (a - b) + margin): label 1 ranks a above b, -1 below.
template <class T, class D, class U, class E, class V, class F>
Tensor<T, D> margin_ranking_loss(const Tensor<T, D>& a, const Tensor<U, E>& b, const Tensor<V, F>& target,
                                 MarginLossOptions options = {.margin = 0}, const Here& = Here::call("margin_ranking_loss")) {
    const OpScope scope("margin_ranking_loss");
    headtorch::detail::check_target("margin_ranking_loss", a.shape(), b.shape());
    return headtorch::detail::reduce_loss(clamp_min(-target * (a - b) + options.margin, 0), options.reduction);
}

/// Distance of the rows of a and b in the p-norm; `eps` keeps it from 0.
template <class T, class D, class U, class E>
Tensor<T, D> pairwise_distance(const Tensor<T, D>& a, const Tensor<U, E>& b, double p = 2, double eps = 1e-6, bool keepdim = false,
                               const Here& = Here::call("pairwise_distance")) {
    const OpScope scope("pairwise_distance");
    return norm(a - b + eps, p, -1, keepdim);
}

/// max(0, d(anchor, positive) - d(anchor, negative) + margin).
template <class T, class D>
Tensor<T, D> triplet_margin_loss(const Tensor<T, D>& anchor, const Tensor<T, D>& positive, const Tensor<T, D>& negative,
                                 TripletMarginLossOptions options = {}, const Here& = Here::call("triplet_margin_loss")) {
    const OpScope scope("triplet_margin_loss");
    headtorch::detail::check_target("triplet_margin_loss", anchor.shape(), positive.shape());
    headtorch::detail::check_target("triplet_margin_loss", anchor.shape(), negative.shape());
    const auto near = pairwise_distance(anchor, positive, options.p, options.eps);
    auto far = pairwise_distance(anchor, negative, options.p, options.eps);
    if (options.swap) far = minimum(far, pairwise_distance(positive, negative, options.p, options.eps));
    return headtorch::detail::reduce_loss(clamp_min(near - far + options.margin, 0), options.reduction);
}

}  // namespace nn
}  // namespace headtorch
