// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Losses over class labels on the GPU against the CPU's in double.

#include "headtorch/device/cuda/classify.cuh"

#include <random>

#include "headtorch/device/cpu/classify.hpp"
#include "headtorch/device/cuda/check_index.cuh"
#include "tests/support/device_numbers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

struct Problem {
    std::int64_t rows, classes;
    bool weighted, mean, some_ignored;
};

template <class T>
void check(const Problem& p, std::mt19937& random) {
    INFO(message(p.rows, " rows of ", p.classes, p.weighted ? ", weighted" : "", p.mean ? ", mean" : "",
                 p.some_ignored ? ", some ignored" : ""));
    constexpr std::int64_t ignored = -100;
    const std::int64_t n = p.rows * p.classes;
    Numbers<T> x = random_numbers<T>(n, random), weight = random_numbers<T>(p.classes, random);
    for (std::int64_t c = 0; c < p.classes; ++c) weight[c] = static_cast<T>(0.5f + std::abs(static_cast<float>(weight[c])));
    const Numbers<std::int64_t> label(p.rows);
    for (std::int64_t i = 0; i < p.rows; ++i)
        label[i] = p.classes == 0 || (p.some_ignored && random() % 3 == 0) ? ignored : static_cast<std::int64_t>(random()) % p.classes;
    const Numbers<T> g(1);
    g[0] = static_cast<T>(0.75);

    const DeviceNumbers<T> device_x(x), device_weight(weight), device_g(g), dx(n), loss(1), picks(p.rows);
    const DeviceNumbers<std::int64_t> device_label(label);
    const DeviceNumbers<double> scale(1);
    const DeviceNumbers<ComputeType<T>> kept(p.rows * cross_entropy_kept(Cuda{}, p.classes));
    const Numbers<double> wide_x = x.template as<double>(), wide_weight = weight.template as<double>(), wide_g = g.template as<double>();
    const Numbers<double> want(n), want_kept(n), want_loss(1), want_scale(1), want_picks(p.rows);
    const Labels<T> labels{device_label.data(), p.rows, p.classes, ignored, p.weighted ? device_weight.data() : nullptr};
    const Labels<double> wide{label.data(), p.rows, p.classes, ignored, p.weighted ? wide_weight.data() : nullptr};

    check_index(Cuda{}, device_label.get(), p.rows, IndexRule{.size = p.classes, .has_exempt = true, .exempt = ignored});
    loss_scale(Cuda{}, labels, p.mean, scale.data());
    loss_scale(Cpu{}, wide, p.mean, want_scale.data());
    agree(scale.host(), want_scale);

    negative_picks(Cuda{}, device_x.get(), labels, picks.data());
    negative_picks(Cpu{}, wide_x.data(), wide, want_picks.data());
    agree(picks.host(), want_picks);

    picked_loss(Cuda{}, device_x.get(), labels, p.mean, scale.data(), loss.data());
    picked_loss(Cpu{}, wide_x.data(), wide, p.mean, want_scale.data(), want_loss.data());
    agree(loss.host(), want_loss);
    agree(scale.host(), want_scale);
    const auto tolerance = tolerance_of<T>();
    for (const T* slope : {device_g.get(), static_cast<const T*>(nullptr)}) {
        pick_gradient(Cuda{}, labels, scale.get(), slope, dx.data());
        pick_gradient(Cpu{}, wide, want_scale.data(), slope ? wide_g.data() : nullptr, want.data());
        agree(dx.host(), want, tolerance, 1e-3);
    }

    cross_entropy_forward(Cuda{}, device_x.get(), labels, p.mean, kept.data(), scale.data(), loss.data());
    cross_entropy_forward(Cpu{}, wide_x.data(), wide, p.mean, want_kept.data(), want_scale.data(), want_loss.data());
    agree(loss.host(), want_loss);
    agree(scale.host(), want_scale);
    cross_entropy_backward(Cuda{}, device_x.get(), kept.data(), labels, scale.get(), device_g.get(), dx.data());
    const double* const scores = nullptr;  // the CPU does not read them again
    cross_entropy_backward(Cpu{}, scores, want_kept.data(), wide, want_scale.data(), wide_g.data(), want.data());
    agree(dx.host(), want, tolerance, *want_scale.data() < 1e-3 ? 1e-3 : 1);
}

}  // namespace

TEMPLATE_TEST_CASE("losses of class labels", "[cuda]", float, double, float16, bfloat16) {
    std::mt19937 random(1);
    for (int round = 0; round < 400; ++round) {
        const std::int64_t rows = random_size(random, 700), classes = random_size(random, rows > 100 ? 60 : 3000);
        check<TestType>({rows, classes, random() % 2 == 0, random() % 3 != 0, random() % 3 == 0}, random);
    }
    for (const std::int64_t classes : {0, 1, 2, 31, 32, 33, 128, 129, 384, 385, 1024, 1025, 4096, 5001})
        check<TestType>({13, classes, true, true, true}, random);
    check<TestType>({20000, 3, true, true, true}, random);
    check<TestType>({0, 5, false, true, false}, random);
}

TEST_CASE("extreme scores", "[cuda]") {
    for (const std::int64_t classes : {4, 2000}) {
        const Numbers<float> x(3 * classes);
        for (std::int64_t i = 0; i < x.size(); ++i) x[i] = -1e30f;
        x[0] = 1e30f, x[classes] = -HUGE_VALF, x[2 * classes + 1] = 50;
        const Numbers<std::int64_t> label(3);
        label[0] = 0, label[1] = 1, label[2] = 1;
        const DeviceNumbers<float> device(x), kept(6), loss(1);
        const DeviceNumbers<std::int64_t> device_label(label);
        const DeviceNumbers<double> scale(1);
        const Labels<float> labels{device_label.data(), 3, classes, -100, nullptr};
        cross_entropy_forward(Cuda{}, device.get(), labels, false, kept.data(), scale.data(), loss.data());
        // in the second row all but one are equally likely
        CHECK(loss.host()[0] == Approx(std::log(static_cast<double>(classes - 1))));
    }
}

TEST_CASE("a label that is no class makes the loss NaN, and no kernel follows it", "[cuda]") {
    const Numbers<float> x(12), g(1);
    g[0] = 1;
    const Numbers<std::int64_t> label(3);
    label[0] = 1, label[1] = 1000000000000, label[2] = -1;
    const DeviceNumbers<float> device(x), kept(6), loss(1), dx(12), device_g(g), picks(3);
    const DeviceNumbers<std::int64_t> device_label(label);
    const DeviceNumbers<double> scale(1);
    const Labels<float> labels{device_label.data(), 3, 4, -100, nullptr};
    cross_entropy_forward(Cuda{}, device.get(), labels, true, kept.data(), scale.data(), loss.data());
    CHECK(std::isnan(loss.host()[0]));
    picked_loss(Cuda{}, device.get(), labels, true, scale.data(), loss.data());
    CHECK(std::isnan(loss.host()[0]));
    negative_picks(Cuda{}, device.get(), labels, picks.data());
    CHECK(std::isnan(picks.host()[1]));
    CHECK(picks.host()[0] == 0);
    cross_entropy_backward(Cuda{}, device.get(), kept.data(), labels, scale.get(), device_g.get(), dx.data());
    pick_gradient(Cuda{}, labels, scale.get(), device_g.get(), dx.data());
    CHECK(dx.host()[4] == 0);
}
