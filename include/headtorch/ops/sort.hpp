// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Order along one dimension: sort, argsort, topk, kthvalue, median. NaN counts as the largest. The gradient of a value goes to the element
/// at its index.

#include <cstdint>
#include <utility>

#include "headtorch/device/cpu/sort.hpp"
#include "headtorch/ops/argmax.hpp"

namespace headtorch {

struct SortOptions {
    std::int64_t dim = -1;
    bool descending = false;
    bool stable = false;  ///< equal elements keep their order: they always do here
};

namespace detail {

/// The tensors that a kernel fills with values and indices, `length` to each line.
template <class T, class D, class Kernel>
ValuesAndIndices<T, D> ordered(const char* op, const Tensor<T, D>& x, int d, std::int64_t length, bool drop_dim, const Kernel& kernel) {
    const OpScope scope(op, {x.impl().get()});
    const Shape shape = line_shape(x.shape(), d, length);
    const Shape result = drop_dim ? reduced_shape(x.shape(), (1u << d) & all_dims(x.dim()), false) : shape;
    auto values = empty<T, D>(result);
    auto indices = empty<std::int64_t, D>(result);
    if (values.numel() > 0)
        kernel(static_cast<const T*>(detached_contiguous(x).data()), lines_along(x.shape(), d), values.data(), indices.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x)) values = record_picked(op, x, std::move(values), indices.detach().view(shape), d);
    }
    return {std::move(values), std::move(indices)};
}

}  // namespace detail

/// Sorted values along a dimension (the last, unless told otherwise), and where they came from: `sort(x, {.dim = 0, .descending = true})`.
template <class T, class D>
ValuesAndIndices<T, D> sort(const Tensor<T, D>& x, SortOptions options) {
    const int d = normalize_dim("sort", options.dim, x.dim());
    const std::int64_t n = x.dim() == 0 ? 1 : x.shape()[d];
    return detail::ordered("sort", x, d, n, false, [&](const T* from, const Lines& lines, T* values, std::int64_t* indices) {
        sort_lines(D{}, from, lines, options.descending, SortExtent::whole, n, 0, n, values, indices);
    });
}
template <class T, class D>
ValuesAndIndices<T, D> sort(const Tensor<T, D>& x, std::int64_t dim = -1, bool descending = false) {
    return sort(x, SortOptions{.dim = dim, .descending = descending});
}

/// The indices of sort().
template <class T, class D>
Tensor<std::int64_t, D> argsort(const Tensor<T, D>& x, std::int64_t dim = -1, bool descending = false) {
    return sort(x.detach(), dim, descending).indices;
}

/// The k largest (or smallest) elements along `dim`, in order if `sorted`. Throws ValueError when there are fewer.
template <class T, class D>
ValuesAndIndices<T, D> topk(const Tensor<T, D>& x, std::int64_t k, std::int64_t dim = -1, bool largest = true, bool sorted = true) {
    const int d = normalize_dim("topk", dim, x.dim());
    const std::int64_t n = x.dim() == 0 ? 1 : x.shape()[d];
    if (k < 0 || k > n) throw ValueError(message("topk: k is ", k, ", but dimension ", d, " of ", x.shape(), " has ", n, " elements"));
    return detail::ordered("topk", x, d, k, x.dim() == 0, [&](const T* from, const Lines& lines, T* values, std::int64_t* indices) {
        sort_lines(D{}, from, lines, largest, sorted ? SortExtent::first_k : SortExtent::element_k, k, 0, k, values, indices);
    });
}

/// The k-th smallest element (k = 1: the smallest) along `dim`, and its index. Throws ValueError when there are fewer.
template <class T, class D>
ValuesAndIndices<T, D> kthvalue(const Tensor<T, D>& x, std::int64_t k, std::int64_t dim = -1, bool keepdim = false) {
    const int d = normalize_dim("kthvalue", dim, x.dim());
    const std::int64_t n = x.dim() == 0 ? 1 : x.shape()[d];
    if (k < 1 || k > n) throw ValueError(message("kthvalue: k is ", k, ", but dimension ", d, " of ", x.shape(), " has ", n, " elements"));
    return detail::ordered("kthvalue", x, d, 1, !keepdim, [&](const T* from, const Lines& lines, T* values, std::int64_t* indices) {
        sort_lines(D{}, from, lines, false, SortExtent::element_k, k, k - 1, 1, values, indices);
    });
}

/// The middle element along `dim`, the lower of the two if there are two, and its index; NaN if there is one.
template <class T, class D>
ValuesAndIndices<T, D> median(const Tensor<T, D>& x, std::int64_t dim, bool keepdim = false) {
    const int d = normalize_dim("median", dim, x.dim());
    detail::check_line("median", x.shape(), d);
    return detail::ordered("median", x, d, 1, !keepdim, [&](const T* from, const Lines& lines, T* values, std::int64_t* indices) {
        median_lines(D{}, from, lines, values, indices);
    });
}
/// The middle of all elements; NaN if there is none. The gradient is shared among equal ones.
template <class T, class D>
Tensor<T, D> median(const Tensor<T, D>& x) {
    const OpScope scope("median", {x.impl().get()});
    auto y = empty<T, D>({});
    if (x.numel() == 0) {
        if constexpr (Floating<T>) return y.fill_(std::numeric_limits<T>::quiet_NaN());
        throw ValueError(message("median: a tensor of shape ", x.shape(), " is empty, and integers know no NaN"));
    }
    auto index = empty<std::int64_t, D>({});
    median_lines(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), Lines{1, x.numel(), 1}, y.data(), index.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x)) {
            auto kept = saved_output(y);
            return record("median", std::move(y), input(x, [x = saved(x), kept = std::move(kept)](const Tensor<T, D>& g) {
                return detail::share_among_ties(g, x(), kept(), all_dims(x().dim()));
            }));
        }
    }
    return y;
}

}  // namespace headtorch
