// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a module holds: its parameters, buffers and submodules with their names, for one type after another turned into a small table, so
/// that everything done with a tree of modules is plain code.

#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/nn/aggregate.hpp"
#include "headtorch/nn/parameter.hpp"
#include "headtorch/nn/state_dict.hpp"

namespace headtorch::nn {

template <class Derived>
struct Module;
struct ModuleType;

/// A module of any type: where it is and what it is.
class ModuleRef {
public:
    ModuleRef() = default;
    ModuleRef(void* address, const ModuleType* type) : address_(address), type_(type) {}

    void* address() const { return address_; }
    const ModuleType& type() const { return *type_; }
    /// Class name, without namespace and template arguments: "Linear".
    std::string_view name() const;
    /// The module as an M, or null when it is of another type: `if (auto* fc = module.as<nn::Linear<>>()) …`
    template <class M>
    M* as() const;
    /// As PyTorch prints a module.
    std::string to_string() const;
    friend bool operator==(const ModuleRef&, const ModuleRef&) = default;

private:
    void* address_ = nullptr;
    const ModuleType* type_ = nullptr;
};

enum class TensorKind : std::uint8_t { parameter, buffer };

/// Is shown the members of one module. Names are valid during the call only.
class MemberVisitor {
public:
    virtual void tensor(std::string_view, TensorKind, const AnyTensorHandle&) {}
    virtual void module(std::string_view, ModuleRef) {}

protected:
    ~MemberVisitor() = default;
};

/// What the tree walkers need to know of a module's type; there is one table per type.
struct ModuleType {
    enum class List : std::uint8_t { none, modules, parameters };

    std::string_view name;
    void (*visit)(void* module, MemberVisitor& visitor);
    std::string (*extra_repr)(void* module);  ///< null when there is none
    bool* (*training)(void* module);          ///< null when it behaves alike in training and evaluation
    List list = List::none;                   ///< a list, which PyTorch prints in its own way
};

/// Members and their names, as a module's `fields()` returns them.
template <class... Members>
struct Fields {
    std::string_view names[sizeof...(Members) + 1];
    std::tuple<Members*...> members;
};

/// For a class that is no aggregate: `auto fields() { return nn::fields("weight", weight, "bias", bias); }`, in the order of declaration.
template <class... Args>
constexpr auto fields(Args&&... names_and_members) {
    static_assert(sizeof...(Args) % 2 == 0, "headtorch: fields: names and members in turn: nn::fields(\"weight\", weight, \"bias\", bias)");
    const auto all = std::forward_as_tuple(names_and_members...);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
        static_assert((std::is_lvalue_reference_v<std::tuple_element_t<2 * I + 1, std::tuple<Args&&...>>> && ...),
                      "headtorch: fields: takes the members themselves, not copies of them");
        return Fields<std::remove_reference_t<std::tuple_element_t<2 * I + 1, std::tuple<Args...>>>...>{
            {std::get<2 * I>(all)..., {}}, {&std::get<2 * I + 1>(all)...}};
    }(std::make_index_sequence<sizeof...(Args) / 2>());
}

