// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// In-place writes. When the tape records, the new value is computed aside, written, and its node becomes the tensor's; a write through a
/// view gives the base a node that joins what was there with what was written.
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include <utility>

#include "headtorch/ops/pointwise.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {
namespace detail {

/// A formula of nothing.
template <class T>
struct Always {
    T value;
    constexpr ComputeType<T> operator()() const { return value; }
};

/// Refuses a leaf that gathers a gradient, and a view whose elements share memory.
template <class T, class D>
void check_in_place(const char* op, const Tensor<T, D>& x) {
    if (GradMode::enabled() && x.requires_grad()) {
        if (x.is_leaf())
            throw AutogradError(
                message(op, ": a leaf that requires a gradient cannot be written in place; do it under NoGrad, or on x.clone()"));
        if (x.get()->base && Tensor<T, D>(x.get()->base).is_leaf())
            throw AutogradError(
                message(op, ": a view of a leaf that requires a gradient cannot be written in place; do it under NoGrad, or on x.clone()"));
    }
    for (int d = 0; d < x.dim(); ++d)
        if (x.strides()[d] == 0 && x.shape()[d] > 1 && x.numel() > 0)
            throw ShapeError(message(op, ": elements of an expanded tensor of shape ", x.shape(), " share memory; write to x.clone()"));
}

/// `y`, or a copy of it when it shows the storage of `x` in another way than x does.
template <class T, class D, class U>
Tensor<U, D> apart(const Tensor<T, D>& x, const Tensor<U, D>& y) {
    if (x.get()->storage.get() != y.get()->storage.get()) return y;
    const bool same = static_cast<void*>(x.data()) == static_cast<void*>(y.data()) && x.shape() == y.shape() && x.strides() == y.strides();
    return same ? y : y.clone();
}

/// The values of `x` before a write, with their node.
template <class T, class D>
Tensor<T, D> former_value(const Tensor<T, D>& x) {
    Tensor<T, D> former = plain_copy(x);
    former.get()->node = autograd::node_of(x);
    return former;
}

/// Writes `value` (of the shape of x) into x and makes its node x's.
template <class T, class D>
void write_recorded(const char* op, const Tensor<T, D>& x, const Tensor<T, D>& value) {
    if (x.get()->base && !x.get()->base->contiguous)
        throw AutogradError(message(op, ": writing through a view of a non-contiguous tensor cannot be recorded; call contiguous() first"));
    run_map(Identity{}, x, value);
    x.get()->bump_version(op);
    TensorImpl* impl = x.get();
    const Ref<autograd::Node> node = autograd::node_of(value);
    if (!impl->base) {
        impl->node = node;
        ++impl->history;
        return;
    }
    Tensor<T, D> base(impl->base);
    const Geometry place{x.shape(), x.strides(), x.data() - base.data()};
    std::array<Ref<autograd::Node>, 2> parents{autograd::node_of(base), node};
    record_step(op, base, std::move(parents), [place](const Tensor<T, D>& g, autograd::GradientSink& sink) {
        const Tensor<T, D> written = view_of_contiguous(g, place);
        if (sink.wants(1)) sink.add(1, written.impl());
        if (sink.wants(0)) sink.add(0, (g - embed(written, g.shape(), place)).impl());
    });
    ++impl->base->history;
}

}  // namespace detail

/// x = formula(x, y...) in place; the others broadcast to the shape of x.
template <class Op, class T, class D, class... U, class... E>
const Tensor<T, D>& pointwise_(const Op& formula, const Tensor<T, D>& x, const Tensor<U, E>&... y) {
    (detail::require_same<T, D, U, E>(), ...);
    static constexpr JoinedName op(detail::name_of<Op>(), "_");
    const OpScope scope(op.text, {x.impl().get(), y.impl().get()...});
    const char* name = detail::name_of<Op>();
    detail::check_in_place(name, x);
    const Shape shape = detail::common_shape(name, x, y...);
    if (!(shape == x.shape())) throw ShapeError(message(name, ": a result of shape ", shape, " does not fit in place into ", x.shape()));
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(x, y...)) {
            detail::write_recorded(name, x, pointwise(formula, detail::former_value(x), y...));
            return x;
        }
    }
    detail::run_map(detail::ValueKernel<Op>{formula}, x, x, detail::apart(x, y)...);
    x.get()->bump_version(name);
    return x;
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::copy_(const Tensor& source) const {
    const OpScope scope("copy_", {impl_.get(), source.impl_.get()});
    detail::check_in_place("copy_", *this);
    if (!(broadcast_shapes("copy_", shape(), source.shape()) == shape()))
        throw ShapeError(message("copy_: values of shape ", source.shape(), " do not fit into a tensor of shape ", shape()));
    const Tensor value = source.shape() == shape() ? source : source.expand(shape());
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(*this, source)) {
            detail::write_recorded("copy_", *this, detail::apart(*this, value));
            return *this;
        }
    }
    detail::run_map(detail::Identity{}, *this, detail::apart(*this, value));
    get()->bump_version("copy_");
    return *this;
}

template <class T, class D>
template <Device E>
    requires(!std::same_as<D, E>)
const Tensor<T, D>& Tensor<T, D>::copy_(const Tensor<T, E>& source, TransferOptions options) const {
    bool recorded = false;
    if constexpr (Floating<T>) recorded = autograd::needs_grad(*this) || autograd::needs_grad(source);
    if (recorded || !is_contiguous() || !(source.shape() == shape())) return copy_(source.template to<D>());
    const OpScope scope("copy_", {impl_.get(), source.get()});
    detail::check_in_place("copy_", *this);
    detail::transfer(detail::detached_contiguous(source), *this, options);
    get()->bump_version("copy_");
    return *this;
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::fill_(T value) const {
    const OpScope scope("fill_");
    detail::check_in_place("fill_", *this);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(*this)) {
            detail::write_recorded("fill_", *this, full<T, D>(shape(), value));
            return *this;
        }
    }
    detail::run_map(detail::Always<T>{value}, *this);
    get()->bump_version("fill_");
    return *this;
}

}  // namespace headtorch
