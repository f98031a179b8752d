// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reads a file, plain or gzipped (told by its content, not its name), as a stream: never more than is asked for, so that a small file
/// cannot blow up to fill the memory.

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch::io {

/// An open file. All errors are IoErrors that start with `op` and name the file.
class InputFile {
public:
    InputFile(std::string_view op, const std::string& path)
        : op_(op), path_(path), file_(std::fopen(path.c_str(), "rb")), buffer_(1 << 16) {
        if (!file_) fail("cannot open it: ", std::strerror(errno));
        if (std::fseek(file_.get(), 0, SEEK_END) == 0) {
            const long end = std::ftell(file_.get());
            if (end >= 0) stored_ = static_cast<std::uint64_t>(end);
            std::rewind(file_.get());
        }
        fill();
        compressed_ = stream_.avail_in >= 2 && buffer_[0] == 0x1f && buffer_[1] == 0x8b;
        // 15: the largest window; 16: a gzip header and a checksum are expected.
        if (compressed_ && inflateInit2(&stream_, 15 + 16) != Z_OK) fail("zlib could not be started");
    }
    ~InputFile() {
        if (compressed_) inflateEnd(&stream_);
    }
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    bool compressed() const { return compressed_; }
    const std::string& path() const { return path_; }

    /// The most bytes that the file can yield: its size, or 1032 times that, the limit of deflate (zlib's technical notes).
    std::uint64_t most_bytes() const {
        constexpr std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
        return !compressed_ ? stored_ : stored_ > limit / 1032 ? limit : stored_ * 1032;
    }

    /// Reads `bytes` bytes, or fewer at the end of the file; returns how many.
    std::size_t read(void* target, std::size_t bytes) {
        auto* out = static_cast<unsigned char*>(target);
        std::size_t done = 0;
        while (done < bytes) {
            const std::size_t count = compressed_ ? inflate_some(out + done, bytes - done) : copy_some(out + done, bytes - done);
            if (count == 0) break;
            done += count;
        }
        return done;
    }

    /// True when nothing is left; for a gzipped file its checksum has then been found right.
    bool at_end() {
        unsigned char byte = 0;
        return read(&byte, 1) == 0;
    }

    /// Throws an IoError about this file.
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw IoError(message(op_, ": ", path_, ": ", parts...));
    }

private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void fill() {
        errno = 0;
        const std::size_t count = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
        if (std::ferror(file_.get())) fail("cannot read it: ", std::strerror(errno));
        stream_.next_in = buffer_.data();
        stream_.avail_in = static_cast<uInt>(count);
    }

    std::size_t copy_some(unsigned char* out, std::size_t bytes) {
        if (stream_.avail_in == 0) fill();
        const std::size_t count = std::min<std::size_t>(bytes, stream_.avail_in);
        std::copy_n(stream_.next_in, count, out);
        stream_.next_in += count;
        stream_.avail_in -= static_cast<uInt>(count);
        return count;
    }

    std::size_t inflate_some(unsigned char* out, std::size_t bytes) {
        while (true) {
            if (stream_.avail_in == 0) fill();
            if (between_members_) {  // a gzip file may be several in a row
                if (stream_.avail_in == 0) return 0;
                if (*stream_.next_in != 0x1f) fail("other bytes follow the gzipped data: fetch the file again");
                inflateReset(&stream_);
                between_members_ = false;
            }
            if (stream_.avail_in == 0) fail("the gzipped data ends too early: the file is truncated, fetch it again");
            const auto room = static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
            stream_.next_out = out;
            stream_.avail_out = room;
            const int status = inflate(&stream_, Z_NO_FLUSH);
            if (status == Z_STREAM_END)
                between_members_ = true;
            else if (status != Z_OK && status != Z_BUF_ERROR)
                fail("the gzipped data is corrupt (", stream_.msg ? stream_.msg : "zlib gives no reason", "): fetch the file again");
            if (stream_.avail_out != room) return room - stream_.avail_out;
        }
    }

    std::string op_, path_;
    std::unique_ptr<std::FILE, Close> file_;
    std::vector<unsigned char> buffer_;
    z_stream stream_{};
    std::uint64_t stored_ = std::numeric_limits<std::uint64_t>::max();  // not known for a pipe
    bool compressed_ = false, between_members_ = false;
};

}  // namespace headtorch::io