namespace detail {

template <class T, class D>
std::true_type parameter_test(const Parameter<T, D>*);
std::false_type parameter_test(const void*);
template <class T, class D>
std::true_type buffer_test(const Buffer<T, D>*);
std::false_type buffer_test(const void*);
template <class M>
std::type_identity<M> module_test(const Module<M>*);
std::type_identity<void> module_test(const void*);

template <class X>
concept IsParameter = std::is_class_v<X> && decltype(parameter_test(static_cast<X*>(nullptr)))::value;
template <class X>
concept IsBuffer = std::is_class_v<X> && decltype(buffer_test(static_cast<X*>(nullptr)))::value;
/// The M of the base Module<M>, or void.
template <class X>
using ModuleBase = typename decltype(module_test(static_cast<X*>(nullptr)))::type;
template <class X>
concept IsModule = std::is_class_v<X> && !std::is_void_v<ModuleBase<X>>;
/// AnyModule: stands for what it holds.
template <class X>
concept IsErased = std::is_class_v<X> && requires(X& x) {
    typename X::erased_module;
    x.module_ref();
};
template <class X>
concept IsRange = std::is_class_v<X> && requires(X& x) {
    typename X::value_type;
    x.begin();
    x.end();
};
template <class X>
concept IsMap = IsRange<X> && requires { typename X::mapped_type; } && std::is_convertible_v<typename X::key_type, std::string_view>;
template <class X>
concept IsTuple = !IsRange<X> && requires { std::tuple_size<X>::value; };
/// std::optional and the smart pointers.
template <class X>
concept IsPointer = std::is_class_v<X> && !IsRange<X> && requires(X& x) {
    x.operator*();
    static_cast<bool>(x);
};

template <class X>
consteval bool holds_state();
template <class X>
inline constexpr bool has_state = holds_state<std::remove_cv_t<X>>();

template <class X>
inline constexpr bool tuple_has_state = false;
template <template <class...> class W, class... A>
inline constexpr bool tuple_has_state<W<A...>> = (has_state<A> || ...);

/// True for what is visited: parameters, buffers, modules, and what contains them.
template <class X>
consteval bool holds_state() {
    if constexpr (!std::is_class_v<X>) {
        return false;
    } else if constexpr (IsParameter<X> || IsBuffer<X> || IsErased<X>) {
        return true;
    } else if constexpr (IsModule<X>) {
        static_assert(std::same_as<X, ModuleBase<X>>,
                      "headtorch: a module is derived from nn::Module<itself>; to extend another module, hold it as a member");
        return true;
    } else if constexpr (IsMap<X>) {
        return has_state<typename X::mapped_type>;
    } else if constexpr (IsRange<X>) {
        return has_state<typename X::value_type>;
    } else if constexpr (IsPointer<X>) {
        return has_state<std::remove_reference_t<decltype(*std::declval<X&>())>>;
    } else if constexpr (IsTuple<X>) {
        return tuple_has_state<X>;
    } else {
        static_assert(!tuple_has_state<X>,
                      "headtorch: modules in a container of this kind would not be found: use std::vector, std::array, std::map, "
                      "std::optional, std::unique_ptr, nn::AnyModule or nn::Sequential, or visit them in fields()");
        return false;
    }
}

template <class M>
concept HasFields = requires(M& m) { m.fields(); };
template <class M>
concept VisitsItself = requires(M& m, MemberVisitor& visitor) { m.visit_members(visitor); };

template <class M>
constexpr auto fields_of(M& module) {
    if constexpr (HasFields<M>) {
        return module.fields().members;
    } else {
        static_assert(std::is_aggregate_v<M>,
                      "headtorch: a module with a constructor or private members lists its parameters and modules once, in the open: "
                      "auto fields() { return nn::fields(\"weight\", weight, \"fc\", fc); }");
        if constexpr (std::is_aggregate_v<M>)
            return member_pointers<count_members<M>()>(module);
        else
            return std::tuple<>();
    }
}

/// A number as a name, without allocation.
class NumberName {
public:
    explicit NumberName(std::size_t number) {
        do text_[--begin_] = static_cast<char>('0' + number % 10);
        while (number /= 10);
    }
    operator std::string_view() const { return {text_ + begin_, sizeof text_ - begin_}; }

private:
    char text_[20];
    std::size_t begin_ = sizeof text_;
};

template <class X>
ModuleRef ref_of(X& module);

template <class X>
void show(MemberVisitor& visitor, std::string_view name, X& member) {
    if constexpr (std::is_const_v<X>)
        show(visitor, name, const_cast<std::remove_const_t<X>&>(member));
    else if constexpr (IsParameter<X> || IsBuffer<X>) {
        if (member.defined()) visitor.tensor(name, IsParameter<X> ? TensorKind::parameter : TensorKind::buffer, member);
    } else if constexpr (IsErased<X>) {
        if (const ModuleRef module = member.module_ref(); module.address()) visitor.module(name, module);
    } else if constexpr (!IsModule<X> && IsPointer<X>) {
        if (member) show(visitor, name, *member);
    } else
        visitor.module(name, ref_of(member));
}

/// Shows the members of a module, or the elements of a container.
template <class M>
void visit_module(void* address, MemberVisitor& visitor) {
    M& module = *static_cast<M*>(address);
    if constexpr (VisitsItself<M>) {
        module.visit_members(visitor);
    } else if constexpr (IsModule<M> && HasFields<M>) {
        const auto fields = module.fields();
        []<class... X>(const std::tuple<X*...>&) {
            static_assert((has_state<X> && ...),
                          "headtorch: fields: every member listed is a Parameter, a Buffer, a module, or a container of such");
        }(fields.members);
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (show(visitor, fields.names[I], *std::get<I>(fields.members)), ...);
        }(std::make_index_sequence<std::tuple_size_v<decltype(fields.members)>>());
    } else if constexpr (IsModule<M>) {
        const auto members = fields_of(module);
        const auto show_one = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            if constexpr (has_state<std::remove_pointer_t<std::tuple_element_t<I, decltype(fields_of(module))>>>)
                show(visitor, member_name<M, I>, *std::get<I>(members));
        };
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (show_one(std::integral_constant<std::size_t, I>()), ...);
        }(std::make_index_sequence<std::tuple_size_v<decltype(fields_of(module))>>());
    } else if constexpr (IsMap<M>) {
        for (auto& [name, member] : module) show(visitor, name, member);
    } else if constexpr (IsRange<M>) {
        std::size_t i = 0;
        for (auto& member : module) show(visitor, NumberName(i++), member);
    } else {
        std::apply(
            [&](auto&... members) {
                std::size_t i = 0;
                const auto show_one = [&](auto& member) {
                    const NumberName name(i++);
                    if constexpr (has_state<std::remove_reference_t<decltype(member)>>) show(visitor, name, member);
                };
                (show_one(members), ...);
            },
            module);
    }
}

