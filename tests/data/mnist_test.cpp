// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/mnist.hpp"

#include <filesystem>

#include "headtorch/data/loader.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::FashionMNIST;
using data::MNIST;
using data::Split;

namespace {

/// `count` images, of which number i is all i + 1, labelled i % 10.
struct SmallSet {
    Bytes images, labels;
    explicit SmallSet(std::uint32_t count) : images(idx_header(8, {count, 28, 28})), labels(idx_header(8, {count})) {
        for (std::uint32_t i = 0; i < count; ++i) {
            images += Bytes(28 * 28, static_cast<char>(i + 1));
            labels += static_cast<char>(i % 10);
        }
    }
    void write(const TemporaryFolder& folder, const std::string& prefix, bool packed) const {
        folder.write(prefix + "-images-idx3-ubyte" + (packed ? ".gz" : ""), packed ? gzip(images) : images);
        folder.write(prefix + "-labels-idx1-ubyte" + (packed ? ".gz" : ""), packed ? gzip(labels) : labels);
    }
};

}  // namespace

TEST_CASE("both parts are read, plain or gzipped", "[data]") {
    const TemporaryFolder folder;
    const bool packed = GENERATE(false, true);
    SmallSet(12).write(folder, "train", packed);
    SmallSet(3).write(folder, "t10k", packed);
    const MNIST train(folder.path());
    CHECK(train.size() == 12);
    CHECK(train.images.shape() == Shape{12, 1, 28, 28});
    CHECK(train.labels.tolist() == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1});
    for (int i = 0; i < 12; ++i) CHECK(train.images[i][0][27][27].item() == static_cast<float>(i + 1) / 255.0f);
    const FashionMNIST test(folder.path(), Split::test);
    CHECK(test.size() == 3);
    CHECK(FashionMNIST::classes[9] == "Ankle boot");
    CHECK(MNIST::classes[3] == "3");
}

TEST_CASE("they are data sets for a loader", "[data]") {
    const TemporaryFolder folder;
    SmallSet(12).write(folder, "train", true);
    const MNIST train(folder.path());
    const auto [image, label] = train[11];
    CHECK(image.shape() == Shape{1, 28, 28});
    CHECK(label.item() == 1);
    for (auto [images, labels] : data::DataLoader(train, {.batch_size = 4})) CHECK(images.shape() == Shape{4, 1, 28, 28});
    for (auto [images, labels] : data::DataLoader(train, {.batch_size = 5, .shuffle = true, .seed = 1}))
        for (std::int64_t i = 0; i < labels.numel(); ++i) {
            const double number = static_cast<double>(images[i][0][0][0].item()) * 255 - 1;
            CHECK(static_cast<int>(number + 0.5) % 10 == labels[i].item());
        }
    CHECK(std::get<1>(data::Subset(train, {3}).slice(0, 1)).tolist() == std::vector<std::int64_t>{3});
}

TEST_CASE("torchvision's folders are found", "[data]") {
    const TemporaryFolder folder;
    SmallSet(2).write(folder, "MNIST/raw/train", true);
    CHECK(MNIST(folder.path()).size() == 2);
    CHECK(MNIST(folder.path("MNIST")).size() == 2);
    CHECK_THROWS_AS(FashionMNIST(folder.path()), IoError);
}

TEST_CASE("what is missing is named, and where to get it", "[data]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(FashionMNIST(folder.path("none")), contains("FashionMNIST: there is no directory " + folder.path("none")) &&
                                                             contains("dataset-fashion-mnist") &&
                                                             contains("/usr/share/datasets/fashion-mnist"));
    CHECK_THROWS_WITH(MNIST(folder.path()),
                      contains("MNIST: there is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in " + folder.path()));
    SmallSet(2).write(folder, "train", true);
    std::filesystem::remove(folder.path("train-labels-idx1-ubyte.gz"));
    CHECK_THROWS_WITH(MNIST(folder.path()), contains("there is no train-labels-idx1-ubyte"));
    CHECK_THROWS_WITH(MNIST(folder.path(), Split::test), contains("there is no t10k-images-idx3-ubyte"));
    CHECK_THROWS_AS(MNIST(""), IoError);
}

TEST_CASE("files that do not belong together are refused", "[data]") {
    const TemporaryFolder folder;
    SmallSet set(3);
    set.labels = SmallSet(4).labels;
    set.write(folder, "train", true);
    CHECK_THROWS_WITH(MNIST(folder.path()), contains("train-images-idx3-ubyte.gz holds 3 images, but ") && contains("labels of shape [4]"));
    set = SmallSet(3);
    set.labels.back() = 10;
    set.write(folder, "train", true);
    CHECK_THROWS_WITH(MNIST(folder.path()), contains("label 2 is 10, not in 0 to 9"));
    set = SmallSet(3);
    set.images = idx_header(8, {3, 28, 27}) + Bytes(3 * 28 * 27, 'x');
    set.write(folder, "train", true);
    CHECK_THROWS_WITH(MNIST(folder.path()), contains("holds [3, 28, 27], not images [n, 28, 28]"));
    set.images = set.labels;
    set.write(folder, "train", true);
    CHECK_THROWS_WITH(MNIST(folder.path()), contains("not images [n, 28, 28]"));
    set = SmallSet(3);
    set.images.pop_back();
    set.write(folder, "train", true);
    CHECK_THROWS_AS(MNIST(folder.path()), IoError);
}

TEST_CASE("the real Fashion-MNIST, where it is installed", "[data]") {
    if (!std::filesystem::is_directory(FashionMNIST::default_directory)) {
        WARN("no " << FashionMNIST::default_directory << "; install dataset-fashion-mnist to test on the real data");
        return;
    }
    const FashionMNIST test(FashionMNIST::default_directory, Split::test);
    REQUIRE(test.size() == 10000);
    CHECK(test.images.shape() == Shape{10000, 1, 28, 28});
    std::array<int, 10> counts{};
    for (std::int64_t label : test.labels.tolist()) ++counts[static_cast<std::size_t>(label)];
    for (int count : counts) CHECK(count == 1000);
    CHECK(FashionMNIST::classes[static_cast<std::size_t>(test.labels[0].item())] == "Ankle boot");
    const FashionMNIST train;
    REQUIRE(train.size() == 60000);
    double sum = 0;
    for (const float *pixel = train.images.data(), *end = pixel + train.images.numel(); pixel != end; ++pixel)
        sum += static_cast<double>(*pixel);
    CHECK(sum / static_cast<double>(train.images.numel()) == Approx(0.2860).margin(5e-5));  // as is widely used to normalise it
}
