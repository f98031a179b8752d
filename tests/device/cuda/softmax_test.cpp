// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// softmax, log_softmax and their gradients on the GPU against the CPU's in double.

#include "headtorch/device/cuda/softmax.cuh"

#include <random>

#include "headtorch/device/cpu/softmax.hpp"
#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// The scale of gradients, whose terms may cancel.
double largest(const Numbers<double>& x) {
    double result = 1;
    for (std::int64_t i = 0; i < x.size(); ++i) result = std::max(result, std::abs(x[i]));
    return result;
}

template <class T>
void check(const Lines& lines, const Numbers<T>& x, std::mt19937& random, std::int64_t offset = 0) {
    INFO(message("lines ", lines.outer, " x ", lines.length, " x ", lines.inner, " offset ", offset));
    const std::int64_t n = lines.count() * lines.length;
    const Numbers<T> g = random_numbers<T>(n, random);
    const Numbers<double> wide_x = x.template as<double>(), wide_g = g.template as<double>();
    const DeviceNumbers<T> device_x(x, offset), device_g(g, offset), y(n, offset), dx(n, offset);
    const Numbers<double> want(n), want_dx(n);

    cpu::softmax(Cpu{}, wide_x.data(), lines, want.data());
    softmax(Cuda{}, device_x.get(), lines, y.data());
    const Numbers<T> p = y.host();
    agree(p, want);
    const Numbers<double> wide_p = p.template as<double>();
    cpu::softmax_gradient(Cpu{}, wide_p.data(), wide_g.data(), lines, want_dx.data());
    softmax_gradient(Cuda{}, y.get(), device_g.get(), lines, dx.data());
    agree(dx.host(), want_dx, tolerance_of<T>(), largest(want_dx));

    cpu::log_softmax(Cpu{}, wide_x.data(), lines, want.data());
    log_softmax(Cuda{}, device_x.get(), lines, y.data());
    const Numbers<T> log_p = y.host();
    agree(log_p, want);
    const Numbers<double> wide_log_p = log_p.template as<double>();
    cpu::log_softmax_gradient(Cpu{}, wide_log_p.data(), wide_g.data(), lines, want_dx.data());
    log_softmax_gradient(Cuda{}, y.get(), device_g.get(), lines, dx.data());
    agree(dx.host(), want_dx, tolerance_of<T>(), largest(want_dx));
}

}  // namespace

TEMPLATE_TEST_CASE("softmax of random lines", "[cuda]", float, double, float16, bfloat16) {
    using T = TestType;
    std::mt19937 random(1);
    for (int round = 0; round < 400; ++round) {
        const bool long_lines = round % 4 == 0;
        const Lines lines{random_size(random, long_lines ? 9 : 60), random_size(random, long_lines ? 5000 : 600),
                          random() % 2 ? 1 : random_size(random, 40)};
        Numbers<T> x = random_numbers<T>(lines.count() * lines.length, random);
        if (round % 3 == 0)
            for (std::int64_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(static_cast<ComputeType<T>>(x[i]) * 30);
        check(lines, x, random, random() % 3 == 0 ? 1 : 0);
    }
    check({2, 200001, 1}, random_numbers<T>(400002, random), random);
    check({1, 40000, 3}, random_numbers<T>(120000, random), random);
    check({70, 3000, 1}, random_numbers<T>(210000, random), random);
}

TEST_CASE("softmax of infinite elements and NaN", "[cuda]") {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
        const std::int64_t lengths[] = {1, 3, 17, 100, 1000, 1500, 40000};
        const Lines lines{2, lengths[round % 7], round % 2 ? 1 : 3};
        Numbers<float> x = random_numbers<float>(lines.count() * lines.length, random);
        const float specials[] = {HUGE_VALF, -HUGE_VALF, -HUGE_VALF, std::nanf(""), 1e4f, -1e38f};
        for (int k = 0; k < 4; ++k) x[static_cast<std::int64_t>(random()) % x.size()] = specials[random() % 6];
        if (round % 5 == 0)
            for (std::int64_t i = 0; i < x.size() / 2; ++i) x[i] = -HUGE_VALF;  // whole lines of them
        const Numbers<double> wide = x.as<double>(), want(x.size());
        const DeviceNumbers<float> device(x), y(x.size());
        INFO(message("round ", round));
        cpu::softmax(Cpu{}, wide.data(), lines, want.data());
        softmax(Cuda{}, device.get(), lines, y.data());
        agree(y.host(), want);
        cpu::log_softmax(Cpu{}, wide.data(), lines, want.data());
        log_softmax(Cuda{}, device.get(), lines, y.data());
        agree(y.host(), want);
    }
}
