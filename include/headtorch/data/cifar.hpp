// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in the binary version of https://www.cs.toronto.edu/~kriz/cifar.html: records of one label
/// byte (CIFAR-100: two) and 3072 bytes of an image. Needs zlib: link with headtorch::io.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/io/gzip.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

namespace detail {
inline std::vector<std::string> cifar_files(std::string_view set, Split split, std::vector<std::string> train,
                                            std::vector<std::string> test) {
    if (split != Split::train && split != Split::test) throw ValueError(message(set, ": it has two parts, Split::train and Split::test"));
    return split == Split::train ? train : test;
}
}  // namespace detail

/// 32 x 32 colour images with a label each. Images stay bytes, a quarter of the memory of floats: `data::transformed(cifar,
/// data::ToTensor{})` makes floats of those that are asked for, data::ToTensor{}(cifar.images) of all.
class ColourImages {
public:
    using Item = std::tuple<Tensor<std::uint8_t, Cpu>, Tensor<std::int64_t, Cpu>>;

    std::int64_t size() const { return labels.numel(); }
    /// An image [3, 32, 32] and its label, 0-dim.
    Item operator[](std::int64_t i) const { return {images[i], labels[i]}; }
    Item get_batch(const Tensor<std::int64_t, Cpu>& indices) const {
        return {detail::take_items(images, indices), detail::take_items(labels, indices)};
    }
    Item slice(std::int64_t start, std::int64_t length) const { return {images.narrow(0, start, length), labels.narrow(0, start, length)}; }

    Tensor<std::uint8_t, Cpu> images;  ///< [n, 3, 32, 32], red, green and blue from 0 to 255
    Tensor<std::int64_t, Cpu> labels;  ///< [n]

protected:
    struct Layout {
        std::string_view set, folder, advice;
        std::vector<std::string> files;          ///< read as far as they are there
        std::vector<std::int64_t> label_limits;  ///< numbers of classes, one for each label byte; the last label is the one that counts
    };

    /// Looks for the files in `directory` and in the folder that the archive unpacks to.
    ColourImages(const std::string& directory, const Layout& layout) {
        struct File {
            std::string path;
            std::int64_t records;
        };
        std::vector<File> files;
        const std::int64_t record_bytes = static_cast<std::int64_t>(layout.label_limits.size()) + image_bytes;
        std::int64_t count = 0;
        for (std::string& path : find(directory, layout)) {
            std::error_code ignored;
            const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, ignored));
            if (bytes <= 0 || bytes % record_bytes != 0)
                throw IoError(message(layout.set, ": ", path, ": its ", bytes, " bytes are not a whole number of records of ", record_bytes,
                                      " bytes: it is truncated, or not of this set"));
            files.push_back({std::move(path), bytes / record_bytes});
            count += bytes / record_bytes;
        }
        images = empty<std::uint8_t, Cpu>({count, 3, 32, 32});
        labels = empty<std::int64_t, Cpu>({count});
        first_labels = empty<std::int64_t, Cpu>({count});
        std::int64_t next = 0;
        for (const File& file : files) {
            io::InputFile input(layout.set, file.path);
            for (std::int64_t record = 0; record < file.records; ++record, ++next) read_record(input, layout, record, next);
        }
    }

    Tensor<std::int64_t, Cpu> first_labels;  ///< the first label byte of each record

private:
    static constexpr std::int64_t image_bytes = 3 * 32 * 32;

    static std::vector<std::string> find(const std::string& directory, const Layout& layout) {
        namespace fs = std::filesystem;
        std::error_code ignored;
        const fs::path root = directory;
        if (!fs::is_directory(root, ignored))
            throw IoError(message(layout.set, ": there is no directory ", directory, ": ", layout.advice));
        std::vector<std::string> paths;
        for (const fs::path& folder : {root, root / layout.folder}) {
            for (const std::string& file : layout.files)
                if (fs::is_regular_file(folder / file, ignored)) paths.push_back((folder / file).string());
            if (!paths.empty()) return paths;
        }
        throw IoError(message(layout.set, ": there is no ", layout.files.front(), layout.files.size() > 1 ? " (or another batch)" : "",
                              " in ", directory, " or its folder ", layout.folder, ": ", layout.advice));
    }

    void read_record(io::InputFile& file, const Layout& layout, std::int64_t record, std::int64_t place) {
        for (std::size_t field = 0; field < layout.label_limits.size(); ++field) {
            std::uint8_t label = 0;
            if (file.read(&label, 1) != 1) file.fail("it became shorter while it was read");
            if (label >= layout.label_limits[field])
                file.fail("label ", static_cast<int>(label), " of record ", record, " is not in 0 to ", layout.label_limits[field] - 1,
                          ": this is not a file of ", layout.set, " in its binary version");
            if (field == 0) first_labels.data()[place] = label;
            labels.data()[place] = label;
        }
        if (file.read(images.data() + place * image_bytes, image_bytes) != image_bytes) file.fail("it became shorter while it was read");
    }
};

/// 50,000 images to train with and 10,000 to test with, of ten classes. Of the five training batches those that are there are read.
class CIFAR10 : public ColourImages {
public:
    /// Throws IoError when no file is there, or one is malformed.
    explicit CIFAR10(const std::string& directory, Split split = Split::train)
        : ColourImages(directory, {"CIFAR10", "cifar-10-batches-bin",
                                   "`sh cmake/download.sh cifar10` gets it, or fetch and unpack "
                                   "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                                   detail::cifar_files("CIFAR10", split,
                                                       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                                        "data_batch_5.bin"},
                                                       {"test_batch.bin"}),
                                   {10}}) {}

    static constexpr std::array<std::string_view, 10> classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                                 "dog",      "frog",       "horse", "ship", "truck"};
};

/// 50,000 images to train with and 10,000 to test with, of 100 classes in 20 groups.
class CIFAR100 : public ColourImages {
public:
    /// Throws IoError when the file is not there or malformed.
    explicit CIFAR100(const std::string& directory, Split split = Split::train)
        : ColourImages(directory, {"CIFAR100", "cifar-100-binary",
                                   "`sh cmake/download.sh cifar100` gets it, or fetch and unpack "
                                   "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                                   detail::cifar_files("CIFAR100", split, {"train.bin"}, {"test.bin"}),
                                   {20, 100}}),
          coarse_labels(first_labels) {}

    Tensor<std::int64_t, Cpu> coarse_labels;  ///< [n], the group of each image

    static constexpr std::array<std::string_view, 100> classes = {
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy", "bridge", "bus",
        "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
        "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
        "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
        "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark",
        "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
        "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
        "woman", "worm"};
    static constexpr std::array<std::string_view, 20> coarse_classes = {
        "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables", "household_electrical_devices",
        "household_furniture", "insects", "large_carnivores", "large_man-made_outdoor_things", "large_natural_outdoor_scenes",
        "large_omnivores_and_herbivores", "medium_mammals", "non-insect_invertebrates", "people", "reptiles", "small_mammals", "trees",
        "vehicles_1", "vehicles_2"};
};

}  // namespace headtorch::data
