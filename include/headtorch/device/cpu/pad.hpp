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
void for_each_padded_row(const PadPlan& plan, std::int64_t begin, std::int64_t end, const Row& row) {
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

/// y of shape plan.out from x of shape plan.in, both contiguous and of rank 1 or more; `value` where nothing is shown.
template <class T>
void pad_forward(Cpu, const T* x, const PadPlan& plan, T value, T* y) {
    const int last = plan.in.rank() - 1;
    const std::int64_t width = plan.out[last], left = plan.left[last], from = plan.first(last), to = plan.last(last);
    if (width == 0) return;
    const std::int64_t rows = plan.out.numel() / width;
    parallel_for(rows, std::max<std::int64_t>(1, 32768 / width), [&](std::int64_t begin, std::int64_t end) {
        cpu::detail::for_each_padded_row(plan, begin, end, [&](std::int64_t row, std::int64_t offset) {
            T* out = y + row * width;
            if (offset < 0) {
                std::fill_n(out, width, value);
                return;
            }
            const auto shown = [&](std::int64_t j) {
                const std::int64_t i = plan.source(last, j);
                return i < 0 ? value : x[offset + i];
            };
            for (std::int64_t j = 0; j < from; ++j) out[j] = shown(j);
            std::copy_n(x + offset + from - left, to - from, out + from);
            for (std::int64_t j = to; j < width; ++j) out[j] = shown(j);
        });
    });
}

/// dx, of shape plan.in: each element gets the sum of g, of shape plan.out, over the places that show it.
template <class T>
void pad_backward(Cpu, const T* g, const PadPlan& plan, T* dx) {
    const int last = plan.in.rank() - 1, kept = std::min(plan.kept(), last);
    const std::int64_t width = plan.out[last], left = plan.left[last], from = plan.first(last), to = plan.last(last);
    std::int64_t planes = 1, rows = 1, size = plan.in[last];
    for (int d = 0; d < last; ++d) {
        (d < kept ? planes : rows) *= plan.out[d];
        if (d >= kept) size *= plan.in[d];
    }
    parallel_for(planes, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, size)), [&](std::int64_t begin, std::int64_t end) {
        std::fill(dx + begin * size, dx + end * size, T(0));
        cpu::detail::for_each_padded_row(plan, begin * rows, end * rows, [&](std::int64_t row, std::int64_t offset) {
            if (offset < 0) return;
            const T* in = g + row * width;
            T* out = dx + offset;
            const auto add = [&](std::int64_t j) {
                if (const std::int64_t i = plan.source(last, j); i >= 0) out[i] += in[j];
            };
            for (std::int64_t j = 0; j < from; ++j) add(j);
            for (std::int64_t j = from; j < to; ++j) out[j - left] += in[j];
            for (std::int64_t j = to; j < width; ++j) add(j);
        });
    });
}

}  // namespace headtorch
