// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Attention with several heads, and the transformer's encoder. After A. Vaswani et al., "Attention Is All You Need" (2017).

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/nn/dropout.hpp"
#include "headtorch/nn/linear.hpp"
#include "headtorch/nn/norm.hpp"
#include "headtorch/ops/activation.hpp"
#include "headtorch/ops/linear_relu.hpp"
#include "headtorch/ops/attention.hpp"
#include "headtorch/ops/join.hpp"

namespace headtorch::nn {

using headtorch::scaled_dot_product_attention;

struct MultiheadAttentionOptions {
    double dropout = 0;  ///< of the attention weights, in training
    bool bias = true, add_bias_kv = false, add_zero_attn = false;
    std::int64_t kdim = 0, vdim = 0;  ///< features of keys and values; 0: those of the queries
    bool batch_first = false;
};

/// What one call of MultiheadAttention may be given. As in PyTorch, true in a mask keeps a position out.
template <class T = float, class D = DefaultDevice>
struct AttentionCall {
    Tensor<bool, D> key_padding_mask{};  ///< [batch, S]
    bool need_weights = true;
    AttentionMask<T, D> attn_mask{};   ///< [L, S] or [batch * heads, L, S]
    bool average_attn_weights = true;  ///< weights [batch, L, S], else [batch, heads, L, S]
    bool is_causal = false;            ///< position i sees positions 0 … i
};

/// Several heads of attention side by side. Called with query [L, batch, embed_dim], key [S, batch, kdim] and value [S, batch, vdim], with
/// batch_first [batch, L, embed_dim] and so on, or without a batch; gives the output like the query, and the weights (undefined unless
/// they are needed).
template <class T = float, class D = DefaultDevice>
class MultiheadAttention : public Module<MultiheadAttention<T, D>> {
public:
    MultiheadAttention(std::int64_t embed, std::int64_t heads, const MultiheadAttentionOptions& o = {})
        : embed_dim(embed), num_heads(heads), options(o), out_proj(embed, embed, o.bias) {
        if (embed <= 0 || heads <= 0 || embed % heads != 0)
            throw ValueError(
                message("MultiheadAttention: embed_dim must be a positive multiple of num_heads, got ", embed, " and ", heads));
        if (!(o.dropout >= 0 && o.dropout <= 1))
            throw ValueError(message("MultiheadAttention: dropout is a probability from 0 to 1, got ", o.dropout));
        if (options.kdim == 0) options.kdim = embed;
        if (options.vdim == 0) options.vdim = embed;
        const auto matrix = [](std::int64_t rows, std::int64_t cols) { return Parameter<T, D>(empty<T, D>({rows, cols})); };
        if (same_sizes()) {
            in_proj_weight = matrix(3 * embed, embed);
        } else {
            q_proj_weight = matrix(embed, embed);
            k_proj_weight = matrix(embed, options.kdim);
            v_proj_weight = matrix(embed, options.vdim);
        }
        if (o.bias) in_proj_bias = Parameter<T, D>(empty<T, D>({3 * embed}));
        if (o.add_bias_kv) {
            bias_k = Parameter<T, D>(empty<T, D>({1, 1, embed}));
            bias_v = Parameter<T, D>(empty<T, D>({1, 1, embed}));
        }
        reset_projections(default_generator());
    }

    Parameter<T, D> in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, bias_k, bias_v;
    std::int64_t embed_dim, num_heads;
    MultiheadAttentionOptions options;
    Linear<T, D> out_proj;
    bool training = true;

    void reset_parameters(Generator& generator = default_generator()) {
        out_proj.reset_parameters(generator);
        reset_projections(generator);
    }

    /// Module's, with types, so that braces can name what is given: `attention(x, x, x, {.need_weights = false})`.
    std::pair<Tensor<T, D>, Tensor<T, D>> operator()(const Tensor<T, D>& query, const Tensor<T, D>& key, const Tensor<T, D>& value,
                                                     const AttentionCall<T, D>& call = {}) const {
        return Module<MultiheadAttention>::operator()(query, key, value, call);
    }
    std::pair<Tensor<T, D>, Tensor<T, D>> forward(const Tensor<T, D>& query, const Tensor<T, D>& key, const Tensor<T, D>& value,
                                                  const AttentionCall<T, D>& call = {}) const {
        const bool batched = query.dim() == 3;
        if ((query.dim() != 2 && !batched) || key.dim() != query.dim() || value.dim() != query.dim())
            throw ShapeError(message("multihead_attention: query, key and value have 3 dimensions, or 2 without a batch; got ",
                                     query.shape(), ", ", key.shape(), " and ", value.shape()));
        const auto steps_first = [&](const Tensor<T, D>& x) {  // [steps, batch, features]
            return !batched ? x.unsqueeze(1) : options.batch_first ? x.transpose(0, 1) : x;
        };
        const Tensor<T, D> q = steps_first(query), k = steps_first(key), v = steps_first(value);
        if (q.size(2) != embed_dim || k.size(2) != options.kdim || v.size(2) != options.vdim || k.size(0) != v.size(0) ||
            k.size(1) != q.size(1) || v.size(1) != q.size(1))
            throw ShapeError(message("multihead_attention: with embed_dim ", embed_dim, ", kdim ", options.kdim, ", vdim ", options.vdim,
                                     ", query ", query.shape(), ", key ", key.shape(), " and value ", value.shape(), " do not fit"));
        auto [y, weights] = attend(q, k, v, call);
        if (!batched) return {y.squeeze(1), weights.defined() ? weights.squeeze(0) : weights};
        return {options.batch_first ? y.transpose(0, 1) : y, weights};
    }

