// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// softmax and log_softmax: every length of line, large numbers, threads, both gradients.
// Their values against PyTorch: scan_sort_reference_test.
#include "headtorch/ops/softmax.hpp"

#include <cmath>
#include <limits>

#include "headtorch/autograd/gradcheck.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
Tensor<T> sample(const Shape& shape) {
    Generator generator(3);
    const auto x = empty<T>(shape);
    x.normal_(0, 2, generator);
    return x;
}

double largest_difference(const std::vector<float>& a, const std::vector<double>& b) {
    double most = 0;
    for (std::size_t i = 0; i < b.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    return a.size() == b.size() ? most : 1;
}

}  // namespace

TEST_CASE("lines of every length, adjacent or not, agree with the definition", "[ops]") {
    for (const std::int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000, 5000}) {
        INFO(n);
        const auto x = sample<float>({3, n});
        const auto host = x.to<Cpu>();
        std::vector<double> p, log_p;
        for (std::int64_t row = 0; row < 3; ++row) {
            double sum = 0;
            for (std::int64_t k = 0; k < n; ++k) sum += std::exp(static_cast<double>(host.data()[row * n + k]));
            for (std::int64_t k = 0; k < n; ++k) {
                log_p.push_back(static_cast<double>(host.data()[row * n + k]) - std::log(sum));
                p.push_back(std::exp(log_p.back()));
            }
        }
        CHECK(largest_difference(softmax(x, 1).tolist(), p) < 3e-7);
        CHECK(largest_difference(log_softmax(x, -1).tolist(), log_p) < 3e-6);
        CHECK(largest_difference(softmax(x.t(), 0).t().tolist(), p) < 3e-7);
        CHECK(largest_difference(softmax(x.t().contiguous(), 0).t().tolist(), p) < 3e-7);
        CHECK(largest_difference(log_softmax(x.t().contiguous(), 0).t().tolist(), log_p) < 3e-6);
    }
}

TEST_CASE("the kernel's gradient is the recorded one", "[ops]") {
    for (const auto& [shape, dim] :
         {std::pair{Shape{4, 10}, 1}, std::pair{Shape{2, 37, 3}, 1}, std::pair{Shape{40, 9}, 0}, std::pair{Shape{2, 100}, 1}}) {
        const auto x = sample<double>(shape).requires_grad_();
        const auto g = sample<double>(shape) * 0.5;
        for (const bool log_of_it : {false, true}) {
            const auto f = [&, d = dim] { return log_of_it ? log_softmax(x, d) : softmax(x, d); };
            const auto fused = grad(f(), std::vector{x}, g)[0].tolist();
            const auto recorded = grad(f(), std::vector{x}, g, {.create_graph = true})[0].tolist();
            for (std::size_t i = 0; i < fused.size(); ++i) CHECK(fused[i] == Approx(recorded[i]).margin(1e-12));
        }
    }
}

TEST_CASE("large, infinite and empty lines", "[ops]") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    CHECK(softmax(tensor<float>({1000, 1000}), 0).tolist() == std::vector<float>{0.5f, 0.5f});
    CHECK(log_softmax(tensor<float>({-1000, 0}), 0).tolist() == std::vector<float>{-1000, 0});
    CHECK(softmax(tensor<float>({-infinity, 0}), 0).tolist() == std::vector<float>{0, 1});
    CHECK(std::isnan(softmax(tensor<float>({-infinity, -infinity}), 0).tolist()[0]));
    CHECK(softmax(zeros<float>({0, 3}), 1).shape() == Shape{0, 3});
    CHECK(softmax(zeros<float>({3, 0}), 1).shape() == Shape{3, 0});
    CHECK(softmax(tensor<float>(5.0f), 0).item() == 1);
    CHECK_THROWS_WITH(softmax(zeros<float>({3}), 1), "softmax: dimension out of range: expected [-1, 0], but got 1");
    CHECK_THROWS_AS(log_softmax(zeros<float>({3}), -2), IndexError);
}

TEST_CASE("softmax does not depend on the number of threads", "[ops]") {
    const auto x = sample<float>({500, 300});
    const auto results = [&] { return std::vector{softmax(x, 1).tolist(), softmax(x, 0).tolist(), log_softmax(x, 1).tolist()}; };
    check_with_threads(results);
}
