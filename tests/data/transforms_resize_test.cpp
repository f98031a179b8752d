// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/transforms_resize.hpp"

#include <cstdlib>

#include "headtorch/headtorch.hpp"
#include "tests/data/transforms.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::Resize;

TEST_CASE("resize is torchvision's", "[data]") {
    check_transforms(
        "resize",
        [](const auto& c, const auto& x, Generator&) {
            const auto size = c.integers("size");
            data::ResizeOptions options{.antialias = c.flag("antialias", true)};
            if (c.has("max_size")) options.max_size = c.integer("max_size");
            return size.size() == 1 ? Resize(size[0], options)(x) : Resize({size[0], size[1]}, options)(x);
        },
        1e-6, 1);
}

TEST_CASE("a constant stays one, and a slope a slope", "[data]") {
    for (bool antialias : {true, false})
        for (std::int64_t to : {1, 2, 3, 7, 10, 11, 64, 301}) {
            const auto grey = Resize({to, to + 2}, {.antialias = antialias})(full<std::uint8_t>({1, 10, 13}, 77));
            CHECK(equal(grey, full<std::uint8_t>({1, to, to + 2}, 77)));
        }
    const auto slope = arange<double>(0, 40).view({1, 1, 40});
    const auto half = Resize({1, 20})(slope);
    for (std::int64_t x = 1; x < 19; ++x) CHECK(half.data()[x] == Approx(2 * static_cast<double>(x) + 0.5));
    CHECK(half.data()[0] > 0);
    const auto twice = Resize({1, 80})(slope);
    for (std::int64_t x = 1; x < 79; ++x) CHECK(twice.data()[x] == Approx(static_cast<double>(x) / 2 - 0.25));
}

TEST_CASE("proportions are kept when one side is given", "[data]") {
    const auto shape = [](const Resize& resize, Shape of) { return resize(zeros<std::uint8_t>(of)).shape(); };
    CHECK(shape(Resize(4), {3, 8, 16}) == Shape{3, 4, 8});
    CHECK(shape(Resize(4), {3, 17, 8}) == Shape{3, 8, 4});
    CHECK(shape(Resize(10), {2, 1, 5, 5}) == Shape{2, 1, 10, 10});
    CHECK(shape(Resize(4, {.max_size = 6}), {3, 8, 16}) == Shape{3, 3, 6});
    CHECK(shape(Resize({5, 2}), {3, 8, 16}) == Shape{3, 5, 2});
    const auto image = rand({3, 4, 4});
    CHECK(Resize(4)(image).is_same(image));
    const auto view = rand({8, 6, 3}).permute(2, 0, 1);
    CHECK(equal(Resize({3, 3})(view), Resize({3, 3})(view.contiguous())));
    CHECK(Resize(2)(zeros({0, 3, 4, 4})).shape() == Shape{0, 3, 2, 2});
}

TEST_CASE("sizes that make no sense are refused", "[data]") {
    CHECK_THROWS_WITH(Resize(0), contains("resize: the size must be positive, but is 0 x 0"));
    CHECK_THROWS_AS(Resize({3, -1}), ValueError);
    CHECK_THROWS_WITH(Resize(4, {.max_size = 4}), contains("max_size must be greater than 4"));
    CHECK_THROWS_AS(Resize({4, 4}, {.max_size = 8}), ValueError);
    CHECK_THROWS_WITH(Resize(4)(zeros({3, 0, 2})), contains("resize: an image without pixels: [3, 0, 2]"));
    CHECK_THROWS_WITH(Resize(4)(zeros({2, 2})), contains("resize: an image is [channels, height, width]"));
    CHECK_THROWS_WITH(Resize(4, {.max_size = 100})(zeros({1, 1, 1000})), contains("resize: the size must be positive, but is 0 x 100"));
}
