// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/device/cpu/packet.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "headtorch/core/math.hpp"
#include "headtorch/device/cpu/packet_math.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::cpu;

namespace {

/// Distance from the exact result in units in the last place; 0 for two NaN, for the same zero and the same infinity.
template <class T>
double ulps(T got, long double exact) {
    using L = std::numeric_limits<T>;
    const T want = static_cast<T>(exact);
    if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : 1e9;
    if (std::isinf(want) || std::isinf(got)) {
        // At the edge of the range the exact value decides on which side to be: a few units below are as good.
        const T edge = L::max() * (1 - 4 * L::epsilon());
        return got == want || (std::fabs(got) > edge && std::fabs(want) > edge && (got > 0) == (want > 0)) ? 0 : 1e9;
    }
    if (got == 0 && want == 0) return std::signbit(got) == std::signbit(want) ? 0 : 1e9;
    int exponent;
    std::frexp(want, &exponent);
    const long double unit = std::ldexp(1.0L, std::max(exponent, L::min_exponent) - L::digits);
    return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / unit);
}

template <class T>
std::vector<T> special_values() {
    using L = std::numeric_limits<T>;
    std::vector<T> values;
    for (const double v : {0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 20.0, 88.72, 87.4, 89.4, 103.5, 709.78, 710.4, 745.1, 1e5, 1e12})
        values.push_back(static_cast<T>(v));
    for (const T v : {L::min(), L::denorm_min(), L::max(), L::epsilon(), L::infinity(), L::quiet_NaN()}) values.push_back(v);
    const std::size_t count = values.size();
    for (std::size_t i = 0; i < count; ++i) values.push_back(-values[i]);
    return values;
}

/// The largest error of f over special values, a dense grid on [low, high] and magnitudes of all orders; exact is the reference.
template <class T, int W, class F, class G>
double worst(F f, G exact, double low, double high) {
    std::vector<T> values = special_values<T>();
    for (int i = 0; i <= 6000; ++i) values.push_back(static_cast<T>(low + (high - low) * i / 6000));
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> exponent(std::numeric_limits<T>::min_exponent10, std::numeric_limits<T>::max_exponent10);
    for (int i = 0; i < 3000; ++i) values.push_back(static_cast<T>(std::pow(10.0, exponent(random)) * (i % 2 == 0 ? 1 : -1)));
    while (values.size() % W != 0) values.push_back(1);
    double error = 0;
    for (std::size_t i = 0; i < values.size(); i += W) {
        const Packet<T, W> y = f(Packet<T, W>::load(&values[i]));
        for (int lane = 0; lane < W; ++lane) {
            const T x = values[i + static_cast<std::size_t>(lane)];
            const double e = ulps<T>(y[lane], exact(static_cast<long double>(x)));
            if (e > 3) UNSCOPED_INFO("f(" << x << ") = " << y[lane] << ", not " << exact(static_cast<long double>(x)));
            error = std::max(error, e);
        }
    }
    return error;
}

#define WORST(name, low, high) \
    (worst<T, W>([](const auto& x) { return math::name(x); }, [](long double x) { return std::name(x); }, low, high))

template <class T, int W>
void check_functions() {
    CAPTURE(sizeof(T), W);
    const double range = sizeof(T) == 4 ? 110 : 760, far = sizeof(T) == 4 ? 9e5 : 9e8;
    CHECK(WORST(exp, -range, range) <= 1.5);
    CHECK(WORST(exp, -1, 1) <= 1.5);
    CHECK(WORST(expm1, -range, range) <= 2.5);
    CHECK(WORST(expm1, -1, 1) <= 2.5);
    CHECK(WORST(log, 1e-3, 3) <= 1.5);
    CHECK(WORST(log2, 1e-3, 3) <= 2.5);
    CHECK(WORST(log1p, -1.1, 3) <= 1.5);
    CHECK(WORST(tanh, -12, 12) <= 3);
    CHECK(WORST(tanh, -1, 1) <= 3);
    CHECK(WORST(sinh, -range, range) <= 3);
    CHECK(WORST(sinh, -1, 1) <= 3);
    CHECK(WORST(cosh, -range, range) <= 3);
    CHECK(WORST(erf, -7, 7) <= 3);
    CHECK(WORST(erf, -1.1, 1.1) <= 3);
    CHECK(WORST(sin, -10, 10) <= 2);
    CHECK(WORST(sin, -far, far) <= 2);
    CHECK(WORST(cos, -10, 10) <= 2);
    CHECK(WORST(cos, -far, far) <= 2);
    CHECK(WORST(tan, -10, 10) <= 3);
    CHECK(WORST(tan, -far, far) <= 3);
    CHECK(WORST(atan, -5, 5) <= 2.5);
    CHECK((worst<T, W>([](const auto& x) { return math::sigmoid(x); }, [](long double x) { return 1 / (1 + std::exp(-x)); }, -range,
                       range) <= 3));
    CHECK((worst<T, W>([](const auto& x) { return math::rsqrt(x); }, [](long double x) { return 1 / std::sqrt(x); }, 0, 9) <= 2));
    // Exact to the last bit.
    CHECK(WORST(sqrt, 0, 9) <= 0.5);
    CHECK(WORST(abs, -9, 9) == 0);
    CHECK(WORST(floor, -9, 9) == 0);
    CHECK(WORST(ceil, -9, 9) == 0);
    CHECK(WORST(trunc, -9, 9) == 0);
    CHECK((worst<T, W>([](const auto& x) { return math::round(x); }, [](long double x) { return std::nearbyint(x); }, -9, 9) == 0));
    CHECK((worst<T, W>([](const auto& x) { return math::reciprocal(x); }, [](long double x) { return 1 / x; }, -9, 9) <= 0.5));
    CHECK((worst<T, W>([](const auto& x) { return math::square(x); }, [](long double x) { return x * x; }, -9, 9) <= 0.5));
    CHECK((worst<T, W>([](const auto& x) { return math::sign(x); }, [](long double x) { return x > 0   ? 1.0L
                                                                                               : x < 0 ? -1.0L
                                                                                                       : 0.0L; }, -9,
                       9) == 0));
}
#undef WORST

