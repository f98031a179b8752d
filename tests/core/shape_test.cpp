// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Shapes, strides, dimensions and broadcasting.
#include "headtorch/core/shape.hpp"

#include <cstdint>
#include <limits>

#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("shapes", "[core]") {
    CHECK(Shape{}.rank() == 0);
    CHECK(Shape{}.numel() == 1);
    CHECK(Shape{}.to_string() == "[]");
    CHECK(Shape{2, 3}.numel() == 6);
    CHECK(Shape{2, 3}.to_string() == "[2, 3]");
    CHECK(Shape{2, 0, 3}.numel() == 0);
    CHECK(Shape{2, 3} == Shape{2, 3});
    CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
    CHECK(Shape{2, 3, 4}.contiguous_strides() == Strides{12, 4, 1});
    CHECK(Shape{2, 0, 4}.contiguous_strides() == Strides{4, 4, 1});
    CHECK_THROWS_WITH((Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}), contains("at most 8"));
}

TEST_CASE("lists change", "[core]") {
    Shape s{1, 2, 3};
    s.insert(0, 9);
    s.insert(4, 8);
    CHECK(s == Shape{9, 1, 2, 3, 8});
    s.erase(1);
    CHECK(s == Shape{9, 2, 3, 8});
    s.erase(3);
    CHECK(s.back() == 3);
    CHECK(s.contains(2));
    CHECK_FALSE(s.contains(8));
    Shape full = IntList::filled(8, 1);
    CHECK_THROWS_AS(full.push_back(1), ShapeError);
    CHECK(full.rank() == 8);
}

TEST_CASE("products that do not fit", "[core]") {
    constexpr std::int64_t big = std::int64_t{1} << 40, largest = std::numeric_limits<std::int64_t>::max();
    CHECK_THROWS_WITH((Shape{big, big}.numel()), contains("[1099511627776, 1099511627776] does not fit in 64 bits"));
    CHECK_THROWS_AS((Shape{largest}.numel()), ShapeError);
    CHECK_THROWS_AS((Shape{big, -1}.numel()), ShapeError);
    CHECK_THROWS_AS((Shape{0, -1}.numel()), ShapeError);
    CHECK_THROWS_AS((Shape{-1, 0}.numel()), ShapeError);
    CHECK((Shape{big, big, big, 0}.numel()) == 0);
    CHECK((Shape{0, big, big, big}.numel()) == 0);
    CHECK((Shape{0, big, big, big}.contiguous_strides().rank()) == 4);
    CHECK(is_contiguous(Shape{0, big, big, big}, Shape{0, big, big, big}.contiguous_strides()));
    CHECK((Shape{big, 1 << 15}.numel()) == big << 15);
}

TEST_CASE("dimensions count from either end", "[core]") {
    CHECK(normalize_dim("op", -1, 3) == 2);
    CHECK(normalize_dim("op", 0, 3) == 0);
    CHECK(normalize_dim("op", 0, 0) == 0);
    CHECK(normalize_dim("op", -1, 0) == 0);
    CHECK_THROWS_AS(normalize_dim("op", 3, 3), IndexError);
    CHECK_THROWS_WITH(normalize_dim("sum", -4, 3), contains("sum: dimension out of range: expected [-3, 2], but got -4"));
    CHECK_THROWS_AS(normalize_dim("op", 1, 0), IndexError);
    CHECK(Dims(2) == Dims{2});
    CHECK((Dims{0, -1}.rank()) == 2);
}

TEST_CASE("broadcasting", "[core]") {
    CHECK(broadcast_shapes("add", {2, 3}, {3}) == Shape{2, 3});
    CHECK(broadcast_shapes("add", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
    CHECK(broadcast_shapes("add", {}, {2}) == Shape{2});
    CHECK(broadcast_shapes("add", {1}, {0}) == Shape{0});
    CHECK(broadcast_shapes("add", {0, 1}, {1, 5}) == Shape{0, 5});
    CHECK_THROWS_AS(broadcast_shapes("add", {2, 3}, {2}), ShapeError);
    CHECK_THROWS_WITH(broadcast_shapes("add", {2, 3}, {2}),
                      contains("add: shapes do not broadcast: [2, 3] and [2] (sizes 3 and 2 at dimension 1)"));
    CHECK_THROWS_AS(broadcast_shapes("add", {0}, {2}), ShapeError);
    CHECK(broadcast_strides({3, 1}, {1, 1}, {2, 3, 4}) == Strides{0, 1, 0});
    CHECK(broadcast_strides({2, 3}, {3, 1}, {2, 3}) == Strides{3, 1});
}

TEST_CASE("contiguity ignores dimensions of one element", "[core]") {
    CHECK(is_contiguous({2, 3}, {3, 1}));
    CHECK_FALSE(is_contiguous({2, 3}, {1, 2}));
    CHECK(is_contiguous({2, 1, 3}, {3, 77, 1}));
    CHECK_FALSE(is_contiguous({2, 3}, {0, 1}));
    CHECK(is_contiguous({0, 3}, {5, 9}));
    CHECK(is_contiguous({}, {}));
}
