// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random numbers: the Mersenne Twister, drawn from as PyTorch's CPU generator does, so that the same seed gives the same numbers.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch {

/// MT19937 (Matsumoto and Nishimura, 1998): std::mt19937's numbers, with a state that can be read and set.
class MersenneTwister {
public:
    static constexpr std::size_t size = 624;

    void seed(std::uint32_t seed) {
        words[0] = seed;
        for (std::size_t i = 1; i < size; ++i)
            words[i] = 1812433253u * (words[i - 1] ^ words[i - 1] >> 30) + static_cast<std::uint32_t>(i);
        used = size;
    }
    std::uint32_t operator()() {
        if (used == size) refill();
        std::uint32_t y = words[used++];
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680u;
        y ^= y << 15 & 0xefc60000u;
        return y ^ y >> 18;
    }

    std::array<std::uint32_t, size> words{};
    std::size_t used = size;  ///< how many of the words have been drawn; after the last of them, new ones are made

private:
    void refill() {
        const auto twist = [this](std::size_t i, std::size_t next, std::size_t far) {
            const std::uint32_t y = (words[i] & 0x80000000u) | (words[next] & 0x7fffffffu);
            words[i] = words[far] ^ y >> 1 ^ ((y & 1) != 0 ? 0x9908b0dfu : 0u);
        };
        constexpr std::size_t shift = 397;
        for (std::size_t i = 0; i < size - shift; ++i) twist(i, i + 1, i + shift);
        for (std::size_t i = size - shift; i < size - 1; ++i) twist(i, i + 1, i + shift - size);
        twist(size - 1, 0, shift - 1);
        used = 0;
    }
};

/// A source of random numbers. One generator is used by one thread at a time; the default one is shared under a lock.
class Generator {
public:
    explicit Generator(std::uint64_t seed = default_seed) { manual_seed(seed); }
    static constexpr std::uint64_t default_seed = 67280421310721;

    void manual_seed(std::uint64_t seed) {
        seed_ = seed;
        engine_.seed(static_cast<std::uint32_t>(seed & 0xffffffffu));
        spare_.reset();
        offset_ = 0;
    }
    std::uint64_t initial_seed() const { return seed_; }

    /// How far GPUs have come, which draw from a sequence of their own with the same seed.
    std::uint64_t offset() const { return offset_; }
    void set_offset(std::uint64_t offset) { offset_ = offset; }

    std::uint32_t random32() { return engine_(); }
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

    /// All that decides about the next numbers, in the layout of PyTorch's get_rng_state(): 5,056 bytes.
    std::vector<std::uint8_t> get_state() const {
        std::vector<std::uint8_t> state(state_size);
        const bool fresh = engine_.used == MersenneTwister::size;
        put(state, 0, 8, seed_);
        put(state, 8, 4, fresh ? 1 : MersenneTwister::size + 1 - engine_.used);  // numbers left before new ones are made, and one
        put(state, 12, 4, 1);                                                    // it was seeded
        put(state, 16, 8, fresh ? 0 : engine_.used);
        for (std::size_t i = 0; i < MersenneTwister::size; ++i) put(state, 24 + 8 * i, 8, engine_.words[i]);
        put(state, offset_at, 8, offset_);
        put(state, spare_at, 8, std::bit_cast<std::uint64_t>(spare_.value_or(0)));
        put(state, spare_at + 16, 4, spare_.has_value());
        return state;
    }
    /// Goes on as the generator did that gave the state. Throws ValueError, and changes nothing, when it is none.
    void set_state(std::span<const std::uint8_t> state) {
        if (state.size() != state_size)
            throw ValueError(message("set_state: the state of a generator has ", state_size, " bytes, not ", state.size()));
        MersenneTwister engine;
        const std::uint64_t left = get(state, 8, 4), used = get(state, 16, 8), has_spare = get(state, spare_at + 16, 4);
        if (get(state, 12, 4) != 1 || left < 1 || left > MersenneTwister::size || has_spare > 1 ||
            (left == 1 ? used > MersenneTwister::size : used != MersenneTwister::size + 1 - left))
            throw ValueError("set_state: these bytes are not the state of a generator");
        engine.used = left == 1 ? MersenneTwister::size : static_cast<std::size_t>(used);
        for (std::size_t i = 0; i < MersenneTwister::size; ++i) engine.words[i] = static_cast<std::uint32_t>(get(state, 24 + 8 * i, 8));
        engine_ = engine;
        seed_ = get(state, 0, 8);
        offset_ = get(state, offset_at, 8);
        spare_.reset();
        if (has_spare != 0) spare_ = std::bit_cast<double>(get(state, spare_at, 8));
    }

    std::mutex& mutex() { return mutex_; }

private:
    static constexpr std::size_t state_size = 5056, spare_at = 24 + 8 * MersenneTwister::size + 8;
    static constexpr std::size_t offset_at = spare_at - 8;  // PyTorch writes zeros there, and passes over what it finds

    static void put(std::vector<std::uint8_t>& state, std::size_t at, std::size_t bytes, std::uint64_t value) {
        for (std::size_t i = 0; i < bytes; ++i) state[at + i] = static_cast<std::uint8_t>(value >> 8 * i & 255);
    }
    static std::uint64_t get(std::span<const std::uint8_t> state, std::size_t at, std::size_t bytes) {
        std::uint64_t value = 0;
        for (std::size_t i = bytes; i-- > 0;) value = value << 8 | state[at + i];
        return value;
    }

    MersenneTwister engine_;
    std::uint64_t seed_ = 0, offset_ = 0;
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
