// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The members of an aggregate with one base, and their names, read by the compiler: how many there are is found by trying how many
/// initialisers it takes, their names are cut out of what the compiler prints for a pointer to each.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "headtorch/nn/members.hpp"

namespace headtorch::nn::detail {

/// Stands for a value of any type. Never called: the compiler only asks whether it would convert.
struct Anything {
    template <class T>
    operator T() const {
        std::abort();
    }
};
/// For what Anything is ambiguous with, such as a class with a constructor template that takes any value.
struct AnyTemplate {
    template <template <class...> class W, class... A>
    operator W<A...>() const {
        std::abort();
    }
};

/// The I-th initialiser: bit I of the mask chooses AnyTemplate.
template <std::size_t I, std::uint64_t mask>
using Initialiser = std::conditional_t<(I < 64 && (mask >> (I & 63) & 1)), AnyTemplate, Anything>;

template <class X, std::uint64_t mask, class Before, class After>
inline constexpr bool takes_gap = false;
/// X{base, initialisers…, {}, initialisers…} compiles.
template <class X, std::uint64_t mask, std::size_t... I, std::size_t... J>
inline constexpr bool takes_gap<X, mask, std::index_sequence<I...>, std::index_sequence<J...>> =
    requires { X{{}, Initialiser<I, mask>{}..., {}, Initialiser<sizeof...(I) + 1 + J, mask>{}...}; };

template <class X, std::uint64_t mask, class Positions>
inline constexpr bool takes_exactly = false;
/// X{base, initialisers…} compiles.
template <class X, std::uint64_t mask, std::size_t... I>
inline constexpr bool takes_exactly<X, mask, std::index_sequence<I...>> = requires { X{{}, Initialiser<I, mask>{}...}; };

template <class X, std::size_t n, std::uint64_t mask>
concept Takes = takes_exactly<X, mask, std::make_index_sequence<n>>;

struct MemberCount {
    std::size_t count;
    std::uint64_t mask;
    bool stuck;
};

/// Climbs to the largest number of initialisers. Where members have no default value, fewer of them than all do not compile either, so
/// the climb goes on until one has; `stuck` is a further member that no initialiser is found for.
template <class X, std::size_t n = 0, std::uint64_t mask = 0, bool found = false>
consteval MemberCount climb() {
    if constexpr (Takes<X, n, mask>) {
        if constexpr (n > max_members)
            return {n, mask, false};
        else
            return climb<X, n + 1, mask, true>();
    } else if constexpr (!found) {
        if constexpr (n > max_members)
            return {0, mask, true};
        else
            return climb<X, n + 1, mask, false>();
    } else if constexpr (takes_gap<X, mask, std::make_index_sequence<n - 1>, std::index_sequence<>>) {
        constexpr std::uint64_t other = mask | std::uint64_t{1} << (n - 1);
        if constexpr (other != mask && Takes<X, n, other>)
            return climb<X, n + 1, other, true>();
        else
            return {n - 1, mask, true};
    } else {
        return {n - 1, mask, false};
    }
}

/// True when member I swallows several initialisers: a C array.
template <class X, std::size_t I, std::size_t n, std::uint64_t mask>
inline constexpr bool is_array = !takes_gap<X, mask, std::make_index_sequence<I>, std::make_index_sequence<n - I - 1>> &&
                                 takes_gap<X, mask, std::make_index_sequence<I>, std::index_sequence<>>;

template <class X, std::uint64_t mask, std::size_t... I>
constexpr bool has_array(std::index_sequence<I...>) {
    return (is_array<X, I, sizeof...(I), mask> || ...);
}

template <class X>
consteval std::size_t count_members() {
    constexpr MemberCount members = climb<X>();
    static_assert(members.count <= max_members,
                  "headtorch: a module has at most 64 members that the compiler can read: group them in modules, or list them in fields()");
    static_assert(!members.stuck,
                  "headtorch: the members of this module cannot be counted (is one a reference?): list them once in the class: "
                  "auto fields() { return nn::fields(\"weight\", weight, \"fc\", fc); }");
    static_assert(!has_array<X, members.mask>(std::make_index_sequence<members.count>()),
                  "headtorch: a module with a C array as a member cannot be read: use std::array, or list the members in fields()");
    return members.count;
}

/// Somewhere that an X could stand, for pointers to its members; there never is one.
template <class X>
union Nowhere {
    char none;
    X value;
    constexpr Nowhere() : none{} {}
    constexpr ~Nowhere() {}
};
template <class X>
inline Nowhere<X> nowhere;

/// A pointer to a part of an object is a template argument only within a class (clang 14).
template <class P>
struct Address {
    P pointer;
};
template <class P>
Address(P) -> Address<P>;

template <auto address>
consteval const char* printed_address() {
    return __PRETTY_FUNCTION__;
}

/// "… {(& nowhere<Net>.Nowhere<Net>::value.Net::fc1)}]" or "… {&nowhere.value.fc1}]": the identifier before the last brace.
consteval std::string_view last_identifier(const char* printed) {
    std::size_t end = std::char_traits<char>::length(printed);
    while (printed[end - 1] != '}') --end;
    --end;
    while (printed[end - 1] == ')') --end;
    std::size_t begin = end;
    while (printed[begin - 1] != ':' && printed[begin - 1] != '.') --begin;
    return {printed + begin, end - begin};
}

template <class X, std::size_t I>
inline constexpr std::string_view member_name =
    last_identifier(printed_address<Address{std::get<I>(member_pointers<count_members<X>()>(nowhere<X>.value))}>());

template <class X>
consteval const char* printed_type() {
    return __PRETTY_FUNCTION__;
}

consteval std::string_view cut_class_name(std::string_view printed) {
    std::size_t begin = printed.find("X = ") + 4, end = std::string_view::npos;
    int depth = 0;
    for (std::size_t i = begin; i < printed.size() - 1; ++i) {
        const char c = printed[i];
        if (depth == 0 && c == ':') {
            begin = i + 1;
            end = std::string_view::npos;
        }
        if (c == '<' || c == '(') {
            if (depth == 0 && end == std::string_view::npos) end = i;
            ++depth;
        }
        if (c == '>' || c == ')') --depth;
    }
    const std::string_view name = printed.substr(begin, (end == std::string_view::npos ? printed.size() - 1 : end) - begin);
    return name.empty() ? "Lambda" : name;
}

/// The name of a class without namespaces and template arguments; "Lambda" for one that has no name.
template <class X>
inline constexpr std::string_view class_name = cut_class_name(printed_type<X>());

}  // namespace headtorch::nn::detail
