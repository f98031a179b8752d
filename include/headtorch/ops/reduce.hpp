// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reductions over all dimensions, or over any set of them: `sum(x)`, `sum(x, 1)`, `sum(x, {0, 2}, true)`. Reduced dimensions go, or stay
/// with size 1 if `keepdim`. An empty list of dimensions means all of them, as in PyTorch.

#include <cstdint>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/compare.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {
namespace detail {

/// The reduction of x by `op`, not recorded.
template <class Out, class Op, class T, class D>
Tensor<Out, D> reduce_new(const Op& op, const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    const TensorImpl& impl = *x.get();
    auto y = empty<Out, D>(reduced_shape(impl.shape, mask, keepdim));
    reduce(D{}, op, static_cast<const T*>(x.data()), plan_reduce(impl.shape, impl.strides, impl.contiguous, mask), y.data());
    return y;
}

/// `g`, a tensor of a reduced shape (with or without keepdim), with the reduced dimensions as size 1.
template <class T, class D>
Tensor<T, D> with_kept_dims(const Tensor<T, D>& g, const Shape& shape, DimMask mask) {
    return g.dim() == shape.rank() ? g : g.reshape(reduced_shape(shape, mask, true));
}

/// `g`, a gradient of a reduced shape, times `scale`, spread over `shape`.
template <class T, class D>
Tensor<T, D> expand_back(const Tensor<T, D>& g, const Shape& shape, DimMask mask, double scale = 1) {
    constexpr std::int64_t small = 1024;  // filling so many elements costs less than reading them through strides later
    if (GradMode::enabled()) {
        const Tensor<T, D> scaled = scale == 1 ? g : g * scale;
        return with_kept_dims(scaled, shape, mask).expand(shape);
    }
    if (const std::int64_t n = shape.numel(); g.numel() == 1 && n <= small) {
        auto y = empty<T, D>(shape);
        spread(D{}, static_cast<const T*>(g.data()), static_cast<ComputeType<T>>(scale), n, y.data());
        return y;
    }
    const Tensor<T, D> scaled = scale == 1 ? g : g * scale;
    const bool keepdim = g.dim() == shape.rank();
    Strides strides = IntList::filled(shape.rank(), 0);
    for (int d = 0, from = 0; d < shape.rank(); ++d) {
        const bool reduced = (mask >> d & 1u) != 0;
        if (!reduced) strides[d] = scaled.strides()[from];
        if (!reduced || keepdim) ++from;
    }
    return Tensor<T, D>(alias_impl(*scaled.get(), shape, strides, 0));
}

template <class T, class D>
Tensor<SumType<T>, D> sum_over(const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    const OpScope scope("sum", {x.impl().get()});
    auto y = reduce_new<SumType<T>>(reduction::Sum{}, x, mask, keepdim);
    if constexpr (Floating<T>) {
        if (needs_grad(x))
            return record("sum", std::move(y), input(x, [shape = x.shape(), mask](const auto& g) { return expand_back(g, shape, mask); }));
    }
    return y;
}

template <class T, class D>
Tensor<T, D> mean_over(const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    const OpScope scope("mean", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: mean: the mean of integers is not an integer; write mean(x.to<float>())");
    auto y = reduce_new<T>(reduction::Sum{.mean = true}, x, mask, keepdim);
    if (needs_grad(x)) {
        const double scale = static_cast<double>(y.numel()) / static_cast<double>(x.numel());
        return record("mean", std::move(y),
                      input(x, [shape = x.shape(), mask, scale](const auto& g) { return expand_back(g, shape, mask, scale); }));
    }
    return y;
}

}  // namespace detail

/// Sum of all elements; integers and booleans are counted in int64.
template <class T, class D>
Tensor<SumType<T>, D> sum(const Tensor<T, D>& x, const Here& = Here::call("sum")) { return detail::sum_over(x, all_dims(x.dim()), false); }
template <class T, class D>
Tensor<SumType<T>, D> sum(const Tensor<T, D>& x, const Dims& dims, bool keepdim = false, const Here& = Here::call("sum")) {
    return detail::sum_over(x, dim_mask("sum", dims, x.dim()), keepdim);
}

/// NaN when there is nothing to average.
template <class T, class D>
Tensor<T, D> mean(const Tensor<T, D>& x, const Here& = Here::call("mean")) { return detail::mean_over(x, all_dims(x.dim()), false); }
template <class T, class D>
Tensor<T, D> mean(const Tensor<T, D>& x, const Dims& dims, bool keepdim = false, const Here& = Here::call("mean")) {
    return detail::mean_over(x, dim_mask("mean", dims, x.dim()), keepdim);
}

/// Undoes a broadcast: sums x over the dimensions that `shape` lacks or has with size 1. x itself when there are none.
template <class T, class D>
Tensor<T, D> sum_to(Tensor<T, D> x, const Shape& shape) {
    if (x.shape() == shape) return x;
    const OpScope scope("sum_to", {x.impl().get()});
    const int added = x.dim() - shape.rank();
    DimMask mask = 0;
    for (int d = 0; d < x.dim(); ++d) {
        if (d < added || shape[d - added] != x.shape()[d]) mask |= 1u << d;
        if (d >= added && shape[d - added] != x.shape()[d] && shape[d - added] != 1)
            throw ShapeError(message("sum_to: a tensor of shape ", x.shape(), " does not come from broadcasting ", shape));
    }
    if (added < 0) throw ShapeError(message("sum_to: a tensor of shape ", x.shape(), " does not come from broadcasting ", shape));
    const TensorImpl& impl = *x.get();
    auto y = empty<T, D>(shape);
    reduce(D{}, reduction::Sum{}, static_cast<const T*>(x.data()), plan_reduce(impl.shape, impl.strides, impl.contiguous, mask), y.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x)) {
            return record("sum_to", std::move(y), input(x, [from = x.shape()](const Tensor<T, D>& g) {
                if (GradMode::enabled()) return g.expand(from);
                return Tensor<T, D>(alias_impl(*g.get(), from, broadcast_strides(g.shape(), g.strides(), from), 0));
            }));
        }
    }
    return y;
}

