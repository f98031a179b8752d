// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running sums and products along one dimension. Their gradients are scans again and never divide, so they are right where x is zero.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/scan.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {
namespace detail {

template <class T, class D>
Tensor<SumType<T>, D> cumsum_along(const Tensor<T, D>& x, int dim, bool reverse) {
    const OpScope scope("cumsum", {x.impl().get()});
    auto y = empty<SumType<T>, D>(x.shape());
    cumsum(D{}, static_cast<const T*>(detached_contiguous(x).data()), lines_along(x.shape(), dim), reverse, y.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x))
            return record("cumsum", std::move(y), input(x, [dim, reverse](const auto& g) { return cumsum_along(g, dim, !reverse); }));
    }
    return y;
}

/// x moved one place on along `dim`, with 0 at the start.
template <class T, class D>
Tensor<T, D> shifted(const Tensor<T, D>& x, int dim) {
    if (x.dim() == 0 || x.shape()[dim] == 0) return x * 0;
    const Geometry behind_first = geometry::narrow({x.shape(), x.shape().contiguous_strides(), 0}, dim, 1, x.shape()[dim] - 1);
    return embed(x.narrow(dim, 0, x.shape()[dim] - 1), x.shape(), behind_first);
}

/// 1 at the first (or last) place along `dim`, else 0.
template <class T, class D>
Tensor<T, D> one_at_end(const Shape& shape, int dim, bool last) {
    NoGrad guard;
    const auto y = zeros<T, D>(shape);
    if (y.numel() == 0) return y;
    if (shape.rank() == 0) return ones<T, D>(shape);
    y.narrow(dim, last ? -1 : 0, 1).fill_(T(1));
    return y;
}

/// h[k] = a[k] h[k-1] + b[k] along `dim`; with `reverse` h[k] = a[k+1] h[k+1] + b[k].
template <class T, class D>
Tensor<T, D> recurrence_along(const Tensor<T, D>& a, const Tensor<T, D>& b, int dim, bool reverse) {
    const OpScope scope("recurrence", {a.impl().get(), b.impl().get()});
    auto h = empty<T, D>(a.shape());
    recurrence(D{}, static_cast<const T*>(detached_contiguous(a).data()), static_cast<const T*>(detached_contiguous(b).data()),
               lines_along(a.shape(), dim), reverse, h.data());
    if (!needs_grad(a, b)) return h;
    // the gradient r by b runs the other way; that by a[k] is (what runs backward)[k] (what runs forward)[k-1]
    auto kept = saved_output(h);
    return record("recurrence", std::move(h), inputs(a, b),
                  [a = saved(a), kept = std::move(kept), dim, reverse](const Tensor<T, D>& g, const auto& wants) {
                      const Tensor<T, D> r = recurrence_along(a(), g, dim, !reverse);
                      const Tensor<T, D> state = kept();
                      return std::tuple(wants(0) ? (reverse ? state * shifted(r, dim) : r * shifted(state, dim)) : Tensor<T, D>(), r);
                  });
}

/// Product of all others along `dim`, for each element.
template <class T, class D>
Tensor<T, D> others_along(const Tensor<T, D>& x, int dim);

}  // namespace detail

/// y[k] = x[0] + … + x[k] along `dim`; integers are counted in int64.
template <class T, class D>
Tensor<SumType<T>, D> cumsum(const Tensor<T, D>& x, std::int64_t dim, const Here& = Here::call("cumsum")) {
    return detail::cumsum_along(x, normalize_dim("cumsum", dim, x.dim()), false);
}

/// y[k] = x[0] … x[k] along `dim`; integers are counted in int64.
template <class T, class D>
Tensor<SumType<T>, D> cumprod(const Tensor<T, D>& x, std::int64_t dim, const Here& = Here::call("cumprod")) {
    const OpScope scope("cumprod", {x.impl().get()});
    const int d = normalize_dim("cumprod", dim, x.dim());
    const Lines lines = lines_along(x.shape(), d);
    auto y = empty<SumType<T>, D>(x.shape());
    cumprod(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), lines, y.data());
    if constexpr (Floating<T>) {
        if (needs_grad(x)) {
            auto kept = saved_output(y);
            return record("cumprod", std::move(y), input(x, [x = saved(x), kept = std::move(kept), d, lines](const Tensor<T, D>& g) {
                const Tensor<T, D> product = kept();
                if (GradMode::enabled()) {
                    const auto before = detail::shifted(product, d) + detail::one_at_end<T, D>(product.shape(), d, false);
                    return before * detail::recurrence_along(x(), g, d, true);
                }
                auto dx = empty<T, D>(product.shape());
                cumprod_gradient(D{}, static_cast<const T*>(detail::detached_contiguous(x()).data()), static_cast<const T*>(product.data()),
                                 static_cast<const T*>(detail::detached_contiguous(g).data()), lines, dx.data());
                return dx;
            }));
        }
    }
    return y;
}

template <class T, class D>
Tensor<T, D> detail::others_along(const Tensor<T, D>& x, int dim) {
    const OpScope scope("prod", {x.impl().get()});
    if (GradMode::enabled()) {
        const auto before = shifted(cumprod(x, dim), dim) + one_at_end<T, D>(x.shape(), dim, false);
        return before * recurrence_along(x, one_at_end<T, D>(x.shape(), dim, true), dim, true);
    }
    auto y = empty<T, D>(x.shape());
    products_of_others(D{}, static_cast<const T*>(detached_contiguous(x).data()), lines_along(x.shape(), dim), y.data());
    return y;
}

}  // namespace headtorch
