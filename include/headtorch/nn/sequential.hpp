// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Modules one after the other, put together at run time.

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/any_module.hpp"

namespace headtorch::nn {

/// A child of a Sequential with its name: `{"fc1", nn::Linear<>(2, 3)}`.
template <class T = float, class D = Cpu>
struct NamedModule {
    std::string name;
    mutable AnyModule<T, D> module;  // mutable: moved out of a braced list

    template <class M>
        requires detail::Layer<M, T, D> || std::same_as<std::remove_cvref_t<M>, AnyModule<T, D>>
    NamedModule(std::string_view child, M&& layer) : name(child), module(std::forward<M>(layer)) {}
};

/// Feeds its input through its children in turn. Children are modules or functions of a tensor; those given as variables are copied.
///
///     nn::Sequential<> net(nn::Linear<>(2, 3), nn::ReLU(), [](const Tensor<>& x) { return x * 2; });   // named 0, 1, 2
///     nn::Sequential<> net({{"fc1", nn::Linear<>(2, 3)}, {"act", nn::ReLU()}});
template <class T = float, class D = Cpu>
class Sequential : public Module<Sequential<T, D>> {
public:
    using parameter_type = Tensor<T, D>;
    using Child = AnyModule<T, D>;

    Sequential() = default;
    template <class... M>
        requires(sizeof...(M) > 0 && (detail::Layer<M, T, D> && ...) && !(sizeof...(M) == 1 && (std::same_as<std::remove_cvref_t<M>, Sequential> && ...)))
    explicit(sizeof...(M) == 1) Sequential(M&&... children) {
        children_.reserve(sizeof...(M));
        (push_back(std::forward<M>(children)), ...);
    }
    Sequential(std::initializer_list<NamedModule<T, D>> children) {
        for (const NamedModule<T, D>& child : children) push_back(child.name, std::move(child.module));
    }

    Sequential(const Sequential&) = default;
    Sequential(Sequential&&) noexcept = default;
    ~Sequential() = default;
    /// Writes the values into this one's parameters, child by child; a child of another type is replaced.
    Sequential& operator=(const Sequential&) = default;
    Sequential& operator=(Sequential&& other) {
        if (size() == other.size())
            std::move(other.children_.begin(), other.children_.end(), children_.begin());
        else
            children_ = std::move(other.children_);
        names_ = std::move(other.names_);
        return *this;
    }

    /// Adds a child, named by its number.
    void push_back(Child child) {
        const std::string number = std::to_string(children_.size());
        push_back(number, std::move(child));
    }
    /// Adds a child. Throws ValueError when the name is empty, contains a dot or is taken.
    void push_back(std::string_view name, Child child) {
        if (name.empty() || name.find('.') != std::string_view::npos)
            throw ValueError(message("Sequential: the name of a child is neither empty nor has a dot, got \"", name, "\""));
        if (find(name)) throw ValueError(message("Sequential: there is already a child named \"", name, "\""));
        if (!child.module_ref().address()) throw ValueError(message("Sequential: child \"", name, "\" is empty"));
        children_.push_back(std::move(child));
        names_.emplace_back(name);
    }

    Tensor<T, D> forward(const Tensor<T, D>& input) {
        if (children_.empty()) return input;
        Tensor<T, D> x = children_[0](input);
        for (std::size_t i = 1; i < children_.size(); ++i) x = children_[i](x);
        return x;
    }

    std::size_t size() const { return children_.size(); }
    bool empty() const { return children_.empty(); }
    /// The i-th child; negative numbers count from the end. Throws IndexError when there is none.
    Child& operator[](std::int64_t i) { return children_[checked(i)]; }
    const Child& operator[](std::int64_t i) const { return children_[checked(i)]; }
    /// The child as what it is: `net.at<nn::Linear<>>(0).weight`. Throws ValueError when it is of another type.
    template <class M>
    M& at(std::int64_t i) {
        const std::size_t place = checked(i);
        return cast<M>(names_[place], children_[place]);
    }
    template <class M>
    M& at(std::string_view name) {
        Child* child = find(name);
        if (!child) throw IndexError(message("Sequential: no child named \"", name, "\""));
        return cast<M>(name, *child);
    }
    const std::vector<std::string>& names() const { return names_; }
    auto begin() { return children_.begin(); }
    auto end() { return children_.end(); }
    auto begin() const { return children_.begin(); }
    auto end() const { return children_.end(); }

    void visit_members(MemberVisitor& visitor) {
        for (std::size_t i = 0; i < children_.size(); ++i) visitor.module(names_[i], children_[i].module_ref());
    }

private:
    std::size_t checked(std::int64_t i) const {
        const auto count = static_cast<std::int64_t>(children_.size());
        if (i < -count || i >= count) throw IndexError(message("Sequential: index ", i, " is out of range for ", count, " children"));
        return static_cast<std::size_t>(i < 0 ? i + count : i);
    }
    Child* find(std::string_view name) {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (names_[i] == name) return &children_[i];
        return nullptr;
    }
    template <class M>
    static M& cast(std::string_view name, const Child& child) {
        if (M* module = child.template as<M>()) return *module;
        throw ValueError(message("Sequential: child \"", name, "\" is a ", child.module_ref().name(), ", not a ", detail::class_name<M>));
    }

    std::vector<Child> children_;
    std::vector<std::string> names_;
};

}  // namespace headtorch::nn
