// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Scans on the GPU against the CPU's in double.

#include "headtorch/device/cuda/scan.cuh"

#include <random>

#include "headtorch/device/cpu/scan.hpp"
#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

Lines random_lines(std::mt19937& random) {
    if (random() % 3 == 0) return {random_size(random, 20), random_size(random, 100), 1 + static_cast<std::int64_t>(random() % 3) * 30};
    if (random() % 2 == 0) return {random_size(random, 60), random_size(random, 600), 1};
    return {random_size(random, 4), random_size(random, 9000), random() % 2 ? 1 : random_size(random, 4)};
}

template <class T>
double scale_of(const Numbers<T>& x) {
    double sum = 1;
    for (std::int64_t i = 0; i < x.size(); ++i) sum = std::max(sum, std::abs(static_cast<double>(x[i])));
    return sum;
}

template <class T>
void check_sums(const Lines& lines, const Numbers<T>& x) {
    using Wide = std::conditional_t<Floating<T>, double, T>;
    const std::int64_t n = x.size();
    const Numbers<Wide> wide = x.template as<Wide>();
    const Numbers<SumType<Wide>> want(n);
    const DeviceNumbers<T> device(x);
    const DeviceNumbers<SumType<T>> y(n);
    for (const bool reverse : {false, true}) {
        cpu::cumsum(Cpu{}, wide.data(), lines, reverse, want.data());
        cumsum(Cuda{}, device.get(), lines, reverse, y.data());
        agree(y.host(), want);
    }
    cpu::cumprod(Cpu{}, wide.data(), lines, want.data());
    cumprod(Cuda{}, device.get(), lines, y.data());
    agree(y.host(), want);
}

template <class T>
void check_products(const Lines& lines, const Numbers<T>& x, std::mt19937& random) {
    const std::int64_t n = x.size();
    const Numbers<T> b = random_numbers<T>(n, random);
    const Numbers<double> wide = x.template as<double>(), wide_b = b.template as<double>(), want(n), product(n);
    const DeviceNumbers<T> device(x), device_b(b), y(n), h(n);
    for (const bool reverse : {false, true}) {
        cpu::recurrence(Cpu{}, wide.data(), wide_b.data(), lines, reverse, want.data());
        recurrence(Cuda{}, device.get(), device_b.get(), lines, reverse, h.data());
        agree(h.host(), want, tolerance_of<T>(), scale_of(want));
    }
    cpu::cumprod(Cpu{}, wide.data(), lines, product.data());
    cumprod(Cuda{}, device.get(), lines, y.data());
    const Numbers<double> rounded = y.host().template as<double>();
    cpu::cumprod_gradient(Cpu{}, wide.data(), rounded.data(), wide_b.data(), lines, want.data());
    cumprod_gradient(Cuda{}, device.get(), y.get(), device_b.get(), lines, h.data());
    agree(h.host(), want, tolerance_of<T>(), scale_of(want));
    cpu::products_of_others(Cpu{}, wide.data(), lines, want.data());
    products_of_others(Cuda{}, device.get(), lines, h.data());
    agree(h.host(), want, 2 * tolerance_of<T>());
}

std::string name_of(const Lines& lines) { return message("lines ", lines.outer, " x ", lines.length, " x ", lines.inner); }

}  // namespace

TEMPLATE_TEST_CASE("running sums and products", "[cuda]", float, double, float16, bfloat16, std::int64_t, std::int32_t, std::uint8_t,
                   bool) {
    using T = TestType;
    std::mt19937 random(1);
    for (int round = 0; round < (std::is_same_v<T, float> ? 400 : 100); ++round) {
        const Lines lines = random_lines(random);
        INFO(name_of(lines));
        Numbers<T> x = random_numbers<T>(lines.count() * lines.length, random);
        if constexpr (Floating<T>)
            for (std::int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(std::abs(static_cast<float>(x[i])) + 0.25f);
        else
            for (std::int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 37 == 0 ? 2 : 1);
        check_sums(lines, x);
    }
}

TEMPLATE_TEST_CASE("recurrences and gradients of products", "[cuda]", float, double, float16) {
    using T = TestType;
    std::mt19937 random(2);
    for (int round = 0; round < (std::is_same_v<T, float> ? 200 : 60); ++round) {
        const Lines lines = random_lines(random);
        INFO(name_of(lines));
        Numbers<T> x = random_numbers<T>(lines.count() * lines.length, random);
        for (std::int64_t i = 0; i < x.size(); ++i)
            x[i] = static_cast<T>(random() % 20 == 0 && round % 2 ? 0.0f : std::tanh(static_cast<float>(x[i])));
        check_products(lines, x, random);
    }
}

TEST_CASE("very long lines are scanned in chunks", "[cuda]") {
    std::mt19937 random(3);
    for (const Lines& lines : {Lines{1, 200003, 1}, Lines{3, 60000, 1}, Lines{1, 20000, 7}, Lines{2, 65537, 2}}) {
        INFO(name_of(lines));
        Numbers<double> x = random_numbers<double>(lines.count() * lines.length, random);
        for (std::int64_t i = 0; i < x.size(); ++i) x[i] = std::tanh(x[i]) + 1;
        check_sums(lines, x.as<float>());
        for (std::int64_t i = 0; i < x.size(); ++i) x[i] = x[i] > 1.9 ? 0.999 : x[i] - 1;
        check_products(lines, x.as<float>(), random);
        check_sums(lines, random_numbers<bool>(x.size(), random));
    }
}

TEST_CASE("a part of a line may have a product that no double holds", "[cuda]") {
    // 2^n behind a zero; the serial scan never meets it
    for (const std::int64_t n : {300, 3000, 30000}) {
        const Lines lines{1, n, 1};
        const Numbers<float> x(n), g(n);
        for (std::int64_t i = 0; i < n; ++i) x[i] = i == 3 ? 0.0f : i < 3 ? 1.5f : 2.0f;
        g[1] = 1;
        const DeviceNumbers<float> device(x), device_g(g), y(n), dx(n);
        cumprod(Cuda{}, device.get(), lines, y.data());
        cumprod_gradient(Cuda{}, device.get(), y.get(), device_g.get(), lines, dx.data());
        const Numbers<float> product = y.host(), slope = dx.host();
        CHECK(product[2] == 1.5f * 1.5f * 1.5f);
        for (std::int64_t i = 3; i < n; ++i)
            if (product[i] != 0) FAIL("product " << i << " is " << product[i]);
        CHECK(slope[0] == 1.5f);
        CHECK(slope[1] == 1.5f);
        for (std::int64_t i = 2; i < n; ++i)
            if (slope[i] != 0) FAIL("slope " << i << " is " << slope[i]);
    }
    // infinite numbers stay what they are
    const Numbers<float> x(400);
    for (std::int64_t i = 0; i < 400; ++i) x[i] = i == 100 ? HUGE_VALF : i == 200 ? -1.0f : i == 300 ? 0.0f : 0.5f;
    const DeviceNumbers<float> device(x), y(400);
    cumprod(Cuda{}, device.get(), {1, 400, 1}, y.data());
    const Numbers<float> product = y.host();
    CHECK(product[99] == std::ldexp(1.0f, -100));
    CHECK(product[199] == HUGE_VALF);
    CHECK(product[299] == -HUGE_VALF);
    CHECK(std::isnan(product[300]));
    CHECK(std::isnan(product[399]));
}
