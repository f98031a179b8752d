// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a module is made of: parameters, which are trained, and buffers, which are only kept. Both are values: a copy is a deep copy, and
/// assignment writes into the same storage, so that an optimiser that holds a handle stays valid.
///
///     Tensor<> w = net.fc.weight;   // a handle: shares
///     auto w = net.fc.weight;       // a Parameter: a copy

#include <string_view>
#include <utility>

#include "headtorch/autograd/node.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch::nn {
namespace detail {

[[noreturn]] inline void throw_other_shape(std::string_view what, const TensorImpl& to, const TensorImpl* from) {
    if (!from) throw ValueError(message(what, ": an undefined one cannot be written into one of shape ", to.shape));
    throw ShapeError(message(what, ": values of shape ", from->shape, " do not fit into ", to.shape,
                             "; assignment keeps the storage, so shapes must agree"));
}

/// The values in storage of their own, off the tape.
template <class T, class D>
Tensor<T, D> deep_copy(const Tensor<T, D>& source) {
    return source.defined() ? headtorch::detail::plain_copy(source) : Tensor<T, D>();
}

/// The tensor itself as a new leaf: off the tape, and contiguous.
template <class T, class D>
Tensor<T, D> as_leaf(const Tensor<T, D>& source) {
    if (!source.defined()) return {};
    return source.is_contiguous() ? source.detach() : headtorch::detail::plain_copy(source);
}

/// Writes values into `to`, unseen by the tape. Throws ShapeError unless the shapes agree.
template <class T, class D>
void write_values(std::string_view what, const Tensor<T, D>& to, const Tensor<T, D>& from) {
    if (to.is_same(from)) return;
    if (!from.defined() || !(from.shape() == to.shape())) throw_other_shape(what, *to.get(), from.impl().get());
    const bool shared = from.get()->storage.get() == to.get()->storage.get();
    headtorch::detail::run_map(headtorch::detail::Identity{}, to, shared ? headtorch::detail::plain_copy(from) : from);
    to.get()->bump_version("an assignment to a parameter or buffer");
}

}  // namespace detail

/// A tensor that is trained. Undefined (as the bias of a layer without one) it is skipped by state_dict() and parameters().
template <class T = float, class D = DefaultDevice>
class Parameter : public Tensor<T, D> {
    static_assert(Floating<T>, "headtorch: nn::Parameter<T>: T is float or double; for other element types use nn::Buffer<T>");

public:
    Parameter() = default;
    /// Takes the tensor as a leaf that requires a gradient; it shares the storage of a contiguous one.
    Parameter(const Tensor<T, D>& value) : Tensor<T, D>(detail::as_leaf(value)) { set_requires_grad(true); }
    Parameter(const Parameter& other) : Tensor<T, D>(detail::deep_copy<T, D>(other)) {
        if (this->defined()) set_requires_grad(other.requires_grad());
    }
    Parameter(Parameter&& other) noexcept = default;
    ~Parameter() = default;

    /// Writes the values into the same storage. Throws ShapeError on another shape.
    Parameter& operator=(const Tensor<T, D>& value) {
        if (this->defined()) {
            detail::write_values<T, D>("parameter", *this, value);
        } else if (value.defined()) {
            Tensor<T, D>::operator=(detail::deep_copy(value));
            set_requires_grad(true);
        }
        return *this;
    }
    Parameter& operator=(const Parameter& other) { return *this = static_cast<const Tensor<T, D>&>(other); }
    /// The same for a shape that agrees; of another shape (a layer that is replaced) it takes the other's place.
    Parameter& operator=(Parameter&& other) {
        if (this->defined() && other.defined() && this->shape() == other.shape()) return *this = static_cast<const Tensor<T, D>&>(other);
        Tensor<T, D>::operator=(std::move(other));
        return *this;
    }

private:
    void set_requires_grad(bool value) {
        if (this->defined()) this->requires_grad_(value);
    }
};

/// A tensor that belongs to a module's state, without a gradient: running means, counts, tables. Any element type.
template <class T = float, class D = DefaultDevice>
class Buffer : public Tensor<T, D> {
public:
    Buffer() = default;
    Buffer(const Tensor<T, D>& value) : Tensor<T, D>(detail::as_leaf(value)) {}
    Buffer(const Buffer& other) : Tensor<T, D>(detail::deep_copy<T, D>(other)) {}
    Buffer(Buffer&& other) noexcept = default;
    ~Buffer() = default;

    /// As for Parameter.
    Buffer& operator=(const Tensor<T, D>& value) {
        if (this->defined())
            detail::write_values<T, D>("buffer", *this, value);
        else if (value.defined())
            Tensor<T, D>::operator=(detail::deep_copy(value));
        return *this;
    }
    Buffer& operator=(const Buffer& other) { return *this = static_cast<const Tensor<T, D>&>(other); }
    Buffer& operator=(Buffer&& other) {
        if (this->defined() && other.defined() && this->shape() == other.shape()) return *this = static_cast<const Tensor<T, D>&>(other);
        Tensor<T, D>::operator=(std::move(other));
        return *this;
    }
};

}  // namespace headtorch::nn

namespace headtorch::detail {
template <class T, class D>
inline constexpr bool is_tensor<nn::Parameter<T, D>> = true;
template <class T, class D>
inline constexpr bool is_tensor<nn::Buffer<T, D>> = true;
}  // namespace headtorch::detail
