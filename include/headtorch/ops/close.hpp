// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Are two tensors equal, or nearly so?

#include <limits>

#include "headtorch/ops/compare.hpp"
#include "headtorch/ops/math.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch {
namespace formula {

struct IsClose {
    double rtol, atol;
    bool equal_nan;
    constexpr auto operator()(const auto& x, const auto& y) const {
        const auto size = math::abs(y);
        const auto near = (math::abs(x - y) <= atol + rtol * size) & (size < std::numeric_limits<double>::infinity());
        const auto both_nan = (x != x) & (y != y) & (math::constant(x, equal_nan ? 1 : 0) == 1);
        return (x == y) | near | both_nan;
    }
};

}  // namespace formula

/// |a - b| <= atol + rtol |b|, element by element; equal infinities are close, NaN to NaN only with `equal_nan`.
template <class T, class D, class U, class E>
Tensor<bool, D> isclose(const Tensor<T, D>& a, const Tensor<U, E>& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false) {
    detail::require_same<T, D, U, E>();
    if constexpr (!Floating<T>) {
        return isclose(a.template to<double>(), b.template to<double>(), rtol, atol);
    } else {
        return detail::map_new<bool>("isclose", formula::IsClose{rtol, atol, equal_nan}, a, b);
    }
}

/// All elements close; the shapes broadcast.
template <class T, class D, class U, class E>
bool allclose(const Tensor<T, D>& a, const Tensor<U, E>& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false) {
    return all(isclose(a, b, rtol, atol, equal_nan)).item();
}

/// The same shape and the same elements.
template <class T, class D, class U, class E>
bool equal(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    detail::require_same<T, D, U, E>();
    return a.shape() == b.shape() && all(a == b).item();
}

}  // namespace headtorch
