// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Copies and conversions.
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/map.hpp"
#include "headtorch/ops/pointwise.hpp"
#include "headtorch/tensor/create.hpp"

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

namespace detail {

/// An uninitialised tensor in memory from and to which device D copies by itself.
template <Device D, class T>
Tensor<T, Cpu> pinned_tensor(const Shape& shape) {
    require_device<D>();
    const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * sizeof(T);
    return from_blob(static_cast<T*>(allocate_pinned(D{}, bytes)), shape, [](T* data) { deallocate_pinned(D{}, data); });
}

/// True of memory from and to which device D copies by itself.
template <Device D>
bool is_pinned_for(const void* data) {
    require_device<D>();
    return is_pinned(D{}, data);
}

/// Numbers from device to device, both contiguous.
template <class T, class From, class To>
void transfer(const Tensor<T, From>& from, const Tensor<T, To>& to, TransferOptions options) {
    using Far = std::conditional_t<std::same_as<From, Cpu>, To, From>;
    const void* host = from.data();
    if constexpr (std::same_as<To, Cpu>) host = to.data();
    if (options.non_blocking && from.numel() > 0 && is_pinned_for<Far>(host) && !recording(Far{}))
        start_copy(From{}, To{}, from.data(), to.data(), static_cast<std::size_t>(from.numel()) * sizeof(T));
    else
        copy_between(From{}, To{}, from.data(), to.data(), from.numel());
}

}  // namespace detail

template <class T, class D>
template <Device E>
Tensor<T, E> Tensor<T, D>::to(TransferOptions options) const {
    if constexpr (std::same_as<D, E>) {
        return *this;
    } else {
        const OpScope scope("to", {impl_.get()});
        require_device<D>();
        require_device<E>();
        Tensor<T, E> y;
        if constexpr (std::same_as<E, Cpu>)
            if (options.non_blocking) y = detail::pinned_tensor<D, T>(shape());
        if (!y.defined()) y = empty<T, E>(shape());
        detail::transfer(detail::detached_contiguous(*this), y, options);
        if constexpr (Floating<T>) {
            if (autograd::needs_grad(*this))
                return autograd::record("to", y, autograd::input(*this, [](const Tensor<T, E>& g) { return g.template to<D>(); }));
        }
        return y;
    }
}

template <class T, class D>
template <Device E>
Tensor<T, D> Tensor<T, D>::pin_memory() const {
    static_assert(std::same_as<D, Cpu>, "headtorch: pin_memory: only memory of the CPU can be pinned");
    if (is_pinned<E>()) return *this;
    const OpScope scope("pin_memory", {impl_.get()});
    const Tensor y = detail::pinned_tensor<E, T>(shape());
    detail::run_map(detail::Identity{}, y, *this);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(*this)) return autograd::record("pin_memory", y, autograd::input(*this, [](const auto& g) { return g; }));
    }
    return y;
}

template <class T, class D>
template <Device E>
bool Tensor<T, D>::is_pinned() const {
    if constexpr (std::same_as<D, Cpu>)
        return detail::is_pinned_for<E>(data());
    else
        return false;
}

}  // namespace headtorch