    auto fields() {
        return nn::fields("in_proj_weight", in_proj_weight, "q_proj_weight", q_proj_weight, "k_proj_weight", k_proj_weight, "v_proj_weight",
                          v_proj_weight, "in_proj_bias", in_proj_bias, "bias_k", bias_k, "bias_v", bias_v, "out_proj", out_proj);
    }

private:
    bool same_sizes() const { return options.kdim == embed_dim && options.vdim == embed_dim; }

    void reset_projections(Generator& generator) {
        for (Parameter<T, D>* p : {&in_proj_weight, &q_proj_weight, &k_proj_weight, &v_proj_weight})
            if (p->defined()) init::xavier_uniform_(*p, 1, generator);
        if (in_proj_bias.defined()) {
            init::zeros_(in_proj_bias);
            init::zeros_(out_proj.bias);
        }
        if (bias_k.defined()) {
            init::xavier_normal_(bias_k, 1, generator);
            init::xavier_normal_(bias_v, 1, generator);
        }
    }

    /// q, k, v each [steps, batch, embed_dim].
    std::array<Tensor<T, D>, 3> project(const Tensor<T, D>& q, const Tensor<T, D>& k, const Tensor<T, D>& v) const {
        const auto bias = [&](std::int64_t i) {
            return in_proj_bias.defined() ? in_proj_bias.narrow(0, i * embed_dim, embed_dim) : Tensor<T, D>();
        };
        if (!same_sizes()) return {linear(q, q_proj_weight, bias(0)), linear(k, k_proj_weight, bias(1)), linear(v, v_proj_weight, bias(2))};
        if (q.is_same(k) && k.is_same(v)) {  // one product for all three
            const auto parts = headtorch::chunk(linear(q, in_proj_weight, in_proj_bias), 3, -1);
            return {parts[0], parts[1], parts[2]};
        }
        const auto weight = [&](std::int64_t i) { return in_proj_weight.narrow(0, i * embed_dim, embed_dim); };
        return {linear(q, weight(0), bias(0)), linear(k, weight(1), bias(1)), linear(v, weight(2), bias(2))};
    }

    std::pair<Tensor<T, D>, Tensor<T, D>> attend(const Tensor<T, D>& query, const Tensor<T, D>& key, const Tensor<T, D>& value,
                                                 const AttentionCall<T, D>& call) const {
        auto [q, k, v] = project(query, key, value);
        const std::int64_t L = q.size(0), batch = q.size(1), head = embed_dim / num_heads, given = k.size(0);
        if (bias_k.defined()) {
            k = cat({k, bias_k.expand({1, batch, embed_dim})}, 0);
            v = cat({v, bias_v.expand({1, batch, embed_dim})}, 0);
        }
        const auto heads = [&](const Tensor<T, D>& x) {  // [batch, heads, steps, head]
            return x.reshape({x.size(0), batch, num_heads, head}).permute({1, 2, 0, 3});
        };
        q = heads(q);
        k = heads(k);
        v = heads(v);
        if (options.add_zero_attn) {
            const auto none = zeros<T, D>({batch, num_heads, 1, head});
            k = cat({k, none}, 2);
            v = cat({v, none}, 2);
        }
        AttentionOptions<T, D> o{.dropout_p = training ? options.dropout : 0};
        o.attn_mask = mask(call, L, batch, given, k.size(2));
        const Tensor<T, D> weights = headtorch::detail::attention_weights(q, k, o);
        const Tensor<T, D> y = matmul(weights, v).permute({2, 0, 1, 3}).reshape({L, batch, embed_dim});
        Tensor<T, D> shown;
        if (call.need_weights) shown = call.average_attn_weights ? mean(weights, 1) : weights;
        return {out_proj(y), shown};
    }

