// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Comparisons and logic: tensors of bool, without a gradient.
/// What the tape needs of a tensor is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/pointwise.hpp"

namespace headtorch {
namespace formula {

struct Equal {
    static constexpr const char* name = "eq";
    constexpr auto operator()(const auto& a, const auto& b) const { return a == b; }
};
struct NotEqual {
    static constexpr const char* name = "ne";
    constexpr auto operator()(const auto& a, const auto& b) const { return a != b; }
};
struct Less {
    static constexpr const char* name = "lt";
    constexpr auto operator()(const auto& a, const auto& b) const { return a < b; }
};
struct LessEqual {
    static constexpr const char* name = "le";
    constexpr auto operator()(const auto& a, const auto& b) const { return a <= b; }
};
struct Greater {
    static constexpr const char* name = "gt";
    constexpr auto operator()(const auto& a, const auto& b) const { return a > b; }
};
struct GreaterEqual {
    static constexpr const char* name = "ge";
    constexpr auto operator()(const auto& a, const auto& b) const { return a >= b; }
};
struct And {
    static constexpr const char* name = "and";
    constexpr auto operator()(const auto& a, const auto& b) const { return a & b; }
};
struct Or {
    static constexpr const char* name = "or";
    constexpr auto operator()(const auto& a, const auto& b) const { return a | b; }
};
struct Xor {
    static constexpr const char* name = "xor";
    constexpr auto operator()(const auto& a, const auto& b) const { return a ^ b; }
};
struct Not {
    static constexpr const char* name = "not";
    constexpr auto operator()(const auto& a) const { return !a; }
};
/// A comparison with a number.
template <class F, class T>
struct WithNumber {
    static constexpr const char* name = F::name;
    T s;
    constexpr auto operator()(const auto& x) const { return F{}(x, s); }
};

}  // namespace formula

namespace detail {

/// f(a, b) as a tensor of bool, broadcast.
template <class F, class T, class D, class U, class E>
Tensor<bool, D> compare(const F& f, const Tensor<T, D>& a, const Tensor<U, E>& b) {
    require_same<T, D, U, E>();
    return map_new<bool>(F::name, f, a, b);
}
template <class F, class T, class D, Number S>
Tensor<bool, D> compare(const F&, const Tensor<T, D>& a, S s) {
    return map_new<bool>(F::name, formula::WithNumber<F, ComputeType<T>>{static_cast<T>(s)}, a);
}

}  // namespace detail

template <class T, class D, class U, class E>
auto operator==(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare(formula::Equal{}, a, b); }
template <class T, class D, class U, class E>
auto operator!=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare(formula::NotEqual{}, a, b); }
template <class T, class D, class U, class E>
auto operator<(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare(formula::Less{}, a, b); }
template <class T, class D, class U, class E>
auto operator<=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare(formula::LessEqual{}, a, b); }
template <class T, class D, class U, class E>
auto operator>(const Tensor<T, D>& a, const Tensor<U, E>& b) { return b < a; }
template <class T, class D, class U, class E>
auto operator>=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return b <= a; }

template <class T, class D, Number S>
auto operator==(const Tensor<T, D>& a, S s) { return detail::compare(formula::Equal{}, a, s); }
template <class T, class D, Number S>
auto operator!=(const Tensor<T, D>& a, S s) { return detail::compare(formula::NotEqual{}, a, s); }
template <class T, class D, Number S>
auto operator<(const Tensor<T, D>& a, S s) { return detail::compare(formula::Less{}, a, s); }
template <class T, class D, Number S>
auto operator<=(const Tensor<T, D>& a, S s) { return detail::compare(formula::LessEqual{}, a, s); }
template <class T, class D, Number S>
auto operator>(const Tensor<T, D>& a, S s) { return detail::compare(formula::Greater{}, a, s); }
template <class T, class D, Number S>
auto operator>=(const Tensor<T, D>& a, S s) { return detail::compare(formula::GreaterEqual{}, a, s); }

template <class D>
Tensor<bool, D> operator&(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare(formula::And{}, a, b); }
template <class D>
Tensor<bool, D> operator|(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare(formula::Or{}, a, b); }
template <class D>
Tensor<bool, D> operator^(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare(formula::Xor{}, a, b); }
template <class D>
Tensor<bool, D> operator!(const Tensor<bool, D>& a) { return detail::map_new<bool>("not", formula::Not{}, a); }
template <class D>
Tensor<bool, D> operator~(const Tensor<bool, D>& a) { return !a; }

/// Logic on tensors of any type: zero is false, all else is true.
template <class T, class D>
Tensor<bool, D> logical_not(const Tensor<T, D>& x) { return !x.template to<bool>(); }
template <class T, class D, class U>
Tensor<bool, D> logical_and(const Tensor<T, D>& a, const Tensor<U, D>& b) { return a.template to<bool>() & b.template to<bool>(); }
template <class T, class D, class U>
Tensor<bool, D> logical_or(const Tensor<T, D>& a, const Tensor<U, D>& b) { return a.template to<bool>() | b.template to<bool>(); }
template <class T, class D, class U>
Tensor<bool, D> logical_xor(const Tensor<T, D>& a, const Tensor<U, D>& b) { return a.template to<bool>() ^ b.template to<bool>(); }

}  // namespace headtorch
