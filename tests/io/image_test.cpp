// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/image.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "headtorch/ops/index.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using io::ImageReadMode;

namespace {

using Octets = std::vector<std::uint8_t>;

std::string sample(const std::string& name) { return std::string(HEADTORCH_TESTS_DIR "/io/images/") + name; }

Octets octets(const Bytes& text) { return {text.begin(), text.end()}; }

Octets file_octets(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Bytes big_endian(std::uint32_t value) {
    Bytes result;
    for (int shift : {24, 16, 8, 0}) result += static_cast<char>(value >> shift & 255);
    return result;
}

Bytes chunk(const Bytes& type, const Bytes& data) {
    const Bytes body = type + data;
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(sum));
}

Bytes deflated(const Bytes& data) {
    uLongf size = compressBound(static_cast<uLong>(data.size()));
    Bytes packed(size, '\0');
    compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(data.data()), static_cast<uLong>(data.size()),
              9);
    packed.resize(size);
    return packed;
}

struct PngParts {
    std::uint32_t width = 2, height = 2;
    int depth = 8, colour = 0, interlace = 0;
    Bytes data = Bytes(6, '\0');  // before it is deflated
    Bytes extra{};                // chunks between header and data
    Octets file() const {
        const Bytes header = big_endian(width) + big_endian(height) + bytes({depth, colour, 0, 0, interlace});
        return octets("\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + extra + chunk("IDAT", deflated(data)) + chunk("IEND", ""));
    }
};

ImageReadMode mode_named(const std::string& name) {
    static const std::vector<std::string> names = {"unchanged", "gray", "gray_alpha", "rgb", "rgb_alpha"};
    const auto found = std::find(names.begin(), names.end(), name);
    REQUIRE(found != names.end());
    return static_cast<ImageReadMode>(found - names.begin());
}

/// Sets a 16-bit number that follows the JPEG marker ff `marker` by `offset` bytes.
Octets with_jpeg_field(Octets file, std::uint8_t marker, std::size_t offset, int value) {
    for (std::size_t i = 0; i + 1 < file.size(); ++i)
        if (file[i] == 0xff && file[i + 1] == marker) {
            file[i + 2 + offset] = static_cast<std::uint8_t>(value >> 8);
            file[i + 3 + offset] = static_cast<std::uint8_t>(value & 255);
            return file;
        }
    FAIL("no such marker");
    return file;
}

}  // namespace

TEST_CASE("images are read as Pillow reads them", "[io]") {
    for (const auto& c : testing::load_cases("images.txt")) {
        if (c.op != "read") continue;
        INFO(c.title);
        const auto image = io::read_image(sample(c.str("file")), mode_named(c.str("mode")));
        const auto expected = c.tensor<std::uint8_t>("y");
        REQUIRE(image.shape() == expected.shape());
        // JPEG leaves to the decoder how it rounds and how it spreads out colours stored at half the size.
        const bool jpeg = c.str("file").ends_with("jpg");
        const int margin = !jpeg ? 0 : c.str("file") == "rgb_420.jpg" ? 12 : 3;
        int worst = 0;
        for (std::int64_t i = 0; i < image.numel(); ++i) worst = std::max(worst, std::abs(image.data()[i] - expected.data()[i]));
        CHECK(worst <= margin);
    }
}

TEST_CASE("the header alone says what an image is", "[io]") {
    const auto info = io::image_info(file_octets(sample("rgb_420.jpg")));
    CHECK((info.format == io::ImageFormat::jpeg && info.width == 30 && info.height == 21 && info.channels == 3));
    for (const auto& [name, channels] : {std::pair("gray.png", 1),
                                         {"gray_alpha.png", 2},
                                         {"rgb.png", 3},
                                         {"rgba.png", 4},
                                         {"palette.png", 3},
                                         {"palette_alpha.png", 4},
                                         {"one_bit.png", 1},
                                         {"sixteen_bit.png", 1},
                                         {"gray.jpg", 1}}) {
        INFO(name);
        CHECK(io::image_info(file_octets(sample(name))).channels == channels);
        CHECK(io::read_image(sample(name)).size(0) == channels);
    }
}

TEST_CASE("what is written as PNG is read back", "[io]") {
    const TemporaryFolder folder;
    Generator generator(1);
    for (std::int64_t channels = 1; channels <= 4; ++channels) {
        const auto image = randint<std::uint8_t>(0, 256, {channels, 7, 5}, generator);
        io::write_png(folder.path("image.png"), image);
        CHECK(io::read_image(folder.path("image.png")).tolist() == image.tolist());
        CHECK(io::decode_image(io::encode_png(image)).shape() == image.shape());
    }
    const auto wide = randint<std::uint8_t>(0, 256, {7, 5, 3}, generator).permute(2, 0, 1);
    CHECK(io::decode_image(io::encode_png(wide)).tolist() == wide.tolist());
    CHECK(io::decode_image(io::encode_png(wide[0])).shape() == Shape{1, 7, 5});
    const auto real = tensor<float>({{0, 0.5, 1, -3}, {1 / 255.0, 7, 0.999, std::nan("")}});
    CHECK(io::decode_image(io::encode_png(real)).tolist() == std::vector<std::uint8_t>{0, 128, 255, 0, 1, 255, 255, 0});
    CHECK(io::decode_image(io::encode_png(real.to<double>())).tolist() == io::decode_image(io::encode_png(real)).tolist());
    CHECK(io::encode_png(zeros<std::uint8_t>({3, 500, 500})).size() < 4000);  // packed
}