/// As above for two variables, over all pairs of special values and random ones.
template <class T, int W, class F, class G>
double worst_pair(F f, G exact, T low, T high) {
    const std::vector<T> values = special_values<T>();
    std::vector<T> a, b;
    for (const T x : values) {
        for (const T y : values) a.push_back(x), b.push_back(y);
    }
    std::mt19937 random(11);
    std::uniform_real_distribution<T> uniform(low, high);
    for (int i = 0; i < 5000 || a.size() % W != 0; ++i) a.push_back(uniform(random)), b.push_back(uniform(random));
    double error = 0;
    for (std::size_t i = 0; i < a.size(); i += W) {
        const Packet<T, W> y = f(Packet<T, W>::load(&a[i]), Packet<T, W>::load(&b[i]));
        for (int lane = 0; lane < W; ++lane) {
            const T u = a[i + static_cast<std::size_t>(lane)], v = b[i + static_cast<std::size_t>(lane)];
            const long double want = exact(static_cast<long double>(u), static_cast<long double>(v));
            const double e = ulps<T>(y[lane], want);
            if (e > 3) UNSCOPED_INFO("f(" << u << ", " << v << ") = " << y[lane] << ", not " << want);
            error = std::max(error, e);
        }
    }
    return error;
}

template <class T, int W>
void check_pairs() {
    CAPTURE(sizeof(T), W);
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::atan2(x, y); },
                            [](long double x, long double y) { return std::atan2(x, y); }, T(-3), T(3)) <= 3));
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::pow(x, y); },
                            [](long double x, long double y) { return std::pow(x, y); }, T(-9), T(9)) <= 2));
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::copysign(x, y); },
                            [](long double x, long double y) { return std::copysign(x, y); }, T(-9), T(9)) == 0));
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::minimum(x, y); },
                            [](long double x, long double y) { return x != x || x < y ? x : y; }, T(-9), T(9)) == 0));
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::maximum(x, y); },
                            [](long double x, long double y) { return x != x || x > y ? x : y; }, T(-9), T(9)) == 0));
    // For positive operands only: elsewhere the two terms cancel, as they do in PyTorch.
    CHECK((worst_pair<T, W>([](const auto& x, const auto& y) { return math::logaddexp(math::abs(x), math::abs(y)); },
                            [](long double x, long double y) { return math::logaddexp(std::fabs(x), std::fabs(y)); }, T(0), T(9)) <= 3));
}

template <class T, int W>
std::array<T, static_cast<std::size_t>(W)> numbers(int first, int step = 1) {
    std::array<T, static_cast<std::size_t>(W)> x;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(first + step * static_cast<int>(i));
    return x;
}

