// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random tensors. A GPU has numbers of its own; the CPU's are those of PyTorch's CPU generator for the same seed. What goes through log,
/// sin, cos or tan may differ in the last bits from one C library, or vector unit, to the next. Builds of PyTorch differ from one another,
/// and from this, where
/// - on Intel's processors a build with MKL draws bernoulli_(p), dropout, exponential_ and multinomial without replacement from MKL's own
///   generator, of which only the seed comes from PyTorch's;
/// - PyTorch 1 and some builds of 2 draw integers from a range of 2^28 to 2^32 numbers with 32 bits, later ones with 64.

#include <array>
#include <cstdint>
#include <type_traits>

#include "headtorch/core/random.hpp"
#include "headtorch/device/cpu/random.hpp"
#include "headtorch/device/random.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch {
namespace detail {

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

/// Draws the elements of x, in the order in which they lie in memory.
template <class T, class D, class Distribution>
const Tensor<T, D>& fill_in_memory_order(const Tensor<T, D>& x, const Distribution& distribution, Generator& generator) {
    const bool in_order = x.is_contiguous();
    const Dims order = in_order ? Dims() : memory_order(x.strides(), x.dim());
    Shape shape = x.shape();
    for (int i = 0; i < order.rank(); ++i) shape[i] = x.size(order[i]);
    const auto values = empty<T, D>(shape);
    draw(D{}, distribution, generator, values.data(), values.numel());
    if (in_order) return x.copy_(values);
    x.permute(order).copy_(values);
    return x;
}

/// A new tensor.
template <class T, class D, class Distribution>
Tensor<T, D> drawn(const Shape& shape, const Distribution& distribution, Generator& generator) {
    auto x = empty<T, D>(shape);
    draw(D{}, distribution, generator, x.data(), x.numel());
    return x;
}

/// Lets fill(tensor) draw on the host, so that x has the same numbers on every device.
template <class T, class D, class Fill>
const Tensor<T, D>& fill_on_host(const Tensor<T, D>& x, const Fill& fill) {
    if constexpr (std::is_same_v<D, Cpu>) {
        return fill(x);
    } else {
        const auto values = empty<T, Cpu>(x.shape());
        return x.copy_(fill(values).template to<D>());
    }
}

}  // namespace detail

