// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Max pooling, plain and adaptive, with or without the places of the largest elements, and its partial inverse max_unpool2d.
/// Inputs are [batch, channels, …] or [channels, …]. Sizes are one number, or one for each dimension; stride is kernel_size unless given.
/// A largest element may stand in several windows: gradients add up. Of equal elements the first counts; NaN is larger than all.

#include <cstdint>
#include <string>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/check_index.hpp"
#include "headtorch/device/cpu/pool_max.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/pool_plan.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {
namespace detail {

template <class D>
using Places = Tensor<std::int32_t, D>;

HEADTORCH_COLD inline std::string describe_place(const IndexRule& rule, std::int64_t index, std::int64_t) {
    return message(rule.op, ": index ", index, " is outside of planes of ", rule.sizes[0], " x ", rule.sizes[1]);
}

template <class T, class D>
Tensor<T, D> pick(const Tensor<T, D>& x, const Places<D>& at, const PoolPlan& plan);

/// The elements of g at their places in planes of shape `in`: the gradient of pick().
template <class T, class D>
Tensor<T, D> unpick(const Tensor<T, D>& g, const Places<D>& at, const PoolPlan& plan, const Shape& in) {
    const OpScope scope("max_pool", {g.impl().get()});
    auto dx = empty<T, D>(in);
    max_pool_backward(D{}, static_cast<const T*>(detached_contiguous(g).data()), at.data(), plan, dx.data());
    if (needs_grad(g))
        return record("max_pool", std::move(dx), input(g, [at = Kept(at), plan](const auto& gg) { return pick(gg, at, plan); }));
    return dx;
}

/// The elements of x at `at`.
template <class T, class D>
Tensor<T, D> pick(const Tensor<T, D>& x, const Places<D>& at, const PoolPlan& plan) {
    auto y = empty<T, D>(at.shape());
    pick_places(D{}, static_cast<const T*>(detached_contiguous(x).data()), at.data(), plan.planes, plan.in_size(), plan.out_size(),
                y.data());
    if (needs_grad(x))
        return record("max_pool", std::move(y),
                      input(x, [at = Kept(at), plan, in = x.shape()](const auto& g) { return unpick(g, at, plan, in); }));
    return y;
}

template <class T, class D>
Tensor<T, D> max_pool(const Tensor<T, D>& x, const Pooling& pooling, Places<D>* places = nullptr) {
    static_assert(Floating<T>, "headtorch: max_pool: needs a tensor of float or double: write x.to<float>() first");
    const PoolPlan& plan = pooling.plan;
    auto y = empty<T, D>(pooling.out);
    Places<D> at;
    if (places || needs_grad(x)) at = empty<std::int32_t, D>(pooling.out);
    max_pool_forward(D{}, static_cast<const T*>(detached_contiguous(x).data()), plan, y.data(), at.defined() ? at.data() : nullptr);
    if (places) *places = at;
    if (!needs_grad(x)) return y;
    return record("max_pool", std::move(y),
                  input(x, [at = Kept(std::move(at)), plan, in = x.shape()](const auto& g) { return unpick(g, at, plan, in); }));
}

/// Values and places, which count within a plane of the input.
template <class T, class D>
ValuesAndIndices<T, D> max_pool_with_places(const Tensor<T, D>& x, const Pooling& pooling) {
    Places<D> at;
    auto values = max_pool(x, pooling, &at);
    return {std::move(values), at.template to<std::int64_t>()};
}

}  // namespace detail

/// y[n, c, o] = the largest x[n, c, i] in window o.
template <class T, class D>
Tensor<T, D> max_pool1d(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                        const Dims& dilation = 1, bool ceil_mode = false) {
    const OpScope scope("max_pool1d", {x.impl().get()});
    return detail::max_pool(x, detail::plan_pool("max_pool1d", x.shape(), 1, kernel_size, stride, padding, dilation, ceil_mode));
}
template <class T, class D>
Tensor<T, D> max_pool2d(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {}, const Dims& padding = 0,
                        const Dims& dilation = 1, bool ceil_mode = false) {
    const OpScope scope("max_pool2d", {x.impl().get()});
    return detail::max_pool(x, detail::plan_pool("max_pool2d", x.shape(), 2, kernel_size, stride, padding, dilation, ceil_mode));
}

/// The same with the index of each largest element in its plane (PyTorch's return_indices).
template <class T, class D>
ValuesAndIndices<T, D> max_pool1d_with_indices(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {},
                                               const Dims& padding = 0, const Dims& dilation = 1, bool ceil_mode = false) {
    const OpScope scope("max_pool1d_with_indices", {x.impl().get()});
    return detail::max_pool_with_places(
        x, detail::plan_pool("max_pool1d_with_indices", x.shape(), 1, kernel_size, stride, padding, dilation, ceil_mode));
}
template <class T, class D>
ValuesAndIndices<T, D> max_pool2d_with_indices(const Tensor<T, D>& x, const Dims& kernel_size, const Dims& stride = {},
                                               const Dims& padding = 0, const Dims& dilation = 1, bool ceil_mode = false) {
    const OpScope scope("max_pool2d_with_indices", {x.impl().get()});
    return detail::max_pool_with_places(
        x, detail::plan_pool("max_pool2d_with_indices", x.shape(), 2, kernel_size, stride, padding, dilation, ceil_mode));
}

