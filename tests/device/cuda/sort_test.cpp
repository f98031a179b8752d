// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Sorting along lines on the GPU, against the same on the CPU: every index is determined, so all must be equal.

#include "headtorch/cuda.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::int64_t below(std::mt19937_64& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }

/// Few values, so that many are equal, or many; with NaN, infinities and both zeros among them.
template <class T>
T element(std::mt19937_64& random, std::int64_t kinds) {
    if constexpr (std::is_same_v<T, bool>) {
        return random() % 2 == 0;
    } else if constexpr (std::is_integral_v<T>) {
        if (random() % 20 == 0) return random() % 2 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
        return static_cast<T>(below(random, kinds) - (std::is_signed_v<T> ? kinds / 2 : 0));
    } else {
        if (random() % 40 == 0) return std::numeric_limits<T>::quiet_NaN();
        if (random() % 40 == 0)
            return random() % 2 ? std::numeric_limits<T>::infinity() : static_cast<T>(-std::numeric_limits<T>::infinity());
        if (random() % 20 == 0) return random() % 2 ? static_cast<T>(0.0f) : static_cast<T>(-0.0f);
        return static_cast<T>(static_cast<double>(below(random, kinds) - kinds / 2) / 4);
    }
}

template <class T>
bool same(const Tensor<T, Cuda>& got, const Tensor<T, Cpu>& expected) {
    const auto host = got.template to<Cpu>();
    for (std::int64_t i = 0; i < expected.numel(); ++i) {
        const T a = host.data()[i], b = expected.data()[i];
        if constexpr (std::is_integral_v<T>) {
            if (a != b) return false;
        } else {
            const bool both_nan = a != a && b != b;
            if (!both_nan && (!(a == b) || std::signbit(static_cast<float>(a)) != std::signbit(static_cast<float>(b)))) return false;
        }
    }
    return true;
}

template <class T>
void compare(const Lines& lines, std::mt19937_64& random) {
    const Shape shape{lines.outer, lines.length, lines.inner};
    auto x = empty<T, Cpu>(shape);
    const std::int64_t kinds = random() % 2 ? 6 : 120;
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = element<T>(random, kinds);
    const auto there = x.template to<Cuda>();
    for (const bool descending : {false, true}) {
        const std::int64_t from = lines.length == 0 ? 0 : below(random, lines.length) * below(random, 2);
        const std::int64_t count = random() % 2 ? lines.length - from : below(random, lines.length - from + 1);
        const Shape result{lines.outer, count, lines.inner};
        auto values = empty<T, Cpu>(result);
        auto indices = empty<std::int64_t, Cpu>(result);
        const auto values_there = empty<T, Cuda>(result);
        const auto indices_there = empty<std::int64_t, Cuda>(result);
        if (values.numel() == 0) continue;
        sort_lines(Cpu{}, static_cast<const T*>(x.data()), lines, descending, SortExtent::whole, lines.length, from, count, values.data(),
                   indices.data());
        sort_lines(Cuda{}, static_cast<const T*>(there.data()), lines, descending, SortExtent::first_k, from + count, from, count,
                   values_there.data(), indices_there.data());
        INFO(lines.outer << " x " << lines.length << " x " << lines.inner << ", " << count << " from " << from);
        REQUIRE(same(indices_there, indices));
        REQUIRE(same(values_there, values));
    }
    if (lines.length == 0 || lines.count() == 0) return;
    const Shape result{lines.outer, lines.inner};
    auto values = empty<T, Cpu>(result);
    auto indices = empty<std::int64_t, Cpu>(result);
    const auto values_there = empty<T, Cuda>(result);
    const auto indices_there = empty<std::int64_t, Cuda>(result);
    median_lines(Cpu{}, static_cast<const T*>(x.data()), lines, values.data(), indices.data());
    median_lines(Cuda{}, static_cast<const T*>(there.data()), lines, values_there.data(), indices_there.data());
    REQUIRE(same(indices_there, indices));
    REQUIRE(same(values_there, values));
}

