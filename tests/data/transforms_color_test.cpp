// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/transforms_color.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/data/transforms.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::ColorJitter;

TEST_CASE("color_jitter is torchvision's", "[data]") {
    const auto jitter = [](const auto& c, const auto& x, Generator& generator) {
        return ColorJitter({.brightness = c.num("brightness", 0),
                            .contrast = c.num("contrast", 0),
                            .saturation = c.num("saturation", 0),
                            .hue = c.num("hue", 0)})(x, generator);
    };
    // torchvision turns hues in float, whatever the image
    check_transforms("color_jitter", jitter, 2e-6, 0, 1e-6);
}

TEST_CASE("ranges are given from both sides or by their ends", "[data]") {
    Generator generator(1);
    const auto image = full<std::uint8_t>({3, 2, 2}, 100);
    for (int i = 0; i < 50; ++i) {
        const auto brighter = ColorJitter({.brightness = {1.5, 2}})(image, generator)[0][0][0].item();
        CHECK((brighter >= 150 && brighter <= 200));
    }
    CHECK(equal(ColorJitter({})(image, generator), image));
    CHECK(equal(ColorJitter({.brightness = {10, 10}})(image, generator), full<std::uint8_t>({3, 2, 2}, 255)));
    const auto red = tensor<float>({{{1}}, {{0}}, {{0}}});
    CHECK(allclose(ColorJitter({.hue = {1 / 3.0, 1 / 3.0}})(red, generator), tensor<float>({{{0}}, {{1}}, {{0}}}), 1e-5, 1e-5));
    CHECK(allclose(ColorJitter({.saturation = {0, 0}})(red, generator), full({3, 1, 1}, 0.2989f)));
    const auto copy = image.clone();
    ColorJitter({.brightness = 0.9})(image, generator);
    CHECK(equal(image, copy));  // a new image
    CHECK(ColorJitter({.contrast = 0.5})(zeros({3, 0, 4})).shape() == Shape{3, 0, 4});
}

TEST_CASE("ranges that make no sense are refused", "[data]") {
    CHECK_THROWS_WITH(ColorJitter({.brightness = -0.1}), contains("color_jitter: the range of brightness is 1.1 to 0.9"));
    CHECK_THROWS_WITH(ColorJitter({.contrast = {-1, 1}}), contains("the range of contrast is -1 to 1, not within 0 to inf"));
    CHECK_THROWS_WITH(ColorJitter({.hue = 0.6}), contains("the range of hue is -0.6 to 0.6, not within -0.5 to 0.5"));
    CHECK_THROWS_AS(ColorJitter({.saturation = {2, 1}}), ValueError);
    CHECK_NOTHROW(ColorJitter({.saturation = 5}));
    CHECK_THROWS_WITH(ColorJitter({})(zeros({4, 2, 2})), contains("color_jitter: an image has 1 or 3 channels, got [4, 2, 2]"));
}