/// Largest elements of windows that share the input out into `output_size` parts; -1 keeps a dimension's size.
template <class T, class D>
Tensor<T, D> adaptive_max_pool1d(const Tensor<T, D>& x, const Dims& output_size) {
    const OpScope scope("adaptive_max_pool1d", {x.impl().get()});
    return detail::max_pool(x, detail::plan_adaptive_pool("adaptive_max_pool1d", x.shape(), 1, output_size));
}
template <class T, class D>
Tensor<T, D> adaptive_max_pool2d(const Tensor<T, D>& x, const Dims& output_size) {
    const OpScope scope("adaptive_max_pool2d", {x.impl().get()});
    return detail::max_pool(x, detail::plan_adaptive_pool("adaptive_max_pool2d", x.shape(), 2, output_size));
}
template <class T, class D>
ValuesAndIndices<T, D> adaptive_max_pool2d_with_indices(const Tensor<T, D>& x, const Dims& output_size) {
    const OpScope scope("adaptive_max_pool2d_with_indices", {x.impl().get()});
    return detail::max_pool_with_places(x, detail::plan_adaptive_pool("adaptive_max_pool2d_with_indices", x.shape(), 2, output_size));
}

/// Puts what max_pool2d_with_indices() took back to its places, with zeros around it. `output_size`: rows and columns of the result; unless
/// given, the smallest that the windows need. Of values with one place the last stays. Throws IndexError when a place is outside.
template <class T, class D>
Tensor<T, D> max_unpool2d(const Tensor<T, D>& x, const Tensor<std::int64_t, D>& indices, const Dims& kernel_size, const Dims& stride = {},
                          const Dims& padding = 0, const Dims& output_size = {}) {
    const OpScope scope("max_unpool2d", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: max_unpool2d: needs a tensor of float or double: write x.to<float>() first");
    if (!(indices.shape() == x.shape()))
        throw ShapeError(message("max_unpool2d: needs one index for each value, got ", indices.shape(), " for ", x.shape()));
    const detail::Pooling pooled = detail::start_pooling("max_unpool2d", x.shape(), 2);
    const IntList kernel = detail::spatial_sizes("max_unpool2d", "kernel_size", kernel_size, 2, 1);
    const IntList step = stride.empty() ? kernel : detail::spatial_sizes("max_unpool2d", "stride", stride, 2, 1);
    const IntList around = detail::spatial_sizes("max_unpool2d", "padding", padding, 2, 0);
    PoolPlan plan{.planes = pooled.plan.planes, .anywhere = true};  // of the pooling that this undoes
    Shape shape = x.shape();
    for (int k = 0; k < 2; ++k) {
        PoolAxis& axis = k ? plan.columns : plan.rows;
        const int d = x.dim() - 2 + k;
        axis.out = x.shape()[d];
        axis.kernel = 1;
        axis.in = (axis.out - 1) * step[k] - 2 * around[k] + kernel[k];
        const std::int64_t usual = axis.in;
        if (!output_size.empty()) {
            axis.in = detail::spatial_sizes("max_unpool2d", "output_size", output_size, 2, 1)[k];
            if (axis.in <= usual - step[k] || axis.in >= usual + step[k])
                throw ValueError(message("max_unpool2d: output_size ", output_size, " does not come from these windows: size ", k,
                                         " must be between ", usual - step[k] + 1, " and ", usual + step[k] - 1));
        }
        shape[d] = axis.in;
    }
    detail::start_pooling("max_unpool2d", shape, 2);  // checks its size
    const auto wanted = detail::detached_contiguous(indices);
    check_index(D{}, static_cast<const std::int64_t*>(wanted.data()), wanted.numel(),
                IndexRule{.op = "max_unpool2d",
                          .size = plan.in_size(),
                          .describe = detail::describe_place,
                          .sizes = {plan.rows.in, plan.columns.in}});
    const auto at = wanted.template to<std::int32_t>();
    auto y = empty<T, D>(shape);
    put_places(D{}, static_cast<const T*>(detail::detached_contiguous(x).data()), at.data(), plan.planes, plan.out_size(), plan.in_size(),
               y.data());
    if (!needs_grad(x)) return y;
    return record("max_unpool2d", std::move(y), input(x, [at = Kept(at), plan](const auto& g) { return detail::pick(g, at, plan); }));
}

}  // namespace headtorch
