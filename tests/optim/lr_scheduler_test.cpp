// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Learning rates of every scheduler held against PyTorch.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

std::vector<std::int64_t> numbers(const std::string& text) {
    std::vector<std::int64_t> list;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        list.push_back(std::stoll(text.substr(at, comma - at)));
        at = comma + 1;
    }
    return list;
}

optim::SGD<double> optimizer(double lr) {
    return optim::SGD(std::vector<Tensor<double>>{zeros<double>({1}).requires_grad_()}, {.lr = lr, .momentum = 0.9});
}

using Scheduler = std::unique_ptr<optim::LRScheduler>;
template <class S, class... Args>
Scheduler make(Args&&... args) { return std::make_unique<S>(std::forward<Args>(args)...); }

Scheduler scheduler_of(const Case& c, optim::Schedulable& sgd) {
    const auto whole = [&](const char* key, std::int64_t otherwise) { return c.has(key) ? c.integer(key, 0) : otherwise; };
    if (c.op == "step_lr") return make<optim::StepLR>(sgd, whole("step_size", 0), c.num("gamma", 0.1));
    if (c.op == "multi_step_lr") return make<optim::MultiStepLR>(sgd, numbers(c.str("milestones")), c.num("gamma", 0.1));
    if (c.op == "exponential_lr") return make<optim::ExponentialLR>(sgd, c.num("gamma"));
    if (c.op == "cosine_annealing_lr") return make<optim::CosineAnnealingLR>(sgd, whole("T_max", 0), c.num("eta_min", 0));
    if (c.op == "cosine_annealing_warm_restarts")
        return make<optim::CosineAnnealingWarmRestarts>(sgd, whole("T_0", 0), whole("T_mult", 1), c.num("eta_min", 0));
    if (c.op == "linear_lr")
        return make<optim::LinearLR>(sgd, c.num("start_factor", 1.0 / 3), c.num("end_factor", 1), whole("total_iters", 5));
    if (c.op == "constant_lr") return make<optim::ConstantLR>(sgd, c.num("factor", 1.0 / 3), whole("total_iters", 5));
    if (c.op == "polynomial_lr") return make<optim::PolynomialLR>(sgd, whole("total_iters", 5), c.num("power", 1));
    if (c.op == "lambda_lr") return make<optim::LambdaLR>(sgd, [f = c.num("factor")](std::int64_t epoch) { return std::pow(f, epoch); });
    if (c.op == "multiplicative_lr") return make<optim::MultiplicativeLR>(sgd, [f = c.num("factor")](std::int64_t) { return f; });
    if (c.op == "one_cycle_lr")
        return make<optim::OneCycleLR>(sgd, optim::OneCycleOptions{.max_lr = c.num("max_lr"),
                                                                   .total_steps = whole("total_steps", 0),
                                                                   .epochs = whole("epochs", 0),
                                                                   .steps_per_epoch = whole("steps_per_epoch", 0),
                                                                   .pct_start = c.num("pct_start", 0.3),
                                                                   .anneal_strategy = c.str("anneal_strategy", "cos"),
                                                                   .cycle_momentum = c.flag("cycle_momentum", true),
                                                                   .base_momentum = c.num("base_momentum", 0.85),
                                                                   .max_momentum = c.num("max_momentum", 0.95),
                                                                   .div_factor = c.num("div_factor", 25),
                                                                   .final_div_factor = c.num("final_div_factor", 1e4),
                                                                   .three_phase = c.flag("three_phase")});
    return nullptr;
}

void check(const Case& c, const char* what, const std::vector<double>& got) {
    const auto expected = c.tensor<double>(what).tolist();
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        INFO(c.title << " " << what << " at epoch " << i << ": " << got[i] << " instead of " << expected[i]);
        CHECK(std::abs(got[i] - expected[i]) <= 1e-12 * std::max(1.0, std::abs(expected[i])));
    }
}

}  // namespace

