// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// + - * / with tensors and numbers, broadcasting; their in-place forms; and the sums of gradients that backward() makes.
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/pointwise.hpp"

namespace headtorch {
namespace formula {

struct Add {
    static constexpr const char* name = "add";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& a, const auto& b) { return a + b; }
    static constexpr auto slopes(const auto&, const auto&, const auto&) { return std::tuple(One{}, One{}); }
};
struct Sub {
    static constexpr const char* name = "sub";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& a, const auto& b) { return a - b; }
    static constexpr auto slopes(const auto&, const auto&, const auto&) { return std::tuple(One{}, -1); }
};
struct Mul {
    static constexpr const char* name = "mul";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return a * b; }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) { return std::tuple(b, a); }
};
struct Div {
    static constexpr const char* name = "div";
    static constexpr Keep keep = Keep::inputs;
    static constexpr auto value(const auto& a, const auto& b) { return a / b; }
    static constexpr auto slopes(const auto& a, const auto& b, const auto&) { return std::tuple(1 / b, -(a / b) / b); }
};

template <class S>
struct AddNumber {
    static constexpr const char* name = "add";
    static constexpr Keep keep = Keep::nothing;
    S s;
    constexpr auto value(const auto& x) const { return x + s; }
    static constexpr auto slope(const auto&, const auto&) { return One{}; }
};
template <class S>
struct SubtractFromNumber {
    static constexpr const char* name = "rsub";
    static constexpr Keep keep = Keep::nothing;
    S s;
    constexpr auto value(const auto& x) const { return s - x; }
    static constexpr auto slope(const auto&, const auto&) { return -1; }
};
template <class S>
struct MulNumber {
    static constexpr const char* name = "mul";
    static constexpr Keep keep = Keep::nothing;
    S s;
    constexpr auto value(const auto& x) const { return x * s; }
    constexpr auto slope(const auto&, const auto&) const { return s; }
};
template <class S>
struct DivNumber {
    static constexpr const char* name = "div";
    static constexpr Keep keep = Keep::nothing;
    S s;
    constexpr auto value(const auto& x) const { return x / s; }
    constexpr auto slope(const auto&, const auto&) const { return 1 / s; }
};
template <class S>
struct DivideNumberBy {
    static constexpr const char* name = "div";
    static constexpr Keep keep = Keep::both;
    S s;
    constexpr auto value(const auto& x) const { return s / x; }
    static constexpr auto slope(const auto& x, const auto& y) { return -y / x; }
};
struct Neg {
    static constexpr const char* name = "neg";
    static constexpr Keep keep = Keep::nothing;
    static constexpr auto value(const auto& x) { return -x; }
    static constexpr auto slope(const auto&, const auto&) { return -1; }
};

}  // namespace formula

namespace detail {
/// The number as what it meets, an element of a Tensor<T> as it is computed with: a real number does not fit into an integer tensor.
template <class T, Number S>
constexpr ComputeType<T> element(S number) {
    static_assert(Floating<T> || std::is_integral_v<S>,
                  "headtorch: an integer tensor with a real number: convert the tensor first, for example x.to<float>()");
    return static_cast<ComputeType<T>>(number);
}
}  // namespace detail

template <class T, class D, class U, class E>
auto operator+(const Tensor<T, D>& a, const Tensor<U, E>& b) { return pointwise(formula::Add{}, a, b); }
template <class T, class D, class U, class E>
auto operator-(const Tensor<T, D>& a, const Tensor<U, E>& b) { return pointwise(formula::Sub{}, a, b); }
template <class T, class D, class U, class E>
auto operator*(const Tensor<T, D>& a, const Tensor<U, E>& b) { return pointwise(formula::Mul{}, a, b); }
/// True division: integers give float.
template <class T, class D, class U, class E>
auto operator/(const Tensor<T, D>& a, const Tensor<U, E>& b) {
    return pointwise(formula::Div{}, a.template to<RealType<T>>(), b.template to<RealType<U>>());
}

