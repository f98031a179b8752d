// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Random numbers of the GPU: Philox against its published answers, distributions, and what a number depends on.

#include "headtorch/device/cuda/random.cuh"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numbers>
#include <utility>
#include <vector>

#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T, class Distribution>
std::vector<T> drawn(const Distribution& distribution, std::int64_t n, Generator& generator, std::int64_t offset = 0) {
    const DeviceNumbers<T> x(n, offset);
    draw(Cuda{}, distribution, generator, x.data(), n);
    const Numbers<T> host = x.host();
    std::vector<T> result;
    for (std::int64_t i = 0; i < n; ++i) result.push_back(host[i]);
    return result;
}

using Cdf = std::function<double(double)>;

/// Kolmogorov and Smirnov's distance times sqrt(n), above 1.95 in one of a thousand cases.
template <class T>
double distance(std::vector<T> x, const Cdf& cdf) {
    std::sort(x.begin(), x.end());
    const double n = static_cast<double>(x.size());
    double largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double at = cdf(static_cast<double>(x[i]));
        largest = std::max({largest, at - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - at});
    }
    return largest * std::sqrt(n);
}

template <class T>
std::pair<double, double> mean_and_variance(const std::vector<T>& x) {
    double sum = 0, squares = 0;
    for (const T& value : x) sum += static_cast<double>(value);
    const double mean = sum / static_cast<double>(x.size());
    for (const T& value : x) squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
    return {mean, squares / static_cast<double>(x.size())};
}

constexpr std::int64_t many = 100'000;
/// What a mean of `many` numbers may be off by: four standard deviations.
double off(double variance) { return 4 * std::sqrt(variance / static_cast<double>(many)); }

double normal_cdf(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

}  // namespace

