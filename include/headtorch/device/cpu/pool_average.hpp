// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Means of windows, plain or adaptive: the window's rows are added up first, in double, then its columns. Threads share out planes.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/normalize.hpp"
#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/pool.hpp"

namespace headtorch {
namespace cpu::detail {

/// Elements first … last - 1, and one over the number that they count for.
struct WindowPart {
    std::int64_t first, last;
    double scale;
};

inline WindowPart window_part(const PoolPlan& plan, const PoolAxis& axis, std::int64_t o) {
    const std::int64_t first = axis.first(o), last = axis.last(o);
    const std::int64_t counted = axis.adaptive || !plan.count_include_pad ? last - first : axis.padded_size(o);
    if (plan.divisor == 0) return {first, last, 1 / static_cast<double>(counted)};
    return {first, last, &axis == &plan.rows ? 1 / static_cast<double>(plan.divisor) : 1};
}

/// to[i] += from[i], or to[i] = from[i] at the first time.
template <class A, class T>
void add_row(A* to, const T* from, std::int64_t n, bool first) {
    constexpr int W = native_lanes<A>;
    for (std::int64_t i = 0; i < n; i += W) {
        const Packet<A, W> value = convert<A>(load_some<W>(from + i, n - i));
        store_some(to + i, n - i, first ? value : value + load_some<W>(to + i, n - i));
    }
}

/// Calls row(plane, o, window of the rows, windows of the columns) for each row of the output, in planes that threads share out.
template <class Row>
void for_each_window_row(const PoolPlan& plan, const Row& row) {
    const std::int64_t work = std::max<std::int64_t>(1, plan.in_size() + plan.out_size());
    parallel_for(plan.planes, 65536 / work, [&](std::int64_t begin, std::int64_t end) {
        const Scratch<WindowPart> columns(plan.columns.out);
        const Scratch<double> sums(plan.columns.in);
        for (std::int64_t j = 0; j < plan.columns.out; ++j) columns[j] = window_part(plan, plan.columns, j);
        for (std::int64_t p = begin; p < end; ++p)
            for (std::int64_t o = 0; o < plan.rows.out; ++o) row(p, o, window_part(plan, plan.rows, o), columns.data(), sums.data());
    });
}

}  // namespace cpu::detail

/// y = the mean of each window, as `plan` counts.
template <class T>
void average_pool_forward(Cpu, const T* x, const PoolPlan& plan, T* y) {
    const std::int64_t width = plan.columns.in, count = plan.columns.out;
    const auto mean_row = [&](std::int64_t p, std::int64_t o, const auto& rows, const auto* columns, double* sums) {
        T* out = y + (p * plan.rows.out + o) * count;
        if (count == 1 && columns[0].first == 0 && columns[0].last == width) {  // whole rows, one after the other
            const std::int64_t n = (rows.last - rows.first) * width;
            const double sum = cpu::detail::sum_line(x + (p * plan.rows.in + rows.first) * width, n);
            *out = static_cast<T>(sum * (rows.scale * columns[0].scale));
            return;
        }
        if (rows.first == rows.last) std::fill_n(sums, width, 0.0);
        for (std::int64_t r = rows.first; r < rows.last; ++r)
            cpu::detail::add_row(sums, x + (p * plan.rows.in + r) * width, width, r == rows.first);
        if (plan.columns.pairs()) {
            constexpr int W = cpu::native_lanes<double>;
            const double scale = rows.scale * columns[0].scale;
            for (std::int64_t j = 0; j < count; j += W) {
                const auto a = cpu::load_some<W>(sums + 2 * j, 2 * (count - j));
                const auto b = cpu::load_some<W>(sums + 2 * j + W, 2 * (count - j) - W);
                const auto sum = cpu::every_other<0>(a, b) + cpu::every_other<1>(a, b);
                cpu::store_some(out + j, count - j, cpu::convert<T>(sum * scale));
            }
        } else {
            for (std::int64_t j = 0; j < count; ++j) {
                double sum = 0;
                for (std::int64_t c = columns[j].first; c < columns[j].last; ++c) sum += sums[c];
                out[j] = static_cast<T>(sum * (rows.scale * columns[j].scale));
            }
        }
    };
    cpu::detail::for_each_window_row(plan, mean_row);
}

/// dx = g shared out over the windows: the transpose of average_pool_forward().
template <class T>
void average_pool_backward(Cpu, const T* g, const PoolPlan& plan, T* dx) {
    const std::int64_t width = plan.columns.in, count = plan.columns.out;
    const auto spread_row = [&](std::int64_t p, std::int64_t o, const auto& rows, const auto* columns, double* shares) {
        const T* from = g + (p * plan.rows.out + o) * count;
        T* plane = dx + p * plan.in_size();
        if (plan.out_size() == 1 && rows.last - rows.first == plan.rows.in && columns[0].last - columns[0].first == width) {
            std::fill_n(plane, plan.in_size(), static_cast<T>(static_cast<double>(*from) * (rows.scale * columns[0].scale)));
            return;
        }
        if (o == 0) std::fill_n(plane, plan.in_size(), T(0));
        std::fill_n(shares, width, 0.0);
        for (std::int64_t j = 0; j < count; ++j) {
            const double share = static_cast<double>(from[j]) * (rows.scale * columns[j].scale);
            for (std::int64_t c = columns[j].first; c < columns[j].last; ++c) shares[c] += share;
        }
        for (std::int64_t r = rows.first; r < rows.last; ++r) cpu::detail::add_row(plane + r * width, shares, width, false);
    };
    cpu::detail::for_each_window_row(plan, spread_row);
}

}  // namespace headtorch
