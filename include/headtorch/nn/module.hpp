// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The base of every module. A module is a class with parameters and submodules as members, and a forward():
///
///     struct Net : nn::Module<Net> {
///         nn::Linear<> fc1{2, 8}, fc2{8, 1};
///         Tensor<> forward(Tensor<> x) { return fc2(relu(fc1(x))); }
///     };
///
/// The members of such an aggregate are found by the compiler: parameters, buffers, modules, and std::vector, std::array, std::map,
/// std::optional, std::tuple, smart pointers of such. A class with a constructor or private members lists them once:
/// `auto fields() { return nn::fields("fc1", fc1, "fc2", fc2); }`. Plain tensors, numbers and the like are no state.
/// A module that behaves differently in training has a member `bool training = true;`, which train() and eval() set.
/// A module is a value: `auto best = net;` copies all of it, `net = best;` writes the values into net's own parameters. Containers of the
/// standard library keep their own rules: std::map makes its elements anew, and so does std::vector when a temporary (`net = Net();`) or
/// one of another size is assigned; nn::ModuleList and nn::ModuleDict write values always.

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/observer.hpp"

namespace headtorch::nn {
namespace detail {

/// What a function of one argument, as given to apply(), takes.
template <class F>
struct ArgumentOf : ArgumentOf<decltype(&F::operator())> {};
template <class R, class A>
struct ArgumentOf<R (*)(A)> {
    using type = std::remove_cvref_t<A>;
};
template <class R, class F, class A>
struct ArgumentOf<R (F::*)(A)> {
    using type = std::remove_cvref_t<A>;
};
template <class R, class F, class A>
struct ArgumentOf<R (F::*)(A) const> {
    using type = std::remove_cvref_t<A>;
};

}  // namespace detail

template <class Derived>
struct Module {
    /// Calls forward(). An error on its way out gets the path of the module in front: `net.fc1: linear: …`.
    template <class Input>
    decltype(auto) operator()(Input&& input, const Here& = Here::call()) {
        return call(static_cast<Derived&>(*this), std::forward<Input>(input));
    }
    template <class Input>
    decltype(auto) operator()(Input&& input, const Here& = Here::call()) const {
        return call(static_cast<const Derived&>(*this), std::forward<Input>(input));
    }
    template <class... Inputs>
        requires(sizeof...(Inputs) != 1)
    decltype(auto) operator()(Inputs&&... inputs) {
        return call(static_cast<Derived&>(*this), std::forward<Inputs>(inputs)...);
    }
    template <class... Inputs>
        requires(sizeof...(Inputs) != 1)
    decltype(auto) operator()(Inputs&&... inputs) const {
        return call(static_cast<const Derived&>(*this), std::forward<Inputs>(inputs)...);
    }

    /// Handles to all parameters, in order of declaration; one that is shared comes once. The element type and device are those of the
    /// parameters; when they are mixed, say which are wanted: `net.parameters<double>()`.
    template <class T = void, class D = DefaultDevice>
    auto parameters() const {
        std::vector<ParameterTensor<T, D>> handles;
        for (auto& [name, tensor] : collect<T, D>()) handles.push_back(std::move(tensor));
        return handles;
    }
    /// The same with names: `for (auto& [name, parameter] : net.named_parameters())`.
    template <class T = void, class D = DefaultDevice>
    auto named_parameters() const {
        return collect<T, D>();
    }
    std::vector<std::pair<std::string, AnyTensorHandle>> named_buffers() const {
        return detail::named_tensors(module_ref(), TensorKind::buffer);
    }
    std::vector<AnyTensorHandle> buffers() const {
        std::vector<AnyTensorHandle> handles;
        for (auto& [name, tensor] : named_buffers()) handles.push_back(std::move(tensor));
        return handles;
    }
    /// Number of trainable values, or of all.
    std::int64_t num_parameters(bool only_trainable = false) const {
        std::int64_t sum = 0;
        for (const auto& [name, tensor] : detail::named_tensors(module_ref(), TensorKind::parameter))
            if (!only_trainable || tensor.impl()->node) sum += tensor.numel();
        return sum;
    }

    /// Direct submodules with their names.
    std::vector<std::pair<std::string, ModuleRef>> named_children() const {
        std::vector<std::pair<std::string, ModuleRef>> list;
        detail::for_each_child_of(module_ref(), [&](std::string_view name, ModuleRef child) { list.emplace_back(name, child); });
        return list;
    }
    /// The module itself, named "", and all below it.
    std::vector<std::pair<std::string, ModuleRef>> named_modules() const {
        std::vector<std::pair<std::string, ModuleRef>> list;
        std::string path;
        detail::walk_modules(module_ref(), &path, [&](ModuleRef module) { list.emplace_back(path, module); });
        return list;
    }
    /// Calls `function` for every module below and last for this one: with a ModuleRef, or only for those of the type that it takes,
    /// as in `net.apply([](nn::Linear<>& fc) { nn::init::xavier_uniform_(fc.weight); })`.
    template <class F>
    Derived& apply(F function) {
        using Argument = typename detail::ArgumentOf<F>::type;
        detail::walk_modules_children_first(module_ref(), [&](ModuleRef module) {
            if constexpr (std::same_as<Argument, ModuleRef>)
                function(module);
            else if (auto* typed = module.template as<Argument>())
                function(*typed);
        });
        return static_cast<Derived&>(*this);
    }

