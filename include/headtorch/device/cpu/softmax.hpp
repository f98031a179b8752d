// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// softmax and log_softmax along lines, and their gradients, each in one visit. The largest element is subtracted first, so that nothing
/// overflows.

#include <cmath>
#include <cstdint>
#include <limits>

#include "headtorch/device/cpu/lines.hpp"

namespace headtorch::cpu {

namespace detail {

template <class T, int W>
HEADTORCH_ALWAYS_INLINE Mask<T, W> first_lanes(std::int64_t n) {
    Packet<SignedOf<T>, W> lane;
    for (int i = 0; i < W; ++i) lane.set(i, static_cast<SignedOf<T>>(i));
    return Mask<T, W>(lane < Packet<SignedOf<T>, W>(n));
}

/// The n values at x, with `fill` in the lanes that are left.
template <class T, int W>
HEADTORCH_ALWAYS_INLINE Packet<T, W> load_filled(const T* x, std::int64_t n, T fill) {
    return where(first_lanes<T, W>(n), Packet<T, W>::load_partial(x, static_cast<int>(n)), fill);
}

/// Sum over a line of term(packet): f(i, n) gives the terms i … i + n - 1, with zeros in the lanes
/// beyond. Gathered in double from time to time.
template <class T, int W, class F>
HEADTORCH_ALWAYS_INLINE T sum_terms(std::int64_t length, const F& f) {
    constexpr std::int64_t block = 64 * W;
    if (length <= block) {
        Packet<T, W> sum = 0;
        std::int64_t i = 0;
        for (; i + W <= length; i += W) sum += f(i, std::int64_t{W});
        if (i < length) sum += f(i, length - i);
        return fold_lanes(reduction::Sum{}, sum);
    }
    double total = 0;
    for (std::int64_t first = 0; first < length; first += block) {
        const std::int64_t end = std::min(length, first + block);
        Packet<T, W> sum = 0;
        std::int64_t i = first;
        for (; i + W <= end; i += W) sum += f(i, std::int64_t{W});
        if (i < end) sum += f(i, end - i);
        total += static_cast<double>(fold_lanes(reduction::Sum{}, sum));
    }
    return static_cast<T>(total);
}

/// y[i] = f(x[i]...) on a line.
template <class T, int W, class F, class... X>
HEADTORCH_ALWAYS_INLINE void map_line(std::int64_t length, T* y, const F& f, const X*... x) {
    using P = Packet<T, W>;
    std::int64_t i = 0;
    for (; i + W <= length; i += W) f(P::load(x + i)...).store(y + i);
    if (i < length) {
        const int rest = static_cast<int>(length - i);
        f(P::load_partial(x + i, rest)...).store_partial(y + i, rest);
    }
}

template <class T>
T largest(const T* x, std::int64_t length) {
    constexpr int W = native_lanes<T>;
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    if (length >= 2 * W) return reduce_run<T>(reduction::Max{}, x, length, 1, T{});
    const auto first = load_filled<T, W>(x, std::min<std::int64_t>(length, W), lowest);
    if (length <= W) return fold_lanes(reduction::Max{}, first);
    return fold_lanes(reduction::Max{}, Packet<T, W>(reduction::Max::combine(first, load_filled<T, W>(x + W, length - W, lowest))));
}

template <bool log_of_it, class T>
void softmax_line(const T* x, std::int64_t length, T* y) {
    constexpr int W = native_lanes<T>;
    using P = Packet<T, W>;
    const T top = largest(x, length);
    const P shift = top;
    const T sum = sum_terms<T, W>(length, [&](std::int64_t i, std::int64_t n) {
        if (n == W) {
            const P e = exp(P::load(x + i) - shift);
            if constexpr (!log_of_it) e.store(y + i);
            return e;
        }
        const P e = exp(P::load_partial(x + i, static_cast<int>(n)) - shift);
        if constexpr (!log_of_it) e.store_partial(y + i, static_cast<int>(n));
        return P(where(first_lanes<T, W>(n), e, T(0)));
    });
    if constexpr (log_of_it) {
        const P log_sum = std::log(sum);
        map_line<T, W>(length, y, [&](const P& v) { return v - shift - log_sum; }, x);
    } else {
        const P scale = 1 / sum;
        map_line<T, W>(length, y, [&](const P& e) { return e * scale; }, static_cast<const T*>(y));
    }
}

template <bool log_of_it, class T>
void softmax_gradient_line(const T* y, const T* g, std::int64_t length, T* dx) {
    constexpr int W = native_lanes<T>;
    using P = Packet<T, W>;
    const P sum = sum_terms<T, W>(length, [&](std::int64_t i, std::int64_t n) {
        const auto term = [](const P& a, const P& b) { return log_of_it ? a : a * b; };
        if (n == W) return term(P::load(g + i), P::load(y + i));
        const int rest = static_cast<int>(n);
        return P(where(first_lanes<T, W>(n), term(P::load_partial(g + i, rest), P::load_partial(y + i, rest)), T(0)));
    });
    map_line<T, W>(length, dx, [&](const P& a, const P& b) { return log_of_it ? P(a - exp(b) * sum) : P((a - sum) * b); }, g, y);
}

/// Lines side by side: `width` columns, at most column_limit, whose rows are `stride` apart. Visited row by row, a packet at a time.
inline constexpr std::int64_t column_limit = 512;

template <class T>
struct Columns {
    static constexpr int W = native_lanes<double>;
    using P = Packet<T, W>;
    std::int64_t length, width, stride;

