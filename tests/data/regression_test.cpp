// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/regression.hpp"

#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

namespace {

void check_problem(const RegressionWithCoef<double>& problem, const std::string& name) {
    check_bits(problem.x, name + ".x");
    check_bits(problem.y, name + ".y");
    check_bits(problem.coef, name + ".extra");
}

void check_long(const RegressionWithCoef<double>& problem, const std::string& name) {
    check_digest(problem.x.tolist(), name + ".x");
    check_digest(problem.y.tolist(), name + ".y");
    check_digest(problem.coef.tolist(), name + ".extra");
}

}  // namespace

TEST_CASE("make_regression gives scikit-learn's numbers", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        const auto [x, y] = make_regression<double>(9, {.n_features = 1, .noise = 10, .random_state = seed});
        const std::string suffix = std::to_string(seed);
        check_bits(x, "regression.one." + suffix + ".x");
        check_bits(y, "regression.one." + suffix + ".y");
        const RegressionOptions many = {.n_features = 7, .n_informative = 3, .bias = 4, .noise = 1, .random_state = seed};
        check_problem(make_regression_with_coef<double>(5, many), "regression.many." + suffix);
        check_long(make_regression_with_coef<double>(500, {.n_features = 3, .noise = 10, .random_state = seed}),
                   "regression.long." + suffix);
    }
    const RegressionOptions targets = {.n_features = 5, .n_informative = 3, .n_targets = 2, .bias = 4, .noise = 1, .random_state = 5};
    check_problem(make_regression_with_coef<double>(8, targets), "regression.targets");
    check_problem(make_regression_with_coef<double>(5, {.n_features = 3, .shuffle = false, .random_state = 5}), "regression.plain");
    for (int rows = 1; rows < 8; ++rows)
        check_long(make_regression_with_coef<double>(rows, {.n_features = rows + 4, .random_state = rows}),
                   "regression.rows." + std::to_string(rows));
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
