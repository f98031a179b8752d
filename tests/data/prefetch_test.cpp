// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Batches on the default device: those of a loader's own, whatever makes them and however one walks over them.

#include "headtorch/data/prefetch.hpp"

#include <cstdint>
#include <list>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/data/loader.hpp"
#include "headtorch/data/transformed.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::DataLoader;
using D = DefaultDevice;

namespace {

using Points = Tensor<float, Cpu>;
using Whole = Tensor<std::int64_t, Cpu>;

auto numbered(std::int64_t n) {
    return data::TensorDataset(arange<float, Cpu>(0, static_cast<double>(3 * n)).reshape(n, 3), arange<std::int64_t, Cpu>(0, n));
}

/// Items that are made one by one, with fields of every kind.
struct Named {
    std::int64_t count = 11, bad = -1;
    std::int64_t size() const { return count; }
    std::tuple<Points, std::string, int, bool> operator[](std::int64_t i) const {
        if (i == bad) throw std::out_of_range("item " + std::to_string(i));
        return {full<float, Cpu>({2, 2}, static_cast<float>(i)), "item " + std::to_string(i), static_cast<int>(i), i % 2 == 0};
    }
};

/// The values of all batches of an epoch.
template <class Loader>
std::vector<std::vector<double>> epoch(const Loader& loader) {
    std::vector<std::vector<double>> batches;
    for (const auto& [x, y] : loader) {
        batches.emplace_back();
        for (const float value : x.tolist()) batches.back().push_back(static_cast<double>(value));
        for (const std::int64_t value : y.tolist()) batches.back().push_back(static_cast<double>(value));
    }
    return batches;
}

}  // namespace

TEST_CASE("a loader's batches on a device are its batches", "[data][prefetch]") {
    const DataLoader three(numbered(3));
    static_assert(std::is_same_v<std::remove_cv_t<decltype(three)>, decltype(three.to<Cpu>())>);
    static_assert(std::is_same_v<data::BatchOn<D, std::tuple<Points, std::vector<int>, std::pair<Whole, int>>>,
                                 std::tuple<Tensor<float, D>, std::vector<int>, std::pair<Tensor<std::int64_t, D>, int>>>);
    for (const int workers : {0, 1, 3})
        for (const bool shuffle : {false, true})
            for (const std::int64_t batch : {1, 4, 23, 100}) {
                const data::LoaderOptions options{.batch_size = batch, .shuffle = shuffle, .seed = 3, .num_workers = workers};
                const DataLoader plain(numbered(23), options), other(numbered(23), options);
                const auto moved = other.to<D>();
                CHECK(moved.size() == plain.size());
                CHECK(moved.options().batch_size == batch);
                for (int i = 0; i < 3; ++i) CHECK(epoch(plain) == epoch(moved));
            }
    CHECK(epoch(DataLoader(numbered(0), {.batch_size = 4}).to<D>()).empty());
    CHECK(epoch(DataLoader(numbered(7), {.batch_size = 4, .drop_last = true}).to<D>()).size() == 1);
}

TEST_CASE("tensors move, other fields pass", "[data][prefetch]") {
    for (const int workers : {0, 2}) {
        std::int64_t seen = 0;
        for (const auto& [x, names, numbers, even] : DataLoader(Named{}, {.batch_size = 4, .num_workers = workers}).to<D>()) {
            static_assert(std::is_same_v<decltype(x), const Tensor<float, D>>);
            static_assert(std::is_same_v<decltype(names), const std::vector<std::string>>);
            static_assert(std::is_same_v<decltype(numbers), const Tensor<std::int64_t, D>>);
            static_assert(std::is_same_v<decltype(even), const Tensor<bool, D>>);
            REQUIRE(x.size(0) == static_cast<std::int64_t>(names.size()));
            for (std::int64_t i = 0; i < x.size(0); ++i, ++seen) {
                CHECK(names[static_cast<std::size_t>(i)] == "item " + std::to_string(seen));
                CHECK(x[i].sum().item() == static_cast<float>(4 * seen));
                CHECK(numbers[i].item() == seen);
                CHECK(even[i].item() == (seen % 2 == 0));
            }
        }
        CHECK(seen == 11);
    }
    // items that are single tensors
    struct Rows {
        std::int64_t size() const { return 5; }
        Points operator[](std::int64_t i) const { return full<float, Cpu>({3}, static_cast<float>(i)); }
    };
    double sum = 0;
    for (const Tensor<float, D>& x : DataLoader(Rows{}, {.batch_size = 2}).to<D>()) sum += static_cast<double>(x.sum().item());
    CHECK(sum == 30);
}

