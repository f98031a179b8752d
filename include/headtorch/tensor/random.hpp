// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random tensors, with the numbers of PyTorch's CPU generator for the same seed. What goes through log, sin, cos or tan may differ in the
/// last bits from one C library, or vector unit, to the next. Builds of PyTorch differ from one another, and from this, where
/// - on Intel's processors a build with MKL draws bernoulli_(p), dropout, exponential_ and multinomial without replacement from MKL's own
///   generator, of which only the seed comes from PyTorch's;
/// - PyTorch 1 and some builds of 2 draw integers from a range of 2^28 to 2^32 numbers with 32 bits, later ones with 64.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "headtorch/core/random.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {
namespace detail {

/// Fills x with numbers in [from, to).
template <Floating T>
void fill_uniform(T* x, std::int64_t n, double from, double to, Generator& generator) {
    using C = ComputeType<T>;
    const C low = static_cast<T>(from), high = static_cast<T>(to), range = high - low;
    for (std::int64_t i = 0; i < n; ++i) {
        x[i] = static_cast<T>(generator.uniform<C>() * range + low);
        if constexpr (Half<T>)
            if (x[i] == high) x[i] = static_cast<T>(low);  // rounded up to what is excluded
    }
}

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
void fill_normal(T* x, std::int64_t n, bool gaps, double mean, double std, Generator& generator) {
    if (n < 16 || gaps) {
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
void fill_normal(T* x, std::int64_t n, bool gaps, double mean, double std, Generator& generator) {
    if (n < 16 || gaps) {
        for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(static_cast<float>(generator.normal() * std + mean));
        return;
    }
    for (std::int64_t i = 0; i < n; i += 16) {
        float piece[16];
        fill_normal(piece, 16, false, mean, std, generator);
        std::copy_n(piece, 16, x + std::min(i, n - 16));
    }
}

/// The dimensions as they lie in memory: the largest stride first, equal ones in their order.
HEADTORCH_COLD inline Dims memory_order(const Strides& strides, int rank) {
    std::array<int, max_rank> dims{};
    for (int d = 0; d < rank; ++d) {
        int place = d;
        for (; place > 0 && strides[dims[static_cast<std::size_t>(place - 1)]] < strides[d]; --place)
            dims[static_cast<std::size_t>(place)] = dims[static_cast<std::size_t>(place - 1)];
        dims[static_cast<std::size_t>(place)] = d;
    }
    Dims order;
    for (int i = 0; i < rank; ++i) order.push_back(dims[static_cast<std::size_t>(i)]);
    return order;
}

/// Lets fill(values, count) draw the elements of x, in the order in which they lie in memory.
template <class T, class D, class Fill>
const Tensor<T, D>& fill_in_memory_order(const Tensor<T, D>& x, Generator& generator, Fill fill) {
    const bool in_order = x.is_contiguous();
    const Dims order = in_order ? Dims() : memory_order(x.strides(), x.dim());
    Shape shape = x.shape();
    for (int i = 0; i < order.rank(); ++i) shape[i] = x.size(order[i]);
    auto values = empty<T, Cpu>(shape);
    {
        std::lock_guard lock(generator.mutex());
        fill(values.data(), values.numel());
    }
    if (in_order) return x.copy_(values.template to<D>());
    x.permute(order).copy_(values.template to<D>());
    return x;
}
/// With a function that draws one element.
template <class T, class D, class Draw>
const Tensor<T, D>& fill_one_by_one(const Tensor<T, D>& x, Generator& generator, Draw draw) {
    return fill_in_memory_order(x, generator, [&](T* values, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) values[i] = static_cast<T>(draw());
    });
}

inline void check_probability(const char* op, double p) {
    if (!(p >= 0 && p <= 1)) throw ValueError(message(op, ": the probability must be between 0 and 1, got ", p));
}

}  // namespace detail

// --- in place ---------------------------------------------------------------------------------------------------------

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::uniform_(double from, double to, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: uniform_: needs a tensor of float or double");
    if (!(from <= to)) throw ValueError(message("uniform_: an empty range: [", from, ", ", to, ")"));
    return detail::fill_in_memory_order(*this, generator,
                                        [&](T* values, std::int64_t n) { detail::fill_uniform(values, n, from, to, generator); });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::normal_(double mean, double std, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: normal_: needs a tensor of float or double");
    if (!(std >= 0)) throw ValueError(message("normal_: the standard deviation must not be negative: ", std));
    return detail::fill_in_memory_order(*this, generator, [&](T* values, std::int64_t n) {
        detail::fill_normal(values, n, !is_contiguous(), mean, std, generator);
    });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::log_normal_(double mean, double std, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: log_normal_: needs a tensor of float or double");
    if (!(std > 0)) throw ValueError(message("log_normal_: the standard deviation must be positive: ", std));
    return detail::fill_one_by_one(*this, generator, [&] { return std::exp(generator.normal() * std + mean); });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::exponential_(double lambd, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: exponential_: needs a tensor of float or double");
    if (!(lambd > 0)) throw ValueError(message("exponential_: lambd must be positive: ", lambd));
    return detail::fill_one_by_one(*this, generator, [&] { return -1 / lambd * std::log1p(-generator.uniform<double>()); });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::cauchy_(double median, double sigma, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: cauchy_: needs a tensor of float or double");
    if (!(sigma > 0)) throw ValueError(message("cauchy_: sigma must be positive: ", sigma));
    return detail::fill_one_by_one(*this, generator, [&] {
        return median + sigma * std::tan(std::numbers::pi * (generator.uniform<double>() - 0.5));
    });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::geometric_(double p, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: geometric_: needs a tensor of float or double");
    if (!(p > 0 && p < 1)) throw ValueError(message("geometric_: the probability must be in (0, 1): ", p));
    return detail::fill_one_by_one(*this, generator, [&] { return std::ceil(std::log(generator.uniform<double>()) / std::log1p(-p)); });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::bernoulli_(double p, Generator& generator) const {
    detail::check_probability("bernoulli_", p);
    return detail::fill_one_by_one(*this, generator, [&] { return generator.uniform<double>() < p; });
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::random_(std::int64_t from, std::int64_t to, Generator& generator) const {
    if (from >= to) throw ValueError(message("random_: an empty range: [", from, ", ", to, ")"));
    const auto range = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
    return detail::fill_one_by_one(*this, generator, [&] { return from + static_cast<std::int64_t>(generator.below(range)); });
}

// --- new tensors ------------------------------------------------------------------------------------------------------

/// Uniform in [0, 1).
template <Floating T = float, Device D = DefaultDevice>
Tensor<T, D> rand(const Shape& shape, Generator& generator = default_generator()) {
    auto x = empty<T, Cpu>(shape);
    std::lock_guard lock(generator.mutex());
    detail::fill_uniform(x.data(), x.numel(), 0, 1, generator);
    return x.template to<D>();
}
/// Standard normal.
template <Floating T = float, Device D = DefaultDevice>
Tensor<T, D> randn(const Shape& shape, Generator& generator = default_generator()) {
    auto x = empty<T, Cpu>(shape);
    std::lock_guard lock(generator.mutex());
    detail::fill_normal(x.data(), x.numel(), false, 0, 1, generator);
    return x.template to<D>();
}
template <Floating T, class D>
Tensor<T, D> rand_like(const Tensor<T, D>& x) { return rand<T, D>(x.shape()); }
template <Floating T, class D>
Tensor<T, D> randn_like(const Tensor<T, D>& x) { return randn<T, D>(x.shape()); }

/// Uniform integers in [low, high).
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator = default_generator()) {
    if (low >= high) throw ValueError(message("randint: an empty range: [", low, ", ", high, ")"));
    auto x = empty<T, Cpu>(shape);
    std::lock_guard lock(generator.mutex());
    const auto range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<T>(low + static_cast<std::int64_t>(generator.below(range)));
    return x.template to<D>();
}

/// Uniform integers in [0, high).
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randint(std::int64_t high, const Shape& shape, Generator& generator = default_generator()) {
    return randint<T, D>(0, high, shape, generator);
}

/// A random permutation of 0, …, n - 1 (Fisher and Yates; from 2^32 / 20 on, as in PyTorch, their method inside out with 64 bits each).
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randperm(std::int64_t n, Generator& generator = default_generator()) {
    if (n < 0) throw ValueError(message("randperm: negative length: ", n));
    auto x = empty<T, Cpu>({n});
    T* value = x.data();
    for (std::int64_t i = 0; i < n; ++i) value[i] = static_cast<T>(i);
    std::lock_guard lock(generator.mutex());
    if (n >= (std::int64_t{1} << 32) / 20) {
        for (std::int64_t i = 0; i < n; ++i) {
            T& other = value[generator.random64() % static_cast<std::uint64_t>(i + 1)];
            value[i] = other;
            other = static_cast<T>(i);
        }
        return x.template to<D>();
    }
    for (std::int64_t i = 0; i + 1 < n; ++i) std::swap(value[i], value[i + generator.random32() % (n - i)]);
    return x.template to<D>();
}

/// 1 with the probability that each element of `p` says, else 0. Throws ValueError when one is not in [0, 1].
template <Floating T, class D>
Tensor<T, D> bernoulli(const Tensor<T, D>& p, Generator& generator = default_generator()) {
    const auto chances = p.detach().template to<Cpu>().contiguous();
    for (std::int64_t i = 0; i < chances.numel(); ++i) detail::check_probability("bernoulli", static_cast<double>(chances.data()[i]));
    auto x = empty<T, Cpu>(p.shape());
    std::lock_guard lock(generator.mutex());
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = generator.uniform<ComputeType<T>>() < chances.data()[i] ? T(1) : T(0);
    return x.template to<D>();
}

/// Numbers of categories, drawn in proportion to `weights`, [categories] or [rows, categories], which need not sum to 1: [num_samples] or
/// [rows, num_samples]. Throws ValueError when a weight is negative or not finite, all of a row are zero, or there are too few of them
/// without replacement.
template <Floating T, class D>
Tensor<std::int64_t, D> multinomial(const Tensor<T, D>& weights, std::int64_t num_samples, bool replacement = false,
                                    Generator& generator = default_generator()) {
    if ((weights.dim() != 1 && weights.dim() != 2) || weights.size(-1) == 0)
        throw ShapeError(message("multinomial: weights must be [categories] or [rows, categories], got ", weights.shape()));
    const std::int64_t categories = weights.size(-1), rows = weights.dim() == 2 ? weights.size(0) : 1;
    if (num_samples <= 0) throw ValueError(message("multinomial: num_samples must be positive, but is ", num_samples));
    using C = ComputeType<T>;
    const auto given = weights.detach().template to<Cpu>().contiguous().template to<C>();
    for (std::int64_t row = 0; row < rows; ++row) {
        const C* w = given.data() + row * categories;
        if (!std::all_of(w, w + categories, [](C value) { return value >= 0 && std::isfinite(value); }))
            throw ValueError("multinomial: a weight is negative or not finite");
        const auto possible = std::count_if(w, w + categories, [](C value) { return value > 0; });
        if (possible == 0) throw ValueError("multinomial: the weights of a row are all zero");
        if (!replacement && possible < num_samples)
            throw ValueError(message("multinomial: cannot take ", num_samples, " of ", possible, " categories without replacement"));
    }
    Shape shape = weights.shape();
    shape[shape.rank() - 1] = num_samples;
    const auto result = empty<std::int64_t, Cpu>(shape);
    if (replacement && num_samples > 1) {  // where uniform numbers fall among the sums
        std::lock_guard lock(generator.mutex());
        std::vector<C> sums(static_cast<std::size_t>(categories));
        for (std::int64_t row = 0; row < rows; ++row) {
            std::partial_sum(given.data() + row * categories, given.data() + (row + 1) * categories, sums.begin());
            const C total = sums.back();
            for (C& sum : sums) sum /= total;
            sums.back() = 1;
            for (std::int64_t k = 0; k < num_samples; ++k) {
                const double at = generator.uniform<double>();
                const auto below = [](C sum, double u) { return static_cast<double>(sum) < u; };
                const auto found = std::lower_bound(sums.begin(), sums.end(), at, below);
                result.data()[row * num_samples + k] = found - sums.begin();
            }
        }
    } else {  // a race: the largest quotients of the weights and exponentially distributed numbers
        const auto race = empty<C, Cpu>({rows, categories});
        race.exponential_(1, generator);
        std::vector<std::int64_t> order(static_cast<std::size_t>(categories));
        for (std::int64_t row = 0; row < rows; ++row) {
            C* q = race.data() + row * categories;
            for (std::int64_t i = 0; i < categories; ++i) q[i] = given.data()[row * categories + i] / q[i];
            std::iota(order.begin(), order.end(), std::int64_t{0});
            std::stable_sort(order.begin(), order.end(), [q](std::int64_t a, std::int64_t b) { return q[a] > q[b]; });
            std::copy_n(order.begin(), num_samples, result.data() + row * num_samples);
        }
    }
    return result.template to<D>();
}

}  // namespace headtorch
