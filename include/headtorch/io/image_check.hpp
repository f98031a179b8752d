// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What stb_image takes on trust, checked before it decodes: that a PNG or JPEG file is all there (and, for PNG, undamaged), and that its
/// header promises no more pixels than its data can hold or the caller wants. So decoding takes bounded time and memory.

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch::io {

/// Images beyond these limits are refused before any memory is taken for them.
struct ImageLimits {
    std::int64_t max_pixels = std::int64_t{1} << 26;  ///< width times height; 8192 x 8192
    std::int64_t max_side = std::int64_t{1} << 20;    ///< width, and height
};

enum class ImageFormat { png, jpeg };

/// What the header of an image file says.
struct ImageInfo {
    ImageFormat format;
    std::int64_t width, height;
    std::int64_t channels;  ///< once decoded: a palette counts as its colours
};

namespace detail {

using ImageBytes = std::span<const std::uint8_t>;

/// Reads the structure of an image file. All errors are IoErrors that start with `subject`.
class ImageCheck {
public:
    ImageCheck(ImageBytes bytes, const ImageLimits& limits, std::string_view subject) : bytes_(bytes), limits_(limits), subject_(subject) {}

    ImageInfo run() {
        if (has_prefix(bytes_, png_signature)) return png();
        if (has_prefix(bytes_, jpeg_signature)) return jpeg();
        if (bytes_.empty()) fail("it is empty");
        fail("neither a PNG nor a JPEG image: it starts with", hex(bytes_.first(std::min<std::size_t>(bytes_.size(), 8))));
    }

    template <std::size_t N>
    static bool has_prefix(ImageBytes bytes, const std::array<std::uint8_t, N>& prefix) {
        return bytes.size() >= N && std::equal(prefix.begin(), prefix.end(), bytes.begin());
    }
    static constexpr std::array<std::uint8_t, 8> png_signature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static constexpr std::array<std::uint8_t, 3> jpeg_signature = {0xff, 0xd8, 0xff};

    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        throw IoError(message(subject_, ": ", parts...));
    }

private:
    static std::string hex(ImageBytes bytes) {
        std::string text;
        for (const std::uint8_t byte : bytes) {
            constexpr const char* digits = "0123456789abcdef";
            (text += ' ') += digits[byte >> 4];
            text += digits[byte & 15];
        }
        return text;
    }
    std::uint32_t big_endian(std::size_t at, std::size_t count) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes_[at + i];
        return value;
    }

    void check_size(std::int64_t width, std::int64_t height) const {
        if (width == 0 || height == 0) fail("the header declares an image of ", width, " x ", height, " pixels");
        if (width > limits_.max_side || height > limits_.max_side || height > limits_.max_pixels / width)
            fail("an image of ", width, " x ", height, " pixels is beyond the limits: ", limits_.max_pixels, " pixels, ", limits_.max_side,
                 " to a side; if it is meant, give larger ImageLimits");
    }

    // --- PNG (https://www.w3.org/TR/png-3): chunks of length, type, data and checksum -----------------------------------------------
    struct PngHeader {
        std::int64_t width = 0, height = 0;
        std::uint32_t depth = 0, colour = 0;
        bool interlaced = false;
    };

    PngHeader png_header(std::size_t at, std::uint32_t length) const {
        if (length != 13) fail("the PNG header has ", length, " bytes instead of 13");
        PngHeader header{big_endian(at, 4), big_endian(at + 4, 4), bytes_[at + 8], bytes_[at + 9], bytes_[at + 12] == 1};
        check_size(header.width, header.height);
        const std::uint32_t depth = header.depth, colour = header.colour;
        const bool any_depth = depth == 8 || depth == 16;
        const bool known = colour == 0   ? any_depth || depth == 1 || depth == 2 || depth == 4
                           : colour == 3 ? depth == 8 || depth == 1 || depth == 2 || depth == 4
                                         : any_depth && (colour == 2 || colour == 4 || colour == 6);
        if (!known || bytes_[at + 10] != 0 || bytes_[at + 11] != 0 || bytes_[at + 12] > 1)
            fail("the PNG header is corrupt: there is no colour type ", colour, " of ", depth, " bits, compression ", bytes_[at + 10],
                 ", filter ", bytes_[at + 11], ", interlace ", bytes_[at + 12]);
        return header;
    }

    /// Bytes that the image data inflates to: a filter byte and the packed pixels for each row, of each of Adam7's passes if interlaced.
    static std::uint64_t png_data_size(const PngHeader& header) {
        static constexpr std::array<std::uint64_t, 7> samples = {1, 0, 3, 1, 2, 0, 4};  // of a pixel, by colour type
        const std::uint64_t bits = samples[header.colour] * header.depth;
        const auto size_of = [bits](std::uint64_t width, std::uint64_t height) {
            return width == 0 ? 0 : height * (1 + (width * bits + 7) / 8);
        };
        const auto width = static_cast<std::uint64_t>(header.width), height = static_cast<std::uint64_t>(header.height);
        if (!header.interlaced) return size_of(width, height);
        struct Pass {
            std::uint64_t x, y, step_x, step_y;
        };
        static constexpr std::array<Pass, 7> passes = {
            {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
        std::uint64_t sum = 0;
        for (const Pass& pass : passes)
            sum += size_of((width + pass.step_x - 1 - pass.x) / pass.step_x, (height + pass.step_y - 1 - pass.y) / pass.step_y);
        return sum;
    }

    /// Inflates the image data without keeping it: a few bytes can stand for gigabytes, and must give exactly what the header declares.
    void check_png_data(const std::vector<ImageBytes>& pieces, std::uint64_t expected) const {
        struct Inflater {
            z_stream stream{};
            Inflater() { good = inflateInit(&stream) == Z_OK; }
            ~Inflater() {
                if (good) inflateEnd(&stream);
            }
            bool good = false;
        } inflater;
        z_stream& stream = inflater.stream;
        if (!inflater.good) fail("zlib could not be started");
        std::vector<std::uint8_t> waste(1 << 15);
        std::uint64_t got = 0;
        int status = Z_OK;
        for (std::size_t i = 0; i < pieces.size() && status == Z_OK; ++i) {
            stream.next_in = const_cast<std::uint8_t*>(pieces[i].data());  // zlib only reads it
            stream.avail_in = static_cast<uInt>(pieces[i].size());
            do {
                stream.next_out = waste.data();
                stream.avail_out = static_cast<uInt>(waste.size());
                status = inflate(&stream, Z_NO_FLUSH);
                got += waste.size() - stream.avail_out;
                if (got > expected) fail("the PNG data inflates to more than the ", expected, " bytes that the header declares");
            } while (status == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0));
            if (status == Z_BUF_ERROR) status = Z_OK;  // this piece is used up
        }
        if (status != Z_OK && status != Z_STREAM_END)
            fail("the PNG data is corrupt (", stream.msg ? stream.msg : "zlib gives no reason", ")");
        if (status != Z_STREAM_END || got < expected)
            fail("the PNG data ends too early: the header declares ", expected, " bytes, and ", got, " are there");
    }

    ImageInfo png() const {
        PngHeader header;
        std::vector<ImageBytes> data;
        bool transparency = false;
        for (std::size_t at = png_signature.size();;) {
            if (bytes_.size() - at < 12) fail("the PNG file is truncated: it ends before its last chunk");
            const std::uint32_t length = big_endian(at, 4);
            if (length > bytes_.size() - at - 12) fail("the PNG file is truncated: it ends in the middle of a chunk");
            const std::string_view type(reinterpret_cast<const char*>(bytes_.data()) + at + 4, 4);
            const std::size_t body = at + 8;
            const auto checksum = crc32(0, bytes_.data() + at + 4, static_cast<uInt>(length) + 4);
            if (checksum != big_endian(body + length, 4)) fail("the PNG file is corrupt: a chunk's checksum is wrong");
            if ((at == png_signature.size()) != (type == "IHDR")) fail("the PNG file is corrupt: its header is not where it should be");
            if (type == "IHDR") header = png_header(body, length);
            if (type == "IDAT") data.push_back(bytes_.subspan(body, length));
            if (type == "tRNS") transparency = true;
            if (type == "IEND") break;
            at = body + length + 4;
        }
        check_png_data(data, png_data_size(header));
        static constexpr std::array<std::int64_t, 7> channels = {1, 0, 3, 3, 2, 0, 4};
        const bool opaque_type = header.colour == 0 || header.colour == 2 || header.colour == 3;
        return {ImageFormat::png, header.width, header.height, channels[header.colour] + (transparency && opaque_type ? 1 : 0)};
    }

    // --- JPEG (ITU-T T.81): markers ff xx, most with a length and data; after ff da, coded data up to the next marker -------------------
    /// Huffman tables: a class and a number, how many codes there are of 1 to 16 bits, and their symbols. stb_image (before 2.28) writes as
    /// many as are declared, whether it has room for them or not; no true table has more than 255.
    void check_huffman(std::size_t at, std::size_t length) const {
        while (length > 0) {
            std::size_t codes = 0;
            for (std::size_t i = 1; i <= 16 && i < length; ++i) codes += bytes_[at + i];
            if (codes > 255 || length < 17 + codes) fail("the JPEG file is corrupt: a Huffman table of ", codes, " codes");
            at += 17 + codes;
            length -= 17 + codes;
        }
    }

    ImageInfo jpeg() const {
        ImageInfo info{ImageFormat::jpeg, 0, 0, 0};
        int scans = 0;
        for (std::size_t at = 2;;) {
            while (at < bytes_.size() && bytes_[at] != 0xff) ++at;  // padding that some cameras leave
            while (at < bytes_.size() && bytes_[at] == 0xff) ++at;
            if (at == bytes_.size()) fail("the JPEG file is truncated: its end marker is missing");
            const std::uint8_t marker = bytes_[at++];
            if (marker == 0xd9) break;
            if (bytes_.size() - at < 2) fail("the JPEG file is truncated: it ends in the middle of a segment");
            const std::uint32_t length = big_endian(at, 2);
            if (length < 2) fail("the JPEG file is corrupt: a segment of length ", length);
            if (length > bytes_.size() - at) fail("the JPEG file is truncated: it ends in the middle of a segment");
            if (marker == 0xc0 || marker == 0xc1 || marker == 0xc2) {
                if (length < 8) fail("the JPEG header has ", length, " bytes, too few");
                info.height = big_endian(at + 3, 2);
                info.width = big_endian(at + 5, 2);
                info.channels = bytes_[at + 7] == 1 ? 1 : 3;  // four inks become three colours
                check_size(info.width, info.height);
            } else if (marker >= 0xc3 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
                fail("a lossless, hierarchical or arithmetic-coded JPEG file, which stb_image does not decode");
            }
            if (marker == 0xc4) check_huffman(at + 2, length - 2);
            at += length;
            if (marker != 0xda) continue;
            if (info.width == 0) fail("the JPEG file is corrupt: coded data before the header");
            if (++scans > max_scans) fail("the JPEG file has more than ", max_scans, " scans");
            const auto ends_scan = [&](std::size_t i) {  // ff 00 is a coded ff; ff d0 to ff d7 start again within the scan
                const std::uint8_t next = bytes_[i + 1];
                return bytes_[i] == 0xff && next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7);
            };
            while (at + 1 < bytes_.size() && !ends_scan(at)) ++at;
        }
        if (scans == 0) fail("the JPEG file holds no image");
        // A block of 8 x 8 pixels takes at least one bit.
        const std::uint64_t blocks = static_cast<std::uint64_t>((info.width + 7) / 8) * static_cast<std::uint64_t>((info.height + 7) / 8);
        if (blocks > bytes_.size() * 8)
            fail("the JPEG header declares ", info.width, " x ", info.height, " pixels, more than ", bytes_.size(), " bytes can hold");
        return info;
    }

    static constexpr int max_scans = 256;  // progressive files have about ten, and each takes time for the whole image

    ImageBytes bytes_;
    const ImageLimits& limits_;
    std::string_view subject_;
};

}  // namespace detail
}  // namespace headtorch::io
