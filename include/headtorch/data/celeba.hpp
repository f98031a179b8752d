// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// CelebA: faces with forty attributes (Liu, Luo, Wang and Tang 2015), in the layout in which its authors give it away. Needs zlib and stb:
/// link with headtorch::io.

#include <algorithm>
#include <charconv>
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
#include "headtorch/io/image.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

namespace detail {

/// A text file of lines of words.
class WordLines {
public:
    WordLines(std::string_view op, const std::string& path) : file_(op, path) {
        std::string buffer(1 << 16, '\0');
        while (const std::size_t count = file_.read(buffer.data(), buffer.size())) {
            text_.append(buffer, 0, count);
            if (text_.size() > most_bytes) file_.fail("longer than ", most_bytes, " bytes: this is not the list of CelebA");
        }
    }
    /// The words of the next line; false at the end.
    bool next(std::vector<std::string_view>& words) {
        words.clear();
        if (at_ >= text_.size()) return false;
        ++line_;
        const std::size_t end = std::min(text_.find('\n', at_), text_.size());
        for (std::size_t begin = at_; begin < end;) {
            begin = std::min(text_.find_first_not_of(" \t\r", begin), end);
            const std::size_t stop = std::min(text_.find_first_of(" \t\r\n", begin), end);
            if (stop > begin) words.push_back(std::string_view(text_).substr(begin, stop - begin));
            begin = stop;
        }
        at_ = end + 1;
        return true;
    }
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw IoError(message("CelebA: ", file_.path(), ":", line_, ": ", parts...));
    }

private:
    static constexpr std::size_t most_bytes = std::size_t{1} << 28;  // the true list of attributes has 27 MB

    io::InputFile file_;
    std::string text_;
    std::size_t at_ = 0;
    std::int64_t line_ = 0;
};

}  // namespace detail

/// 202,599 faces, 178 x 218 pixels: 162,770 to train with, 19,867 to validate, 19,962 to test. An item is an image [3, 218, 178] of bytes,
/// read when it is asked for, and its attributes, floats [40] of 0 and 1.
class CelebA {
public:
    using Item = std::tuple<Tensor<std::uint8_t, Cpu>, Tensor<float, Cpu>>;

    /// `directory` holds img_align_celeba/, list_attr_celeba.txt and list_eval_partition.txt, or the folder celeba that does. Throws
    /// IoError when a list is not there or malformed; images are looked for when they are asked for.
    explicit CelebA(const std::string& directory, Split split = Split::train) {
        const std::filesystem::path root = find(directory);
        folder_ = (root / "img_align_celeba").string();
        const std::vector<std::string> chosen = read_partition((root / "list_eval_partition.txt").string(), split);
        read_attributes((root / "list_attr_celeba.txt").string(), chosen);
    }

    std::int64_t size() const { return static_cast<std::int64_t>(files.size()); }
    /// Throws IndexError out of range, IoError when the image cannot be read.
    Item operator[](std::int64_t i) const {
        if (i < 0 || i >= size()) throw IndexError(message("celeba: index ", i, " is out of range for size ", size()));
        return {io::read_image(folder_ + "/" + files[static_cast<std::size_t>(i)], io::ImageReadMode::rgb), attributes[i]};
    }

    std::vector<std::string> attribute_names;  ///< "5_o_Clock_Shadow", "Arched_Eyebrows", …
    Tensor<float, Cpu> attributes;                  ///< [n, 40]
    std::vector<std::string> files;            ///< "000001.jpg", …

private:
    static std::filesystem::path find(const std::string& directory) {
        namespace fs = std::filesystem;
        std::error_code ignored;
        for (const fs::path& root : {fs::path(directory), fs::path(directory) / "celeba"})
            if (fs::is_regular_file(root / "list_attr_celeba.txt", ignored)) return root;
        throw IoError(message("CelebA: there is no list_attr_celeba.txt in ", directory,
                              " or its folder celeba: `sh cmake/download.sh celeba` says where to get it"));
    }

    /// Names of the images of a part. Lines are `000001.jpg 0`: 0 to train with, 1 to validate, 2 to test.
    static std::vector<std::string> read_partition(const std::string& path, Split split) {
        detail::WordLines lines("CelebA", path);
        std::vector<std::string> chosen;
        std::vector<std::string_view> words;
        const std::string_view wanted = split == Split::train ? "0" : split == Split::valid ? "1" : "2";
        while (lines.next(words)) {
            if (words.empty()) continue;
            if (words.size() != 2 || (words[1] != "0" && words[1] != "1" && words[1] != "2"))
                lines.fail("expected the name of an image, and 0, 1 or 2 for the part that it is in");
            if (split == Split::all || words[1] == wanted) chosen.emplace_back(words[0]);
        }
        std::sort(chosen.begin(), chosen.end());
        return chosen;
    }

    /// A line with the number of images, one with the names of the attributes, and for each image its name and 1 or -1 for each.
    void read_attributes(const std::string& path, const std::vector<std::string>& chosen) {
        detail::WordLines lines("CelebA", path);
        std::vector<std::string_view> words;
        std::int64_t count = -1;
        if (lines.next(words) && words.size() == 1) {
            const auto [end, failure] = std::from_chars(words[0].data(), words[0].data() + words[0].size(), count);
            if (failure != std::errc() || end != words[0].data() + words[0].size()) count = -1;
        }
        if (count < 0) lines.fail("expected the number of images");
        if (!lines.next(words) || words.empty()) lines.fail("expected the names of the attributes");
        attribute_names.assign(words.begin(), words.end());
        const std::size_t width = words.size();
        std::vector<float> values;
        std::int64_t images = 0;
        while (lines.next(words)) {
            if (words.empty()) continue;
            ++images;
            if (words.size() != width + 1)
                lines.fail("expected the name of an image and ", width, " attributes, but there are ", words.size(), " words");
            if (words[0].find('/') != std::string_view::npos || words[0] == "..")
                lines.fail("the name of an image must not lead elsewhere: ", words[0]);
            const bool wanted = std::binary_search(chosen.begin(), chosen.end(), words[0]);
            if (wanted) files.emplace_back(words[0]);
            for (std::size_t k = 1; k <= width; ++k) {
                if (words[k] != "1" && words[k] != "-1")
                    lines.fail("attribute ", attribute_names[k - 1], " is '", words[k], "', not 1 or -1");
                if (wanted) values.push_back(words[k] == "1" ? 1.0f : 0.0f);
            }
        }
        if (images != count) lines.fail("the list has ", images, " images, but its first line says ", count);
        if (files.size() != chosen.size())
            lines.fail("the list has ", files.size(), " of the ", chosen.size(),
                       " images that list_eval_partition.txt names for this part");
        attributes = empty<float, Cpu>({size(), static_cast<std::int64_t>(width)});
        std::copy(values.begin(), values.end(), attributes.data());
    }

    std::string folder_;
};

}  // namespace headtorch::data
