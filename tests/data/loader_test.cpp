// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/loader.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/data/sklearn_reference.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::DataLoader;
using data::LoaderOptions;
using data::Subset;
using data::TensorDataset;

namespace {

auto numbers(std::int64_t n) { return TensorDataset(arange<std::int64_t>(n)); }

template <class Loader>
std::vector<std::int64_t> epoch(const Loader& loader) {
    std::vector<std::int64_t> seen;
    for (auto [batch] : loader)
        for (std::int64_t value : batch.tolist()) seen.push_back(value);
    return seen;
}

/// Items that only operator[] gives.
struct Pairs {
    std::int64_t size() const { return 5; }
    std::pair<Tensor<double>, int> operator[](std::int64_t i) const {
        return {full<double>({2}, static_cast<double>(i)), static_cast<int>(10 * i)};
    }
};

struct Words {
    std::int64_t size() const { return 3; }
    std::tuple<std::string, bool, float, unsigned char> get(std::int64_t i) const {
        return {std::string(static_cast<std::size_t>(i), 'x'), i == 1, static_cast<float>(i) / 2, static_cast<unsigned char>(i + 1)};
    }
};

struct Ragged {
    std::int64_t size() const { return 3; }
    Tensor<> operator[](std::int64_t i) const { return zeros({i}); }
};

}  // namespace

TEST_CASE("batches come in order, the last one short", "[data]") {
    const auto x = arange<float>(14).view({7, 2});
    const DataLoader loader(TensorDataset(x, arange<std::int64_t>(7)), {.batch_size = 3});
    CHECK(loader.size() == 3);
    std::int64_t start = 0;
    for (auto [images, labels] : loader) {
        const std::int64_t length = start == 6 ? 1 : 3;
        CHECK(images.shape() == Shape{length, 2});
        CHECK(images.data() == x.data() + 2 * start);  // a view
        CHECK(labels.shape() == Shape{length});
        CHECK(labels[0].item() == start);
        start += 3;
    }
    CHECK(start == 9);
}

TEST_CASE("size counts whole batches when the last one is dropped", "[data]") {
    const auto count = [](std::int64_t items, std::int64_t batch, bool drop_last) {
        const DataLoader loader(numbers(items), {.batch_size = batch, .drop_last = drop_last});
        std::int64_t batches = 0;
        for (auto [x] : loader) batches += x.numel() > 0;
        CHECK(batches == loader.size());
        return batches;
    };
    CHECK(count(7, 3, false) == 3);
    CHECK(count(7, 3, true) == 2);
    CHECK(count(6, 3, false) == 2);
    CHECK(count(6, 3, true) == 2);
    CHECK(count(2, 3, false) == 1);
    CHECK(count(2, 3, true) == 0);
    CHECK(count(0, 3, false) == 0);
    CHECK(count(7, std::numeric_limits<std::int64_t>::max(), false) == 1);
    CHECK(epoch(DataLoader(numbers(0), {.shuffle = true})).empty());
    CHECK(DataLoader(numbers(4)).size() == 4);
}

TEST_CASE("the orders are PyTorch's for the same seed", "[data]") {
    const auto check = [](const std::string& name, const LoaderOptions& options, std::uint64_t seed = 3) {
        manual_seed(seed);
        const DataLoader loader(numbers(17), options);
        std::vector<std::int64_t> seen;
        for (int i = 0; i < 3; ++i)
            for (const std::int64_t item : epoch(loader)) seen.push_back(item);
        check_integers(seen, "loader." + name);
        check_bits(std::vector{rand<double>({}).item()}, "loader." + name + ".after", false);
    };
    for (const std::uint32_t seed : reference_seeds()) {
        check("default." + std::to_string(seed), {.batch_size = 5, .shuffle = true}, seed);
        Generator generator(seed);
        const std::string given = "generator." + std::to_string(seed);
        check(given, {.batch_size = 5, .shuffle = true, .generator = &generator});
        check_bits(std::vector{rand<double>({}, generator).item()}, "loader." + given + ".rest", false);
        check(given, {.batch_size = 5, .shuffle = true, .seed = seed});
    }
    check("drop_last", {.batch_size = 5, .shuffle = true, .drop_last = true});
    check("plain", {.batch_size = 5});
}

TEST_CASE("every epoch is another permutation; a seed gives them again", "[data]") {
    const DataLoader a(numbers(50), {.batch_size = 8, .shuffle = true, .seed = 1}),
        b(numbers(50), {.batch_size = 8, .shuffle = true, .seed = 1});
    const auto first = epoch(a), second = epoch(a);
    CHECK(first != second);
    CHECK(epoch(b) == first);
    CHECK(epoch(b) == second);
    auto sorted = first;
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == arange<std::int64_t>(50).tolist());
}

