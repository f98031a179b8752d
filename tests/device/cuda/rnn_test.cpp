// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// One step of each recurrent cell on the GPU, and back, against the CPU in double.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "headtorch/device/cpu/rnn.hpp"
#include "headtorch/device/cuda/rnn.cuh"
#include "tests/support/catch.hpp"
#include "tests/support/device_numbers.hpp"

namespace {

using namespace headtorch;
using namespace headtorch::testing;

template <class T>
std::vector<double> as_double(const std::vector<T>& x) {
    std::vector<double> y;
    for (const T& value : x) y.push_back(static_cast<double>(value));
    return y;
}

template <class T>
void compare(const char* what, const DeviceNumbers<T>& found, const std::vector<double>& wanted) {
    const double tolerance = std::same_as<T, double> ? 1e-12 : std::same_as<T, float> ? 1e-6 : std::same_as<T, float16> ? 2e-3 : 1.6e-2;
    const std::vector<T> values = found.vector();
    REQUIRE(values.size() == wanted.size());
    double largest = 1;  // errors are relative to it: where terms cancel, the sum is small and its error is not
    for (const double x : wanted) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(std::abs(static_cast<double>(values[i]) - wanted[i]) <= tolerance * largest)) {
            INFO(what << ", element " << i << ": " << static_cast<double>(values[i]) << " instead of " << wanted[i]);
            REQUIRE(false);
        }
}

template <class T>
void compare_steps(RnnKind kind, std::int64_t batch, std::int64_t hidden, bool with_gradient, std::mt19937& random) {
    INFO("kind " << static_cast<int>(kind) << ", batch " << batch << ", hidden " << hidden);
    const bool lstm = kind == RnnKind::lstm, gru = kind == RnnKind::gru;
    const std::int64_t n = batch * hidden, width = kept_gates(kind) * hidden, weights = weight_gates(kind);
    const auto numbers = [&](std::int64_t count) {
        auto x = uniform_numbers<T>(count, random);
        for (T& value : x) value = static_cast<T>(static_cast<float>(value) * 3);
        return x;
    };
    const auto gates = numbers(batch * width), recurrent = numbers(3 * n), h0 = numbers(n), c0 = numbers(n), waste = numbers(n);
    {
        const DeviceNumbers<T> g(gates), r(recurrent), h_before(h0), c_before(c0), h(waste), c(waste);
        rnn_step(Cuda{}, RnnStep<T>{kind, batch, hidden, width, g.data(), gru ? r.data() : nullptr, h_before.data(),
                                    lstm ? c_before.data() : nullptr, h.data(), lstm ? c.data() : nullptr});
        auto wg = as_double(gates), wh = as_double(waste), wc = wh;
        const auto wr = as_double(recurrent), wh0 = as_double(h0), wc0 = as_double(c0);
        rnn_step(Cpu{}, RnnStep<double>{kind, batch, hidden, width, wg.data(), gru ? wr.data() : nullptr, wh0.data(),
                                        lstm ? wc0.data() : nullptr, wh.data(), lstm ? wc.data() : nullptr});
        compare("h", h, wh);
        compare("c", c, wc);
        compare("gates", g, wg);
    }
    const auto out = uniform_numbers<T>(batch * width, random), h1 = uniform_numbers<T>(n, random), c1 = numbers(n), gradient = numbers(n),
               later_h = numbers(n), later_c = numbers(n), waste_gates = numbers(weights * n);
    const DeviceNumbers<T> g(out), h_before(h0), c_before(c0), h(h1), c(c1), gy(gradient), dh(later_h), dc(later_c), dg(waste_gates),
        dr(waste_gates);
    rnn_step_back(Cuda{}, RnnStepBack<T>{kind, batch, hidden, width, g.data(), h_before.data(), lstm ? c_before.data() : nullptr, h.data(),
                                         lstm ? c.data() : nullptr, with_gradient ? gy.data() : nullptr, dh.data(),
                                         lstm ? dc.data() : nullptr, dg.data(), gru ? dr.data() : nullptr});
    const auto wg = as_double(out), wh0 = as_double(h0), wc0 = as_double(c0), wh = as_double(h1), wc = as_double(c1),
               wgy = as_double(gradient);
    auto wdh = as_double(later_h), wdc = as_double(later_c), wdg = as_double(waste_gates), wdr = wdg;
    rnn_step_back(Cpu{}, RnnStepBack<double>{kind, batch, hidden, width, wg.data(), wh0.data(), lstm ? wc0.data() : nullptr, wh.data(),
                                             lstm ? wc.data() : nullptr, with_gradient ? wgy.data() : nullptr, wdh.data(),
                                             lstm ? wdc.data() : nullptr, wdg.data(), gru ? wdr.data() : nullptr});
    compare("dh", dh, wdh);
    compare("dc", dc, wdc);
    compare("dgates", dg, wdg);
    compare("drecurrent", dr, wdr);
}

TEST_CASE("steps of recurrent cells on the GPU, against the CPU in double") {
    std::mt19937 random(1);
    for (const RnnKind kind : {RnnKind::tanh, RnnKind::relu, RnnKind::lstm, RnnKind::gru})
        for (int i = 0; i < 30; ++i) {
            const std::int64_t batch = i < 4 ? i / 2 : 1 + static_cast<std::int64_t>(random() % 40),
                               hidden = i < 4 ? i % 2 : 1 + static_cast<std::int64_t>(random() % 90);
            compare_steps<float>(kind, batch, hidden, i % 2 == 0, random);
            compare_steps<double>(kind, batch, hidden, i % 3 == 0, random);
            compare_steps<float16>(kind, batch, hidden, i % 2 == 1, random);
            compare_steps<bfloat16>(kind, batch, hidden, true, random);
        }
}

TEST_CASE("steps of recurrent cells on the GPU: saturated gates and NaN") {
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> gates{1e4f, -1e4f, inf, -inf, nan, 0.0f};
    const DeviceNumbers<float> g(gates), h(std::vector<float>(6)), r(std::vector<float>(6)), h0(std::vector<float>(6));
    rnn_step(Cuda{}, RnnStep<float>{RnnKind::tanh, 2, 3, 3, g.data(), nullptr, h0.data(), nullptr, h.data(), nullptr});
    rnn_step(Cuda{}, RnnStep<float>{RnnKind::relu, 2, 3, 3, g.data(), nullptr, h0.data(), nullptr, r.data(), nullptr});
    const auto tanh = h.vector(), relu = r.vector();
    REQUIRE(tanh[0] == 1);
    REQUIRE(tanh[1] == -1);
    REQUIRE(tanh[2] == 1);
    REQUIRE(tanh[3] == -1);
    REQUIRE(std::isnan(tanh[4]));
    REQUIRE(relu[0] == 1e4f);
    REQUIRE(relu[3] == 0);
    REQUIRE(std::isnan(relu[4]));
}

}  // namespace
