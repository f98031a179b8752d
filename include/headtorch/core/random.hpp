// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random numbers: the Mersenne Twister, drawn from as PyTorch's CPU generator does, so that the same seed gives the same numbers.

#include <cmath>
#include <cstdint>
#include <mutex>
#include <numbers>
#include <optional>
#include <random>

namespace headtorch {

/// A source of random numbers. One generator is used by one thread at a time; the default one is shared under a lock.
class Generator {
public:
    explicit Generator(std::uint64_t seed = default_seed) { manual_seed(seed); }
    static constexpr std::uint64_t default_seed = 67280421310721;

    void manual_seed(std::uint64_t seed) {
        seed_ = seed;
        engine_.seed(static_cast<std::mt19937::result_type>(seed & 0xffffffffu));
        spare_.reset();
    }
    std::uint64_t initial_seed() const { return seed_; }

    std::uint32_t random32() { return static_cast<std::uint32_t>(engine_()); }
    std::uint64_t random64() {
        const std::uint64_t high = random32();
        return high << 32 | random32();
    }
    /// Uniform in [0, 1), 24 random bits for float and 53 for double.
    template <class T>
    T uniform() {
        if constexpr (sizeof(T) == 4)
            return static_cast<T>(random32() & 0xffffffu) * static_cast<T>(1.0 / 16777216.0);
        else
            return static_cast<T>(random64() & ((std::uint64_t{1} << 53) - 1)) * static_cast<T>(1.0 / 9007199254740992.0);
    }
    /// Standard normal by Box and Muller (1958), one pair at a time.
    double normal() {
        if (spare_) {
            const double value = *spare_;
            spare_.reset();
            return value;
        }
        const double u = uniform<double>(), v = uniform<double>();
        const double radius = std::sqrt(-2 * std::log1p(-v)), angle = 2 * std::numbers::pi * u;
        spare_ = radius * std::sin(angle);
        return radius * std::cos(angle);
    }
    /// Uniform in {0, …, range - 1}; 64 random bits from 2^28 on, for 32 would favour some numbers by more than 6 %.
    std::uint64_t below(std::uint64_t range) { return range >= (std::uint64_t{1} << 28) ? random64() % range : random32() % range; }

    std::mutex& mutex() { return mutex_; }

private:
    std::mt19937 engine_;
    std::uint64_t seed_ = 0;
    std::optional<double> spare_;
    std::mutex mutex_;
};

/// The generator that is used where none is given.
inline Generator& default_generator() {
    static Generator generator;
    return generator;
}

/// Seeds the default generator.
inline void manual_seed(std::uint64_t seed) {
    std::lock_guard lock(default_generator().mutex());
    default_generator().manual_seed(seed);
}

}  // namespace headtorch
