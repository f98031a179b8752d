// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Losses over classes: nll_loss and cross_entropy, with class labels or with probabilities.

#include <string>
#include <utility>

#include "headtorch/device/cpu/check_index.hpp"
#include "headtorch/device/cpu/classify.hpp"
#include "headtorch/ops/loss.hpp"
#include "headtorch/ops/softmax.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {
namespace detail {

template <class T, class D>
struct LabelTensors {
    Kept<std::int64_t, D> label;
    Kept<T, D> weight;
    std::int64_t classes, ignored;

    Labels<T> get() const { return {label.data(), label.numel(), classes, ignored, weight.defined() ? weight.data() : nullptr}; }
};

HEADTORCH_COLD inline std::string describe_label(const IndexRule& rule, std::int64_t label, std::int64_t position) {
    return message(rule.op, ": label ", label, " at position ", position, " is not one of ", rule.size, " classes (0 to ", rule.size - 1,
                   ")");
}

/// Checks that labels, one for each row of `x` [rows, classes], and class weights fit.
template <class T, class D>
LabelTensors<T, D> checked_labels(const char* op, const Tensor<T, D>& x, const Tensor<std::int64_t, D>& label, const Tensor<T, D>& weight,
                                  std::int64_t ignored) {
    LabelTensors<T, D> labels{detached_contiguous(label), {}, x.shape()[1], ignored};
    if (weight.defined()) {
        if (weight.dim() != 1 || weight.numel() != labels.classes)
            throw ShapeError(message(op, ": the weight has shape ", weight.shape(), ", but there are ", labels.classes, " classes"));
        labels.weight = detached_contiguous(weight);
    }
    check_index(D{}, static_cast<const std::int64_t*>(labels.label.data()), labels.label.numel(),
                IndexRule{.op = op, .size = labels.classes, .describe = describe_label, .has_exempt = true, .exempt = ignored});
    return labels;
}

/// The matrix with -scale * weight at the label of each row, times `g` if that is given: the derivative of the loss by log-probabilities.
template <class T, class D>
Tensor<T, D> pick_matrix(const LabelTensors<T, D>& labels, const Tensor<double, D>& scale, const T* g = nullptr) {
    auto k = empty<T, D>({labels.label.numel(), labels.classes});
    pick_gradient(D{}, labels.get(), static_cast<const double*>(scale.data()), g, k.data());
    return k;
}

/// What the sum of the losses is multiplied with: one number, on the device. (Gradients keep it, but pictures of them need not show it.)
template <class T, class D>
Tensor<double, D> mean_scale(const LabelTensors<T, D>& labels, Reduction reduction) {
    auto scale = empty<double, D>(Shape{});
    loss_scale(D{}, labels.get(), reduction == Reduction::mean, scale.data());
    return scale;
}

/// nll_loss of log-probabilities [rows, classes]; with Reduction::none a loss for each row.
template <class T, class D>
Tensor<T, D> nll_rows(const Tensor<T, D>& log_p, const LabelTensors<T, D>& labels, Reduction reduction) {
    const OpScope scope("nll_loss", {log_p.impl().get()});
    const auto values = detached_contiguous(log_p);
    const bool reduced = reduction != Reduction::none;
    auto y = empty<T, D>(reduced ? Shape{} : Shape{labels.label.numel()});
    auto scale = empty<double, D>(Shape{});
    if (reduced) {
        picked_loss(D{}, static_cast<const T*>(values.data()), labels.get(), reduction == Reduction::mean, scale.data(), y.data());
    } else {
        loss_scale(D{}, labels.get(), false, scale.data());
        negative_picks(D{}, static_cast<const T*>(values.data()), labels.get(), y.data());
    }
    if (!needs_grad(log_p)) return y;
    return record("nll_loss", std::move(y), input(log_p, [labels = labels, scale, reduced](const Tensor<T, D>& g) {
        if (reduced && !GradMode::enabled()) return pick_matrix(labels, scale, static_cast<const T*>(g.data()));
        return pick_matrix(labels, scale) * (reduced ? g : g.unsqueeze(1));
    }));
}

/// cross_entropy of scores [rows, classes] with labels, reduced to one number: log-softmax, pick and mean in one op.
template <class T, class D>
Tensor<T, D> cross_entropy_rows(const Tensor<T, D>& x, const LabelTensors<T, D>& labels, Reduction reduction) {
    const OpScope scope("cross_entropy", {x.impl().get()});
    auto kept = empty<ComputeType<T>, D>({labels.label.numel(), cross_entropy_kept(D{}, labels.classes)});
    auto scale = empty<double, D>(Shape{});
    auto y = empty<T, D>(Shape{});
    const auto scores = detached_contiguous(x);
    cross_entropy_forward(D{}, static_cast<const T*>(scores.data()), labels.get(), reduction == Reduction::mean, kept.data(), scale.data(),
                          y.data());
    if (!needs_grad(x)) return y;
    return record("cross_entropy", std::move(y), input(x, [x = saved(x), kept = Kept(kept), labels = labels,
                                                           scale](const Tensor<T, D>& g) {
        if (GradMode::enabled()) {
            const auto k = pick_matrix(labels, scale);
            return (k - softmax(x(), 1) * sum(k, 1, true)) * g;
        }
        auto dx = empty<T, D>({labels.label.numel(), labels.classes});
        const Tensor<T, D> again = cross_entropy_rereads(D{}) ? detached_contiguous(x()) : Tensor<T, D>();
        cross_entropy_backward(D{}, again.defined() ? static_cast<const T*>(again.data()) : nullptr,
                               static_cast<const ComputeType<T>*>(kept.data()), labels.get(), static_cast<const double*>(scale.data()),
                               static_cast<const T*>(g.data()), dx.data());
        return dx;
    }));
}

/// [N, C, d...] as [N d..., C], or [C] as [1, C].
template <class T, class D>
Tensor<T, D> class_rows(const Tensor<T, D>& x) {
    if (x.dim() == 2) return x;
    if (x.dim() == 1) return x.unsqueeze(0);
    Dims order{0};
    for (int d = 2; d < x.dim(); ++d) order.push_back(d);
    order.push_back(1);
    return x.permute(order).reshape({x.shape()[1] ? x.numel() / x.shape()[1] : 0, x.shape()[1]});
}

inline void check_label_shape(const char* op, const Shape& x, const Shape& label) {
    Shape expected = x;
    if (x.rank() > 0) expected.erase(x.rank() == 1 ? 0 : 1);
    if (x.rank() == 0 || !(expected == label))
        throw ShapeError(message(op, ": the labels of scores ", x, " (batch, classes, ...) have shape ", expected, ", got ", label));
}

}  // namespace detail

