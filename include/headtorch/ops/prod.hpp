// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Products over all dimensions or any set of them. The gradient never divides: it is right with any number of zeros.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/scan.hpp"

namespace headtorch {
namespace detail {

/// The product of all others in the same group, for each element of x.
template <class T, class D>
Tensor<T, D> others_over(const Tensor<T, D>& x, DimMask mask) {
    Dims order, back;
    Shape lines;
    for (int d = 0; d < x.dim(); ++d)
        if (!(mask >> d & 1u)) order.push_back(d), lines.push_back(x.shape()[d]);
    std::int64_t length = 1;
    for (int d = 0; d < x.dim(); ++d)
        if (mask >> d & 1u) order.push_back(d), length *= x.shape()[d];
    for (int d = 0; d < x.dim(); ++d) back.push_back(std::find(order.begin(), order.end(), d) - order.begin());
    lines.insert(lines.rank(), length);
    const Tensor<T, D> ordered = x.permute(order);
    return others_along(ordered.reshape(lines), lines.rank() - 1).reshape(ordered.shape()).permute(back);
}

template <class T, class D>
Tensor<SumType<T>, D> prod_over(const Tensor<T, D>& x, DimMask mask, bool keepdim) {
    const OpScope scope("prod", {x.impl().get()});
    auto y = reduce_new<SumType<T>>(reduction::Prod{}, x, mask, keepdim);
    if constexpr (Floating<T>) {
        if (needs_grad(x))
            return record("prod", std::move(y), input(x, [x = saved(x), mask](const Tensor<T, D>& g) {
                const Tensor<T, D> value = x();
                return mask == 0 ? g : others_over(value, mask) * with_kept_dims(g, value.shape(), mask);
            }));
    }
    return y;
}

}  // namespace detail

/// Product of all elements; 1 when there are none. Integers and booleans are counted in int64.
template <class T, class D>
Tensor<SumType<T>, D> prod(const Tensor<T, D>& x, const Here& = Here::call("prod")) {
    return detail::prod_over(x, all_dims(x.dim()), false);
}
template <class T, class D>
Tensor<SumType<T>, D> prod(const Tensor<T, D>& x, const Dims& dims, bool keepdim = false, const Here& = Here::call("prod")) {
    return detail::prod_over(x, dim_mask("prod", dims, x.dim()), keepdim);
}

}  // namespace headtorch