template <class M>
constexpr ModuleType make_module_type() {
    ModuleType type{class_name<M>, &visit_module<M>, nullptr, nullptr};
    if constexpr (!IsModule<M>) {
        type.list = IsMap<M> ? ModuleType::List::none : ModuleType::List::modules;
        type.name = IsMap<M> ? "ModuleDict" : "ModuleList";
        if constexpr (IsRange<M>) {
            if constexpr (IsParameter<typename M::value_type> || IsBuffer<typename M::value_type>) {
                type.list = ModuleType::List::parameters;
                type.name = IsParameter<typename M::value_type> ? "ParameterList" : "BufferList";
            }
        }
    }
    if constexpr (requires { M::joins_equal_lines; }) type.list = ModuleType::List::modules;
    if constexpr (requires(const M& m) { std::string(m.extra_repr()); })
        type.extra_repr = [](void* module) { return std::string(static_cast<const M*>(module)->extra_repr()); };
    if constexpr (requires(M& m) { requires std::same_as<decltype(m.training), bool>; })
        type.training = [](void* module) { return &static_cast<M*>(module)->training; };
    return type;
}

template <class M>
inline constexpr ModuleType module_type = make_module_type<M>();

template <class X>
ModuleRef ref_of(X& module) {
    return {&module, &module_type<X>};
}

/// Of a function that stands for a module: it has no members.
template <class F>
inline constexpr ModuleType function_type = {std::is_class_v<F> ? class_name<F> : "Function", [](void*, MemberVisitor&) {}, nullptr,
                                                  nullptr};

// --- the type of a module's parameters, at compile time -------------------------------------------------------------------

struct NoParameters {};
struct MixedParameters {};

template <class A, class B>
using Join = std::conditional_t<std::is_same_v<A, NoParameters>, B,
                                std::conditional_t<std::is_same_v<A, B> || std::is_same_v<B, NoParameters>, A, MixedParameters>>;

template <class... X>
struct JoinAll {
    using type = NoParameters;
};
template <class X, class... Rest>
struct JoinAll<X, Rest...> {
    using type = Join<X, typename JoinAll<Rest...>::type>;
};

template <class X>
auto parameter_tensor();
template <class X>
using ParameterTensor = decltype(parameter_tensor<std::remove_cv_t<X>>());

template <class Tuple>
struct TupleParameters;
template <template <class...> class W, class... X>
struct TupleParameters<W<X...>> {
    using type = typename JoinAll<ParameterTensor<std::remove_pointer_t<X>>...>::type;
};

/// Returns a Tensor<T, D>, NoParameters or MixedParameters.
template <class X>
auto parameter_tensor() {
    if constexpr (!has_state<X> || IsBuffer<X>)
        return NoParameters();
    else if constexpr (IsParameter<X>)
        return []<class T, class D>(const Parameter<T, D>*) { return Tensor<T, D>(); }(static_cast<X*>(nullptr));
    else if constexpr (requires { typename X::parameter_type; })
        return typename X::parameter_type();
    else if constexpr (IsModule<X>)
        return typename TupleParameters<decltype(fields_of(std::declval<X&>()))>::type();
    else if constexpr (IsMap<X>)
        return ParameterTensor<typename X::mapped_type>();
    else if constexpr (IsRange<X>)
        return ParameterTensor<typename X::value_type>();
    else if constexpr (IsPointer<X>)
        return ParameterTensor<std::remove_reference_t<decltype(*std::declval<X&>())>>();
    else
        return typename TupleParameters<X>::type();
}

}  // namespace detail

inline std::string_view ModuleRef::name() const { return type_->name; }
template <class M>
M* ModuleRef::as() const {
    return type_ == &detail::module_type<M> ? static_cast<M*>(address_) : nullptr;
}

}  // namespace headtorch::nn
