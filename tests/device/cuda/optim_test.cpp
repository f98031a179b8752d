// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Optimisers on the GPU: their steps against the CPU's in double, recorded steps, saved states, clipping.

#include "headtorch/cuda.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

/// Sizes that fill no load, no block and no launch, and more tensors than a kernel's arguments hold.
std::vector<std::int64_t> sizes_of_parameters() {
    std::vector<std::int64_t> sizes = {1, 3, 4, 255, 1000, 4096, 4097, 9001, 0, 7};
    for (int i = 0; i < 150; ++i) sizes.push_back(1 + i % 11);
    return sizes;
}

/// The same numbers for every type and device.
template <class T, class D>
Tensor<T, D> numbers(std::int64_t n, std::int64_t seed) {
    const auto host = empty<double, Cpu>({n});
    Generator generator(static_cast<std::uint64_t>(seed));
    host.normal_(0, 1, generator);
    const auto rounded = host.to<float>();  // which all types hold
    return rounded.template to<T>().template to<D>();
}

template <class T, class D>
std::vector<Tensor<T, D>> parameters() {
    std::vector<Tensor<T, D>> all;
    for (const std::int64_t n : sizes_of_parameters())
        all.push_back(numbers<T, D>(n, n + static_cast<std::int64_t>(all.size())).requires_grad_());
    return all;
}
template <class T, class D>
void give_gradients(const std::vector<Tensor<T, D>>& all, std::int64_t step, bool skip = false) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (skip && (static_cast<std::int64_t>(i) + step) % 5 == 0)
            all[i].zero_grad();
        else
            all[i].set_grad(numbers<T, D>(all[i].numel(), 1000 * step + static_cast<std::int64_t>(i)));
    }
}

template <class T, class D>
std::vector<double> all_values(const std::vector<Tensor<T, D>>& tensors) {
    std::vector<double> all;
    for (const auto& x : tensors)
        for (const T value : x.detach().tolist()) all.push_back(static_cast<double>(value));
    return all;
}
void agree(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        if (!(std::abs(got[i] - want[i]) <= tolerance * std::max(1.0, std::abs(want[i]))))
            FAIL("element " << i << ": " << got[i] << " instead of " << want[i]);
}

/// Ten steps; some parameters have no gradient in some.
template <template <class, class> class Optimizer, class T, class D, class Options>
std::vector<double> ten_steps(const Options& options) {
    const auto all = parameters<T, D>();
    Optimizer<T, D> optimizer(all, options);
    for (int step = 1; step <= 10; ++step) {
        give_gradients(all, step, true);
        if (step == 6) optimizer.lr(0) *= 0.5;
        optimizer.step();
    }
    return all_values(all);
}
template <template <class, class> class Optimizer, class Options>
void check(Options options) {
    const auto want = ten_steps<Optimizer, double, Cpu>(options);
    agree(ten_steps<Optimizer, double, Cuda>(options), want, 1e-12);
    agree(ten_steps<Optimizer, float, Cuda>(options), want, 2e-6);
    options.capturable = true;
    agree(ten_steps<Optimizer, double, Cpu>(options), want, 1e-13);
    agree(ten_steps<Optimizer, double, Cuda>(options), want, 1e-12);
    agree(ten_steps<Optimizer, float, Cuda>(options), want, 2e-6);
}

}  // namespace

TEST_CASE("steps of SGD on the GPU", "[cuda]") {
    check<optim::SGD>(optim::SGDOptions{.lr = 0.1});
    check<optim::SGD>(optim::SGDOptions{.lr = 0.1, .weight_decay = 0.1, .maximize = true});
    check<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.3});
    check<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.8, .nesterov = true});
}

