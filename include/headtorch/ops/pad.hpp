// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding: tensors made larger at their edges, or smaller where a padding is negative.

#include <cstdint>
#include <string_view>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/pad.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {
namespace detail {

inline PadMode pad_mode(std::string_view mode) {
    if (mode == "constant") return PadMode::constant;
    if (mode == "reflect") return PadMode::reflect;
    if (mode == "replicate") return PadMode::replicate;
    if (mode == "circular") return PadMode::circular;
    throw ValueError(message("pad: mode is \"constant\", \"reflect\", \"replicate\" or \"circular\", not \"", mode, "\""));
}

/// `pads`: left and right of the last dimension, then of the one before, and so on.
HEADTORCH_NOINLINE inline PadPlan plan_pad(const Shape& shape, const IntList& pads, PadMode mode) {
    if (pads.rank() % 2 != 0) throw ValueError(message("pad: needs two numbers for each dimension, got ", pads));
    if (pads.rank() / 2 > shape.rank())
        throw ShapeError(message("pad: ", pads, " are paddings of ", pads.rank() / 2, " dimensions, but ", shape, " has ", shape.rank()));
    const IntList zeros = IntList::filled(shape.rank(), 0);
    PadPlan plan{.in = shape, .out = shape, .left = zeros, .low = zeros, .high = shape, .mode = mode};
    for (int k = 0; 2 * k < pads.rank(); ++k) {
        const int d = shape.rank() - 1 - k;
        const std::int64_t left = pads[2 * k], right = pads[2 * k + 1], size = shape[d], most = std::max(left, right);
        if (__builtin_add_overflow(size, left, &plan.out[d]) || __builtin_add_overflow(plan.out[d], right, &plan.out[d]) || plan.out[d] < 0)
            throw ShapeError(message("pad: ", left, " and ", right, " at dimension ", d, " of ", shape, " leave no valid size"));
        plan.left[d] = left;
        plan.low[d] = std::max<std::int64_t>(0, -left);
        plan.high[d] = size - std::max<std::int64_t>(0, -right);
        if (mode == PadMode::reflect && most >= size)
            throw ShapeError(message("pad: reflection needs a padding smaller than the dimension, got ", left, " and ", right,
                                     " at dimension ", d, " of ", shape));
        if (mode == PadMode::circular && most > plan.high[d] - plan.low[d])
            throw ShapeError(
                message("pad: circular padding wraps around at most once, got ", left, " and ", right, " at dimension ", d, " of ", shape));
        if (mode == PadMode::replicate && size == 0 && plan.out[d] > 0)
            throw ShapeError(message("pad: dimension ", d, " of ", shape, " is empty: there is no edge to replicate"));
    }
    plan.out.numel();  // throws when it does not fit
    return plan;
}

template <class T, class D>
Tensor<T, D> pad_transposed(const Tensor<T, D>& g, const PadPlan& plan);

template <class T, class D>
Tensor<T, D> pad_by(const Tensor<T, D>& x, const PadPlan& plan, T value) {
    const OpScope scope("pad", {x.impl().get()});
    auto y = empty<T, D>(plan.out);
    pad_forward(D{}, static_cast<const T*>(detached_contiguous(x).data()), plan, value, y.data());
    if constexpr (Floating<T>)
        if (needs_grad(x)) return record("pad", std::move(y), input(x, [plan](const auto& g) { return pad_transposed(g, plan); }));
    return y;
}

/// The gradient of pad_by().
template <class T, class D>
Tensor<T, D> pad_transposed(const Tensor<T, D>& g, const PadPlan& plan) {
    const OpScope scope("pad", {g.impl().get()});
    if (plan.mode == PadMode::constant) {
        PadPlan crop = plan;
        std::swap(crop.in, crop.out);
        for (int d = 0; d < crop.in.rank(); ++d) {
            crop.left[d] = -plan.left[d];
            crop.low[d] = 0;
            crop.high[d] = crop.in[d];
        }
        return pad_by(g, crop, T(0));
    }
    auto dx = empty<T, D>(plan.in);
    pad_backward(D{}, static_cast<const T*>(detached_contiguous(g).data()), plan, dx.data());
    if (needs_grad(g)) return record("pad", std::move(dx), input(g, [plan](const auto& gg) { return pad_by(gg, plan, T(0)); }));
    return dx;
}

}  // namespace detail

/// `pads` = {left, right, top, bottom, …}: what is added at both ends of the last dimension, of the one before it, and so on; negative
/// numbers cut. `mode`: "constant" adds `value`, "reflect" mirrors at the edge element, "replicate" repeats it, "circular" goes on at the
/// other end. Throws ValueError on an unknown mode, ShapeError when a dimension is too small.
template <class T, class D>
Tensor<T, D> pad(const Tensor<T, D>& x, const IntList& pads, std::string_view mode = "constant", double value = 0) {
    const PadMode how = detail::pad_mode(mode);
    if (how != PadMode::constant && value != 0) throw ValueError(message("pad: a value goes with mode \"constant\", not \"", mode, "\""));
    const PadPlan plan = detail::plan_pad(x.shape(), pads, how);
    if (x.dim() == 0) return x;
    return detail::pad_by(x, plan, static_cast<T>(value));
}

}  // namespace headtorch
