// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pooling beyond the reference cases: every width of row, NaN and infinities, threads, wrong arguments.
#include <cmath>
#include <limits>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
Tensor<T> sample(const Shape& shape, std::uint64_t seed = 3) {
    Generator generator(seed);
    return empty<T>(shape).normal_(0, 1, generator);
}

/// Max pooling as one would write it down, with the gradient for g = 1, 2, 3, …
template <class T>
std::pair<std::vector<T>, std::vector<T>> plain_max_pool(const Tensor<T>& x, std::int64_t k, std::int64_t s, std::int64_t p,
                                                         std::int64_t d) {
    const std::int64_t planes = x.size(0), h = x.size(1), w = x.size(2);
    const std::int64_t rows = (h + 2 * p - d * (k - 1) - 1) / s + 1, columns = (w + 2 * p - d * (k - 1) - 1) / s + 1;
    const auto host = x.template to<Cpu>();
    std::vector<T> y, dx(static_cast<std::size_t>(x.numel()));
    for (std::int64_t n = 0; n < planes; ++n)
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j) {
                std::int64_t best = -1;
                for (std::int64_t a = 0; a < k; ++a)
                    for (std::int64_t b = 0; b < k; ++b) {
                        const std::int64_t r = i * s - p + a * d, c = j * s - p + b * d, at = (n * h + r) * w + c;
                        if (r >= 0 && r < h && c >= 0 && c < w && (best < 0 || host.data()[at] > host.data()[best])) best = at;
                    }
                y.push_back(host.data()[best]);
                dx[static_cast<std::size_t>(best)] += static_cast<T>(y.size());
            }
    return {y, dx};
}

template <class T>
void check_max_pool(const Tensor<T>& x, std::int64_t k, std::int64_t s, std::int64_t p, std::int64_t d) {
    INFO(x.shape().to_string() << " kernel " << k << " stride " << s << " padding " << p << " dilation " << d);
    const auto leaf = x.clone().requires_grad_();
    const auto y = max_pool2d(leaf, k, s, p, d);
    const auto [values, gradient] = plain_max_pool(x, k, s, p, d);
    CHECK(y.tolist() == values);
    CHECK(max_pool2d(x, k, s, p, d).tolist() == values);
    y.backward(arange<T>(1, y.numel() + 1).reshape(y.shape()));
    CHECK(leaf.grad().tolist() == gradient);
}

}  // namespace

TEST_CASE("max pooling of rows of every width", "[ops]") {
    for (std::int64_t width = 2; width < 70; width += width < 40 ? 1 : 7) {
        check_max_pool(sample<float>({2, 4, width}), 2, 2, 0, 1);
        check_max_pool(sample<double>({2, 5, width}), 2, 2, 0, 1);
        check_max_pool(sample<float>({2, 5, width + 1}), 3, 2, 1, 1);
        check_max_pool(sample<double>({1, 5, width + 1}), 3, 1, 1, 1);
        check_max_pool(sample<float>({1, 6, width + 3}), 2, 3, 1, 2);
    }
}

TEST_CASE("infinities and NaN in max pooling", "[ops]") {
    constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const auto low = full<float>({1, 4, 4}, -infinity);
    for (const std::int64_t k : {2, 3}) {
        const auto [values, indices] = max_pool2d_with_indices(low, k, 1, 1);
        CHECK(values.min().item() == -infinity);
        CHECK(values.max().item() == -infinity);
        CHECK(indices.min().item() == 0);
        CHECK(indices.tolist()[0] == 0);
    }
    CHECK(max_pool2d_with_indices(low, 2).indices.tolist() == std::vector<std::int64_t>{0, 2, 8, 10});
    auto x = zeros<float>({1, 4, 4});
    x(0, 1, 1) = nan;
    x(0, 2, 2) = infinity;
    for (const auto& y : {max_pool2d(x, 2), adaptive_max_pool2d(x, 2), max_pool2d(x, 2, 2, 0, 1, true)}) {
        CHECK(std::isnan(y.tolist()[0]));
        CHECK(y.tolist()[1] == 0);
        CHECK(y.tolist()[3] == infinity);
    }
    CHECK(std::isnan(max_pool2d(x, 3, 1).tolist()[0]));
    // the first of equal elements
    CHECK(max_pool2d_with_indices(ones({1, 4, 4}), 2).indices.tolist() == std::vector<std::int64_t>{0, 2, 8, 10});
    CHECK(adaptive_max_pool2d_with_indices(ones({1, 4, 4}), 1).indices.item() == 0);
}

TEST_CASE("means of large windows do not drift", "[ops]") {
    const auto x = full<float>({1, 1000, 1000}, 0.1);
    CHECK(avg_pool2d(x, 1000).item() == Approx(0.1f).epsilon(3e-7));
    CHECK(adaptive_avg_pool2d(x, 1).item() == Approx(0.1f).epsilon(3e-7));
}

TEST_CASE("pooling does not depend on the number of threads", "[ops]") {
    const auto results = [] {
        std::vector<std::vector<float>> found;
        const auto x = sample<float>({8, 6, 30, 31}).requires_grad_();
        for (const auto& y : {max_pool2d(x, 2), max_pool2d(x, 3, 1, 1), avg_pool2d(x, 3, 2, 1), adaptive_avg_pool2d(x, 7),
                              adaptive_max_pool2d(x, {4, 9}), lp_pool2d(x, 2, 3)}) {
            found.push_back(y.tolist());
            found.push_back(grad(square(y).sum(), std::vector<Tensor<>>{x})[0].tolist());
        }
        return found;
    };
    check_with_threads(results);
}