TEST_CASE("steps of Adam and its kin on the GPU", "[cuda]") {
    check<optim::Adam>(optim::AdamOptions{.lr = 0.01});
    check<optim::Adam>(optim::AdamOptions{.lr = 0.01, .betas = {0.8, 0.9}, .weight_decay = 0.1, .amsgrad = true, .maximize = true});
    check<optim::AdamW>(optim::AdamWOptions{.lr = 0.01, .weight_decay = 0.2});
    check<optim::AdamW>(optim::AdamWOptions{.lr = 0.01, .amsgrad = true});
    check<optim::NAdam>(optim::NAdamOptions{.lr = 0.01, .weight_decay = 0.1});
    check<optim::NAdam>(optim::NAdamOptions{.lr = 0.01, .weight_decay = 0.1, .decoupled_weight_decay = true});
    check<optim::RAdam>(optim::RAdamOptions{.lr = 0.01, .weight_decay = 0.1});
    check<optim::RAdam>(optim::RAdamOptions{.lr = 0.01, .betas = {0.9, 0.7}, .weight_decay = 0.1, .decoupled_weight_decay = true});
}

TEST_CASE("steps of RMSprop, Adagrad and Adadelta on the GPU", "[cuda]") {
    check<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.01, .weight_decay = 0.1});
    check<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.01, .momentum = 0.9});
    check<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.01, .eps = 0.1, .centered = true});
    check<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.01, .eps = 0.1, .momentum = 0.5, .centered = true});
    check<optim::Adagrad>(optim::AdagradOptions{.lr = 0.1, .lr_decay = 0.1, .initial_accumulator_value = 0.5});
    check<optim::Adadelta>(optim::AdadeltaOptions{.rho = 0.8, .weight_decay = 0.1});
}

TEST_CASE("groups of different rates", "[cuda]") {
    const auto run = []<class D>(D, bool capturable) {
        const auto a = numbers<double, D>(100, 1).requires_grad_(), b = numbers<double, D>(50, 2).requires_grad_();
        using Adam = optim::Adam<double, D>;
        Adam adam({typename Adam::Group{{a}, {.lr = 0.1, .capturable = capturable}},
                   typename Adam::Group{{b}, {.lr = 0.01, .weight_decay = 0.1, .capturable = capturable}}});
        for (int step = 1; step <= 4; ++step) {
            give_gradients(std::vector<Tensor<double, D>>{a, b}, step);
            adam.step();
        }
        return all_values(std::vector<Tensor<double, D>>{a, b});
    };
    const auto want = run(Cpu{}, false);
    agree(run(Cuda{}, false), want, 1e-12);
    agree(run(Cuda{}, true), want, 1e-12);
}

namespace {

template <template <class, class> class Optimizer, class Options>
void check_recorded(Options options) {
    options.capturable = true;
    const auto plain = parameters<float, Cuda>(), recorded = parameters<float, Cuda>();
    Optimizer<float, Cuda> first(plain, options), second(recorded, options);
    for (int step = 1; step <= 2; ++step) {
        give_gradients(plain, 1);
        first.step();
        give_gradients(recorded, 1);
        second.step();
    }
    cuda::Graph graph;
    graph.capture([&] { second.step(); });
    for (int step = 3; step <= 8; ++step) {
        if (step == 5) first.lr(0) = second.lr(0) = 0.003;
        first.step();
        graph.replay();
    }
    CHECK(all_values(plain) == all_values(recorded));
    // what is saved knows of the replays, and what is loaded reaches them
    const auto saved = first.state_dict(), saved_recorded = second.state_dict();
    CHECK(saved.template get<std::int64_t, Cpu>("state.0.step").item() == 8);
    CHECK(saved_recorded.template get<std::int64_t, Cpu>("state.0.step").item() == 8);
    first.step();
    for (int step = 0; step < 3; ++step) graph.replay();
    {
        NoGrad guard;
        const auto again = parameters<float, Cuda>();
        for (std::size_t i = 0; i < again.size(); ++i) {
            plain[i].copy_(again[i]);
            recorded[i].copy_(again[i]);
        }
    }
    first.load_state_dict(saved);
    second.load_state_dict(saved);
    first.step();
    graph.replay();
    CHECK(all_values(plain) == all_values(recorded));
}

}  // namespace