    /// f(row offset, column, lanes in use)
    template <class F>
    HEADTORCH_ALWAYS_INLINE void visit(const F& f) const {
        for (std::int64_t k = 0; k < length; ++k)
            for (std::int64_t j = 0; j < width; j += W) f(k * stride, j, static_cast<int>(std::min<std::int64_t>(W, width - j)));
    }
    HEADTORCH_ALWAYS_INLINE static P load(const T* x, int n) { return n == W ? P::load(x) : P::load_partial(x, n); }
    HEADTORCH_ALWAYS_INLINE static void store(T* y, const P& value, int n) { n == W ? value.store(y) : value.store_partial(y, n); }
};

/// totals[j] = sum of term(place, lanes) over column j, gathered in double.
template <class T, class Term>
HEADTORCH_ALWAYS_INLINE void sum_columns(const Columns<T>& columns, double* totals, const Term& term) {
    constexpr int W = Columns<T>::W;
    std::fill(totals, totals + (columns.width + W - 1) / W * W, 0.0);
    columns.visit([&](std::int64_t row, std::int64_t j, int n) {
        (Packet<double, W>::load(totals + j) + convert<double>(term(row + j, j, n))).store(totals + j);
    });
}

template <bool log_of_it, class T>
void softmax_columns(const T* x, const Columns<T>& columns, T* y) {
    using P = typename Columns<T>::P;
    constexpr int W = Columns<T>::W;
    T top[column_limit];
    double totals[column_limit];
    std::fill(top, top + (columns.width + W - 1) / W * W, -std::numeric_limits<T>::infinity());
    columns.visit([&](std::int64_t row, std::int64_t j, int n) {
        P(reduction::Max::combine(P::load(top + j), columns.load(x + row + j, n))).store(top + j);
    });
    sum_columns(columns, totals, [&](std::int64_t at, std::int64_t j, int n) {
        const P e = exp(columns.load(x + at, n) - P::load(top + j));
        if constexpr (!log_of_it) columns.store(y + at, e, n);
        return e;
    });
    for (std::int64_t j = 0; j < columns.width; ++j)  // what each column is scaled by, or has subtracted
        top[j] = log_of_it ? top[j] + static_cast<T>(std::log(totals[j])) : static_cast<T>(1 / totals[j]);
    columns.visit([&](std::int64_t row, std::int64_t j, int n) {
        const P value = columns.load((log_of_it ? x : y) + row + j, n);
        columns.store(y + row + j, log_of_it ? P(value - P::load(top + j)) : P(value * P::load(top + j)), n);
    });
}

template <bool log_of_it, class T>
void softmax_gradient_columns(const T* y, const T* g, const Columns<T>& columns, T* dx) {
    using P = typename Columns<T>::P;
    double totals[column_limit];
    sum_columns(columns, totals, [&](std::int64_t at, std::int64_t, int n) {
        const P a = columns.load(g + at, n);
        return log_of_it ? a : P(a * columns.load(y + at, n));
    });
    columns.visit([&](std::int64_t row, std::int64_t j, int n) {
        const P a = columns.load(g + row + j, n), b = columns.load(y + row + j, n),
                sum = convert<T>(Packet<double, Columns<T>::W>::load(totals + j));
        columns.store(dx + row + j, log_of_it ? P(a - exp(b) * sum) : P((a - sum) * b), n);
    });
}

/// Calls line(start) for each line of adjacent elements, or block(start, columns) for lines side by side.
template <class T, class Line, class Block>
void for_each_line(const Lines& lines, const Line& line, const Block& block) {
    constexpr std::int64_t cached = 64 * 1024;  // elements that stay in the second cache from one visit to the next
    if (lines.length == 0) return;
    const std::int64_t tile = std::clamp<std::int64_t>(cached / lines.length / 64 * 64, 64, column_limit);
    for_each_tile(lines, tile, [&](std::int64_t start, std::int64_t width) {
        if (lines.inner == 1) return line(start);
        block(start, Columns<T>{lines.length, width, lines.inner});
    });
}

}  // namespace detail

/// y = e^x / sum of e^x on each line.
template <class T>
void softmax(Cpu, const T* x, const Lines& lines, T* y) {
    detail::for_each_line<T>(
        lines, [&](std::int64_t start) { detail::softmax_line<false>(x + start, lines.length, y + start); },
        [&](std::int64_t start, const auto& columns) { detail::softmax_columns<false>(x + start, columns, y + start); });
}
template <class T>
void log_softmax(Cpu, const T* x, const Lines& lines, T* y) {
    detail::for_each_line<T>(
        lines, [&](std::int64_t start) { detail::softmax_line<true>(x + start, lines.length, y + start); },
        [&](std::int64_t start, const auto& columns) { detail::softmax_columns<true>(x + start, columns, y + start); });
}

/// dx = y (g - sum of g y).
template <class T>
void softmax_gradient(Cpu, const T* y, const T* g, const Lines& lines, T* dx) {
    detail::for_each_line<T>(
        lines, [&](std::int64_t start) { detail::softmax_gradient_line<false>(y + start, g + start, lines.length, dx + start); },
        [&](std::int64_t start, const auto& columns) {
            detail::softmax_gradient_columns<false>(y + start, g + start, columns, dx + start);
        });
}
/// dx = g - e^y (sum of g).
template <class T>
void log_softmax_gradient(Cpu, const T* y, const T* g, const Lines& lines, T* dx) {
    detail::for_each_line<T>(
        lines, [&](std::int64_t start) { detail::softmax_gradient_line<true>(y + start, g + start, lines.length, dx + start); },
        [&](std::int64_t start, const auto& columns) {
            detail::softmax_gradient_columns<true>(y + start, g + start, columns, dx + start);
        });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::log_softmax;
using cpu::log_softmax_gradient;
using cpu::softmax;
using cpu::softmax_gradient;
}  // namespace headtorch
