// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// NumPy's classic random numbers, numpy.random.RandomState, and the one behind np.random: the same seed gives the same numbers, to the
/// last bit where the C library's log agrees.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/ops/gather.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// The value, rounded to double: a compiler that fuses products into additions would give other last bits than NumPy.
inline double rounded(double value) {
    volatile double stored = value;
    return stored;
}

/// The Mersenne Twister with the distributions of NumPy before 1.17, which scikit-learn still draws from. One thread at a time.
class RandomState {
public:
    /// Seeded from the default generator.
    RandomState() {
        std::lock_guard lock(default_generator().mutex());
        engine_.seed(default_generator().random32());
    }
    /// Throws ValueError unless 0 <= value < 2^32.
    explicit RandomState(std::integral auto value) { seed(value); }

    void seed(std::integral auto value) {
        if (!std::in_range<std::uint32_t>(value)) throw ValueError(message("random_state: the seed must be in [0, 2^32), but is ", value));
        engine_.seed(static_cast<std::uint32_t>(value));
        spare_.reset();
        seeded_ = true;
    }
    /// A seed of several numbers, as NumPy takes a list of them: init_by_array of Matsumoto and Nishimura (2002).
    void seed(std::initializer_list<std::uint32_t> key) {
        if (key.size() == 0) throw ValueError("random_state: a list that is a seed must not be empty");
        constexpr std::size_t n = MersenneTwister::size;
        engine_.seed(19650218u);
        auto& words = engine_.words;
        std::size_t i = 1;
        const auto step = [&](std::uint32_t factor, auto change) {
            words[i] = change(words[i] ^ (words[i - 1] ^ words[i - 1] >> 30) * factor);
            if (++i == n) {
                words[0] = words[n - 1];
                i = 1;
            }
        };
        for (std::size_t k = 0; k < std::max(n, key.size()); ++k) {
            const std::size_t j = k % key.size();
            step(1664525u, [&](std::uint32_t word) { return word + key.begin()[j] + static_cast<std::uint32_t>(j); });
        }
        for (std::size_t k = 1; k < n; ++k) step(1566083941u, [&](std::uint32_t word) { return word - static_cast<std::uint32_t>(i); });
        words[0] = 0x80000000u;
        spare_.reset();
        seeded_ = true;
    }
    /// Whether a seed was ever given.
    bool is_seeded() const { return seeded_; }

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

    std::int64_t randint(std::int64_t high) { return randint(0, high); }

