// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Files that are there whole or not at all: written beside their place under another name, made durable, and renamed. Whatever happens
/// before the rename, a full disk or the end of the program, leaves the old file as it was.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch::io {

/// A file being written. commit() puts it into its place; without it, nothing has happened. All errors are IoErrors that start with `op`
/// and name the file.
///
/// The other name is `path` with ".headtorch-tmp" behind it. It is locked: of two programs that save to one place the second waits for the
/// first, and what one left behind when it was killed is used by the next.
class AtomicFile {
public:
    AtomicFile(std::string_view op, const std::string& path) : op_(op), path_(path), target_(resolved(path)) {
        struct stat there {};
        const bool exists = stat(target_.c_str(), &there) == 0;
        if (exists && !S_ISREG(there.st_mode)) fail("it is there, and not a regular file");
        temporary_ = target_ + ".headtorch-tmp";
        open_locked();
        if (exists && fchmod(file_, there.st_mode & 07777) != 0) abandon_and_fail("cannot give it the permissions of the old file");
        buffer_.reserve(buffer_size);
    }
    ~AtomicFile() { abandon(); }
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* data, std::size_t bytes) {
        const auto* from = static_cast<const char*>(data);
        position_ += bytes;
        if (buffer_.size() + bytes <= buffer_size) {
            buffer_.insert(buffer_.end(), from, from + bytes);
            return;
        }
        flush();
        if (bytes < buffer_size)
            buffer_.insert(buffer_.end(), from, from + bytes);
        else
            write_through(from, bytes);
    }
    void write(std::string_view text) { write(text.data(), text.size()); }
    /// Bytes written so far.
    std::uint64_t position() const { return position_; }

    /// Makes what was written durable and puts it into the place of the old file.
    void commit() {
        flush();
        if (fsync(file_) != 0) abandon_and_fail("cannot bring it to the disk");
        // Renamed while it is open, thus locked: who waits for the lock finds that the name means another file now, and starts anew.
        if (std::rename(temporary_.c_str(), target_.c_str()) != 0) abandon_and_fail("cannot put it into its place");
        temporary_.clear();
        if (close(std::exchange(file_, -1)) != 0) fail("cannot close it: ", std::strerror(errno));
        sync_directory();
    }

    /// Throws an IoError about this file.
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw IoError(message(op_, ": ", path_, ": ", parts...));
    }

private:
    static constexpr std::size_t buffer_size = 1 << 16;

    /// Where a symbolic link leads, so that the link stays and its file is replaced.
    static std::string resolved(const std::string& path) {
        char* real = realpath(path.c_str(), nullptr);
        const std::string target = real ? real : path;
        std::free(real);
        return target;
    }

    void open_locked() {
        while (true) {
            file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
            if (file_ < 0) fail("cannot write ", temporary_, ": ", std::strerror(errno));
            int locked = 0;
            do locked = flock(file_, LOCK_EX);
            while (locked != 0 && errno == EINTR);
            struct stat opened {
            }, named{};
            if (locked != 0 || fstat(file_, &opened) != 0) abandon_and_fail("cannot lock the temporary file", false);
            const bool still_named =
                lstat(temporary_.c_str(), &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
            if (!still_named) {  // another program has finished with it meanwhile
                close(std::exchange(file_, -1));
                continue;
            }
            if (!S_ISREG(opened.st_mode) || opened.st_uid != geteuid() || opened.st_nlink != 1) {
                close(std::exchange(file_, -1));
                fail(temporary_, " is in the way, and is not ours to write: remove it");
            }
            if (ftruncate(file_, 0) != 0) abandon_and_fail("cannot write the temporary file");
            return;
        }
    }

    void flush() {
        write_through(buffer_.data(), buffer_.size());
        buffer_.clear();
    }
    void write_through(const char* data, std::size_t bytes) {
        constexpr std::size_t most = std::size_t{1} << 30;  // the system writes no more than 2 GB at a time
        while (bytes > 0) {
            const ssize_t count = ::write(file_, data, std::min(bytes, most));
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) abandon_and_fail("cannot write it");
            data += count;
            bytes -= static_cast<std::size_t>(count);
        }
    }
    void sync_directory() const {
        const std::size_t slash = target_.rfind('/');
        const std::string directory = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
        const int handle = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (handle < 0) return;  // it may be written to but not read: the rename is done, only not yet known to be durable
        const bool synced = fsync(handle) == 0 || errno == EINVAL || errno == EROFS;
        const int reason = errno;
        close(handle);
        if (!synced) fail("it was written, but its folder could not be brought to the disk: ", std::strerror(reason));
    }

    void abandon(bool remove = true) {
        if (file_ < 0) return;
        if (remove) unlink(temporary_.c_str());
        close(std::exchange(file_, -1));
    }
    [[noreturn]] void abandon_and_fail(std::string_view what, bool remove = true) {
        const int reason = errno;
        abandon(remove);
        fail(what, ": ", std::strerror(reason), "; what was there before is unchanged");
    }

    std::string op_, path_, target_, temporary_;
    std::vector<char> buffer_;
    std::uint64_t position_ = 0;
    int file_ = -1;
};

}  // namespace headtorch::io
