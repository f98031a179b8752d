// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The memory pool: size classes, reuse, threads, giving back.
#include "headtorch/device/cpu/memory.hpp"

#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;
using cpu::detail::class_bytes;
using cpu::detail::size_class;

TEST_CASE("size classes hold what is put in them, and waste at most a quarter", "[device]") {
    CHECK(size_class(0) == 0);
    CHECK(size_class(1) == 0);
    CHECK(size_class(64) == 0);
    CHECK(size_class(65) == 1);
    CHECK(size_class(1024) == 15);
    CHECK(size_class(1025) == 16);
    std::vector<std::size_t> sizes;
    for (std::size_t bytes = 1; bytes < 5000; ++bytes) sizes.push_back(bytes);
    for (int power = 12; power <= 46; ++power)
        for (const std::size_t step : {0u, 1u, 2u, 3u})
            for (const std::size_t less : {0u, 1u, 2u}) sizes.push_back((std::size_t{1} << power) + (step << (power - 2)) + 1 - less);
    for (const std::size_t bytes : sizes) {
        if (bytes > (std::size_t{1} << 46)) continue;
        const std::size_t index = size_class(bytes);
        REQUIRE(index < cpu::detail::class_count);
        REQUIRE(class_bytes(index) >= bytes);
        REQUIRE(class_bytes(index) % 64 == 0);
        if (index > 0) REQUIRE(class_bytes(index - 1) < bytes);
        if (bytes > 1024) REQUIRE(static_cast<double>(class_bytes(index)) <= 1.25 * static_cast<double>(bytes) + 64);
    }
}

TEST_CASE("blocks are aligned, apart, and writable to the end", "[device]") {
    std::vector<std::pair<unsigned char*, std::size_t>> blocks;
    std::size_t bytes = 0;
    for (int i = 0; i < 60; ++i, bytes = bytes * 5 / 4 + 7) {
        auto* block = static_cast<unsigned char*>(cpu::allocate(bytes));
        REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
        std::memset(block, i, bytes);
        blocks.emplace_back(block, bytes);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i)
        for (std::size_t k = 0; k < blocks[i].second; k += 97) REQUIRE(blocks[i].first[k] == i);
    for (auto& [block, size] : blocks) cpu::deallocate(block, size);
    cpu::deallocate(nullptr, 100);
}

TEST_CASE("a freed block comes back", "[device]") {
    if (!reuse_memory) return;  // under the address sanitizer every block is new
    for (const std::size_t bytes : {std::size_t{10}, std::size_t{5000}, std::size_t{1} << 20}) {
        void* first = cpu::allocate(bytes);
        cpu::deallocate(first, bytes);
        void* second = cpu::allocate(bytes - 1);  // of the same class
        CHECK(second == first);
        cpu::deallocate(second, bytes - 1);
    }
}

TEST_CASE("blocks may be freed by another thread", "[device]") {
    constexpr std::size_t count = 2000;
    cpu::empty_cache();
    std::vector<void*> blocks(count);
    std::thread([&] {
        for (std::size_t i = 0; i < count; ++i) std::memset(blocks[i] = cpu::allocate(100 + i), 1, 100 + i);
    }).join();
    CHECK(std::set<void*>(blocks.begin(), blocks.end()).size() == count);
    std::thread([&] {
        for (std::size_t i = 0; i < count; ++i) cpu::deallocate(blocks[i], 100 + i);
    }).join();
    if (!reuse_memory) return;
    // the second thread left them to all when it ended
    const std::set<void*> freed(blocks.begin(), blocks.end());
    void* again = cpu::allocate(100 + count - 1);
    CHECK(freed.count(again) == 1);
    cpu::deallocate(again, 100 + count - 1);
}

TEST_CASE("empty_cache and the limit", "[device]") {
    if (!reuse_memory) return;
    auto& depot = cpu::detail::Depot::instance();
    cpu::empty_cache();
    CHECK(depot.cached_bytes() == 0);
    const std::size_t bytes = std::size_t{3} << 20;
    cpu::deallocate(cpu::allocate(bytes), bytes);
    CHECK(depot.cached_bytes() == bytes);
    cpu::empty_cache();
    CHECK(depot.cached_bytes() == 0);
    cpu::set_cache_limit(bytes);
    void *a = cpu::allocate(bytes), *b = cpu::allocate(bytes);
    cpu::deallocate(a, bytes);
    cpu::deallocate(b, bytes);
    CHECK(depot.cached_bytes() == bytes);
    cpu::set_cache_limit(std::size_t{4} << 30);
    cpu::empty_cache();
}

TEST_CASE("what no machine has is refused", "[device]") {
    CHECK_THROWS_AS(cpu::allocate(std::size_t{1} << 50), OutOfMemoryError);
    CHECK_THROWS_WITH(cpu::allocate(std::size_t{1} << 50), contains("allocate: 1125899906842624 bytes"));
}

TEST_CASE("pooled objects are destroyed, and their memory returns when a constructor throws", "[device]") {
    struct Counted {
        int& alive;
        explicit Counted(int& counter, bool fail = false) : alive(counter) {
            if (fail) throw ValueError("no");
            ++alive;
        }
        ~Counted() { --alive; }
    };
    int alive = 0;
    auto* object = cpu::make_pooled<Counted>(alive);
    CHECK(alive == 1);
    cpu::destroy_pooled(object);
    CHECK(alive == 0);
    CHECK_THROWS_AS(cpu::make_pooled<Counted>(alive, true), ValueError);
    CHECK(alive == 0);
}
