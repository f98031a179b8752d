// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the losses have in common, and the losses over numbers: mean squared error, cross entropy of probabilities, and so on.

#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

#include "headtorch/ops/activation.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/where.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {

/// What becomes of the losses of a batch: `batchmean` is the sum divided by the size of dimension 0 (kl_div only).
enum class Reduction { none, mean, sum, batchmean };

struct LossOptions {
    Reduction reduction = Reduction::mean;
};

namespace detail {

template <class T, class D>
Tensor<T, D> reduce_loss(const Tensor<T, D>& loss, Reduction reduction) {
    switch (reduction) {
        case Reduction::none: return loss;
        case Reduction::mean: return mean(loss);
        case Reduction::sum: return sum(loss);
        default: return sum(loss) / (loss.dim() ? loss.size(0) : 1);
    }
}

/// PyTorch broadcasts here and warns; a loss over [n, n] instead of [n, 1] against [n] is a mistake nearly always.
inline void check_target(const char* op, const Shape& input, const Shape& target) {
    if (!(input == target))
        throw ShapeError(message(op, ": the input has shape ", input, ", the target ", target,
                                 "; give both the same, for example with target.unsqueeze(1) or input.squeeze(1)"));
}

}  // namespace detail

namespace formula {

struct SquaredError {
    static constexpr const char* name = "mse_loss";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) {
        const auto d = a - b;
        return d * d;
    }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) { return std::tuple(2 * (a - b), 2 * (b - a)); }
};
struct AbsoluteError {
    static constexpr const char* name = "l1_loss";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return math::abs(a - b); }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) { return std::tuple(math::sign(a - b), math::sign(b - a)); }
};
/// d² / 2 near 0, delta |d| - delta² / 2 beyond delta; divided by delta for smooth_l1_loss.
struct Huber {
    static constexpr const char* name = "huber_loss";
    static constexpr Keep keep = Keep::inputs;
    double delta, scale;
    constexpr auto value(const auto& a, const auto& b) const {
        const auto d = math::abs(a - b);
        return scale * math::where(d < delta, 0.5 * (d * d), delta * (d - 0.5 * delta));
    }
    constexpr auto slopes(const auto& a, const auto& b, const auto&) const {
        const auto d = a - b;
        const auto slope = scale * math::where(math::abs(d) < delta, d, delta * math::sign(d));
        return std::tuple(slope, -slope);
    }
};
/// -(t log p + (1 - t) log(1 - p)), the logarithms not below -100
struct BinaryCrossEntropy {
    static constexpr const char* name = "binary_cross_entropy";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto bounded(const auto& log) { return math::maximum(log, math::constant(log, -100)); }
    static constexpr auto value(const auto& p, const auto& t) { return (t - 1) * bounded(math::log1p(-p)) - t * bounded(math::log(p)); }
    static constexpr auto slopes(const auto& p, const auto& t, const auto&) {
        return std::tuple((p - t) / math::maximum(p * (1 - p), math::constant(p, 1e-12f)),
                          bounded(math::log1p(-p)) - bounded(math::log(p)));
    }
};
/// Is p between 0 and 1?
struct IsProbability {
    constexpr auto operator()(const auto& p) const { return (p >= 0) & (p <= 1); }
};
/// (1 - t) x + log(1 + e^-x)
struct BinaryCrossEntropyWithLogits {
    static constexpr const char* name = "binary_cross_entropy_with_logits";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x, const auto& t) { return (1 - t) * x + log_one_plus_exp(-x); }
    static constexpr auto slopes(const auto& x, const auto& t, const auto&) { return std::tuple(math::sigmoid(x) - t, -x); }
};
/// (1 - t) x + (1 + (w - 1) t) log(1 + e^-x): positive labels count w times
struct WeightedBinaryCrossEntropyWithLogits {
    static constexpr const char* name = "binary_cross_entropy_with_logits";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& x, const auto& t, const auto& w) {
        return (1 - t) * x + (1 + (w - 1) * t) * log_one_plus_exp(-x);
    }
    static constexpr auto slopes(const auto& x, const auto& t, const auto& w, const auto&) {
        const auto l = log_one_plus_exp(-x);
        return std::tuple((1 - t) - (1 + (w - 1) * t) * math::sigmoid(-x), (w - 1) * l - x, t * l);
    }
};

}  // namespace formula

