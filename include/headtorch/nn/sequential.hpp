// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Modules that are put together at run time: Sequential, ModuleList, ModuleDict.

#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/any_module.hpp"

namespace headtorch::nn {

/// A child with its name: `{"fc1", nn::Linear<>(2, 3)}`.
template <class T = float, class D = DefaultDevice>
struct NamedModule {
    std::string name;
    mutable AnyModule<T, D> module;  // mutable: moved out of a braced list

    template <class M>
        requires detail::Layer<M, T, D> || std::same_as<std::remove_cvref_t<M>, AnyModule<T, D>>
    NamedModule(std::string_view child, M&& layer) : name(child), module(std::forward<M>(layer)) {}
};

/// Named modules in order. A copy is deep; assignment writes the values into this one's parameters, child by child, and replaces a child
/// of another type.
template <class T, class D>
class Children {
public:
    using parameter_type = Tensor<T, D>;
    using Child = AnyModule<T, D>;

    Children() = default;
    Children(const Children&) = default;
    Children(Children&&) noexcept = default;
    ~Children() = default;
    Children& operator=(const Children&) = default;
    Children& operator=(Children&& other) {
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
            throw ValueError(message("modules: the name of a child is neither empty nor has a dot, got \"", name, "\""));
        if (contains(name)) throw ValueError(message("modules: there is already a child named \"", name, "\""));
        if (!child.module_ref().address()) throw ValueError(message("modules: child \"", name, "\" is empty"));
        children_.push_back(std::move(child));
        names_.emplace_back(name);
    }

    std::size_t size() const { return children_.size(); }
    bool empty() const { return children_.empty(); }
    bool contains(std::string_view name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }
    const std::vector<std::string>& names() const { return names_; }
    /// The i-th child; negative numbers count from the end. Throws IndexError when there is none.
    Child& operator[](std::integral auto i) { return children_[place(static_cast<std::int64_t>(i))]; }
    const Child& operator[](std::integral auto i) const { return children_[place(static_cast<std::int64_t>(i))]; }
    /// The child of that name. Throws IndexError when there is none.
    Child& operator[](std::string_view name) { return children_[place(name)]; }
    const Child& operator[](std::string_view name) const { return children_[place(name)]; }
    /// The child as what it is: `net.at<nn::Linear<>>(0).weight`. Throws ValueError when it is of another type.
    template <class M>
    M& at(std::int64_t i) const {
        return cast<M>(place(i));
    }
    template <class M>
    M& at(std::string_view name) const {
        return cast<M>(place(name));
    }
    auto begin() { return children_.begin(); }
    auto end() { return children_.end(); }
    auto begin() const { return children_.begin(); }
    auto end() const { return children_.end(); }

    void visit_members(MemberVisitor& visitor) {
        for (std::size_t i = 0; i < children_.size(); ++i) visitor.module(names_[i], children_[i].module_ref());
    }

private:
    std::size_t place(std::int64_t i) const {
        const auto count = static_cast<std::int64_t>(children_.size());
        if (i < -count || i >= count) throw IndexError(message("modules: index ", i, " is out of range for ", count, " children"));
        return static_cast<std::size_t>(i < 0 ? i + count : i);
    }
    std::size_t place(std::string_view name) const {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (names_[i] == name) return i;
        throw IndexError(message("modules: no child named \"", name, "\""));
    }
    template <class M>
    M& cast(std::size_t i) const {
        if (M* module = children_[i].template as<M>()) return *module;
        const std::string_view name = children_[i].module_ref().name();
        throw ValueError(message("modules: child \"", names_[i], "\" is a ", name, ", not a ", detail::class_name<M>));
    }

    std::vector<Child> children_;
    std::vector<std::string> names_;
};

namespace detail {

/// What a constructor that takes children takes: layers, but not one object of its own class, which is a copy.
template <class Self, class T, class D, class... M>
concept Layers = sizeof...(M) > 0 && (Layer<M, T, D> && ...) && !(sizeof...(M) == 1 && (std::same_as<std::remove_cvref_t<M>, Self> && ...));

}  // namespace detail

/// Feeds its input through its children in turn. Children are modules or functions of a tensor; those given as variables are copied.
///
///     nn::Sequential<> net{nn::Linear<>(2, 3), nn::ReLU(), [](const Tensor<>& x) { return x * 2; }};   // named 0, 1, 2
///     nn::Sequential<> net({{"fc1", nn::Linear<>(2, 3)}, {"act", nn::ReLU()}});
///
/// Braces make the layers from left to right, so that they draw their parameters in PyTorch's order. In parentheses, as in
/// `nn::Sequential<>(nn::Linear<>(2, 3), nn::Linear<>(3, 1))`, C++ leaves the order open, and g++ makes the last layer first.
template <class T = float, class D = DefaultDevice>
class Sequential : public Module<Sequential<T, D>>, public Children<T, D> {
public:
    Sequential() = default;
    template <class... M>
        requires detail::Layers<Sequential, T, D, M...>
    explicit(sizeof...(M) == 1) Sequential(M&&... layers) {
        (this->push_back(std::forward<M>(layers)), ...);
    }
    Sequential(std::initializer_list<NamedModule<T, D>> layers) {
        for (const NamedModule<T, D>& layer : layers) this->push_back(layer.name, std::move(layer.module));
    }

    Tensor<T, D> forward(const Tensor<T, D>& input) {
        Tensor<T, D> x = input;
        for (AnyModule<T, D>& layer : *this) x = layer(x);
        return x;
    }
};

/// A list of modules, for a forward() that says what is done with them: `for (auto& layer : layers) x = layer(x) + x;`
template <class T = float, class D = DefaultDevice>
class ModuleList : public Module<ModuleList<T, D>>, public Children<T, D> {
public:
    static constexpr bool joins_equal_lines = true;

    ModuleList() = default;
    template <class... M>
        requires detail::Layers<ModuleList, T, D, M...>
    explicit(sizeof...(M) == 1) ModuleList(M&&... modules) {
        (this->push_back(std::forward<M>(modules)), ...);
    }
};

/// Modules by name, in the order in which they were added: `x = heads["digits"](x);`
template <class T = float, class D = DefaultDevice>
class ModuleDict : public Module<ModuleDict<T, D>>, public Children<T, D> {
public:
    ModuleDict() = default;
    ModuleDict(std::initializer_list<NamedModule<T, D>> modules) {
        for (const NamedModule<T, D>& module : modules) this->push_back(module.name, std::move(module.module));
    }
};

}  // namespace headtorch::nn
