// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/transforms_basic.hpp"

#include "headtorch/data/loader.hpp"
#include "headtorch/data/transformed.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/data/transforms.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::Compose;
using data::Normalize;
using data::RandomHorizontalFlip;
using data::ToTensor;

TEST_CASE("to_tensor, normalize and flips are torchvision's", "[data]") {
    check_transforms("to_tensor", [](const auto&, const auto& x, Generator&) { return ToTensor{}(x); });
    check_transforms("normalize", [](const auto& c, const auto& x, Generator&) {
        if constexpr (Floating<typename std::remove_cvref_t<decltype(x)>::value_type>)
            return Normalize(numbers(c, "mean"), numbers(c, "std"))(x);
        else
            return x;
    });
    check_transforms("horizontal_flip", [](const auto& c, const auto& x, Generator& g) { return RandomHorizontalFlip(c.num("p"))(x, g); });
    check_transforms("vertical_flip",
                     [](const auto& c, const auto& x, Generator& g) { return data::RandomVerticalFlip(c.num("p"))(x, g); });
}

TEST_CASE("compose passes the generator to those that draw", "[data]") {
    const Compose steps(
        RandomHorizontalFlip(1), ToTensor(), [](const Tensor<float>& x) { return x + 1; },
        [](const auto& x, Generator& generator) { return x * rand({}, generator).item(); });
    Generator a(5), b(5);
    const auto image = arange<std::uint8_t>(0, 6).view({1, 2, 3});
    const auto y = steps(image, a);
    static_assert(std::is_same_v<decltype(y), const Tensor<float>>);
    b.uniform<float>();
    CHECK(allclose(y, (tensor({{{2, 1, 0}, {5, 4, 3}}}) / 255 + 1) * b.uniform<float>()));
    manual_seed(5);
    CHECK(equal(steps(image), y));
    static_assert(!data::BatchedTransform<decltype(steps)>);
    static_assert(data::BatchedTransform<Compose<ToTensor, Compose<Normalize>>>);
}

TEST_CASE("images that are not contiguous", "[data]") {
    const auto image = randint<std::uint8_t>(0, 256, {4, 5, 3}).permute(2, 0, 1);
    CHECK(equal(RandomHorizontalFlip(1)(image), flip(image, {-1})));
    CHECK(equal(data::RandomVerticalFlip(1)(image), flip(image, {-2})));
    CHECK(equal(ToTensor{}(image), image.to<float>() / 255));
    CHECK(equal(Normalize({0.5}, {2})(ToTensor{}(image)), (ToTensor{}(image)-0.5f) / 2.0f));
    CHECK(RandomHorizontalFlip(0)(image).is_same(image));
    const auto real = rand({1, 2, 2});
    CHECK(ToTensor{}(real).is_same(real));
    CHECK(ToTensor{}(zeros<std::uint8_t>({3, 0, 4})).shape() == Shape{3, 0, 4});
}

TEST_CASE("a transformed data set", "[data]") {
    const data::TensorDataset set(arange<std::uint8_t>(0, 120).view({10, 3, 2, 2}), arange<std::int64_t>(10));
    const auto plain = data::transformed(set, Compose(ToTensor(), Normalize({0.5, 0.4, 0.3}, {0.5, 0.25, 1})));
    static_assert(data::BatchedDataset<decltype(plain)> && data::SliceableDataset<decltype(plain)>);
    CHECK(plain.size() == 10);
    const auto [image, label] = plain[7];
    CHECK(label.item() == 7);
    CHECK(image[2][1][1].item() == (95 / 255.0f - 0.3f) / 1.0f);
    // gathered at once, or item by item: the same values
    const auto slow = data::transformed(set, [&](const Tensor<std::uint8_t>& x) { return plain.transform()(x); });
    static_assert(!data::BatchedDataset<decltype(slow)>);
    for (bool shuffle : {false, true}) {
        const data::DataLoader fast_loader(plain, {.batch_size = 4, .shuffle = shuffle, .seed = 1});
        const data::DataLoader slow_loader(slow, {.batch_size = 4, .shuffle = shuffle, .seed = 1});
        auto b = slow_loader.begin();
        for (auto [x, y] : fast_loader) {
            CHECK(equal(x, std::get<0>(*b)));
            CHECK(equal(y, std::get<1>(*b)));
            ++b;
        }
    }
    // items that are tensors
    const std::vector<Tensor<float>> images = {ones({1, 2, 2}), zeros({1, 2, 2})};
    CHECK(data::transformed(images, Normalize({0.5}, {0.5}))[1].tolist() == std::vector<float>(4, -1));
    // through a subset
    const data::Subset part(data::transformed(set, RandomHorizontalFlip(1)), {3});
    CHECK(std::get<0>(part[0])[0][0].tolist() == std::vector<std::uint8_t>{37, 36});
    Generator generator(1);
    CHECK(std::get<0>(part.get(0, generator))[0][0].tolist() == std::vector<std::uint8_t>{37, 36});
    CHECK_THROWS_AS(part.get(1, generator), IndexError);
}

TEST_CASE("transforms of what is no image are refused", "[data]") {
    CHECK_THROWS_WITH(RandomHorizontalFlip(1)(zeros({3, 3})),
                      contains("flip: an image is [channels, height, width]") && contains("got [3, 3]"));
    CHECK_THROWS_WITH(Normalize({1, 2}, {1, 2})(zeros({3, 2, 2})),
                      contains("normalize: mean and std have 2 numbers, but the image of shape [3, 2, 2] has 3 channels"));
    CHECK_THROWS_WITH(Normalize({1, 2}, {1}), contains("but have 2 and 1"));
    CHECK_THROWS_AS(Normalize({}, {}), ValueError);
    CHECK_THROWS_WITH(Normalize({1}, {0}), contains("std must be positive, but is 0"));
    CHECK_THROWS_WITH(RandomHorizontalFlip(1.5), contains("the probability is 1.5, not in 0 to 1"));
}
