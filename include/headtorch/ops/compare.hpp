// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Comparisons and logic: tensors of bool, without a gradient.

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
auto operator==(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare("eq", [](const auto& x, const auto& y) { return x == y; }, a, b); }
template <class T, class D, class U, class E>
auto operator!=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare("ne", [](const auto& x, const auto& y) { return x != y; }, a, b); }
template <class T, class D, class U, class E>
auto operator<(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare("lt", [](const auto& x, const auto& y) { return x < y; }, a, b); }
template <class T, class D, class U, class E>
auto operator<=(const Tensor<T, D>& a, const Tensor<U, E>& b) { return detail::compare("le", [](const auto& x, const auto& y) { return x <= y; }, a, b); }
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
Tensor<bool, D> operator&(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare("and", [](const auto& x, const auto& y) { return x & y; }, a, b); }
template <class D>
Tensor<bool, D> operator|(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare("or", [](const auto& x, const auto& y) { return x | y; }, a, b); }
template <class D>
Tensor<bool, D> operator^(const Tensor<bool, D>& a, const Tensor<bool, D>& b) { return detail::compare("xor", [](const auto& x, const auto& y) { return x ^ y; }, a, b); }
template <class D>
Tensor<bool, D> operator!(const Tensor<bool, D>& a) { return detail::compare("not", [](const auto& x) { return !x; }, a); }
template <class D>
Tensor<bool, D> operator~(const Tensor<bool, D>& a) { return !a; }

}  // namespace headtorch
