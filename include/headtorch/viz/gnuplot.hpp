// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running gnuplot: a script goes in, a picture comes out, whole or not at all.

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "headtorch/core/error.hpp"

namespace headtorch::viz {

/// The program that draws; a path or a name to be found in PATH.
inline std::string& gnuplot_program() {
    static std::string name = "gnuplot";
    return name;
}

namespace detail {

/// Text as a gnuplot string: between single quotes nothing is special but the quote itself. Control characters become spaces.
inline std::string quoted(std::string_view text) {
    std::string result = "'";
    for (char c : text) {
        if (c == '\'') result += '\'';
        result += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    return result + "'";
}

/// Text as one word of the shell.
inline std::string shell_word(std::string_view text) {
    std::string result = "'";
    for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

/// A name that no other process or thread uses, beside `path`.
inline std::filesystem::path unique_beside(const std::filesystem::path& path, std::string_view ending) {
    static std::atomic<unsigned> counter{0};
    const auto tag = reinterpret_cast<std::uintptr_t>(&counter) ^
                     static_cast<std::uintptr_t>(std::filesystem::file_time_type::clock::now().time_since_epoch().count());
    return path.parent_path() / message(".", path.stem().string(), "-", tag, "-", counter++, std::string(ending));
}

/// Removes a file at the end of the scope.
struct Remover {
    std::filesystem::path path;
    ~Remover() {
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }
};

/// Says once per process how to get gnuplot.
inline void tell_gnuplot_missing() {
    static std::atomic<bool> told{false};
    if (!told.exchange(true))
        std::fputs(
            "headtorch: no pictures, for gnuplot was not found (apt install gnuplot-nox, dnf install gnuplot, brew install gnuplot)\n",
            stderr);
}

/// Runs `body` (what to draw) with the terminal that the ending of `path` asks for, .png or .svg. False when gnuplot is missing; throws
/// IoError, with gnuplot's own words, when it fails. The picture appears under its name only when it is complete.
inline bool draw(const std::filesystem::path& path, int width, int height, const std::string& body) {
    namespace fs = std::filesystem;
    const std::string ending = path.extension().string();
    if (ending != ".png" && ending != ".svg") throw ValueError(message("viz: ", path.string(), ": a picture's name ends in .png or .svg"));
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (!fs::is_directory(folder)) throw IoError(message("viz: the directory ", folder.string(), " does not exist"));
    const Remover picture{unique_beside(path, ending)}, script{unique_beside(path, ".gp")};
    if (picture.path.string().find_first_of("\n\r") != std::string::npos)
        throw ValueError("viz: a picture's name cannot hold a line break");
    {
        std::ofstream out(script.path);
        out << "set encoding utf8\n"
            << (ending == ".png" ? "set terminal pngcairo" : "set terminal svg background 'white'") << " noenhanced size " << width << ","
            << height << " font 'DejaVu Sans," << (ending == ".png" ? 15 : 17) << "'\nset output " << quoted(picture.path.string()) << "\n"
            << body << "\nunset output\n";
        if (!out.flush()) throw IoError(message("viz: cannot write to the directory ", folder.string()));
    }
    const std::string command = shell_word(gnuplot_program()) + " " + shell_word(script.path.string()) + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) throw IoError("viz: cannot start a program");
    std::string words;
    char buffer[512];
    while (std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) words.append(buffer, count);
    const int status = ::pclose(pipe);
    constexpr int not_found = 127 << 8;  // what the shell says
    if (status == not_found) {
        tell_gnuplot_missing();
        return false;
    }
    std::error_code error;
    if (status != 0 || !fs::exists(picture.path) || fs::file_size(picture.path) == 0)
        throw IoError(message("viz: gnuplot could not draw ", path.string(), ": ", words));
    fs::rename(picture.path, path, error);
    if (error) throw IoError(message("viz: cannot write ", path.string(), ": ", error.message()));
    return true;
}

}  // namespace detail
}  // namespace headtorch::viz
