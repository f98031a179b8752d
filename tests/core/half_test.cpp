// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/core/half.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

/// A format by its definition: `exponent_bits`, `fraction_bits`.
template <class T>
struct Format;
template <>
struct Format<float16> {
    static constexpr int exponent = 5, fraction = 10;
};
template <>
struct Format<bfloat16> {
    static constexpr int exponent = 8, fraction = 7;
};

/// The number that a pattern stands for: (-1)^s 2^(e - bias) (1 + f / 2^fraction).
template <class T>
double meaning(unsigned bits) {
    constexpr int fraction = Format<T>::fraction, top = (1 << Format<T>::exponent) - 1, bias = top / 2;
    const double sign = bits >> 15 ? -1 : 1;
    const int e = static_cast<int>(bits >> fraction) & top;
    const double f = static_cast<double>(bits & ((1u << fraction) - 1)) / (1 << fraction);
    if (e == top) return f == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    return sign * (e == 0 ? std::ldexp(f, 1 - bias) : std::ldexp(1 + f, e - bias));
}

/// The nearest number of the format, by scaling, rounding and scaling back in long double.
template <class T>
double rounded(long double x) {
    constexpr int fraction = Format<T>::fraction, bias = (1 << (Format<T>::exponent - 1)) - 1;
    if (x == 0 || std::isnan(x) || std::isinf(x)) return static_cast<double>(x);
    const int exponent = std::max(std::ilogb(x), 1 - bias);
    const long double y = std::ldexp(std::nearbyint(std::ldexp(x, fraction - exponent)), exponent - fraction);
    const long double largest = std::ldexp(2 - std::ldexp(1.0L, -fraction), bias);
    return std::abs(y) > largest ? std::copysign(std::numeric_limits<double>::infinity(), static_cast<double>(x)) : static_cast<double>(y);
}

bool same(double a, double b) {
    return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

/// Counts what differs, so that a loop over millions stays quick.
struct Differences {
    long count = 0;
    double first = 0;
    void check(bool equal, double where) {
        if (!equal && count++ == 0) first = where;
    }
};
#define REQUIRE_NONE(d)       \
    INFO("first at " << d.first); \
    REQUIRE(d.count == 0)

template <class T>
void all_patterns() {
    Differences up, back, twice;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const T x = T::from_bits(static_cast<std::uint16_t>(bits));
        const double value = meaning<T>(bits);
        up.check(same(static_cast<float>(x), value), bits);
        if (std::isnan(value)) {
            back.check(std::isnan(static_cast<float>(T(static_cast<float>(x)))), bits);
        } else {
            back.check(T(static_cast<float>(x)).bits == bits && T(value).bits == bits, bits);
        }
        // half way to the next pattern, and a little to both sides
        if (std::isnan(value) || std::isinf(value) || std::isinf(meaning<T>(bits + 1))) continue;
        const double middle = (value + meaning<T>(bits + 1)) / 2;
        for (const double at : {middle, std::nextafter(middle, 1e300), std::nextafter(middle, -1e300)}) {
            twice.check(same(T(at), rounded<T>(at)), at);
            if (static_cast<double>(static_cast<float>(at)) == at) twice.check(same(T(static_cast<float>(at)), rounded<T>(at)), at);
        }
    }
    REQUIRE_NONE(up);
    REQUIRE_NONE(back);
    REQUIRE_NONE(twice);
}

template <class T>
void random_numbers() {
    std::mt19937_64 random(1);
    Differences floats, doubles, integers;
    for (int i = 0; i < 1000000; ++i) {
        const auto word = random();
        const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(word));
        floats.check(same(T(f), rounded<T>(f)), f);
        // doubles with exponents around those of the format, some with few bits set
        const int shift = static_cast<int>(word >> 58);
        const auto d = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random() << shift)), -64 - static_cast<int>(word % 40));
        doubles.check(same(T(d), rounded<T>(d)), d);
        const auto n = static_cast<std::int64_t>(random() >> (word % 64) << (word / 64 % 8));
        integers.check(same(T(n), rounded<T>(n)), static_cast<double>(n));
        integers.check(same(T(static_cast<std::uint64_t>(n)), rounded<T>(static_cast<std::uint64_t>(n))), static_cast<double>(n));
        const auto small = static_cast<std::int32_t>(n);
        integers.check(same(T(small), rounded<T>(small)), small);
    }
    REQUIRE_NONE(floats);
    REQUIRE_NONE(doubles);
    REQUIRE_NONE(integers);
}

