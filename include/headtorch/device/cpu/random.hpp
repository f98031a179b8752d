// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random numbers drawn on the CPU: one after the other, as PyTorch's CPU generator gives them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/random.hpp"

namespace headtorch {
namespace cpu::detail {

/// Box and Muller on 16 uniform numbers at a time, as PyTorch does: the first half are radii, the second half angles.
template <Floating T>
void normal_from_uniform_16(T* x, T mean, T std) {
    for (int i = 0; i < 8; ++i) {
        const T radius = std::sqrt(-2 * std::log(1 - x[i])), angle = static_cast<T>(2 * std::numbers::pi) * x[i + 8];
        x[i] = radius * std::cos(angle) * std + mean;
        x[i + 8] = radius * std::sin(angle) * std + mean;
    }
}
/// PyTorch fills memory without gaps by sixteens, unless it has less than 16 elements.
template <Floating T>
void fill_normal(T* x, std::int64_t n, bool one_by_one, double mean, double std, Generator& generator) {
    if (n < 16 || one_by_one) {
        for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(generator.normal() * std + mean);
        return;
    }
    for (std::int64_t i = 0; i < n; ++i) x[i] = generator.uniform<T>();
    for (std::int64_t i = 0; i + 16 <= n; i += 16) normal_from_uniform_16(x + i, static_cast<T>(mean), static_cast<T>(std));
    if (n % 16 != 0) {
        T* last = x + n - 16;
        for (int i = 0; i < 16; ++i) last[i] = generator.uniform<T>();
        normal_from_uniform_16(last, static_cast<T>(mean), static_cast<T>(std));
    }
}

/// PyTorch draws halfs as floats, sixteen at a time; where less are left, the last sixteen once more.
template <Half T>
void fill_normal(T* x, std::int64_t n, bool one_by_one, double mean, double std, Generator& generator) {
    if (n < 16 || one_by_one) {
        for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(static_cast<float>(generator.normal() * std + mean));
        return;
    }
    for (std::int64_t i = 0; i < n; i += 16) {
        float piece[16];
        fill_normal(piece, 16, false, mean, std, generator);
        std::copy_n(piece, 16, x + std::min(i, n - 16));
    }
}

template <class T, class Draw>
void fill_one_by_one(T* x, std::int64_t n, Generator& generator, const Draw& one) {
    const std::lock_guard lock(generator.mutex());
    for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(one());
}

}  // namespace cpu::detail

template <Floating T>
void draw(Cpu, const draws::Uniform& d, Generator& generator, T* x, std::int64_t n) {
    using C = ComputeType<T>;
    const C low = static_cast<T>(d.from), high = static_cast<T>(d.to), range = high - low;
    const std::lock_guard lock(generator.mutex());
    for (std::int64_t i = 0; i < n; ++i) {
        x[i] = static_cast<T>(generator.uniform<C>() * range + low);
        if constexpr (Half<T>)
            if (x[i] == high) x[i] = static_cast<T>(low);  // rounded up to what is excluded
    }
}
template <Floating T>
void draw(Cpu, const draws::Normal& d, Generator& generator, T* x, std::int64_t n) {
    const std::lock_guard lock(generator.mutex());
    cpu::detail::fill_normal(x, n, d.one_by_one, d.mean, d.std, generator);
}
template <Floating T>
void draw(Cpu, const draws::LogNormal& d, Generator& generator, T* x, std::int64_t n) {
    cpu::detail::fill_one_by_one(x, n, generator, [&] { return std::exp(generator.normal() * d.std + d.mean); });
}
template <Floating T>
void draw(Cpu, const draws::Exponential& d, Generator& generator, T* x, std::int64_t n) {
    cpu::detail::fill_one_by_one(x, n, generator, [&] { return -1 / d.lambd * std::log1p(-generator.uniform<double>()); });
}
template <Floating T>
void draw(Cpu, const draws::Cauchy& d, Generator& generator, T* x, std::int64_t n) {
    cpu::detail::fill_one_by_one(
        x, n, generator, [&] { return d.median + d.sigma * std::tan(std::numbers::pi * (generator.uniform<double>() - 0.5)); });
}
template <Floating T>
void draw(Cpu, const draws::Geometric& d, Generator& generator, T* x, std::int64_t n) {
    cpu::detail::fill_one_by_one(x, n, generator, [&] { return std::ceil(std::log(generator.uniform<double>()) / std::log1p(-d.p)); });
}
template <class T>
void draw(Cpu, const draws::Bernoulli& d, Generator& generator, T* x, std::int64_t n) {
    const T one = static_cast<T>(d.one);
    cpu::detail::fill_one_by_one(x, n, generator, [&] { return generator.uniform<double>() < d.p ? one : T(0); });
}
template <class T>
void draw(Cpu, const draws::Integers& d, Generator& generator, T* x, std::int64_t n) {
    cpu::detail::fill_one_by_one(x, n, generator, [&] { return d.from + static_cast<std::int64_t>(generator.below(d.range)); });
}

/// A random permutation of 0, …, n - 1 (Fisher and Yates; from 2^32 / 20 on, as in PyTorch, their method inside out with 64 bits each).
template <class T>
void draw_permutation(Cpu, Generator& generator, T* value, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) value[i] = static_cast<T>(i);
    const std::lock_guard lock(generator.mutex());
    if (n >= (std::int64_t{1} << 32) / 20) {
        for (std::int64_t i = 0; i < n; ++i) {
            T& other = value[generator.random64() % static_cast<std::uint64_t>(i + 1)];
            value[i] = other;
            other = static_cast<T>(i);
        }
        return;
    }
    for (std::int64_t i = 0; i + 1 < n; ++i) std::swap(value[i], value[i + generator.random32() % (n - i)]);
}