TEST_CASE("windows without a positive sum have no gradient in lp_pool2d", "[ops]") {
    const auto x = zeros({1, 4, 4}).requires_grad_();
    const auto y = lp_pool2d(x, 2, 2);
    CHECK(y.tolist() == std::vector<float>(4, 0));
    y.sum().backward();
    CHECK(x.grad().tolist() == std::vector<float>(16, 0));
}

TEST_CASE("unpooling puts values where they were taken from", "[ops]") {
    const auto x = sample<float>({2, 3, 5, 5});
    const auto [values, indices] = max_pool2d_with_indices(x, 2);
    const auto y = max_unpool2d(values, indices, 2, {}, 0, {5, 5});
    CHECK(y.shape() == x.shape());
    CHECK(((y == x) | (y == 0)).all().item());
    CHECK((y != 0).sum().item() == values.numel());
    CHECK(max_unpool2d(tensor({{{1, 2}}}), tensor<std::int64_t>({{{3, 3}}}), 2).tolist() == std::vector<float>{0, 0, 0, 2, 0, 0, 0, 0});
    CHECK_THROWS_WITH(max_unpool2d(values, indices, 2, {}, 0, {9, 5}),
                      "max_unpool2d: output_size [9, 5] does not come from these windows: size 0 must be between 3 and 5");
    CHECK_THROWS_AS(max_unpool2d(values, indices.narrow(0, 0, 1), 2), ShapeError);
    CHECK_THROWS_WITH(max_unpool2d(ones({1, 1, 1}), tensor<std::int64_t>({{{4}}}), 2),
                      "max_unpool2d: index 4 is outside of planes of 2 x 2");
    CHECK_THROWS_AS(max_unpool2d(ones({1, 1, 1}), tensor<std::int64_t>({{{-1}}}), 2), IndexError);
}

TEST_CASE("windows that do not fit are refused", "[ops]") {
    const auto x = ones({1, 2, 4, 4});
    CHECK_THROWS_WITH(max_pool2d(ones({4, 4}), 2), "max_pool2d: needs an input of 3 or 4 dimensions, got [4, 4]");
    CHECK_THROWS_WITH(max_pool1d(x, 2), "max_pool1d: needs an input of 2 or 3 dimensions, got [1, 2, 4, 4]");
    CHECK_THROWS_WITH(avg_pool2d(x, {2, 2, 2}), "avg_pool2d: kernel_size is one number or 2, got [2, 2, 2]");
    CHECK_THROWS_WITH(max_pool2d(x, 0), "max_pool2d: kernel_size must be at least 1 and less than 2^31, got [0]");
    CHECK_THROWS_WITH(max_pool2d(x, 2, 0), "max_pool2d: stride must be at least 1 and less than 2^31, got [0]");
    CHECK_THROWS_AS(max_pool2d(x, 2, 2, -1), ValueError);
    CHECK_THROWS_AS(max_pool2d(x, 2, 2, 0, std::int64_t{1} << 40), ValueError);
    CHECK_THROWS_WITH(avg_pool2d(x, 3, 1, 2),
                      "avg_pool2d: padding must be at most half of the window, got padding 2, kernel_size 3 and dilation 1");
    CHECK_THROWS_WITH(max_pool2d(x, 5),
                      "max_pool2d: a window of kernel_size [5, 5] does not fit into [1, 2, 4, 4]; use a smaller one, or padding");
    CHECK_THROWS_WITH(max_pool2d(ones({1, 2, 0, 4}), 2),
                      "max_pool2d: planes must have at least one and less than 2^31 elements, got [1, 2, 0, 4]");
    CHECK_THROWS_AS(adaptive_avg_pool2d(ones({1, 2, 0, 4}), 2), ShapeError);
    CHECK_THROWS_WITH(adaptive_avg_pool2d(x, -2), "adaptive_avg_pool2d: output_size must be at least -1 and less than 2^31, got [-2]");
    CHECK_THROWS_AS(adaptive_max_pool2d(x, {1, 2, 3}), ValueError);
    CHECK_THROWS_AS(adaptive_avg_pool2d(x, 2147483647), Error);
    CHECK_THROWS_WITH(avg_pool2d(x, 2, 2, 0, false, true, 0), "avg_pool2d: divisor_override must not be 0");
    CHECK_THROWS_WITH(lp_pool2d(x, 0, 2), "lp_pool2d: norm_type must not be 0");
    CHECK(max_pool2d(ones({0, 2, 4, 4}), 2).shape() == Shape{0, 2, 2, 2});
    CHECK(adaptive_avg_pool2d(ones({0, 2, 4, 4}), {-1, 1}).shape() == Shape{0, 2, 4, 1});
    const auto leaf = ones({1, 4, 4}).requires_grad_();
    adaptive_avg_pool2d(leaf, 0).sum().backward();
    CHECK(leaf.grad().tolist() == std::vector<float>(16, 0));
}
