// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Normalisation on the GPU against the CPU's in double: channels and rows, forward and backward, weights or none.

#include <random>
#include <vector>

#include "headtorch/device/cpu/normalize_channels.hpp"
#include "headtorch/device/cpu/normalize_rows.hpp"
#include "headtorch/device/cuda/normalize_channels.cuh"
#include "headtorch/device/cuda/normalize_rows.cuh"
#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

/// The same numbers for both devices: as T on the GPU, as double on the host. Undefined ones are null pointers.
template <class T>
struct Both {
    explicit Both(const Numbers<T>& x, std::int64_t offset = 0) : device(x, offset), host(x.template as<double>()) {}
    Both(std::int64_t n, std::mt19937& random, double mean = 0, double scale = 1, std::int64_t offset = 0)
        : Both(shifted(n, random, mean, scale), offset) {}
    static Numbers<T> shifted(std::int64_t n, std::mt19937& random, double mean, double scale) {
        const Numbers<double> x = random_numbers<double>(n, random);
        for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] * scale + mean;
        return x.template as<T>();
    }
    DeviceNumbers<T> device;
    Numbers<double> host;
};

template <class T>
void check_channels(const ChannelNorm& norm, std::mt19937& random, double mean_of, bool training, bool affine, std::int64_t offset) {
    INFO("[" << norm.batch << ", " << norm.channels << ", " << norm.inner << "], mean " << mean_of << (training ? ", training" : "")
             << (affine ? ", affine" : "") << ", offset " << offset);
    const std::int64_t n = norm.count() * norm.channels, c = norm.channels;
    const Both<T> x(n, random, mean_of, 1.5, offset), g(n, random, 0.25, 1, offset), weight(c, random, 1), bias(c, random);
    const auto w = [&](const auto* pointer) { return affine ? pointer : nullptr; };
    const double eps = 1e-5;
    const Numbers<double> stats(2 * c), y(n), dx(n), dw(c), db(c);
    for (std::int64_t i = 0; i < c; ++i) {
        stats[i] = 0.1 * static_cast<double>(i % 7);
        stats[c + i] = 0.5 + 0.1 * static_cast<double>(i % 5);
    }
    const DeviceNumbers<double> device_stats(stats);
    batch_norm_forward(Cpu{}, x.host.data(), norm, training, eps, w(weight.host.data()), w(bias.host.data()), stats.data(),
                       stats.data() + c, y.data());
    batch_norm_backward(Cpu{}, g.host.data(), x.host.data(), norm, training, eps, w(weight.host.data()), stats.data(), stats.data() + c,
                        dx.data(), dw.data(), db.data());
    const DeviceNumbers<T> device_y(n, offset), device_dx(n, offset), device_dw(c), device_db(c);
    double *const mean = device_stats.data(), *const variance = mean + c;
    batch_norm_forward(Cuda{}, x.device.get(), norm, training, eps, w(weight.device.get()), w(bias.device.get()), mean, variance,
                       device_y.data());
    batch_norm_backward(Cuda{}, g.device.get(), x.device.get(), norm, training, eps, w(weight.device.get()),
                        static_cast<const double*>(mean), static_cast<const double*>(variance), device_dx.data(), device_dw.data(),
                        device_db.data());
    const double precision = std::is_same_v<T, double> ? 1e-12 : 1e-6;
    agree(device_stats.host(), stats, precision, 1.0);
    agree(device_y.host(), y, 8 * tolerance_of<T>(), 1);
    agree(device_dx.host(), dx, 8 * tolerance_of<T>(), 4);
    agree(device_dw.host(), dw, tolerance_of<T>(), std::sqrt(static_cast<double>(norm.count())) + 1);
    agree(device_db.host(), db, tolerance_of<T>(), std::sqrt(static_cast<double>(norm.count())) + 1);

    // one gradient at a time
    const DeviceNumbers<T> alone(std::max(n, c));
    T* const none = nullptr;
    const auto backward = [&](T* dx_only, T* dw_only, T* db_only) {
        batch_norm_backward(Cuda{}, g.device.get(), x.device.get(), norm, training, eps, w(weight.device.get()),
                            static_cast<const double*>(mean), static_cast<const double*>(variance), dx_only, dw_only, db_only);
    };
    backward(none, none, alone.data());
    const Numbers<T> only_bias = alone.host(), all_bias = device_db.host();
    for (std::int64_t i = 0; i < c; ++i) REQUIRE(static_cast<double>(only_bias[i]) == static_cast<double>(all_bias[i]));
    backward(alone.data(), none, none);
    const Numbers<T> only_dx = alone.host(), all_dx = device_dx.host();
    for (std::int64_t i = 0; i < n; ++i)
        REQUIRE(std::abs(static_cast<double>(only_dx[i]) - static_cast<double>(all_dx[i])) <= std::max(1e-5, 8 * tolerance_of<T>()) * 4);

    if (norm.count() < 2) return;
    Both<T> running_mean(c, random), running_variance(c, random, 2);
    update_running(Cpu{}, stats.data(), stats.data() + c, c, static_cast<double>(norm.count()), 0.1, running_mean.host.data(),
                   running_variance.host.data());
    update_running(Cuda{}, static_cast<const double*>(mean), static_cast<const double*>(variance), c, static_cast<double>(norm.count()),
                   0.1, running_mean.device.data(), running_variance.device.data());
    agree(running_mean.device.host(), running_mean.host);
    agree(running_variance.device.host(), running_variance.host);
}

