// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <headtorch/headtorch.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

constexpr std::int64_t kib = 1024, mib = 1024 * kib;

std::int64_t allocated() { return memory::stats().memory_allocated; }
Tensor<std::uint8_t> bytes(std::int64_t n) { return zeros<std::uint8_t>({n}); }

}  // namespace

TEST_CASE("what tensors hold is counted to the byte, views and the caller's memory not at all", "[memory]") {
    const std::int64_t before = allocated(), tensors = memory::stats().tensors;
    {
        const auto x = empty<double>({3, 5});
        CHECK(allocated() == before + 15 * 8);
        const auto y = x.t(), z = x.narrow(0, 1, 2).detach();
        CHECK(allocated() == before + 15 * 8);
        CHECK(memory::stats().tensors == tensors + 1);
        float mine[4] = {};
        const auto blob = from_blob(mine, {4});
        CHECK(allocated() == before + 15 * 8);
        const auto big = bytes(3 * mib);
        CHECK(allocated() == before + 15 * 8 + 3 * mib);
        CHECK(memory::stats().memory_reserved >= allocated());
    }
    CHECK(allocated() == before);
    CHECK(memory::stats().tensors == tensors);
}

TEST_CASE("the peak is exact: of small tensors, of large ones, and after a reset", "[memory]") {
    const auto peak_of = [](auto work) {
        memory::reset_peak();
        const std::int64_t before = allocated();
        CHECK(memory::stats().max_memory_allocated == before);
        work();
        CHECK(allocated() == before);
        return memory::stats().max_memory_allocated - before;
    };
    CHECK(peak_of([] {}) == 0);
    CHECK(peak_of([] { bytes(100), bytes(70); }) == 170);
    CHECK(peak_of([] {
              bytes(100);
              bytes(70);
          }) == 100);
    CHECK(peak_of([] {
              { const auto a = bytes(5 * mib); }
              const auto b = bytes(mib), c = bytes(mib);
          }) == 5 * mib);
    CHECK(peak_of([] {
              std::vector<Tensor<std::uint8_t>> many;
              for (int i = 0; i < 3000; ++i) many.push_back(bytes(kib));
              many.resize(10);
              bytes(2 * mib);
          }) == 3000 * kib);
    CHECK(peak_of([] {
              const auto a = bytes(100);
              for (int i = 0; i < 1000; ++i) bytes(200 * kib + i);
          }) == 100 + 200 * kib + 999);
}

TEST_CASE("threads: what one makes another may free, and nothing is lost when they end", "[memory]") {
    memory::reset_peak();
    const auto before = memory::stats();
    std::vector<Tensor<std::uint8_t>> kept[4];
    std::vector<std::thread> threads;
    for (auto& list : kept)
        threads.emplace_back([&list] {
            for (int i = 0; i < 500; ++i) list.push_back(bytes(kib)), bytes(64 * kib);
        });
    for (auto& thread : threads) thread.join();
    auto now = memory::stats();
    CHECK(now.memory_allocated == before.memory_allocated + 4 * 500 * kib);
    CHECK(now.tensors == before.tensors + 2000);
    CHECK(now.allocations - before.allocations >= 4 * 500 * 2 * 2);
    CHECK(now.max_memory_allocated >= now.memory_allocated);
    CHECK(now.max_memory_allocated <= now.memory_allocated + 4 * 64 * kib + 4 * 256 * kib);
    for (auto& list : kept) list.clear();
    CHECK(allocated() == before.memory_allocated);

    std::thread([&] { kept[0].push_back(bytes(10)); }).join();
    std::thread([&] { kept[0].clear(); }).join();
    CHECK(allocated() == before.memory_allocated);
    CHECK(memory::stats().tensors == before.tensors);
}

TEST_CASE("memory freed while its thread ends is counted", "[memory]") {
    const std::int64_t before = allocated();
    std::thread([] {
        static thread_local std::optional<Tensor<>> late;  // made before the thread's cache, thus destroyed after it
        late.emplace();
        *late = ones({1000});
    }).join();
    CHECK(allocated() == before);
}

TEST_CASE("a steady loop is served from the cache, which can be emptied", "[memory]") {
    const auto step = [] { static_cast<void>((randn({50, 50}) * 2 + 1).sum().item()); };
    for (int i = 0; i < 3; ++i) step();
    const auto before = memory::stats();
    for (int i = 0; i < 10; ++i) step();
    const auto after = memory::stats();
    CHECK(after.memory_allocated == before.memory_allocated);
    const std::int64_t served = after.allocations - before.allocations;
    CHECK(served >= 10 * 4 * 2);
    if (!reuse_memory) {
        CHECK(after.from_cache == 0);
        CHECK(after.memory_cached == 0);
        return;
    }
    CHECK(after.from_cache - before.from_cache == served);
    CHECK(after.memory_reserved == before.memory_reserved);
    CHECK(after.memory_cached > 0);
    CHECK(after.memory_cached <= after.memory_reserved - after.memory_allocated);
    memory::empty_cache();
    const auto emptied = memory::stats();
    CHECK(emptied.memory_cached == 0);
    CHECK(emptied.memory_reserved == after.memory_reserved - after.memory_cached);
}

TEST_CASE("the statistics as a line", "[memory]") {
    memory::Stats stats;
    stats.tensors = 2;
    stats.memory_allocated = 3 * mib / 2;
    stats.allocations = 7;
    CHECK(stats.to_string() ==
          "memory: 2 tensors of 1.5 MiB, at most 0 MiB; 0 MiB reserved, of which 0 MiB cached; 7 allocations, 0 from the cache");
}
