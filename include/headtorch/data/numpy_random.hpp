// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// NumPy's classic random numbers, numpy.random.RandomState: the same seed gives the same numbers, to the last bit where the C library's
/// log agrees.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// The value, rounded to double: a compiler that fuses products into additions would give other last bits than NumPy.
inline double rounded(double value) {
    volatile double stored = value;
    return stored;
}

/// The Mersenne Twister with the distributions of NumPy before 1.17, which scikit-learn still draws from.
class RandomState {
public:
    /// Seeded from the default generator.
    RandomState() {
        std::lock_guard lock(default_generator().mutex());
        seed(default_generator().random32());
    }
    /// Throws ValueError unless 0 <= value < 2^32.
    explicit RandomState(std::integral auto value) { seed(value); }

    void seed(std::integral auto value) {
        if (!std::in_range<std::uint32_t>(value)) throw ValueError(message("random_state: the seed must be in [0, 2^32), but is ", value));
        engine_.seed(static_cast<std::uint32_t>(value));
        spare_.reset();
    }

    // --- single numbers ---------------------------------------------------------------------------------------------
    /// Uniform in [0, 1), 53 random bits.
    double random_sample() {
        const double high = random32() >> 5, low = random32() >> 6;
        return (high * 67108864.0 + low) / 9007199254740992.0;
    }
    double uniform(double low, double high) {
        const double range = high - low;
        if (!std::isfinite(range)) throw ValueError(message("uniform: the range from ", low, " to ", high, " is not finite"));
        return low + rounded(range * random_sample());
    }
    /// Standard normal by the polar method of Marsaglia and Bray (1964): a pair at a time, the second is kept.
    double standard_normal() {
        if (spare_) {
            const double value = *spare_;
            spare_.reset();
            return value;
        }
        double x = 0, y = 0, square = 0;
        do {
            x = 2 * random_sample() - 1;
            y = 2 * random_sample() - 1;
            square = rounded(x * x) + rounded(y * y);
        } while (square >= 1 || square == 0);
        const double factor = std::sqrt(-2 * std::log(square) / square);
        spare_ = factor * x;
        return factor * y;
    }
    double normal(double loc, double scale) {
        if (!(scale >= 0)) throw ValueError(message("normal: the scale must not be negative, but is ", scale));
        return loc + rounded(scale * standard_normal());
    }
    /// Uniform in {low, …, high - 1}.
    std::int64_t randint(std::int64_t low, std::int64_t high) {
        if (low >= high) throw ValueError(message("randint: low must be less than high, but they are ", low, " and ", high));
        const std::uint64_t last = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) - 1;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + up_to(last));
    }

    // --- tensors; NumPy's element type is double ---------------------------------------------------------------------
    template <Floating T = double>
    Tensor<T> random_sample(const Shape& shape) {
        return filled<T>(shape, [this] { return random_sample(); });
    }
    template <Floating T = double>
    Tensor<T> uniform(double low, double high, const Shape& shape) {
        return filled<T>(shape, [=, this] { return uniform(low, high); });
    }
    template <Floating T = double>
    Tensor<T> normal(double loc, double scale, const Shape& shape) {
        return filled<T>(shape, [=, this] { return normal(loc, scale); });
    }
    Tensor<std::int64_t> randint(std::int64_t low, std::int64_t high, const Shape& shape) {
        return filled<std::int64_t>(shape, [=, this] { return randint(low, high); });
    }
    /// `rand(3, 2)`: uniform in [0, 1).
    template <Floating T = double, std::integral... Sizes>
        requires(sizeof...(Sizes) > 0)
    Tensor<T> rand(Sizes... sizes) { return random_sample<T>(Shape{static_cast<std::int64_t>(sizes)...}); }
    /// `randn(3, 2)`: standard normal.
    template <Floating T = double, std::integral... Sizes>
        requires(sizeof...(Sizes) > 0)
    Tensor<T> randn(Sizes... sizes) {
        return filled<T>(Shape{static_cast<std::int64_t>(sizes)...}, [this] { return standard_normal(); });
    }

    // --- orders -------------------------------------------------------------------------------------------------------
    /// Fisher and Yates, from the end.
    template <class T>
    void shuffle(std::span<T> values) {
        for (std::size_t i = values.size(); i-- > 1;) std::swap(values[i], values[static_cast<std::size_t>(up_to(i))]);
    }
    template <class T>
    void shuffle(std::vector<T>& values) {
        shuffle(std::span<T>(values));
    }

    /// 0, …, n - 1 in random order.
    std::vector<std::int64_t> permutation(std::int64_t n) {
        if (n < 0) throw ValueError(message("permutation: the length must not be negative, but is ", n));
        std::vector<std::int64_t> order(static_cast<std::size_t>(n));
        std::iota(order.begin(), order.end(), std::int64_t{0});
        shuffle(order);
        return order;
    }

    /// `size` numbers out of 0, …, n - 1, with or without replacement, with probabilities `p` (n of them, their sum 1) or equal ones.
    std::vector<std::int64_t> choice(std::int64_t n, std::int64_t size, bool replace = true, std::span<const double> p = {}) {
        if (n <= 0 && size > 0) throw ValueError(message("choice: there must be something to choose from, but n is ", n));
        if (size < 0) throw ValueError(message("choice: size must not be negative, but is ", size));
        if (!replace && size > n) throw ValueError(message("choice: cannot take ", size, " of ", n, " without replacement"));
        if (!p.empty()) return weighted_choice(n, size, replace, p);
        std::vector<std::int64_t> chosen;
        if (replace)
            for (std::int64_t i = 0; i < size; ++i) chosen.push_back(randint(0, n));
        else
            (chosen = permutation(n)).resize(static_cast<std::size_t>(size));
        return chosen;
    }

