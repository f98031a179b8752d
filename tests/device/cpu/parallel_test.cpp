// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/device/cpu/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

/// Sets the number of threads, and back.
class Threads {
public:
    explicit Threads(int count) : before_(get_num_threads()) { set_num_threads(count); }
    ~Threads() { set_num_threads(before_); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

private:
    int before_;
};

}  // namespace

TEST_CASE("parallel_for visits every index once", "[device]") {
    const int threads = GENERATE(1, 2, 3, 8);
    const std::int64_t count = GENERATE(std::int64_t{0}, 1, 7, 64, 1000), grain = GENERATE(std::int64_t{0}, 1, 10, 999, 5000);
    const Threads guard(threads);
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
    std::atomic<int> pieces = 0;
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        ++pieces;
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    CHECK(std::all_of(visits.begin(), visits.end(), [](const std::atomic<int>& n) { return n == 1; }));
    CHECK(pieces <= std::max(1, get_num_threads()));
    if (count <= grain) CHECK(pieces == (count > 0 ? 1 : 0));
}

TEST_CASE("parallel_for within parallel_for is serial", "[device]") {
    const Threads guard(4);
    std::atomic<int> outer = 0, inner = 0;
    parallel_for(4, 1, [&](std::int64_t, std::int64_t) {
        ++outer;
        parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) {
            if (begin == 0 && end == 1000) ++inner;
        });
    });
    if (outer > 1) CHECK(inner == outer);
    CHECK_FALSE(in_parallel_region());
}

TEST_CASE("an exception in a piece of parallel_for reaches the caller, once", "[device]") {
    const Threads guard(4);
    CHECK_THROWS_WITH(parallel_for(100, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("from a piece"); }),
                      contains("from a piece"));
    std::atomic<std::int64_t> sum = 0;  // and the threads are still there
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) sum += i;
    });
    CHECK(sum == 4950);
}

TEST_CASE("the number of threads is at least one", "[device]") {
    const Threads guard(2);
    set_num_threads(0);
    CHECK(get_num_threads() == 1);
    set_num_threads(-3);
    CHECK(get_num_threads() == 1);
}
