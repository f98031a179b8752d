// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding, row by row: the middle of a row is copied in one piece, its ends element by element.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/loop.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/pad.hpp"

namespace headtorch {
namespace cpu::detail {

/// Calls row(output row, offset of the input row that it shows, or -1) for output rows begin … end - 1, in order.
template <class Row>
HEADTORCH_ALWAYS_INLINE void for_each_padded_row(const PadPlan& plan, std::int64_t begin, std::int64_t end, const Row& row) {
    const int last = plan.in.rank() - 1;
    const Strides strides = plan.in.contiguous_strides();
    std::int64_t place[max_rank] = {};
    for (std::int64_t rest = begin, d = last - 1; d >= 0; rest /= plan.out[static_cast<int>(d--)])
        place[d] = rest % plan.out[static_cast<int>(d)];
    for (std::int64_t r = begin; r < end; ++r) {
        std::int64_t offset = 0;
        for (int d = 0; d < last; ++d) {
            const std::int64_t i = plan.source(d, place[d]);
            if (i < 0) {
                offset = -1;
                break;
            }
            offset += i * strides[d];
        }
        row(r, offset);
        for (int d = last - 1; d >= 0; --d) {
            if (++place[d] < plan.out[d]) break;
            place[d] = 0;
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
    parallel_for(rows, std::max<std::int64_t>(1, 32768 / width), [&](std::int64_t begin, std::int64_t end) {
        cpu::detail::for_each_padded_row(plan, begin, end, [&](std::int64_t row, std::int64_t offset) {
            T* out = y + row * width;
            if (offset < 0) {
                std::fill_n(out, width, value);
                return;
            }
            if (plan.mode == PadMode::constant) {
                std::fill(out, out + from, value);
                std::fill(out + to, out + width, value);
            } else {
                for (std::int64_t j = 0; j < from; ++j) out[j] = x[offset + plan.source(last, j)];
                for (std::int64_t j = to; j < width; ++j) out[j] = x[offset + plan.source(last, j)];
            }
            std::copy_n(x + offset + from - left, to - from, out + from);
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
