// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding, row by row: the middle of a row is copied in one piece, its ends element by element.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/pad.hpp"

namespace headtorch {
namespace cpu::detail {

/// std::copy_n without a call of a function, for rows are short.
template <class T>
HEADTORCH_ALWAYS_INLINE void copy_run(const T* from, std::int64_t n, T* to) {
    if constexpr (std::is_same_v<T, bool> || Half<T>) {
        std::copy_n(from, n, to);
    } else {
        constexpr int W = native_lanes<T>;
        for (std::int64_t i = 0; i < n; i += W) store_some(to + i, n - i, load_some<W>(from + i, n - i));
    }
}

/// The same value n times.
template <class T>
HEADTORCH_ALWAYS_INLINE void fill_run(T* to, std::int64_t n, T value) {
    if constexpr (std::is_same_v<T, bool> || Half<T>) {
        std::fill_n(to, n, value);
    } else {
        constexpr int W = native_lanes<T>;
        for (std::int64_t i = 0; i < n; i += W) store_some(to + i, n - i, Packet<T, W>(value));
    }
}

/// Calls row(output row, offset of the input row that it shows, or -1) for output rows begin … end - 1, in order. Rows are counted along
/// all dimensions but the last; the last of these is walked on its own.
template <class Row>
HEADTORCH_ALWAYS_INLINE void for_each_padded_row(const PadPlan& plan, std::int64_t begin, std::int64_t end, const Row& row) {
    const int walked = plan.in.rank() - 2;
    const Strides strides = plan.in.contiguous_strides();
    const std::int64_t count = walked < 0 ? 1 : plan.out[walked], stride = walked < 0 ? 0 : strides[walked];
    for (std::int64_t r = begin; r < end;) {
        std::int64_t base = 0, rest = r / count;
        for (int d = walked - 1; d >= 0 && base >= 0; rest /= plan.out[d--]) {
            const std::int64_t i = plan.source(d, rest % plan.out[d]);
            base = i < 0 ? -1 : base + i * strides[d];
        }
        const std::int64_t from = walked < 0 ? 0 : plan.first(walked), to = walked < 0 ? 1 : plan.last(walked);
        const std::int64_t shift = base - (walked < 0 ? 0 : plan.left[walked] * stride);
        for (std::int64_t j = r % count; j < count && r < end; ++j, ++r) {
            if (base < 0) {
                row(r, -1);
            } else if (j >= from && j < to) {
                row(r, shift + j * stride);
            } else {
                const std::int64_t i = plan.source(walked, j);
                row(r, i < 0 ? -1 : base + i * stride);
            }
        }
    }
}

}  // namespace cpu::detail

/// y of shape given.out from x of shape given.in, both contiguous and of rank 1 or more; `value` where nothing is shown.
template <class T>
void pad_forward(Cpu, const T* x, const PadPlan& given, T value, T* y) {
    if (given.out.contains(0)) return;
    const PadPlan plan = given.joined();
    const int last = plan.in.rank() - 1;
    const std::int64_t width = plan.out[last], left = plan.left[last], from = plan.first(last), to = plan.last(last);
    const std::int64_t rows = plan.out.numel() / width;
    const bool constant = plan.mode == PadMode::constant;
    parallel_for(rows, std::max<std::int64_t>(1, 32768 / width), [&](std::int64_t begin, std::int64_t end) {
        // by value: vectors may alias anything, and what is captured by reference would be read again after each store
        cpu::detail::for_each_padded_row(plan, begin, end, [=, &plan](std::int64_t row, std::int64_t offset) {
            T* out = y + row * width;
            if (offset < 0) {
                cpu::detail::fill_run(out, width, value);
                return;
            }
            if (constant) {
                cpu::detail::fill_run(out, from, value);
                cpu::detail::fill_run(out + to, width - to, value);
            } else {
                for (std::int64_t j = 0; j < from; ++j) out[j] = x[offset + plan.source(last, j)];
                for (std::int64_t j = to; j < width; ++j) out[j] = x[offset + plan.source(last, j)];
            }
            cpu::detail::copy_run(x + offset + from - left, to - from, out + from);
        });
    });
}

/// dx, of shape given.in: each element gets the sum of g, of shape given.out, over the places that show it. Not for mode constant.
template <class T>
void pad_backward(Cpu, const T* g, const PadPlan& given, T* dx) {
    if (given.in.contains(0)) return;
    const PadPlan plan = given.joined();
    const int last = plan.in.rank() - 1;
    const std::int64_t width = plan.out[last], left = plan.left[last], from = plan.first(last), to = plan.last(last);
    const std::int64_t planes = plan.in[0], size = plan.in.numel() / planes;
    std::int64_t rows = 1;  // of g in a plane
    for (int d = 1; d < last; ++d) rows *= plan.out[d];
    parallel_for(planes, 32768 / size, [&](std::int64_t begin, std::int64_t end) {
        std::fill(dx + begin * size, dx + end * size, T(0));
        cpu::detail::for_each_padded_row(plan, begin * rows, end * rows, [&](std::int64_t row, std::int64_t offset) {
            const T* in = g + row * width;
            T* out = dx + offset;
            for (std::int64_t j = 0; j < from; ++j) out[plan.source(last, j)] += in[j];
            for (std::int64_t j = from; j < to; ++j) out[j - left] += in[j];
            for (std::int64_t j = to; j < width; ++j) out[plan.source(last, j)] += in[j];
        });
    });
}

}  // namespace headtorch
