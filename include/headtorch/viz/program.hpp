// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Running a program that makes a picture, to its end; and files that do not outlive a scope.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "headtorch/core/config.hpp"
#include "headtorch/core/error.hpp"

namespace headtorch::viz::detail {

/// A name that no other process or thread uses, beside `path`.
HEADTORCH_COLD inline std::filesystem::path unique_beside(const std::filesystem::path& path, std::string_view ending) {
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

/// How a program ended, and what it printed.
struct ProgramEnd {
    bool missing, failed;
    std::string words;
};

/// Runs a line of the shell's, whose error stream goes where its output goes.
HEADTORCH_COLD inline ProgramEnd run_program(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (!pipe) throw IoError("viz: cannot start a program");
    std::string words;
    char buffer[512];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) words.append(buffer, count);
    const int status = ::pclose(pipe);
    constexpr int not_found = 127 << 8;  // what the shell says
    return {status == not_found, status != 0, std::move(words)};
}

/// Says something once: `told` remembers.
HEADTORCH_COLD inline void tell_once(std::atomic<bool>& told, const char* text) {
    if (!told.exchange(true)) std::fputs(text, stderr);
}

}  // namespace headtorch::viz::detail
