// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A module of any type with forward(Tensor) -> Tensor, or a function, as a value: what run-time structure is made of.

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "headtorch/nn/module.hpp"

namespace headtorch::nn {

template <class T, class D>
class AnyModule;

namespace detail {

/// What AnyModule accepts: a module, or something to call with a tensor. It must not accept everything, or the members of a class that
/// holds one could not be counted.
template <class M, class T, class D>
concept Layer = IsModule<std::remove_cvref_t<M>> ||
                (!std::same_as<std::remove_cvref_t<M>, AnyModule<T, D>> && std::invocable<std::decay_t<M>&, const Tensor<T, D>&>);

}  // namespace detail

/// Copies are deep; assigning a module of the same type writes the values into this one's parameters.
/// `module.as<nn::Linear<>>()` is the module itself, or null when it is of another type.
template <class T = float, class D = DefaultDevice>
class AnyModule {
public:
    using erased_module = void;
    using parameter_type = Tensor<T, D>;

    AnyModule() = default;
    template <class M>
        requires detail::Layer<M, T, D>
    AnyModule(M&& module) : model_(std::make_unique<Model<std::decay_t<M>>>(std::forward<M>(module))) {}
    AnyModule(const AnyModule& other) : model_(other.model_ ? other.model_->clone() : nullptr) {}
    AnyModule(AnyModule&&) noexcept = default;
    AnyModule& operator=(const AnyModule& other) {
        if (this == &other || (model_ && other.model_ && model_->assign(*other.model_))) return *this;
        model_ = other.model_ ? other.model_->clone() : nullptr;
        return *this;
    }
    AnyModule& operator=(AnyModule&& other) {
        if (this == &other || (model_ && other.model_ && model_->take(*other.model_))) return *this;
        model_ = std::move(other.model_);
        return *this;
    }
    ~AnyModule() = default;

    Tensor<T, D> operator()(const Tensor<T, D>& input) { return get().forward(input); }
    Tensor<T, D> forward(const Tensor<T, D>& input) { return get().forward(input); }

    /// Null address when empty.
    ModuleRef module_ref() const { return model_ ? model_->ref() : ModuleRef(); }
    template <class M>
    M* as() const {
        return model_ ? module_ref().template as<M>() : nullptr;
    }
    std::string to_string() const { return module_ref().to_string(); }

private:
    struct Concept {
        virtual ~Concept() = default;
        virtual Tensor<T, D> forward(const Tensor<T, D>& input) = 0;
        virtual std::unique_ptr<Concept> clone() const = 0;
        virtual bool assign(const Concept& other) = 0;
        virtual bool take(Concept& other) = 0;
        virtual ModuleRef ref() = 0;
    };
    template <class M>
    struct Model final : Concept {
        M module;
        explicit Model(const M& m) : module(m) {}
        explicit Model(M&& m) : module(std::move(m)) {}

        Tensor<T, D> forward(const Tensor<T, D>& input) override {
            if constexpr (detail::IsModule<M>)
                static_assert(requires { { module.forward(input) } -> std::convertible_to<Tensor<T, D>>; },
                              "headtorch: a layer in nn::Sequential<T, D> or nn::AnyModule<T, D> has forward(Tensor<T, D>) -> "
                              "Tensor<T, D>: give all of them the same T and D, as in nn::Sequential<double>(nn::Linear<double>(2, 3))");
            return module(input);
        }
        std::unique_ptr<Concept> clone() const override {
            if constexpr (std::copy_constructible<M>)
                return std::make_unique<Model>(module);
            else
                throw ValueError(message("copy: a ", detail::class_name<M>, " cannot be copied (it holds a std::unique_ptr or the like)"));
        }
        bool assign(const Concept& other) override {
            if constexpr (std::is_copy_assignable_v<M>) {
                const auto* same = dynamic_cast<const Model*>(&other);
                if (same) module = same->module;
                return same != nullptr;
            } else {
                return false;
            }
        }
        bool take(Concept& other) override {
            if constexpr (std::is_move_assignable_v<M>) {
                auto* same = dynamic_cast<Model*>(&other);
                if (same) module = std::move(same->module);
                return same != nullptr;
            } else {
                return false;
            }
        }
        ModuleRef ref() override {
            if constexpr (detail::IsModule<M>)
                return module.module_ref();
            else
                return {&module, &detail::function_type<M>};
        }
    };

    Concept& get() const {
        if (!model_) throw ValueError("AnyModule: empty (default-constructed or moved from)");
        return *model_;
    }

    std::unique_ptr<Concept> model_;
};

}  // namespace headtorch::nn
