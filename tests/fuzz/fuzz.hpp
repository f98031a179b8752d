// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What fuzz targets share. A target is a file <format>.cpp here, with a function that calls run_reader(); its corpus is the files in
/// corpus/<format>/. There is nothing else to write: CMakeLists.txt finds both.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "headtorch/core/error.hpp"

/// Called with the bytes to try, by libFuzzer or by replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// A file that is written anew for each input; in memory where there is a place for that.
class FuzzFile {
public:
    FuzzFile() : path_(access("/dev/shm", W_OK) == 0 ? "/dev/shm/headtorch-fuzz-XXXXXX" : "/tmp/headtorch-fuzz-XXXXXX") {
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

/// Calls read(path of a file with these bytes). It may throw IoError and nothing else; anything else ends the program.
template <class Read>
int run_reader(const std::uint8_t* data, std::size_t size, const Read& read) {
    static FuzzFile file;
    try {
        read(file.write(data, size));
    } catch (const headtorch::IoError&) {
    }
    return 0;
}
