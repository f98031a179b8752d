// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// ImageFolder: a folder of images for each class. Needs zlib and stb: link with headtorch::io.

#include <algorithm>
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
#include "headtorch/io/image.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

struct ImageFolderOptions {
    io::ImageReadMode mode = io::ImageReadMode::rgb;
    io::ImageLimits limits{};
    bool allow_empty = false;  ///< classes without an image are no error
};

/// The images (.png, .jpg, .jpeg) under root/class/, in folders below that, too. Classes are numbered in the order of their names, images
/// of a class in the order of theirs, as in torchvision. An item is an image [3, height, width] of bytes, read when it is asked for, and
/// its class number; images of different sizes need a transform before they fit into a batch: `transformed(set, Resize(...))`.
class ImageFolder {
public:
    using Item = std::tuple<Tensor<std::uint8_t, Cpu>, std::int64_t>;

    /// Throws IoError when there is no such folder, or no class or image in it.
    explicit ImageFolder(const std::string& root, const ImageFolderOptions& options = {}) : options_(options) {
        namespace fs = std::filesystem;
        std::error_code failure;
        for (fs::directory_iterator entry(root, failure), end; !failure && entry != end; entry.increment(failure)) {
            std::error_code ignored;
            if (entry->is_directory(ignored)) classes.push_back(entry->path().filename().string());
        }
        if (failure) throw IoError(message("image_folder: ", root, ": ", failure.message()));
        if (classes.empty()) throw IoError(message("image_folder: ", root, ": there are no folders in it, and each should be a class"));
        std::sort(classes.begin(), classes.end());
        for (std::size_t label = 0; label < classes.size(); ++label) {
            const fs::path folder = fs::path(root) / classes[label];
            const auto images = find_images(folder);
            if (images.empty() && !options.allow_empty)
                throw IoError(message("image_folder: there is no .png, .jpg or .jpeg file in ", folder.string(),
                                      ": remove the folder, or set allow_empty"));
            for (const auto& image : images) samples.emplace_back(image, static_cast<std::int64_t>(label));
        }
    }

    std::int64_t size() const { return static_cast<std::int64_t>(samples.size()); }
    /// Throws IndexError out of range, IoError when the file cannot be read.
    Item operator[](std::int64_t i) const {
        if (i < 0 || i >= size()) throw IndexError(message("image_folder: index ", i, " is out of range for size ", size()));
        const auto& [path, label] = samples[static_cast<std::size_t>(i)];
        return {io::read_image(path, options_.mode, options_.limits), label};
    }

    std::vector<std::string> classes;
    std::vector<std::pair<std::string, std::int64_t>> samples;  ///< paths and class numbers

private:
    static bool has_image_name(const std::string& name) {
        std::string ending = name.substr(std::min(name.rfind('.'), name.size()));
        std::transform(ending.begin(), ending.end(), ending.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
    }

    /// Folder by folder, then by name. Links to folders below a class are not followed, for they may lead round in a circle.
    static std::vector<std::string> find_images(const std::filesystem::path& folder) {
        namespace fs = std::filesystem;
        std::vector<std::pair<std::string, std::string>> found;
        std::error_code failure;
        for (fs::recursive_directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
            std::error_code ignored;
            const std::string name = entry->path().filename().string();
            if (has_image_name(name) && entry->is_regular_file(ignored)) found.emplace_back(entry->path().parent_path().string(), name);
        }
        if (failure) throw IoError(message("image_folder: ", folder.string(), ": ", failure.message()));
        std::sort(found.begin(), found.end());
        std::vector<std::string> paths;
        for (const auto& [parent, name] : found) paths.push_back((fs::path(parent) / name).string());
        return paths;
    }

    ImageFolderOptions options_;
};

}  // namespace headtorch::data
