// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What fuzz targets share. A target is a file <format>.cpp here, with a function that calls run_reader() or expect_io_errors(); its corpus
/// is the files in corpus/<format>/. There is nothing else to write: CMakeLists.txt finds both.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "headtorch/core/error.hpp"

/// Called with the bytes to try, by libFuzzer or by replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// In memory where there is a place for that.
inline std::string fuzz_template() {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm/headtorch-fuzz-XXXXXX" : "/tmp/headtorch-fuzz-XXXXXX";
}

/// A file that is written anew for each input.
class FuzzFile {
public:
    FuzzFile() : path_(fuzz_template()) {
        file_ = mkstemp(path_.data());
        if (file_ < 0) std::abort();
    }
    ~FuzzFile() {
        close(file_);
        unlink(path_.c_str());
    }
    FuzzFile(const FuzzFile&) = delete;
    FuzzFile& operator=(const FuzzFile&) = delete;

    const std::string& write(const std::uint8_t* data, std::size_t size) {
        if (ftruncate(file_, 0) != 0 || pwrite(file_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
        return path_;
    }

private:
    std::string path_;
    int file_;
};

/// A directory for readers of several files.
class FuzzDirectory {
public:
    FuzzDirectory() : path_(fuzz_template()) {
        if (!mkdtemp(path_.data())) std::abort();
    }
    ~FuzzDirectory() { std::filesystem::remove_all(path_); }
    FuzzDirectory(const FuzzDirectory&) = delete;
    FuzzDirectory& operator=(const FuzzDirectory&) = delete;

    const std::string& path() const { return path_; }
    void write(const std::string& name, std::string_view bytes) const {
        std::ofstream file(path_ + "/" + name, std::ios::binary);
        if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) std::abort();
    }

private:
    std::string path_;
};

/// Calls read(). It may throw IoError and nothing else; anything else ends the program.
template <class Read>
int expect_io_errors(const Read& read) {
    try {
        read();
    } catch (const headtorch::IoError&) {
    }
    return 0;
}

/// The same with the path of a file with these bytes.
template <class Read>
int run_reader(const std::uint8_t* data, std::size_t size, const Read& read) {
    static FuzzFile file;
    return expect_io_errors([&] { read(file.write(data, size)); });
}
