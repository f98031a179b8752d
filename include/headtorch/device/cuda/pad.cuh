// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding: each element of the output looks up what it shows. The gradient goes back one dimension at a time, where each element of the
/// input adds up what shows it, in order.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/divide.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/pad.hpp"

namespace headtorch::cuda {
namespace detail {

/// A PadPlan for kernels.
template <class Index>
struct PadWalk {
    int rank;
    PadMode mode;
    std::array<PadAxis, max_rank> axes{};
    std::array<std::int64_t, max_rank> strides{};
    std::array<Quotient<Index>, max_rank> sizes;

    explicit PadWalk(const PadPlan& plan) : PadWalk(plan, std::make_index_sequence<max_rank>{}) {
        const Strides along = plan.in.contiguous_strides();
        for (int d = 0; d < rank; ++d) {
            axes[static_cast<std::size_t>(d)] = plan.axis(d);
            strides[static_cast<std::size_t>(d)] = along[d];
        }
    }

    /// Where the element lies that is shown at place i, or -1.
    __device__ std::int64_t offset(Index i) const {
        std::int64_t sum = 0;
        for (int d = rank - 1; d >= 0; --d) {
            const std::int64_t at = axes.data()[d].source(mode, static_cast<std::int64_t>(sizes.data()[d].take_rest(i)));
            if (at < 0) return -1;
            sum += at * strides.data()[d];
        }
        return sum;
    }

private:
    template <std::size_t... D>
    PadWalk(const PadPlan& plan, std::index_sequence<D...>)
        : rank(plan.in.rank()),
          mode(plan.mode),
          sizes{Quotient<Index>(static_cast<int>(D) < plan.in.rank() ? plan.out[static_cast<int>(D)] : 1)...} {}
};

template <class W, class Index>
__global__ void pad_kernel(const W* x, PadWalk<Index> walk, W value, Index n, W* y) {
    const Index step = thread_count<Index>();
    for (Index i = thread_place<Index>(); i < n; i += step) {
        const std::int64_t at = walk.offset(i);
        y[i] = at < 0 ? value : x[at];
    }
}

}  // namespace detail

/// y of shape given.out from x of shape given.in, both contiguous and of rank 1 or more; `value` where nothing is shown.
template <class T>
void pad_forward(Cuda, const T* x, const PadPlan& given, T value, T* y) {
    const std::int64_t n = given.out.numel();
    if (n == 0) return;
    using W = Word<sizeof(T)>;
    with_index(n, [&](auto as) {
        using Index = decltype(as);
        launch("pad", &detail::pad_kernel<W, Index>, grid_for(n), reinterpret_cast<const W*>(x), detail::PadWalk<Index>(given.joined()),
               std::bit_cast<W>(value), static_cast<Index>(n), reinterpret_cast<W*>(y));
    });
}

namespace detail {

/// Along one dimension, seen as [outer, axis, inner]: dx = the sum of g over the places that show an element.
template <class From, class To, class Index>
__global__ void unpad_kernel(const From* g, PadAxis axis, PadMode mode, Quotient<Index> inner, Quotient<Index> in, Index n, To* dx) {
    using C = std::conditional_t<std::is_integral_v<To>, std::int64_t, ComputeType<To>>;
    for (std::int64_t e = thread_place(); e < n; e += thread_count()) {
        Index outer = static_cast<Index>(e);
        const Index k = inner.take_rest(outer);
        const std::int64_t i = in.take_rest(outer);
        const std::int64_t line = static_cast<std::int64_t>(outer) * axis.out;
        const auto value = [&](std::int64_t j) { return static_cast<C>(g[(line + j) * inner.divisor + k]); };
        C sum = 0;
        const auto add_if_shown = [&](std::int64_t j) {
            if (j >= 0 && j < axis.out && axis.source(mode, j) == i) sum += value(j);
        };
        const std::int64_t direct = i + axis.left;
        if (mode == PadMode::replicate) {
            if (i == 0)
                for (std::int64_t j = 0; j < axis.left && j < axis.out; ++j) sum += value(j);
            add_if_shown(direct);
            if (i == axis.in - 1)
                for (std::int64_t j = direct < 0 ? 0 : direct + 1; j < axis.out; ++j) sum += value(j);
        } else {
            // mirrored at either end, or a turn further; never the direct place again
            const std::int64_t turn = axis.high - axis.low;
            const std::int64_t before = mode == PadMode::reflect ? axis.left - i : direct - turn;
            const std::int64_t after = mode == PadMode::reflect ? axis.left + 2 * (axis.in - 1) - i : direct + turn;
            if (before != direct) add_if_shown(before);
            add_if_shown(direct);
            if (after != direct && after != before) add_if_shown(after);
        }
        dx[e] = static_cast<To>(sum);
    }
}

template <class From, class To>
void unpad(const From* g, const PadAxis& axis, PadMode mode, std::int64_t outer, std::int64_t inner, To* dx) {
    const std::int64_t n = outer * axis.in * inner;
    with_index(std::max(n, outer * axis.out * inner), [&](auto as) {
        using Index = decltype(as);
        launch("pad", &unpad_kernel<From, To, Index>, grid_for(n), g, axis, mode, Quotient<Index>(inner), Quotient<Index>(axis.in),
               static_cast<Index>(n), dx);
    });
}

}  // namespace detail

/// dx, of shape given.in: each element gets the sum of g, of shape given.out, over the places that show it. Not for mode constant.
template <class T>
void pad_backward(Cuda, const T* g, const PadPlan& given, T* dx) {
    if (given.in.contains(0)) return;
    int dims[max_rank], count = 0;  // those that change; one at least
    for (int d = 0; d < given.in.rank(); ++d)
        if (given.in[d] != given.out[d] || given.left[d] != 0 || (count == 0 && d == given.in.rank() - 1)) dims[count++] = d;
    using C = ComputeType<T>;
    std::unique_ptr<Scratch<C>> before;  // dimensions from dims[k + 1] on have their size in the input already
    for (int k = count - 1; k >= 0; --k) {
        const int d = dims[k];
        std::int64_t outer = 1, inner = 1;
        for (int e = 0; e < d; ++e) outer *= given.out[e];
        for (int e = d + 1; e < given.in.rank(); ++e) inner *= given.in[e];
        const PadAxis axis = given.axis(d);
        const C* from = before ? before->data() : nullptr;
        if (k == 0) {
            if (from)
                detail::unpad(from, axis, given.mode, outer, inner, dx);
            else
                detail::unpad(g, axis, given.mode, outer, inner, dx);
            return;
        }
        auto next = std::make_unique<Scratch<C>>(outer * axis.in * inner);
        if (from)
            detail::unpad(from, axis, given.mode, outer, inner, next->data());
        else
            detail::unpad(g, axis, given.mode, outer, inner, next->data());
        before = std::move(next);
    }
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::pad_backward;
using cuda::pad_forward;
}  // namespace headtorch
