// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/synthetic.hpp"

#include <cmath>

#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/create.hpp"
#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

namespace {

/// The digests of long sets.
template <class Points>
void check_long(const Points& points, const std::string& name) {
    check_digest(points.x.tolist(), name + ".x");
    check_digest(points.y.tolist(), name + ".y");
}

template <class Points>
void check_points(const Points& points, const std::string& name) {
    check_bits(points.x, name + ".x");
    check_integers(points.y.tolist(), name + ".y");
    CHECK(points.y.shape() == reference(name + ".y").shape);
}

}  // namespace

TEST_CASE("make_moons gives scikit-learn's points", "[data]") {
    check_points(make_moons<double>(7, {.shuffle = false}), "moons.plain");
    check_points(make_moons<double>(10, {.random_state = 3}), "moons.shuffled");
    for (const std::uint32_t seed : reference_seeds()) {
        check_points(make_moons<double>(9, {.noise = 0.3, .random_state = seed}), "moons.noise." + std::to_string(seed));
        check_long(make_moons<double>(1000, {.noise = 0.3, .random_state = seed}), "moons.long." + std::to_string(seed));
    }
    check_points(make_moons<double>({3, 6}, {.noise = 0.1, .random_state = 1}), "moons.counts");
}

TEST_CASE("make_circles gives scikit-learn's points", "[data]") {
    check_points(make_circles<double>(7, {.shuffle = false}), "circles.plain");
    for (const std::uint32_t seed : reference_seeds()) {
        const CirclesOptions options = {.noise = 0.1, .random_state = seed, .factor = 0.3};
        check_points(make_circles<double>(9, options), "circles.noise." + std::to_string(seed));
        check_long(make_circles<double>(500, options), "circles.long." + std::to_string(seed));
    }
    check_points(make_circles<double>({4, 2}, {.random_state = 1}), "circles.counts");
}

TEST_CASE("make_blobs gives scikit-learn's points", "[data]") {
    check_points(make_blobs<double>(10, {.shuffle = false, .random_state = 0}), "blobs.plain");
    for (const std::uint32_t seed : reference_seeds()) {
        const BlobsOptions options = {.centers = 4, .cluster_std = 0.15, .center_box = {-1.2, 1.2}, .random_state = seed};
        const std::string name = "blobs.noise." + std::to_string(seed);
        check_points(make_blobs<double>(9, options), name);
        const auto [x, y, centers] = make_blobs_with_centers<double>(9, options);
        check_bits(centers, name + ".extra", false);
        check_bits(x, name + ".x");
        const auto many = make_blobs_with_centers<double>(200, {.random_state = seed});
        check_long(many, "blobs.long." + std::to_string(seed));
        check_digest(many.centers.tolist(), "blobs.long." + std::to_string(seed) + ".extra");
    }
    const auto positions = tensor<double>({{0, 1, 2}, {3, 4, 5}});
    check_points(make_blobs<double>(7, {.centers = positions, .cluster_std = {0.5, 2.0}, .random_state = 7}), "blobs.centers");
    const auto turned = tensor<float>({{0, 3}, {1, 4}, {2, 5}}).t();
    check_points(make_blobs<double>(7, {.centers = turned, .cluster_std = {0.5, 2.0}, .random_state = 7}), "blobs.centers");
    const auto counted = make_blobs_with_centers<double>({2, 0, 3}, {.n_features = 3, .random_state = 7});
    check_points(counted, "blobs.counts");
    check_bits(counted.centers, "blobs.counts.extra", false);
}

TEST_CASE("the default element type is float, with the same numbers rounded", "[data]") {
    const auto [x, y] = make_moons(9, {.noise = 0.3, .random_state = 0});
    static_assert(std::is_same_v<decltype(x), const Tensor<float>> && std::is_same_v<decltype(y), const Tensor<std::int64_t>>);
    const auto expected = reference("moons.noise.0.x").numbers();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(x.data()[i] == Approx(expected[i]).epsilon(1e-7));
    CHECK(x.shape() == Shape{9, 2});
    CHECK(make_moons().x.shape() == Shape{100, 2});
    CHECK(make_circles().x.shape() == Shape{100, 2});
    CHECK(make_blobs().x.shape() == Shape{100, 2});
}

