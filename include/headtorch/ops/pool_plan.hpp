// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// From the arguments of a pooling function to its windows and the shape of its result.

#include <cstdint>
#include <limits>

#include "headtorch/core/shape.hpp"
#include "headtorch/device/pool.hpp"

namespace headtorch::detail {

/// One number, or one for each of `count` dimensions, all from `least` to 2^31 - 1.
HEADTORCH_NOINLINE inline IntList spatial_sizes(const char* op, const char* what, const IntList& given, int count, std::int64_t least) {
    if (given.rank() != 1 && given.rank() != count) throw ValueError(message(op, ": ", what, " is one number or ", count, ", got ", given));
    for (std::int64_t value : given)
        if (value < least || value > std::numeric_limits<std::int32_t>::max())
            throw ValueError(message(op, ": ", what, " must be at least ", least, " and less than 2^31, got ", given));
    return given.rank() == count ? given : IntList::filled(count, given[0]);
}

/// Windows over the last `spatial` dimensions of a tensor, and the shape of what comes out.
struct Pooling {
    PoolPlan plan;
    Shape out;
};

/// Shapes [channels, …] and [batch, channels, …]; only the batch and the channels may be empty.
HEADTORCH_NOINLINE inline Pooling start_pooling(const char* op, const Shape& shape, int spatial) {
    if (shape.rank() != spatial + 1 && shape.rank() != spatial + 2)
        throw ShapeError(message(op, ": needs an input of ", spatial + 1, " or ", spatial + 2, " dimensions, got ", shape));
    Pooling pooling{.plan = {}, .out = shape};
    std::int64_t size = 1;
    for (int d = 0; d < shape.rank(); ++d) {
        if (d < shape.rank() - spatial) {
            pooling.plan.planes *= shape[d];
        } else if (shape[d] == 0 || __builtin_mul_overflow(size, shape[d], &size) || size > std::numeric_limits<std::int32_t>::max()) {
            throw ShapeError(message(op, ": planes must have at least one and less than 2^31 elements, got ", shape));
        }
    }
    pooling.plan.columns.in = shape.back();
    if (spatial == 2) pooling.plan.rows.in = shape[shape.rank() - 2];
    return pooling;
}

/// Number of windows along one dimension. With `ceil_mode` the last one may reach over the edge, but must not start beyond it.
inline std::int64_t window_count(const PoolAxis& axis, bool ceil_mode) {
    const std::int64_t room = axis.in + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1 + (ceil_mode ? axis.stride - 1 : 0);
    if (room < 0) return 0;
    std::int64_t count = room / axis.stride + 1;
    if (ceil_mode && (count - 1) * axis.stride >= axis.in + axis.padding) --count;
    return count;
}

HEADTORCH_NOINLINE inline Pooling plan_pool(const char* op, const Shape& shape, int spatial, const IntList& kernel_size,
                                            const IntList& stride, const IntList& padding, const IntList& dilation, bool ceil_mode) {
    Pooling pooling = start_pooling(op, shape, spatial);
    const IntList kernel = spatial_sizes(op, "kernel_size", kernel_size, spatial, 1);
    const IntList step = stride.empty() ? kernel : spatial_sizes(op, "stride", stride, spatial, 1);
    const IntList around = spatial_sizes(op, "padding", padding, spatial, 0);
    const IntList apart = spatial_sizes(op, "dilation", dilation, spatial, 1);
    for (int k = 0; k < spatial; ++k) {
        PoolAxis& axis = k == spatial - 1 ? pooling.plan.columns : pooling.plan.rows;
        axis.kernel = kernel[k];
        axis.stride = step[k];
        axis.padding = around[k];
        axis.dilation = apart[k];
        if (axis.padding > ((axis.kernel - 1) * axis.dilation + 1) / 2)
            throw ValueError(message(op, ": padding must be at most half of the window, got padding ", axis.padding, ", kernel_size ",
                                     axis.kernel, " and dilation ", axis.dilation));
        axis.out = window_count(axis, ceil_mode);
        if (axis.out < 1)
            throw ShapeError(
                message(op, ": a window of kernel_size ", kernel, " does not fit into ", shape, "; use a smaller one, or padding"));
        pooling.out[shape.rank() - spatial + k] = axis.out;
    }
    return pooling;
}

/// `output_size`: one number or one for each dimension; -1 keeps the size.
HEADTORCH_NOINLINE inline Pooling plan_adaptive_pool(const char* op, const Shape& shape, int spatial, const IntList& output_size) {
    Pooling pooling = start_pooling(op, shape, spatial);
    const IntList sizes = spatial_sizes(op, "output_size", output_size, spatial, -1);
    for (int k = 0; k < spatial; ++k) {
        PoolAxis& axis = k == spatial - 1 ? pooling.plan.columns : pooling.plan.rows;
        axis.adaptive = true;
        axis.out = sizes[k] == -1 ? axis.in : sizes[k];
        pooling.out[shape.rank() - spatial + k] = axis.out;
    }
    pooling.plan.rows.adaptive = true;
    return pooling;
}

}  // namespace headtorch::detail
