// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The state of a module by name: parameters and buffers of any element type, in PyTorch's order.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/parameter.hpp"

namespace headtorch::nn {
namespace detail {

/// What is done with a tensor whose type is known at run time only.
struct TensorType {
    Ref<TensorImpl> (*clone)(const Ref<TensorImpl>& tensor);
    /// Same dtype and shape; `from` may be on the host.
    void (*write)(const Ref<TensorImpl>& to, const Ref<TensorImpl>& from);
    void (*requires_grad)(const Ref<TensorImpl>& tensor, bool value);  // null for integers
    void (*zero_grad)(const Ref<TensorImpl>& tensor);                  // null for integers
    Ref<TensorImpl> (*to_host)(const Ref<TensorImpl>& tensor);         // a contiguous copy; null for what is on the host
};

template <class T, class D>
void write_untyped(const Ref<TensorImpl>& to, const Ref<TensorImpl>& from) {
    if constexpr (!std::same_as<D, Cpu>)
        if (from->device == DeviceKind::cpu)
            return write_values<T, D>("load_state_dict", Tensor<T, D>(to), Tensor<T, Cpu>(from).template to<D>());
    write_values<T, D>("load_state_dict", Tensor<T, D>(to), Tensor<T, D>(from));
}

template <class T, class D>
constexpr auto copy_to_host() {
    Ref<TensorImpl> (*copy)(const Ref<TensorImpl>&) = nullptr;
    if constexpr (!std::same_as<D, Cpu>)
        copy = [](const Ref<TensorImpl>& tensor) { return deep_copy(Tensor<T, D>(tensor)).template to<Cpu>().impl(); };
    return copy;
}

template <class T, class D>
inline constexpr TensorType tensor_type = {
    [](const Ref<TensorImpl>& tensor) { return deep_copy(Tensor<T, D>(tensor)).impl(); },
    &write_untyped<T, D>,
    nullptr,
    nullptr,
    copy_to_host<T, D>(),
};
template <Floating T, class D>
inline constexpr TensorType tensor_type<T, D> = {
    [](const Ref<TensorImpl>& tensor) { return deep_copy(Tensor<T, D>(tensor)).impl(); },
    &write_untyped<T, D>,
    [](const Ref<TensorImpl>& tensor, bool value) { Tensor<T, D>(tensor).requires_grad_(value); },
    [](const Ref<TensorImpl>& tensor) { Tensor<T, D>(tensor).zero_grad(); },
    copy_to_host<T, D>(),
};

}  // namespace detail

/// A handle to a tensor of any element type on any device.
class AnyTensorHandle {
public:
    AnyTensorHandle() = default;
    template <class T, class D>
    AnyTensorHandle(const Tensor<T, D>& tensor) : impl_(tensor.impl()), type_(&detail::tensor_type<T, D>) {}

    bool defined() const { return static_cast<bool>(impl_); }
    const Shape& shape() const { return get_impl()->shape; }
    std::int64_t numel() const { return get_impl()->numel; }
    Dtype dtype() const { return get_impl()->dtype; }
    DeviceKind device() const { return get_impl()->device; }
    template <class T, class D = DefaultDevice>
    bool is() const {
        return impl_ && impl_->dtype == dtype_of<T> && impl_->device == device_kind<D>;
    }
    /// The tensor, sharing storage. Throws ValueError when it is of another type or on another device.
    template <class T = float, class D = DefaultDevice>
    Tensor<T, D> get() const {
        if (!is<T, D>()) throw_other_type(dtype_of<T>, device_kind<D>);
        return Tensor<T, D>(impl_);
    }
    /// The same values in storage of their own, off the tape.
    AnyTensorHandle clone() const { return impl_ ? AnyTensorHandle(type_->clone(impl_), type_) : AnyTensorHandle(); }
    /// The same storage, off the tape.
    AnyTensorHandle detach() const { return impl_ ? AnyTensorHandle(alias_impl(*impl_), type_) : AnyTensorHandle(); }
    bool is_same(const AnyTensorHandle& other) const { return impl_ == other.impl_; }

    const Ref<TensorImpl>& impl() const { return impl_; }
    const detail::TensorType* type() const { return type_; }
    /// "float32 [2, 3]", for messages.
    std::string to_string() const { return impl_ ? message(name(dtype()), " ", shape()) : "undefined"; }

private:
    AnyTensorHandle(Ref<TensorImpl> impl, const detail::TensorType* type) : impl_(std::move(impl)), type_(type) {}
    TensorImpl* get_impl() const {
        if (!impl_) throw ValueError("tensor: this handle is undefined");
        return impl_.get();
    }
    [[noreturn]] void throw_other_type(Dtype dtype, DeviceKind device) const {
        if (!impl_) throw ValueError("tensor: this handle is undefined");
        throw ValueError(message("tensor: this is a tensor of ", name(impl_->dtype), " on ", name(impl_->device), ", not of ", name(dtype),
                                 " on ", name(device)));
    }

    Ref<TensorImpl> impl_;
    const detail::TensorType* type_ = nullptr;
};

/// Tensors by name, in the order in which they were added. What Module::state_dict() returns shares storage with the module, as in PyTorch:
/// clone() it to keep a snapshot.
class StateDict {
public:
    using value_type = std::pair<std::string, AnyTensorHandle>;

    StateDict() = default;
    StateDict(std::initializer_list<value_type> entries) {
        for (const auto& [name, tensor] : entries) set(name, tensor);
    }

    /// Adds an entry, or replaces the one of that name.
    void set(std::string_view name, AnyTensorHandle tensor) {
        if (AnyTensorHandle* there = find_entry(name))
            *there = std::move(tensor);
        else
            entries_.emplace_back(name, std::move(tensor));
    }
    /// Adds an entry whose name is known to be new.
    void append(std::string name, AnyTensorHandle tensor) { entries_.emplace_back(std::move(name), std::move(tensor)); }
    bool erase(std::string_view name) {
        return std::erase_if(entries_, [&](const value_type& entry) { return entry.first == name; }) > 0;
    }
    bool contains(std::string_view name) const { return find(name) != nullptr; }
    /// Null when there is none of that name.
    const AnyTensorHandle* find(std::string_view name) const { return const_cast<StateDict*>(this)->find_entry(name); }
    /// Throws ValueError when there is none of that name.
    const AnyTensorHandle& at(std::string_view name) const {
        if (const AnyTensorHandle* tensor = find(name)) return *tensor;
        throw ValueError(message("state_dict: no entry \"", name, "\" among ", size()));
    }
    /// The tensor of that name: `dict.get<double>("fc.weight")`.
    template <class T = float, class D = DefaultDevice>
    Tensor<T, D> get(std::string_view name) const {
        return at(name).template get<T, D>();
    }

    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }
    auto begin() const { return entries_.begin(); }
    auto end() const { return entries_.end(); }
    const value_type& operator[](std::size_t i) const { return entries_[i]; }
    std::vector<std::string> keys() const {
        std::vector<std::string> names;
        for (const auto& [name, tensor] : entries_) names.push_back(name);
        return names;
    }

    /// A snapshot: the same names with values of their own.
    StateDict clone() const {
        StateDict copy;
        for (const auto& [name, tensor] : entries_) copy.entries_.emplace_back(name, tensor.clone());
        return copy;
    }

private:
    AnyTensorHandle* find_entry(std::string_view name) {
        for (auto& [entry, tensor] : entries_)
            if (entry == name) return &tensor;
        return nullptr;
    }

    std::vector<value_type> entries_;
};

}  // namespace headtorch::nn