TEST_CASE("Philox gives the published answers", "[cuda]") {
    using cuda::philox4x32;
    using Words = cuda::PhiloxWords;
    static_assert(philox4x32({{0, 0, 0, 0}}, 0, 0) == Words{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
    constexpr std::uint32_t ones = 0xffffffffu;
    static_assert(philox4x32({{ones, ones, ones, ones}}, ones, ones) == Words{{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}});
    CHECK(philox4x32({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u) ==
          Words{{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}});
}

TEMPLATE_TEST_CASE("distributions of the GPU", "[cuda]", float, double) {
    Generator generator(11);
    const auto check = [&](const char* name, const auto& distribution, const Cdf& cdf) {
        INFO(name);
        const auto x = drawn<TestType>(distribution, many, generator);
        CHECK(distance(x, cdf) < 1.95);
        CHECK(std::all_of(x.begin(), x.end(), [](TestType value) { return std::isfinite(value); }));
        return x;
    };
    const auto uniform = check("uniform", draws::Uniform{-2, 3}, [](double x) { return (x + 2) / 5; });
    CHECK(*std::min_element(uniform.begin(), uniform.end()) >= TestType(-2));
    CHECK(*std::max_element(uniform.begin(), uniform.end()) < TestType(3));
    const auto [mean, variance] = mean_and_variance(uniform);
    CHECK(std::abs(mean - 0.5) < off(25.0 / 12));
    CHECK(std::abs(variance - 25.0 / 12) < 0.03);

    const auto normal = check("normal", draws::Normal{1.5, 0.5}, [](double x) { return normal_cdf((x - 1.5) / 0.5); });
    const auto [normal_mean, normal_variance] = mean_and_variance(normal);
    CHECK(std::abs(normal_mean - 1.5) < off(0.25));
    CHECK(std::abs(normal_variance - 0.25) < off(2 * 0.25 * 0.25));
    double together = 0;  // two numbers of one pair are independent
    for (std::size_t i = 0; i + 1 < normal.size(); i += 2)
        together += (static_cast<double>(normal[i]) - 1.5) * (static_cast<double>(normal[i + 1]) - 1.5);
    CHECK(std::abs(together / (many / 2)) < std::sqrt(2.0) * off(0.25 * 0.25));

    check("log_normal", draws::LogNormal{0.5, 0.75}, [](double x) { return x <= 0 ? 0 : normal_cdf((std::log(x) - 0.5) / 0.75); });
    const auto exponential = check("exponential", draws::Exponential{2}, [](double x) { return -std::expm1(-2 * x); });
    CHECK(*std::min_element(exponential.begin(), exponential.end()) > 0);
    check("cauchy", draws::Cauchy{0.5, 2}, [](double x) { return 0.5 + std::atan((x - 0.5) / 2) / std::numbers::pi; });
    const auto [trials, spread] = mean_and_variance(drawn<TestType>(draws::Geometric{0.3}, many, generator));
    CHECK(std::abs(trials - 1 / 0.3) < off(0.7 / 0.09));
    CHECK(std::abs(spread - 0.7 / 0.09) < 0.3);
    const auto geometric = drawn<TestType>(draws::Geometric{0.3}, 1000, generator);
    CHECK(*std::min_element(geometric.begin(), geometric.end()) == 1);
    CHECK(std::all_of(geometric.begin(), geometric.end(), [](TestType x) { return x == std::floor(x); }));
}

TEST_CASE("truth values and integers of the GPU", "[cuda]") {
    Generator generator(12);
    for (const double p : {0.0, 0.25, 1.0}) {
        const auto [mean, variance] = mean_and_variance(drawn<bool>(draws::Bernoulli{p}, many, generator));
        CHECK(std::abs(mean - p) <= off(p * (1 - p)));
    }
    const auto dice = drawn<std::int64_t>(draws::Integers{1, 6}, many, generator);
    std::vector<double> count(8);
    for (const std::int64_t x : dice) {
        REQUIRE(x >= 1);
        REQUIRE(x <= 6);
        ++count[static_cast<std::size_t>(x)];
    }
    double chi = 0;
    for (std::size_t i = 1; i <= 6; ++i) chi += (count[i] - many / 6.0) * (count[i] - many / 6.0) / (many / 6.0);
    CHECK(chi < 20.5);  // five degrees of freedom: one of a thousand
    const double wide = 1e12;
    const auto large = drawn<std::int64_t>(draws::Integers{-500'000'000'000, 1'000'000'000'000}, many, generator);
    CHECK(distance(large, [&](double x) { return (x + wide / 2) / wide; }) < 1.95);
    const auto every = drawn<std::int64_t>(draws::Integers{std::numeric_limits<std::int64_t>::min(), ~std::uint64_t{0}}, many, generator);
    CHECK(distance(every, [](double x) { return x / 0x1p64 + 0.5; }) < 1.95);
}

TEMPLATE_TEST_CASE("halfs of the GPU stay below the upper end", "[cuda]", float16, bfloat16) {
    Generator generator(13);
    const auto x = drawn<TestType>(draws::Uniform{0, 1}, many, generator);
    double sum = 0;
    for (const TestType value : x) {
        REQUIRE((static_cast<float>(value) >= 0 && static_cast<float>(value) < 1));
        sum += static_cast<double>(static_cast<float>(value));
    }
    CHECK(std::abs(sum / many - 0.5) < 0.01);
    double normal = 0;
    for (const TestType value : drawn<TestType>(draws::Normal{}, many, generator)) normal += static_cast<double>(static_cast<float>(value));
    CHECK(std::abs(normal / many) < off(1) + 1e-3);
}

TEMPLATE_TEST_CASE("a number depends on the seed and its place alone", "[cuda]", float, double) {
    const auto check = [](const auto& distribution) {
        Generator generator(21), again(21), parts(21), other(22);
        const auto whole = drawn<TestType>(distribution, 5000, generator);
        CHECK(drawn<TestType>(distribution, 5000, again, 1) == whole);  // wherever it is stored
        CHECK(drawn<TestType>(distribution, 5000, other) != whole);
        const auto next = drawn<TestType>(distribution, 5000, generator);
        CHECK(next != whole);
        std::vector<TestType> joined;
        for (const std::int64_t n : {1, 2, 3, 0, 1001, 5, 3988})
            for (const TestType x : drawn<TestType>(distribution, n, parts, n % 2)) joined.push_back(x);
        CHECK(joined == whole);
        CHECK(drawn<TestType>(distribution, 5000, parts) == next);
        generator.manual_seed(21);
        CHECK(drawn<TestType>(distribution, 5000, generator) == whole);
    };
    check(draws::Uniform{});
    check(draws::Normal{});
    check(draws::Exponential{1});
    check(draws::Integers{0, 1 << 25});
}

TEST_CASE("a generator's state says how far the GPU has come", "[cuda]") {
    Generator generator(5), other(6);
    drawn<float>(draws::Uniform{}, 1003, generator);
    const auto state = generator.get_state();
    const auto x = drawn<float>(draws::Uniform{}, 100, generator);
    other.set_state(state);
    CHECK(drawn<float>(draws::Uniform{}, 100, other) == x);
    generator.set_offset(0);
    const auto first = drawn<float>(draws::Uniform{}, 100, generator);
    CHECK(generator.offset() == 100);
    CHECK(first == drawn<float>(draws::Uniform{}, 100, *std::make_unique<Generator>(5)));
}

TEMPLATE_TEST_CASE("dropout of the GPU draws the same again", "[cuda]", float, double, float16) {
    Generator generator(31);
    for (const std::int64_t offset : {0, 3}) {
        const std::int64_t n = 10'007;
        Numbers<TestType> ones(n);
        for (std::int64_t i = 0; i < n; ++i) ones[i] = TestType(1);
        const DeviceNumbers<TestType> x(ones, offset), y(n, offset), dx(n);
        const draws::Dropout how{0.7, 2, 0.5, -1};
        const auto state = dropout_state(Cuda{}, generator, n);
        apply_dropout(Cuda{}, state, how, x.get(), n, y.data());
        apply_dropout(Cuda{}, state, how.slope(), x.get(), n, dx.data());
        const Numbers<TestType> out = y.host(), slope = dx.host();
        std::int64_t kept = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            const bool keep = static_cast<float>(out[i]) == 2.5f;
            REQUIRE((keep || static_cast<float>(out[i]) == -1.0f));
            REQUIRE(static_cast<float>(slope[i]) == (keep ? 2.0f : 0.0f));
            kept += keep;
        }
        CHECK(std::abs(static_cast<double>(kept) - 0.7 * n) < 4 * std::sqrt(0.21 * n));
    }
}
