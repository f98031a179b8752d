// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A file that is read at any place. Its size is known, so that nothing needs to be believed that a header says about sizes; and it is
/// read, not mapped, for a mapped file that another program shortens kills the reader.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "headtorch/core/error.hpp"

namespace headtorch::io {

/// An open regular file. All errors are IoErrors that start with `op` and name the file.
class RandomAccessFile {
public:
    RandomAccessFile(std::string_view op, const std::string& path)
        : op_(op), path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe must not keep us waiting
        if (file_ < 0) fail("cannot open it: ", std::strerror(errno));
        struct stat facts {};
        const bool regular = fstat(file_, &facts) == 0 && S_ISREG(facts.st_mode);
        if (regular) {
            size_ = static_cast<std::uint64_t>(facts.st_size);
            return;
        }
        close(file_);
        fail("it is not a regular file");
    }
    ~RandomAccessFile() { close(file_); }
    RandomAccessFile(const RandomAccessFile&) = delete;
    RandomAccessFile& operator=(const RandomAccessFile&) = delete;

    const std::string& path() const { return path_; }
    std::uint64_t size() const { return size_; }

    /// Reads exactly `bytes` bytes from `offset` on.
    void read(std::uint64_t offset, void* target, std::size_t bytes) const {
        auto* to = static_cast<char*>(target);
        constexpr std::size_t most = std::size_t{1} << 30;  // the system reads no more than 2 GB at a time
        if (offset > size_ || bytes > size_ - offset) fail("it ends too early: the file is truncated");
        while (bytes > 0) {
            const ssize_t count = pread(file_, to, std::min(bytes, most), static_cast<off_t>(offset));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail("cannot read it: ", std::strerror(errno));
            if (count == 0) fail("it ends too early: the file was shortened while it was read");
            to += count;
            offset += static_cast<std::uint64_t>(count);
            bytes -= static_cast<std::size_t>(count);
        }
    }

    /// Throws an IoError about this file.
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw IoError(message(op_, ": ", path_, ": ", parts...));
    }

private:
    std::string op_, path_;
    int file_;
    std::uint64_t size_ = 0;
};

/// An unsigned number of sizeof(T) bytes, little-endian, as file formats store it.
template <class T>
T little_endian(const unsigned char* bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | bytes[i];
    return static_cast<T>(value);
}
template <class T>
std::string to_little_endian(T value) {
    std::string bytes;
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i & 255);
    return bytes;
}

}  // namespace headtorch::io
