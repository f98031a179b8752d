// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Random tensors of the GPU: members, permutations, categories, dropout and its gradient, graphs, and weights the same on both devices.

#include "headtorch/cuda.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("members draw on the GPU in the order of memory", "[cuda]") {
    manual_seed(1);
    const auto straight = empty<float, Cuda>({30, 20}).uniform_(-1, 2);
    const auto next = rand<float, Cuda>({5}).tolist();
    manual_seed(1);
    const auto turned = empty<float, Cuda>({20, 30}).t();
    turned.uniform_(-1, 2);
    CHECK(turned.t().tolist() == straight.view(20, 30).tolist());
    CHECK(rand<float, Cuda>({5}).tolist() == next);
    manual_seed(1);
    const auto wide = zeros<float, Cuda>({30, 40});
    wide.narrow(1, 10, 20).uniform_(-1, 2);
    CHECK(wide.narrow(1, 10, 20).contiguous().tolist() == straight.tolist());
    CHECK(sum(abs(wide.narrow(1, 0, 10))).item() == 0);
    const auto x = zeros<float, Cuda>({3});
    const auto version = x.get()->version();
    x.normal_();
    CHECK(x.get()->version() != version);
    const auto leaf = zeros<float, Cuda>({3}).requires_grad_();
    CHECK_THROWS_AS(leaf.normal_(), AutogradError);
    CHECK(randint<std::int64_t, Cuda>(5, {0}).numel() == 0);
    CHECK(randn<double, Cuda>({2, 3}).shape() == Shape({2, 3}));
}

TEST_CASE("permutations of the GPU", "[cuda]") {
    manual_seed(2);
    for (const std::int64_t n : {0, 1, 2, 100, 5000}) {
        auto order = randperm<std::int64_t, Cuda>(n).tolist();
        if (n >= 100) CHECK(!std::is_sorted(order.begin(), order.end()));
        std::sort(order.begin(), order.end());
        for (std::int64_t i = 0; i < n; ++i) REQUIRE(order[static_cast<std::size_t>(i)] == i);
    }
    CHECK(randperm<float, Cuda>(50).tolist() != randperm<float, Cuda>(50).tolist());
    // all six orders of three are as likely
    std::vector<int> count(6);
    for (int i = 0; i < 600; ++i) {
        const auto order = randperm<std::int64_t, Cuda>(3).tolist();
        ++count[static_cast<std::size_t>(order[0] * 2 + (order[1] > order[2]))];
    }
    double chi = 0;
    for (const int c : count) chi += (c - 100.0) * (c - 100.0) / 100;
    CHECK(chi < 20.5);
}

TEST_CASE("probabilities for each element, on the GPU", "[cuda]") {
    manual_seed(3);
    const auto p = Tensor<float, Cpu>(linspace<float, Cpu>(0, 1, 5)).reshape({5, 1}).to<Cuda>();
    const auto x = bernoulli(p.expand({5, 20000}));
    const auto share = mean(x, 1).tolist();
    for (std::size_t i = 0; i < 5; ++i) CHECK(std::abs(share[i] - 0.25 * static_cast<double>(i)) <= (i % 4 == 0 ? 0 : 0.015));
    for (const float bad : {-0.5f, 1.5f, std::numeric_limits<float>::quiet_NaN()}) {
        const auto wrong = full<float, Cuda>({10}, 0.5f);
        wrong.select(0, 7).fill_(bad);
        CHECK_THROWS_WITH(bernoulli(wrong), contains("bernoulli: the probability must be between 0 and 1, got "));
    }
}

TEST_CASE("categories of the GPU", "[cuda]") {
    manual_seed(4);
    const std::vector<double> weights = {1, 0, 3, 2, 0.5};
    const auto w = tensor<float, Cpu>({1, 0, 3, 2, 0.5f}).to<Cuda>();
    const auto check_shares = [&](const std::vector<std::int64_t>& drawn) {
        std::vector<double> count(5);
        for (const std::int64_t c : drawn) {
            REQUIRE((c >= 0 && c < 5));
            ++count[static_cast<std::size_t>(c)];
        }
        CHECK(count[1] == 0);
        const double n = static_cast<double>(drawn.size());
        for (std::size_t i = 0; i < 5; ++i) {
            const double p = weights[i] / 6.5;
            CHECK(std::abs(count[i] - p * n) <= 4 * std::sqrt(p * (1 - p) * n));
        }
    };
    check_shares(multinomial(w, 20000, true).tolist());
    check_shares(multinomial(w.expand({20000, 5}), 1).view(-1).tolist());
    // without replacement the first is drawn in the same proportions, and nobody twice
    const auto three = multinomial(w.expand({5000, 5}), 3);
    CHECK(three.shape() == Shape({5000, 3}));
    check_shares(three.select(1, 0).contiguous().tolist());
    const auto drawn = three.tolist();
    for (std::size_t row = 0; row < 5000; ++row) REQUIRE(std::set<std::int64_t>(&drawn[3 * row], &drawn[3 * row] + 3).size() == 3);
    // rows of their own, and more categories than a block has threads
    const auto one_hot = eye<float, Cpu>(700, 700).to<Cuda>();
    const auto diagonal = multinomial(one_hot, 2, true).tolist();
    for (std::size_t i = 0; i < diagonal.size(); ++i) REQUIRE(diagonal[i] == static_cast<std::int64_t>(i / 2));
    CHECK(multinomial(one_hot.narrow(0, 600, 1), 1).item() == 600);
    auto order = multinomial(full<double, Cuda>({1000}, 2.0), 1000).tolist();
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < 1000; ++i) REQUIRE(order[i] == static_cast<std::int64_t>(i));

    const auto with = [&](float value, std::int64_t samples) { return multinomial(tensor<float, Cpu>({1, value, 0}).to<Cuda>(), samples); };
    CHECK_THROWS_WITH(with(-1, 1), "multinomial: a weight is negative or not finite");
    CHECK_THROWS_WITH(with(std::numeric_limits<float>::infinity(), 1), "multinomial: a weight is negative or not finite");
    CHECK_THROWS_WITH(with(2, 3), "multinomial: cannot take 3 of 2 categories without replacement");
    CHECK_THROWS_WITH(multinomial(zeros<float, Cuda>({2, 3}), 1), "multinomial: the weights of a row are all zero");
}

