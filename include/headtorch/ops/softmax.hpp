// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// softmax and log_softmax along one dimension.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/softmax.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/math.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {

/// e^x / sum of e^x along `dim`; NaN where all are -inf.
template <class T, class D>
Tensor<T, D> softmax(const Tensor<T, D>& x, std::int64_t dim, const Here& = Here::call("softmax")) {
    const OpScope scope("softmax", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: softmax: needs a tensor of float or double: write x.to<float>() first");
    const int d = normalize_dim("softmax", dim, x.dim());
    const Lines lines = lines_along(x.shape(), d);
    auto y = empty<T, D>(x.shape());
    softmax(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), lines, y.data());
    if (!needs_grad(x)) return y;
    auto kept = saved_output(y);
    return record("softmax", std::move(y), input(x, [kept = std::move(kept), d, lines](const Tensor<T, D>& g) {
        const Tensor<T, D> p = kept();
        if (GradMode::enabled()) return p * (g - sum(g * p, d, true));
        auto dx = empty<T, D>(p.shape());
        softmax_gradient(D{}, static_cast<const T*>(p.data()), static_cast<const T*>(detail::detached_contiguous(g).data()), lines,
                         dx.data());
        return dx;
    }));
}

/// log(softmax(x, dim)), computed without overflow.
template <class T, class D>
Tensor<T, D> log_softmax(const Tensor<T, D>& x, std::int64_t dim, const Here& = Here::call("log_softmax")) {
    const OpScope scope("log_softmax", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: log_softmax: needs a tensor of float or double: write x.to<float>() first");
    const int d = normalize_dim("log_softmax", dim, x.dim());
    const Lines lines = lines_along(x.shape(), d);
    auto y = empty<T, D>(x.shape());
    log_softmax(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), lines, y.data());
    if (!needs_grad(x)) return y;
    auto kept = saved_output(y);
    return record("log_softmax", std::move(y), input(x, [kept = std::move(kept), d, lines](const Tensor<T, D>& g) {
        const Tensor<T, D> log_p = kept();
        if (GradMode::enabled()) return g - exp(log_p) * sum(g, d, true);
        auto dx = empty<T, D>(log_p.shape());
        log_softmax_gradient(D{}, static_cast<const T*>(log_p.data()), static_cast<const T*>(detail::detached_contiguous(g).data()), lines,
                             dx.data());
        return dx;
    }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::softmax(std::int64_t dim, const Here&) const { return headtorch::softmax(*this, dim); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::log_softmax(std::int64_t dim, const Here&) const { return headtorch::log_softmax(*this, dim); }

}  // namespace headtorch
