// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Plain arrays on the host and on the GPU, for tests of single kernels.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/device/cuda/copy.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "tests/support/catch.hpp"

namespace headtorch::testing {

/// n numbers of any element type, bool too.
template <class T>
class Numbers {
public:
    explicit Numbers(std::int64_t n) : n_(n), data_(new T[static_cast<std::size_t>(n)]()) {}
    std::int64_t size() const { return n_; }
    T* data() const { return data_.get(); }
    T& operator[](std::int64_t i) const { return data_[static_cast<std::size_t>(i)]; }

    template <class U>
    Numbers<U> as() const {
        Numbers<U> result(n_);
        for (std::int64_t i = 0; i < n_; ++i)
            if constexpr (Half<T>)
                result[i] = static_cast<U>(static_cast<float>((*this)[i]));
            else
                result[i] = static_cast<U>((*this)[i]);
        return result;
    }

private:
    std::int64_t n_;
    std::unique_ptr<T[]> data_;
};

/// n numbers on the GPU, `offset` elements behind where an allocation begins.
template <class T>
class DeviceNumbers {
public:
    explicit DeviceNumbers(std::int64_t n, std::int64_t offset = 0) : n_(n), memory_(n + offset), data_(memory_.data() + offset) {}
    explicit DeviceNumbers(const Numbers<T>& from, std::int64_t offset = 0) : DeviceNumbers(from.size(), offset) {
        copy_between(Cpu{}, Cuda{}, from.data(), data_, n_);
    }
    explicit DeviceNumbers(const std::vector<T>& from) : DeviceNumbers(static_cast<std::int64_t>(from.size())) {
        copy_between(Cpu{}, Cuda{}, from.data(), data_, n_);
    }
    T* data() const { return data_; }
    const T* get() const { return data_; }
    Numbers<T> host() const {
        Numbers<T> result(n_);
        copy_between(Cuda{}, Cpu{}, data(), result.data(), n_);
        return result;
    }
    std::vector<T> vector() const {
        std::vector<T> result(static_cast<std::size_t>(n_));
        copy_between(Cuda{}, Cpu{}, data(), result.data(), n_);
        return result;
    }

private:
    std::int64_t n_;
    cuda::Scratch<T> memory_;
    T* data_;
};

/// Random numbers: floats of normal distribution, small integers.
template <class T>
Numbers<T> random_numbers(std::int64_t n, std::mt19937& random) {
    Numbers<T> x(n);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < n; ++i) {
        if constexpr (Floating<T>)
            x[i] = static_cast<T>(normal(random));
        else if constexpr (std::is_same_v<T, bool>)
            x[i] = random() % 4 != 0;
        else
            x[i] = static_cast<T>(std::is_unsigned_v<T> ? static_cast<std::int64_t>(random() % 256)
                                                        : static_cast<std::int64_t>(random() % 2001) - 1000);
    }
    return x;
}

/// Numbers from -1 to 1; integers of any size, whose products wrap around.
template <class T>
std::vector<T> uniform_numbers(std::int64_t n, std::mt19937& random) {
    std::vector<T> numbers(static_cast<std::size_t>(n));
    for (T& x : numbers)
        if constexpr (std::is_integral_v<T>)
            x = static_cast<T>(random());
        else
            x = static_cast<T>(std::uniform_real_distribution<float>(-1, 1)(random));
    return numbers;
}

/// What a result of type T may be off by.
template <class T>
constexpr double tolerance_of() {
    if (std::is_same_v<T, float>) return 1e-6;
    if (std::is_same_v<T, double>) return 1e-12;
    return std::is_same_v<T, float16> ? 1e-3 : std::is_same_v<T, bfloat16> ? 8e-3 : 0;
}

/// How far a sum may be off, as a share of the sum of its absolute terms.
template <class T>
constexpr double sum_tolerance() {
    return std::same_as<T, double> ? 1e-12 : std::same_as<T, float> ? 1e-6 : std::same_as<T, float16> ? 6e-4 : 5e-3;
}

/// What rounding may change at most however small a number is.
template <class T>
constexpr double smallest_step() {
    return std::same_as<T, float16> ? 0x1p-25 : 0;
}

/// Every number is within `tolerance`, relative to itself or to `scale`, whichever is larger; NaN and infinity are what they should be, and
/// what a T cannot hold is infinite.
template <class T, class U>
void agree(const Numbers<T>& got, const Numbers<U>& want, double tolerance = tolerance_of<T>(), double scale = 1) {
    REQUIRE(got.size() == want.size());
    for (std::int64_t i = 0; i < got.size(); ++i) {
        double a, b;
        if constexpr (Half<T>)
            a = static_cast<float>(got[i]);
        else
            a = static_cast<double>(got[i]);
        if constexpr (Half<U>)
            b = static_cast<float>(want[i]);
        else
            b = static_cast<double>(want[i]);
        if (Floating<T> && std::abs(b) > static_cast<double>(std::numeric_limits<T>::max())) b = std::copysign(HUGE_VAL, b);
        const bool same = a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * std::max(scale, std::abs(b));
        if (!same) FAIL("element " << i << " of " << got.size() << ": " << a << " instead of " << b);
    }
}

/// A size that is often small, sometimes at the edge of something, seldom large.
inline std::int64_t random_size(std::mt19937& random, std::int64_t most) {
    const std::int64_t edges[] = {0, 1, 2, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025};
    const unsigned kind = static_cast<unsigned>(random() % 8);
    if (kind < 4) return std::min<std::int64_t>(most, 1 + random() % 9);
    if (kind < 6) return std::min(most, edges[random() % std::size(edges)]);
    return 1 + random() % static_cast<unsigned>(most);
}

}  // namespace headtorch::testing
