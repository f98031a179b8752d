// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reading and writing by index: rows picked by a list, and elements picked along one dimension.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/shape.hpp"
#include "headtorch/device/cpu/check_index.hpp"
#include "headtorch/device/cpu/loop.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/gather.hpp"

namespace headtorch {

/// Adds element i of row-major `from` to element i of the view of `to` with this shape and these strides, which may show a place of `to`
/// more than once.
template <class T>
void add_strided(Cpu, const T* from, const Shape& shape, const Strides& to_strides, T* to) {
    const std::int64_t n = shape.numel();
    if (n == 0) return;
    const Strides strides[] = {to_strides};
    const Loop loop(shape, strides);
    LoopPosition position(loop, 0);
    const std::int64_t step = loop.strides[0][loop.rank - 1];
    for (std::int64_t done = 0; done < n;) {
        T* row = to + position.offset(0);
        const std::int64_t count = position.row_left();
        for (std::int64_t i = 0; i < count; ++i) row[i * step] += from[done + i];
        position.advance(count);
        done += count;
    }
}

/// to[o, i, :] = from[o, index[i], :] for contiguous [outer, size, inner]; indices are checked already, negative ones count from the end.
template <class T>
void copy_slabs(Cpu, const T* from, const Slabs& slabs, const std::int64_t* index, std::int64_t count, T* to) {
    const std::int64_t rows = slabs.outer * count;
    parallel_for(rows, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, slabs.inner)),
                 [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                         std::int64_t i = index[row % count];
                         if (i < 0) i += slabs.size;
                         std::copy_n(from + ((row / count) * slabs.size + i) * slabs.inner, slabs.inner, to + row * slabs.inner);
                     }
                 });
}

/// to[o, index[i], :] += from[o, i, :], in the order of i, so that the result does not depend on threads.
template <class T>
void add_slabs(Cpu, const T* from, const Slabs& slabs, const std::int64_t* index, std::int64_t count, T* to) {
    for (std::int64_t row = 0; row < slabs.outer * count; ++row) {
        std::int64_t i = index[row % count];
        if (i < 0) i += slabs.size;
        const T* source = from + row * slabs.inner;
        T* target = to + ((row / count) * slabs.size + i) * slabs.inner;
        for (std::int64_t k = 0; k < slabs.inner; ++k) target[k] = static_cast<T>(target[k] + source[k]);
    }
}

/// Calls visit(position in the walk, offset in the operand) for each element of `index` (contiguous, of `shape`), where the operand with
/// `strides` is entered at the same place except along `dim`, where the index says.
template <class Visit>
void visit_along(Cpu, const std::int64_t* index, const Shape& shape, int dim, std::int64_t size, const Strides& strides, Visit visit) {
    Strides around = strides;
    if (around.rank()) around[dim] = 0;
    const std::int64_t n = shape.numel(), step = strides.rank() ? strides[dim] : 0;
    if (n == 0) return;
    std::int64_t position[max_rank] = {};
    std::int64_t offset = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        visit(k, offset + (index[k] < 0 ? index[k] + size : index[k]) * step);
        for (int d = shape.rank() - 1; d >= 0; --d) {
            offset += around[d];
            if (++position[d] < shape[d]) break;
            offset -= around[d] * shape[d];
            position[d] = 0;
        }
    }
}

/// to[k] = from[… index[k] …] along one dimension.
template <class T>
void gather_along(Cpu device, const T* from, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index,
                  const Shape& shape, T* to) {
    visit_along(device, index, shape, dim, size, strides, [&](std::int64_t k, std::int64_t offset) { to[k] = from[offset]; });
}
/// to[… index[k] …] += from[k] along one dimension.
template <class T>
void scatter_add_along(Cpu device, T* to, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                       const T* from) {
    visit_along(device, index, shape, dim, size, strides,
                [&](std::int64_t k, std::int64_t offset) { to[offset] = static_cast<T>(to[offset] + from[k]); });
}
/// to[… index[k] …] = from[k] along one dimension; the last of equal indices wins.
template <class T>
void scatter_along(Cpu device, T* to, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                   const T* from) {
    visit_along(device, index, shape, dim, size, strides, [&](std::int64_t k, std::int64_t offset) { to[offset] = from[k]; });
}

/// Writes the flat positions at which a contiguous mask is true, in order, to room(how many), which returns where.
template <class Room>
void true_positions(Cpu, const bool* mask, std::int64_t count, const Room& room) {
    std::int64_t* out = room(static_cast<std::int64_t>(std::count(mask, mask + count, true)));
    for (std::int64_t i = 0; i < count; ++i)
        if (mask[i]) *out++ = i;
}

/// Turns each flat position in a contiguous tensor of `shape` into a row [i, j, …] of `rows`.
inline void unravel(Cpu, const std::int64_t* flat, std::int64_t count, const Shape& shape, std::int64_t* rows) {
    for (std::int64_t i = 0; i < count; ++i) {
        std::int64_t position = flat[i];
        for (int d = shape.rank() - 1; d >= 0; --d) {
            rows[i * shape.rank() + d] = position % shape[d];
            position /= shape[d];
        }
    }
}

}  // namespace headtorch
