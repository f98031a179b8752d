// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Largest and smallest elements of lines, and their first indices, on the GPU: a reduction of pairs.

#include <concepts>
#include <cstdint>
#include <limits>

#include "headtorch/core/dtype.hpp"
#include "headtorch/device/cuda/reduce.cuh"
#include "headtorch/device/lines.hpp"

namespace headtorch::cuda {
namespace detail {

/// An element and where it stands on its line.
template <class C>
struct Candidate {
    C value;
    std::int64_t index;
};

/// The better of two elements; of equal ones the first. NaN is better than any number.
template <class Op, class T>
struct GatherBest {
    using C = ComputeType<T>;
    using A = Candidate<C>;
    T* values;
    std::int64_t* indices;

    __device__ static bool is_better(C a, C b) {
        if constexpr (std::is_floating_point_v<C>)
            if (a != a) return b == b;
        return std::same_as<Op, reduction::Max> ? a > b : a < b;
    }
    __device__ A identity() const { return {Op::template identity<C>(), std::numeric_limits<std::int64_t>::max()}; }
    __device__ int center_at(std::int64_t) const { return 0; }
    __device__ A take(T x, std::int64_t k, std::int64_t, int) const { return {static_cast<C>(x), k}; }
    __device__ A combine(const A& a, const A& b) const {
        if (is_better(a.value, b.value)) return a;
        if (is_better(b.value, a.value)) return b;
        return a.index < b.index ? a : b;
    }
    __device__ void finish(std::int64_t at, const A& best, int) const {
        indices[at] = best.index;
        if (values) values[at] = static_cast<T>(best.value);
    }
};

}  // namespace detail

/// The largest (Op = Max) or smallest (Min) element of each line and its first index; NaN counts as both. `values` may be null.
/// Lines must not be empty.
template <class Op, class T>
void arg_reduce(Cuda, const Op&, const T* x, const Lines& lines, T* values, std::int64_t* indices) {
    using Number = detail::NoBool<T>;
    detail::run_reduce("arg_reduce", detail::GatherBest<Op, Number>{reinterpret_cast<Number*>(values), indices}, detail::plan_lines(lines),
                       reinterpret_cast<const Number*>(x));
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::arg_reduce;
}  // namespace headtorch