namespace nn {

template <class T, class D>
struct WeightedLossOptions {
    Tensor<T, D> weight = {};  ///< multiplies each loss; broadcasts
    Reduction reduction = Reduction::mean;
};
template <class T, class D>
struct LogitsLossOptions {
    Tensor<T, D> weight = {};
    Reduction reduction = Reduction::mean;
    Tensor<T, D> pos_weight = {};  ///< multiplies the losses of positive labels
};
struct SmoothL1LossOptions {
    Reduction reduction = Reduction::mean;
    double beta = 1;
};
struct HuberLossOptions {
    Reduction reduction = Reduction::mean;
    double delta = 1;
};

/// (x - target)².
template <class T, class D, class U, class E>
Tensor<T, D> mse_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, LossOptions options = {}, const Here& = Here::call("mse_loss")) {
    const OpScope scope("mse_loss");
    headtorch::detail::check_target("mse_loss", x.shape(), target.shape());
    return headtorch::detail::reduce_loss(pointwise(formula::SquaredError{}, x, target), options.reduction);
}

/// |x - target|.
template <class T, class D, class U, class E>
Tensor<T, D> l1_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, LossOptions options = {}, const Here& = Here::call("l1_loss")) {
    const OpScope scope("l1_loss");
    headtorch::detail::check_target("l1_loss", x.shape(), target.shape());
    return headtorch::detail::reduce_loss(pointwise(formula::AbsoluteError{}, x, target), options.reduction);
}

template <class T, class D, class U, class E>
Tensor<T, D> smooth_l1_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, SmoothL1LossOptions options = {},
                            const Here& = Here::call("smooth_l1_loss")) {
    const OpScope scope("smooth_l1_loss");
    headtorch::detail::check_target("smooth_l1_loss", x.shape(), target.shape());
    if (!(options.beta >= 0)) throw ValueError(message("smooth_l1_loss: beta must not be negative, but is ", options.beta));
    if (options.beta == 0) return l1_loss(x, target, {options.reduction});
    return headtorch::detail::reduce_loss(pointwise(formula::Huber{options.beta, 1 / options.beta}, x, target), options.reduction);
}

template <class T, class D, class U, class E>
Tensor<T, D> huber_loss(const Tensor<T, D>& x, const Tensor<U, E>& target, HuberLossOptions options = {},
                        const Here& = Here::call("huber_loss")) {
    const OpScope scope("huber_loss");
    headtorch::detail::check_target("huber_loss", x.shape(), target.shape());
    if (!(options.delta > 0)) throw ValueError(message("huber_loss: delta must be positive, but is ", options.delta));
    return headtorch::detail::reduce_loss(pointwise(formula::Huber{options.delta, 1}, x, target), options.reduction);
}

/// x are probabilities: outside [0, 1] (or NaN) they throw ValueError.
template <class T, class D, class U, class E>
Tensor<T, D> binary_cross_entropy(const Tensor<T, D>& x, const Tensor<U, E>& target,
                                  std::type_identity_t<WeightedLossOptions<T, D>> options = {},
                                  const Here& = Here::call("binary_cross_entropy")) {
    const OpScope scope("binary_cross_entropy");
    headtorch::detail::check_target("binary_cross_entropy", x.shape(), target.shape());
    if (!headtorch::detail::map_new<bool>("binary_cross_entropy", formula::IsProbability{}, x).all().item())
        throw ValueError(
            "binary_cross_entropy: all elements of input should be between 0 and 1; for raw scores use binary_cross_entropy_with_logits");
    auto loss = pointwise(formula::BinaryCrossEntropy{}, x, target);
    return headtorch::detail::reduce_loss(options.weight.defined() ? loss * options.weight : loss, options.reduction);
}

/// x are scores; the same as binary_cross_entropy(sigmoid(x), target), but accurate everywhere.
template <class T, class D, class U, class E>
Tensor<T, D> binary_cross_entropy_with_logits(const Tensor<T, D>& x, const Tensor<U, E>& target,
                                              std::type_identity_t<LogitsLossOptions<T, D>> options = {},
                                              const Here& = Here::call("binary_cross_entropy_with_logits")) {
    const OpScope scope("binary_cross_entropy_with_logits");
    headtorch::detail::check_target("binary_cross_entropy_with_logits", x.shape(), target.shape());
    auto loss = options.pos_weight.defined() ? pointwise(formula::WeightedBinaryCrossEntropyWithLogits{}, x, target, options.pos_weight)
                                             : pointwise(formula::BinaryCrossEntropyWithLogits{}, x, target);
    return headtorch::detail::reduce_loss(options.weight.defined() ? loss * options.weight : loss, options.reduction);
}

}  // namespace nn
}  // namespace headtorch