private:
    std::uint32_t random32() { return static_cast<std::uint32_t>(engine_()); }

    /// Uniform in {0, …, last}: masked bits, drawn again when too large.
    std::uint64_t up_to(std::uint64_t last) {
        if (last == 0) return 0;
        std::uint64_t mask = last;
        for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
        std::uint64_t value = 0;
        do {
            value = random32();
            if (last > std::numeric_limits<std::uint32_t>::max()) value = value << 32 | random32();
            value &= mask;
        } while (value > last);
        return value;
    }

    template <Scalar T, class Draw>
    static Tensor<T> filled(const Shape& shape, Draw draw) {
        Tensor<T> result = empty<T>(shape);
        for (T *value = result.data(), *end = value + result.numel(); value != end; ++value) *value = static_cast<T>(draw());
        return result;
    }

    /// Where uniform numbers fall among the sums of the weights. Without replacement: what is new is kept in the order drawn,
    /// its weight is set to zero, and what is still missing is drawn again.
    std::vector<std::int64_t> weighted_choice(std::int64_t n, std::int64_t size, bool replace, std::span<const double> p) {
        if (static_cast<std::int64_t>(p.size()) != n)
            throw ValueError(message("choice: there are ", n, " to choose from, but ", p.size(), " probabilities"));
        for (double weight : p)
            if (!(weight >= 0)) throw ValueError(message("choice: a probability is negative or not a number: ", weight));
        const double total = std::accumulate(p.begin(), p.end(), 0.0);
        if (!(std::abs(total - 1) <= 1.5e-8)) throw ValueError(message("choice: the probabilities sum to ", total, ", not to 1"));
        const auto possible = std::count_if(p.begin(), p.end(), [](double weight) { return weight > 0; });
        if (!replace && possible < size)
            throw ValueError(message("choice: only ", possible, " probabilities are not zero, fewer than size ", size));
        std::vector<double> weights(p.begin(), p.end());
        std::vector<std::int64_t> chosen;
        while (static_cast<std::int64_t>(chosen.size()) < size) {
            std::vector<double> drawn(static_cast<std::size_t>(size) - chosen.size());
            for (double& value : drawn) value = random_sample();
            if (!replace)
                for (std::int64_t index : chosen) weights[static_cast<std::size_t>(index)] = 0;
            std::vector<double> sums(weights.size());
            std::partial_sum(weights.begin(), weights.end(), sums.begin());
            const double last = sums.back();
            for (double& sum : sums) sum /= last;
            for (double value : drawn) {
                const std::int64_t index = std::upper_bound(sums.begin(), sums.end(), value) - sums.begin();
                if (replace || std::find(chosen.begin(), chosen.end(), index) == chosen.end()) chosen.push_back(index);
            }
        }
        return chosen;
    }

    std::mt19937 engine_;
    std::optional<double> spare_;
};

/// The `random_state` of an option: nothing (seeded from the default generator), a seed, or a RandomState that is drawn on further.
class RandomSource {
public:
    RandomSource() = default;
    RandomSource(std::integral auto seed) : seeded_(RandomState(seed)) {}
    RandomSource(RandomState& state) : state_(&state) {}

    /// Ready to be drawn from.
    RandomState& get() {
        if (state_) return *state_;
        if (!seeded_) seeded_.emplace();
        return *seeded_;
    }

private:
    std::optional<RandomState> seeded_;
    RandomState* state_ = nullptr;
};

}  // namespace headtorch::data