    // --- tensors; NumPy's element type is double ---------------------------------------------------------------------
    template <Floating T = double>
    Tensor<T, Cpu> random_sample(const Shape& shape) {
        return filled<T>(shape, [this] { return random_sample(); });
    }
    template <Floating T = double>
    Tensor<T, Cpu> uniform(double low, double high, const Shape& shape) {
        return filled<T>(shape, [=, this] { return uniform(low, high); });
    }
    template <Floating T = double>
    Tensor<T, Cpu> normal(double loc, double scale, const Shape& shape) {
        return filled<T>(shape, [=, this] { return normal(loc, scale); });
    }
    template <Floating T = double>
    Tensor<T, Cpu> standard_normal(const Shape& shape) {
        return filled<T>(shape, [this] { return standard_normal(); });
    }
    /// Uniform in {low, …, high - 1}: `randint<std::uint8_t>(0, 256, {3, 3})`. As with NumPy's dtype argument, several small numbers share
    /// one draw of 32 bits: four of uint8, 32 of bool. Throws ValueError when the range is empty or does not fit in T.
    template <Scalar T = std::int64_t>
        requires std::integral<T>
    Tensor<T, Cpu> randint(std::int64_t low, std::int64_t high, const Shape& shape) {
        if (low >= high) throw ValueError(message("randint: low must be less than high, but they are ", low, " and ", high));
        using Limits = std::numeric_limits<T>;
        if (low < static_cast<std::int64_t>(Limits::min()) || high - 1 > static_cast<std::int64_t>(Limits::max()))
            throw ValueError(message("randint: [", low, ", ", high, ") does not fit in ", name(dtype_of<T>)));
        if constexpr (sizeof(T) > 1) return filled<T>(shape, [=, this] { return randint(low, high); });
        const auto last = static_cast<std::uint32_t>(high - low - 1);
        const int bits = std::same_as<T, bool> ? 1 : 8;
        std::uint32_t mask = last, drawn = 0;
        for (int shift = 1; shift < 8; shift *= 2) mask |= mask >> shift;
        int left = 0;
        return filled<T>(shape, [&, this] {
            if (last == 0) return low;
            while (true) {
                drawn = left == 0 ? random32() : drawn >> bits;
                left = left == 0 ? 32 / bits - 1 : left - 1;
                if ((drawn & mask) <= last) return low + static_cast<std::int64_t>(drawn & mask);
            }
        });
    }
    /// `rand(3, 2)`: uniform in [0, 1).
    template <Floating T = double, std::integral... Sizes>
        requires(sizeof...(Sizes) > 0)
    Tensor<T, Cpu> rand(Sizes... sizes) { return random_sample<T>(Shape{static_cast<std::int64_t>(sizes)...}); }
    /// `randn(3, 2)`: standard normal.
    template <Floating T = double, std::integral... Sizes>
        requires(sizeof...(Sizes) > 0)
    Tensor<T, Cpu> randn(Sizes... sizes) {
        return standard_normal<T>(Shape{static_cast<std::int64_t>(sizes)...});
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
    /// Along dimension 0, in place and unseen by the tape. Throws ShapeError when there is none.
    template <class T, class D>
    void shuffle(const Tensor<T, D>& x) {
        NoGrad guard;
        x.copy_(permutation(x));
    }

    /// 0, …, n - 1 in random order.
    Tensor<std::int64_t, Cpu> permutation(std::int64_t n) { return indices(permuted(n)); }
    /// A copy, shuffled along dimension 0.
    template <class T, class D>
    Tensor<T, D> permutation(const Tensor<T, D>& x) {
        if (x.dim() == 0) throw ShapeError("permutation: a 0-dim tensor has nothing to be shuffled");
        return index_select(x, 0, permutation(x.size(0)).template to<D>());
    }

    /// `size` numbers out of 0, …, n - 1, with or without replacement, with probabilities `p` (n of them, their sum 1) or equal ones.
    Tensor<std::int64_t, Cpu> choice(std::int64_t n, std::int64_t size, bool replace = true, const std::vector<double>& p = {}) {
        return indices(chosen(n, size, replace, p));
    }
    /// `size` elements of a tensor of one dimension.
    template <class T, class D>
    Tensor<T, D> choice(const Tensor<T, D>& x, std::int64_t size, bool replace = true, const std::vector<double>& p = {}) {
        if (x.dim() != 1) throw ShapeError(message("choice: needs a tensor of one dimension, got ", x.shape()));
        return index_select(x, 0, choice(x.size(0), size, replace, p).template to<D>());
    }

    /// permutation(n) as a vector.
    std::vector<std::int64_t> permuted(std::int64_t n) {
        if (n < 0) throw ValueError(message("permutation: the length must not be negative, but is ", n));
        std::vector<std::int64_t> order(static_cast<std::size_t>(n));
        std::iota(order.begin(), order.end(), std::int64_t{0});
        shuffle(order);
        return order;
    }
    /// choice(n, …) as a vector.
    std::vector<std::int64_t> chosen(std::int64_t n, std::int64_t size, bool replace = true, std::span<const double> p = {}) {
        if (n <= 0 && size > 0) throw ValueError(message("choice: there must be something to choose from, but n is ", n));
        if (size < 0) throw ValueError(message("choice: size must not be negative, but is ", size));
        if (!replace && size > n) throw ValueError(message("choice: cannot take ", size, " of ", n, " without replacement"));
        if (!p.empty()) return weighted_choice(n, size, replace, p);
        std::vector<std::int64_t> taken;
        if (replace)
            for (std::int64_t i = 0; i < size; ++i) taken.push_back(randint(0, n));
        else
            (taken = permuted(n)).resize(static_cast<std::size_t>(size));
        return taken;
    }

private:
    struct Unseeded {};
    explicit RandomState(Unseeded) { engine_.seed(static_cast<std::uint32_t>(Generator::default_seed & 0xffffffffu)); }
    friend RandomState& numpy_random();

    static Tensor<std::int64_t, Cpu> indices(const std::vector<std::int64_t>& values) {
        auto next = values.begin();
        return filled<std::int64_t>({static_cast<std::int64_t>(values.size())}, [&] { return *next++; });
    }
    std::uint32_t random32() { return engine_(); }

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
    static Tensor<T, Cpu> filled(const Shape& shape, Draw draw) {
        Tensor<T, Cpu> result = empty<T, Cpu>(shape);
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

    MersenneTwister engine_;
    std::optional<double> spare_;
    bool seeded_ = false;
};

/// NumPy's own state, behind np.random: `numpy_random().seed(2020)` is np.random.seed(2020), `numpy_random().randn(500)` is
/// np.random.randn(500). It starts the same in each program. One for all threads, without a lock.
inline RandomState& numpy_random() {
    static RandomState state{RandomState::Unseeded{}};
    return state;
}

/// The `random_state` of an option: a seed, a RandomState that is drawn on further, or nothing: as in scikit-learn, numpy_random(), once
/// that has been seeded; until then a RandomState that is seeded from the default generator, so that manual_seed() does for all.
class RandomSource {
public:
    RandomSource() = default;
    RandomSource(std::integral auto seed) : seeded_(RandomState(seed)) {}
    RandomSource(RandomState& state) : state_(&state) {}

    bool given() const { return state_ || seeded_; }
    /// Ready to be drawn from.
    RandomState& get() {
        if (state_) return *state_;
        if (!seeded_ && numpy_random().is_seeded()) return numpy_random();
        if (!seeded_) seeded_.emplace();
        return *seeded_;
    }

private:
    std::optional<RandomState> seeded_;
    RandomState* state_ = nullptr;
};

}  // namespace headtorch::data
