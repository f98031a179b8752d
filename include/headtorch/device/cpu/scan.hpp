// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Scans along lines: running sums and products, linear recurrences, and the gradients of products. None of them divides, so zeros do no
/// harm. Floats are gathered in double.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/math.hpp"
#include "headtorch/device/cpu/lines.hpp"

namespace headtorch::cpu {

/// Lines that are scanned side by side.
inline constexpr std::int64_t scan_tile = 128;

namespace detail {

/// Steps down (or up, if `reverse`) along several lines at a time: state = step(at, state) with `at` the place of element k of a line.
template <class A, class Step>
void scan_lines(const Lines& lines, bool reverse, A initial, const Step& step) {
    if (lines.length == 0 || lines.inner == 0) return;
    const std::int64_t stride = reverse ? -lines.inner : lines.inner, first = reverse ? (lines.length - 1) * lines.inner : 0;
    if (lines.inner > 1) {
        for_each_tile(lines, scan_tile, [&](std::int64_t start, std::int64_t width) {
            A state[scan_tile];
            std::fill(state, state + width, initial);
            std::int64_t at = start + first;
            for (std::int64_t k = 0; k < lines.length; ++k, at += stride)
                for (std::int64_t j = 0; j < width; ++j) state[j] = step(at + j, state[j]);
        });
        return;
    }
    // several lines in turn, so that no step waits for the one before it
    parallel_for(lines.outer, std::max<std::int64_t>(1, reduce_block / lines.length), [&](std::int64_t begin, std::int64_t end) {
        constexpr std::int64_t together = 4;
        for (; begin + together <= end; begin += together) {
            A state[together] = {initial, initial, initial, initial};
            std::int64_t at = begin * lines.length + first;
            for (std::int64_t k = 0; k < lines.length; ++k, at += stride)
                for (std::int64_t j = 0; j < together; ++j) state[j] = step(at + j * lines.length, state[j]);
        }
        for (; begin < end; ++begin) {
            A state = initial;
            std::int64_t at = begin * lines.length + first;
            for (std::int64_t k = 0; k < lines.length; ++k, at += stride) state = step(at, state);
        }
    });
}

}  // namespace detail

/// y[k] = x[0] + … + x[k]; with `reverse` x[k] + … + x[length - 1].
template <class T, class Out>
void cumsum(Cpu, const T* x, const Lines& lines, bool reverse, Out* y) {
    using A = Accumulator<T>;
    detail::scan_lines(lines, reverse, A(0), [=](std::int64_t at, A sum) {
        sum = static_cast<A>(math::wrapping(sum) + math::wrapping(static_cast<A>(x[at])));
        y[at] = static_cast<Out>(sum);
        return sum;
    });
}

/// y[k] = x[0] … x[k].
template <class T, class Out>
void cumprod(Cpu, const T* x, const Lines& lines, Out* y) {
    using A = Accumulator<T>;
    detail::scan_lines(lines, false, A(1), [=](std::int64_t at, A product) {
        product = static_cast<A>(math::wrapping(product) * math::wrapping(static_cast<A>(x[at])));
        y[at] = static_cast<Out>(product);
        return product;
    });
}

/// h[k] = a[k] h[k-1] + b[k]; with `reverse` h[k] = a[k+1] h[k+1] + b[k]. What lies outside is 0.
template <class T>
void recurrence(Cpu, const T* a, const T* b, const Lines& lines, bool reverse, T* h) {
    if (!reverse) {
        detail::scan_lines(lines, false, 0.0, [=](std::int64_t at, double state) {
            state = static_cast<double>(a[at]) * state + static_cast<double>(b[at]);
            h[at] = static_cast<T>(state);
            return state;
        });
    } else {
        // the state is already multiplied by a, for the step that follows
        detail::scan_lines(lines, true, 0.0, [=](std::int64_t at, double state) {
            state += static_cast<double>(b[at]);
            h[at] = static_cast<T>(state);
            return static_cast<double>(a[at]) * state;
        });
    }
}

/// Gradient of a running product y of x: dx[k] = y[k-1] r[k], where r[k] = g[k] + x[k+1] r[k+1].
template <class T>
void cumprod_gradient(Cpu, const T* x, const T* y, const T* g, const Lines& lines, T* dx) {
    recurrence(Cpu{}, x, g, lines, true, dx);
    for_each_tile(lines, scan_tile, [&](std::int64_t start, std::int64_t width) {
        for (std::int64_t k = 1; k < lines.length; ++k)
            for (std::int64_t at = start + k * lines.inner; at < start + k * lines.inner + width; ++at) dx[at] *= y[at - lines.inner];
    });
}

/// y[k] = product of all elements of the line but x[k].
template <class T>
void products_of_others(Cpu, const T* x, const Lines& lines, T* y) {
    detail::scan_lines(lines, false, 1.0, [=](std::int64_t at, double before) {
        y[at] = static_cast<T>(before);
        return before * static_cast<double>(x[at]);
    });
    detail::scan_lines(lines, true, 1.0, [=](std::int64_t at, double behind) {
        y[at] = static_cast<T>(static_cast<double>(y[at]) * behind);
        return behind * static_cast<double>(x[at]);
    });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::cumprod;
using cpu::cumprod_gradient;
using cpu::cumsum;
using cpu::products_of_others;
using cpu::recurrence;
}  // namespace headtorch