template <class T, int W>
void check_arithmetic() {
    CAPTURE(sizeof(T), W);
    using P = Packet<T, W>;
    const auto a = numbers<T, W>(20, 2), b = numbers<T, W>(1);
    const P x = P::load(a.data()), y = P::load(b.data());
    P z = x;
    z += 3;
    z -= y;
    z *= 2;
    bool right = true;
    for (int i = 0; i < W; ++i) {
        const T u = a[static_cast<std::size_t>(i)], v = b[static_cast<std::size_t>(i)];
        right = right && (x + y)[i] == static_cast<T>(u + v) && (x - y)[i] == static_cast<T>(u - v) &&
                (x * y)[i] == static_cast<T>(u * v) && (x / y)[i] == static_cast<T>(u / v) && (-x)[i] == static_cast<T>(-u) &&
                (1 - x)[i] == static_cast<T>(1 - u) && (x * 2.0)[i] == static_cast<T>(u * 2) && (100L / y)[i] == static_cast<T>(100 / v) &&
                z[i] == static_cast<T>((u + 3 - v) * 2);
        right = right && (x < 2 * y + 19)[i] == (u < static_cast<T>(2 * v + 19)) && (x == 24)[i] == (u == 24) &&
                (x != 24)[i] == (u != 24) && (x >= 24)[i] == (u >= 24) && (x <= 24)[i] == (u <= 24) && (x > 24)[i] == (u > 24);
        right = right && where(x > 24, y, 0)[i] == (u > 24 ? v : T{0}) && where(x > 24, 7, y)[i] == (u > 24 ? T{7} : v) &&
                where(!(x > 24) && x != 22, 1, 5.5)[i] == (!(u > 24) && u != 22 ? T{1} : static_cast<T>(5.5));
        right = right && minimum(x, 22)[i] == std::min(u, T{22}) && maximum(x, y + 20)[i] == std::max(u, static_cast<T>(v + 20)) &&
                abs(x - 22)[i] == (std::is_unsigned_v<T> || u > 22 ? static_cast<T>(u - 22) : static_cast<T>(22 - u)) &&
                sign(y - 1)[i] == (v > 1 ? 1 : 0);
        if constexpr (std::is_integral_v<T>) {
            right = right && (x % y)[i] == static_cast<T>(u % v) && (x & 6)[i] == static_cast<T>(u & 6) &&
                    (x | 1)[i] == static_cast<T>(u | 1) && (x ^ y)[i] == static_cast<T>(u ^ v) && (x << 1)[i] == static_cast<T>(u << 1) &&
                    (x >> 1)[i] == static_cast<T>(u >> 1);
        }
    }
    CHECK(right);
    static_assert(std::is_same_v<decltype(0.5 * x), P> && std::is_same_v<decltype(x < 1), Mask<T, W>>);
    CHECK(cpu::any(x == 20));
    CHECK_FALSE(cpu::any(x == 19));
    CHECK(cpu::all(x >= 20));
    CHECK_FALSE(cpu::all(x > 20));
}

/// Loads and stores of n lanes touch just those; the lanes left out read 1, and false.
template <class T, int W>
void check_partial() {
    CAPTURE(sizeof(T), W);
    const auto a = numbers<T, W>(3);
    for (int n = 0; n <= W; ++n) {
        std::vector<T> source(a.begin(), a.begin() + n);  // a sanitizer sees what reads beyond
        const auto x = Packet<T, W>::load_partial(source.data(), n);
        std::vector<T> target(W, T{99});
        x.store_partial(target.data(), n);
        std::vector<T> exact(static_cast<std::size_t>(n));
        x.store_partial(exact.data(), n);
        CHECK(exact == source);

        bool truths[W], copied[W];
        for (int i = 0; i < W; ++i) truths[i] = i % 3 == 0, copied[i] = true;
        const auto m = Mask<T, W>::load_partial(truths, n);
        m.store_partial(copied, n);
        bool right = true;
        for (int i = 0; i < W; ++i) {
            const auto u = static_cast<std::size_t>(i);
            right = right && x[i] == (i < n ? a[u] : T{1}) && target[u] == (i < n ? a[u] : T{99});
            right = right && m[i] == (i < n && truths[i]) && copied[i] == (i >= n || truths[i]);
        }
        CHECK(right);
    }
}

template <class T, int W>
void check_masks() {
    CAPTURE(sizeof(T), W);
    bool a[W], b[W], out[W];
    for (int i = 0; i < W; ++i) a[i] = i % 2 == 0, b[i] = i % 3 == 0;
    const auto x = Mask<T, W>::load(a), y = Mask<T, W>::load(b);
    bool right = true;
    for (int i = 0; i < W; ++i) {
        right = right && (x & y)[i] == (a[i] && b[i]) && (x || y)[i] == (a[i] || b[i]) && (x ^ y)[i] == (a[i] != b[i]) &&
                (!x)[i] == !a[i] && (x == y)[i] == (a[i] == b[i]) && (x && true)[i] == a[i] && where(x, y, !y)[i] == (a[i] ? b[i] : !b[i]);
        right = right && Packet<T, W>(x)[i] == (a[i] ? T{1} : T{0}) && to_mask(Packet<T, W>(x) * 5)[i] == a[i];
        // A mask steers packets of any other element type.
        right = right && where(x, Packet<float, W>(2), 3)[i] == (a[i] ? 2 : 3) &&
                where(x, Packet<std::uint8_t, W>(2), 3)[i] == (a[i] ? 2 : 3) && where(x, 4, Packet<double, W>(5))[i] == (a[i] ? 4 : 5);
    }
    (x | y).store(out);
    for (int i = 0; i < W; ++i) right = right && out[i] == (a[i] || b[i]);
    CHECK(right);
    // What is stored is 0 or 1, nothing else.
    unsigned char bytes[W];
    std::memcpy(bytes, out, W);
    for (int i = 0; i < W; ++i) right = right && bytes[i] <= 1;
    CHECK(right);
}

