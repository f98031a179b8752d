// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Small files for the tests of readers: a folder that goes at the end, bytes, gzipped bytes, IDX headers.

#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

using Bytes = std::string;

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "headtorch-test-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name = "") const { return (path_ / name).string(); }
    /// Writes a file (and its folder); returns its path.
    std::string write(const std::string& name, const Bytes& content) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
        return path(name);
    }

private:
    std::filesystem::path path_;
};

/// One gzip member.
inline Bytes gzip(const Bytes& content) {
    z_stream stream{};
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("deflateInit2");
    Bytes in = content, out(deflateBound(&stream, static_cast<uLong>(in.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

inline Bytes bytes(const std::vector<int>& values) {
    Bytes result;
    for (int value : values) result += static_cast<char>(value);
    return result;
}

/// 0, 0, type, rank, and the sizes, big-endian.
inline Bytes idx_header(int type, const std::vector<std::uint32_t>& sizes) {
    Bytes result = bytes({0, 0, type, static_cast<int>(sizes.size())});
    for (std::uint32_t size : sizes)
        for (int shift : {24, 16, 8, 0}) result += static_cast<char>(size >> shift & 255);
    return result;
}
