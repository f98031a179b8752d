// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Sorting along lines, whole or as far as needed.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/lines.hpp"
#include "headtorch/device/sort.hpp"

namespace headtorch::cpu {

namespace detail {

template <class T>
struct Ranked {
    T value;
    std::int64_t index;
};

template <class T>
bool is_less(T a, T b) {
    if constexpr (Floating<T>) {
        return a < b || (b != b && a == a);
    } else {
        return a < b;
    }
}

template <class T>
void sort_line(Ranked<T>* line, std::int64_t n, bool descending, SortExtent extent, std::int64_t k) {
    const auto before = [descending](const Ranked<T>& a, const Ranked<T>& b) {
        if (is_less(a.value, b.value)) return !descending;
        if (is_less(b.value, a.value)) return descending;
        return a.index < b.index;
    };
    if (extent == SortExtent::whole || (extent == SortExtent::first_k && k >= n)) {
        std::sort(line, line + n, before);
    } else if (extent == SortExtent::first_k && k * 64 <= n) {
        std::partial_sort(line, line + k, line + n, before);
    } else if (k > 0) {
        std::nth_element(line, line + k - 1, line + n, before);
        if (extent == SortExtent::first_k) std::sort(line, line + k - 1, before);
    }
}

}  // namespace detail

/// Sorts each line of x as far as `extent` says, and hands out places `from` … `from + count - 1` of each: values and former indices.
template <class T>
void sort_lines(Cpu, const T* x, const Lines& lines, bool descending, SortExtent extent, std::int64_t k, std::int64_t from,
                std::int64_t count, T* values, std::int64_t* indices) {
    const std::int64_t n = lines.length, step = lines.inner;
    parallel_for(lines.count(), std::max<std::int64_t>(1, reduce_block / 8 / std::max<std::int64_t>(1, n)),
                 [&](std::int64_t begin, std::int64_t end) {
                     const Scratch<detail::Ranked<T>> line(n);
                     for (; begin < end; ++begin) {
                         const std::int64_t outer = begin / step, column = begin % step;
                         const T* source = x + outer * n * step + column;
                         for (std::int64_t i = 0; i < n; ++i) line[i] = {source[i * step], i};
                         detail::sort_line(line.data(), n, descending, extent, k);
                         for (std::int64_t i = 0; i < count; ++i) {
                             values[(outer * count + i) * step + column] = line[from + i].value;
                             indices[(outer * count + i) * step + column] = line[from + i].index;
                         }
                     }
                 });
}

/// The median of each line, the lower of two, and its index; the first NaN if there is one. Lines must not be empty.
template <class T>
void median_lines(Cpu, const T* x, const Lines& lines, T* values, std::int64_t* indices) {
    sort_lines(Cpu{}, x, lines, false, SortExtent::element_k, (lines.length + 1) / 2, (lines.length - 1) / 2, 1, values, indices);
    if constexpr (Floating<T>) {
        for_each_tile(lines, lines.inner, [&](std::int64_t start, std::int64_t width) {
            for (std::int64_t j = 0; j < width; ++j) {
                const T* line = x + start + j;
                for (std::int64_t i = 0; i < lines.length; ++i) {
                    if (line[i * lines.inner] == line[i * lines.inner]) continue;
                    values[start / lines.length + j] = line[i * lines.inner];
                    indices[start / lines.length + j] = i;
                    break;
                }
            }
        });
    }
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::median_lines;
using cpu::sort_lines;
}  // namespace headtorch
