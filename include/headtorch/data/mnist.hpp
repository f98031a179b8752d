// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// MNIST and Fashion-MNIST from a directory with their four IDX files, plain or gzipped. Needs zlib: link with headtorch::io.

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "headtorch/core/error.hpp"
#include "headtorch/data/dataset.hpp"
#include "headtorch/io/idx.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// 28 x 28 grey images with one of ten labels.
class GreyImages {
public:
    using Item = std::tuple<Tensor<float, Cpu>, Tensor<std::int64_t, Cpu>>;

    std::int64_t size() const { return labels.numel(); }
    /// An image [1, 28, 28] and its label, 0-dim.
    Item operator[](std::int64_t i) const { return {images[i], labels[i]}; }
    Item get_batch(const Tensor<std::int64_t, Cpu>& indices) const {
        return {detail::take_items(images, indices), detail::take_items(labels, indices)};
    }
    Item slice(std::int64_t start, std::int64_t length) const { return {images.narrow(0, start, length), labels.narrow(0, start, length)}; }

    Tensor<float, Cpu> images;         ///< [n, 1, 28, 28], from 0 (background) to 1
    Tensor<std::int64_t, Cpu> labels;  ///< [n], 0 to 9

protected:
    /// Looks for the files in `directory` and where torchvision puts them. Throws IoError with `advice` when they are not there.
    GreyImages(std::string_view set, const std::string& directory, Split split, std::string_view advice) {
        if (split != Split::train && split != Split::test)
            throw ValueError(message(set, ": it has two parts, Split::train and Split::test"));
        const std::string prefix = split == Split::train ? "train" : "t10k";
        const std::string images_path = find(set, directory, prefix + "-images-idx3-ubyte", advice);
        const std::string labels_path = find(set, directory, prefix + "-labels-idx1-ubyte", advice);
        const auto pixels = io::read_idx<std::uint8_t>(images_path);
        const auto codes = io::read_idx<std::uint8_t>(labels_path);
        if (pixels.dim() != 3 || pixels.size(1) != 28 || pixels.size(2) != 28)
            throw IoError(message(set, ": ", images_path, " holds ", pixels.shape(), ", not images [n, 28, 28]"));
        if (codes.dim() != 1 || codes.numel() != pixels.size(0))
            throw IoError(message(set, ": ", images_path, " holds ", pixels.size(0), " images, but ", labels_path,
                                  " holds labels of shape ", codes.shape(), ": the two files are not of one set"));
        const std::uint8_t *first = codes.data(), *last = first + codes.numel();
        const std::uint8_t* wrong = std::find_if(first, last, [](std::uint8_t code) { return code > 9; });
        if (wrong != last)
            throw IoError(message(set, ": ", labels_path, ": label ", wrong - first, " is ", static_cast<int>(*wrong), ", not in 0 to 9"));
        images = empty<float, Cpu>({pixels.size(0), 1, 28, 28});
        std::transform(pixels.data(), pixels.data() + pixels.numel(), images.data(),
                       [](std::uint8_t pixel) { return static_cast<float>(pixel) / 255.0f; });
        labels = empty<std::int64_t, Cpu>(codes.shape());
        std::copy(first, last, labels.data());
    }

private:
    static std::string find(std::string_view set, const std::string& directory, const std::string& file, std::string_view advice) {
        namespace fs = std::filesystem;
        std::error_code ignored;
        const fs::path root = directory;
        if (!fs::is_directory(root, ignored)) throw IoError(message(set, ": there is no directory ", directory, ": ", advice));
        for (const fs::path& folder : {root, root / "raw", root / set / "raw"})
            for (const char* ending : {"", ".gz"})
                if (fs::path path = folder / (file + ending); fs::is_regular_file(path, ignored)) return path.string();
        throw IoError(message(set, ": there is no ", file, " or ", file, ".gz in ", directory, ": ", advice));
    }
};

/// Handwritten digits (LeCun, Cortes and Burges): 60,000 to train with, 10,000 to test with.
class MNIST : public GreyImages {
public:
    /// Throws IoError when the directory or a file is missing or malformed.
    explicit MNIST(const std::string& directory, Split split = Split::train)
        : GreyImages("MNIST", directory, split,
                     "it should hold the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
                     "t10k-labels-idx1-ubyte, plain or with .gz, from https://ossci-datasets.s3.amazonaws.com/mnist") {}

    static constexpr std::array<std::string_view, 10> classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
};

/// Pictures of clothes (Xiao, Rasul and Vollgraf 2017), in the form of MNIST.
class FashionMNIST : public GreyImages {
public:
    /// Where Debian's package dataset-fashion-mnist puts the files.
    static constexpr const char* default_directory = "/usr/share/datasets/fashion-mnist";

    /// Throws IoError when the directory or a file is missing or malformed.
    explicit FashionMNIST(const std::string& directory = default_directory, Split split = Split::train)
        : GreyImages(
              "FashionMNIST", directory, split,
              "install Debian's package dataset-fashion-mnist, which puts the files in /usr/share/datasets/fashion-mnist, or get the four "
              "files named at https://github.com/zalandoresearch/fashion-mnist and name their directory") {}

    static constexpr std::array<std::string_view, 10> classes = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                                 "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
};

}  // namespace headtorch::data