TEST_CASE("batches may be kept, asked for twice, passed over and left alone", "[data][prefetch]") {
    for (const int workers : {0, 2}) {
        const DataLoader loader(numbered(40), {.batch_size = 4, .num_workers = workers});
        const auto moved = loader.to<D>();
        const auto expected = epoch(loader);

        std::vector<std::tuple<Tensor<float, D>, Tensor<std::int64_t, D>>> kept;
        for (const auto& batch : moved) kept.push_back(batch);
        CHECK(epoch(kept) == expected);

        std::size_t i = 0;
        for (auto it = moved.begin(); it != moved.end(); ++it, ++i)
            if (i % 3 != 0) {
                CHECK(epoch(std::vector{*it}).at(0) == expected[i]);
                if constexpr (!std::same_as<D, Cpu>) CHECK(std::get<0>(*it).is_same(std::get<0>(*it)));
            }
        CHECK(i == 10);

        i = 0;
        for (const auto& [x, y] : moved) {
            if constexpr (!std::same_as<D, Cpu>) x.zero_();  // the data set is not touched
            if (++i == 3) break;
        }
        CHECK(epoch(moved) == expected);
        static_cast<void>(moved.begin());
        static_cast<void>(*moved.begin());
    }
}

TEST_CASE("work that is queued finds its own batch, however late it runs", "[data][prefetch]") {
    for (const int workers : {0, 2}) {
        const DataLoader loader(numbered(200), {.batch_size = 4, .num_workers = workers});
        std::vector<Tensor<float, D>> sums;  // nothing is read, and each batch is gone when the next comes
        for (const auto& [x, y] : loader.to<D>()) sums.push_back(x.sum({1}) + y.template to<float>());
        std::int64_t i = 0;
        for (const Tensor<float, D>& sum : sums)
            for (const float value : sum.tolist()) CHECK(value == static_cast<float>(10 * i++ + 3));
        CHECK(i == 200);
    }
}

TEST_CASE("an exception comes out where its batch is asked for", "[data][prefetch]") {
    for (const int workers : {0, 1, 3}) {
        const DataLoader loader(Named{.bad = 6}, {.batch_size = 2, .num_workers = workers});
        const auto moved = loader.to<D>();
        std::vector<std::string> seen;
        std::int64_t failed = 0;
        for (auto it = moved.begin(); it != moved.end(); ++it) {
            try {
                seen.push_back(std::get<1>(*it)[0]);
            } catch (const std::out_of_range& problem) {
                CHECK(std::string(problem.what()) == "item 6");
                CHECK_THROWS_AS(*it, std::out_of_range);
                ++failed;
            }
        }
        CHECK(failed == 1);
        CHECK(seen == std::vector<std::string>{"item 0", "item 2", "item 4", "item 8", "item 10"});
    }
}

TEST_CASE("a given generator is left as an epoch on the host leaves it", "[data][prefetch]") {
    for (const std::int64_t stop : {1, 3, 5, 100}) {
        Generator a(1), b(1);
        const DataLoader plain(numbered(20), {.batch_size = 4, .shuffle = true, .generator = &a});
        const DataLoader other(numbered(20), {.batch_size = 4, .shuffle = true, .generator = &b});
        std::int64_t i = 0;
        for ([[maybe_unused]] const auto& batch : plain)
            if (++i == stop) break;
        i = 0;
        for ([[maybe_unused]] const auto& batch : other.to<D>())
            if (++i == stop) break;
        CHECK(a.get_state() == b.get_state());
    }
}

TEST_CASE("any range of batches can be prefetched", "[data][prefetch]") {
    const auto [x, y] = numbered(12).tensors();
    std::vector<std::tuple<Points, Whole>> tuples;
    std::list<std::pair<Points, Whole>> pairs;
    for (std::int64_t i = 0; i < 12; i += 3) {
        tuples.emplace_back(x.narrow(0, i, 3).t(), y.narrow(0, i, 3));  // with strides
        pairs.emplace_back(x.narrow(0, i, 3).t(), y.narrow(0, i, 3));
    }
    const auto expected = epoch(tuples);
    const auto& moved = data::prefetch<D>(tuples);
    CHECK(static_cast<std::int64_t>(moved.size()) == 4);
    CHECK(epoch(moved) == expected);
    CHECK(epoch(moved) == expected);
    CHECK(epoch(data::prefetch<D>(pairs)) == expected);
    CHECK(epoch(data::prefetch<D>(std::vector(tuples))) == expected);
    CHECK(epoch(data::prefetch<D>(std::vector<std::tuple<Points, Whole>>())).empty());
    const auto [far_x, far_y] = data::to_device<D>(tuples[1]);
    CHECK(far_x.tolist() == std::get<0>(tuples[1]).tolist());
    CHECK(far_y.tolist() == std::get<1>(tuples[1]).tolist());
}
