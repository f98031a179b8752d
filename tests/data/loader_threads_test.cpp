// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Loaders with worker threads: the preset tsan runs this under the thread sanitizer.
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "headtorch/data/loader.hpp"
#include "headtorch/data/transformed.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::DataLoader;
using data::Subset;
using data::TensorDataset;

namespace {

/// Items that are made one by one: a tensor [2] and a number. Some take longer than others, so that workers overtake one another.
struct Uneven {
    std::int64_t count = 23;
    std::int64_t size() const { return count; }
    std::tuple<Tensor<float>, std::int64_t> operator[](std::int64_t i) const {
        if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return {full<float>({2}, static_cast<float>(i)), i};
    }
};

struct Broken : Uneven {
    std::int64_t bad = 10;
    std::tuple<Tensor<float>, std::int64_t> operator[](std::int64_t i) const {
        if (i == bad) throw std::out_of_range("item " + std::to_string(i));
        return Uneven::operator[](i);
    }
};

/// Everything that an epoch gives: the values of each batch.
template <class Loader>
std::vector<std::vector<float>> epoch(const Loader& loader) {
    std::vector<std::vector<float>> batches;
    for (auto [x, y] : loader) {
        batches.push_back(x.tolist());
        for (std::int64_t label : y.tolist()) batches.back().push_back(static_cast<float>(label));
    }
    return batches;
}

/// Counts its copies and the threads that are in it.
struct Watched {
    std::shared_ptr<std::atomic<int>> inside = std::make_shared<std::atomic<int>>(0), most = std::make_shared<std::atomic<int>>(0),
                                      calls = std::make_shared<std::atomic<int>>(0);
    std::int64_t size() const { return 40; }
    std::int64_t operator[](std::int64_t i) const {
        const int now = ++*inside;
        for (int seen = most->load(); seen < now && !most->compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --*inside;
        ++*calls;
        return i;
    }
};

}  // namespace

TEST_CASE("any number of workers gives the same batches in the same order", "[data]") {
    const auto epochs = [](int workers, int ahead, bool drop_last) {
        const DataLoader loader(Uneven{}, {.batch_size = 4,
                                           .shuffle = true,
                                           .drop_last = drop_last,
                                           .seed = 5,
                                           .num_workers = workers,
                                           .prefetch_factor = ahead});
        return std::vector{epoch(loader), epoch(loader), epoch(loader)};
    };
    for (bool drop_last : {false, true}) {
        const auto expected = epochs(0, 1, drop_last);
        CHECK(expected[0].size() == (drop_last ? 5 : 6));
        CHECK(expected[0] != expected[1]);
        for (int workers : {1, 2, 3, 8})
            for (int ahead : {1, 2, 5}) CHECK(epochs(workers, ahead, drop_last) == expected);
    }
}

TEST_CASE("random transforms do not depend on the workers, and differ from epoch to epoch", "[data]") {
    const auto noise = [](const Tensor<float>& x, Generator& generator) { return x + rand(x.shape(), generator); };
    const auto epochs = [&](int workers, std::int64_t batch_size) {
        const DataLoader loader(data::transformed(Uneven{}, noise), {.batch_size = batch_size, .seed = 3, .num_workers = workers});
        return std::vector{epoch(loader), epoch(loader)};
    };
    const auto expected = epochs(0, 4);
    CHECK(expected[0] != expected[1]);
    for (int workers : {1, 3}) CHECK(epochs(workers, 4) == expected);
    // nor on the size of batches or the order: an item's draws are its own
    CHECK(epochs(2, 23)[0][0][0] == expected[0][0][0]);
    const Subset last(data::transformed(Uneven{}, noise), {22, 0});
    CHECK(epoch(DataLoader(last, {.batch_size = 2, .seed = 3, .num_workers = 1})) ==
          epoch(DataLoader(last, {.batch_size = 2, .seed = 3})));
    CHECK(epoch(DataLoader(last, {.batch_size = 2, .seed = 3})) != epoch(DataLoader(last, {.batch_size = 2, .seed = 4})));
}

TEST_CASE("the generator is left as PyTorch leaves it, with workers or without", "[data]") {
    const auto after = [](int workers) {
        Generator generator(9);
        const DataLoader loader(Uneven{}, {.batch_size = 7, .shuffle = true, .generator = &generator, .num_workers = workers});
        epoch(loader);
        epoch(loader);
        return generator.random64();
    };
    CHECK(after(2) == after(0));
}

TEST_CASE("tensors are gathered by workers, too", "[data]") {
    const TensorDataset set(arange<float>(200).view({100, 2}), arange<std::int64_t>(100));
    const auto plain = epoch(DataLoader(set, {.batch_size = 9, .shuffle = true, .seed = 1}));
    CHECK(epoch(DataLoader(set, {.batch_size = 9, .shuffle = true, .seed = 1, .num_workers = 3})) == plain);
    CHECK(epoch(DataLoader(set, {.batch_size = 9, .num_workers = 2})) == epoch(DataLoader(set, {.batch_size = 9})));
    CHECK(epoch(DataLoader(TensorDataset(zeros({0, 2}), zeros<std::int64_t>({0})), {.num_workers = 2})).empty());
}

TEST_CASE("an exception comes out at its batch, and the others are whole", "[data]") {
    for (int workers : {0, 1, 3}) {
        const DataLoader loader(Broken{}, {.batch_size = 4, .num_workers = workers});
        std::int64_t number = 0;
        int failures = 0;
        for (auto at = loader.begin(); at != loader.end(); ++at, ++number) {
            if (number == 2) {
                REQUIRE_THROWS_AS(*at, std::out_of_range);
                REQUIRE_THROWS_WITH(*at, "item 10");  // again
                ++failures;
                continue;
            }
            const auto [x, y] = *at;
            CHECK(y[0].item() == 4 * number);
        }
        CHECK(number == 6);
        CHECK(failures == 1);
        CHECK_THROWS_AS(epoch(loader), std::out_of_range);  // through a loop, whose loader lives on
        CHECK_THROWS_AS(epoch(loader), std::out_of_range);
    }
}

TEST_CASE("an epoch may be left at any batch", "[data]") {
    for (int workers : {1, 4})
        for (std::int64_t stop = 0; stop < 6; ++stop) {
            const DataLoader loader(Uneven{}, {.batch_size = 4, .num_workers = workers});
            std::int64_t number = 0;
            for (auto [x, y] : loader) {
                if (number++ == stop) break;
                CHECK(x.numel() > 0);
            }
            auto unused = loader.begin();  // not even one batch is taken
            auto copy = unused;
            CHECK(std::get<1>(*copy)[0].item() == 0);
        }
    // of a data set whose items all fail
    const DataLoader loader(Broken{{1000}, 0}, {.num_workers = 4});
    for (int round = 0; round < 5; ++round) CHECK_THROWS_AS(*loader.begin(), std::out_of_range);
}

TEST_CASE("batches that are not looked at are passed over", "[data]") {
    const DataLoader loader(Uneven{}, {.batch_size = 4, .num_workers = 2, .prefetch_factor = 1});
    auto at = loader.begin();
    for (int i = 0; i < 4; ++i) ++at;
    CHECK(std::get<1>(*at).tolist() == std::vector<std::int64_t>{16, 17, 18, 19});
    CHECK(std::get<1>(*at).tolist() == std::vector<std::int64_t>{16, 17, 18, 19});
    ++at;
    CHECK(std::get<1>(*at).numel() == 3);
    ++at;
    CHECK(at == loader.end());
}

TEST_CASE("an iterator may outlive its loader", "[data]") {
    auto at = [] {
        const DataLoader loader(Uneven{}, {.batch_size = 4, .num_workers = 2});
        return loader.begin();
    }();
    std::int64_t batches = 0;
    for (; at != std::default_sentinel; ++at) batches += std::get<0>(*at).numel() > 0;
    CHECK(batches == 6);
}

TEST_CASE("several epochs and loaders run at once", "[data]") {
    const DataLoader a(Uneven{}, {.batch_size = 3, .shuffle = true, .seed = 1, .num_workers = 2});
    const DataLoader b(Uneven{}, {.batch_size = 3, .num_workers = 3});
    auto first = a.begin();
    auto second = a.begin();
    auto third = b.begin();
    std::int64_t sums[3] = {};
    for (; first != a.end(); ++first, ++second, ++third) {
        sums[0] += std::get<1>(*first).sum().item();
        sums[1] += std::get<1>(*second).sum().item();
        sums[2] += std::get<1>(*third).sum().item();
    }
    for (std::int64_t sum : sums) CHECK(sum == 22 * 23 / 2);

    // and in threads of their own
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            const DataLoader loader(Uneven{}, {.batch_size = 5, .num_workers = 2});
            std::int64_t sum = 0;
            for (auto [x, y] : loader) sum += y.sum().item();
            good += sum == 22 * 23 / 2;
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(good == 4);
}

TEST_CASE("workers work at once, and no further ahead than they are told", "[data]") {
    const Watched set;
    const DataLoader loader(set, {.batch_size = 2, .num_workers = 3, .prefetch_factor = 2});
    {
        auto at = loader.begin();
        CHECK((*at).tolist() == std::vector<std::int64_t>{0, 1});
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        CHECK(*set.calls <= 2 * 6);
        ++at;
        CHECK((*at).tolist() == std::vector<std::int64_t>{2, 3});
    }
    const int calls = *set.calls;
    CHECK(calls <= 2 * 7);
    CHECK(*set.most <= 3);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(*set.calls == calls);  // the threads are gone with the iterator
    CHECK(*set.inside == 0);
}

TEST_CASE("workers record for the tape as their epoch's thread does", "[data]") {
    const auto weight = ones({2}).requires_grad_();
    const auto set = data::transformed(Uneven{}, [&](const Tensor<float>& x) { return x * weight; });
    const DataLoader loader(set, {.batch_size = 23, .num_workers = 1});
    auto [x, y] = *loader.begin();
    CHECK(x.requires_grad());
    NoGrad guard;
    auto [x_plain, y_plain] = *loader.begin();
    CHECK_FALSE(x_plain.requires_grad());
}

TEST_CASE("numbers of workers that make no sense are refused", "[data]") {
    CHECK_THROWS_WITH(DataLoader(Uneven{}, {.num_workers = -1}),
                      contains("data_loader: num_workers must be 0 (no threads) to 1024, but is -1"));
    CHECK_THROWS_AS(DataLoader(Uneven{}, {.num_workers = 5000}), ValueError);
    CHECK_THROWS_WITH(DataLoader(Uneven{}, {.prefetch_factor = 0}), contains("prefetch_factor must be at least 1, but is 0"));
}
