// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The drivers of pointwise ops. An op is its formula, a struct with
///   value(x...)         what it computes
///   slope(x, y)         its derivative, for one input x and output y; or slopes(x..., y), a std::tuple, for several inputs
///   keep                what the derivative needs: Keep::nothing, inputs, output or both (the default)
///   name                for messages
/// called with SIMD packets, with plain numbers and, when the backward pass is recorded itself, with tensors. Without a slope the
/// derivative is found by forward-mode differentiation (core/dual.hpp).
/// What its gradients need is in ops/reduce.hpp, which includes it: include that, or headtorch/headtorch.hpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/core/dual.hpp"
#include "headtorch/core/math.hpp"
#include "headtorch/device/cpu/map.hpp"
#include "headtorch/ops/pointwise_node.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {

/// What a formula's derivative reads.
enum class Keep : unsigned { nothing = 0, inputs = 1, output = 2, both = 3 };

/// A derivative that is 1 everywhere: the gradient passes unchanged.
struct One {};

namespace detail {

/// Stands for a value that a derivative said it does not read.
struct NotKept {};

template <class Op>
constexpr Keep keep_of() {
    if constexpr (requires { Op::keep; })
        return Op::keep;
    else
        return Keep::both;
}
template <class Op>
constexpr bool keeps(Keep what) {
    return (static_cast<unsigned>(keep_of<Op>()) & static_cast<unsigned>(what)) != 0;
}
template <class Op>
constexpr const char* name_of() {
    if constexpr (requires { Op::name; })
        return Op::name;
    else
        return "pointwise";
}

/// Formulas are structs with value(), or callables.
template <class Op, class... X>
HEADTORCH_ALWAYS_INLINE constexpr auto value_of(const Op& op, const X&... x) {
    if constexpr (requires { op.value(x...); })
        return op.value(x...);
    else
        return op(x...);
}

/// x as the variable of a forward-mode derivative.
template <class X>
HEADTORCH_ALWAYS_INLINE constexpr Dual<X> variable(const X& x) {
    if constexpr (AnyTensor<X>)
        return {x, ones_like(x)};
    else
        return {x, 1};
}

template <class Op, class... A>
concept HasSlope = requires(const Op& op, const A&... a) { op.slope(a...); };
template <class Op, class... A>
concept HasSlopes = requires(const Op& op, const A&... a) { op.slopes(a...); };

/// x as the variable of a derivative, or as a constant.
template <bool is_variable, class X>
HEADTORCH_ALWAYS_INLINE constexpr auto seeded(const X& x) {
    if constexpr (is_variable)
        return variable(x);
    else
        return x;
}

/// Derivative by input I, from the inputs and the output.
template <std::size_t I, std::size_t... K, class Op, class... X, class Y>
HEADTORCH_ALWAYS_INLINE constexpr auto slope_of(std::index_sequence<K...>, const Op& op, const std::tuple<X...>& x, const Y& y) {
    if constexpr (HasSlope<Op, X..., Y>)
        return op.slope(std::get<K>(x)..., y);
    else if constexpr (HasSlopes<Op, X..., Y>)
        return std::get<I>(op.slopes(std::get<K>(x)..., y));
    else
        return value_of(op, seeded<K == I>(std::get<K>(x))...).slope;
}
template <std::size_t I, class Op, class... X, class Y>
HEADTORCH_ALWAYS_INLINE constexpr auto slope_of(const Op& op, const std::tuple<X...>& x, const Y& y) {
    return slope_of<I>(std::index_sequence_for<X...>{}, op, x, y);
}

/// The formula as a kernel.
template <class Op>
struct ValueKernel {
    using Formula = Op;
    Op op;
    template <class... X>
    HEADTORCH_ALWAYS_INLINE constexpr auto operator()(const X&... x) const {
        return value_of(op, x...);
    }
};

/// Derivative by input I, given what is kept: nothing, x..., y, or x..., y.
template <std::size_t I, std::size_t N, class Op, class... Kept>
HEADTORCH_ALWAYS_INLINE constexpr auto slope_from_kept(const Op& op, const Kept&... kept) {
    constexpr auto unkept_inputs = []<std::size_t... K>(std::index_sequence<K...>) { return std::tuple{((void)K, NotKept{})...}; };
    [[maybe_unused]] const std::tuple all(kept...);
    if constexpr (keep_of<Op>() == Keep::nothing) {
        return slope_of<I>(op, unkept_inputs(std::make_index_sequence<N>{}), NotKept{});
    } else if constexpr (keep_of<Op>() == Keep::output) {
        return slope_of<I>(op, unkept_inputs(std::make_index_sequence<N>{}), std::get<0>(all));
    } else if constexpr (keep_of<Op>() == Keep::inputs) {
        return slope_of<I>(op, all, NotKept{});
    } else {
        return [&]<std::size_t... K>(std::index_sequence<K...>) {
            return slope_of<I>(op, std::tuple(std::get<K>(all)...), std::get<N>(all));
        }(std::make_index_sequence<N>{});
    }
}

/// gradient * slope, fused.
template <std::size_t I, std::size_t N, class Op>
struct GradientKernel {
    using Formula = Op;
    Op op;
    template <class G, class... Kept>
    HEADTORCH_ALWAYS_INLINE constexpr auto operator()(const G& gradient, const Kept&... kept) const {
        return gradient * slope_from_kept<I, N>(op, kept...);
    }
};

template <class First, class... Rest>
struct FirstOf {
    using type = First;
};

/// Tensors of one op share a device, and its floating-point ones an element type.
template <class T, class D, class U, class E>
constexpr void require_same() {
    static_assert(std::same_as<D, E>, "headtorch: tensors on different devices: move one with x.to<Cpu>() or x.to<Cuda>()");
    static_assert(std::same_as<T, U> || std::same_as<T, bool> || std::same_as<U, bool>,
                  "headtorch: tensors of different element types: convert one, for example float with double: x.to<double>()");
}
template <class... T>
struct RealOf {
    using type = bool;
};
template <class T, class... Rest>
struct RealOf<T, Rest...> {
    using type = std::conditional_t<std::same_as<T, bool>, typename RealOf<Rest...>::type, T>;
};

/// out[i] = f(x[i]...), the inputs broadcast to `out`.
template <class F, class Out, class D, class... T>
void run_map(const F& f, const Tensor<Out, D>& out, const Tensor<T, D>&... x) {
    require_device<D>();
    run_kernel<D>(map_kernel<F, Out, T...>(D{}), &f, std::array<const TensorImpl*, 1 + sizeof...(T)>{out.get(), x.get()...});
}

/// A new tensor of element type Out, not recorded.
template <class Out, class F, class... T, class... D>
auto map_new(const char* op, const F& f, const Tensor<T, D>&... x) {
    using Dev = typename FirstOf<D...>::type;
    require_device<Dev>();
    std::array<const TensorImpl*, 1 + sizeof...(T)> operands{nullptr, x.get()...};
    return Tensor<Out, Dev>(run_kernel_new<Dev>(op, dtype_of<Out>, map_kernel<F, Out, T...>(Dev{}), &f, operands));
}

HEADTORCH_NOINLINE inline Shape common_shape_of(const char* op, std::initializer_list<const TensorImpl*> operands) {
    Shape shape = (*operands.begin())->shape;
    for (const TensorImpl* x : operands)
        if (!(x->shape == shape)) shape = broadcast_shapes(op, shape, x->shape);
    return shape;
}
template <class... T, class... D>
Shape common_shape(const char* op, const Tensor<T, D>&... x) {
    return common_shape_of(op, {x.get()...});
}

/// The gradient by input I as tensor ops; `kept` are tensors of element types Kept.
template <std::size_t I, std::size_t N, class Op, class R, class D, class... Kept>
HEADTORCH_COLD Tensor<R, D> recorded_gradient(const void* formula, const Tensor<R, D>& gradient, const Ref<TensorImpl>* kept) {
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return gradient * slope_from_kept<I, N>(*static_cast<const Op*>(formula), Tensor<Kept, D>(kept[K])...);
    }(std::index_sequence_for<Kept...>{});
}

