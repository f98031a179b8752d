// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What every device's reduction shares: the formulas (what is gathered, and how), and the walk over a strided operand.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "headtorch/core/config.hpp"
#include "headtorch/core/dtype.hpp"
#include "headtorch/core/math.hpp"
#include "headtorch/core/shape.hpp"

namespace headtorch {

/// The order in which a reduction reads its operand: along the dimension that is densest in memory, others around it.
/// Either that one is reduced ("rows": each output sums rows), or it is kept ("columns": whole rows are added to a row of outputs).
struct ReducePlan {
    bool columns = false;
    std::int64_t inner = 1, inner_stride = 1, inner_out = 0;
    std::int64_t outputs = 1;  ///< product of `kept`
    std::int64_t rows = 1;     ///< product of `reduced`
    std::int64_t count = 1;    ///< elements that each output gathers
    std::int64_t total = 1;    ///< number of outputs
    int kept_rank = 0, reduced_rank = 0;
    struct Dim {
        std::int64_t size, stride, out;  ///< `out`: the stride of the result
    };
    Dim kept[max_rank], reduced[max_rank];  ///< the dimensions but `inner`, outermost first; no more than the ranks say are set
};

/// One bit for each dimension of a tensor.
using DimMask = unsigned;

inline DimMask all_dims(int rank) { return (1u << rank) - 1; }

/// The dimensions as bits; no dimensions means all of them. Throws IndexError when one is out of range, ValueError when one appears twice.
inline DimMask dim_mask(std::string_view op, const Dims& dims, int rank) {
    if (dims.empty()) return all_dims(rank);
    DimMask mask = 0;
    for (std::int64_t dim : dims) {
        const DimMask bit = 1u << normalize_dim(op, dim, rank);
        if (mask & bit) throw ValueError(message(op, ": dimension ", dim, " appears twice in ", dims));
        mask |= bit;
    }
    return mask & all_dims(rank);
}

/// The shape that is left; reduced dimensions stay with size 1 if `keepdim`.
inline Shape reduced_shape(const Shape& shape, DimMask mask, bool keepdim) {
    Shape result;
    for (int d = 0; d < shape.rank(); ++d) {
        if (!(mask >> d & 1u)) {
            result.push_back(shape[d]);
        } else if (keepdim) {
            result.push_back(1);
        }
    }
    return result;
}

namespace detail {

HEADTORCH_NOINLINE inline ReducePlan plan_strided(const Shape& shape, const Strides& strides, DimMask mask) {
    using Dim = ReducePlan::Dim;
    Dim dims[max_rank] = {};
    int rank = 0;
    std::int64_t out = 1;
    ReducePlan plan;
    for (int d = shape.rank() - 1; d >= 0; --d) {
        const bool reduced = (mask >> d & 1u) != 0;
        (reduced ? plan.count : plan.total) *= shape[d];
        if (shape[d] != 1) dims[rank++] = {shape[d], strides[d], reduced ? 0 : out};
        if (!reduced) out *= shape[d];
    }
    if (plan.count == 0 || plan.total == 0) return plan;
    // densest first; a broadcast dimension (stride 0) is the outermost
    const auto reach = [](const Dim& dim) { return dim.stride == 0 ? std::numeric_limits<std::int64_t>::max() : std::abs(dim.stride); };
    for (int i = 1; i < rank; ++i)
        for (int k = i; k > 0 && reach(dims[k]) < reach(dims[k - 1]); --k) std::swap(dims[k], dims[k - 1]);
    int joined = 0;
    for (int i = 1; i < rank; ++i) {
        Dim& last = dims[joined];
        if ((dims[i].out == 0) == (last.out == 0) && dims[i].stride == last.stride * last.size && dims[i].out == last.out * last.size) {
            last.size *= dims[i].size;
        } else {
            dims[++joined] = dims[i];
        }
    }
    if (rank == 0) return plan;
    plan.inner = dims[0].size;
    plan.inner_stride = dims[0].stride;
    plan.inner_out = dims[0].out;
    plan.columns = dims[0].out != 0;
    for (int i = joined; i > 0; --i) {
        if (dims[i].out != 0) {
            plan.outputs *= dims[i].size;
            plan.kept[plan.kept_rank++] = dims[i];
        } else {
            plan.rows *= dims[i].size;
            plan.reduced[plan.reduced_rank++] = dims[i];
        }
    }
    return plan;
}

}  // namespace detail

/// How to reduce an operand over the dimensions in `mask` to a row-major result.
inline ReducePlan plan_reduce(const Shape& shape, const Strides& strides, bool contiguous, DimMask mask) {
    const DimMask all = all_dims(shape.rank());
    const DimMask kept = all & ~mask;
    const bool trailing = (kept & (kept + 1)) == 0, leading = (mask & (mask + 1)) == 0;
    if (!contiguous || !(trailing || leading)) return detail::plan_strided(shape, strides, mask);
    ReducePlan plan;
    for (int d = 0; d < shape.rank(); ++d) (mask >> d & 1u ? plan.count : plan.total) *= shape[d];
    if (trailing || plan.total == 1) {
        plan.inner = plan.count;
        if (plan.total != 1) {
            plan.outputs = plan.total;
            plan.kept[plan.kept_rank++] = {plan.total, plan.inner, 1};
        }
    } else {
        plan.columns = true;
        plan.inner = plan.total;
        plan.inner_out = 1;
        plan.rows = plan.count;
        plan.reduced[plan.reduced_rank++] = {plan.rows, plan.inner, 0};
    }
    return plan;
}

/// Reductions as formulas: an accumulator of type `Gather<T>` starts as identity, takes map(x) of every element by combine(a, b), and
/// becomes the result by finish(a, count). All but finish are called with numbers and with SIMD packets.
namespace reduction {

/// Float sums are gathered in double: they are exact but for the last rounding, however long. A mean is the same kernel, told to divide.
struct Sum {
    bool mean = false;
    template <class T>
    using Gather = Accumulator<T>;
    template <class A>
    static constexpr A identity() { return A(0); }
    static constexpr auto map(const auto& x) { return x; }
    template <class A>
    static constexpr A combine(const A& a, const A& b) { return static_cast<A>(math::wrapping(a) + math::wrapping(b)); }
    constexpr auto finish(auto a, std::int64_t count) const { return mean ? a / static_cast<decltype(a)>(count) : a; }
};
struct Prod : Sum {
    template <class A>
    static constexpr A identity() { return A(1); }
    template <class A>
    static constexpr A combine(const A& a, const A& b) { return static_cast<A>(math::wrapping(a) * math::wrapping(b)); }
};

/// NaN wins.
struct Max {
    template <class T>
    using Gather = ComputeType<T>;
    template <class A>
    static constexpr A identity() {
        return std::is_floating_point_v<A> ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::lowest();
    }
    static constexpr auto map(const auto& x) { return x; }
    static constexpr auto combine(const auto& a, const auto& b) { return math::where((a > b) || (a != a), a, b); }
    static constexpr auto finish(auto a, std::int64_t) { return a; }
};
struct Min : Max {
    template <class A>
    static constexpr A identity() {
        return std::is_floating_point_v<A> ? std::numeric_limits<A>::infinity() : std::numeric_limits<A>::max();
    }
    static constexpr auto combine(const auto& a, const auto& b) { return math::where((a < b) || (a != a), a, b); }
};
struct MaxOfAbs : Max {
    template <class A>
    static constexpr A identity() { return A(0); }
    static constexpr auto map(const auto& x) { return math::abs(x); }
};
struct MinOfAbs : Min {
    static constexpr auto map(const auto& x) { return math::abs(x); }
};

/// Norms: sum of |x|^p, then its p-th root.
struct Norm1 : Sum {
    static constexpr auto map(const auto& x) { return math::abs(x); }
};
struct Norm2 : Sum {
    static constexpr auto map(const auto& x) { return x * x; }
    static constexpr auto finish(auto a, std::int64_t) { return std::sqrt(a); }
};
struct NormP : Sum {
    explicit NormP(double power) : p(power) {}
    double p;
    constexpr auto map(const auto& x) const { return math::pow(math::abs(x), p); }
    constexpr auto finish(auto a, std::int64_t) const { return std::pow(a, 1 / p); }
};
/// The "0-norm": how many are not zero.
struct CountNonzero : Sum {
    static constexpr auto map(const auto& x) { return math::where(x != 0, x * 0 + 1, x * 0); }
};

/// Centred formulas read, beside each element, a number of its output (`center`): map(x, c) and finish(a, count, c).
template <class Op>
concept Centred = requires { typename Op::IsCentred; };

/// Sum of (x - mean)^2, divided by count - correction.
struct Variance : Sum {
    using IsCentred = void;
    explicit Variance(double subtracted) : correction(subtracted) {}
    double correction;
    static constexpr auto map(const auto& x, const auto& center) { return (x - center) * (x - center); }
    HEADTORCH_HOST_DEVICE double finish(double a, std::int64_t count, double) const {
        return a / std::max(0.0, static_cast<double>(count) - correction);
    }
};
struct StandardDeviation : Variance {
    using Variance::Variance;
    HEADTORCH_HOST_DEVICE double finish(double a, std::int64_t count, double center) const {
        return std::sqrt(Variance::finish(a, count, center));
    }
};

/// c + log(sum of e^(x - c)), c being the largest x, or 0 where that is infinite.
struct LogSumExp : Sum {
    using IsCentred = void;
    template <class T>
    using Gather = ComputeType<T>;
    static constexpr auto map(const auto& x, const auto& c) { return math::exp(x - c); }
    static constexpr auto finish(auto a, std::int64_t, auto c) { return c + std::log(a); }
};

}  // namespace reduction

}  // namespace headtorch
