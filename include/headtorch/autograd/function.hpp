// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Custom functions: a forward of one's own with a backward of one's own, as torch.autograd.Function.
///
///     struct Cube : Function<Cube> {
///         static Tensor<> forward(Context<>& context, const Tensor<>& x) { context.save_for_backward(x); return x * x * x; }
///         static Tensor<> backward(Context<>& context, const Tensor<>& g) { auto x = context.saved(0); return 3 * x * x * g; }
///     };
///     auto y = Cube::apply(x);
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <any>
#include <concepts>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/autograd/record.hpp"

namespace headtorch {

/// What forward() leaves for backward().
template <class T = float, class D = DefaultDevice>
class Context {
public:
    /// Keeps tensors (inputs or others, not the output); backward() throws when one is overwritten in between.
    template <class... Tensors>
    void save_for_backward(const Tensors&... tensors) {
        (saved_.emplace_back(tensors), ...);
    }
    /// Tensor i of save_for_backward().
    Tensor<T, D> saved(std::size_t i) const {
        if (i >= saved_.size()) throw IndexError(message("function: saved(", i, "), but only ", saved_.size(), " tensors were saved"));
        return saved_[i]();
    }
    /// Anything else that backward() needs, by name.
    template <class V>
    void set(const std::string& name, V value) { values_[name] = std::move(value); }
    template <class V>
    const V& get(const std::string& name) const {
        const auto found = values_.find(name);
        const V* value = found == values_.end() ? nullptr : std::any_cast<V>(&found->second);
        if (!value) throw ValueError(message("function: no value of this type was set under the name ", name));
        return *value;
    }
    /// True in backward() when input i wants its gradient.
    bool needs_input_grad(std::size_t i) const { return i < needs_.size() && needs_[i]; }

private:
    template <class>
    friend struct Function;
    std::vector<autograd::Saved<T, D>> saved_;
    std::map<std::string, std::any> values_;
    std::vector<bool> needs_;
};

/// Base of custom functions. forward(context, args...) returns a tensor; backward(context, gradient) returns a tensor, or a tuple with one
/// for each tensor among the arguments (undefined for none). Written with tensor ops, backward() is differentiable itself.
template <class Derived>
struct Function {
    template <class... Args>
    static auto apply(const Args&... args) {
        return apply_to(std::tuple_cat(tensors_of(args)...), args...);
    }

private:
    template <class T, class D>
    static auto tensors_of(const Tensor<T, D>& x) { return std::tuple<Tensor<T, D>>(x); }
    template <class A>
    static std::tuple<> tensors_of(const A&) { return {}; }

    template <class T, class D, class... More, class... Args>
    static Tensor<T, D> apply_to(const std::tuple<Tensor<T, D>, More...>& tensors, const Args&... args) {
        const OpScope scope(op_name());
        constexpr std::size_t count = 1 + sizeof...(More);
        Context<T, D> context;
        Tensor<T, D> y;
        {
            NoGrad guard;  // backward() says what the gradient is, whatever forward() computes
            y = Derived::forward(context, args...);
        }
        const bool needed = std::apply([](const auto&... x) { return autograd::needs_grad(x...); }, tensors);
        if (!needed) return y;
        const bool is_input = std::apply([&](const auto&... x) { return ((x.impl() == y.impl()) || ...); }, tensors);
        if (is_input || y.requires_grad()) y = y.detach();
        auto parents = std::apply([](const auto&... x) { return autograd::inputs(x...); }, tensors);
        return autograd::record(op_name(), y, std::move(parents), [context](const Tensor<T, D>& gradient, const auto& wants) mutable {
            context.needs_.assign(count, false);
            for (std::size_t i = 0; i < count; ++i) context.needs_[i] = wants(i);
            auto result = Derived::backward(context, gradient);
            if constexpr (AnyTensor<decltype(result)>) {
                static_assert(count == 1,
                              "headtorch: Function: backward() of a function of several tensors returns a std::tuple of their gradients");
                return std::tuple(std::move(result));
            } else {
                static_assert(std::tuple_size_v<decltype(result)> == count,
                              "headtorch: Function: backward() returns one gradient for each tensor that forward() takes");
                return result;
            }
        });
    }

    static const char* op_name() {
        if constexpr (requires { { Derived::name } -> std::convertible_to<const char*>; })
            return Derived::name;
        else
            return "function";
    }
};

}  // namespace headtorch