TEST_CASE("what is written as JPEG comes back nearly", "[io]") {
    const TemporaryFolder folder;
    const auto image = io::read_image(sample("rgb.jpg"));
    io::write_jpeg(folder.path("image.jpg"), image, 98);
    const auto again = io::read_image(folder.path("image.jpg"));
    REQUIRE(again.shape() == image.shape());
    for (std::int64_t i = 0; i < image.numel(); ++i) CHECK(std::abs(image.data()[i] - again.data()[i]) <= 8);
    CHECK(io::encode_jpeg(image, 20).size() < io::encode_jpeg(image, 95).size());
    CHECK_THROWS_WITH(io::encode_jpeg(zeros<std::uint8_t>({4, 2, 2})), contains("JPEG has no alpha"));
    CHECK_THROWS_AS(io::encode_jpeg(image, 0), ValueError);
    CHECK_THROWS_AS(io::encode_jpeg(zeros<std::uint8_t>({1, 65536})), ShapeError);
}

TEST_CASE("what is no image to write is refused", "[io]") {
    CHECK_THROWS_WITH(io::encode_png(zeros({5, 2, 2})), contains("encode_png: an image has 1 to 4 channels, got [5, 2, 2]"));
    CHECK_THROWS_WITH(io::encode_png(zeros({1, 3, 2, 2})), contains("[channels, height, width] or [height, width], got [1, 3, 2, 2]"));
    CHECK_THROWS_WITH(io::encode_png(zeros({3, 0, 2})), contains("without pixels"));
    CHECK_THROWS_AS(io::encode_png(Tensor<float>()), ValueError);
    CHECK_THROWS_WITH(io::encode_png(zeros<std::uint8_t>({1, 1}).expand(100000, 100000)), contains("too large"));
    CHECK_THROWS_AS(io::write_png("/nowhere/at/all.png", zeros({2, 2})), IoError);
}

TEST_CASE("a file that is cut short, at any byte, is an error", "[io]") {
    for (const auto& entry : std::filesystem::directory_iterator(sample(""))) {
        const Octets whole = file_octets(entry.path().string());
        REQUIRE_NOTHROW(io::decode_image(whole));
        for (std::size_t length = 0; length < whole.size(); ++length) {
            INFO(entry.path() << ", " << length << " of " << whole.size() << " bytes");
            CHECK_THROWS_AS(io::decode_image(std::span(whole).first(length)), IoError);
        }
    }
}

TEST_CASE("damaged files give an error or an image, and nothing worse", "[io]") {
    std::mt19937 engine(1);
    for (const auto& entry : std::filesystem::directory_iterator(sample(""))) {
        const Octets whole = file_octets(entry.path().string());
        int refused = 0;
        for (int round = 0; round < 300; ++round) {
            Octets damaged = whole;
            for (std::size_t i = 0, n = 1 + engine() % 3; i < n; ++i)
                damaged[engine() % damaged.size()] = static_cast<std::uint8_t>(engine());
            try {
                io::decode_image(damaged, ImageReadMode::unchanged, {.max_pixels = 1 << 20});
            } catch (const IoError&) {
                ++refused;
            }
        }
        INFO(entry.path());
        CHECK(refused >= (entry.path().extension() == ".png" ? 280 : 20));  // a PNG has checksums
    }
}

TEST_CASE("sizes that a header makes up are refused before memory is taken", "[io]") {
    CHECK_NOTHROW(io::decode_image(PngParts{}.file()));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.width = 0}.file()),
                      contains("decode_image: the header declares an image of 0 x 2 pixels"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.height = 0}.file()), contains("2 x 0"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.width = 0xffffffff, .height = 0xffffffff}.file()),
                      contains("4294967295 x 4294967295 pixels is beyond the limits: 67108864 pixels"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.width = 8192, .height = 8192}.file()),
                      contains("the PNG data ends too early: the header declares 67117056 bytes, and 6 are there"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{}.file(), ImageReadMode::rgb, {.max_pixels = 3}), contains("give larger ImageLimits"));
    CHECK_THROWS_AS(io::decode_image(PngParts{}.file(), ImageReadMode::rgb, {.max_side = 1}), IoError);

    const Octets jpeg = file_octets(sample("gray.jpg"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(jpeg, 0xc0, 3, 0)), contains("30 x 0 pixels"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(jpeg, 0xc0, 5, 0)), contains("0 x 21 pixels"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(with_jpeg_field(jpeg, 0xc0, 3, 65535), 0xc0, 5, 65535)),
                      contains("beyond the limits"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(with_jpeg_field(jpeg, 0xc0, 3, 8000), 0xc0, 5, 8000)),
                      contains("more than 546 bytes can hold"));
}

