// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running gnuplot: a script goes in, a picture comes out, whole or not at all.

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

/// The program that draws; a path or a name to be found in PATH.
inline std::string& gnuplot_program() {
    static std::string name = "gnuplot";
    return name;
}

namespace detail {

/// A sheet to draw on, in pixels.
struct Page {
    int width = 960, height = 720;
    double font = 15;        ///< height of the letters in points, of which 72 are 96 pixels
    std::string title = "";  ///< what an SVG is called

    /// The two terminals measure letters differently, in pixels and in points: these look alike.
    double terminal_font(std::string_view ending) const { return ending == ".svg" ? font * 4 / 3 : font; }
};

/// Says once per process how to get gnuplot.
HEADTORCH_COLD inline void tell_gnuplot_missing() {
    static std::atomic<bool> told{false};
    tell_once(told,
              "headtorch: no pictures, for gnuplot was not found (apt install gnuplot-nox, dnf install gnuplot, brew install gnuplot)\n");
}

/// Throws unless `path` can become a picture: ValueError for its name, IoError for its folder.
HEADTORCH_COLD inline void check_picture_path(const std::filesystem::path& path) {
    const std::string ending = path.extension().string();
    if (ending != ".png" && ending != ".svg") throw ValueError(message("viz: ", path.string(), ": a picture's name ends in .png or .svg"));
    if (path.string().find_first_of("\n\r") != std::string::npos) throw ValueError("viz: a picture's name cannot hold a line break");
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    if (!std::filesystem::is_directory(folder)) throw IoError(message("viz: the directory ", folder.string(), " does not exist"));
}

/// The first lines of a script that draws into `picture`. Sizes of marks are to be multiplied by mark_size, for the terminals measure them
/// differently, too.
HEADTORCH_COLD inline std::string terminal(const std::filesystem::path& picture, const Page& page) {
    const std::string ending = picture.extension().string();
    return "set encoding utf8\nset terminal " + std::string(ending == ".svg" ? "svg background 'white'" : "pngcairo") +
           join(" noenhanced size ", page.width, ",", page.height, " font 'DejaVu Sans,", page.terminal_font(ending), "'\nset output ") +
           gnuplot_text(picture.string()) + "\nmark_size = " + (ending == ".svg" ? "0.57" : "1") + "\n";
}

/// An SVG as it should be: fonts that stand in for DejaVu where it is missing (Verdana's letters are as wide), images whose pixels keep
/// their edges, a title of its own, and no names of gnuplot's that a browser would show under the pointer.
HEADTORCH_COLD inline std::string finished_svg(std::string text, const std::string& title) {
    text = replaced(text, "font-family=\"DejaVu Sans\"", "font-family=\"DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif\"");
    text = replaced(text, "<image ", "<image style='image-rendering:pixelated' ");
    text = replaced(text, "<title>Gnuplot</title>", title.empty() ? std::string() : "<title>" + xml_text(title) + "</title>");
    for (std::size_t at = 0; (at = text.find("<title>gnuplot_plot_", at)) != std::string::npos;) {
        const std::size_t end = text.find("</title>", at);
        if (end == std::string::npos) break;
        text.erase(at, end + 8 - at);
    }
    return text;
}

/// Makes a file that gnuplot wrote such an SVG. False when it cannot be read or written.
HEADTORCH_COLD inline bool finish_svg(const std::filesystem::path& path, const std::string& title) {
    std::ifstream in(path, std::ios::binary);
    const std::string text = finished_svg(std::string(std::istreambuf_iterator<char>(in), {}), title);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    return in && out.write(text.data(), static_cast<std::streamsize>(text.size())).flush();
}

/// Runs `body` (what to draw) with the terminal that the ending of `path` asks for, .png or .svg. False when gnuplot is missing; throws
/// IoError, with gnuplot's own words, when it fails. The picture appears under its name only when it is complete.
HEADTORCH_COLD inline bool draw(const std::filesystem::path& path, const Page& page, const std::string& body) {
    namespace fs = std::filesystem;
    check_picture_path(path);
    const Remover picture{unique_beside(path, path.extension().string())}, script{unique_beside(path, ".gp")};
    {
        std::ofstream out(script.path);
        out << terminal(picture.path, page) << body << "\nunset output\n";
        if (!out.flush()) throw IoError(message("viz: cannot write beside ", path.string()));
    }
    const std::string command = shell_word(gnuplot_program()) + " -d " + shell_word(script.path.string());
    const ProgramEnd end = run_program(command);
    if (end.missing) {
        tell_gnuplot_missing();
        return false;
    }
    std::error_code error;
    if (end.failed || !fs::exists(picture.path) || fs::file_size(picture.path) == 0)
        throw IoError(message("viz: gnuplot could not draw ", path.string(), ": ", end.words));
    if (path.extension() == ".svg" && !finish_svg(picture.path, page.title))
        throw IoError(message("viz: cannot write beside ", path.string()));
    fs::rename(picture.path, path, error);
    if (error) throw IoError(message("viz: cannot write ", path.string(), ": ", error.message()));
    return true;
}

}  // namespace detail
}  // namespace headtorch::viz