// --- in place ---------------------------------------------------------------------------------------------------------

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::uniform_(double from, double to, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: uniform_: needs a tensor of float or double");
    if (!(from <= to)) throw ValueError(message("uniform_: an empty range: [", from, ", ", to, ")"));
    return detail::fill_in_memory_order(*this, draws::Uniform{from, to}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::normal_(double mean, double std, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: normal_: needs a tensor of float or double");
    if (!(std >= 0)) throw ValueError(message("normal_: the standard deviation must not be negative: ", std));
    return detail::fill_in_memory_order(*this, draws::Normal{mean, std, !is_contiguous()}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::log_normal_(double mean, double std, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: log_normal_: needs a tensor of float or double");
    if (!(std > 0)) throw ValueError(message("log_normal_: the standard deviation must be positive: ", std));
    return detail::fill_in_memory_order(*this, draws::LogNormal{mean, std}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::exponential_(double lambd, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: exponential_: needs a tensor of float or double");
    if (!(lambd > 0)) throw ValueError(message("exponential_: lambd must be positive: ", lambd));
    return detail::fill_in_memory_order(*this, draws::Exponential{lambd}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::cauchy_(double median, double sigma, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: cauchy_: needs a tensor of float or double");
    if (!(sigma > 0)) throw ValueError(message("cauchy_: sigma must be positive: ", sigma));
    return detail::fill_in_memory_order(*this, draws::Cauchy{median, sigma}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::geometric_(double p, Generator& generator) const {
    static_assert(Floating<T>, "headtorch: geometric_: needs a tensor of float or double");
    if (!(p > 0 && p < 1)) throw ValueError(message("geometric_: the probability must be in (0, 1): ", p));
    return detail::fill_in_memory_order(*this, draws::Geometric{p}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::bernoulli_(double p, Generator& generator) const {
    draws::check_probability("bernoulli_", p);
    return detail::fill_in_memory_order(*this, draws::Bernoulli{p}, generator);
}

template <class T, class D>
const Tensor<T, D>& Tensor<T, D>::random_(std::int64_t from, std::int64_t to, Generator& generator) const {
    if (from >= to) throw ValueError(message("random_: an empty range: [", from, ", ", to, ")"));
    const auto range = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
    return detail::fill_in_memory_order(*this, draws::Integers{from, range}, generator);
}

// --- new tensors ------------------------------------------------------------------------------------------------------

/// Uniform in [0, 1).
template <Floating T = float, Device D = DefaultDevice>
Tensor<T, D> rand(const Shape& shape, Generator& generator = default_generator()) {
    return detail::drawn<T, D>(shape, draws::Uniform{}, generator);
}
/// Standard normal.
template <Floating T = float, Device D = DefaultDevice>
Tensor<T, D> randn(const Shape& shape, Generator& generator = default_generator()) {
    return detail::drawn<T, D>(shape, draws::Normal{}, generator);
}
template <Floating T, class D>
Tensor<T, D> rand_like(const Tensor<T, D>& x) { return rand<T, D>(x.shape()); }
template <Floating T, class D>
Tensor<T, D> randn_like(const Tensor<T, D>& x) { return randn<T, D>(x.shape()); }

/// Uniform integers in [low, high).
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator = default_generator()) {
    if (low >= high) throw ValueError(message("randint: an empty range: [", low, ", ", high, ")"));
    return detail::drawn<T, D>(shape, draws::Integers{low, static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low)}, generator);
}

/// Uniform integers in [0, high).
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randint(std::int64_t high, const Shape& shape, Generator& generator = default_generator()) {
    return randint<T, D>(0, high, shape, generator);
}

/// A random permutation of 0, …, n - 1.
template <Scalar T = std::int64_t, Device D = DefaultDevice>
Tensor<T, D> randperm(std::int64_t n, Generator& generator = default_generator()) {
    if (n < 0) throw ValueError(message("randperm: negative length: ", n));
    auto x = empty<T, D>({n});
    draw_permutation(D{}, generator, x.data(), n);
    return x;
}

/// 1 with the probability that each element of `p` says, else 0. Throws ValueError when one is not in [0, 1].
template <Floating T, class D>
Tensor<T, D> bernoulli(const Tensor<T, D>& p, Generator& generator = default_generator()) {
    const auto chances = p.detach().contiguous();
    auto x = empty<T, D>(p.shape());
    draw_chances(D{}, generator, static_cast<const T*>(chances.data()), x.data(), x.numel());
    return x;
}

/// Numbers of categories, drawn in proportion to `weights`, [categories] or [rows, categories], which need not sum to 1: [num_samples] or
/// [rows, num_samples]. Throws ValueError when a weight is negative or not finite, all of a row are zero, or there are too few of them
/// without replacement.
template <Floating T, class D>
Tensor<std::int64_t, D> multinomial(const Tensor<T, D>& weights, std::int64_t num_samples, bool replacement = false,
                                    Generator& generator = default_generator()) {
    if ((weights.dim() != 1 && weights.dim() != 2) || weights.size(-1) == 0)
        throw ShapeError(message("multinomial: weights must be [categories] or [rows, categories], got ", weights.shape()));
    if (num_samples <= 0) throw ValueError(message("multinomial: num_samples must be positive, but is ", num_samples));
    const auto given = weights.detach().contiguous();
    const std::int64_t rows = weights.dim() == 2 ? weights.size(0) : 1;
    Shape shape = weights.shape();
    shape[shape.rank() - 1] = num_samples;
    auto result = empty<std::int64_t, D>(shape);
    draw_categories(D{}, {rows, weights.size(-1), num_samples, replacement}, generator, static_cast<const T*>(given.data()), result.data());
    return result;
}

}  // namespace headtorch
