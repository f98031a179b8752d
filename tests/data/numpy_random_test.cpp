// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/numpy_random.hpp"

#include <limits>
#include <set>

#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/create.hpp"
#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::RandomSource;
using data::RandomState;

TEST_CASE("one stream of draws is NumPy's", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        const std::string key = "random_state." + std::to_string(seed) + ".";
        RandomState random(seed);
        check_bits(random.random_sample({2, 3}), key + "random_sample", false);
        check_bits(random.randn(7), key + "randn");
        check_bits(random.uniform(-2, 3, {4}), key + "uniform", false);
        check_bits(random.normal(1.5, 0.3, {5}), key + "normal");
        check_integers(random.randint(-3, 10, {8}), key + "randint.small");
        check_integers(random.randint(5, 6, {2}), key + "randint.one");
        check_integers(random.randint(0, std::int64_t{1} << 32, {4}), key + "randint.32");
        check_integers(random.randint(-5, std::int64_t{1} << 40, {4}), key + "randint.wide");
        using Limits = std::numeric_limits<std::int64_t>;
        check_integers(random.randint(Limits::min(), Limits::max(), {3}), key + "randint.all");
        check_integers(random.randint<std::int32_t>(-7, std::int64_t{1} << 31, {3}), key + "randint.int32");
        check_integers(random.randint<std::uint8_t>(0, 256, {5}), key + "randint.uint8");
        check_integers(random.randint<std::uint8_t>(3, 200, {6}), key + "randint.uint8.part");
        check_integers(random.randint<std::uint8_t>(3, 4, {2}), key + "randint.uint8.one");
        check_integers(random.randint<bool>(0, 2, {35}), key + "randint.bool");
        check_integers({random.randint(17)}, key + "randint.scalar");
        check_integers(random.permutation(20), key + "permutation");
        check_integers(random.permutation(arange(10).view(5, 2)), key + "permutation.rows");
        std::vector<double> values;
        for (int i = 0; i < 9; ++i) values.push_back(i / 8.0);
        random.shuffle(values);
        check_bits(values, key + "shuffle", false);
        const auto rows = arange(12).view(6, 2);
        random.shuffle(rows);
        check_integers(rows, key + "shuffle.rows");
        check_integers(random.choice(10, 6), key + "choice.replace");
        check_integers(random.choice(10, 4, false), key + "choice.distinct");
        check_integers(random.choice(arange(0, 15, 3), 4), key + "choice.elements");
        const std::vector<double> p = {0.1, 0.0, 0.4, 0.3, 0.2};
        check_integers(random.choice(5, 8, true, p), key + "choice.weighted");
        check_integers(random.choice(5, 4, false, p), key + "choice.weighted_distinct");
        check_bits(std::vector{random.random_sample()}, key + "last", false);
    }
}

TEST_CASE("numpy_random() is what np.random draws from", "[data]") {
    for (const std::uint32_t seed : reference_seeds()) {
        const std::string key = "random_state." + std::to_string(seed) + ".global.";
        data::numpy_random().seed(seed);
        check_digest(data::numpy_random().rand(1000).tolist(), key + "rand");
        check_digest(data::numpy_random().randn(1000).tolist(), key + "randn");
        check_digest(data::numpy_random().randint(0, 1000, {1000}).tolist(), key + "randint");
        check_digest(data::numpy_random().permutation(1000).tolist(), key + "permutation");
    }
}

TEST_CASE("a seed may be a list", "[data]") {
    RandomState random(0);
    random.seed({1, 2, 4294967295});
    check_integers(random.randint(0, std::int64_t{1} << 32, {4}), "random_state.list");
    CHECK_THROWS_AS(random.seed({}), ValueError);
}

TEST_CASE("tensors are shuffled along their first dimension, whatever their strides", "[data]") {
    RandomState a(3), b(3);
    const auto x = arange<float>(12).view(6, 2), turned = arange<float>(12).view(6, 2).t().contiguous().t();
    x.requires_grad_();
    a.shuffle(x);
    b.shuffle(turned);
    CHECK(x.tolist() == turned.tolist());
    CHECK(x.tolist() != arange<float>(12).tolist());
    CHECK(x.is_leaf());
    a.shuffle(zeros({0, 3}));
    CHECK_THROWS_AS(a.shuffle(tensor(1)), ShapeError);
    CHECK_THROWS_AS(a.permutation(tensor(1)), ShapeError);
    CHECK_THROWS_AS(a.choice(zeros({2, 2}), 1), ShapeError);
}

