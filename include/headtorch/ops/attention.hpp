// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Scaled dot-product attention: softmax(q k^T / sqrt(E) + mask) v.
/// After A. Vaswani et al., "Attention Is All You Need" (2017).

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "headtorch/ops/arrange.hpp"
#include "headtorch/ops/dropout.hpp"
#include "headtorch/ops/matmul.hpp"
#include "headtorch/ops/softmax.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {

/// A mask over the scores [..., L, S], or nothing: numbers are added to them; the meaning of truth values is the op's that takes them.
template <class T = float, class D = DefaultDevice>
struct AttentionMask {
    Tensor<T, D> added;
    Tensor<bool, D> truth;

    AttentionMask() = default;
    AttentionMask(const Tensor<T, D>& numbers) : added(numbers) {}
    AttentionMask(const Tensor<bool, D>& values) : truth(values) {}
    bool defined() const { return added.defined() || truth.defined(); }
};

template <class T = float, class D = DefaultDevice>
struct AttentionOptions {
    AttentionMask<T, D> attn_mask{};  ///< truth values: true takes part
    double dropout_p = 0;             ///< of the weights; applied whenever it is not zero
    bool is_causal = false;           ///< position i sees positions 0 … i
    std::optional<double> scale{};    ///< 1/sqrt(E) when not given
};

namespace detail {

/// softmax over the last dimension of the scores where `keep` is true (everywhere if undefined); rows of which nothing is kept give zeros.
template <class T, class D>
Tensor<T, D> masked_softmax(const Tensor<T, D>& scores, const Tensor<bool, D>& keep) {
    if (!keep.defined()) return softmax(scores, -1);
    // such a row keeps its scores at first: from nothing but -inf comes NaN, forward and backward
    const Tensor<bool, D> some = any(keep, -1, true);
    return where(some, softmax(where(keep | !some, scores, -std::numeric_limits<T>::infinity()), -1), 0);
}

/// The weights [..., L, S] with which the values are summed.
template <class T, class D>
Tensor<T, D> attention_weights(const Tensor<T, D>& q, const Tensor<T, D>& k, const AttentionOptions<T, D>& o) {
    const std::int64_t L = q.size(-2), S = k.size(-2);
    const double scale = o.scale ? *o.scale : 1 / std::sqrt(static_cast<double>(q.size(-1)));
    Tensor<T, D> scores = matmul(q * scale, k.transpose(-2, -1));
    if (o.attn_mask.added.defined()) scores = scores + o.attn_mask.added;
    Tensor<bool, D> keep = o.attn_mask.truth;
    if (o.is_causal) keep = tril(full<bool, D>({L, S}, true));
    const Tensor<T, D> weights = masked_softmax(scores, keep);
    return o.dropout_p > 0 ? dropout(weights, o.dropout_p, true) : weights;
}

}  // namespace detail

/// Attention of queries [..., L, E] to keys [..., S, E] and their values [..., S, Ev]: [..., L, Ev]. Leading dimensions broadcast.
template <class T, class D>
Tensor<T, D> scaled_dot_product_attention(const Tensor<T, D>& query, const Tensor<T, D>& key, const Tensor<T, D>& value,
                                          const std::type_identity_t<AttentionOptions<T, D>>& options = {},
                                          const Here& = Here::call("scaled_dot_product_attention")) {
    constexpr const char* op = "scaled_dot_product_attention";
    const OpScope scope(op);
    static_assert(Floating<T>, "headtorch: scaled_dot_product_attention: needs tensors of float or double: write x.to<float>() first");
    if (query.dim() < 2 || key.dim() < 2 || value.dim() < 2 || query.size(-1) != key.size(-1) || key.size(-2) != value.size(-2))
        throw ShapeError(message(op, ": needs query [..., L, E], key [..., S, E] and value [..., S, Ev], got ", query.shape(), ", ",
                                 key.shape(), " and ", value.shape()));
    if (options.is_causal && options.attn_mask.defined()) throw ValueError(message(op, ": give attn_mask or is_causal, not both"));
    return matmul(detail::attention_weights(query, key, options), value);
}

}  // namespace headtorch
