// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Reads zip archives (PKWARE's APPNOTE.TXT): files stored or deflated, 64-bit sizes. Nothing is believed: entries may not overlap, so that
/// the same compressed bytes cannot be unpacked many times, none may unpack to more than deflate can give, and checksums must agree.

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headtorch/io/load_options.hpp"
#include "headtorch/io/random_access_file.hpp"

namespace headtorch::io {

/// A file in a zip archive.
struct ZipEntry {
    std::string name;
    std::uint64_t header = 0, data = 0;  ///< where its header and its data start
    std::uint64_t packed = 0, size = 0;  ///< bytes in the archive, and unpacked
    std::uint32_t checksum = 0;
    bool deflated = false;
};

/// The directory of an archive, checked.
class ZipReader {
public:
    explicit ZipReader(const RandomAccessFile& file) : file_(file) {
        read_directory(find_directory());
        for (ZipEntry& entry : entries_) locate(entry);
        check_places();
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (!index_.emplace(entries_[i].name, i).second) file_.fail("two files in it are called ", detail::in_quotes(entries_[i].name));
    }

    const RandomAccessFile& file() const { return file_; }
    /// In the order of the directory.
    const std::vector<ZipEntry>& entries() const { return entries_; }
    /// Null when there is none of that name.
    const ZipEntry* find(std::string_view name) const {
        const auto found = index_.find(name);
        return found == index_.end() ? nullptr : &entries_[found->second];
    }

private:
    struct Directory {
        std::uint64_t start = 0, size = 0, count = 0;
    };
    using Bytes = std::vector<unsigned char>;

    Bytes read(std::uint64_t from, std::size_t size) const {
        Bytes bytes(size);
        file_.read(from, bytes.data(), size);
        return bytes;
    }

    /// The end record is the last thing in the file, but for a comment of at most 65,535 bytes.
    Directory find_directory() {
        constexpr std::size_t record = 22;
        const std::size_t tail_size = static_cast<std::size_t>(std::min<std::uint64_t>(file_.size(), record + 65535));
        const Bytes tail = read(file_.size() - tail_size, tail_size);
        for (std::size_t i = tail_size < record ? 0 : tail_size - record + 1; i-- > 0;) {
            const unsigned char* end = tail.data() + i;
            if (little_endian<std::uint32_t>(end) != 0x06054b50 || little_endian<std::uint16_t>(end + 20) != tail_size - i - record)
                continue;
            return read_end(end, file_.size() - tail_size + i);
        }
        file_.fail("not a zip file, or truncated: the record that ends one is missing");
    }
    Directory read_end(const unsigned char* end, std::uint64_t position) {
        Directory directory{little_endian<std::uint32_t>(end + 16), little_endian<std::uint32_t>(end + 12),
                            little_endian<std::uint16_t>(end + 10)};
        bool one_disk = little_endian<std::uint32_t>(end + 4) == 0 && little_endian<std::uint16_t>(end + 8) == directory.count;
        if (directory.start == 0xffffffff || directory.size == 0xffffffff ||
            directory.count == 0xffff) {  // the numbers are in a larger record
            if (position < 20 + 56) file_.fail("the zip directory is malformed");
            const Bytes locator = read(position - 20, 20);
            const auto large = little_endian<std::uint64_t>(locator.data() + 8);
            if (little_endian<std::uint32_t>(locator.data()) != 0x07064b50 || large > position - 20 - 56)
                file_.fail("the zip directory is malformed");
            const Bytes record = read(large, 56);
            if (little_endian<std::uint32_t>(record.data()) != 0x06064b50) file_.fail("the zip directory is malformed");
            directory = {little_endian<std::uint64_t>(record.data() + 48), little_endian<std::uint64_t>(record.data() + 40),
                         little_endian<std::uint64_t>(record.data() + 32)};
            one_disk = little_endian<std::uint64_t>(record.data() + 16) == 0 &&
                       little_endian<std::uint64_t>(record.data() + 24) == directory.count;
            position = large;
        }
        if (!one_disk) file_.fail("zip archives of several parts are not read here");
        if (directory.start > position || directory.size > position - directory.start || directory.count > directory.size / 46)
            file_.fail("the zip directory is said to be at byte ", directory.start, ", with ", directory.count, " files in ",
                       directory.size, " bytes, which cannot be: the file is corrupt");
        return directory;
    }

