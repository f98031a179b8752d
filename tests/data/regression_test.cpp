// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/regression.hpp"

#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

TEST_CASE("make_regression gives scikit-learn's numbers", "[data]") {
    for (int seed : {0, 42, 2020}) {
        const auto [x, y] = make_regression<double>(15, {.n_features = 1, .noise = 10, .random_state = seed});
        const std::string name = "regression.one." + std::to_string(seed);
        check_bits(x, name + ".x");
        check_bits(y, name + ".y");
    }
    // With several features, NumPy's matrix product adds in an order of its own.
    const RegressionOptions many = {.n_features = 5, .n_informative = 3, .n_targets = 2, .bias = 4, .noise = 1, .random_state = 5};
    const auto a = make_regression_with_coef<double>(8, many);
    check_bits(a.x, "regression.many.x");
    check_close(a.y.tolist(), "regression.many.y", 1e-14);
    check_bits(a.coef, "regression.many.extra");
    CHECK(a.y.shape() == Shape{8, 2});
    CHECK(a.coef.shape() == Shape{5, 2});

    const auto b = make_regression_with_coef<double>(5, {.n_features = 3, .shuffle = false, .random_state = 5});
    check_bits(b.x, "regression.plain.x");
    check_close(b.y.tolist(), "regression.plain.y", 1e-14);
    check_bits(b.coef, "regression.plain.extra");
    CHECK(b.coef.shape() == Shape{3});
}

TEST_CASE("a low-rank x is scikit-learn's too", "[data]") {
    const auto tall = make_regression_with_coef<double>(9, {.n_features = 4, .effective_rank = 2, .tail_strength = 0.3, .random_state = 5});
    check_close(tall.x.tolist(), "regression.tall.x", 1e-14);
    check_close(tall.y.tolist(), "regression.tall.y", 1e-13);
    check_close(tall.coef.tolist(), "regression.tall.extra", 1e-14);
    const auto wide = make_regression_with_coef<double>(4, {.n_features = 6, .effective_rank = 3, .random_state = 6});
    check_close(wide.x.tolist(), "regression.wide.x", 1e-14);
    check_close(wide.y.tolist(), "regression.wide.y", 1e-13);
}

TEST_CASE("y is the coefficients' doing", "[data]") {
    const auto [x, y, coef] = make_regression_with_coef(6, {.n_features = 3, .n_informative = 2, .bias = 7, .random_state = 1});
    static_assert(std::is_same_v<decltype(x), const Tensor<float>>);
    for (int i = 0; i < 6; ++i) {
        double sum = 7;
        for (int j = 0; j < 3; ++j) sum += static_cast<double>(x.data()[3 * i + j]) * static_cast<double>(coef.data()[j]);
        CHECK(static_cast<double>(y.data()[i]) == Approx(sum).epsilon(1e-5));
    }
    const auto values = coef.tolist();
    CHECK(std::count(values.begin(), values.end(), 0.0f) == 1);
    CHECK(make_regression().x.shape() == Shape{100, 100});
    CHECK(make_regression(1, {.n_features = 1}).y.shape() == Shape{1});
    CHECK(make_regression(3, {.n_features = 2, .n_informative = 0}).y.tolist() == std::vector<float>{0, 0, 0});
}

TEST_CASE("numbers outside their domain are refused", "[data]") {
    CHECK_THROWS_WITH(make_regression(0), contains("make_regression: n_samples must be at least 1, but is 0"));
    CHECK_THROWS_AS(make_regression(5, {.n_features = 0}), ValueError);
    CHECK_THROWS_AS(make_regression(5, {.n_informative = -1}), ValueError);
    CHECK_THROWS_AS(make_regression(5, {.n_targets = 0}), ValueError);
    CHECK_THROWS_AS(make_regression(5, {.effective_rank = 0}), ValueError);
    CHECK_THROWS_AS(make_regression(5, {.effective_rank = 2, .tail_strength = 1.5}), ValueError);
    CHECK_THROWS_WITH(make_regression(5, {.noise = -1}), contains("make_regression: noise must not be negative, but is -1"));
    CHECK_THROWS_AS(make_regression(std::int64_t{1} << 40, {.n_features = std::int64_t{1} << 40}), ShapeError);
}