TEST_CASE("a few bytes of PNG do not blow up", "[io]") {
    CHECK_THROWS_WITH(io::decode_image(PngParts{.data = Bytes(30'000'000, '\0')}.file()), contains("inflates to more than the 6 bytes"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.data = Bytes(7, '\0')}.file()), contains("inflates to more than the 6 bytes"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.data = Bytes(5, '\0')}.file()), contains("declares 6 bytes, and 5 are there"));
}

TEST_CASE("malformed PNG files are refused by name", "[io]") {
    CHECK_THROWS_WITH(io::decode_image(Octets{}), contains("it is empty"));
    CHECK_THROWS_WITH(io::decode_image(octets("GIF89a..")), contains("neither a PNG nor a JPEG image: it starts with 47 49 46 38"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.depth = 3}.file()), contains("there is no colour type 0 of 3 bits"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.depth = 16, .colour = 3}.file()), contains("there is no colour type 3 of 16 bits"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.colour = 7}.file()), contains("colour type 7"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.interlace = 2}.file()), contains("interlace 2"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.data = Bytes(6, '\7')}.file()), contains("stb_image cannot decode it"));  // no filter 7
    CHECK_THROWS_WITH(io::decode_image(PngParts{.extra = chunk("IHDR", Bytes(13, '\1'))}.file()), contains("not where it should be"));
    CHECK_THROWS_WITH(io::decode_image(PngParts{.colour = 3}.file()), contains("stb_image cannot decode it"));  // no palette
    Octets file = PngParts{}.file();
    ++file[40];
    CHECK_THROWS_WITH(io::decode_image(file), contains("checksum is wrong"));
    file = PngParts{}.file();
    file[33] = 0x7f;  // the length of the data chunk
    CHECK_THROWS_WITH(io::decode_image(file), contains("it ends in the middle of a chunk"));
    CHECK_THROWS_WITH(io::decode_image(octets("\x89PNG\r\n\x1a\n" + chunk("IHDR", "short") + chunk("IEND", ""))),
                      contains("5 bytes instead of 13"));
    CHECK_THROWS_WITH(io::decode_image(octets("\x89PNG\r\n\x1a\n" + chunk("IDAT", "") + chunk("IEND", ""))),
                      contains("not where it should be"));
}

TEST_CASE("colours beyond the palette are black", "[io]") {
    const PngParts parts{.colour = 3, .data = bytes({0, 0, 1, 0, 2, 255}), .extra = chunk("PLTE", bytes({10, 20, 30, 40, 50, 60}))};
    CHECK(io::decode_image(parts.file()).tolist() == std::vector<std::uint8_t>{10, 40, 0, 0, 20, 50, 0, 0, 30, 60, 0, 0});
}

TEST_CASE("malformed JPEG files are refused by name", "[io]") {
    const Octets jpeg = file_octets(sample("gray.jpg"));
    CHECK_THROWS_WITH(io::decode_image(octets("\xff\xd8\xff\xd9")), contains("holds no image"));
    CHECK_THROWS_WITH(io::decode_image(std::span(jpeg).first(jpeg.size() - 2)), contains("truncated: its end marker is missing"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(jpeg, 0xdb, 0, 1)), contains("a segment of length 1"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(jpeg, 0xdb, 0, 60000)), contains("ends in the middle of a segment"));
    CHECK_THROWS_WITH(io::decode_image(with_jpeg_field(jpeg, 0xc4, 10, 0xffff)), contains("a Huffman table of"));
    Octets other = jpeg;
    for (std::size_t i = 0; i + 1 < other.size(); ++i)
        if (other[i] == 0xff && other[i + 1] == 0xc0) other[i + 1] = 0xc9;
    CHECK_THROWS_WITH(io::decode_image(other), contains("arithmetic-coded"));
    // a progressive file of a thousand scans: each takes time for the whole image
    Octets many = file_octets(sample("progressive.jpg"));
    const Octets scan = octets(bytes({0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0x10}));
    for (int i = 0; i < 1000; ++i) many.insert(many.end() - 2, scan.begin(), scan.end());
    CHECK_THROWS_WITH(io::decode_image(many), contains("more than 256 scans"));
}

TEST_CASE("errors name the file", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(io::read_image(folder.path("none.png")), contains("read_image: " + folder.path("none.png") + ": cannot open it: "));
    CHECK_THROWS_WITH(io::read_image(folder.path()), contains("cannot read it: "));
    const std::string path = folder.write("text.png", "this is no image");
    CHECK_THROWS_WITH(io::read_image(path), contains("read_image: " + path + ": neither a PNG nor a JPEG"));
    CHECK_THROWS_WITH(io::read_image(folder.write("empty.png", "")), contains("it is empty"));
    CHECK_THROWS_WITH(io::read_image("/dev/zero"), contains("neither a PNG nor a JPEG"));
}