template <class T>
void compare_many(int rounds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int round = 0; round < rounds; ++round) {
        const std::int64_t length = below(random, round % 3 == 0 ? 300 : 20);
        compare<T>({1 + below(random, 6), length, round % 2 ? 1 : 1 + below(random, 40)}, random);
    }
    compare<T>({3, 2048, 1}, random);
    compare<T>({1, 2047, 3}, random);
    compare<T>({1, 2049, 1}, random);
    compare<T>({2, 3000, 3}, random);
    compare<T>({1, 9001, 1}, random);
    compare<T>({0, 5, 2}, random);
    compare<T>({40, 1, 7}, random);
}

/// Long lines in parts of up to `most` elements, and with numbers of 64 bits.
template <class T>
void compare_parts(const Lines& lines, std::int64_t most, std::mt19937_64& random) {
    const Shape shape{lines.outer, lines.length, lines.inner};
    auto x = empty<T, Cpu>(shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = element<T>(random, 90);
    auto values = empty<T, Cpu>(shape);
    auto indices = empty<std::int64_t, Cpu>(shape);
    sort_lines(Cpu{}, static_cast<const T*>(x.data()), lines, true, SortExtent::whole, lines.length, 0, lines.length, values.data(),
               indices.data());
    const auto there = x.template to<Cuda>(), values_there = empty<T, Cuda>(shape);
    const auto indices_there = empty<std::int64_t, Cuda>(shape);
    const cuda::detail::SortOutput all{0, lines.length, false};
    cuda::detail::sort_long_lines(static_cast<const T*>(there.data()), lines, true, all, values_there.data(), indices_there.data(), most);
    REQUIRE(same(indices_there, indices));
    REQUIRE(same(values_there, values));
    indices_there.zero_();
    values_there.zero_();
    cuda::detail::sort_part<T, std::uint64_t, std::int64_t>(there.data(), {lines, 0, lines.outer, 0, lines.inner}, true, all,
                                                            values_there.data(), indices_there.data());
    REQUIRE(same(indices_there, indices));
    REQUIRE(same(values_there, values));
}

}  // namespace

TEST_CASE("long lines are sorted in parts", "[cuda]") {
    std::mt19937_64 random(8);
    for (const std::int64_t most : {1, 500, 5000})
        for (const Lines& lines : {Lines{5, 300, 1}, Lines{3, 100, 7}, Lines{1, 50, 30}, Lines{2, 2300, 3}}) {
            compare_parts<float>(lines, most, random);
            compare_parts<double>(lines, most, random);
            compare_parts<std::uint8_t>(lines, most, random);
        }
}

TEST_CASE("sorted lines and medians of floats", "[cuda]") { compare_many<float>(400, 1); }
TEST_CASE("sorted lines and medians of doubles", "[cuda]") { compare_many<double>(200, 2); }
TEST_CASE("sorted lines and medians of integers", "[cuda]") {
    compare_many<std::int64_t>(200, 3);
    compare_many<std::int32_t>(100, 4);
    compare_many<std::uint8_t>(100, 5);
    compare_many<bool>(60, 6);
}

TEST_CASE("sorted lines of halfs", "[cuda]") {
    // the CPU's sort of halfs, in the order of their floats
    std::mt19937_64 random(7);
    for (const Lines& lines : {Lines{4, 30, 1}, Lines{2, 100, 5}, Lines{1, 2500, 2}}) {
        auto x = empty<float16, Cpu>({lines.outer, lines.length, lines.inner});
        for (std::int64_t i = 0; i < x.numel(); ++i) x.data()[i] = element<float16>(random, 50);
        const auto wide = x.to<float>();
        auto values = empty<float, Cpu>(x.shape());
        auto indices = empty<std::int64_t, Cpu>(x.shape());
        sort_lines(Cpu{}, static_cast<const float*>(wide.data()), lines, false, SortExtent::whole, lines.length, 0, lines.length,
                   values.data(), indices.data());
        const auto values_there = empty<float16, Cuda>(x.shape());
        const auto indices_there = empty<std::int64_t, Cuda>(x.shape());
        sort_lines(Cuda{}, static_cast<const float16*>(x.to<Cuda>().data()), lines, false, SortExtent::whole, lines.length, 0, lines.length,
                   values_there.data(), indices_there.data());
        REQUIRE(same(indices_there, indices));
        REQUIRE(same(values_there, values.to<float16>()));
    }
}