    /// The masks of a call as one over scores [batch, heads, L, S]; positions that this layer adds to the `given` ones are always seen.
    AttentionMask<T, D> mask(const AttentionCall<T, D>& call, std::int64_t L, std::int64_t batch, std::int64_t given,
                             std::int64_t S) const {
        AttentionMask<T, D> result;
        const auto fit = [&]<class U>(const Tensor<U, D>& m, U nothing) {
            const bool whole = m.dim() == 3;
            if ((m.dim() != 2 && !whole) || m.size(-1) != given || m.size(-2) != L || (whole && m.size(0) != batch * num_heads))
                throw ShapeError(message("multihead_attention: attn_mask is [", L, ", ", given, "] or [", batch * num_heads, ", ", L, ", ",
                                         given, "], got ", m.shape()));
            const Tensor<U, D> split = whole ? m.reshape({batch, num_heads, L, given}) : m;
            if (given == S) return split;
            Shape more = split.shape();
            more[more.rank() - 1] = S - given;
            return cat({split, full<U, D>(more, nothing)}, -1);
        };
        if (call.attn_mask.added.defined()) result.added = fit(call.attn_mask.added, T{0});
        const auto keep = [&](const Tensor<bool, D>& also) { result.truth = result.truth.defined() ? result.truth & also : also; };
        if (call.attn_mask.truth.defined()) keep(!fit(call.attn_mask.truth, false));
        if (call.is_causal) keep(fit(tril(full<bool, D>({L, given}, true)), true));
        if (call.key_padding_mask.defined()) {
            const Tensor<bool, D> padding = call.key_padding_mask.dim() == 1 ? call.key_padding_mask.unsqueeze(0) : call.key_padding_mask;
            if (!(padding.shape() == Shape{batch, given}))
                throw ShapeError(
                    message("multihead_attention: key_padding_mask is [", batch, ", ", given, "], got ", call.key_padding_mask.shape()));
            const Tensor<bool, D> seen = (!padding).reshape({batch, 1, 1, given});
            keep(given == S ? seen : cat({seen, full<bool, D>({batch, 1, 1, S - given}, true)}, -1));
        }
        return result;
    }
};

struct TransformerEncoderLayerOptions {
    std::int64_t dim_feedforward = 2048;
    double dropout = 0.1;
    bool gelu = false;  ///< in place of relu
    double layer_norm_eps = 1e-5;
    bool batch_first = false, norm_first = false, bias = true;
};

/// Self-attention, then two linear layers, each added to its input and normalised.
template <class T = float, class D = DefaultDevice>
class TransformerEncoderLayer : public Module<TransformerEncoderLayer<T, D>> {
public:
    TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead, const TransformerEncoderLayerOptions& o = {})
        : self_attn(d_model, nhead, {.dropout = o.dropout, .bias = o.bias, .batch_first = o.batch_first}),
          linear1(d_model, o.dim_feedforward, o.bias),
          dropout(o.dropout),
          linear2(o.dim_feedforward, d_model, o.bias),
          norm1({d_model}, o.layer_norm_eps, true, o.bias),
          norm2({d_model}, o.layer_norm_eps, true, o.bias),
          dropout1(o.dropout),
          dropout2(o.dropout),
          options(o) {}

    MultiheadAttention<T, D> self_attn;
    Linear<T, D> linear1;
    Dropout dropout;
    Linear<T, D> linear2;
    LayerNorm<T, D> norm1, norm2;
    Dropout dropout1, dropout2;
    TransformerEncoderLayerOptions options;

    Tensor<T, D> operator()(const Tensor<T, D>& src, const AttentionMask<T, D>& src_mask = {},
                            const Tensor<bool, D>& src_key_padding_mask = {}, bool is_causal = false) {
        return Module<TransformerEncoderLayer>::operator()(src, src_mask, src_key_padding_mask, is_causal);
    }
    /// In a mask, true keeps a position out, and numbers are added to the scores.
    Tensor<T, D> forward(const Tensor<T, D>& src, const AttentionMask<T, D>& src_mask = {},
                         const Tensor<bool, D>& src_key_padding_mask = {}, bool is_causal = false) {
        const auto attention = [&](const Tensor<T, D>& x) {
            return dropout1(
                self_attn(
                    x, x, x,
                    AttentionCall<T, D>{
                        .key_padding_mask = src_key_padding_mask, .need_weights = false, .attn_mask = src_mask, .is_causal = is_causal})
                    .first);
        };
        const auto feed_forward = [&](const Tensor<T, D>& x) {
            // one op, unless somebody wants to see linear1's own result
            const auto relu_of_linear1 = [&] {
                return ModuleObserver::any() ? relu(linear1(x)) : linear_relu(x, linear1.weight, linear1.bias);
            };
            return dropout2(linear2(dropout(options.gelu ? gelu(linear1(x)) : relu_of_linear1())));
        };
        if (options.norm_first) {
            const Tensor<T, D> x = src + attention(norm1(src));
            return x + feed_forward(norm2(x));
        }
        const Tensor<T, D> x = norm1(src + attention(src));
        return norm2(x + feed_forward(x));
    }