    void read_directory(const Directory& directory) {
        data_end_ = directory.start;
        const Bytes bytes = read(directory.start, static_cast<std::size_t>(directory.size));
        std::size_t at = 0;
        for (std::uint64_t i = 0; i < directory.count; ++i) {
            if (bytes.size() - at < 46 || little_endian<std::uint32_t>(&bytes[at]) != 0x02014b50)
                file_.fail("the zip directory is malformed");
            const unsigned char* record = &bytes[at];
            const std::size_t name = little_endian<std::uint16_t>(record + 28), extra = little_endian<std::uint16_t>(record + 30),
                              comment = little_endian<std::uint16_t>(record + 32);
            if (bytes.size() - at - 46 < name + extra + comment) file_.fail("the zip directory is malformed");
            ZipEntry entry;
            entry.name.assign(reinterpret_cast<const char*>(record + 46), name);
            const auto flags = little_endian<std::uint16_t>(record + 8), method = little_endian<std::uint16_t>(record + 10);
            if (flags & 1) file_.fail(detail::in_quotes(entry.name), " in it is encrypted");
            if (method != 0 && method != 8)
                file_.fail(detail::in_quotes(entry.name), " in it is packed by a method not known here, ", method);
            entry.deflated = method == 8;
            entry.checksum = little_endian<std::uint32_t>(record + 16);
            entry.packed = little_endian<std::uint32_t>(record + 20);
            entry.size = little_endian<std::uint32_t>(record + 24);
            entry.header = little_endian<std::uint32_t>(record + 42);
            read_large_sizes(entry, record + 46 + name, extra);
            entries_.push_back(std::move(entry));
            at += 46 + name + extra + comment;
        }
    }
    /// Those of size, packed and header that do not fit into 32 bits follow in this order in a field with the number 1.
    void read_large_sizes(ZipEntry& entry, const unsigned char* extra, std::size_t size) const {
        while (size >= 4) {
            const std::size_t length = little_endian<std::uint16_t>(extra + 2);
            if (length > size - 4) return;
            if (little_endian<std::uint16_t>(extra) == 1) {
                std::size_t used = 0;
                for (std::uint64_t* number : {&entry.size, &entry.packed, &entry.header}) {
                    if (*number != 0xffffffff || length - used < 8) continue;
                    *number = little_endian<std::uint64_t>(extra + 4 + used);
                    used += 8;
                }
                return;
            }
            extra += 4 + length;
            size -= 4 + length;
        }
    }
    /// Finds the data behind the entry's own header, and checks that it can be there.
    void locate(ZipEntry& entry) const {
        const auto name = detail::in_quotes(entry.name);
        if (entry.header > data_end_ || data_end_ - entry.header < 30 + entry.name.size())
            file_.fail(name, " in it is said to be at byte ", entry.header, ", which cannot be: the file is corrupt");
        const Bytes header = read(entry.header, 30 + entry.name.size());
        const std::string_view own_name(reinterpret_cast<const char*>(header.data() + 30), entry.name.size());
        if (little_endian<std::uint32_t>(header.data()) != 0x04034b50 || own_name != entry.name ||
            little_endian<std::uint16_t>(header.data() + 26) != entry.name.size() ||
            little_endian<std::uint16_t>(header.data() + 8) != (entry.deflated ? 8 : 0))
            file_.fail(name, " in it has a header that the directory contradicts: the file is corrupt");
        entry.data = entry.header + 30 + entry.name.size() + little_endian<std::uint16_t>(header.data() + 28);
        if (entry.data > data_end_ || entry.packed > data_end_ - entry.data)
            file_.fail(name, " in it is said to take ", entry.packed, " bytes, which are not there: the file is truncated or corrupt");
        constexpr std::uint64_t best_ratio = 1032;  // the limit of deflate (zlib's technical notes)
        if (entry.deflated ? entry.size / best_ratio > entry.packed : entry.size != entry.packed)
            file_.fail(name, " in it is said to have ", entry.size, " bytes, which cannot come out of ", entry.packed);
    }
    void check_places() const {
        std::vector<const ZipEntry*> sorted;
        for (const ZipEntry& entry : entries_) sorted.push_back(&entry);
        std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->header < b->header; });
        for (std::size_t i = 1; i < sorted.size(); ++i)
            if (sorted[i - 1]->data + sorted[i - 1]->packed > sorted[i]->header)
                file_.fail(detail::in_quotes(sorted[i - 1]->name), " and ", detail::in_quotes(sorted[i]->name),
                           " in it overlap: the file is corrupt");
    }

    const RandomAccessFile& file_;
    std::vector<ZipEntry> entries_;
    std::unordered_map<std::string_view, std::size_t> index_;
    std::uint64_t data_end_ = 0;  // where the directory starts
};

