// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Rows of a table: their gradient, how often each is asked for, and cutting their norm.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/cpu/packet_pairs.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/reduce.hpp"
#include "headtorch/device/device.hpp"

namespace headtorch {

/// dtable[index[i]] += g[i], rows of `width` numbers, from zeros; row `padding` (unless negative) stays zero. With `by_frequency` each g[i]
/// is divided by the number of times that its index occurs. Threads share out the rows of the table, and each adds in the order of i.
template <class T>
void embedding_backward(Cpu, const T* g, const std::int64_t* index, std::int64_t count, std::int64_t rows, std::int64_t width,
                        std::int64_t padding, bool by_frequency, T* dtable) {
    constexpr int W = cpu::native_lanes<T>;
    const cpu::Scratch<std::int64_t> times(by_frequency ? rows : 0);
    if (by_frequency) {
        std::fill_n(times.data(), rows, 0);
        for (std::int64_t i = 0; i < count; ++i) ++times[index[i]];
    }
    const std::int64_t work = std::max<std::int64_t>(1, (rows + count) * width / std::max<std::int64_t>(1, rows));
    parallel_for(rows, 32768 / work, [&](std::int64_t begin, std::int64_t end) {
        std::fill(dtable + begin * width, dtable + end * width, T(0));
        for (std::int64_t i = 0; i < count; ++i) {
            if (index[i] < begin || index[i] >= end || index[i] == padding) continue;
            const T* from = g + i * width;
            T* to = dtable + index[i] * width;
            const T scale = by_frequency ? T(1) / static_cast<T>(times[index[i]]) : T(1);
            for (std::int64_t k = 0; k < width; k += W)
                cpu::store_some(to + k, width - k, cpu::load_some<W>(to + k, width - k) + cpu::load_some<W>(from + k, width - k) * scale);
        }
    });
}

/// Scales each row of `rows` that `index` names and whose norm (sum |w|^p)^(1/p) is larger than `most` down to that norm.
template <class T>
void renorm_rows(Cpu, const std::int64_t* index, std::int64_t count, [[maybe_unused]] std::int64_t rows, std::int64_t width, double most,
                 double p, T* table) {
    for (std::int64_t i = 0; i < count; ++i) {
        T* row = table + index[i] * width;
        double norm = 0;
        for (std::int64_t k = 0; k < width; ++k) {
            const double size = std::abs(static_cast<double>(row[k]));
            norm = std::isinf(p) ? std::max(norm, size) : norm + (p == 2 ? size * size : std::pow(size, p));
        }
        if (!std::isinf(p)) norm = p == 2 ? std::sqrt(norm) : std::pow(norm, 1 / p);
        if (norm > most)
            for (std::int64_t k = 0; k < width; ++k) row[k] = static_cast<T>(static_cast<double>(row[k]) * (most / (norm + 1e-7)));
    }
}

}  // namespace headtorch
