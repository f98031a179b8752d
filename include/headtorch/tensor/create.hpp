// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// New tensors: from values, of one value, sequences, random numbers (random.hpp), and around memory that exists already.
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/tensor/random.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {

/// Braces within braces, as in `tensor({{1, 2}, {3, 4}})`: a number or a list of such.
template <Scalar T>
class NestedList {
public:
    template <Number S>
    NestedList(S value) : value_(static_cast<T>(value)), is_number_(true) {}
    NestedList(std::initializer_list<NestedList> items) : items_(items) {}

    Shape shape() const {
        if (is_number_) return {};
        Shape inner = items_.empty() ? Shape{} : items_[0].shape();
        for (const NestedList& item : items_)
            if (!(item.shape() == inner)) throw ShapeError(message("tensor: rows of different shapes: ", inner, " and ", item.shape()));
        inner.insert(0, static_cast<std::int64_t>(items_.size()));
        return inner;
    }
    T* write(T* out) const {
        if (is_number_) *out++ = value_;
        for (const NestedList& item : items_) out = item.write(out);
        return out;
    }

private:
    T value_{};
    bool is_number_ = false;
    std::vector<NestedList> items_;
};

/// A tensor from values: `tensor(3)`, `tensor({1, 2})`, `tensor<double>({{1, 2}, {3, 4}})`. Element type float unless given.
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> tensor(const std::type_identity_t<NestedList<T>>& values) {
    auto host = empty<T, Cpu>(values.shape());
    values.write(host.data());
    return host.template to<D>();
}

/// A 1-dim copy of a vector.
template <class Vector, Device D = DefaultDevice>
    requires std::same_as<Vector, std::vector<typename Vector::value_type>>
auto tensor(const Vector& values) {
    auto host = empty<typename Vector::value_type, Cpu>({static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), host.data());
    return host.template to<D>();
}

/// All elements `value`. Element type float unless given, whatever the type of the value.
template <Scalar T = float, Device D = DefaultDevice, Number S>
Tensor<T, D> full(const Shape& shape, S value) {
    auto x = empty<T, D>(shape);
    x.fill_(static_cast<T>(value));
    return x;
}
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> zeros(const Shape& shape) { return full<T, D>(shape, T(0)); }
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> ones(const Shape& shape) { return full<T, D>(shape, T(1)); }

template <class T, class D>
Tensor<T, D> empty_like(const Tensor<T, D>& x) { return empty<T, D>(x.shape()); }
template <class T, class D>
Tensor<T, D> zeros_like(const Tensor<T, D>& x) { return zeros<T, D>(x.shape()); }
template <class T, class D>
Tensor<T, D> ones_like(const Tensor<T, D>& x) { return ones<T, D>(x.shape()); }
template <class T, class D>
Tensor<T, D> full_like(const Tensor<T, D>& x, std::type_identity_t<T> value) { return full<T, D>(x.shape(), value); }

/// The identity matrix, n x m (m = n unless given).
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> eye(std::int64_t n, std::int64_t m = -1) {
    if (m == -1) m = n;
    auto x = zeros<T, Cpu>({n, m});
    for (std::int64_t i = 0; i < std::min(n, m); ++i) x.data()[i * (m + 1)] = T(1);
    return x.template to<D>();
}

/// start, start + step, … before end. The element type follows the arguments: int64 for integers, float otherwise, unless given.
template <class T = void, Device D = DefaultDevice, Number A, Number B, Number C = int>
auto arange(A start, B end, C step = 1) {
    using Deduced = std::conditional_t<std::is_integral_v<A> && std::is_integral_v<B> && std::is_integral_v<C>, std::int64_t, float>;
    using R = std::conditional_t<std::is_void_v<T>, Deduced, T>;
    if (step == C(0)) throw ValueError("arange: the step must not be 0");
    const double count = std::ceil((static_cast<double>(end) - static_cast<double>(start)) / static_cast<double>(step));
    if (!(count >= 0)) throw ValueError(message("arange: no step of ", step, " leads from ", start, " to ", end));
    if (count > 4e18) throw ShapeError(message("arange: ", count, " elements do not fit in 64 bits"));
    const auto n = static_cast<std::int64_t>(count);
    auto x = empty<R, Cpu>({n});
    for (std::int64_t i = 0; i < n; ++i) {
        if constexpr (Floating<R>)
            x.data()[i] = static_cast<R>(static_cast<double>(start) + static_cast<double>(i) * static_cast<double>(step));
        else
            x.data()[i] = static_cast<R>(static_cast<std::int64_t>(start) + i * static_cast<std::int64_t>(step));
    }
    return x.template to<D>();
}
template <class T = void, Device D = DefaultDevice, Number B>
auto arange(B end) { return arange<T, D>(B(0), end); }

/// `steps` values from `start` to `end`, both included, evenly spaced.
template <Scalar T = float, Device D = DefaultDevice>
Tensor<T, D> linspace(double start, double end, std::int64_t steps) {
    if (steps < 0) throw ValueError(message("linspace: negative number of steps: ", steps));
    auto x = empty<T, Cpu>({steps});
    const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
    // from both ends, so that the last value is exact
    for (std::int64_t i = 0; i < steps; ++i)
        x.data()[i] =
            static_cast<T>(i < (steps + 1) / 2 ? start + step * static_cast<double>(i) : end - step * static_cast<double>(steps - 1 - i));
    return x.template to<D>();
}

/// A tensor on memory that stays the caller's and must outlive it.
template <Scalar T>
Tensor<T, Cpu> from_blob(T* data, const Shape& shape) {
    auto impl = Ref<TensorImpl>::adopt(cpu::make_pooled<TensorImpl>(dtype_of<T>, DeviceKind::cpu));
    impl->set_geometry(shape, shape.contiguous_strides());
    if (!data && impl->numel > 0) throw ValueError("from_blob: a null pointer");
    impl->storage = wrap_storage(data, static_cast<std::size_t>(impl->numel) * sizeof(T), {});
    impl->data = data;
    return Tensor<T, Cpu>(std::move(impl));
}
/// The same with strides, in elements.
template <Scalar T>
Tensor<T, Cpu> from_blob(T* data, const Shape& shape, const Strides& strides) {
    Tensor<T, Cpu> x = from_blob(data, shape);
    if (strides.rank() != shape.rank()) throw ShapeError(message("from_blob: ", strides.rank(), " strides for shape ", shape));
    x.get()->set_geometry(shape, strides);
    return x;
}
/// Takes ownership: `deleter(data)` is called when the last tensor on it is gone.
template <Scalar T, class Deleter>
    requires std::invocable<Deleter&, T*>
Tensor<T, Cpu> from_blob(T* data, const Shape& shape, Deleter deleter) {
    Tensor<T, Cpu> x = from_blob(data, shape);
    x.get()->storage = wrap_storage(data, static_cast<std::size_t>(x.numel()) * sizeof(T), [data, deleter]() mutable { deleter(data); });
    return x;
}

/// Coordinate grids from 1-dim tensors: result i varies along dimension i (indexing "ij") or, for the first two swapped, "xy".
template <class T, class D>
std::vector<Tensor<T, D>> meshgrid(const std::vector<Tensor<T, D>>& axes, std::string_view indexing = "ij") {
    if (indexing != "ij" && indexing != "xy") throw ValueError(message("meshgrid: indexing is \"ij\" or \"xy\", not \"", indexing, "\""));
    const int rank = static_cast<int>(axes.size());
    const bool swap = indexing == "xy" && rank >= 2;
    Shape shape;
    for (const auto& axis : axes) {
        if (axis.dim() > 1) throw ShapeError(message("meshgrid: every axis has one dimension, got ", axis.shape()));
        shape.push_back(axis.numel());
    }
    std::vector<Tensor<T, D>> grids;
    for (int i = 0; i < rank; ++i) {
        Shape along = IntList::filled(rank, 1);
        along[i] = shape[i];
        const auto grid = axes[static_cast<std::size_t>(i)].reshape(along).expand(shape);
        grids.push_back(swap ? grid.transpose(0, 1) : grid);
    }
    return grids;
}

}  // namespace headtorch
