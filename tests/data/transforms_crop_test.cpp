// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/transforms_crop.hpp"

#include <string>

#include "headtorch/headtorch.hpp"
#include "tests/data/transforms.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::CenterCrop;
using data::ImagePadding;
using data::ImageSize;
using data::PaddingMode;
using data::RandomCrop;

namespace {

ImageSize size_of(const testing::Case& c) {
    const auto size = c.integers("size");
    return {size.at(0), size.at(1)};
}

ImagePadding padding_of(const testing::Case& c) {
    if (!c.has("padding")) return 0;
    const auto p = c.integers("padding");
    return p.size() == 1 ? ImagePadding(p[0]) : p.size() == 2 ? ImagePadding(p[0], p[1]) : ImagePadding(p.at(0), p.at(1), p.at(2), p.at(3));
}

PaddingMode mode_of(const testing::Case& c) {
    const std::string name = c.str("padding_mode", "constant");
    return name == "edge"        ? PaddingMode::edge
           : name == "reflect"   ? PaddingMode::reflect
           : name == "symmetric" ? PaddingMode::symmetric
                                 : PaddingMode::constant;
}

}  // namespace

TEST_CASE("crops are torchvision's", "[data]") {
    check_transforms("center_crop", [](const auto& c, const auto& x, Generator&) { return CenterCrop(size_of(c))(x); });
    check_transforms("random_crop", [](const auto& c, const auto& x, Generator& generator) {
        return RandomCrop({.size = size_of(c),
                           .padding = padding_of(c),
                           .pad_if_needed = c.flag("pad_if_needed"),
                           .fill = c.num("fill", 0),
                           .padding_mode = mode_of(c)})(x, generator);
    });
}

TEST_CASE("a crop of the whole draws nothing, as in torchvision", "[data]") {
    Generator a(1), b(1);
    const auto image = rand({3, 4, 5});
    CHECK(equal(RandomCrop({.size = {4, 5}})(image, a), image));
    CHECK(a.random64() == b.random64());
}

TEST_CASE("crops reach every place and no other", "[data]") {
    Generator generator(1);
    const auto image = arange<std::uint8_t>(1, 13).view({1, 3, 4});
    std::vector<int> seen(13);
    for (int i = 0; i < 200; ++i) {
        const auto part = RandomCrop(2)(image, generator);
        CHECK(part[0][1][1].item() == part[0][0][0].item() + 5);
        ++seen[part[0][0][0].item()];
    }
    for (int first : {1, 2, 3, 5, 6, 7}) CHECK(seen[static_cast<std::size_t>(first)] > 10);
    manual_seed(3);
    const auto by_default = RandomCrop(2, 1)(image);
    manual_seed(3);
    CHECK(equal(RandomCrop(2, 1)(image), by_default));
}

TEST_CASE("views and batches are cropped", "[data]") {
    const auto batch = rand({5, 6, 2, 3}).permute(2, 3, 0, 1);  // [2, 3, 5, 6]
    CHECK(equal(CenterCrop({3, 2})(batch), batch.narrow(2, 1, 3).narrow(3, 2, 2)));
    CHECK(CenterCrop(2)(zeros({0, 3, 4, 4})).shape() == Shape{0, 3, 2, 2});
    CHECK(CenterCrop(2)(zeros({3, 0, 4})).shape() == Shape{3, 2, 2});
}

TEST_CASE("crops that do not fit are refused", "[data]") {
    const auto image = zeros({3, 4, 4});
    CHECK_THROWS_WITH(RandomCrop(5)(image), contains("random_crop: a crop of 5 x 5 does not fit into an image of 4 x 4"));
    CHECK_THROWS_WITH(RandomCrop(ImageSize{7, 6}, 1)(image), contains("an image of 6 x 6 (padding included)"));
    CHECK_THROWS_WITH(RandomCrop({.size = 4, .padding = 4, .padding_mode = PaddingMode::reflect})(image),
                      contains("cannot be mirrored by 4 pixels"));
    CHECK_NOTHROW(RandomCrop({.size = 4, .padding = 4, .padding_mode = PaddingMode::symmetric})(image));
    CHECK_THROWS_AS(RandomCrop({.size = 4, .padding = 5, .padding_mode = PaddingMode::symmetric})(image), ValueError);
    CHECK_THROWS_WITH(CenterCrop({0, 3}), contains("center_crop: the size must be positive, but is 0 x 3"));
    CHECK_THROWS_AS(RandomCrop(4, -1), ValueError);
    CHECK_THROWS_WITH(CenterCrop(3)(zeros({4, 4})), contains("center_crop: an image is [channels, height, width]"));
}
