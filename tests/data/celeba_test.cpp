// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/celeba.hpp"

#include "headtorch/data/loader.hpp"
#include "headtorch/ops/index.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::CelebA;
using data::Split;

namespace {

/// Six images, of which number i is all 10 i; attributes are the bits of i.
struct SmallSet {
    Bytes attributes = "6\nSmiling Young  Bald\n", partition;
    SmallSet() {
        for (int i = 1; i <= 6; ++i) {
            attributes += name(i);
            for (int bit : {1, 2, 4}) attributes += i & bit ? "  1" : " -1";
            attributes += "\r\n";
            partition += name(i) + (i <= 3 ? " 0\n" : i == 4 ? " 1\n" : " 2\n");
        }
    }
    static Bytes name(int i) { return "00000" + std::to_string(i) + ".jpg"; }
    void write(const TemporaryFolder& folder, const std::string& below = "") const {
        folder.write(below + "list_attr_celeba.txt", attributes);
        folder.write(below + "list_eval_partition.txt", partition);
        for (int i = 1; i <= 6; ++i) {
            const auto jpeg = io::encode_jpeg(full<std::uint8_t>({3, 8, 6}, static_cast<std::uint8_t>(10 * i)), 95);
            folder.write(below + "img_align_celeba/" + name(i), Bytes(jpeg.begin(), jpeg.end()));
        }
    }
};

}  // namespace

TEST_CASE("CelebA's parts are read", "[data]") {
    const TemporaryFolder folder;
    SmallSet().write(folder, "celeba/");
    const CelebA train(folder.path()), test(folder.path("celeba"), Split::test);
    CHECK(train.size() == 3);
    CHECK(train.attribute_names == std::vector<std::string>{"Smiling", "Young", "Bald"});
    CHECK(train.files == std::vector<std::string>{"000001.jpg", "000002.jpg", "000003.jpg"});
    CHECK(train.attributes.tolist() == std::vector<float>{1, 0, 0, 0, 1, 0, 1, 1, 0});
    CHECK(test.attributes.tolist() == std::vector<float>{1, 0, 1, 0, 1, 1});
    CHECK(CelebA(folder.path(), Split::valid).files == std::vector<std::string>{"000004.jpg"});
    CHECK(CelebA(folder.path(), Split::all).size() == 6);
    const auto [image, attributes] = test[1];
    CHECK(image.shape() == Shape{3, 8, 6});
    CHECK(std::abs(image[1][3][3].item() - 60) <= 1);
    CHECK(attributes.tolist() == std::vector<float>{0, 1, 1});
    for (auto [images, labels] : data::DataLoader(train, {.batch_size = 3, .num_workers = 2})) {
        CHECK(images.shape() == Shape{3, 3, 8, 6});
        CHECK(labels.shape() == Shape{3, 3});
    }
}

TEST_CASE("lists that are missing or malformed are refused", "[data]") {
    const auto refusal = [](const SmallSet& set) {
        const TemporaryFolder folder;
        set.write(folder);
        try {
            CelebA(folder.path(), Split::train);
        } catch (const IoError& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    const auto with = [](Bytes text, const Bytes& from, const Bytes& to) { return text.replace(text.find(from), from.size(), to); };
    const SmallSet good;
    SmallSet set = good;
    CHECK(refusal(set) == "no error");
    set.attributes = with(good.attributes, "6\n", "7\n");
    CHECK_THAT(refusal(set), contains("list_attr_celeba.txt:8: the list has 6 images, but its first line says 7"));
    set.attributes = with(good.attributes, "6\n", "six\n");
    CHECK_THAT(refusal(set), contains("list_attr_celeba.txt:1: expected the number of images"));
    set.attributes = "6\n";
    CHECK_THAT(refusal(set), contains("expected the names of the attributes"));
    set.attributes = "";
    CHECK_THAT(refusal(set), contains("expected the number of images"));
    set.attributes = with(good.attributes, "000002.jpg -1", "000002.jpg 0");
    CHECK_THAT(refusal(set), contains("list_attr_celeba.txt:4: attribute Smiling is '0', not 1 or -1"));
    set.attributes = with(good.attributes, "000002.jpg -1", "000002.jpg");
    CHECK_THAT(refusal(set), contains("list_attr_celeba.txt:4: expected the name of an image and 3 attributes, but there are 3 words"));
    set.attributes = with(good.attributes, "000002.jpg", "../000002.jpg");
    CHECK_THAT(refusal(set), contains("must not lead elsewhere"));
    set.attributes = with(good.attributes, "000002.jpg", "000009.jpg");
    CHECK_THAT(refusal(set), contains("the list has 2 of the 3 images that list_eval_partition.txt names"));
    set = good;
    set.partition = with(good.partition, "000002.jpg 0", "000002.jpg 3");
    CHECK_THAT(refusal(set), contains("list_eval_partition.txt:2: expected the name of an image, and 0, 1 or 2"));
    set.partition = with(good.partition, "000002.jpg 0", "000002.jpg");
    CHECK_THAT(refusal(set), contains("list_eval_partition.txt:2"));

    const TemporaryFolder folder;
    CHECK_THROWS_WITH(CelebA(folder.path()),
                      contains("CelebA: there is no list_attr_celeba.txt in " + folder.path()) && contains("sh cmake/download.sh celeba"));
    folder.write("list_attr_celeba.txt", good.attributes);
    CHECK_THROWS_WITH(CelebA(folder.path()), contains("list_eval_partition.txt: cannot open it"));
    folder.write("list_eval_partition.txt", good.partition);
    const CelebA train(folder.path());
    CHECK_THROWS_WITH(train[0], contains("img_align_celeba/000001.jpg: cannot open it"));
    CHECK_THROWS_AS(train[3], IndexError);
}