namespace formula {
struct EqualOrBothNan {
    static constexpr const char* name = "eq";
    constexpr auto operator()(const auto& a, const auto& b) const { return (a == b) | ((a != a) & (b != b)); }
};
}  // namespace formula

namespace detail {

/// The gradient of a largest (or smallest) element, shared evenly among all that are equal to it.
template <class T, class D>
Tensor<T, D> share_among_ties(const Tensor<T, D>& g, const Tensor<T, D>& x, const Tensor<T, D>& y, DimMask mask) {
    Tensor<T, D> ties;
    {
        NoGrad guard;
        ties = compare(formula::EqualOrBothNan{}, x, with_kept_dims(y, x.shape(), mask)).template to<T>();
        ties = ties / reduce_new<T>(reduction::Sum{}, ties, mask, true);
    }
    return ties * with_kept_dims(g, x.shape(), mask);
}

inline void check_not_empty(const char* op, const Shape& shape, DimMask mask) {
    for (int d = 0; d < shape.rank(); ++d)
        if ((mask >> d & 1u) && shape[d] == 0)
            throw ValueError(message(op, ": dimension ", d, " of ", shape, " is empty, and nothing has no largest or smallest element"));
}

template <class Op, class T, class D>
Tensor<T, D> extremum(const char* op, const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    const OpScope scope(op, {x.impl().get()});
    check_not_empty(op, x.shape(), mask);
    auto y = reduce_new<T>(Op{}, x, mask, keepdim);
    if constexpr (Floating<T>) {
        if (needs_grad(x)) {
            auto kept = saved_output(y);
            return record(op, std::move(y), input(x, [x = saved(x), kept = std::move(kept), mask](const Tensor<T, D>& g) {
                return share_among_ties(g, x(), kept(), mask);
            }));
        }
    }
    return y;
}

/// all or any of the elements that are not zero.
template <class Op, class T, class D>
Tensor<bool, D> truth(const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    if constexpr (std::same_as<T, bool>) {
        return reduce_new<bool>(Op{}, x, mask, keepdim);
    } else {
        return reduce_new<bool>(Op{}, x != T(0), mask, keepdim);
    }
}

}  // namespace detail

/// Largest and smallest element; NaN if there is one. The gradient is shared evenly among equal ones. Throws ValueError when there
/// are none.
template <class T, class D>
Tensor<T, D> amax(const Tensor<T, D>& x, const Dims& dims = {}, bool keepdim = false) {
    return detail::extremum<reduction::Max>("amax", x, dim_mask("amax", dims, x.dim()), keepdim);
}
template <class T, class D>
Tensor<T, D> amin(const Tensor<T, D>& x, const Dims& dims = {}, bool keepdim = false) {
    return detail::extremum<reduction::Min>("amin", x, dim_mask("amin", dims, x.dim()), keepdim);
}
/// Over all elements; max(x, dim) with indices is in ops/argmax.hpp.
template <class T, class D>
Tensor<T, D> max(const Tensor<T, D>& x) { return detail::extremum<reduction::Max>("max", x, all_dims(x.dim()), false); }
template <class T, class D>
Tensor<T, D> min(const Tensor<T, D>& x) { return detail::extremum<reduction::Min>("min", x, all_dims(x.dim()), false); }

/// `all(x)`, `all(x, dims, keepdim)`: are all elements true (not zero)? Of none, they are. Among indices, as in
/// `x(0, all)`, a whole dimension.
struct All {
    template <class T, class D>
    Tensor<bool, D> operator()(const Tensor<T, D>& x, const Dims& dims = {}, bool keepdim = false) const {
        const OpScope scope("all");
        return detail::truth<reduction::Min>(x, dim_mask("all", dims, x.dim()), keepdim);
    }
};
inline constexpr All all{};
/// Is any element true (not zero)?
template <class T, class D>
Tensor<bool, D> any(const Tensor<T, D>& x, const Dims& dims = {}, bool keepdim = false) {
    const OpScope scope("any");
    return detail::truth<reduction::Max>(x, dim_mask("any", dims, x.dim()), keepdim);
}

template <class T, class D>
Tensor<SumType<T>, D> Tensor<T, D>::sum(const Here&) const { return headtorch::sum(*this); }
template <class T, class D>
Tensor<SumType<T>, D> Tensor<T, D>::sum(const Dims& dims, bool keepdim, const Here&) const { return headtorch::sum(*this, dims, keepdim); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::mean(const Here&) const { return headtorch::mean(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::mean(const Dims& dims, bool keepdim, const Here&) const { return headtorch::mean(*this, dims, keepdim); }

template <class T, class D>
Tensor<T, D> Tensor<T, D>::max() const { return headtorch::max(*this); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::min() const { return headtorch::min(*this); }
template <class T, class D>
Tensor<bool, D> Tensor<T, D>::all() const { return headtorch::all(*this); }
template <class T, class D>
Tensor<bool, D> Tensor<T, D>::any() const { return headtorch::any(*this); }

}  // namespace headtorch
