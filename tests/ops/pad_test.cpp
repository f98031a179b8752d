// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// pad: every mode against PyTorch, threads, wrong paddings.
#include "headtorch/ops/pad.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("padding agrees with PyTorch", "[ops]") {
    check_family("padding.txt",
                 {
                     {"pad", [](const auto& in, const Case& c) { return pad(in("x"), c.dims("pads"), c.str("mode"), c.num("value", 0)); }},
                     {"pad_long",
                      [](const auto& in, const Case&) {
                          return pad(in.longs("x"), {1, 2, 1, 0}, "constant", 7);
                      }},
                 });
}

TEST_CASE("padding by nothing, and of a number", "[ops]") {
    const auto x = tensor({{1, 2}, {3, 4}});
    CHECK(pad(x, {}).tolist() == x.tolist());
    CHECK(pad(x, {0, 0}, "reflect").tolist() == x.tolist());
    CHECK(pad(tensor(3), {}).item() == 3);
    CHECK(pad(x, {1, -1}).tolist() == std::vector<float>{0, 1, 0, 3});
}

TEST_CASE("padding does not depend on the number of threads", "[ops]") {
    Generator generator(1);
    const auto x = empty<float>({40, 3, 30, 31}).normal_(0, 1, generator);
    const auto results = [&](const char* mode) {
        const auto leaf = x.clone().requires_grad_();
        const auto y = pad(leaf, {3, 4, 5, 6}, mode);
        square(y).sum().backward();
        return std::vector{y.tolist(), leaf.grad().tolist()};
    };
    for (const char* mode : {"constant", "reflect", "replicate", "circular"}) {
        INFO(mode);
        check_with_threads([&] { return results(mode); });
    }
}

TEST_CASE("paddings that do not fit are refused", "[ops]") {
    const auto x = ones({2, 3, 4});
    CHECK_THROWS_WITH(pad(x, {1, 1}, "mirror"), "pad: mode is \"constant\", \"reflect\", \"replicate\" or \"circular\", not \"mirror\"");
    CHECK_THROWS_WITH(pad(x, {1}), "pad: needs two numbers for each dimension, got [1]");
    CHECK_THROWS_WITH(pad(x, {1, 1}, "reflect", 2), "pad: a value goes with mode \"constant\", not \"reflect\"");
    CHECK_THROWS_WITH(pad(tensor({1, 2}), {1, 1, 1, 1}), "pad: [1, 1, 1, 1] are paddings of 2 dimensions, but [2] has 1");
    CHECK_THROWS_WITH(pad(x, {4, 0}, "reflect"),
                      "pad: reflection needs a padding smaller than the dimension, got 4 and 0 at dimension 2 of [2, 3, 4]");
    CHECK_THROWS_WITH(pad(x, {5, 0}, "circular"),
                      "pad: circular padding wraps around at most once, got 5 and 0 at dimension 2 of [2, 3, 4]");
    CHECK_THROWS_AS(pad(ones({2, 0}), {1, 0}, "replicate"), ShapeError);
    CHECK_THROWS_WITH(pad(x, {-3, -2}), "pad: -3 and -2 at dimension 2 of [2, 3, 4] leave no valid size");
    CHECK_THROWS_AS(pad(x, {std::numeric_limits<std::int64_t>::max(), 1}), ShapeError);
    CHECK_THROWS_AS(pad(x, {std::int64_t{1} << 60, 0, std::int64_t{1} << 60, 0}), ShapeError);
}
