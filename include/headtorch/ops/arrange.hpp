// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The elements of a tensor in another arrangement: repeated, reversed, shifted, cut to a triangle; and labels as one-hot rows.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {

/// `times[i]` copies along dimension i; more numbers than dimensions add dimensions in front.
template <class T, class D>
Tensor<T, D> repeat(const Tensor<T, D>& x, const Shape& times) {
    const OpScope scope("repeat", {x.impl().get()});
    const int added = times.rank() - x.dim();
    if (added < 0) throw ShapeError(message("repeat: ", times, " has fewer numbers than ", x.shape(), " has dimensions"));
    if (times.rank() > max_rank / 2) throw ShapeError("repeat: at most four dimensions");
    Shape spaced, wide, result;  // [1, n, 1, m, …] expanded to [times, n, times, m, …]
    for (int d = 0; d < times.rank(); ++d) {
        if (times[d] < 0) throw ValueError(message("repeat: negative number of repetitions: ", times));
        const std::int64_t size = d < added ? 1 : x.shape()[d - added];
        spaced.push_back(1);
        spaced.push_back(size);
        wide.push_back(times[d]);
        wide.push_back(size);
        result.push_back(times[d] * size);
    }
    return x.reshape(spaced).expand(wide).reshape(result);
}
/// repeat() with missing numbers in front taken as 1.
template <class T, class D>
Tensor<T, D> tile(const Tensor<T, D>& x, Shape times) {
    while (times.rank() < x.dim()) times.insert(0, 1);
    return repeat(x, times);
}

namespace detail {
/// Entries of `dim` in the order that `source(i, size)` says.
template <class T, class D, class Source>
Tensor<T, D> reordered(const Tensor<T, D>& x, int dim, Source source) {
    const std::int64_t size = x.shape()[dim];
    auto index = empty<std::int64_t, Cpu>({size});
    for (std::int64_t i = 0; i < size; ++i) index.data()[i] = source(i, size);
    return index_select(x, dim, index.template to<D>());
}
}  // namespace detail

/// In reverse order along each of `dims`.
template <class T, class D>
Tensor<T, D> flip(const Tensor<T, D>& x, const Dims& dims) {
    const OpScope scope("flip", {x.impl().get()});
    Tensor<T, D> y = x;
    Dims seen;
    for (std::int64_t dim : dims) {
        const int d = normalize_dim("flip", dim, x.dim());
        if (seen.contains(d)) throw ValueError(message("flip: dimension ", d, " appears twice in ", dims));
        seen.push_back(d);
        if (x.dim()) y = detail::reordered(y, d, [](std::int64_t i, std::int64_t size) { return size - 1 - i; });
    }
    return dims.empty() ? x.clone() : y;
}

/// Shifted by `shifts` along `dims`; what leaves at the end comes in at the beginning.
template <class T, class D>
Tensor<T, D> roll(const Tensor<T, D>& x, const Dims& shifts, const Dims& dims) {
    const OpScope scope("roll", {x.impl().get()});
    if (shifts.rank() != dims.rank()) throw ValueError(message("roll: ", shifts.rank(), " shifts for ", dims.rank(), " dimensions"));
    Tensor<T, D> y = x;
    for (int k = 0; k < dims.rank(); ++k) {
        const int d = normalize_dim("roll", dims[k], x.dim());
        if (x.dim())
            y = detail::reordered(y, d,
                                  [shift = shifts[k]](std::int64_t i, std::int64_t size) { return ((i - shift) % size + size) % size; });
    }
    return y;
}
/// Over the flattened tensor.
template <class T, class D>
Tensor<T, D> roll(const Tensor<T, D>& x, std::int64_t shift) { return roll(x.reshape({-1}), shift, 0).reshape(x.shape()); }

namespace detail {
/// True in row i, column j where keep(j - i).
template <class T, class D, class Keep>
Tensor<T, D> triangle(const char* op, const Tensor<T, D>& x, Keep keep) {
    const OpScope scope(op, {x.impl().get()});
    if (x.dim() < 2) throw ShapeError(message(op, ": needs at least two dimensions, got ", x.shape()));
    const std::int64_t rows = x.size(-2), columns = x.size(-1);
    auto mask = empty<bool, Cpu>({rows, columns});
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) mask.data()[i * columns + j] = keep(j - i);
    return where(mask.template to<D>(), x, T(0));
}
}  // namespace detail

/// The lower triangle, up to the given diagonal; zeros above.
template <class T, class D>
Tensor<T, D> tril(const Tensor<T, D>& x, std::int64_t diagonal = 0) {
    return detail::triangle("tril", x, [diagonal](std::int64_t d) { return d <= diagonal; });
}
/// The upper triangle, from the given diagonal on; zeros below.
template <class T, class D>
Tensor<T, D> triu(const Tensor<T, D>& x, std::int64_t diagonal = 0) {
    return detail::triangle("triu", x, [diagonal](std::int64_t d) { return d >= diagonal; });
}

/// A row of zeros with a one at the label, for each label; as many classes as the largest label says unless given.
template <class D>
Tensor<std::int64_t, D> one_hot(const Tensor<std::int64_t, D>& labels, std::int64_t num_classes = -1) {
    const OpScope scope("one_hot");
    const auto host = detail::detached_contiguous(labels.template to<Cpu>());
    std::int64_t largest = -1;
    for (std::int64_t i = 0; i < host.numel(); ++i) {
        if (host.data()[i] < 0) throw IndexError(message("one_hot: negative label ", host.data()[i]));
        largest = std::max(largest, host.data()[i]);
    }
    if (num_classes < 0) {
        if (host.numel() == 0) throw ValueError("one_hot: no labels to tell the number of classes from; give num_classes");
        num_classes = largest + 1;
    }
    if (largest >= num_classes) throw IndexError(message("one_hot: label ", largest, " is not one of ", num_classes, " classes"));
    Shape shape = labels.shape();
    shape.push_back(num_classes);
    auto rows = zeros<std::int64_t, Cpu>(shape);
    for (std::int64_t i = 0; i < host.numel(); ++i) rows.data()[i * num_classes + host.data()[i]] = 1;
    return rows.template to<D>();
}

}  // namespace headtorch
