// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Picking by index or mask: index_select, gather, scatter_add, take_along_dim, masked_select, masked_fill, nonzero, and their gradients.

#include <string>
#include <utility>

#include "headtorch/device/cpu/gather.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {
namespace detail {

HEADTORCH_COLD inline std::string describe_index(const IndexRule& rule, std::int64_t index, std::int64_t) {
    return message(rule.op, ": index ", index, " is out of range for a dimension of size ", rule.size, " in ", rule.sizes);
}

/// Negative ones count from the end. On a GPU, the error comes when its results are next waited for.
template <class D>
void check_indices(const char* op, const Tensor<std::int64_t, D>& index, std::int64_t size, const Shape& shape) {
    check_index(D{}, static_cast<const std::int64_t*>(index.data()), index.numel(),
                IndexRule{.op = op, .lowest = -size, .size = size, .describe = describe_index, .sizes = shape});
}

/// Every size of `index` but that along `dim` fits into `shape`.
inline void check_gather_shapes(const char* op, const Shape& shape, const Shape& index, int dim) {
    bool fits = shape.rank() == index.rank();
    for (int d = 0; fits && d < shape.rank(); ++d) fits = d == dim || index[d] <= shape[d];
    if (!fits)
        throw ShapeError(message(op, ": an index of shape ", index, " does not fit a tensor of shape ", shape, " along dimension ", dim));
}

}  // namespace detail

template <class T, class D>
Tensor<T, D> index_add(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index, const Tensor<T, D>& source);

/// Entries index[0], index[1], … along `dim`.
template <class T, class D>
Tensor<T, D> index_select(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index) {
    const OpScope scope("index_select", {x.impl().get()});
    if (x.dim() == 0) throw ShapeError("index_select: a 0-dim tensor has nothing to select from");
    const int d = normalize_dim("index_select", dim, x.dim());
    if (index.dim() > 1) throw ShapeError(message("index_select: the index has one dimension, got ", index.shape()));
    const auto at = detail::detached_contiguous(index);
    detail::check_indices("index_select", at, x.shape()[d], x.shape());
    Shape shape = x.shape();
    shape[d] = at.numel();
    auto y = empty<T, D>(shape);
    copy_slabs(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), Slabs(x.shape(), d), at.data(), at.numel(), y.data());
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x))
            return record("index_select", std::move(y), input(x, [d, at = saved(at), shape = x.shape()](const auto& g) {
                              return index_add(zeros<T, D>(shape), d, at(), g);
                          }));
    }
    return y;
}

/// x with row i of `source` added to row index[i] along `dim`.
template <class T, class D>
Tensor<T, D> index_add(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index, const Tensor<T, D>& source) {
    const OpScope scope("index_add", {x.impl().get(), source.impl().get()});
    const int d = normalize_dim("index_add", dim, x.dim());
    const auto at = detail::detached_contiguous(index);
    Shape expected = x.shape();
    if (x.dim() > 0) expected[d] = at.numel();
    if (!(source.shape() == expected))
        throw ShapeError(message("index_add: the source has shape ", source.shape(), ", expected ", expected));
    detail::check_indices("index_add", at, x.dim() ? x.shape()[d] : 1, x.shape());
    auto y = detail::plain_copy(x);
    add_slabs(D{}, static_cast<const T*>(detail::detached_contiguous(source).data()), Slabs(x.shape(), d), at.data(), at.numel(), y.data());
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x, source))
            return record("index_add", std::move(y), input(x, [](const auto& g) { return g; }),
                          input(source, [d, at = saved(at)](const auto& g) { return index_select(g, d, at()); }));
    }
    return y;
}

template <class T, class D>
Tensor<T, D> scatter_add(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index, const Tensor<T, D>& source);

/// y[i, j, …] = x[index[i, j, …], j, …] (for dim 0): one element along `dim` for each entry of `index`.
template <class T, class D>
Tensor<T, D> gather(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index) {
    const OpScope scope("gather", {x.impl().get()});
    const int d = normalize_dim("gather", dim, x.dim());
    detail::check_gather_shapes("gather", x.shape(), index.shape(), d);
    const auto at = detail::detached_contiguous(index);
    const std::int64_t size = x.dim() ? x.shape()[d] : 1;
    detail::check_indices("gather", at, size, x.shape());
    auto y = empty<T, D>(index.shape());
    gather_along(D{}, static_cast<const T*>(x.data()), x.strides(), d, size, at.data(), at.shape(), y.data());
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x))
            return record("gather", std::move(y), input(x, [d, at = saved(at), shape = x.shape()](const auto& g) {
                              return scatter_add(zeros<T, D>(shape), d, at(), g);
                          }));
    }
    return y;
}