/// The unpacked bytes of a file in an archive, in order.
class ZipStream {
public:
    ZipStream(const ZipReader& zip, const ZipEntry& entry) : file_(zip.file()), entry_(entry) {
        if (!entry.deflated) return;
        buffer_.resize(1 << 16);
        if (inflateInit2(&stream_, -15) != Z_OK) file_.fail("zlib could not be started");  // -15: no header of its own
    }
    ~ZipStream() {
        if (entry_.deflated) inflateEnd(&stream_);
    }
    ZipStream(const ZipStream&) = delete;
    ZipStream& operator=(const ZipStream&) = delete;

    std::uint64_t left() const { return entry_.size - done_; }

    /// Exactly the next `bytes` bytes. With the last of them the checksum is compared.
    void read(void* target, std::size_t bytes) {
        if (bytes > left()) fail("ends too early");
        if (entry_.deflated)
            inflate_all(static_cast<unsigned char*>(target), bytes);
        else
            file_.read(entry_.data + done_, target, bytes);
        done_ += bytes;
        checksum_ = crc32_z(checksum_, static_cast<const Bytef*>(target), bytes);
        if (left() > 0) return;
        if (entry_.deflated) check_end();
        if (checksum_ != entry_.checksum) fail("does not agree with its checksum");
    }

private:
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        file_.fail(detail::in_quotes(entry_.name), " in it ", parts..., ": the file is corrupt");
    }
    void inflate_all(unsigned char* out, std::size_t bytes) {
        while (bytes > 0) {
            const std::size_t count = inflate_some(out, bytes);
            if (count == 0) fail("unpacks to fewer bytes than it should");
            out += count;
            bytes -= count;
        }
    }
    /// 0 at the end.
    std::size_t inflate_some(unsigned char* out, std::size_t bytes) {
        const auto room = static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
        while (!ended_) {
            if (stream_.avail_in == 0) {
                const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), entry_.packed - taken_));
                if (count == 0) fail("ends too early");
                file_.read(entry_.data + taken_, buffer_.data(), count);
                taken_ += count;
                stream_.next_in = buffer_.data();
                stream_.avail_in = static_cast<uInt>(count);
            }
            stream_.next_out = out;
            stream_.avail_out = room;
            const int status = inflate(&stream_, Z_NO_FLUSH);
            ended_ = status == Z_STREAM_END;
            if (!ended_ && status != Z_OK && status != Z_BUF_ERROR) fail("cannot be unpacked");
            if (stream_.avail_out != room) return room - stream_.avail_out;
        }
        return 0;
    }
    void check_end() {
        unsigned char more = 0;
        if (inflate_some(&more, 1) != 0) fail("unpacks to more bytes than it should");
        if (stream_.avail_in != 0 || taken_ != entry_.packed) fail("has bytes behind its end");
    }

    const RandomAccessFile& file_;
    const ZipEntry& entry_;
    std::vector<unsigned char> buffer_;
    z_stream stream_{};
    std::uint64_t done_ = 0, taken_ = 0;
    uLong checksum_ = 0;
    bool ended_ = false;
};

}  // namespace headtorch::io
