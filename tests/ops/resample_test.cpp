// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// interpolate, pixel_shuffle and pixel_unshuffle: against PyTorch, exact cases, threads, wrong arguments.
#include "headtorch/ops/resample.hpp"

#include <limits>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/threads.hpp"

using namespace headtorch;
using namespace headtorch::testing;
using Catch::Matchers::Contains;

namespace {

ScaleFactor factor_of(const Case& c) {
    if (!c.has("scale_factor")) return {};
    const auto words = c.words("scale_factor");
    const auto number = [&](std::size_t i) { return std::strtod(words[i].c_str(), nullptr); };
    return words.size() == 1 ? ScaleFactor(number(0)) : ScaleFactor{number(0), number(1)};
}

}  // namespace

TEST_CASE("resampling agrees with PyTorch", "[ops]") {
    check_family("resampling.txt",
                 {
                     {"interpolate",
                      [](const auto& in, const Case& c) {
                          std::optional<bool> corners;
                          if (c.has("align_corners")) corners = c.flag("align_corners");
                          return interpolate(in("x"), c.has("size") ? c.dims("size") : Dims{}, factor_of(c), c.str("mode", "nearest"),
                                             corners, c.flag("recompute_scale_factor"), c.flag("antialias"));
                      }},
                     {"pixel_shuffle", [](const auto& in, const Case& c) { return pixel_shuffle(in("x"), c.integer("factor")); }},
                     {"pixel_unshuffle", [](const auto& in, const Case& c) { return pixel_unshuffle(in("x"), c.integer("factor")); }},
                 });
}

TEST_CASE("resampling to the same size changes nothing, and constants stay constant", "[ops]") {
    Generator generator(1);
    const auto x = empty<float>({2, 3, 17, 33}).normal_(0, 1, generator);
    for (const char* mode : {"nearest", "nearest-exact", "bilinear", "bicubic", "area"})
        CHECK(interpolate(x, {17, 33}, {}, mode).tolist() == x.tolist());
    const auto one = ones({1, 1, 9, 20});
    for (const char* mode : {"bilinear", "bicubic"})
        for (const bool antialias : {false, true})
            for (const auto& size : {Dims{5, 7}, Dims{30, 50}, Dims{1, 64}})
                CHECK(allclose(interpolate(one, size, {}, mode, {}, false, antialias), ones({1, 1, size[0], size[1]})));
    CHECK(interpolate(tensor({{{1, 2}}}), {}, 2).tolist() == std::vector<float>{1, 1, 2, 2});
    CHECK(pixel_unshuffle(pixel_shuffle(ones({3, 9, 2, 2}), 3), 3).shape() == Shape{3, 9, 2, 2});
}

TEST_CASE("resampling does not depend on the number of threads", "[ops]") {
    Generator generator(1);
    const auto x = empty<float>({4, 6, 20, 30}).normal_(0, 1, generator).requires_grad_();
    const auto results = [&] {
        std::vector<std::vector<float>> found;
        for (const auto& y : {interpolate(x, {}, 2, "bilinear"), interpolate(x, {7, 50}, {}, "bicubic"), interpolate(x, {}, 3),
                              interpolate(x, {9, 11}, {}, "bilinear", {}, false, true)}) {
            found.push_back(y.tolist());
            found.push_back(grad(square(y).sum(), std::vector<Tensor<>>{x})[0].tolist());
        }
        return found;
    };
    check_with_threads(results);
}

TEST_CASE("resampling refuses what does not fit", "[ops]") {
    const auto x = ones({1, 2, 4, 4});
    CHECK_THROWS_WITH(interpolate(ones({2, 4}), 3), "interpolate: needs an input [batch, channels, ...] of 3 or 4 dimensions, got [2, 4]");
    CHECK_THROWS_WITH(interpolate(x, {}), "interpolate: needs either a size or a scale_factor");
    CHECK_THROWS_AS(interpolate(x, 3, 2), ValueError);
    CHECK_THROWS_WITH(interpolate(x, {}, 2, "cubic"), Contains("not \"cubic\""));
    CHECK_THROWS_WITH(interpolate(x, {}, 2, "linear"), "interpolate: mode \"linear\" needs an input of 3 dimensions, got 4");
    CHECK_THROWS_AS(interpolate(ones({1, 2, 4}), {}, 2, "bilinear"), ShapeError);
    CHECK_THROWS_WITH(interpolate(x, {}, 2, "nearest", true), "interpolate: align_corners goes with smooth modes, not with \"nearest\"");
    CHECK_THROWS_WITH(interpolate(x, {}, 2, "nearest", {}, false, true),
                      "interpolate: antialias goes with \"bilinear\" and \"bicubic\", not with \"nearest\"");
    CHECK_THROWS_AS(interpolate(x, {}, 2, "area", true), ValueError);
    CHECK_THROWS_WITH(interpolate(x, {}, 0.1), "interpolate: a scale_factor of 0.1 makes no valid size of dimension 2 of [1, 2, 4, 4]");
    for (const double factor : {0.0, -1.0, 1e300, std::numeric_limits<double>::quiet_NaN()})
        CHECK_THROWS_AS(interpolate(x, {}, factor), ValueError);
    CHECK_THROWS_AS(interpolate(x, 0), ValueError);
    CHECK_THROWS_AS(interpolate(x, {2, 2, 2}), ValueError);
    CHECK_THROWS_AS(interpolate(ones({1, 2, 4}), {}, {2, 2}), ValueError);
    CHECK_THROWS_AS((ScaleFactor{1, 2, 3}), ValueError);
    CHECK_THROWS_WITH(interpolate(ones({1, 2, 0}), 2), "interpolate: dimension 2 of [1, 2, 0] is empty");
    CHECK_THROWS_WITH(pixel_shuffle(ones({3, 4, 4}), 2), "pixel_shuffle: the 3 channels of [3, 4, 4] do not divide by 2^2");
    CHECK_THROWS_AS(pixel_shuffle(ones({4, 4}), 2), ShapeError);
    CHECK_THROWS_AS(pixel_shuffle(ones({4, 4, 4}), 0), ValueError);
    CHECK_THROWS_WITH(pixel_unshuffle(ones({1, 3, 4}), 2), "pixel_unshuffle: height and width of [1, 3, 4] do not divide by 2");
    CHECK_THROWS_AS(pixel_unshuffle(ones({4, 4}), 2), ShapeError);
    CHECK_THROWS_AS(pixel_unshuffle(ones({4, 4, 4}), -1), ValueError);
}
