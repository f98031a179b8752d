// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/data/cifar.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>

#include "headtorch/data/loader.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using data::CIFAR10;
using data::CIFAR100;
using data::Split;

namespace {

/// A record: labels, and an image whose red, green and blue are `value`, value + 1 and value + 2.
Bytes record(const std::vector<int>& labels, int value) {
    Bytes result = bytes(labels);
    for (int channel = 0; channel < 3; ++channel) result += Bytes(32 * 32, static_cast<char>(value + channel));
    return result;
}

}  // namespace

TEST_CASE("CIFAR-10 is read from the batches that are there", "[data]") {
    const TemporaryFolder folder;
    folder.write("data_batch_1.bin", record({3}, 10) + record({9}, 20));
    folder.write("data_batch_4.bin", record({0}, 30));
    folder.write("test_batch.bin", record({5}, 40));
    const CIFAR10 train(folder.path());
    CHECK(train.size() == 3);
    CHECK(train.images.shape() == Shape{3, 3, 32, 32});
    CHECK(train.labels.tolist() == std::vector<std::int64_t>{3, 9, 0});
    const auto [image, label] = train[2];
    CHECK(label.item() == 0);
    for (std::int64_t channel = 0; channel < 3; ++channel) CHECK(image[channel][31][31].item() == 30 + channel);
    CHECK(CIFAR10(folder.path(), Split::test).labels.tolist() == std::vector<std::int64_t>{5});
    CHECK(CIFAR10::classes[9] == "truck");
    for (auto [images, labels] : data::DataLoader(train, {.batch_size = 2, .shuffle = true, .seed = 1}))
        for (std::int64_t i = 0; i < labels.numel(); ++i)
            CHECK(images[i][0][0][0].item() == (labels[i].item() == 3 ? 10 : labels[i].item() == 9 ? 20 : 30));
}

TEST_CASE("CIFAR-100 has two labels to an image", "[data]") {
    const TemporaryFolder folder;
    folder.write("cifar-100-binary/train.bin", record({19, 99}, 1) + record({0, 4}, 2));
    const CIFAR100 train(folder.path());
    CHECK(train.labels.tolist() == std::vector<std::int64_t>{99, 4});
    CHECK(train.coarse_labels.tolist() == std::vector<std::int64_t>{19, 0});
    CHECK(CIFAR100::classes[99] == "worm");
    CHECK(CIFAR100::classes[4] == "beaver");
    CHECK(CIFAR100::coarse_classes[0] == "aquatic_mammals");
    CHECK(CIFAR100::coarse_classes[19] == "vehicles_2");
    CHECK_THROWS_WITH(CIFAR100(folder.path(), Split::test), contains("CIFAR100: there is no test.bin in " + folder.path()));
}

TEST_CASE("CIFAR files that are missing or malformed are refused", "[data]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(CIFAR10(folder.path("none")), contains("CIFAR10: there is no directory " + folder.path("none")) &&
                                                        contains("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"));
    CHECK_THROWS_WITH(CIFAR10(folder.path()), contains("there is no data_batch_1.bin (or another batch) in " + folder.path()));
    CHECK_THROWS_WITH(CIFAR10(folder.path(), Split::valid), contains("Split::train and Split::test"));
    Bytes content = record({1}, 5) + record({2}, 6);
    content.pop_back();
    folder.write("data_batch_1.bin", content);
    CHECK_THROWS_WITH(CIFAR10(folder.path()), contains("data_batch_1.bin: its 6145 bytes are not a whole number of records of 3073 bytes"));
    folder.write("data_batch_1.bin", "");
    CHECK_THROWS_WITH(CIFAR10(folder.path()), contains("its 0 bytes"));
    folder.write("data_batch_1.bin", record({1}, 5) + record({10}, 6));
    CHECK_THROWS_WITH(CIFAR10(folder.path()), contains("label 10 of record 1 is not in 0 to 9"));
    folder.write("data_batch_1.bin", gzip(content));
    CHECK_THROWS_AS(CIFAR10(folder.path()), IoError);
    folder.write("train.bin", record({20, 3}, 6));
    CHECK_THROWS_WITH(CIFAR100(folder.path()), contains("label 20 of record 0 is not in 0 to 19"));
    folder.write("train.bin", record({1, 100}, 6));
    CHECK_THROWS_WITH(CIFAR100(folder.path()), contains("label 100 of record 0 is not in 0 to 99"));
}

TEST_CASE("the real CIFAR-10, where there is some of it", "[data]") {
    const char* root = std::getenv("HEADTORCH_DATA");
    if (!root || !std::filesystem::is_directory(std::string(root) + "/cifar10")) {
        WARN("no $HEADTORCH_DATA/cifar10 to test on the real images");
        return;
    }
    const CIFAR10 test(std::string(root) + "/cifar10", Split::test);
    CHECK(test.images.shape() == Shape{test.size(), 3, 32, 32});
    std::array<std::int64_t, 10> counts{};
    for (std::int64_t label : test.labels.tolist()) ++counts[static_cast<std::size_t>(label)];
    for (std::int64_t count : counts) CHECK(count == test.size() / 10);
    const double means[] = {0.4914, 0.4822, 0.4465};  // as they are widely used to normalise it
    for (std::int64_t channel = 0; channel < 3; ++channel)
        CHECK(static_cast<double>(test.images.narrow(1, channel, 1).sum().item()) / (255.0 * static_cast<double>(test.size()) * 1024) ==
              Approx(means[channel]).margin(0.01));
}
