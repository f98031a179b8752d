// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What can be drawn: the distributions that draw(device, distribution, generator, x, n) knows.

#include <cstdint>

#include "headtorch/core/error.hpp"

namespace headtorch::draws {

inline void check_probability(const char* op, double p) {
    if (!(p >= 0 && p <= 1)) throw ValueError(message(op, ": the probability must be between 0 and 1, got ", p));
}

struct Uniform {
    double from = 0, to = 1;  ///< from <= x < to
};
struct Normal {
    double mean = 0, std = 1;
    bool one_by_one = false;  ///< the CPU's numbers for memory with gaps
};
struct LogNormal {
    double mean, std;  ///< of the logarithm
};
struct Exponential {
    double lambd;
};
struct Cauchy {
    double median, sigma;
};
/// How many trials it takes until the first success.
struct Geometric {
    double p;
};
/// `one` with probability p, else 0.
struct Bernoulli {
    double p, one = 1;
};
/// from <= x < from + range
struct Integers {
    std::int64_t from;
    std::uint64_t range;
};

/// For each of `rows` rows, `samples` of its categories.
struct Categories {
    std::int64_t rows, categories, samples;
    bool replacement;

    [[noreturn]] void throw_bad_weight() const { throw ValueError("multinomial: a weight is negative or not finite"); }
    /// Throws ValueError when a row that has so many weights above zero does not suffice.
    void check_possible(std::int64_t possible) const {
        if (possible == 0) throw ValueError("multinomial: the weights of a row are all zero");
        if (!replacement && possible < samples)
            throw ValueError(message("multinomial: cannot take ", samples, " of ", possible, " categories without replacement"));
    }
};

/// Dropout: each element becomes scale * x + shift with probability keep, else `dropped`.
struct Dropout {
    double keep, scale, shift = 0, dropped = 0;
    Dropout slope() const { return {keep, scale, 0, 0}; }
};

}  // namespace headtorch::draws