TEST_CASE("recorded steps go on", "[cuda]") {
    check_recorded<optim::SGD>(optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
    check_recorded<optim::Adam>(optim::AdamOptions{.lr = 0.01, .amsgrad = true});
    check_recorded<optim::AdamW>(optim::AdamWOptions{.lr = 0.01});
    check_recorded<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.01});
    check_recorded<optim::NAdam>(optim::NAdamOptions{.lr = 0.01});
    check_recorded<optim::RAdam>(optim::RAdamOptions{.lr = 0.01});
}

TEST_CASE("what cannot be recorded says so", "[cuda]") {
    const auto p = numbers<float, Cuda>(10, 1).requires_grad_();
    p.set_grad(numbers<float, Cuda>(10, 2));
    optim::Adam<float, Cuda> fixed({p}), fresh({p}, {.capturable = true});
    cuda::Graph graph;
    fixed.step();
    CHECK_THROWS_WITH(graph.capture([&] { fixed.step(); }), contains("Adam: a step that is recorded would not count"));
    CHECK_THROWS_WITH(graph.capture([&] { fresh.step(); }), contains("Adam: make a step before one is recorded"));
    fresh.step();
    graph.capture([&] { fresh.step(); });
    CHECK(graph.captured());
}

TEST_CASE("a graph outlives its optimiser", "[cuda]") {
    const auto after_three_steps = [](bool by_graph) {
        const auto p = numbers<float, Cuda>(10, 1).requires_grad_();
        p.set_grad(numbers<float, Cuda>(10, 2));
        auto adam = std::make_unique<optim::Adam<float, Cuda>>(std::vector{p}, optim::AdamOptions{.lr = 0.1, .capturable = true});
        for (int step = 0; step < 2; ++step) adam->step();
        if (!by_graph) {
            adam->step();
            return p.detach().tolist();
        }
        cuda::Graph graph;
        graph.capture([&] { adam->step(); });
        adam.reset();
        // what the optimiser had in memory would be given to one of these
        std::vector<Tensor<float, Cuda>> others;
        for (int i = 0; i < 40; ++i) others.push_back(full<float, Cuda>({1 + i % 16}, 1e6f));
        graph.replay();
        return p.detach().tolist();
    };
    CHECK(after_three_steps(true) == after_three_steps(false));
}

TEST_CASE("clipping on the GPU", "[cuda]") {
    for (const double power : {2.0, 1.0, 3.0, std::numeric_limits<double>::infinity()})
        for (const double bound : {0.5, 1e9}) {
            const auto want = parameters<double, Cpu>();
            const auto got = parameters<double, Cuda>();
            const auto single = parameters<float, Cuda>();
            give_gradients(want, 1, true);
            give_gradients(got, 1, true);
            give_gradients(single, 1, true);
            const double norm = optim::clip_grad_norm(want, bound, power);
            CHECK(optim::clip_grad_norm(got, bound, power) == Approx(norm).epsilon(1e-12));
            CHECK(optim::clip_grad_norm_(single, bound, power).item() == Approx(norm).epsilon(1e-6));
            for (std::size_t i = 0; i < want.size(); ++i) {
                REQUIRE(want[i].grad().defined() == got[i].grad().defined());
                if (!want[i].grad().defined()) continue;
                const auto clipped = all_values(std::vector{want[i].grad()});
                agree(all_values(std::vector{got[i].grad()}), clipped, 1e-12);
                agree(all_values(std::vector{single[i].grad()}), clipped, 1e-6);
            }
        }
    const auto p = numbers<float, Cuda>(4, 1).requires_grad_();
    p.set_grad(full<float, Cuda>({4}, std::numeric_limits<float>::infinity()));
    CHECK_THROWS_AS(optim::clip_grad_norm_(std::vector{p}, 1, 2, true), ValueError);
    CHECK(std::isinf(p.grad().tolist()[0]));
    CHECK(std::isinf(optim::clip_grad_norm(std::vector{p}, 1)));
    CHECK(std::isnan(p.grad().tolist()[0]));
}
