// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running Graphviz's dot: the text of a graph goes in, a picture comes out, whole or not at all.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include "headtorch/core/error.hpp"
#include "headtorch/viz/program.hpp"
#include "headtorch/viz/text.hpp"

namespace headtorch::viz {

/// The program that lays graphs out; a path or a name to be found in PATH.
inline std::string& graphviz_program() {
    static std::string name = "dot";
    return name;
}

namespace detail {

/// Says once per process how to get Graphviz.
inline void tell_graphviz_missing() {
    static std::atomic<bool> told{false};
    tell_once(told,
              "headtorch: no pictures of graphs, for Graphviz's dot was not found (apt install graphviz, dnf install graphviz, brew "
              "install graphviz)\n");
}

/// An SVG as it should be: fonts that stand in for DejaVu where it is missing, and no names of dot's that a browser would show under the
/// pointer.
inline std::string finished_graph_svg(std::string_view text, std::string_view title) {
    std::string result;
    for (std::size_t at = 0; (at = text.find("<title>")) != std::string_view::npos;) {
        const std::size_t end = text.find("</title>", at);
        if (end == std::string_view::npos) break;
        result += text.substr(0, at);
        text.remove_prefix(end + 8);
    }
    result += text;
    result = replaced(result, "font-family=\"DejaVu Sans\"", "font-family=\"DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif\"");
    if (const std::size_t first = result.find("<g "); first != std::string::npos && !title.empty())
        result.insert(first, "<title>" + xml_text(title) + "</title>\n");
    return result;
}

/// Writes a graph in the DOT language to `path`: as that text (.dot, .gv), or as the picture that dot makes of it (.svg, .png). False when
/// dot is missing; throws IoError, with dot's own words, when it fails. The file appears under its name only when it is complete.
inline bool draw_graph(const std::filesystem::path& path, const std::string& dot, std::string_view title) {
    namespace fs = std::filesystem;
    const std::string ending = path.extension().string();
    const bool text_only = ending == ".dot" || ending == ".gv";
    if (!text_only && ending != ".svg" && ending != ".png")
        throw ValueError(message("viz: ", path.string(), ": a graph's name ends in .dot, .svg or .png"));
    const fs::path folder = fs::absolute(path).parent_path();
    if (!fs::is_directory(folder)) throw IoError(message("viz: the directory ", folder.string(), " does not exist"));
    const Remover script{unique_beside(folder / path.filename(), ".dot")}, picture{unique_beside(folder / path.filename(), ending)};
    const auto write = [&](const fs::path& where, const std::string& what) {
        std::ofstream out(where, std::ios::binary | std::ios::trunc);
        if (!out.write(what.data(), static_cast<std::streamsize>(what.size())).flush())
            throw IoError(message("viz: cannot write beside ", path.string()));
    };
    write(script.path, dot);
    if (!text_only) {
        const std::string command = shell_word(graphviz_program()) + " -T" + ending.substr(1) + (ending == ".png" ? " -Gdpi=120" : "") +
                                    " -o" + shell_word(picture.path.string()) + " " + shell_word(script.path.string());
        const ProgramEnd end = run_program(command);
        if (end.missing) {
            tell_graphviz_missing();
            return false;
        }
        std::error_code error;
        const std::uintmax_t size = fs::file_size(picture.path, error);
        if (end.failed || error || size == 0) throw IoError(message("viz: dot could not draw ", path.string(), ": ", end.words));
        if (ending == ".svg") {
            std::ifstream in(picture.path, std::ios::binary);
            const std::string svg(std::istreambuf_iterator<char>(in), {});
            write(picture.path, finished_graph_svg(svg, title));
        }
    }
    std::error_code error;
    fs::rename(text_only ? script.path : picture.path, path, error);
    if (error) throw IoError(message("viz: cannot write ", path.string(), ": ", error.message()));
    return true;
}

}  // namespace detail
}  // namespace headtorch::viz
