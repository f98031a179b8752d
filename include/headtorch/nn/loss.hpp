// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The losses as modules: `nn::CrossEntropyLoss<> criterion({.label_smoothing = 0.1}); auto loss = criterion(net(x), y);`

#include <string>
#include <utility>

#include "headtorch/nn/module.hpp"
#include "headtorch/nn/parameter.hpp"
#include "headtorch/ops/loss.hpp"
#include "headtorch/ops/loss_class.hpp"
#include "headtorch/ops/loss_more.hpp"

namespace headtorch::nn {

struct MSELoss : Module<MSELoss> {
    LossOptions options;
    explicit MSELoss(LossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return mse_loss(x, target, options); }
};
struct L1Loss : Module<L1Loss> {
    LossOptions options;
    explicit L1Loss(LossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return l1_loss(x, target, options); }
};
struct SmoothL1Loss : Module<SmoothL1Loss> {
    SmoothL1LossOptions options;
    explicit SmoothL1Loss(SmoothL1LossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return smooth_l1_loss(x, target, options); }
};
struct HuberLoss : Module<HuberLoss> {
    HuberLossOptions options;
    explicit HuberLoss(HuberLossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return huber_loss(x, target, options); }
};
struct SoftMarginLoss : Module<SoftMarginLoss> {
    LossOptions options;
    explicit SoftMarginLoss(LossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return soft_margin_loss(x, target, options); }
};
struct KLDivLoss : Module<KLDivLoss> {
    KLDivLossOptions options;
    explicit KLDivLoss(KLDivLossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return kl_div(x, target, options); }
};
struct PoissonNLLLoss : Module<PoissonNLLLoss> {
    PoissonNLLLossOptions options;
    explicit PoissonNLLLoss(PoissonNLLLossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return poisson_nll_loss(x, target, options); }
};
struct GaussianNLLLoss : Module<GaussianNLLLoss> {
    GaussianNLLLossOptions options;
    explicit GaussianNLLLoss(GaussianNLLLossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target, const auto& var) const { return gaussian_nll_loss(x, target, var, options); }
};
struct HingeEmbeddingLoss : Module<HingeEmbeddingLoss> {
    MarginLossOptions options;
    explicit HingeEmbeddingLoss(MarginLossOptions o = {.margin = 1}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x, const auto& target) const { return hinge_embedding_loss(x, target, options); }
};
struct CosineEmbeddingLoss : Module<CosineEmbeddingLoss> {
    MarginLossOptions options;
    explicit CosineEmbeddingLoss(MarginLossOptions o = {.margin = 0}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& a, const auto& b, const auto& target) const { return cosine_embedding_loss(a, b, target, options); }
};
struct MarginRankingLoss : Module<MarginRankingLoss> {
    MarginLossOptions options;
    explicit MarginRankingLoss(MarginLossOptions o = {.margin = 0}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& a, const auto& b, const auto& target) const { return margin_ranking_loss(a, b, target, options); }
};
struct TripletMarginLoss : Module<TripletMarginLoss> {
    TripletMarginLossOptions options;
    explicit TripletMarginLoss(TripletMarginLossOptions o = {}) : options(o) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& anchor, const auto& positive, const auto& negative) const {
        return triplet_margin_loss(anchor, positive, negative, options);
    }
};

namespace detail {
/// The weights of a loss are state, as in PyTorch, where they are buffers; without weights there is none.
template <class T, class D>
Buffer<T, D> weight_buffer(const Tensor<T, D>& weight) {
    return weight.defined() ? Buffer<T, D>(weight) : Buffer<T, D>();
}
}  // namespace detail

template <class T = float, class D = DefaultDevice>
struct BCELoss : Module<BCELoss<T, D>> {
    Buffer<T, D> weight;
    Reduction reduction;
    explicit BCELoss(WeightedLossOptions<T, D> o = {}) : weight(detail::weight_buffer(o.weight)), reduction(o.reduction) {}
    auto fields() { return nn::fields("weight", weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<T, D>& target) const {
        return binary_cross_entropy(x, target, {weight, reduction});
    }
};
template <class T = float, class D = DefaultDevice>
struct BCEWithLogitsLoss : Module<BCEWithLogitsLoss<T, D>> {
    Buffer<T, D> weight, pos_weight;
    Reduction reduction;
    explicit BCEWithLogitsLoss(LogitsLossOptions<T, D> o = {})
        : weight(detail::weight_buffer(o.weight)), pos_weight(detail::weight_buffer(o.pos_weight)), reduction(o.reduction) {}
    auto fields() { return nn::fields("weight", weight, "pos_weight", pos_weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<T, D>& target) const {
        return binary_cross_entropy_with_logits(x, target, {weight, reduction, pos_weight});
    }
};
template <class T = float, class D = DefaultDevice>
struct MultiLabelSoftMarginLoss : Module<MultiLabelSoftMarginLoss<T, D>> {
    Buffer<T, D> weight;
    Reduction reduction;
    explicit MultiLabelSoftMarginLoss(WeightedLossOptions<T, D> o = {}) : weight(detail::weight_buffer(o.weight)), reduction(o.reduction) {}
    auto fields() { return nn::fields("weight", weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<T, D>& target) const {
        return multilabel_soft_margin_loss(x, target, {weight, reduction});
    }
};
template <class T = float, class D = DefaultDevice>
struct NLLLoss : Module<NLLLoss<T, D>> {
    Buffer<T, D> weight;
    std::int64_t ignore_index;
    Reduction reduction;
    explicit NLLLoss(NLLLossOptions<T, D> o = {})
        : weight(detail::weight_buffer(o.weight)), ignore_index(o.ignore_index), reduction(o.reduction) {}
    auto fields() { return nn::fields("weight", weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<std::int64_t, D>& target) const {
        return nll_loss(x, target, {weight, ignore_index, reduction});
    }
};
/// The target is class labels (int64) or probabilities.
template <class T = float, class D = DefaultDevice>
struct CrossEntropyLoss : Module<CrossEntropyLoss<T, D>> {
    Buffer<T, D> weight;
    std::int64_t ignore_index;
    Reduction reduction;
    double label_smoothing;
    explicit CrossEntropyLoss(CrossEntropyOptions<T, D> o = {})
        : weight(detail::weight_buffer(o.weight)),
          ignore_index(o.ignore_index),
          reduction(o.reduction),
          label_smoothing(o.label_smoothing) {}
    auto fields() { return nn::fields("weight", weight); }
    Tensor<T, D> forward(const Tensor<T, D>& x, const auto& target) const {
        return cross_entropy(x, target, {weight, ignore_index, reduction, label_smoothing});
    }
};

}  // namespace headtorch::nn