    /// Parameters and buffers by name. They share storage with the module: clone() the dictionary to keep a snapshot.
    StateDict state_dict() const {
        StateDict dict;
        detail::walk_state(module_ref(), [&](const std::string& name, TensorKind, const AnyTensorHandle& tensor) {
            dict.append(name, tensor.detach());
        });
        return dict;
    }
    /// Writes the values of a dictionary into the module. Throws ValueError, with all that is missing, unexpected, or of another shape or
    /// type, and then changes nothing. Not strict, missing and unexpected names are passed over and returned.
    LoadResult load_state_dict(const StateDict& dict, bool strict = true) { return detail::load_state(module_ref(), dict, strict); }

    /// Sets training mode in all modules that have one.
    Derived& train(bool mode = true) {
        detail::walk_modules(module_ref(), nullptr, [&](ModuleRef module) {
            if (module.type().training) *module.type().training(module.address()) = mode;
        });
        return static_cast<Derived&>(*this);
    }
    Derived& eval() { return train(false); }
    /// The mode of the module, or else of the first one below that has one; true when none has.
    bool is_training() const { return detail::is_training(module_ref()); }

    /// Forgets the gradients of all parameters.
    void zero_grad() {
        detail::walk_parameters(module_ref(), [](const AnyTensorHandle& tensor) { tensor.type()->zero_grad(tensor.impl()); });
    }
    /// Freezes all parameters, or sets them free again.
    Derived& requires_grad_(bool value = true) {
        detail::walk_parameters(module_ref(), [&](const AnyTensorHandle& tensor) { tensor.type()->requires_grad(tensor.impl(), value); });
        return static_cast<Derived&>(*this);
    }

    /// As PyTorch prints a module; what a leaf module says of itself is its `std::string extra_repr() const`.
    std::string to_string() const { return detail::print_module(module_ref()); }

    /// The module without its type.
    ModuleRef module_ref() const { return detail::ref_of(static_cast<Derived&>(const_cast<Module&>(*this))); }

private:
    template <class Self, class... Inputs>
    static decltype(auto) call(Self& self, Inputs&&... inputs) {
        try {
            detail::ModuleCall scope(self.module_ref(), inputs...);
            using Result = decltype(self.forward(std::forward<Inputs>(inputs)...));
            if constexpr (std::is_void_v<Result>) {
                self.forward(std::forward<Inputs>(inputs)...);
                scope.returns(std::tuple<>());
            } else {
                Result result = self.forward(std::forward<Inputs>(inputs)...);
                scope.returns(result);
                if constexpr (std::is_reference_v<Result>)
                    return static_cast<Result>(result);
                else
                    return result;
            }
        } catch (Error& error) {
            detail::name_module(error, self.module_ref());
            throw;
        }
    }

    template <class T, class D>
    static auto parameter_tensor() {
        if constexpr (!std::is_void_v<T>) {
            return Tensor<T, D>();
        } else {
            using Found = detail::ParameterTensor<Derived>;
            static_assert(!std::is_same_v<Found, detail::MixedParameters>,
                          "headtorch: parameters: this module's parameters are of different element types or devices: ask for one kind "
                          "at a time, as in net.parameters<double>()");
            if constexpr (AnyTensor<Found>)
                return Found();
            else
                return Tensor<>();
        }
    }
    template <class T, class D>
    using ParameterTensor = decltype(parameter_tensor<T, D>());

    template <class T, class D>
    std::vector<std::pair<std::string, ParameterTensor<T, D>>> collect() const {
        using Wanted = ParameterTensor<T, D>;
        std::vector<std::pair<std::string, Wanted>> list;
        for (const std::pair<std::string, AnyTensorHandle>& entry : detail::named_tensors(module_ref(), TensorKind::parameter)) {
            const bool fits = entry.second.is<typename Wanted::value_type, typename Wanted::device_type>();
            if (!fits && !std::is_void_v<T>) continue;
            if (!fits)
                throw ValueError(message("parameters: ", entry.first, " is ", entry.second,
                                         ", unlike the others: ask for one kind at a time, as in net.parameters<double>()"));
            list.emplace_back(entry.first, entry.second.get<typename Wanted::value_type, typename Wanted::device_type>());
        }
        return list;
    }
};

template <class Stream, class Derived>
    requires requires(Stream& out, const std::string& text) { out << text; }
Stream& operator<<(Stream& out, const Module<Derived>& module) {
    out << module.to_string();
    return out;
}

}  // namespace headtorch::nn
