// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Loss scaling held against PyTorch's, step by step; what is refused.
#include <cmath>
#include <limits>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

const std::vector<double> factors = {1, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};

GradScalerOptions options_of(const Case& c) {
    const GradScalerOptions usual;
    return {.init_scale = c.num("init_scale", usual.init_scale),
            .growth_factor = c.num("growth_factor", usual.growth_factor),
            .backoff_factor = c.num("backoff_factor", usual.backoff_factor),
            .growth_interval = c.integer("growth_interval", usual.growth_interval)};
}

template <class T = float>
struct Problem {
    Tensor<T> p = full<T>({3}, 0.5).requires_grad_();
    optim::SGD<T> sgd{{p}, {.lr = 0.1}};
    Tensor<T> loss(double factor = 1) { return sum(p * p) * factor; }
};

}  // namespace

TEST_CASE("GradScaler follows PyTorch's", "[optim]") {
    int runs = 0;
    for (const Case& c : load_cases("amp.txt")) {
        if (c.op != "grad_scaler") continue;
        ++runs;
        const auto p = c.tensor<float>("p").requires_grad_();
        optim::SGD sgd({p}, {.lr = 0.1, .momentum = 0.5});
        GradScaler scaler(options_of(c));
        std::vector<double> scales;
        std::vector<Tensor<>> values;
        for (const std::int64_t bad : c.tensor<std::int64_t>("bad").tolist()) {
            sgd.zero_grad();
            scaler.scale(sum(p * p) * factors[static_cast<std::size_t>(bad)]).backward();
            CHECK(scaler.step(sgd) == (bad == 0));
            scaler.update();
            scales.push_back(scaler.get_scale());
            values.push_back(p.detach().clone());
        }
        CHECK(c.compare("p", stack(values, 0), 1e-6) == "");
        const auto wanted = c.tensor<double>("scale").tolist();
        for (std::size_t i = 0; i < scales.size(); ++i) CHECK(std::abs(scales[i] / wanted[i] - 1) < 1e-6);
    }
    CHECK(runs == 3);
}

TEST_CASE("GradScaler: gradients are divided once, and clipped between", "[optim]") {
    Problem problem;
    GradScaler scaler;
    CHECK(scaler.get_scale() == 65536);
    const auto scaled = scaler.scale(problem.loss());
    CHECK(scaled.item() == 0.75f * 65536);
    scaled.backward();
    CHECK(problem.p.grad()[0].item() == 65536);
    scaler.unscale_(problem.sgd);
    CHECK(problem.p.grad().tolist() == std::vector<float>{1, 1, 1});
    optim::clip_grad_norm(std::vector{problem.p}, 0.5);
    CHECK(scaler.step(problem.sgd));
    CHECK(std::abs(problem.p[0].item() - (0.5f - 0.05f / std::sqrt(3.0f))) < 1e-6f);
    scaler.update();
    CHECK(scaler.get_scale() == 65536);
}

TEST_CASE("GradScaler: several optimisers share a scale; one may go on while another stops", "[optim]") {
    Problem good;
    Problem bad;
    GradScaler scaler({.init_scale = 8});
    scaler.scale(good.loss()).backward();
    scaler.scale(bad.loss(factors[1])).backward();
    CHECK(scaler.step(good.sgd));
    CHECK_FALSE(scaler.step(bad.sgd));
    CHECK(good.p[0].item() == 0.4f);
    CHECK(bad.p[0].item() == 0.5f);
    scaler.update();
    CHECK(scaler.get_scale() == 4);
}

TEST_CASE("GradScaler: a single bad element of a large gradient is found; double and bfloat16", "[optim]") {
    for (const double value : {factors[1], -factors[1], factors[2]})
        for (const std::int64_t place : {std::int64_t{0}, std::int64_t{12345}, std::int64_t{19999}}) {
            auto x = zeros<double>({20000}).requires_grad_();
            optim::SGD<double> sgd({x}, {.lr = 1});
            auto factor = ones<double>({20000});
            factor[place] = value;
            GradScaler scaler;
            scaler.scale(sum(x * factor)).backward();
            CHECK_FALSE(scaler.step(sgd));
            CHECK(x[1].item() == 0);
        }
    Problem<bfloat16> problem;
    GradScaler scaler({.init_scale = 1024});
    scaler.scale(problem.loss()).backward();
    CHECK(scaler.step(problem.sgd));
    CHECK(problem.p[0].item() == bfloat16(0.4));
}

TEST_CASE("GradScaler: calls in the wrong order are refused", "[optim]") {
    Problem problem;
    GradScaler scaler;
    CHECK_THROWS_AS(scaler.unscale_(problem.sgd), AutogradError);
    CHECK_THROWS_AS(scaler.step(problem.sgd), AutogradError);
    CHECK_THROWS_AS(scaler.update(), AutogradError);
    auto loss = scaler.scale(problem.loss());
    CHECK_THROWS_AS(scaler.step(problem.sgd), AutogradError);  // no gradient
    CHECK_THROWS_AS(scaler.update(), AutogradError);           // nothing was looked at
    loss.backward();
    scaler.unscale_(problem.sgd);
    CHECK_THROWS_AS(scaler.unscale_(problem.sgd), AutogradError);
    scaler.step(problem.sgd);
    CHECK_THROWS_AS(scaler.step(problem.sgd), AutogradError);
    CHECK_THROWS_AS(scaler.unscale_(problem.sgd), AutogradError);
    scaler.update();
    problem.sgd.zero_grad();
    scaler.scale(problem.loss()).backward();
    CHECK(scaler.step(problem.sgd));
    scaler.update(16);
    CHECK(scaler.get_scale() == 16);
    CHECK_THROWS_AS(GradScaler({.growth_factor = 1}), ValueError);
    CHECK_THROWS_AS(GradScaler({.backoff_factor = 1}), ValueError);
}

TEST_CASE("GradScaler: disabled, it does nothing", "[optim]") {
    Problem problem;
    GradScaler scaler({.growth_factor = 0.5, .enabled = false});
    const auto loss = problem.loss(factors[1]);
    CHECK(scaler.scale(loss).is_same(loss));
    loss.backward();
    scaler.unscale_(problem.sgd);
    CHECK(scaler.step(problem.sgd));
    scaler.update();
    CHECK(std::isinf(problem.p[0].item()));
    CHECK(scaler.get_scale() == 1);
    CHECK(scaler.state_dict().empty());
}

TEST_CASE("GradScaler: a saved state goes on", "[optim]") {
    Problem problem;
    GradScaler scaler({.init_scale = 64, .growth_interval = 3});
    for (int i = 0; i < 2; ++i) {
        problem.sgd.zero_grad();
        scaler.scale(problem.loss()).backward();
        scaler.step(problem.sgd);
        scaler.update();
    }
    const nn::StateDict state = scaler.state_dict();
    CHECK(state.keys() == std::vector<std::string>{"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"});
    GradScaler next;
    next.load_state_dict(state);
    CHECK(next.get_scale() == 64);
    CHECK(next.get_growth_interval() == 3);
    problem.sgd.zero_grad();
    next.scale(problem.loss()).backward();
    next.step(problem.sgd);
    next.update();
    CHECK(next.get_scale() == 128);
    CHECK_THROWS_AS(next.load_state_dict({}), ValueError);
    nn::StateDict part = state.clone();
    part.erase("_growth_tracker");
    part.set("scale", full<double, Cpu>({}, 7));
    CHECK_THROWS_AS(next.load_state_dict(part), ValueError);
    CHECK(next.get_scale() == 128);
}
