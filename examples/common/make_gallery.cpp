// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The gallery of all demos: DIR/index.html, with a card for each page DIR/<name>/index.html, and a link back from there.
//
//     make_gallery DIR name name …
//
// A demo that has left no page is shown with what DIR/<name>/problem.txt says of it. gallery.cmake runs the demos, and then this.

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include "examples/common/html.hpp"
#include "headtorch/io/atomic_file.hpp"

namespace {

namespace fs = std::filesystem;
namespace html = examples::html;

/// All of a file, or nothing when it cannot be read.
std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const fs::path& path, const std::string& text) {
    headtorch::io::AtomicFile file("gallery", path);
    file.write(text);
    file.commit();
}

/// What stands between two marks; nothing when they are not there.
std::string between(std::string_view text, std::string_view open, std::string_view close) {
    const std::size_t start = text.find(open);
    if (start == std::string_view::npos) return "";
    const std::size_t end = text.find(close, start + open.size());
    return end == std::string_view::npos ? "" : std::string(text.substr(start + open.size(), end - start - open.size()));
}

void replace(std::string& text, std::string_view what, const std::string& by) {
    if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
}

/// A picture of a page, as seen from the folder above it.
std::string thumbnail(std::string picture, const std::string& name) {
    replace(picture, " src=\"", " loading=\"lazy\" src=\"" + html::link(name) + "/");
    return picture;
}

/// One demo of the gallery; its own page gets a link back.
std::string card(const fs::path& directory, const std::string& name) {
    const fs::path page = directory / name / "index.html";
    std::string text = contents(page);
    const std::string title = between(text, "<h1>", "</h1>"), lead = between(text, "<p class=\"lead\">", "</p>");
    if (title.empty()) {
        std::string problem = contents(directory / name / "problem.txt");
        if (problem.empty()) problem = "It left no page.";
        return "<article class=\"card missing\">\n" + html::element("h2", name) + "\n" + html::element("p", problem) + "\n</article>\n";
    }
    replace(text, "<!--gallery-->", "· <a href=\"../index.html\">all demos</a>");
    write(page, text);
    const std::string link = "<a href=\"" + html::link(name) + "/index.html\">", picture = between(text, "<!--main ", " -->");
    return "<article class=\"card\">\n" + (picture.empty() ? "" : link + thumbnail(picture, name) + "</a>\n") + "<h2>" + link + title +
           "</a></h2>\n<p>" + lead + "</p>\n" + between(text, "<!--numbers-->\n", "<!--/numbers-->") + "</article>\n";
}

/// The table of the demo outputs_and_losses, if it was run.
std::string losses(const fs::path& directory) {
    const std::string table = between(contents(directory / "outputs_and_losses" / "index.html"), "<table>", "</table>");
    return table.empty()
               ? ""
               : "<h2>Which output, and which loss?</h2>\n<div class=\"wide\" tabindex=\"0\">\n<table>" + table + "</table>\n</div>\n";
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::fprintf(stderr, "make_gallery: give a directory, and the names of the demos in it\n");
        return 2;
    }
    const fs::path directory = argv[1];
    const std::string description = "Networks trained in C++ with headtorch: the twins of well-known PyTorch tutorials.";
    std::string body = "<header>\n<p class=\"over\">headtorch</p>\n<h1>The demos</h1>\n<p class=\"lead\">" + description +
                       "</p>\n</header>\n<main>\n<div class=\"cards\">\n";
    for (int i = 2; i < argc; ++i) body += card(directory, argv[i]);
    body += "</div>\n" + losses(directory) + "</main>\n";
    write(directory / "index.html", html::document("headtorch: the demos", description, body));
    std::printf("%s\n", (directory / "index.html").string().c_str());
    return 0;
} catch (const std::exception& failure) {
    std::fprintf(stderr, "make_gallery: %s\n", failure.what());
    return 1;
}
