// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Lines of a contiguous tensor: dealing them out to threads, and finding their largest element.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/lines.hpp"

namespace headtorch::cpu {

/// Calls body(start, width) for groups of up to `tile` lines side by side: element k of the j-th is at start + k * inner + j.
template <class Body>
void for_each_tile(const Lines& lines, std::int64_t tile, const Body& body) {
    const std::int64_t width = std::min(tile, lines.inner), tiles = (lines.inner + width - 1) / std::max<std::int64_t>(1, width);
    const std::int64_t work = std::max<std::int64_t>(1, width * lines.length);
    parallel_for(lines.outer * tiles, std::max<std::int64_t>(1, reduce_block / work), [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; ++begin) {
            const std::int64_t column = begin % tiles * width;
            body(begin / tiles * lines.length * lines.inner + column, std::min(width, lines.inner - column));
        }
    });
}

namespace detail {

/// Is a a better candidate than b? NaN is the best of all.
template <class Op, class T>
bool is_better(T a, T b) {
    if constexpr (Floating<T>)
        if (a != a) return b == b;
    return std::same_as<Op, reduction::Max> ? a > b : a < b;
}

/// The first index of `value` (or of a NaN, if that is what it is) among n adjacent numbers that hold it.
template <class T>
std::int64_t find_value(const T* x, std::int64_t n, T value) {
    constexpr int W = native_lanes<T>;
    const bool is_nan = value != value;
    std::int64_t i = 0;
    for (; i + W <= n; i += W) {
        const auto p = Packet<T, W>::load(x + i);
        if (any(is_nan ? p != p : p == Packet<T, W>(value))) break;
    }
    while (i < n && (is_nan ? x[i] == x[i] : x[i] != value)) ++i;
    return i;
}

/// Best values of `width` lines side by side, and where they stand.
template <class Op, class T>
void best_of_columns(const T* x, const Lines& lines, std::int64_t width, T* best, std::int64_t* index) {
    using Index = SignedOf<T>;
    std::int64_t j = 0;
    if constexpr (sizeof(T) >= 4) {
        constexpr int W = native_lanes<T>;
        if (sizeof(Index) == 8 || lines.length < std::numeric_limits<std::int32_t>::max()) {
            for (; j + W <= width; j += W) {
                auto value = Packet<T, W>::load(x + j);
                Packet<Index, W> where_best = 0;
                for (std::int64_t k = 1; k < lines.length; ++k) {
                    const auto v = Packet<T, W>::load(x + k * lines.inner + j);
                    const auto better = (std::same_as<Op, reduction::Max> ? v > value : v < value) | ((v != v) & (value == value));
                    value = where(better, v, value);
                    where_best = where(better, Packet<Index, W>(k), where_best);
                }
                value.store(best + j);
                for (int lane = 0; lane < W; ++lane) index[j + lane] = where_best[lane];
            }
        }
    }
    for (; j < width; ++j) {
        best[j] = x[j];
        index[j] = 0;
        for (std::int64_t k = 1; k < lines.length; ++k) {
            const T v = x[k * lines.inner + j];
            if (is_better<Op>(v, best[j])) {
                best[j] = v;
                index[j] = k;
            }
        }
    }
}

}  // namespace detail

/// The largest (Op = Max) or smallest (Min) element of each line and its first index; NaN counts as both. `values` may be null.
/// Lines must not be empty.
template <class Op, class T>
void arg_reduce(Cpu, const Op& op, const T* x, const Lines& lines, T* values, std::int64_t* indices) {
    using Number = detail::NoBool<T>;
    const auto* numbers = reinterpret_cast<const Number*>(x);
    auto* bests = reinterpret_cast<Number*>(values);
    constexpr std::int64_t tile = 256;
    for_each_tile(lines, tile, [&](std::int64_t start, std::int64_t width) {
        const std::int64_t out =
            lines.inner == 1 ? start / lines.length : start / (lines.length * lines.inner) * lines.inner + start % lines.inner;
        if (lines.inner == 1 && lines.length < 2 * native_lanes<Number>) {
            Number best = numbers[start];
            std::int64_t index = 0;
            for (std::int64_t k = 1; k < lines.length; ++k)
                if (detail::is_better<Op>(numbers[start + k], best)) best = numbers[start + (index = k)];
            indices[out] = index;
            if (bests) bests[out] = best;
        } else if (lines.inner == 1) {
            const Number best = detail::reduce_run<Number>(op, numbers + start, lines.length, 1, Number{});
            indices[out] = detail::find_value(numbers + start, lines.length, best);
            if (bests) bests[out] = best;
        } else {
            Number best[tile];
            detail::best_of_columns<Op>(numbers + start, lines, width, best, indices + out);
            if (bests) std::copy(best, best + width, bests + out);
        }
    });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::arg_reduce;
}  // namespace headtorch