template <class T>
void check_rows(const RowNorm& norm, std::mt19937& random, double mean_of, bool weighted, bool biased, std::int64_t offset) {
    INFO(norm.rows << " rows of " << norm.channels << " x " << norm.inner << ", groups " << norm.groups << (norm.centred ? "" : ", RMS")
                   << ", mean " << mean_of << (weighted ? ", weight" : "") << (biased ? ", bias" : "") << ", offset " << offset);
    const std::int64_t n = norm.rows * norm.length(), c = norm.channels * norm.groups;
    const Both<T> x(n, random, mean_of, 1.5, offset), g(n, random, 0.25, 1, offset), weight(c, random, 1, 1, offset);
    const Both<T> bias(c, random, 0, 1, offset);
    const auto w = [&](const auto* pointer) { return weighted ? pointer : nullptr; };
    const auto b = [&](const auto* pointer) { return biased ? pointer : nullptr; };
    const double eps = 1e-5;
    const Numbers<double> stats(2 * norm.rows), y(n), dx(n), dw(c), db(c);
    row_norm_forward(Cpu{}, x.host.data(), norm, eps, w(weight.host.data()), b(bias.host.data()), stats.data(), stats.data() + norm.rows,
                     y.data());
    const double *const mean = stats.data(), *const variance = mean + norm.rows;
    row_norm_backward(Cpu{}, g.host.data(), x.host.data(), norm, eps, w(weight.host.data()), mean, variance, dx.data());
    row_norm_parameters(Cpu{}, g.host.data(), x.host.data(), norm, eps, mean, variance, dw.data(), db.data());

    const DeviceNumbers<double> device_stats(2 * norm.rows);
    const DeviceNumbers<T> device_y(n, offset), device_dx(n, offset), device_dw(c), device_db(c);
    const double *const device_mean = device_stats.data(), *const device_variance = device_mean + norm.rows;
    row_norm_forward(Cuda{}, x.device.get(), norm, eps, w(weight.device.get()), b(bias.device.get()), device_stats.data(),
                     device_stats.data() + norm.rows, device_y.data());
    row_norm_backward(Cuda{}, g.device.get(), x.device.get(), norm, eps, w(weight.device.get()), device_mean, device_variance,
                      device_dx.data());
    row_norm_parameters(Cuda{}, g.device.get(), x.device.get(), norm, eps, device_mean, device_variance, device_dw.data(),
                        device_db.data());
    // with few elements the variance may be small, and what is divided by its root is less certain
    double factor = 1;
    for (std::int64_t row = 0; row < norm.rows; ++row) factor = std::max(factor, 1 / std::sqrt(variance[row] + eps));
    const double loose = tolerance_of<T>() * 8 * factor * (1 + std::abs(mean_of) * (std::is_same_v<T, double> ? 1 : 0));
    agree(device_stats.host(), stats, std::is_same_v<T, double> ? 1e-12 : 1e-6, 1 + std::abs(mean_of));
    agree(device_y.host(), y, loose, 4);
    agree(device_dx.host(), dx, loose * factor, 4);
    const double scale = 4 * (1 + std::sqrt(static_cast<double>(norm.rows / norm.groups * norm.inner)));
    agree(device_dw.host(), dw, loose, scale);
    agree(device_db.host(), db, tolerance_of<T>(), scale);
    const DeviceNumbers<T> alone(c);
    row_norm_parameters(Cuda{}, g.device.get(), x.device.get(), norm, eps, device_mean, device_variance, alone.data(),
                        static_cast<T*>(nullptr));
    agree(alone.host(), device_dw.host(), 0);
    row_norm_parameters(Cuda{}, g.device.get(), x.device.get(), norm, eps, device_mean, device_variance, static_cast<T*>(nullptr),
                        alone.data());
    agree(alone.host(), device_db.host(), 0);
}

}  // namespace