TEST_CASE("without a random_state, manual_seed decides, or numpy_random() once it is seeded", "[data]") {
    const auto draw = [] { return make_circles(20, {.noise = 0.1}).x.tolist(); };
    manual_seed(1);
    const auto a = draw(), b = draw();
    manual_seed(1);
    CHECK(draw() == a);
    CHECK(a != b);
    numpy_random().seed(6);
    const auto c = draw(), d = draw();
    CHECK(c == make_circles(20, {.noise = 0.1, .random_state = 6}).x.tolist());
    CHECK(c != d);
}

TEST_CASE("one RandomState serves several calls in turn", "[data]") {
    RandomState state(9);
    const auto a = make_moons(20, {.noise = 0.1, .random_state = state}).x.tolist();
    const auto b = make_moons(20, {.noise = 0.1, .random_state = state}).x.tolist();
    CHECK(a == make_moons(20, {.noise = 0.1, .random_state = 9}).x.tolist());
    CHECK(a != b);
}

TEST_CASE("small and empty sets", "[data]") {
    CHECK(make_moons(1, {.shuffle = false}).y.tolist() == std::vector<std::int64_t>{1});
    CHECK(make_moons({1, 0}).x.tolist() == std::vector<float>{1, 0});
    CHECK(make_circles(0).x.shape() == Shape{0, 2});
    CHECK(make_blobs(2, {.centers = 5, .shuffle = false}).y.tolist() == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("numbers that make no sense are refused", "[data]") {
    CHECK_THROWS_WITH(make_moons(-1), contains("make_moons: the number of points must not be negative, but is -1"));
    CHECK_THROWS_WITH(make_moons({1, 2, 3}), contains("make_moons: n_samples lists 3 classes, but there are 2"));
    CHECK_THROWS_AS(make_moons({3, -1}), ValueError);
    CHECK_THROWS_WITH(make_moons(10, {.noise = -0.5}), contains("make_moons: noise must not be negative, but is -0.5"));
    CHECK_THROWS_AS(make_circles(10, {.noise = std::nan("")}), ValueError);
    CHECK_THROWS_WITH(make_circles(10, {.factor = 1.5}), contains("make_circles: factor must be in [0, 1], but is 1.5"));
    CHECK_THROWS_AS(make_circles(10, {.factor = -0.1}), ValueError);
    CHECK_THROWS_AS(make_circles(-1), ValueError);
    CHECK_THROWS_WITH(make_blobs(10, {.n_features = 0}), contains("make_blobs: n_features must be at least 1, but is 0"));
    CHECK_THROWS_WITH(make_blobs(10, {.centers = 0}), contains("make_blobs: centers must be at least 1, but is 0"));
    CHECK_THROWS_WITH(make_blobs(10, {.cluster_std = -1}), contains("make_blobs: cluster_std must not be negative, but is -1"));
    CHECK_THROWS_WITH(make_blobs(10, {.cluster_std = {1.0, 2.0}}), contains("make_blobs: cluster_std lists 2 numbers for 3 blobs"));
    CHECK_THROWS_WITH(make_blobs({1, 2}, {.centers = 3}), contains("make_blobs: n_samples lists 2 classes, but there are 3"));
    CHECK_THROWS_WITH(make_blobs(10, {.centers = tensor({1, 2})}), contains("centers must be [blobs, features], but their shape is [2]"));
    CHECK_THROWS_AS(make_blobs(10, {.n_features = std::int64_t{1} << 62, .centers = 4}), ShapeError);
    CHECK_THROWS_AS(make_moons(10, {.random_state = -1}), ValueError);
}
