// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/classification.hpp"

#include <cmath>

#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

namespace {

void check_points(const Classification<double>& points, const std::string& name) {
    check_bits(points.x, "classification." + name + ".x");
    check_integers(points.y, "classification." + name + ".y");
}

void check_long(const Classification<double>& points, const std::string& name) {
    check_digest(points.x.tolist(), "classification." + name + ".x");
    check_digest(points.y.tolist(), "classification." + name + ".y");
}

}  // namespace

TEST_CASE("make_classification gives scikit-learn's points", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        const ClassificationOptions options = {.n_features = 6, .n_informative = 3, .n_repeated = 1, .random_state = seed};
        check_points(make_classification<double>(8, options), std::to_string(seed));
        check_long(make_classification<double>(400, {.random_state = seed}), "long." + std::to_string(seed));
    }
}

TEST_CASE("each option is scikit-learn's", "[data]") {
    const auto check = [](const std::string& name, std::int64_t n, ClassificationOptions options) {
        options.random_state = 4;
        check_points(make_classification<double>(n, options), name);
    };
    check("plain", 9, {.n_features = 5, .n_redundant = 1, .shuffle = false});
    check("one", 10, {.n_features = 1, .n_informative = 1, .n_redundant = 0, .n_clusters_per_class = 1});
    check("classes", 14,
          {.n_features = 4, .n_informative = 3, .n_redundant = 0, .n_classes = 3, .n_clusters_per_class = 1, .flip_y = 0});
    check("weights", 20, {.n_features = 2, .n_redundant = 0, .weights = {0.7}, .flip_y = 0.3, .class_sep = 2.5});
    check("all_weights", 15, {.n_features = 2, .n_redundant = 0, .n_clusters_per_class = 1, .weights = {0.9, 0.4}});
    check("polytope", 12, {.n_features = 3, .n_redundant = 0, .hypercube = false});
    check("drawn", 10, {.n_features = 3, .n_redundant = 0, .shift = std::nullopt, .scale = std::nullopt});
    check("given", 10, {.n_features = 3, .n_redundant = 0, .shift = {1.0, -2.0, 0.1}, .scale = {0.3, 3.0, 1.5}});
}

TEST_CASE("corners are picked as scikit-learn does, from few and from many", "[data]") {
    const auto check = [](const std::string& name, std::int64_t dimensions, std::int64_t classes, std::int64_t clusters) {
        check_long(make_classification<double>(40, {.n_features = dimensions,
                                                    .n_informative = dimensions,
                                                    .n_redundant = 0,
                                                    .n_classes = classes,
                                                    .n_clusters_per_class = clusters,
                                                    .random_state = 4}),
                   name);
    };
    check("sparse", 9, 2, 2);
    check("full", 2, 4, 1);
    check("high", 33, 3, 2);
}

TEST_CASE("the default element type is float, and a RandomState goes on", "[data]") {
    RandomState state(0);
    const auto first = make_classification(8, {.n_features = 6, .n_informative = 3, .n_repeated = 1, .random_state = state});
    static_assert(std::is_same_v<decltype(first.x), Tensor<float>>);
    CHECK(first.x.shape() == Shape{8, 6});
    const auto expected = reference("classification.0.x").numbers();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(first.x.data()[i] == Approx(expected[i]).epsilon(1e-6).margin(1e-6));
    CHECK(make_classification(8, {.random_state = state}).x.tolist() != make_classification(8, {.random_state = state}).x.tolist());
    CHECK(make_classification().x.shape() == Shape{100, 20});
    CHECK(make_classification(1).y.numel() == 1);
}

TEST_CASE("numbers that do not fit are refused", "[data]") {
    CHECK_THROWS_WITH(make_classification(0), contains("make_classification: n_samples must be at least 1, but is 0"));
    CHECK_THROWS_WITH(make_classification(5, {.n_features = 3}),
                      contains("2 informative, 2 redundant and 0 repeated features are more than n_features = 3"));
    CHECK_THROWS_WITH(make_classification(5, {.n_classes = 3}),
                      contains("3 classes of 2 clusters do not fit on the corners of a hypercube of 2 dimensions"));
    CHECK_THROWS_WITH(make_classification(5, {.weights = {0.1, 0.2, 0.7}}), contains("weights lists 3 shares for 2 classes"));
    CHECK_THROWS_WITH(make_classification(5, {.weights = {-0.1}}), contains("a weight must be in [0, 1], but is -0.1"));
    CHECK_THROWS_AS(make_classification(5, {.weights = {std::nan(""), 1}}), ValueError);
    CHECK_THROWS_WITH(make_classification(5, {.n_informative = 3, .n_classes = 3, .weights = {0.7, 0.7}}),
                      contains("the weights sum to 1.4"));
    CHECK_THROWS_WITH(make_classification(5, {.flip_y = 1.5}), contains("flip_y must be in [0, 1], but is 1.5"));
    CHECK_THROWS_WITH(make_classification(5, {.class_sep = 0}), contains("class_sep must be positive, but is 0"));
    CHECK_THROWS_WITH(make_classification(5, {.n_features = 4, .shift = {1.0, 2.0}}), contains("shift lists 2 numbers for 4 features"));
    CHECK_THROWS_AS(make_classification(5, {.n_features = 4, .scale = std::vector<double>{}}), ValueError);
    constexpr std::int64_t huge = std::int64_t{1} << 62;
    CHECK_THROWS_AS(make_classification(5, {.n_informative = huge, .n_redundant = huge, .n_repeated = huge}), ValueError);
    CHECK_THROWS_AS(make_classification(huge, {.random_state = 0}), ShapeError);
}
