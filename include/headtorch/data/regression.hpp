// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// make_regression: a random linear problem. A given random_state gives the numbers of scikit-learn's function of the same name (its matrix
/// products: see matrix_product.hpp; with an effective_rank, up to the rounding of LAPACK's QR).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/matrix_product.hpp"
#include "headtorch/data/numpy_random.hpp"
#include "headtorch/data/synthetic.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// x is [n, features]; y is [n], or [n, targets] when there are several.
template <Floating T>
struct Regression {
    Tensor<T, Cpu> x, y;
};

/// With the coefficients that y was made with: [features], or [features, targets].
template <Floating T>
struct RegressionWithCoef {
    Tensor<T, Cpu> x, y, coef;
};

struct RegressionOptions {
    std::int64_t n_features = 100;
    std::int64_t n_informative = 10;  ///< features that y depends on
    std::int64_t n_targets = 1;
    double bias = 0;
    std::optional<std::int64_t> effective_rank{};  ///< about as many singular vectors explain most of x; independent features when absent
    double tail_strength = 0.5;                    ///< weight of the other singular vectors, in [0, 1]
    double noise = 0;                              ///< standard deviation of what is added to y
    bool shuffle = true;
    RandomSource random_state{};
};

namespace detail {

/// The orthonormal columns Q of a = QR, a row-major m x n, n <= m, in place; by Householder reflections with LAPACK's signs.
inline void orthonormalise(std::vector<double>& a, std::int64_t m, std::int64_t n) {
    const auto at = [&, n](std::int64_t i, std::int64_t j) -> double& { return a[static_cast<std::size_t>(i * n + j)]; };
    std::vector<double> taus(static_cast<std::size_t>(n));
    const auto reflect = [&](std::int64_t k, std::int64_t j) {  // column j by the vector (1, a(k + 1, k), …, a(m - 1, k))
        double dot = at(k, j);
        for (std::int64_t i = k + 1; i < m; ++i) dot += at(i, k) * at(i, j);
        dot *= taus[static_cast<std::size_t>(k)];
        at(k, j) -= dot;
        for (std::int64_t i = k + 1; i < m; ++i) at(i, j) -= dot * at(i, k);
    };
    for (std::int64_t k = 0; k < n; ++k) {
        double squares = 0;
        for (std::int64_t i = k + 1; i < m; ++i) squares += at(i, k) * at(i, k);
        if (squares == 0) continue;  // tau is 0: nothing to reflect
        const double alpha = at(k, k), beta = -std::copysign(std::sqrt(alpha * alpha + squares), alpha);
        taus[static_cast<std::size_t>(k)] = (beta - alpha) / beta;
        for (std::int64_t i = k + 1; i < m; ++i) at(i, k) /= alpha - beta;
        at(k, k) = beta;
        for (std::int64_t j = k + 1; j < n; ++j) reflect(k, j);
    }
    for (std::int64_t k = n - 1; k >= 0; --k) {  // the reflections, last first, on the identity's columns
        for (std::int64_t j = k + 1; j < n; ++j) at(k, j) = 0;
        for (std::int64_t j = k + 1; j < n; ++j) reflect(k, j);
        const double tau = taus[static_cast<std::size_t>(k)];
        for (std::int64_t i = k + 1; i < m; ++i) at(i, k) *= -tau;
        at(k, k) = 1 - tau;
    }
}

/// rows x columns, with singular values that fall like a bell with a fat tail (Halko, Martinsson and Tropp 2009, section 7).
inline std::vector<double> low_rank_matrix(std::int64_t rows, std::int64_t columns, std::int64_t rank, double tail_strength,
                                           RandomState& random) {
    const std::int64_t n = std::min(rows, columns);
    const auto draw = [&](std::int64_t height) {
        std::vector<double> matrix(static_cast<std::size_t>(height * n));
        for (double& value : matrix) value = random.standard_normal();
        orthonormalise(matrix, height, n);
        return matrix;
    };
    std::vector<double> u = draw(rows);
    const std::vector<double> v = draw(columns);
    for (std::int64_t k = 0; k < n; ++k) {
        const double place = static_cast<double>(k) / static_cast<double>(rank);
        const double singular = (1 - tail_strength) * std::exp(-place * place) + tail_strength * std::exp(-0.1 * place);
        for (std::int64_t i = 0; i < rows; ++i) u[static_cast<std::size_t>(i * n + k)] *= singular;
    }
    std::vector<double> x;
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j)
            x.push_back(std::inner_product(u.begin() + i * n, u.begin() + (i + 1) * n, v.begin() + j * n, 0.0));
    return x;
}

