// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Comparisons and logic: tensors of bool, without a gradient.
/// What the tape needs of a tensor is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/pointwise.hpp"

namespace headtorch {
namespace detail {

/// formula(a, b) as a tensor of bool, broadcast.
template <class F, class T, class D, class U, class E>
Tensor<bool, D> compare(const char* name, const F& f, const Tensor<T, D>& a, const Tensor<U, E>& b) {
    require_same<T, D, U, E>();
    return map_new<bool>(name, f, a, b);
}
template <class F, class T, class D>
Tensor<bool, D> compare(const char* name, const F& f, const Tensor<T, D>& a) {
    return map_new<bool>(name, f, a);
}

}  // namespace detail

template <class T, class D, class U, class E>
auto operator==(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    return detail::compare("eq", [](const auto& x, const auto& y) { return x == y; }, a, b);
}
template <class T, class D, class U, class E>
auto operator!=(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    return detail::compare("ne", [](const auto& x, const auto& y) { return x != y; }, a, b);
}
template <class T, class D, class U, class E>
auto operator<(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    return detail::compare("lt", [](const auto& x, const auto& y) { return x < y; }, a, b);
}
template <class T, class D, class U, class E>
auto operator<=(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    return detail::compare("le", [](const auto& x, const auto& y) { return x <= y; }, a, b);
}
template <class T, class D, class U, class E>
auto operator>(const Tensor<T, D>& a, const Tensor<U, E>& b) { return b < a; }
template <class T, class D, class U, class E>
auto operator>=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return b <= a; }

template <class T, class D, Number S>
auto operator==(const Tensor<T, D>& a, S s) { return detail::compare("eq", [s = static_cast<T>(s)](const auto& x) { return x == s; }, a); }
template <class T, class D, Number S>
auto operator!=(const Tensor<T, D>& a, S s) { return detail::compare("ne", [s = static_cast<T>(s)](const auto& x) { return x != s; }, a); }
template <class T, class D, Number S>
auto operator<(const Tensor<T, D>& a, S s) { return detail::compare("lt", [s = static_cast<T>(s)](const auto& x) { return x < s; }, a); }
template <class T, class D, Number S>
auto operator<=(const Tensor<T, D>& a, S s) { return detail::compare("le", [s = static_cast<T>(s)](const auto& x) { return x <= s; }, a); }
template <class T, class D, Number S>
auto operator>(const Tensor<T, D>& a, S s) { return detail::compare("gt", [s = static_cast<T>(s)](const auto& x) { return x > s; }, a); }
template <class T, class D, Number S>
auto operator>=(const Tensor<T, D>& a, S s) { return detail::compare("ge", [s = static_cast<T>(s)](const auto& x) { return x >= s; }, a); }

template <class D>
Tensor<bool, D> operator&(const Tensor<bool, D>& a, const Tensor<bool, D>& b) {
    return detail::compare("and", [](const auto& x, const auto& y) { return x & y; }, a, b);
}
template <class D>
Tensor<bool, D> operator|(const Tensor<bool, D>& a, const Tensor<bool, D>& b) {
    return detail::compare("or", [](const auto& x, const auto& y) { return x | y; }, a, b);
}
template <class D>
Tensor<bool, D> operator^(const Tensor<bool, D>& a, const Tensor<bool, D>& b) {
    return detail::compare("xor", [](const auto& x, const auto& y) { return x ^ y; }, a, b);
}
template <class D>
Tensor<bool, D> operator!(const Tensor<bool, D>& a) { return detail::compare("not", [](const auto& x) { return !x; }, a); }
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
