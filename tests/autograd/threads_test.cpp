// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Several threads at one model: the preset tsan runs this under the thread sanitizer.
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "headtorch/nn/activation.hpp"
#include "headtorch/nn/linear.hpp"
#include "headtorch/nn/sequential.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

constexpr int thread_count = 8;

/// Runs body(0), …, body(7) at once. Catch's macros are for the main thread only, so that bodies report by what they return.
template <class Body>
int failures_in_threads(const Body& body) {
    std::atomic<int> waiting{thread_count}, failures{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < thread_count; ++i)
        threads.emplace_back([&, i] {
            --waiting;
            while (waiting.load() > 0) std::this_thread::yield();
            try {
                if (!body(i)) ++failures;
            } catch (...) {
                ++failures;
            }
        });
    for (auto& thread : threads) thread.join();
    return failures.load();
}

nn::Sequential<> small_network() {
    manual_seed(3);
    return nn::Sequential<>(nn::Linear<>(4, 16), nn::ReLU(), nn::Linear<>(16, 16), nn::ReLU(), nn::Linear<>(16, 1));
}

}  // namespace

TEST_CASE("eight threads read one model", "[autograd]") {
    auto net = small_network();
    std::vector<Tensor<>> inputs, expected;
    for (int i = 0; i < thread_count; ++i) {
        inputs.push_back(randn({10 + i, 4}));
        NoGrad guard;
        expected.push_back(net(inputs.back()));
    }
    CHECK(failures_in_threads([&](int i) {
              const auto k = static_cast<std::size_t>(i);
              NoGrad guard;
              bool good = true;
              for (int round = 0; round < 20; ++round) good = good && equal(net(inputs[k]), expected[k]);
              return good;
          }) == 0);
}

TEST_CASE("eight threads take gradients through one model, each its own", "[autograd]") {
    auto net = small_network();
    const auto parameters = net.parameters();
    const std::vector<Tensor<>> xs(parameters.begin(), parameters.end());
    const auto input = randn({12, 4});
    const auto expected = grad(net(input).square().mean(), xs);
    CHECK(failures_in_threads([&](int) {
              bool good = true;
              for (int round = 0; round < 10; ++round) {
                  const auto gradients = grad(net(input).square().mean(), xs);
                  for (std::size_t k = 0; k < xs.size(); ++k) good = good && equal(gradients[k], expected[k]);
              }
              return good;
          }) == 0);
    for (const auto& x : xs) CHECK_FALSE(x.grad().defined());
}

TEST_CASE("eight threads gather gradients in the same leaves", "[autograd]") {
    auto net = small_network();
    const auto parameters = net.parameters();
    const std::vector<Tensor<>> xs(parameters.begin(), parameters.end());
    constexpr int rounds = 10;
    std::vector<Tensor<>> inputs;
    std::vector<Tensor<double>> expected;
    for (const auto& x : xs) expected.push_back(zeros<double>(x.shape()));
    for (int i = 0; i < thread_count; ++i) {
        inputs.push_back(randn({5, 4}));
        const auto gradients = grad(net(inputs.back()).sum(), xs);
        for (std::size_t k = 0; k < xs.size(); ++k) expected[k] += gradients[k].to<double>() * rounds;
    }
    CHECK(failures_in_threads([&](int i) {
              for (int round = 0; round < rounds; ++round) net(inputs[static_cast<std::size_t>(i)]).sum().backward();
              return true;
          }) == 0);
    for (std::size_t k = 0; k < xs.size(); ++k) CHECK(allclose(xs[k].grad().to<double>(), expected[k], 1e-4, 1e-4));
}

TEST_CASE("counts in shared leaves are exact", "[autograd]") {
    const auto x = zeros({3}).requires_grad_();
    CHECK(failures_in_threads([&](int) {
              for (int round = 0; round < 200; ++round) (x * 2.0f).sum().backward();
              return true;
          }) == 0);
    CHECK(x.grad().tolist() == std::vector<float>(3, 2.0f * 200 * thread_count));
}

TEST_CASE("tensors and graphs made by one thread die in another", "[autograd]") {
    const auto x = ones({64}).requires_grad_();
    std::vector<Tensor<>> made(thread_count);
    CHECK(failures_in_threads([&](int i) {
              auto y = x;
              for (int k = 0; k < 50; ++k) y = y * 1.01f;
              made[static_cast<std::size_t>(i)] = y.sum();
              return true;
          }) == 0);
    CHECK(failures_in_threads([&](int i) {
              // the neighbour's graph: backward, then its end
              auto y = std::move(made[static_cast<std::size_t>((i + 1) % thread_count)]);
              y.backward();
              y = Tensor<>();
              return true;
          }) == 0);
    CHECK(x.grad()[0].item() == Approx(thread_count * std::pow(1.01, 50)).epsilon(1e-5));
}

TEST_CASE("recording is switched off for one thread only", "[autograd]") {
    const auto x = ones({2}).requires_grad_();
    CHECK(failures_in_threads([&](int i) {
              if (i % 2 == 0) {
                  NoGrad guard;
                  for (int k = 0; k < 100; ++k)
                      if ((x * 2.0f).requires_grad()) return false;
              } else {
                  for (int k = 0; k < 100; ++k)
                      if (!(x * 2.0f).requires_grad()) return false;
              }
              return true;
          }) == 0);
}

TEST_CASE("the default generator serves several threads", "[autograd]") {
    CHECK(failures_in_threads([&](int) {
              bool good = true;
              for (int k = 0; k < 50; ++k) {
                  const auto u = rand({20});
                  good = good && headtorch::all(u >= 0.0f).item() && headtorch::all(u < 1.0f).item();
              }
              return good;
          }) == 0);
}