    auto fields() {
        return nn::fields("self_attn", self_attn, "linear1", linear1, "dropout", dropout, "linear2", linear2, "norm1", norm1, "norm2",
                          norm2, "dropout1", dropout1, "dropout2", dropout2);
    }
};

/// A stack of copies of one layer, and perhaps a norm after the last.
template <class T = float, class D = DefaultDevice>
class TransformerEncoder : public Module<TransformerEncoder<T, D>> {
public:
    TransformerEncoder(const TransformerEncoderLayer<T, D>& layer, std::int64_t num_layers) {
        if (num_layers < 0) throw ValueError(message("TransformerEncoder: num_layers must not be negative, got ", num_layers));
        layers.assign(static_cast<std::size_t>(num_layers), layer);
    }
    TransformerEncoder(const TransformerEncoderLayer<T, D>& layer, std::int64_t num_layers, const LayerNorm<T, D>& last)
        : TransformerEncoder(layer, num_layers) {
        norm = last;
    }

    std::vector<TransformerEncoderLayer<T, D>> layers;
    std::optional<LayerNorm<T, D>> norm;

    Tensor<T, D> operator()(const Tensor<T, D>& src, const AttentionMask<T, D>& mask = {}, const Tensor<bool, D>& src_key_padding_mask = {},
                            bool is_causal = false) {
        return Module<TransformerEncoder>::operator()(src, mask, src_key_padding_mask, is_causal);
    }
    Tensor<T, D> forward(Tensor<T, D> src, const AttentionMask<T, D>& mask = {}, const Tensor<bool, D>& src_key_padding_mask = {},
                         bool is_causal = false) {
        for (auto& layer : layers) src = layer(src, mask, src_key_padding_mask, is_causal);
        return norm ? (*norm)(src) : src;
    }

    auto fields() { return nn::fields("layers", layers, "norm", norm); }
};

/// 0 where position i may see position j <= i, -inf elsewhere: [size, size], for AttentionMask.
template <class T = float, class D = DefaultDevice>
Tensor<T, D> generate_square_subsequent_mask(std::int64_t size) {
    return triu(full<T, D>({size, size}, -std::numeric_limits<T>::infinity()), 1);
}

/// Positions as waves: [length, d_model], sin(t / 10000^(2i / d_model)) in column 2i and the cosine in column 2i + 1 (section 3.5).
template <class T = float, class D = DefaultDevice>
Tensor<T, D> sinusoidal_positions(std::int64_t length, std::int64_t d_model) {
    if (length < 0 || d_model < 0)
        throw ValueError(message("sinusoidal_positions: sizes must not be negative, got ", length, " and ", d_model));
    const auto table = empty<T, Cpu>({length, d_model});
    for (std::int64_t t = 0; t < length; ++t)
        for (std::int64_t j = 0; j < d_model; ++j) {
            const double angle = static_cast<double>(t) * std::pow(10000.0, -static_cast<double>(j - j % 2) / static_cast<double>(d_model));
            table.data()[t * d_model + j] = static_cast<T>(j % 2 == 0 ? std::sin(angle) : std::cos(angle));
        }
    return table.template to<D>();
}

/// Adds sinusoidal positions to x [steps, batch, d_model], or [batch, steps, d_model] with batch_first, then drops out.
template <class T = float, class D = DefaultDevice>
class PositionalEncoding : public Module<PositionalEncoding<T, D>> {
public:
    PositionalEncoding(std::int64_t d_model, double dropout_p = 0.1, std::int64_t max_len = 5000, bool steps_second = false)
        : dropout(dropout_p), batch_first(steps_second), pe_(sinusoidal_positions<T, D>(max_len, d_model)) {}

    Dropout dropout;
    bool batch_first;

    Tensor<T, D> forward(const Tensor<T, D>& x) {
        if (x.dim() != 3 || x.size(2) != pe_.size(1))
            throw ShapeError(message("positional_encoding: needs 3 dimensions, the last of ", pe_.size(1), "; got ", x.shape()));
        const std::int64_t steps = x.size(batch_first ? 1 : 0);
        if (steps > pe_.size(0)) throw ShapeError(message("positional_encoding: ", steps, " steps are more than max_len, ", pe_.size(0)));
        return dropout(x + pe_.narrow(0, 0, steps).unsqueeze(batch_first ? 0 : 1));
    }

    auto fields() { return nn::fields("dropout", dropout, "pe", pe_); }

private:
    Buffer<T, D> pe_;
};

}  // namespace headtorch::nn
