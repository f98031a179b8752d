// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Drawing into a folder, and looking at what was drawn.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "headtorch/io/image.hpp"
#include "tests/support/catch.hpp"

namespace headtorch::testing {

inline std::string content(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

inline bool has_gnuplot() {
    static const bool there = std::system("gnuplot --version > /dev/null 2>&1") == 0;
    return there;
}

/// A folder of one test, whose name needs quotes.
struct Folder {
    std::filesystem::path path;
    explicit Folder(const std::string& name) : path(std::filesystem::temp_directory_path() / ("headtorch it's " + name + " " + std::to_string(getpid()))) {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

inline std::size_t count_of(const std::string& part, const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
    return count;
}

/// What is wrong with XML, or "": tags that do not match, bare & and <, attributes without quotes.
inline std::string xml_fault(const std::string& text) {
    std::vector<std::string> open;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '&') {
            const std::size_t end = text.find(';', at);
            const std::string name = end == std::string::npos ? "" : text.substr(at + 1, end - at - 1);
            if (name != "amp" && name != "lt" && name != "gt" && name != "quot" && name != "apos")
                return "a bare & before " + text.substr(at, 20);
        }
        if (static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' && c != '\r') return "a control character";
        if (c != '<') continue;
        std::string tag;
        char quote = 0;
        for (++at; at < text.size() && (quote || text[at] != '>'); ++at) {
            if (quote ? text[at] == quote : text[at] == '"' || text[at] == '\'') quote = quote ? char{0} : text[at];
            if (text[at] == '<') return "a bare < in " + tag;
            tag += text[at];
        }
        if (at == text.size()) return "an open tag " + tag;
        if (tag.empty()) return "an empty tag";
        if (tag[0] == '?' || tag[0] == '!') continue;
        const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" \n\t/", 1) - (tag[0] == '/' ? 1 : 0));
        if (tag[0] == '/') {
            if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
            open.pop_back();
        } else if (tag.back() != '/') {
            open.push_back(name);
        }
    }
    return open.empty() ? "" : "<" + open.back() + "> is open";
}

/// A picture of both kinds.
struct Drawn {
    Tensor<std::uint8_t> png;  // [3, height, width]
    std::string svg;

    /// Whether a line of text stands in the SVG, whatever it holds.
    bool says(std::string words) const {
        const auto replace = [&](const std::string& from, const std::string& to) {
            for (std::size_t at = 0; (at = words.find(from, at)) != std::string::npos; at += to.size()) words.replace(at, from.size(), to);
        };
        replace("&", "&amp;");
        replace("<", "&lt;");
        return svg.find(">" + words + "</text>") != std::string::npos;
    }
    /// How many pixels of the PNG have a colour, "#rrggbb", up to what smoothing does.
    std::int64_t pixels(const char* hex, int tolerance = 3) const {
        unsigned wanted[3] = {};
        std::sscanf(hex, "#%2x%2x%2x", &wanted[0], &wanted[1], &wanted[2]);
        const std::int64_t area = png.size(1) * png.size(2);
        std::int64_t count = 0;
        for (std::int64_t i = 0; i < area; ++i) {
            bool same = true;
            for (std::int64_t c = 0; c < 3; ++c)
                same = same && std::abs(int{png.data()[c * area + i]} - static_cast<int>(wanted[c])) <= tolerance;
            count += same;
        }
        return count;
    }
    /// How many of gnuplot's filled shapes have a colour.
    std::size_t shapes(int r, int g, int b) const {
        char text[64];
        std::snprintf(text, sizeof text, "<polygon fill = 'rgb(%3d, %3d, %3d)'", r, g, b);
        return count_of(text, svg);
    }
};

/// Draws both ways, checks that they can be read and that nothing is left behind.
template <class Picture>
Drawn drawn(const Picture& picture) {
    const Folder folder("drawn");
    REQUIRE(picture.save(folder.path / "x.png"));
    REQUIRE(picture.save(folder.path / "x.svg"));
    CHECK(folder.files() == 2);
    Drawn result{io::read_image((folder.path / "x.png").string(), io::ImageReadMode::rgb), content(folder.path / "x.svg")};
    CHECK(xml_fault(result.svg) == "");
    CHECK(count_of("<title>gnuplot", result.svg) == 0);  // no name that a browser shows
    CHECK(count_of("<title>Gnuplot", result.svg) == 0);
    CHECK(count_of("href='http", result.svg) == 0);
    return result;
}

}  // namespace headtorch::testing
