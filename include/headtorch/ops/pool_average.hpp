// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Average pooling, plain and adaptive, and power-average pooling. Inputs are [batch, channels, …] or [channels, …]. Sizes are one number,
/// or one for each dimension; stride is kernel_size unless given.

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/pool_average.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/math.hpp"
#include "headtorch/ops/pool_max.hpp"
#include "headtorch/ops/pool_plan.hpp"
#include "headtorch/ops/power.hpp"

namespace headtorch {
namespace detail {

template <class T, class D>
Tensor<T, D> average_pool(const Tensor<T, D>& x, const Pooling& pooling);

/// The gradient of average_pool() for an input of shape `in`.
template <class T, class D>
Tensor<T, D> share_out(const Tensor<T, D>& g, const Pooling& pooling, const Shape& in) {
    const OpScope scope("avg_pool", {g.impl().get()});
    auto dx = empty<T, D>(in);
    if (pooling.plan.out_size() == 0) dx.zero_();
    average_pool_backward(D{}, static_cast<const T*>(detached_contiguous(g).data()), pooling.plan, dx.data());
    if (needs_grad(g)) return record("avg_pool", std::move(dx), input(g, [pooling](const auto& gg) { return average_pool(gg, pooling); }));
    return dx;
}

template <class T, class D>
Tensor<T, D> average_pool(const Tensor<T, D>& x, const Pooling& pooling) {
    static_assert(Floating<T>, "headtorch: avg_pool: needs a tensor of float or double: write x.to<float>() first");
    auto y = empty<T, D>(pooling.out);
    average_pool_forward(D{}, static_cast<const T*>(detached_contiguous(x).data()), pooling.plan, y.data());
    if (!needs_grad(x)) return y;
    return record("avg_pool", std::move(y), input(x, [pooling, in = x.shape()](const auto& g) { return share_out(g, pooling, in); }));
}

}  // namespace detail

/// y[n, c, o] = the mean of x[n, c, i] in window o. Padding counts as zeros, or with count_include_pad = false not at all.
template <class T, class D>
Tensor<T, D> avg_pool1d(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                        bool ceil_mode = false, bool count_include_pad = true) {
    const OpScope scope("avg_pool1d", {x.impl().get()});
    detail::Pooling pooling = detail::plan_pool("avg_pool1d", x.shape(), 1, kernel_size, stride, padding, Dims(1), ceil_mode);
    pooling.plan.count_include_pad = count_include_pad;
    return detail::average_pool(x, pooling);
}
/// `divisor_override`: what the sums are divided by in place of the windows' size.
template <class T, class D>
Tensor<T, D> avg_pool2d(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                        bool ceil_mode = false, bool count_include_pad = true, std::optional<std::int64_t> divisor_override = {}) {
    const OpScope scope("avg_pool2d", {x.impl().get()});
    detail::Pooling pooling = detail::plan_pool("avg_pool2d", x.shape(), 2, kernel_size, stride, padding, Dims(1), ceil_mode);
    if (divisor_override == 0) throw ValueError("avg_pool2d: divisor_override must not be 0");
    pooling.plan.count_include_pad = count_include_pad;
    pooling.plan.divisor = divisor_override.value_or(0);
    return detail::average_pool(x, pooling);
}

/// Means of windows that share the input out into `output_size` parts; -1 keeps a dimension's size.
template <class T, class D>
Tensor<T, D> adaptive_avg_pool1d(const Tensor<T, D>& x, const Dims& output_size) {
    const OpScope scope("adaptive_avg_pool1d", {x.impl().get()});
    return detail::average_pool(x, detail::plan_adaptive_pool("adaptive_avg_pool1d", x.shape(), 1, output_size));
}
template <class T, class D>
Tensor<T, D> adaptive_avg_pool2d(const Tensor<T, D>& x, const Dims& output_size) {
    const OpScope scope("adaptive_avg_pool2d", {x.impl().get()});
    return detail::average_pool(x, detail::plan_adaptive_pool("adaptive_avg_pool2d", x.shape(), 2, output_size));
}

/// y = (sum of x^p over the window)^(1/p). Where the sum is 0 the gradient is 0.
template <class T, class D>
Tensor<T, D> lp_pool2d(const Tensor<T, D>& x, double norm_type, const Dims& kernel_size, const Dims& stride = {}, bool ceil_mode = false) {
    const OpScope scope("lp_pool2d", {x.impl().get()});
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (norm_type == 0 || norm_type != norm_type) throw ValueError(message("lp_pool2d: norm_type must not be ", norm_type));
    if (norm_type == infinity) return max_pool2d(abs(x), kernel_size, stride, 0, 1, ceil_mode);
    if (norm_type == -infinity) return -max_pool2d(-abs(x), kernel_size, stride, 0, 1, ceil_mode);
    const IntList kernel = detail::spatial_sizes("lp_pool2d", "kernel_size", kernel_size, 2, 1);
    const auto mean = avg_pool2d(pow(x, norm_type), kernel_size, stride, 0, ceil_mode);
    const auto none = mean == T(0);
    return masked_fill(pow(masked_fill(mean, none, 1) * static_cast<double>(kernel[0] * kernel[1]), 1 / norm_type), none, 0);
}

}  // namespace headtorch