template <class T>
void limits() {
    using L = std::numeric_limits<T>;
    REQUIRE(L::is_specialized);
    REQUIRE_FALSE(L::is_integer);
    REQUIRE(static_cast<float>(L::epsilon()) == std::ldexp(1.0f, -Format<T>::fraction));
    REQUIRE(T(1 + static_cast<float>(L::epsilon()) / 2) == 1);
    REQUIRE(T(1 + static_cast<float>(L::epsilon())) != 1);
    REQUIRE(L::digits == Format<T>::fraction + 1);
    REQUIRE(static_cast<float>(L::max()) == meaning<T>(L::infinity().bits - 1u));
    REQUIRE(L::lowest() == -L::max());
    REQUIRE(std::isinf(L::infinity()));
    REQUIRE(std::isnan(L::quiet_NaN()));
    REQUIRE(std::isnan(L::signaling_NaN()));
    REQUIRE(static_cast<float>(L::min()) == std::ldexp(1.0f, L::min_exponent - 1));
    REQUIRE(static_cast<float>(L::max()) == std::ldexp(2 - static_cast<float>(L::epsilon()), L::max_exponent - 1));
    REQUIRE(static_cast<double>(L::denorm_min()) == meaning<T>(1));
    REQUIRE(std::pow(10.0, L::max_exponent10) <= static_cast<double>(L::max()));
    REQUIRE(std::pow(10.0, L::max_exponent10 + 1) > static_cast<double>(L::max()));
    REQUIRE(std::pow(10.0, L::min_exponent10) >= static_cast<double>(L::min()));
    REQUIRE(std::pow(10.0, L::min_exponent10 - 1) < static_cast<double>(L::min()));
}

}  // namespace

TEST_CASE("halfs: every pattern, and half way between neighbours") {
    all_patterns<float16>();
    all_patterns<bfloat16>();
}

TEST_CASE("halfs: random floats, doubles and integers are rounded once") {
    random_numbers<float16>();
    random_numbers<bfloat16>();
    // by way of the nearest float, this one would become 1
    REQUIRE(float16(1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -40)) == 1 + std::ldexp(1.0f, -10));
    REQUIRE(bfloat16((std::int64_t{1} << 60) + (std::int64_t{1} << 52) + 1) == std::ldexp(1.0f, 60) + std::ldexp(1.0f, 53));
}

TEST_CASE("halfs: too large, too small, not a number") {
    REQUIRE(float16(65519.9).bits == 0x7bff);
    REQUIRE(std::isinf(float16(65520)));
    REQUIRE(std::isinf(float16(-1e300)));
    REQUIRE(float16(-1e300) < 0);
    REQUIRE(std::isinf(bfloat16(3.4e38)));
    REQUIRE(std::isinf(bfloat16(std::numeric_limits<double>::max())));
    REQUIRE(float16(std::ldexp(1.0, -25)) == 0);
    REQUIRE(float16(std::ldexp(1.5, -25)).bits == 1);
    REQUIRE(std::signbit(static_cast<float>(float16(-1e-300))));
    REQUIRE(std::isnan(float16(std::nan(""))));
    // a NaN whose payload is in the lower bits only must not become infinity
    REQUIRE(std::isnan(float16(std::bit_cast<float>(0x7f800001u))));
    REQUIRE(std::isnan(bfloat16(std::bit_cast<float>(0x7f800001u))));
}

TEST_CASE("halfs: arithmetic is in float; limits; constants") {
    const float16 a = 1.5, b = 2;
    STATIC_REQUIRE(std::is_same_v<decltype(a * b), float>);
    STATIC_REQUIRE(std::is_same_v<decltype(a * 2), float>);
    STATIC_REQUIRE(std::is_same_v<decltype(0.5 * a), double>);
    STATIC_REQUIRE(std::is_same_v<ComputeType<bfloat16>, float>);
    STATIC_REQUIRE(std::is_same_v<ComputeType<double>, double>);
    STATIC_REQUIRE(float16(1.0f / 3).bits == 0x3555);
    STATIC_REQUIRE(bfloat16(1.0f / 3).bits == 0x3eab);
    STATIC_REQUIRE(static_cast<float>(float16::from_bits(0x0001)) == 0x1p-24f);
    REQUIRE(a * b == 3);
    REQUIRE(-a == -1.5f);
    REQUIRE(a < b);
    float16 sum = 2048;
    sum += 1;  // 2049 lies half way, the even neighbour is below
    REQUIRE(sum == 2048);
    sum += 3;
    sum -= 1;
    sum *= 2;
    sum /= 4;
    REQUIRE(sum == 1026);
    limits<float16>();
    limits<bfloat16>();
}

TEST_CASE("halfs: as element types") {
    STATIC_REQUIRE(Scalar<float16>);
    STATIC_REQUIRE(Floating<bfloat16>);
    STATIC_REQUIRE(dtype_of<float16> == Dtype::float16);
    STATIC_REQUIRE(dtype_of<bfloat16> == Dtype::bfloat16);
    STATIC_REQUIRE(dtype_of<bool> == Dtype::boolean);
    REQUIRE(name(Dtype::float16) == "float16");
    REQUIRE(name(Dtype::bfloat16) == "bfloat16");
    REQUIRE(size_of(Dtype::float16) == 2);
    REQUIRE(size_of(Dtype::bfloat16) == 2);
}