TEST_CASE("schedulers give PyTorch's rates", "[optim]") {
    for (const Case& c : load_cases("scheduler.txt")) {
        auto sgd = optimizer(c.num("lr"));
        std::vector<double> rates, momenta;
        const auto note = [&] {
            rates.push_back(sgd.lr(0));
            momenta.push_back(*sgd.momentum(0));
        };
        if (c.op == "reduce_lr_on_plateau") {
            optim::ReduceLROnPlateau plateau(sgd, {.mode = c.str("mode", "min"),
                                                   .factor = c.num("factor", 0.1),
                                                   .patience = static_cast<int>(c.num("patience", 10)),
                                                   .threshold = c.num("threshold", 1e-4),
                                                   .threshold_mode = c.str("threshold_mode", "rel"),
                                                   .cooldown = static_cast<int>(c.num("cooldown", 0)),
                                                   .min_lr = c.num("min_lr", 0),
                                                   .eps = c.num("eps", 1e-8)});
            note();
            for (double metric : c.tensor<double>("metrics").tolist()) {
                plateau.step(metric);
                note();
            }
            check(c, "lr", rates);
            continue;
        }
        std::vector<Scheduler> parts;
        Scheduler scheduler;
        const auto sequence = [&](std::vector<std::int64_t> milestones) {
            std::vector<optim::LRScheduler*> list;
            for (const Scheduler& part : parts) list.push_back(part.get());
            scheduler = make<optim::SequentialLR>(sgd, list, milestones);
        };
        if (c.op == "sequential_linear_cosine") {
            parts.push_back(make<optim::LinearLR>(sgd, c.num("start_factor"), 1.0, c.integer("total_iters", 0)));
            parts.push_back(make<optim::CosineAnnealingLR>(sgd, c.integer("T_max", 0)));
            sequence({c.integer("milestone", 0)});
        } else if (c.op == "sequential_constant_exponential_step") {
            parts.push_back(make<optim::ConstantLR>(sgd, 0.125, 4));
            parts.push_back(make<optim::ExponentialLR>(sgd, 0.9));
            parts.push_back(make<optim::StepLR>(sgd, 3, 0.5));
            sequence(numbers(c.str("milestones")));
        } else if (c.op == "step_lr_groups") {
            sgd.add_param_group({zeros<double>({1}).requires_grad_()}, {.lr = c.num("second_lr")});
            scheduler = make<optim::StepLR>(sgd, c.integer("step_size", 0), c.num("gamma"));
            std::vector<double> second;
            for (int epoch = 0; epoch < 5; ++epoch, scheduler->step()) second.push_back(sgd.lr(1));
            CHECK(second == std::vector<double>{c.num("second_lr"), c.num("second_lr"), c.num("second_lr"), c.num("second_lr"),
                                                c.num("second_lr") * c.num("gamma")});
            continue;
        } else {
            scheduler = scheduler_of(c, sgd);
        }
        INFO(c.title);
        REQUIRE(scheduler);
        note();
        const auto count = c.tensor<double>("lr").numel();
        for (std::int64_t epoch = 1; epoch < count; ++epoch) {
            scheduler->step();
            note();
        }
        check(c, "lr", rates);
        if (c.op == "one_cycle_lr" && c.flag("cycle_momentum", true)) check(c, "momentum", momenta);
    }
}

TEST_CASE("a scheduler goes on from its state", "[optim]") {
    auto sgd = optimizer(0.5), other = optimizer(0.5);
    optim::CosineAnnealingLR first(sgd, 10), second(other, 10);
    for (int i = 0; i < 4; ++i) first.step();
    second.load_state_dict(first.state_dict());
    CHECK(other.lr(0) == sgd.lr(0));
    first.step();
    second.step();
    CHECK(other.lr(0) == sgd.lr(0));
}

TEST_CASE("a scheduler refuses an epoch that cannot be one", "[optim]") {
    const Tensor<> p = zeros({1}).requires_grad_();
    optim::SGD sgd({p}, {.lr = 0.5});
    optim::StepLR schedule(sgd, 2);
    for (const std::int64_t epoch : {std::int64_t{-1}, std::int64_t{1} << 60}) {
        CHECK_THROWS_AS(schedule.load_state_dict({{"last_epoch", full<std::int64_t, Cpu>({}, epoch)}}), ValueError);
        CHECK(schedule.last_epoch() == 0);
    }
    schedule.load_state_dict({{"last_epoch", full<std::int64_t, Cpu>({}, 4)}});
    CHECK(sgd.lr(0) == Approx(0.005));
}

TEST_CASE("schedulers refuse options that make no sense", "[optim]") {
    auto sgd = optimizer(0.5);
    CHECK_THROWS_AS(optim::StepLR(sgd, 0), ValueError);
    CHECK_THROWS_AS(optim::LinearLR(sgd, 0.0), ValueError);
    CHECK_THROWS_AS(optim::OneCycleLR(sgd, {.max_lr = 1}), ValueError);
    CHECK_THROWS_AS(optim::SequentialLR(sgd, {}, {}), ValueError);
    CHECK_THROWS_AS(optim::ReduceLROnPlateau(sgd, {.factor = 1.5}), ValueError);
}
