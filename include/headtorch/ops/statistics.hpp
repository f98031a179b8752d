// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Variance, standard deviation and logsumexp over all dimensions or any set of them. Two visits each: mean
/// (largest element), then the rest.

#include <algorithm>
#include <cmath>
#include <utility>

#include "headtorch/ops/math.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {

/// A variance or standard deviation, and the mean.
template <class T, class D>
struct VarianceAndMean {
    Tensor<T, D> var, mean;
};

namespace formula {

/// An infinite largest element is taken as it is, but not subtracted: inf - inf is NaN.
struct ZeroForInf {
    constexpr auto operator()(const auto& x) const { return math::where(math::isinf(x), 0, x); }
};

}  // namespace formula

namespace detail {

/// A reduction by a centred formula, not recorded; `center` holds one number for each output.
template <class Out, class Op, class T, class D, class C>
Tensor<Out, D> reduce_centred(const Op& op, const Tensor<T, D>& x, const Tensor<C, D>& center, DimMask mask, bool keepdim) {
    const TensorImpl& impl = *x.get();
    auto y = empty<Out, D>(reduced_shape(impl.shape, mask, keepdim));
    reduce(D{}, op, static_cast<const T*>(x.data()), plan_reduce(impl.shape, impl.strides, impl.contiguous, mask), y.data(), center.data());
    return y;
}

inline std::int64_t reduced_count(const Shape& shape, DimMask mask) {
    std::int64_t count = 1;
    for (int d = 0; d < shape.rank(); ++d)
        if (mask >> d & 1u) count *= shape[d];
    return count;
}

/// g * 2 (x - mean) / (count - correction).
template <class T, class D>
Tensor<T, D> variance_gradient(const Tensor<T, D>& g, const Tensor<T, D>& x, DimMask mask, double correction) {
    const double freedom = std::max(0.0, static_cast<double>(reduced_count(x.shape(), mask)) - correction);
    return (x - mean_over(x, mask, true)) * (with_kept_dims(g, x.shape(), mask) * (2 / freedom));
}

/// g / y, 0 where y is 0.
template <class T, class D>
Tensor<T, D> divide_or_zero(const Tensor<T, D>& g, const Tensor<T, D>& y) {
    const Tensor<T, D> zero = (y == T(0)).template to<T>();
    return g * (1 - zero) / (y + zero);
}

template <class Op, class T, class D>
Tensor<T, D> spread_over(const char* op, const Tensor<T, D>& x, DimMask mask, double correction, bool keepdim) {
    const OpScope scope(op, {x.impl().get()});
    static_assert(Floating<T>, "headtorch: var and std: need a tensor of float or double: write x.to<float>() first");
    const auto means = reduce_new<double>(reduction::Sum{.mean = true}, x, mask, keepdim);
    auto y = reduce_centred<T>(Op(correction), x, means, mask, keepdim);
    if (!needs_grad(x)) return y;
    if constexpr (std::same_as<Op, reduction::Variance>) {
        return record(op, std::move(y), input(x, [x = saved(x), mask, correction](const Tensor<T, D>& g) {
                          return variance_gradient(g, x(), mask, correction);
                      }));
    } else {
        auto kept = saved_output(y);
        return record(op, std::move(y), input(x, [x = saved(x), kept = std::move(kept), mask, correction](const Tensor<T, D>& g) {
            return variance_gradient(divide_or_zero(g * 0.5, kept()), x(), mask, correction);
        }));
    }
}

}  // namespace detail

/// Sum of (x - mean)^2, divided by count - correction: 1 (true) is Bessel's correction, 0 (false) none. NaN when that leaves nothing.
template <class T, class D>
Tensor<T, D> var(const Tensor<T, D>& x, const Dims& dims = {}, double correction = 1, bool keepdim = false,
                 const Here& = Here::call("var")) {
    return detail::spread_over<reduction::Variance>("var", x, dim_mask("var", dims, x.dim()), correction, keepdim);
}
/// The square root of var; its gradient is 0 where it is 0. Write x.std(…) or headtorch::std(…):
/// alone, `std` is the standard library's name.
template <class T, class D>
Tensor<T, D> std(const Tensor<T, D>& x, const Dims& dims = {}, double correction = 1, bool keepdim = false,
                 const Here& = Here::call("std")) {
    return detail::spread_over<reduction::StandardDeviation>("std", x, dim_mask("std", dims, x.dim()), correction, keepdim);
}
template <class T, class D>
Tensor<T, D> var(const Tensor<T, D>& x, std::same_as<bool> auto unbiased) { return var(x, Dims{}, unbiased ? 1 : 0); }
template <class T, class D>
Tensor<T, D> std(const Tensor<T, D>& x, std::same_as<bool> auto unbiased) { return headtorch::std(x, Dims{}, unbiased ? 1 : 0); }

template <class T, class D>
VarianceAndMean<T, D> var_mean(const Tensor<T, D>& x, const Dims& dims = {}, double correction = 1, bool keepdim = false) {
    const OpScope scope("var_mean");
    return {var(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

/// log of the sum of e^x, without overflow; -inf when there is nothing to sum.
template <class T, class D>
Tensor<T, D> logsumexp(const Tensor<T, D>& x, const Dims& dims = {}, bool keepdim = false, const Here& = Here::call("logsumexp")) {
    const OpScope scope("logsumexp", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: logsumexp: needs a tensor of float or double: write x.to<float>() first");
    const DimMask mask = dim_mask("logsumexp", dims, x.dim());
    using C = ComputeType<T>;
    const auto top = detail::map_new<C>("logsumexp", formula::ZeroForInf{}, detail::reduce_new<C>(reduction::Max{}, x, mask, keepdim));
    auto y = detail::reduce_centred<T>(reduction::LogSumExp{}, x, top, mask, keepdim);
    if (!needs_grad(x)) return y;
    auto kept = saved_output(y);
    return record("logsumexp", std::move(y), input(x, [x = saved(x), kept = std::move(kept), mask](const Tensor<T, D>& g) {
        // softmax; what is subtracted before exp need only be near, and the division makes up for its rounding
        const Tensor<T, D> value = x();
        const Tensor<T, D> e = exp(value - detail::with_kept_dims(kept().detach(), value.shape(), mask));
        return e * (detail::with_kept_dims(g, value.shape(), mask) / detail::sum_over(e, mask, true));
    }));
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::var(const Dims& dims, bool unbiased, bool keepdim, const Here&) const {
    return headtorch::var(*this, dims, unbiased ? 1 : 0, keepdim);
}
template <class T, class D>
Tensor<T, D> Tensor<T, D>::std(const Dims& dims, bool unbiased, bool keepdim, const Here&) const {
    return headtorch::std(*this, dims, unbiased ? 1 : 0, keepdim);
}

}  // namespace headtorch
