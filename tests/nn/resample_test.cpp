// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Resampling layers: what they compute, print and refuse.
#include "headtorch/nn/resample.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("resampling layers do what the functions do", "[nn]") {
    const auto x = arange<float>(48).reshape({1, 4, 3, 4});
    CHECK(nn::Upsample({}, 2)(x).tolist() == interpolate(x, {}, 2).tolist());
    CHECK(nn::Upsample({.scale_factor = 2, .mode = "bilinear", .align_corners = true})(x).tolist() ==
          interpolate(x, {}, 2, "bilinear", true).tolist());
    CHECK(nn::Upsample({.size = {5, 7}, .mode = "bicubic"})(x).tolist() == interpolate(x, {5, 7}, {}, "bicubic").tolist());
    CHECK(nn::Upsample(5)(x).shape() == Shape{1, 4, 5, 5});
    CHECK(nn::PixelShuffle(2)(x).tolist() == pixel_shuffle(x, 2).tolist());
    CHECK(nn::PixelUnshuffle(2)(nn::PixelShuffle(2)(x)).tolist() == x.tolist());
    nn::Sequential<> net{nn::Upsample({.scale_factor = 2}), nn::PixelUnshuffle(2)};
    CHECK(net(x).shape() == Shape{1, 16, 3, 4});
}

TEST_CASE("resampling layers print as in PyTorch and refuse what does not fit", "[nn]") {
    CHECK(nn::Upsample({.scale_factor = 2}).to_string() == "Upsample(scale_factor=2.0, mode='nearest')");
    CHECK(nn::Upsample({.size = {3, 4}, .mode = "bilinear"}).to_string() == "Upsample(size=(3, 4), mode='bilinear')");
    CHECK(nn::Upsample({.scale_factor = {2, 3}, .mode = "bicubic"}).to_string() == "Upsample(scale_factor=(2.0, 3.0), mode='bicubic')");
    CHECK(nn::Upsample(3).to_string() == "Upsample(size=3, mode='nearest')");
    CHECK(nn::PixelShuffle(2).to_string() == "PixelShuffle(upscale_factor=2)");
    CHECK(nn::PixelUnshuffle(3).to_string() == "PixelUnshuffle(downscale_factor=3)");
    CHECK_THROWS_WITH(nn::Upsample({.mode = "nearest"}), "Upsample: needs either a size or a scale_factor");
    CHECK_THROWS_AS(nn::Upsample(3, 2), ValueError);
    CHECK_THROWS_AS(nn::PixelShuffle(0), ValueError);
    CHECK_THROWS_AS(nn::PixelUnshuffle(-1), ValueError);
}