/// How the gradient by input I, of element type T, is found.
template <std::size_t I, std::size_t N, class Op, class R, class D, class T, class... Kept>
constexpr SlopeRule<R, D> slope_rule() {
    if constexpr (!Floating<T>)
        return {true, nullptr, nullptr};
    else if constexpr (std::same_as<decltype(slope_from_kept<I, N>(std::declval<const Op&>(), ComputeType<Kept>{}...)), One>)
        return {true, nullptr, nullptr};
    else
        return {false, map_kernel<GradientKernel<I, N, Op>, R, R, Kept...>(D{}), &recorded_gradient<I, N, Op, R, D, Kept...>};
}

template <class Op, class R, class D, class... T>
constexpr auto make_pointwise_rule() {
    constexpr std::size_t n = sizeof...(T);
    const auto with_kept = []<class... Kept>(std::type_identity<std::tuple<Kept...>>) {
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return PointwiseRule<R, D, n>{name_of<Op>(), keeps<Op>(Keep::inputs), keeps<Op>(Keep::output),
                                          {slope_rule<I, n, Op, R, D, T, Kept...>()...}};
        }(std::make_index_sequence<n>{});
    };
    using Inputs = std::conditional_t<keeps<Op>(Keep::inputs), std::tuple<T...>, std::tuple<>>;
    using Output = std::conditional_t<keeps<Op>(Keep::output), std::tuple<R>, std::tuple<>>;
    return with_kept(std::type_identity<decltype(std::tuple_cat(std::declval<Inputs>(), std::declval<Output>()))>{});
}

template <class Op, class R, class D, class... T>
inline constexpr auto pointwise_rule = make_pointwise_rule<Op, R, D, T...>();

}  // namespace detail

/// A pointwise op on any number of tensors, broadcast, fused and differentiable: `formula` is a struct as described above, or a generic
/// lambda such as `[](auto x, auto a) { return x * math::sigmoid(a * x); }`. Element types must agree (a mask of bool may join).
template <class Op, class... T, class... D>
auto pointwise(const Op& formula, const Tensor<T, D>&... x) {
    static_assert(sizeof...(T) > 0, "headtorch: pointwise: give at least one tensor");
    using R = typename detail::RealOf<T...>::type;
    using Dev = typename detail::FirstOf<D...>::type;
    (detail::require_same<R, Dev, T, D>(), ...);
    require_device<Dev>();
    std::array<const TensorImpl*, 1 + sizeof...(T)> operands{nullptr, x.get()...};
    Tensor<R, Dev> y(detail::run_kernel_new<Dev>(detail::name_of<Op>(), dtype_of<R>,
                                                 map_kernel<detail::ValueKernel<Op>, R, T...>(Dev{}), &formula, operands));
    if constexpr (Floating<R>) {
        if (autograd::needs_grad(x...))
            detail::record_pointwise(detail::pointwise_rule<Op, R, Dev, T...>, autograd::inputs(x...), *y.get(), operands)
                .keep_formula(formula);
    }
    return y;
}

}  // namespace headtorch