namespace nn {

template <class T, class D>
struct NLLLossOptions {
    Tensor<T, D> weight = {};         ///< of each class
    std::int64_t ignore_index = -100; ///< rows with this label do not count
    Reduction reduction = Reduction::mean;
};
template <class T, class D>
struct CrossEntropyOptions {
    Tensor<T, D> weight = {};
    std::int64_t ignore_index = -100;
    Reduction reduction = Reduction::mean;
    double label_smoothing = 0;       ///< share of the probability that is spread over all classes
};

/// Negative log-likelihood: `x` holds log-probabilities [N, C, ...], `target` class labels [N, ...].
template <Floating T, class D, class E>
Tensor<T, D> nll_loss(const Tensor<T, D>& x, const Tensor<std::int64_t, E>& target,
                      std::type_identity_t<NLLLossOptions<T, D>> options = {}, const Here& = Here::call("nll_loss")) {
    const OpScope scope("nll_loss");
    headtorch::detail::require_same<T, D, T, E>();
    headtorch::detail::check_label_shape("nll_loss", x.shape(), target.shape());
    const auto rows = headtorch::detail::class_rows(x);
    const auto labels = headtorch::detail::checked_labels("nll_loss", rows, target, options.weight, options.ignore_index);
    const auto loss = headtorch::detail::nll_rows(rows, labels, options.reduction);
    return options.reduction == Reduction::none ? loss.reshape(target.shape()) : loss;
}

/// Scores `x` [N, C, ...] against class labels [N, ...].
template <Floating T, class D, class E>
Tensor<T, D> cross_entropy(const Tensor<T, D>& x, const Tensor<std::int64_t, E>& target,
                           std::type_identity_t<CrossEntropyOptions<T, D>> options = {}, const Here& = Here::call("cross_entropy")) {
    const OpScope scope("cross_entropy");
    headtorch::detail::require_same<T, D, T, E>();
    headtorch::detail::check_label_shape("cross_entropy", x.shape(), target.shape());
    const double eps = options.label_smoothing;
    if (!(eps >= 0 && eps <= 1)) throw ValueError(message("cross_entropy: label_smoothing must be between 0 and 1, but is ", eps));
    const auto rows = headtorch::detail::class_rows(x);
    const auto labels = headtorch::detail::checked_labels("cross_entropy", rows, target, options.weight, options.ignore_index);
    if (eps == 0 && options.reduction != Reduction::none) return headtorch::detail::cross_entropy_rows(rows, labels, options.reduction);

    const auto log_p = log_softmax(rows, 1);
    auto loss = headtorch::detail::nll_rows(log_p, labels, options.reduction);
    if (eps > 0) {
        // the other part spreads over all classes of the rows that count
        const auto counted = (target.reshape({-1}) != options.ignore_index).template to<T>();
        auto spread = -sum(options.weight.defined() ? log_p * options.weight : log_p, 1) * counted;
        if (options.reduction != Reduction::none)
            spread = sum(spread) * headtorch::detail::mean_scale(labels, options.reduction).template to<T>();
        loss = loss * (1 - eps) + spread * (eps / static_cast<double>(labels.classes));
    }
    return options.reduction == Reduction::none ? loss.reshape(target.shape()) : loss;
}

/// Scores `x` [N, C, ...] against probabilities of the same shape.
template <Floating T, class D, class E>
Tensor<T, D> cross_entropy(const Tensor<T, D>& x, const Tensor<T, E>& target,
                           std::type_identity_t<CrossEntropyOptions<T, D>> options = {}, const Here& = Here::call("cross_entropy")) {
    const OpScope scope("cross_entropy");
    headtorch::detail::require_same<T, D, T, E>();
    headtorch::detail::check_target("cross_entropy", x.shape(), target.shape());
    if (x.dim() == 0) throw ShapeError("cross_entropy: the scores need a dimension of classes");
    const double eps = options.label_smoothing;
    if (!(eps >= 0 && eps <= 1)) throw ValueError(message("cross_entropy: label_smoothing must be between 0 and 1, but is ", eps));
    const int dim = x.dim() == 1 ? 0 : 1;
    const auto classes = static_cast<double>(x.shape()[dim]);
    const auto p = eps > 0 ? target * (1 - eps) + eps / classes : target;
    auto terms = log_softmax(x, dim) * p;
    if (options.weight.defined()) {
        if (options.weight.dim() != 1 || options.weight.numel() != x.shape()[dim])
            throw ShapeError(
                message("cross_entropy: the weight has shape ", options.weight.shape(), ", but there are ", x.shape()[dim], " classes"));
        Shape along = IntList::filled(x.dim(), 1);
        along[dim] = options.weight.numel();
        terms = terms * options.weight.reshape(along);
    }
    return headtorch::detail::reduce_loss(-sum(terms, dim), options.reduction);
}

}  // namespace nn
}  // namespace headtorch