struct LinearProblem {
    std::vector<double> x, y, coef;
};

inline LinearProblem linear_problem(std::int64_t n, RegressionOptions& options) {
    const std::int64_t features = options.n_features, targets = options.n_targets;
    const auto at_least = [](const char* name, std::int64_t value, std::int64_t least) {
        if (value < least) throw ValueError(message("make_regression: ", name, " must be at least ", least, ", but is ", value));
    };
    at_least("n_samples", n, 1);
    at_least("n_features", features, 1);
    at_least("n_informative", options.n_informative, 0);
    at_least("n_targets", targets, 1);
    at_least("effective_rank", options.effective_rank.value_or(1), 1);
    if (!(options.noise >= 0)) throw ValueError(message("make_regression: noise must not be negative, but is ", options.noise));
    if (!(options.tail_strength >= 0 && options.tail_strength <= 1))
        throw ValueError(message("make_regression: tail_strength must be in [0, 1], but is ", options.tail_strength));
    const auto cells = static_cast<std::size_t>(Shape{n, features}.numel());
    const auto weights = static_cast<std::size_t>(Shape{features, targets}.numel());

    RandomState& random = options.random_state.get();
    LinearProblem problem;
    if (options.effective_rank) {
        problem.x = low_rank_matrix(n, features, *options.effective_rank, options.tail_strength, random);
    } else {
        problem.x.resize(cells);
        for (double& value : problem.x) value = random.standard_normal();
    }
    problem.coef.resize(weights);
    const auto informative = static_cast<std::size_t>(std::min(features, options.n_informative) * targets);
    for (std::size_t i = 0; i < informative; ++i) problem.coef[i] = 100 * random.uniform(0, 1);
    const auto inner = static_cast<std::size_t>(features), outputs = static_cast<std::size_t>(targets);
    problem.y = matrix_product(problem.x.data(), static_cast<std::size_t>(n), inner, inner, problem.coef, outputs);
    for (double& value : problem.y) value += options.bias;
    if (options.noise > 0)
        for (double& value : problem.y) value += random.normal(0, options.noise);
    if (options.shuffle) {
        const auto rows = random.permuted(n);
        problem.x = reordered(problem.x, rows, features);
        problem.y = reordered(problem.y, rows, targets);
        const auto columns = random.permuted(features);
        const std::vector<double> before = problem.x;
        for (std::size_t i = 0; i < cells; i += static_cast<std::size_t>(features))
            for (std::size_t f = 0; f < columns.size(); ++f) problem.x[i + f] = before[i + static_cast<std::size_t>(columns[f])];
        problem.coef = reordered(problem.coef, columns, targets);
    }
    return problem;
}

}  // namespace detail

/// y = x · coef + bias + noise, with normal x: `make_regression_with_coef(500, {.n_features = 1, .noise = 10, .random_state = 0})`.
/// Throws ValueError on numbers outside their domain.
template <Floating T = float>
RegressionWithCoef<T> make_regression_with_coef(std::int64_t n_samples = 100, RegressionOptions options = {}) {
    const detail::LinearProblem problem = detail::linear_problem(n_samples, options);
    const std::int64_t features = options.n_features, targets = options.n_targets;
    return {detail::tensor_of<T>(problem.x, {n_samples, features}),
            detail::tensor_of<T>(problem.y, targets == 1 ? Shape{n_samples} : Shape{n_samples, targets}),
            detail::tensor_of<T>(problem.coef, targets == 1 ? Shape{features} : Shape{features, targets})};
}

/// The same without the coefficients.
template <Floating T = float>
Regression<T> make_regression(std::int64_t n_samples = 100, RegressionOptions options = {}) {
    const auto [x, y, coef] = make_regression_with_coef<T>(n_samples, std::move(options));
    return {x, y};
}

}  // namespace headtorch::data
