// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Copies and conversions.
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/map.hpp"
#include "headtorch/ops/pointwise.hpp"

namespace headtorch {
namespace detail {

struct Identity {
    template <class X>
    HEADTORCH_ALWAYS_INLINE constexpr X operator()(const X& x) const {
        return x;
    }
};

/// A contiguous copy, not recorded.
template <class T, class D>
Tensor<T, D> plain_copy(const Tensor<T, D>& x) {
    auto y = empty<T, D>(x.shape());
    run_map(Identity{}, y, x);
    return y;
}

/// The values in contiguous form for a kernel, not recorded; `x` itself when it is contiguous.
template <class T, class D>
Tensor<T, D> detached_contiguous(const Tensor<T, D>& x) { return x.is_contiguous() ? x : plain_copy(x); }
/// The same of an operand that may be left out.
template <class T, class D>
Tensor<T, D> contiguous_or_none(const Tensor<T, D>& x) { return x.defined() ? detached_contiguous(x) : x; }

}  // namespace detail

template <class T, class D>
Tensor<T, D> Tensor<T, D>::clone() const {
    const OpScope scope("clone", {impl_.get()});
    Tensor y = detail::plain_copy(*this);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(*this)) return autograd::record("clone", y, autograd::input(*this, [](const auto& g) { return g; }));
    }
    return y;
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::contiguous() const { return is_contiguous() ? *this : clone(); }

template <class T, class D>
template <Scalar U>
Tensor<U, D> Tensor<T, D>::to() const {
    if constexpr (std::same_as<T, U>) {
        return *this;
    } else {
        const OpScope scope("to", {impl_.get()});
        Tensor<U, D> y = empty<U, D>(shape());
        detail::run_map(detail::Identity{}, y, *this);
        if constexpr (Floating<T> && Floating<U>) {
            if (autograd::needs_grad(*this))
                return autograd::record("to", y, autograd::input(*this, [](const Tensor<U, D>& g) { return g.template to<T>(); }));
        }
        return y;
    }
}

template <class T, class D>
template <Device E>
Tensor<T, E> Tensor<T, D>::to() const {
    if constexpr (std::same_as<D, E>) {
        return *this;
    } else {
        const OpScope scope("to", {impl_.get()});
        require_device<D>();
        require_device<E>();
        Tensor<T, E> y = empty<T, E>(shape());
        copy_between(D{}, E{}, detail::detached_contiguous(*this).data(), y.data(), numel());
        if constexpr (Floating<T>) {
            if (autograd::needs_grad(*this))
                return autograd::record("to", y, autograd::input(*this, [](const Tensor<T, E>& g) { return g.template to<D>(); }));
        }
        return y;
    }
}

}  // namespace headtorch
