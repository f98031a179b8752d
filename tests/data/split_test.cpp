// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/split.hpp"

#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using namespace headtorch::data;

namespace {

void check_split(const SplitOptions& options, const std::string& name, std::int64_t n = 23) {
    const SplitIndices split = split_indices(n, options);
    check_integers(split.train, "split." + name + ".train");
    check_integers(split.test, "split." + name + ".test");
}

}  // namespace

TEST_CASE("train_test_split gives scikit-learn's parts", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        check_split({.random_state = seed}, "quarter." + std::to_string(seed));
        const SplitIndices split = split_indices(1000, {.test_size = 0.2, .random_state = seed});
        check_digest(split.train, "split.long." + std::to_string(seed) + ".train");
        check_digest(split.test, "split.long." + std::to_string(seed) + ".test");
    }
    check_split({.test_size = 0.2, .random_state = 42}, "fifth");
    check_split({.test_size = 4, .random_state = 42}, "count");
    check_split({.train_size = 0.6, .random_state = 42}, "train");
    check_split({.test_size = 0.3, .train_size = 7, .random_state = 42}, "both");
    check_split({.test_size = 0.2, .shuffle = false}, "plain");
}

TEST_CASE("stratified parts are scikit-learn's too", "[data]") {
    const auto labels = tensor<std::int64_t>({0, 2, 2, 1, 0, 2, 1, 1, 2, 2, 0, 2, 0, 1, 2, 2, 0, 1, 2, 2, 2, 0, 2});
    for (const std::uint32_t seed : reference_seeds())
        check_split({.test_size = 0.3, .random_state = seed, .stratify = labels}, "stratified." + std::to_string(seed));
    auto tied = arange<std::int64_t>(24);
    for (int i = 0; i < 24; ++i) tied.data()[i] %= 4;
    for (const std::uint32_t seed : reference_seeds())
        check_split({.test_size = 10, .random_state = seed, .stratify = tied}, "tied." + std::to_string(seed), 24);
}

TEST_CASE("tensors are split alike", "[data]") {
    const auto x = arange<double>(46).view({23, 2});
    const auto y = arange<std::int64_t>(23);
    const auto [x_train, x_test, y_train, y_test] = train_test_split(x, y, {.test_size = 0.2, .random_state = 42});
    static_assert(std::is_same_v<decltype(x_test), const Tensor<double>> && std::is_same_v<decltype(y_train), const Tensor<std::int64_t>>);
    check_integers(y_train.tolist(), "split.fifth.train");
    check_integers(y_test.tolist(), "split.fifth.test");
    CHECK(x_train.shape() == Shape{18, 2});
    CHECK(x_test.shape() == Shape{5, 2});
    for (std::int64_t i = 0; i < 5; ++i) CHECK(x_test[i].tolist()[1] == static_cast<double>(2 * y_test[i].item() + 1));
    const auto [train, test] = train_test_split(y, {.test_size = 0.2, .random_state = 42});
    CHECK(train.tolist() == y_train.tolist());
    CHECK(test.tolist() == y_test.tolist());
    CHECK(train_test_split(x, y).x_test.size(0) == 6);
}

TEST_CASE("without a random_state, the default generator decides", "[data]") {
    manual_seed(4);
    const auto a = split_indices(30), other = split_indices(30);
    manual_seed(4);
    CHECK(split_indices(30).test == a.test);
    CHECK(other.test != a.test);
}

TEST_CASE("sizes that do not fit are refused", "[data]") {
    CHECK_THROWS_WITH(
        split_indices(10, {.test_size = 0}),
        contains("train_test_split: test_size must be a fraction in (0, 1) or a count in [1, 9] for 10 items, but is 0 (a count)"));
    CHECK_THROWS_WITH(split_indices(10, {.test_size = 1.0}), contains("but is 1 (a fraction)"));
    CHECK_THROWS_AS(split_indices(10, {.test_size = 10}), ValueError);
    CHECK_THROWS_AS(split_indices(10, {.test_size = -0.1}), ValueError);
    CHECK_THROWS_AS(split_indices(10, {.test_size = std::nan("")}), ValueError);
    CHECK_THROWS_AS(split_indices(10, {.train_size = 10}), ValueError);
    CHECK_THROWS_WITH(split_indices(10, {.test_size = 6, .train_size = 5}), contains("train_size and test_size ask for 5 + 6 of 10 items"));
    CHECK_THROWS_WITH(split_indices(1), contains("the training part of 1 items would be empty"));
    CHECK_THROWS_AS(split_indices(0), ValueError);
    CHECK_THROWS_WITH(train_test_split(zeros({4, 2}), zeros({5})), contains("train_test_split: all tensors need the same size(0)"));
    const auto labels = tensor<std::int64_t>({0, 0, 0, 1});
    CHECK_THROWS_WITH(split_indices(4, {.test_size = 2, .stratify = labels}),
                      contains("needs two items of each class, but there is one of class 1"));
    CHECK_THROWS_WITH(split_indices(4, {.test_size = 1, .stratify = labels}), contains("at least one item per class"));
    CHECK_THROWS_AS(split_indices(4, {.shuffle = false, .stratify = labels}), ValueError);
    CHECK_THROWS_AS(split_indices(5, {.stratify = labels}), ShapeError);
}

TEST_CASE("random_split gives PyTorch's parts", "[data]") {
    const TensorDataset numbers(arange<std::int64_t>(17));
    for (const std::uint32_t seed : reference_seeds()) {
        const std::string suffix = "." + std::to_string(seed) + ".";
        manual_seed(seed);
        const auto [first, second] = random_split(numbers, {10, 7});
        check_integers(first.indices(), "random_split.counts" + suffix + "0");
        check_integers(second.indices(), "random_split.counts" + suffix + "1");
        Generator generator(seed);
        const auto parts = random_split(numbers, {0.5, 0.2, 0.3}, generator);
        for (std::size_t i = 0; i < 3; ++i) check_integers(parts[i].indices(), "random_split.fractions" + suffix + std::to_string(i));
        CHECK(std::get<0>(parts[0][0]).item() == parts[0].indices()[0].item());
    }
}

TEST_CASE("random_split refuses lengths that do not fit", "[data]") {
    const TensorDataset numbers(arange<std::int64_t>(17));
    CHECK_THROWS_WITH(random_split(numbers, {10, 8}), contains("random_split: the lengths sum to 18, but the data set has 17 items"));
    CHECK_THROWS_WITH(random_split(numbers, {0.5, 0.4}), contains("random_split: the fractions sum to 0.9, not to 1"));
    CHECK_THROWS_AS(random_split(numbers, {18, -1}), ValueError);
    CHECK_THROWS_AS(random_split(numbers, {1.5, -0.5}), ValueError);
}
