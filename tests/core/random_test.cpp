// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/core/random.hpp"

#include <random>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

std::vector<double> draw(Generator& generator, int count) {
    std::vector<double> values;
    for (int i = 0; i < count; ++i) {
        values.push_back(generator.random32());
        values.push_back(generator.uniform<double>());
        values.push_back(generator.normal());
    }
    return values;
}

/// FNV-1a.
std::uint64_t hash(const std::vector<std::uint8_t>& bytes) {
    std::uint64_t value = 14695981039346656037u;
    for (const std::uint8_t byte : bytes) value = (value ^ byte) * 1099511628211u;
    return value;
}

}  // namespace

TEST_CASE("the Mersenne Twister is the standard library's", "[core]") {
    for (const std::uint32_t seed : {0u, 1u, 5489u, 0xffffffffu}) {
        std::mt19937 theirs(seed);
        MersenneTwister ours;
        ours.seed(seed);
        for (int i = 0; i < 2000; ++i)
            if (ours() != theirs()) FAIL("seed " << seed << ", number " << i);
    }
}

TEST_CASE("a generator goes on from a state as the one that gave it", "[core]") {
    Generator first(123);
    for (const int warm_up : {0, 1, 7, 155, 156, 300}) {  // with and without a spare normal number, in any part of the 624 words
        first.manual_seed(123);
        draw(first, warm_up);
        if (warm_up % 2) first.normal();
        const std::vector<std::uint8_t> state = first.get_state();
        Generator second(9);
        second.normal();
        second.set_state(state);
        CHECK(second.get_state() == state);
        CHECK(second.initial_seed() == 123);
        CHECK(draw(second, 1000) == draw(first, 1000));
        CHECK(second.get_state() == first.get_state());
    }
}

TEST_CASE("a state is laid out as PyTorch's", "[core]") {
    // torch.manual_seed(5); torch.get_rng_state(): its size and hash, then after torch.rand(3), torch.randn(1), torch.rand(700)
    Generator generator(5);
    const auto check = [&](std::uint64_t expected) {
        CHECK(generator.get_state().size() == 5056);
        CHECK(hash(generator.get_state()) == expected);
    };
    check(1960713297662452632u);
    rand({3}, generator);
    check(5203937919908869505u);
    randn({1}, generator);
    check(300099647327296418u);
    rand({700}, generator);
    check(17622455298499606640u);
}

TEST_CASE("what is no state is refused, and changes nothing", "[core]") {
    Generator generator(1);
    draw(generator, 10);
    const std::vector<std::uint8_t> good = generator.get_state();
    std::vector<std::uint8_t> bad(good.begin(), good.end() - 1);
    CHECK_THROWS_WITH(generator.set_state(bad), "set_state: the state of a generator has 5056 bytes, not 5055");
    CHECK_THROWS_AS(generator.set_state({}), ValueError);
    for (const std::size_t at : {8u, 9u, 12u, 16u, 18u, 5040u}) {  // left, seeded, used, whether there is a spare number
        bad = good;
        bad[at] ^= 0x8b;
        CHECK_THROWS_WITH(generator.set_state(bad), "set_state: these bytes are not the state of a generator");
    }
    CHECK(generator.get_state() == good);
}