TEST_CASE("dropout on the GPU", "[cuda]") {
    manual_seed(5);
    const auto x = randn<double, Cpu>({40, 50}).to<Cuda>().requires_grad_();
    const auto y = dropout(x, 0.3);
    sum(y * y).backward();
    const auto in = x.detach().tolist(), out = y.detach().tolist(), g = x.grad().tolist();
    int kept = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
        const bool keep = out[i] != 0;
        kept += keep;
        REQUIRE(out[i] == (keep ? Approx(in[i] / 0.7) : Approx(0)));
        REQUIRE(g[i] == (keep ? Approx(2 * in[i] / 0.49) : Approx(0)));
    }
    CHECK(std::abs(kept - 1400) < 4 * std::sqrt(2000 * 0.21));
    CHECK(dropout(x, 0.3).detach().tolist() != out);
    // twice differentiable, and the same elements drop
    const auto again = dropout(x, 0.5);
    const auto first = grad(sum(pow(again, 3)), {x}, {.create_graph = true});
    const auto second = grad(sum(first), {x}).tolist();
    const auto kept_now = again.detach().tolist();
    for (std::size_t i = 0; i < in.size(); ++i) REQUIRE(second[i] == Approx(kept_now[i] != 0 ? 6 * 8 * in[i] : 0));
    // turned input
    const auto turned = dropout(x.t(), 0.5).detach().t().contiguous().tolist();
    for (std::size_t i = 0; i < in.size(); ++i) REQUIRE((turned[i] == 0 || turned[i] == Approx(2 * in[i])));

    const auto channels = dropout2d(ones<float, Cuda>({20, 30, 4, 4}), 0.25);
    const auto sums = sum(channels, {2, 3}).view(-1).tolist();
    for (const float s : sums) REQUIRE((s == 0 || s == Approx(16 / 0.75)));
    CHECK(std::abs(static_cast<double>(std::count(sums.begin(), sums.end(), 0.0f)) - 150) < 50);
    CHECK(dropout(x, 0).is_same(x));
    CHECK(sum(abs(dropout(x, 1))).item() == 0);

    const auto normal = randn<float, Cuda>({20000}).requires_grad_();
    const auto alpha = alpha_dropout(normal, 0.2, true);
    CHECK(std::abs(mean(alpha).item()) < 0.04);
    CHECK(std::abs(var(alpha).item() - 1) < 0.06);
    sum(alpha).backward();
    const auto slope = normal.grad().tolist(), before = normal.detach().tolist(), after = alpha.detach().tolist();
    const double limit = 1.7580993408473766, scale = 1 / std::sqrt((limit * limit * 0.2 + 1) * 0.8);
    for (std::size_t i = 0; i < 100; ++i) {
        const bool keep = slope[i] != 0;
        REQUIRE(slope[i] == Approx(keep ? scale : 0));
        REQUIRE(after[i] == Approx(((keep ? static_cast<double>(before[i]) : -limit) + limit * 0.2) * scale).epsilon(1e-5));
    }
}

TEST_CASE("what graphs draw is theirs, and reproducible", "[cuda]") {
    const auto run = [] {
        manual_seed(6);
        const auto x = zeros<float, Cuda>({101}), z = ones<float, Cuda>({100}), dropped = zeros<float, Cuda>({100});
        const auto y = zeros<double, Cuda>({50});
        cuda::Graph graph, other;
        graph.capture([&] {
            x.uniform_();
            y.normal_();
            dropped.copy_(dropout(z));
        });
        other.capture([&] { x.uniform_(); });
        std::vector<std::vector<double>> seen;
        const auto note = [&](const auto& tensor) {
            std::vector<double> values;
            for (const auto value : tensor.tolist()) values.push_back(static_cast<double>(value));
            seen.push_back(values);
        };
        for (int i = 0; i < 3; ++i) {
            graph.replay();
            note(x);
            note(y);
            note(dropped);
            other.replay();
            note(x);
            note(x.uniform_());
        }
        return seen;
    };
    const auto first = run(), second = run();
    CHECK(first == second);
    CHECK(std::set<std::vector<double>>(first.begin(), first.end()).size() == first.size());
}

TEST_CASE("weights are the same on both devices", "[cuda]") {
    manual_seed(7);
    nn::Linear<float, Cpu> host(20, 30);
    manual_seed(7);
    nn::Linear<float, Cuda> device(20, 30);
    CHECK(host.weight.tolist() == device.weight.tolist());
    CHECK(host.bias.tolist() == device.bias.tolist());
}
