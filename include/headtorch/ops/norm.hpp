// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Vector norms over all dimensions or any set of them.

#include <cmath>
#include <utility>

#include "headtorch/ops/math.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {
namespace detail {

/// The sign of each element, as a constant.
template <class T, class D>
Tensor<T, D> constant_sign(const Tensor<T, D>& x) {
    return map_new<T>("sign", ValueKernel<formula::Sign>{}, x);
}
/// 1 where x is 0, else 0, as a constant.
template <class T, class D>
Tensor<T, D> is_zero(const Tensor<T, D>& x) {
    return (x == T(0)).template to<T>();
}
/// x^power for x > 0, and 0 for x = 0.
template <class T, class D>
Tensor<T, D> power_or_zero(const Tensor<T, D>& x, double power) {
    const Tensor<T, D> zero = is_zero(x);
    const Tensor<T, D> safe = x + zero;
    const Tensor<T, D> powered = power == -1 ? 1 / safe : exp(log(safe) * power);
    return powered - zero;  // safe is 1 there
}

template <class T, class D>
Tensor<T, D> norm_gradient(const Tensor<T, D>& g, const Tensor<T, D>& x, const Tensor<T, D>& norm, double p, DimMask mask) {
    if (p == 0) return zeros<T, D>(x.shape());
    if (p == 2) return x * with_kept_dims(g * power_or_zero(norm, -1), x.shape(), mask);
    const Tensor<T, D> sign = constant_sign(x);
    if (p == 1) return sign * with_kept_dims(g, x.shape(), mask);
    if (std::isinf(p)) return sign * share_among_ties(g, x * sign, norm, mask);
    return sign * power_or_zero(x * sign, p - 1) * with_kept_dims(g * power_or_zero(norm, 1 - p), x.shape(), mask);
}

}  // namespace detail

/// (sum of |x|^p)^(1/p); p = infinity: the largest |x|, -infinity: the smallest, 0: how many are not zero.
/// The gradient is 0 where the norm is.
template <class T, class D>
Tensor<T, D> norm(const Tensor<T, D>& x, double p = 2, const Dims& dims = {}, bool keepdim = false, const Here& = Here::call("norm")) {
    const OpScope scope("norm", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: norm: needs a tensor of float or double: write x.to<float>() first");
    const DimMask mask = dim_mask("norm", dims, x.dim());
    if (std::isinf(p)) detail::check_not_empty("norm", x.shape(), mask);
    auto y = p == 2                  ? detail::reduce_new<T>(reduction::Norm2{}, x, mask, keepdim)
             : p == 1                ? detail::reduce_new<T>(reduction::Norm1{}, x, mask, keepdim)
             : p == 0                ? detail::reduce_new<T>(reduction::CountNonzero{}, x, mask, keepdim)
             : !std::isinf(p)        ? detail::reduce_new<T>(reduction::NormP(p), x, mask, keepdim)
             : p > 0                 ? detail::reduce_new<T>(reduction::MaxOfAbs{}, x, mask, keepdim)
                                     : detail::reduce_new<T>(reduction::MinOfAbs{}, x, mask, keepdim);
    if (!needs_grad(x)) return y;
    auto kept = saved_output(y);
    return record("norm", std::move(y), input(x, [x = saved(x), kept = std::move(kept), p, mask](const Tensor<T, D>& g) {
        return detail::norm_gradient(g, x(), kept(), p, mask);
    }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::norm(const Here&) const { return headtorch::norm(*this); }

}  // namespace headtorch