TEST_CASE("fields stay together when shuffled, and batches are contiguous", "[data]") {
    const auto x = arange<float>(40).view({2, 20}).t();  // not contiguous
    const DataLoader loader(TensorDataset(x, arange<std::int64_t>(20)), {.batch_size = 6, .shuffle = true, .seed = 0});
    for (auto [images, labels] : loader) {
        CHECK(images.is_contiguous());
        for (std::int64_t i = 0; i < labels.numel(); ++i) {
            CHECK(images[i][0].item() == static_cast<float>(labels[i].item()));
            CHECK(images[i][1].item() == static_cast<float>(labels[i].item() + 20));
        }
    }
}

TEST_CASE("a temporary loader lives through the loop", "[data]") {
    std::int64_t sum = 0;
    for (auto [x] : DataLoader(numbers(10), {.batch_size = 4})) sum += x.sum().item();
    CHECK(sum == 45);
}

TEST_CASE("the loader of a subset", "[data]") {
    const Subset subset(numbers(10), {9, 3, 5});
    CHECK(epoch(DataLoader(subset, {.batch_size = 2})) == std::vector<std::int64_t>{9, 3, 5});
    auto shuffled = epoch(DataLoader(subset, {.batch_size = 2, .shuffle = true}));
    std::sort(shuffled.begin(), shuffled.end());
    CHECK(shuffled == std::vector<std::int64_t>{3, 5, 9});
}

TEST_CASE("items of any data set are stacked", "[data]") {
    const DataLoader loader(Pairs{}, {.batch_size = 3});
    std::vector<std::int64_t> seen;
    for (auto [x, y] : loader) {
        static_assert(std::is_same_v<decltype(x), Tensor<double>> && std::is_same_v<decltype(y), Tensor<std::int64_t>>);
        CHECK(x.shape() == Shape{y.numel(), 2});
        for (std::int64_t i = 0; i < y.numel(); ++i) {
            seen.push_back(y[i].item());
            CHECK(x[i].tolist() == std::vector<double>(2, static_cast<double>(y[i].item()) / 10));
        }
    }
    CHECK(seen == std::vector<std::int64_t>{0, 10, 20, 30, 40});

    const DataLoader words(Words{}, {.batch_size = 3});
    for (auto [text, flag, number, small] : words) {
        CHECK(text == std::vector<std::string>{"", "x", "xx"});
        CHECK(flag.tolist() == std::vector<bool>{false, true, false});
        CHECK(number.tolist() == std::vector<float>{0, 0.5f, 1});
        CHECK(small.tolist() == std::vector<std::int64_t>{1, 2, 3});
    }

    const DataLoader shuffled(std::vector<double>{1, 2, 3}, {.batch_size = 2, .shuffle = true});
    double sum = 0;
    for (auto batch : shuffled) sum += batch.sum().item();
    CHECK(sum == 6);

    const std::vector<std::array<float, 2>> arrays = {{1, 2}, {3, 4}};
    for (auto [a, b] : DataLoader(arrays, {.batch_size = 2})) CHECK(b.tolist() == std::vector<float>{2, 4});
}

TEST_CASE("options that make no sense are refused", "[data]") {
    CHECK_THROWS_AS(DataLoader(numbers(3), {.batch_size = 0}), ValueError);
    CHECK_THROWS_WITH(DataLoader(numbers(3), {.batch_size = -2}), contains("data_loader: batch_size must be at least 1, but is -2"));
    Generator generator(1);
    CHECK_THROWS_WITH(DataLoader(numbers(3), {.generator = &generator, .seed = 1}),
                      contains("data_loader: give a generator or a seed, not both"));
    const DataLoader ragged(Ragged{}, {.batch_size = 3});
    CHECK_THROWS_WITH(*ragged.begin(), contains("data_loader: items of one batch need the same shape, but two are [0] and [1]"));
}

TEST_CASE("batches can be taken one by one", "[data]") {
    const DataLoader loader(numbers(5), {.batch_size = 2});
    static_assert(std::input_iterator<decltype(loader.begin())>);
    auto at = loader.begin();
    ++at;
    CHECK(std::get<0>(*at).tolist() == std::vector<std::int64_t>{2, 3});
    at++;
    CHECK(at != loader.end());
    ++at;
    CHECK(at == loader.end());
}
