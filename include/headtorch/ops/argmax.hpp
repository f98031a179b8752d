// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where the largest and smallest elements stand: argmax, argmin, and max and min along one dimension. Of equal elements the first is
/// taken; NaN counts as the largest and as the smallest.

#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/lines.hpp"
#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {
namespace detail {

inline void check_line(const char* op, const Shape& shape, int dim) {
    if (shape.rank() > 0 && shape[dim] == 0)
        throw IndexError(message(op, ": dimension ", dim, " of ", shape, " is empty, and nothing has no index"));
}

/// Records that `values` are the elements of x at `indices` (of x's rank) along `dim`: their gradient goes there.
template <class T, class D>
Tensor<T, D> record_picked(const char* op, const Tensor<T, D>& x, Tensor<T, D> values, const Tensor<std::int64_t, D>& indices, int dim) {
    if constexpr (Floating<T>) {
        if (needs_grad(x))
            return record(op, std::move(values), input(x, [shape = x.shape(), at = saved(indices), dim](const Tensor<T, D>& g) {
                return scatter_add(zeros<T, D>(shape), dim, at(), g.reshape(at().shape()));
            }));
    }
    return values;
}

inline Shape line_shape(const Shape& shape, int dim, std::int64_t length) {
    Shape result = shape;
    if (shape.rank() > 0) result[dim] = length;
    return result;
}

template <class Op, class T, class D>
ValuesAndIndices<T, D> extremum_along(const char* op, const Tensor<T, D>& x, std::int64_t dim, bool keepdim) {
    const OpScope scope(op, {x.impl().get()});
    const int d = normalize_dim(op, dim, x.dim());
    check_line(op, x.shape(), d);
    const Shape kept = line_shape(x.shape(), d, 1);
    const Shape shape = keepdim ? kept : reduced_shape(x.shape(), (1u << d) & all_dims(x.dim()), false);
    auto values = empty<T, D>(shape);
    auto indices = empty<std::int64_t, D>(shape);
    arg_reduce(D{}, Op{}, static_cast<const T*>(detached_contiguous(x).data()), lines_along(x.shape(), d), values.data(), indices.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x)) values = record_picked(op, x, std::move(values), indices.detach().view(kept), d);
    }
    return {std::move(values), std::move(indices)};
}

template <class Op, class T, class D>
Tensor<std::int64_t, D> arg_along(const char* op, const Tensor<T, D>& x, std::int64_t dim, bool keepdim) {
    const OpScope scope(op);
    const int d = normalize_dim(op, dim, x.dim());
    check_line(op, x.shape(), d);
    auto indices = empty<std::int64_t, D>(reduced_shape(x.shape(), (1u << d) & all_dims(x.dim()), keepdim));
    arg_reduce(D{}, Op{}, static_cast<const T*>(detached_contiguous(x).data()), lines_along(x.shape(), d), static_cast<T*>(nullptr),
               indices.data());
    return indices;
}

template <class Op, class T, class D>
Tensor<std::int64_t, D> arg_of_all(const char* op, const Tensor<T, D>& x) {
    const OpScope scope(op);
    if (x.numel() == 0) throw IndexError(message(op, ": a tensor of shape ", x.shape(), " is empty, and nothing has no index"));
    auto index = empty<std::int64_t, D>({});
    arg_reduce(D{}, Op{}, static_cast<const T*>(detached_contiguous(x).data()), Lines{1, x.numel(), 1}, static_cast<T*>(nullptr),
               index.data());
    return index;
}

}  // namespace detail

/// Index of the largest element: in the flattened tensor, or along `dim`. Throws IndexError when there is none.
template <class T, class D>
Tensor<std::int64_t, D> argmax(const Tensor<T, D>& x) { return detail::arg_of_all<reduction::Max>("argmax", x); }
template <class T, class D>
Tensor<std::int64_t, D> argmax(const Tensor<T, D>& x, std::int64_t dim, bool keepdim = false) {
    return detail::arg_along<reduction::Max>("argmax", x, dim, keepdim);
}
template <class T, class D>
Tensor<std::int64_t, D> argmin(const Tensor<T, D>& x) { return detail::arg_of_all<reduction::Min>("argmin", x); }
template <class T, class D>
Tensor<std::int64_t, D> argmin(const Tensor<T, D>& x, std::int64_t dim, bool keepdim = false) {
    return detail::arg_along<reduction::Min>("argmin", x, dim, keepdim);
}

/// Largest (smallest) elements along `dim` and their indices; the gradient goes to the element at the index.
/// Throws IndexError when there are none.
template <class T, class D>
ValuesAndIndices<T, D> max(const Tensor<T, D>& x, std::int64_t dim, bool keepdim = false) {
    return detail::extremum_along<reduction::Max>("max", x, dim, keepdim);
}
template <class T, class D>
ValuesAndIndices<T, D> min(const Tensor<T, D>& x, std::int64_t dim, bool keepdim = false) {
    return detail::extremum_along<reduction::Min>("min", x, dim, keepdim);
}

template <class T, class D>
ValuesAndIndices<T, D> Tensor<T, D>::max(std::int64_t dim, bool keepdim) const { return headtorch::max(*this, dim, keepdim); }
template <class T, class D>
ValuesAndIndices<T, D> Tensor<T, D>::min(std::int64_t dim, bool keepdim) const { return headtorch::min(*this, dim, keepdim); }
template <class T, class D>
Tensor<std::int64_t, D> Tensor<T, D>::argmax() const { return headtorch::argmax(*this); }
template <class T, class D>
Tensor<std::int64_t, D> Tensor<T, D>::argmax(std::int64_t dim, bool keepdim) const { return headtorch::argmax(*this, dim, keepdim); }
template <class T, class D>
Tensor<std::int64_t, D> Tensor<T, D>::argmin() const { return headtorch::argmin(*this); }
template <class T, class D>
Tensor<std::int64_t, D> Tensor<T, D>::argmin(std::int64_t dim, bool keepdim) const { return headtorch::argmin(*this, dim, keepdim); }

}  // namespace headtorch