TEMPLATE_TEST_CASE("batch normalisation of the GPU", "[cuda]", float, double, float16, bfloat16) {
    std::mt19937 random(1);
    const auto check = [&](const ChannelNorm& norm, double mean, std::int64_t offset = 0) {
        check_channels<TestType>(norm, random, mean, true, true, offset);
        check_channels<TestType>(norm, random, 0, false, true, offset);
        check_channels<TestType>(norm, random, 0, true, false, offset);
    };
    check({8, 3, 49}, 2);        // odd planes
    check({4, 5, 64}, -3);       // planes of whole loads
    check({4, 5, 64}, 0, 1);     // which do not begin where they should
    check({2, 2, 5000}, 1);      // several parts, and 16-byte loads
    check({3, 1, 40000}, 1);
    check({1, 7, 2}, 0);
    check({300, 40, 1}, 1);      // columns: several parts, two tiles
    check({2000, 3, 1}, 5);
    check({2, 64, 1}, 0);
    for (int i = 0; i < 8; ++i)
        check({random_size(random, 30) + 2, random_size(random, 40) + 1, random_size(random, 60) + 1}, static_cast<double>(i), i % 2);
}

TEMPLATE_TEST_CASE("normalisation of rows of the GPU", "[cuda]", float, double, float16, bfloat16) {
    std::mt19937 random(2);
    const auto check = [&](RowNorm norm, double mean, std::int64_t offset = 0) {
        check_rows<TestType>(norm, random, mean, true, true, offset);
        check_rows<TestType>(norm, random, mean, false, false, offset);
        check_rows<TestType>(norm, random, mean, true, false, offset);
        norm.centred = false;
        check_rows<TestType>(norm, random, 0.5, true, false, offset);
    };
    check({5, 64}, 1);                                                        // a warp each
    check({5, 64}, 1, 1);
    check({7, 33}, -2);
    check({1, 3}, 0);
    check({3, 2000}, 1);                                                      // a block each
    check({2, 20000}, 1);                                                     // a large one
    check({2, 4101}, 3);
    check({700, 40}, 1);                                                      // several parts of rows
    check({.rows = 6, .channels = 4, .inner = 8, .groups = 3}, 1);            // groups of channels
    check({.rows = 8, .channels = 3, .inner = 49, .groups = 2}, 0);
    check({.rows = 6, .channels = 5, .inner = 1, .groups = 2}, 0);
    check({.rows = 6, .channels = 1, .inner = 1024, .groups = 3}, 2);         // each channel of each example
    check({.rows = 0, .channels = 5}, 0);
    for (int i = 0; i < 6; ++i) {
        const std::int64_t groups = 1 + i % 3;
        check({.rows = groups * random_size(random, 9), .channels = 2 + random_size(random, 40), .inner = 1 + random_size(random, 30),
               .groups = groups},
              static_cast<double>(i), i % 2);
    }
}

TEST_CASE("statistics of the GPU keep their digits far from zero", "[cuda]") {
    std::mt19937 random(3);
    const ChannelNorm norm{4, 2, 1000};
    const Both<float> x(8000, random, 1e4, 1);
    const Numbers<double> stats(4), y(8000);
    const DeviceNumbers<double> device_stats(4);
    const DeviceNumbers<float> device_y(8000);
    const double* const none = nullptr;
    batch_norm_forward(Cpu{}, x.host.data(), norm, true, 1e-5, none, none, stats.data(), stats.data() + 2, y.data());
    batch_norm_forward(Cuda{}, x.device.get(), norm, true, 1e-5, static_cast<const float*>(nullptr), static_cast<const float*>(nullptr),
                       device_stats.data(), device_stats.data() + 2, device_y.data());
    agree(device_stats.host(), stats, 1e-7);
    agree(device_y.host(), y, 1e-6, 4);
}
