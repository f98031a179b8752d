// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/image_folder.hpp"

#include <filesystem>

#include "headtorch/data/loader.hpp"
#include "headtorch/data/transformed.hpp"
#include "headtorch/ops/index.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::ImageFolder;

namespace {

void write_image(const TemporaryFolder& folder, const std::string& name, std::uint8_t value, std::int64_t side = 4) {
    const auto bytes = io::encode_png(full<std::uint8_t>({3, side, side}, value));
    folder.write(name, Bytes(bytes.begin(), bytes.end()));
}

}  // namespace

TEST_CASE("classes and images are sorted as in torchvision", "[data]") {
    const TemporaryFolder folder;
    write_image(folder, "dog/b.png", 2);
    write_image(folder, "dog/a.PNG", 1);
    write_image(folder, "dog/sub/0.png", 3);
    write_image(folder, "cat/z.jpeg", 4);  // told by its content
    write_image(folder, "Zebra/x.png", 5);
    folder.write("dog/notes.txt", "no image");
    folder.write("README.md", "no class");
    const ImageFolder set(folder.path());
    CHECK(set.classes == std::vector<std::string>{"Zebra", "cat", "dog"});
    CHECK(set.size() == 5);
    std::vector<int> values;
    for (std::int64_t i = 0; i < set.size(); ++i) {
        const auto [image, label] = set[i];
        CHECK(image.shape() == Shape{3, 4, 4});
        CHECK(label == (i == 0 ? 0 : i == 1 ? 1 : 2));
        values.push_back(image[0][0][0].item());
    }
    CHECK(values == std::vector<int>{5, 4, 1, 2, 3});
    CHECK(std::filesystem::path(set.samples[4].first).filename() == "0.png");
    CHECK(std::get<0>(ImageFolder(folder.path(), {.mode = io::ImageReadMode::gray})[0]).shape() == Shape{1, 4, 4});
}

TEST_CASE("workers read the images of a folder", "[data]") {
    const TemporaryFolder folder;
    for (int i = 0; i < 20; ++i)
        write_image(folder, (i % 2 ? "odd/" : "even/") + std::to_string(100 + i) + ".png", static_cast<std::uint8_t>(i));
    const auto set = data::transformed(ImageFolder(folder.path()), data::ToTensor());
    for (int workers : {0, 2}) {
        std::int64_t seen = 0;
        for (auto [images, labels] : data::DataLoader(set, {.batch_size = 3, .shuffle = true, .seed = 1, .num_workers = workers}))
            for (std::int64_t i = 0; i < labels.numel(); ++i, ++seen) {
                const auto value = static_cast<int>(images[i][0][0][0].item() * 255 + 0.5f);
                CHECK(labels[i].item() == value % 2);
            }
        CHECK(seen == 20);
    }
    write_image(folder, "odd/999.png", 1, 5);
    CHECK(set.size() == 20);  // it was listed before
    const ImageFolder uneven(folder.path());
    CHECK_THROWS_WITH(*data::DataLoader(uneven, {.batch_size = 21, .num_workers = 1}).begin(),
                      contains("items of one batch need the same shape"));
}

TEST_CASE("folders without classes or images are refused", "[data]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(ImageFolder(folder.path("none")), contains("image_folder: " + folder.path("none") + ": "));
    CHECK_THROWS_WITH(ImageFolder(folder.path()), contains("there are no folders in it"));
    write_image(folder, "full/a.png", 1);
    folder.write("hollow/readme.txt", "");
    CHECK_THROWS_WITH(ImageFolder(folder.path()), contains("there is no .png, .jpg or .jpeg file in " + folder.path("hollow")));
    const ImageFolder set(folder.path(), {.allow_empty = true});
    CHECK(set.classes.size() == 2);
    CHECK(set.size() == 1);
    CHECK_THROWS_WITH(set[1], contains("image_folder: index 1 is out of range for size 1"));
    CHECK_THROWS_AS(set[-1], IndexError);
    folder.write("full/b.png", "no image");
    CHECK_THROWS_WITH(ImageFolder(folder.path(), {.allow_empty = true})[1],
                      contains(folder.path("full/b.png") + ": neither a PNG nor a JPEG"));
}
