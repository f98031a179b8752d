// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Writes zip archives (PKWARE's APPNOTE.TXT), atomically. The same files make the same bytes: no time is recorded.

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/io/atomic_file.hpp"
#include "headtorch/io/random_access_file.hpp"

namespace headtorch::io {

struct ZipOptions {
    bool compress = false;  ///< deflate, which takes long and saves little of trained weights
    /// Numbers from here on are written in 64 bits.
    std::uint64_t large = 0xffffffff;
};

class ZipWriter {
public:
    ZipWriter(std::string_view op, const std::string& path, ZipOptions options = {}) : file_(op, path), options_(options) {}

    /// Adds a file that consists of these pieces. What is not compressed starts at a multiple of 64 bytes, so that it can be mapped.
    void add(const std::string& name, std::initializer_list<std::string_view> pieces) {
        if (name.size() > 65535) throw ValueError("zip: a name of " + std::to_string(name.size()) + " bytes; 65535 at most");
        Record record{name, file_.position(), 0, 0, 0};
        uLong checksum = 0;
        for (const std::string_view piece : pieces) {
            checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
            record.size += piece.size();
        }
        record.checksum = static_cast<std::uint32_t>(checksum);
        const std::string packed = options_.compress ? deflated(pieces) : "";
        record.packed = options_.compress ? packed.size() : record.size;

        const bool large = record.size >= options_.large || record.packed >= options_.large;
        std::string extra = large ? field(1, to_little_endian(record.size) + to_little_endian(record.packed)) : "";
        if (!options_.compress) {
            const std::uint64_t start = record.start + 30 + name.size() + extra.size() + 4;
            extra += field(0x4246, std::string((64 - start % 64) % 64, 'Z'));  // the number that PyTorch uses for its padding
        }
        file_.write(message("PK\3\4", common(record, large), small(name.size(), 2), small(extra.size(), 2), name, extra));
        if (options_.compress)
            file_.write(packed);
        else
            for (const std::string_view piece : pieces) file_.write(piece);
        records_.push_back(std::move(record));
    }

    /// Writes the directory and puts the archive into its place.
    void commit() {
        const std::uint64_t start = file_.position();
        for (const Record& record : records_) {
            const bool large = record.size >= options_.large || record.packed >= options_.large, far = record.start >= options_.large;
            std::string numbers = large ? to_little_endian(record.size) + to_little_endian(record.packed) : "";
            if (far) numbers += to_little_endian(record.start);
            const std::string extra = numbers.empty() ? "" : field(1, numbers);
            // made by version 4.5 on Unix, a plain file that its owner writes and all read
            file_.write(message("PK\1\2", small(0x032d, 2), common(record, large), small(record.name.size(), 2), small(extra.size(), 2),
                                small(0, 6), small(0100644u << 16, 4), small(far ? 0xffffffff : record.start, 4), record.name, extra));
        }
        const std::uint64_t end = file_.position(), count = records_.size(), size = end - start;
        const bool large = start >= options_.large || size >= options_.large || count >= std::min<std::uint64_t>(options_.large, 0xffff);
        if (large) {
            file_.write(message("PK\6\6", small(44, 8), small(45, 2), small(45, 2), small(0, 8), small(count, 8), small(count, 8),
                                small(size, 8), small(start, 8)));
            file_.write(message("PK\6\7", small(0, 4), small(end, 8), small(1, 4)));
        }
        const std::uint64_t shown = large ? 0xffff : count;
        file_.write(message("PK\5\6", small(0, 4), small(shown, 2), small(shown, 2), small(large ? 0xffffffff : size, 4),
                            small(large ? 0xffffffff : start, 4), small(0, 2)));
        file_.commit();
    }

private:
    struct Record {
        std::string name;
        std::uint64_t start, size, packed;
        std::uint32_t checksum;
    };

    /// The low bytes of a number, little-endian.
    static std::string small(std::uint64_t number, std::size_t bytes) { return to_little_endian(number).substr(0, bytes); }
    static std::string field(std::uint64_t number, const std::string& content) {
        return small(number, 2) + small(content.size(), 2) + content;
    }

    /// What both headers of a file have: version, flags (names are UTF-8), method, the first of January 1980, checksum, sizes.
    std::string common(const Record& record, bool large) const {
        return message(small(large ? 45 : 20, 2), small(0x0800, 2), small(options_.compress ? 8 : 0, 2), small(0, 2), small(0x21, 2),
                       small(record.checksum, 4), small(large ? 0xffffffff : record.packed, 4), small(large ? 0xffffffff : record.size, 4));
    }

    std::string deflated(std::initializer_list<std::string_view> pieces) const {
        z_stream stream{};
        if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            file_.fail("zlib could not be started");
        std::string packed;
        std::vector<char> buffer(1 << 16);
        const auto run = [&](std::string_view input, int flush) {
            do {
                const std::size_t now = std::min<std::size_t>(input.size(), std::numeric_limits<uInt>::max());
                stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
                stream.avail_in = static_cast<uInt>(now);
                input.remove_prefix(now);
                do {
                    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
                    stream.avail_out = static_cast<uInt>(buffer.size());
                    deflate(&stream, flush);
                    packed.append(buffer.data(), buffer.size() - stream.avail_out);
                } while (stream.avail_out == 0);
            } while (!input.empty());
        };
        try {
            for (const std::string_view piece : pieces) run(piece, Z_NO_FLUSH);
            run({}, Z_FINISH);
        } catch (...) {
            deflateEnd(&stream);
            throw;
        }
        deflateEnd(&stream);
        return packed;
    }

    AtomicFile file_;
    ZipOptions options_;
    std::vector<Record> records_;
};

}  // namespace headtorch::io
