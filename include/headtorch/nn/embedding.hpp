// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A table whose rows stand for words, users, classes, …

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "headtorch/nn/activation.hpp"
#include "headtorch/nn/init.hpp"
#include "headtorch/nn/linear.hpp"
#include "headtorch/ops/embedding.hpp"

namespace headtorch::nn {

using headtorch::embedding;

struct EmbeddingOptions {
    std::int64_t num_embeddings, embedding_dim;
    std::optional<std::int64_t> padding_idx = {};
    std::optional<double> max_norm = {};
    double norm_type = 2;
    bool scale_grad_by_freq = false;
};

/// y[…, :] = weight[x[…], :]. Starts standard normal, with zeros in the row of the padding, which gets no gradient.
template <class T = float, class D = DefaultDevice>
class Embedding : public Module<Embedding<T, D>> {
public:
    explicit Embedding(const EmbeddingOptions& options)
        : Embedding(options, (check(options), empty<T, D>({options.num_embeddings, options.embedding_dim}))) {
        reset_parameters();
    }
    Embedding(std::int64_t rows, std::int64_t width, std::optional<std::int64_t> padding = {}, std::optional<double> most = {},
              double norm = 2, bool by_frequency = false)
        : Embedding(EmbeddingOptions{rows, width, padding, most, norm, by_frequency}) {}

    /// With the rows of `table` [num_embeddings, embedding_dim]; frozen ones are not trained.
    static Embedding from_pretrained(const Tensor<T, D>& table, bool freeze = true, std::optional<std::int64_t> padding_idx = {},
                                     std::optional<double> max_norm = {}, double norm_type = 2, bool scale_grad_by_freq = false) {
        if (table.dim() != 2) throw ShapeError(message("Embedding: a table has two dimensions, got ", table.shape()));
        const EmbeddingOptions options{table.shape()[0], table.shape()[1], padding_idx, max_norm, norm_type, scale_grad_by_freq};
        check(options);
        Embedding layer(options, table);
        layer.weight.requires_grad_(!freeze);
        return layer;
    }

    std::int64_t num_embeddings, embedding_dim;
    std::optional<std::int64_t> padding_idx;
    std::optional<double> max_norm;
    double norm_type;
    bool scale_grad_by_freq;
    Parameter<T, D> weight;

    void reset_parameters(Generator& generator = default_generator()) {
        init::normal_(weight, 0, 1, generator);
        if (!padding_idx) return;
        NoGrad guard;
        weight.select(0, *padding_idx).zero_();
    }
    Tensor<T, D> forward(const Tensor<std::int64_t, D>& x) const {
        return embedding(x, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq);
    }

    auto fields() { return nn::fields("weight", weight); }
    std::string extra_repr() const {
        std::string text = message(num_embeddings, ", ", embedding_dim);
        if (padding_idx) text += message(", padding_idx=", *padding_idx);
        if (max_norm) text += message(", max_norm=", detail::python_float(*max_norm));
        if (norm_type != 2) text += message(", norm_type=", detail::python_float(norm_type));
        if (scale_grad_by_freq) text += ", scale_grad_by_freq=True";
        return text;
    }

private:
    Embedding(const EmbeddingOptions& options, const Tensor<T, D>& table)
        : num_embeddings(options.num_embeddings), embedding_dim(options.embedding_dim), padding_idx(options.padding_idx),
          max_norm(options.max_norm), norm_type(options.norm_type), scale_grad_by_freq(options.scale_grad_by_freq), weight(table) {
        if (padding_idx && *padding_idx < 0) *padding_idx += num_embeddings;
    }
    static void check(const EmbeddingOptions& options) {
        detail::check_size("Embedding: num_embeddings", options.num_embeddings);
        detail::check_size("Embedding: embedding_dim", options.embedding_dim);
        const std::int64_t rows = options.num_embeddings;
        if (options.padding_idx && (*options.padding_idx < -rows || *options.padding_idx >= rows))
            throw ValueError(message("Embedding: padding_idx ", *options.padding_idx, " is outside of a table of ", rows, " rows"));
        if ((options.max_norm && !(*options.max_norm > 0)) || !(options.norm_type > 0))
            throw ValueError("Embedding: max_norm and norm_type must be positive");
    }
};

}  // namespace headtorch::nn