// As in PyTorch, a number that is added to halfs is rounded to one first; a factor or divisor is not.
template <class T, class D, Number S>
Tensor<T, D> operator+(const Tensor<T, D>& x, S s) {
    return pointwise(formula::AddNumber<ComputeType<T>>{static_cast<T>(detail::element<T>(s))}, x);
}
template <class T, class D, Number S>
Tensor<T, D> operator+(S s, const Tensor<T, D>& x) { return x + s; }
template <class T, class D, Number S>
Tensor<T, D> operator-(const Tensor<T, D>& x, S s) {
    return pointwise(formula::AddNumber<ComputeType<T>>{static_cast<T>(-detail::element<T>(s))}, x);
}
template <class T, class D, Number S>
Tensor<T, D> operator-(S s, const Tensor<T, D>& x) {
    return pointwise(formula::SubtractFromNumber<ComputeType<T>>{static_cast<T>(detail::element<T>(s))}, x);
}
template <class T, class D, Number S>
Tensor<T, D> operator*(const Tensor<T, D>& x, S s) { return pointwise(formula::MulNumber<ComputeType<T>>{detail::element<T>(s)}, x); }
template <class T, class D, Number S>
Tensor<T, D> operator*(S s, const Tensor<T, D>& x) { return x * s; }
template <class T, class D, Number S>
auto operator/(const Tensor<T, D>& x, S s) {
    using R = RealType<T>;
    return pointwise(formula::DivNumber<ComputeType<R>>{static_cast<ComputeType<R>>(s)}, x.template to<R>());
}
template <class T, class D, Number S>
auto operator/(S s, const Tensor<T, D>& x) {
    using R = RealType<T>;
    return pointwise(formula::DivideNumberBy<ComputeType<R>>{static_cast<ComputeType<R>>(s)}, x.template to<R>());
}
template <class T, class D>
Tensor<T, D> operator-(const Tensor<T, D>& x) { return pointwise(formula::Neg{}, x); }

/// a + alpha b, and so on: the operators by name.
template <class A, class B>
auto add(const A& a, const B& b) { return a + b; }
template <class A, class B>
auto add(const A& a, const B& b, Number auto alpha) { return a + b * alpha; }
template <class A, class B>
auto sub(const A& a, const B& b) { return a - b; }
template <class A, class B>
auto sub(const A& a, const B& b, Number auto alpha) { return a - b * alpha; }
template <class A, class B>
auto mul(const A& a, const B& b) { return a * b; }
template <class A, class B>
auto div(const A& a, const B& b) { return a / b; }
template <class T, class D>
Tensor<T, D> neg(const Tensor<T, D>& x) { return -x; }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::neg(const Here&) const { return -*this; }

template <class T, class D, class U, class E>
const Tensor<T, D>& operator+=(const Tensor<T, D>& x, const Tensor<U, E>& y) { return pointwise_(formula::Add{}, x, y); }
template <class T, class D, class U, class E>
const Tensor<T, D>& operator-=(const Tensor<T, D>& x, const Tensor<U, E>& y) { return pointwise_(formula::Sub{}, x, y); }
template <class T, class D, class U, class E>
const Tensor<T, D>& operator*=(const Tensor<T, D>& x, const Tensor<U, E>& y) { return pointwise_(formula::Mul{}, x, y); }
template <class T, class D, class U, class E>
const Tensor<T, D>& operator/=(const Tensor<T, D>& x, const Tensor<U, E>& y) { return pointwise_(formula::Div{}, x, y); }
template <class T, class D, Number S>
const Tensor<T, D>& operator+=(const Tensor<T, D>& x, S s) {
    return pointwise_(formula::AddNumber<ComputeType<T>>{static_cast<T>(detail::element<T>(s))}, x);
}
template <class T, class D, Number S>
const Tensor<T, D>& operator-=(const Tensor<T, D>& x, S s) {
    return pointwise_(formula::AddNumber<ComputeType<T>>{static_cast<T>(-detail::element<T>(s))}, x);
}
template <class T, class D, Number S>
const Tensor<T, D>& operator*=(const Tensor<T, D>& x, S s) {
    return pointwise_(formula::MulNumber<ComputeType<T>>{detail::element<T>(s)}, x);
}
template <Floating T, class D, Number S>
const Tensor<T, D>& operator/=(const Tensor<T, D>& x, S s) {
    return pointwise_(formula::DivNumber<ComputeType<T>>{static_cast<ComputeType<T>>(s)}, x);
}

/// Sum of two gradients of one tensor; reuses the memory of one that nobody else sees.
template <class T, class D>
Tensor<T, D> sum_of_gradients(Tensor<T, D> a, Tensor<T, D> b) {
    if (!GradMode::enabled()) {
        if (!a.get()->owns_storage()) std::swap(a, b);
        if (a.get()->owns_storage()) {
            detail::run_map(detail::ValueKernel<formula::Add>{}, a, a, b);
            return a;
        }
    }
    return a + b;
}

/// Adds a gradient to what a leaf has gathered: in place, unless the sum is to be differentiated again.
template <class T, class D>
Tensor<T, D> gather_gradient(const Tensor<T, D>& sum, const Tensor<T, D>& gradient) {
    if (GradMode::enabled() || sum.get()->node) return sum + gradient;
    detail::run_map(detail::ValueKernel<formula::Add>{}, sum, sum, gradient);
    sum.get()->bump_version("gradient accumulation");
    return sum;
}

}  // namespace headtorch