TEST_CASE("a seed starts the stream again, the kept normal number included", "[data]") {
    RandomState random(7);
    const double first = random.standard_normal();
    random.seed(7);
    CHECK(random.standard_normal() == first);
    RandomState copy = random;
    CHECK(copy.standard_normal() == random.standard_normal());
    CHECK(copy.random_sample() == random.random_sample());
}

TEST_CASE("tensors of float hold the rounded numbers", "[data]") {
    RandomState a(1), b(1);
    const auto wide = a.rand(2, 3);
    const auto narrow = b.rand<float>(2, 3);
    CHECK(narrow.shape() == Shape{2, 3});
    for (int i = 0; i < 6; ++i) CHECK(narrow.data()[i] == static_cast<float>(wide.data()[i]));
    CHECK(a.randn(0).numel() == 0);
    CHECK(a.permutation(0).numel() == 0);
    CHECK(a.choice(0, 0).numel() == 0);
}

TEST_CASE("without a seed, the default generator decides", "[data]") {
    manual_seed(5);
    RandomState a;
    RandomState other;
    manual_seed(5);
    RandomState b;
    const double value = a.random_sample();
    CHECK(value == b.random_sample());
    CHECK(value != other.random_sample());
}

TEST_CASE("a random source is a seed, a state that is drawn on, or the default generator", "[data]") {
    RandomSource seeded(3);
    RandomSource again = seeded;
    CHECK(seeded.get().random_sample() == RandomState(3).random_sample());
    CHECK(seeded.get().random_sample() != again.get().random_sample());

    RandomState state(3);
    RandomSource shared(state);
    const double first = shared.get().random_sample();
    CHECK(state.random_sample() != first);

    data::numpy_random().seed(5);  // as in scikit-learn
    const double drawn = RandomSource().get().random_sample();
    CHECK(RandomState(5).random_sample() == drawn);
    CHECK(RandomSource().get().random_sample() != drawn);
    CHECK(RandomSource(1).given());
    CHECK(shared.given());
    CHECK(!RandomSource().given());
}

TEST_CASE("numpy_random() leaves PyTorch's numbers alone", "[data]") {
    manual_seed(5);
    const auto expected = rand<double>({3}).tolist();
    manual_seed(5);
    data::numpy_random().seed(1);
    data::numpy_random().rand(10);
    CHECK(rand<double>({3}).tolist() == expected);
}

TEST_CASE("arguments outside their domain are refused", "[data]") {
    RandomState random(0);
    CHECK_THROWS_AS(RandomState(-1), ValueError);
    CHECK_THROWS_WITH(RandomState(std::int64_t{1} << 32), contains("random_state: the seed must be in [0, 2^32), but is 4294967296"));
    CHECK_THROWS_AS(RandomSource(-1), ValueError);
    CHECK_THROWS_WITH(random.randint(3, 3), contains("randint: low must be less than high, but they are 3 and 3"));
    CHECK_THROWS_WITH(random.randint<std::uint8_t>(0, 257, {1}), contains("randint: [0, 257) does not fit in uint8"));
    CHECK_THROWS_AS(random.randint<std::int32_t>(0, (std::int64_t{1} << 31) + 1, {1}), ValueError);
    CHECK_THROWS_AS(random.randint<bool>(-1, 1, {1}), ValueError);
    CHECK_THROWS_AS(random.normal(0, -1), ValueError);
    CHECK_THROWS_AS(random.normal(0, std::nan("")), ValueError);
    CHECK_THROWS_AS(random.uniform(0, std::numeric_limits<double>::infinity()), ValueError);
    CHECK_THROWS_AS(random.uniform(-1e308, 1e308), ValueError);
    CHECK_THROWS_AS(random.permutation(-1), ValueError);
    CHECK_THROWS_AS(random.choice(0, 1), ValueError);
    CHECK_THROWS_AS(random.choice(3, -1), ValueError);
    CHECK_THROWS_WITH(random.choice(3, 4, false), contains("choice: cannot take 4 of 3 without replacement"));
    CHECK_THROWS_WITH(random.choice(3, 1, true, std::vector{0.5, 0.5}), contains("there are 3 to choose from, but 2 probabilities"));
    CHECK_THROWS_WITH(random.choice(2, 1, true, std::vector{0.5, 0.4}), contains("sum to 0.9, not to 1"));
    CHECK_THROWS_AS(random.choice(2, 1, true, std::vector{1.5, -0.5}), ValueError);
    CHECK_THROWS_AS(random.choice(2, 1, true, std::vector{std::nan(""), 1.0}), ValueError);
    CHECK_THROWS_WITH(random.choice(3, 2, false, std::vector{1.0, 0.0, 0.0}), contains("only 1 probabilities are not zero"));
    CHECK_THROWS_AS(random.rand(-1), ShapeError);
}
