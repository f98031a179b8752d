// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Rows of a table by number.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/embedding.hpp"
#include "headtorch/device/cpu/gather.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {
namespace detail {

/// Which rows were taken, and what their gradient minds.
template <class D>
struct Lookup {
    Kept<std::int64_t, D> index;  ///< contiguous, and checked
    std::int64_t rows = 0, width = 0, padding = -1;
    bool by_frequency = false;

    Shape shape() const {
        Shape result = index.shape();
        result.push_back(width);
        return result;
    }
};

HEADTORCH_COLD inline std::string describe_row(const IndexRule& rule, std::int64_t index, std::int64_t) {
    return message(rule.op, ": index ", index, " is outside of a table of ", rule.size, " rows");
}

template <class T, class D>
Tensor<T, D> take_rows(const Tensor<T, D>& table, const Lookup<D>& lookup);

/// The gradient of the table.
template <class T, class D>
Tensor<T, D> add_to_rows(const Tensor<T, D>& g, const Lookup<D>& lookup) {
    const OpScope scope("embedding", {g.impl().get()});
    auto table = empty<T, D>({lookup.rows, lookup.width});
    embedding_backward(D{}, static_cast<const T*>(detached_contiguous(g).data()), static_cast<const std::int64_t*>(lookup.index.data()),
                       lookup.index.numel(), lookup.rows, lookup.width, lookup.padding, lookup.by_frequency, table.data());
    if (!needs_grad(g)) return table;
    return record("embedding", std::move(table), input(g, [lookup = lookup](const Tensor<T, D>& gg) {
        // the transpose: what each g[i] was multiplied by on its way
        const auto flat = lookup.index.reshape({lookup.index.numel()});
        auto factors = (flat != lookup.padding).template to<T>();
        if (lookup.by_frequency) {
            NoGrad guard;
            const Lookup<D> single{flat, lookup.rows, 1};
            factors = factors / take_rows(add_to_rows(ones<T, D>({flat.numel(), 1}), single), single).reshape({flat.numel()});
        }
        Shape along = lookup.index.shape();
        along.push_back(1);
        return take_rows(gg, lookup) * factors.reshape(along);
    }));
}

template <class T, class D>
Tensor<T, D> take_rows(const Tensor<T, D>& table, const Lookup<D>& lookup) {
    auto y = empty<T, D>(lookup.shape());
    copy_slabs(D{}, static_cast<const T*>(detached_contiguous(table).data()), Slabs({lookup.rows, lookup.width}, 0),
               static_cast<const std::int64_t*>(lookup.index.data()), lookup.index.numel(), y.data());
    if (!needs_grad(table)) return y;
    return record("embedding", std::move(y), input(table, [lookup = lookup](const auto& g) { return add_to_rows(g, lookup); }));
}

}  // namespace detail

/// y[i, j, …, :] = weight[indices[i, j, …], :] for a table `weight` [rows, width]. The row padding_idx (which may count from the end) gets
/// no gradient. With max_norm, rows that are asked for are first, in place, scaled down to that norm_type-norm. With scale_grad_by_freq,
/// gradients are divided by how often their row occurs in `indices`. Throws IndexError on a number outside of the table; on a
/// GPU, the next time that something waits for its results.
template <class T, class D>
Tensor<T, D> embedding(const Tensor<std::int64_t, D>& indices, const Tensor<T, D>& weight, std::optional<std::int64_t> padding_idx = {},
                       std::optional<double> max_norm = {}, double norm_type = 2, bool scale_grad_by_freq = false) {
    const OpScope scope("embedding", {weight.impl().get()});
    static_assert(Floating<T>, "headtorch: embedding: needs a table of float or double: write weight.to<float>() first");
    if (weight.dim() != 2) throw ShapeError(message("embedding: the weight is a table [rows, width], got ", weight.shape()));
    const std::int64_t rows = weight.shape()[0];
    if (padding_idx && (*padding_idx < -rows || *padding_idx >= rows))
        throw IndexError(message("embedding: padding_idx ", *padding_idx, " is outside of a table of ", rows, " rows"));
    detail::Lookup<D> lookup{detail::detached_contiguous(indices), rows, weight.shape()[1]};
    if (padding_idx) lookup.padding = *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
    lookup.by_frequency = scale_grad_by_freq;
    const std::int64_t* numbers = lookup.index.data();
    check_index(D{}, numbers, lookup.index.numel(), IndexRule{.op = "embedding", .size = rows, .describe = detail::describe_row});
    if (max_norm) {
        if (!weight.is_contiguous()) throw ValueError("embedding: max_norm needs a contiguous weight, which it changes");
        if (!(*max_norm > 0) || !(norm_type > 0))
            throw ValueError(message("embedding: max_norm and norm_type must be positive, got ", *max_norm, " and ", norm_type));
        renorm_rows(D{}, numbers, lookup.index.numel(), rows, lookup.width, *max_norm, norm_type, weight.data());
        weight.get()->bump_version("embedding with max_norm");
    }
    return detail::take_rows(weight, lookup);
}

}  // namespace headtorch
