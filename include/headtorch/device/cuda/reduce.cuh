// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reductions on the GPU: one formula (device/reduction.hpp) over any dimensions of a strided operand, deterministic.

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/reduce_kernel.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/reduction.hpp"

namespace headtorch::cuda {
namespace detail {

template <class T>
using NoBool = std::conditional_t<std::same_as<T, bool>, std::uint8_t, T>;

/// A formula and its operands. Floats are summed in double, whatever they are computed in.
template <class Op, class T, class Out>
struct GatherFormula {
    using Value = typename Op::template Gather<T>;
    using A = std::conditional_t<std::is_base_of_v<reduction::Sum, Op> && std::is_floating_point_v<Value>, double, Value>;
    Op op;
    std::int64_t count;
    const Value* center;
    Out* y;

    __device__ A identity() const { return Op::template identity<A>(); }
    __device__ Value center_at(std::int64_t at) const {
        if constexpr (reduction::Centred<Op>)
            return center[at];
        else
            return Value{};
    }
    __device__ A take(T x, std::int64_t, std::int64_t, [[maybe_unused]] Value c) const {
        const auto value = static_cast<Value>(static_cast<ComputeType<T>>(x));
        if constexpr (reduction::Centred<Op>)
            return static_cast<A>(op.map(value, c));
        else
            return static_cast<A>(op.map(value));
    }
    __device__ A combine(const A& a, const A& b) const { return static_cast<A>(op.combine(a, b)); }
    __device__ void finish(std::int64_t at, const A& sum, [[maybe_unused]] Value c) const {
        if constexpr (reduction::Centred<Op>)
            y[at] = static_cast<Out>(op.finish(sum, count, c));
        else
            y[at] = static_cast<Out>(op.finish(sum, count));
    }
};

template <class T>
__global__ void spread_kernel(const T* value, ComputeType<T> scale, std::int64_t n, T* out) {
    const T scaled = static_cast<T>(static_cast<ComputeType<T>>(value[0]) * scale);
    const std::int64_t step = thread_count();
    for (std::int64_t i = thread_place(); i < n; i += step) out[i] = scaled;
}

}  // namespace detail

/// y = the reduction of x by `op`, as `plan` says. An output that gathers nothing is what the formula makes of its identity.
/// For a centred formula, `center` holds one number for each output, in the order of y.
template <class Op, class T, class Out>
void reduce(Cuda, const Op& op, const T* x, const ReducePlan& plan, Out* y,
            const std::type_identity_t<typename Op::template Gather<detail::NoBool<T>>>* center = nullptr) {
    using Number = detail::NoBool<T>;
    const detail::GatherFormula<Op, Number, Out> gather{op, plan.count, center, y};
    detail::run_reduce("reduce", gather, plan, reinterpret_cast<const Number*>(x));
}

/// out[i] = value[0] * scale for n elements.
template <class T>
void spread(Cuda, const T* value, std::type_identity_t<ComputeType<T>> scale, std::int64_t n, T* out) {
    if (n > 0) launch("spread", &detail::spread_kernel<T>, grid_for(n), value, scale, n, out);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::reduce;
using cuda::spread;
}  // namespace headtorch