/// x with source[i, j, …] added to place [index[i, j, …], j, …] (for dim 0).
template <class T, class D>
Tensor<T, D> scatter_add(const Tensor<T, D>& x, std::int64_t dim, const Tensor<std::int64_t, D>& index, const Tensor<T, D>& source) {
    const OpScope scope("scatter_add", {x.impl().get(), source.impl().get()});
    const int d = normalize_dim("scatter_add", dim, x.dim());
    detail::check_gather_shapes("scatter_add", x.shape(), index.shape(), d);
    if (!(source.shape() == index.shape()))
        throw ShapeError(message("scatter_add: the source of shape ", source.shape(), " must have the index's shape ", index.shape()));
    const auto at = detail::detached_contiguous(index);
    const std::int64_t size = x.dim() ? x.shape()[d] : 1;
    detail::check_indices("scatter_add", at, size, x.shape());
    auto y = detail::plain_copy(x);
    scatter_add_along(D{}, y.data(), y.strides(), d, size, at.data(), at.shape(),
                      static_cast<const T*>(detail::detached_contiguous(source).data()));
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x, source))
            return record("scatter_add", std::move(y), input(x, [](const auto& g) { return g; }),
                          input(source, [d, at = saved(at)](const auto& g) { return gather(g, d, at()); }));
    }
    return y;
}

/// gather() whose other dimensions broadcast: made for the results of argmax, argsort and the like (with keepdim).
template <class T, class D>
Tensor<T, D> take_along_dim(const Tensor<T, D>& x, const Tensor<std::int64_t, D>& index, std::int64_t dim) {
    const OpScope scope("take_along_dim", {x.impl().get()});
    const int d = normalize_dim("take_along_dim", dim, x.dim());
    if (index.dim() != x.dim())
        throw ShapeError(message("take_along_dim: the index of shape ", index.shape(), " needs the rank of ", x.shape()));
    Shape for_x = x.shape(), for_index = index.shape();
    if (x.dim() > 0) for_x[d] = for_index[d] = 1;
    const Shape common = broadcast_shapes("take_along_dim", for_x, for_index);
    for_x = for_index = common;
    if (x.dim() > 0) {
        for_x[d] = x.shape()[d];
        for_index[d] = index.shape()[d];
    }
    return gather(x.expand(for_x), d, index.expand(for_index));
}

namespace detail {
/// Flat positions at which the mask is true.
template <class D>
Tensor<std::int64_t, D> positions_of(const Tensor<bool, D>& mask) {
    const auto m = detached_contiguous(mask);
    Tensor<std::int64_t, D> flat;
    true_positions(D{}, m.data(), m.numel(), [&](std::int64_t found) {
        flat = empty<std::int64_t, D>({found});
        return flat.data();
    });
    return flat;
}
}  // namespace detail

/// Positions of the elements that are true, one row [i, j, …] for each.
template <class D>
Tensor<std::int64_t, D> nonzero(const Tensor<bool, D>& mask) {
    const OpScope scope("nonzero");
    const auto flat = detail::positions_of(mask);
    auto rows = empty<std::int64_t, D>({flat.numel(), mask.dim()});
    unravel(D{}, static_cast<const std::int64_t*>(flat.data()), flat.numel(), mask.shape(), rows.data());
    return rows;
}

/// The elements where `mask` is true, as one dimension; x and mask broadcast.
template <class T, class D>
Tensor<T, D> masked_select(const Tensor<T, D>& x, const Tensor<bool, D>& mask) {
    const OpScope scope("masked_select", {x.impl().get()});
    const Shape shape = broadcast_shapes("masked_select", x.shape(), mask.shape());
    return index_select(x.expand(shape).reshape({shape.numel()}), 0, detail::positions_of(mask.expand(shape)));
}

namespace formula {
template <class T>
struct MaskedFill {
    T value;
    constexpr auto operator()(const auto& x, const auto& mask) const { return math::where(mask, value, x); }
};
}  // namespace formula

/// x with `value` where `mask` is true; the two broadcast.
template <class T, class D, Number S>
Tensor<T, D> masked_fill(const Tensor<T, D>& x, const Tensor<bool, D>& mask, S value) {
    auto y = detail::map_new<T>("masked_fill", formula::MaskedFill<ComputeType<T>>{detail::element<T>(value)}, x, mask);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x))
            return record("masked_fill", std::move(y), input(x, [mask = saved(mask), shape = x.shape()](const auto& g) {
                              return sum_to(masked_fill(g, mask(), 0), shape);
                          }));
    }
    return y;
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::masked_fill_(const Tensor<bool, D>& mask, T value) const {
    const OpScope scope("masked_fill_", {impl_.get()});
    return copy_(masked_fill(*this, mask, value));
}

}  // namespace headtorch