template <class T, class U, int W>
void check_convert() {
    CAPTURE(sizeof(T), sizeof(U), W);
    const auto a = numbers<T, W>(0, 3);
    const auto y = convert<U>(Packet<T, W>::load(a.data()));
    const auto m = convert<U>(Packet<T, W>::load(a.data()) < 6);
    static_assert(std::is_same_v<std::remove_const_t<decltype(y)>, Packet<U, W>>);
    bool right = true;
    for (int i = 0; i < W; ++i) {
        const T u = a[static_cast<std::size_t>(i)];
        right = right && y[i] == static_cast<U>(u) && m[i] == (u < 6 ? 1 : 0);
        if constexpr (std::is_signed_v<T> && std::is_signed_v<U>) {
            right = right && convert<U>(Packet<T, W>(-2.75))[i] == static_cast<U>(static_cast<T>(-2.75));
        }
    }
    CHECK(right);
}

}  // namespace

TEMPLATE_TEST_CASE("packets compute as their lanes do", "[cpu]", float, double, std::int64_t, std::int32_t, std::uint8_t) {
    constexpr int native = native_lanes<TestType>;
    check_arithmetic<TestType, 4>();
    check_arithmetic<TestType, native>();
    check_arithmetic<TestType, 32>();
    check_partial<TestType, 2>();
    check_partial<TestType, 4>();
    check_partial<TestType, native>();
    check_partial<TestType, 32>();
    check_masks<TestType, 4>();
    check_masks<TestType, native>();
    check_masks<TestType, 32>();
}

TEMPLATE_TEST_CASE("packets convert to every element type", "[cpu]", float, double, std::int64_t, std::int32_t, std::uint8_t) {
    check_convert<TestType, float, 8>();
    check_convert<TestType, double, 8>();
    check_convert<TestType, std::int64_t, 8>();
    check_convert<TestType, std::int32_t, 8>();
    check_convert<TestType, std::uint8_t, 8>();
    check_convert<TestType, float, 16>();
    check_convert<TestType, std::int64_t, 2>();
    check_convert<TestType, std::uint8_t, 4>();
}

TEST_CASE("a number beside a packet keeps the packet's type, and its sign", "[cpu]") {
    const Packet<float, 4> x = -0.0;
    CHECK(std::signbit(x[3]));
    CHECK((0.1 + Packet<float, 4>(0))[0] == 0.1f);
    CHECK((Packet<std::int32_t, 4>(7) / 2)[1] == 3);
}

TEST_CASE("functions of float packets agree with std::", "[cpu]") {
    check_functions<float, native_lanes<float>>();
    check_functions<float, 4>();
    check_pairs<float, native_lanes<float>>();
}

TEST_CASE("functions of double packets agree with std::", "[cpu]") {
    check_functions<double, native_lanes<double>>();
    check_functions<double, 4>();
    check_pairs<double, native_lanes<double>>();
}

TEST_CASE("classification of packets", "[cpu]") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float values[4] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 3};
    const auto x = Packet<float, 4>::load(values);
    for (int i = 0; i < 4; ++i) {
        CHECK(math::isnan(x)[i] == std::isnan(values[i]));
        CHECK(math::isinf(x)[i] == std::isinf(values[i]));
        CHECK(math::isfinite(x)[i] == std::isfinite(values[i]));
    }
}

TEST_CASE("a lane's result depends neither on its position nor on its neighbours", "[cpu]") {
    constexpr int W = native_lanes<float>;
    const auto f = [](const auto& x) { return math::sin(x) + math::exp(x) * math::erf(x) - math::tan(0.5 * x) + math::pow(2, x); };
    for (const float x : {0.1f, -3.7f, 2e7f, 55.5f}) {
        const float alone = f(Packet<float, W>(x))[0];
        for (int lane = 0; lane < W; ++lane) {
            for (const float neighbour : {1e30f, 0.0f, std::numeric_limits<float>::quiet_NaN()}) {
                Packet<float, W> p = neighbour;
                p.set(lane, x);
                const float y = f(p)[lane];
                CHECK(std::memcmp(&y, &alone, sizeof y) == 0);
            }
        }
    }
}