/// x[i] = 1 with probability p[i], else 0.
template <Floating T>
void draw_chances(Cpu, Generator& generator, const T* p, T* x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) draws::check_probability("bernoulli", static_cast<double>(p[i]));
    const std::lock_guard lock(generator.mutex());
    for (std::int64_t i = 0; i < n; ++i) x[i] = generator.uniform<ComputeType<T>>() < p[i] ? T(1) : T(0);
}

/// Of weights [rows, categories], `samples` categories for each row.
template <Floating T>
void draw_categories(Cpu, const draws::Categories& d, Generator& generator, const T* weights, std::int64_t* result) {
    using C = ComputeType<T>;
    const auto count = static_cast<std::size_t>(d.categories);
    const std::vector<C> given(weights, weights + d.rows * d.categories);
    for (std::int64_t row = 0; row < d.rows; ++row) {
        const C* w = given.data() + row * d.categories;
        if (!std::all_of(w, w + d.categories, [](C value) { return value >= 0 && std::isfinite(value); })) d.throw_bad_weight();
        d.check_possible(std::count_if(w, w + d.categories, [](C value) { return value > 0; }));
    }
    if (d.replacement && d.samples > 1) {  // where uniform numbers fall among the sums
        const std::lock_guard lock(generator.mutex());
        std::vector<C> sums(count);
        for (std::int64_t row = 0; row < d.rows; ++row) {
            std::partial_sum(given.data() + row * d.categories, given.data() + (row + 1) * d.categories, sums.begin());
            const C total = sums.back();
            for (C& sum : sums) sum /= total;
            sums.back() = 1;
            for (std::int64_t k = 0; k < d.samples; ++k) {
                const double at = generator.uniform<double>();
                const auto below = [](C sum, double u) { return static_cast<double>(sum) < u; };
                const auto found = std::lower_bound(sums.begin(), sums.end(), at, below);
                result[row * d.samples + k] = found - sums.begin();
            }
        }
        return;
    }
    // a race: the largest quotients of the weights and exponentially distributed numbers
    std::vector<C> race(given.size());
    draw(Cpu{}, draws::Exponential{1}, generator, race.data(), d.rows * d.categories);
    std::vector<std::int64_t> order(count);
    for (std::int64_t row = 0; row < d.rows; ++row) {
        C* q = race.data() + row * d.categories;
        for (std::int64_t i = 0; i < d.categories; ++i) q[i] = given[static_cast<std::size_t>(row * d.categories + i)] / q[i];
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::stable_sort(order.begin(), order.end(), [q](std::int64_t a, std::int64_t b) { return q[a] > q[b]; });
        std::copy_n(order.begin(), d.samples, result + row * d.samples);
    }
}

}  // namespace headtorch
