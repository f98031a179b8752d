// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/idx.hpp"

#include "headtorch/tensor/access.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::IdxType;
using io::read_idx;

namespace {

Bytes counted(std::size_t count) {
    Bytes result;
    for (std::size_t i = 0; i < count; ++i) result += static_cast<char>(i);
    return result;
}

/// The file `content`, plain and gzipped, is refused with `text`.
template <class T>
void check_refused(const Bytes& content, const std::string& text) {
    const TemporaryFolder folder;
    for (const Bytes& stored : {content, gzip(content)}) {
        const std::string path = folder.write("file", stored);
        INFO(path);
        CHECK_THROWS_AS(read_idx<T>(path), IoError);
        CHECK_THROWS_WITH(read_idx<T>(path), contains("read_idx: " + path + ": ") && contains(text));
    }
}

}  // namespace

TEST_CASE("every element type is read from big-endian", "[io]") {
    const TemporaryFolder folder;
    const bool packed = GENERATE(false, true);
    const auto write = [&](const Bytes& content) { return folder.write("file", packed ? gzip(content) : content); };

    const auto u8 = read_idx<std::uint8_t>(write(idx_header(8, {2, 3}) + bytes({0, 1, 127, 128, 254, 255})));
    CHECK(u8.shape() == Shape{2, 3});
    CHECK(u8.tolist() == std::vector<std::uint8_t>{0, 1, 127, 128, 254, 255});

    const auto i8 = read_idx<std::int32_t>(write(idx_header(9, {5}) + bytes({0, 1, 127, 128, 255})));
    CHECK(i8.tolist() == std::vector<std::int32_t>{0, 1, 127, -128, -1});

    const auto i16 = read_idx<std::int32_t>(write(idx_header(0x0b, {4}) + bytes({1, 2, 0x7f, 0xff, 0x80, 0, 0xff, 0xfe})));
    CHECK(i16.tolist() == std::vector<std::int32_t>{0x102, 32767, -32768, -2});

    const auto i32 = read_idx<std::int32_t>(write(idx_header(0x0c, {1, 1, 2}) + bytes({1, 2, 3, 4, 0xff, 0xff, 0xff, 0xf0})));
    CHECK(i32.shape() == Shape{1, 1, 2});
    CHECK(i32.tolist() == std::vector<std::int32_t>{0x1020304, -16});

    const auto f32 = read_idx<float>(write(idx_header(0x0d, {2}) + bytes({0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0})));
    CHECK(f32.tolist() == std::vector<float>{1, -2.5f});

    const auto f64 = read_idx<double>(write(idx_header(0x0e, {1}) + bytes({0xbf, 0xf8, 0, 0, 0, 0, 0, 1})));
    CHECK(f64.item() == -1.5 - 0x1p-52);
}

TEST_CASE("empty files of IDX, and all ranks", "[io]") {
    const TemporaryFolder folder;
    CHECK(read_idx<std::uint8_t>(folder.write("empty", idx_header(8, {0, 28, 28}))).shape() == Shape{0, 28, 28});
    const auto deep = read_idx<std::uint8_t>(folder.write("deep", idx_header(8, {1, 1, 2, 1, 1, 1, 2, 1}) + counted(4)));
    CHECK(deep.shape() == Shape{1, 1, 2, 1, 1, 1, 2, 1});
    const auto header = io::read_idx_header(folder.path("deep"));
    CHECK(header.type == IdxType::uint8);
    CHECK(header.shape == deep.shape());
}

TEST_CASE("what is not IDX is refused", "[io]") {
    check_refused<std::uint8_t>("", "too short for an IDX file: 0 bytes");
    check_refused<std::uint8_t>(bytes({0, 0, 8}), "too short for an IDX file: 3 bytes");
    check_refused<std::uint8_t>(bytes({0x89, 'P', 'N', 'G', 0, 0, 0, 1, 0}), "not an IDX file: it starts with 89 50 4e 47");
    check_refused<std::uint8_t>(bytes({0, 1, 8, 1, 0, 0, 0, 1, 0}), "not an IDX file");
    check_refused<std::uint8_t>(bytes({0, 0, 0x0a, 1, 0, 0, 0, 1, 0}), "not an IDX file");
    check_refused<std::uint8_t>(bytes({0, 0, 8, 0, 0}), "an IDX file of rank 0; expected 1 to 8");
    check_refused<std::uint8_t>(bytes({0, 0, 8, 9}) + Bytes(36, '\1'), "an IDX file of rank 9; expected 1 to 8");
    check_refused<std::uint8_t>(bytes({0, 0, 8, 2, 0, 0, 0, 1, 0, 0}), "the IDX header ends too early");
}

TEST_CASE("another type than asked for is refused, with the right one", "[io]") {
    check_refused<float>(idx_header(8, {1}) + "x", "it holds uint8, but float32 was asked for: write read_idx<std::uint8_t>(path)");
    check_refused<std::uint8_t>(idx_header(0x0d, {1}) + "1234", "it holds float32, but uint8 was asked for: write read_idx<float>(path)");
    check_refused<std::int64_t>(idx_header(0x0b, {1}) + "12",
                                "it holds int16, but int64 was asked for: write read_idx<std::int32_t>(path)");
    check_refused<bool>(idx_header(8, {1}) + "x", "it holds uint8");
}

TEST_CASE("sizes that cannot be true are refused before anything is allocated", "[io]") {
    check_refused<std::uint8_t>(idx_header(8, {0xffffffff, 0xffffffff, 0xffffffff}),
                                "the impossible shape [4294967295, 4294967295, 4294967295]");
    check_refused<double>(idx_header(0x0e, {0xffffffff, 0x7fffffff}) + "12345678", "the IDX header declares the impossible shape");
    check_refused<double>(idx_header(0x0e, {0x10000000, 0x10000000}) + "12345678", "which cannot be in this file of at most");
    check_refused<std::uint8_t>(idx_header(8, {60000, 28, 28}) + "too few",
                                "the header declares [60000, 28, 28] of uint8, 47040000 bytes, which cannot be");
}

TEST_CASE("too few and too many bytes are refused", "[io]") {
    const TemporaryFolder folder;
    const Bytes header = idx_header(8, {2, 5});
    for (std::size_t count : {0u, 1u, 9u}) {
        CHECK_THROWS_WITH(read_idx<std::uint8_t>(folder.write("plain", header + counted(count))),
                          contains("which cannot be in this file of at most"));
        CHECK_THROWS_WITH(read_idx<std::uint8_t>(folder.write("packed", gzip(header + counted(count)))),
                          contains("the header declares [2, 5] of uint8, 10 bytes, but only " + std::to_string(count) + " follow"));
    }
    check_refused<std::uint8_t>(header + counted(11), "bytes follow the [2, 5] of uint8 that the header declares");
    check_refused<std::uint8_t>(header + Bytes(1'000'000, '\0'), "bytes follow the [2, 5] of uint8");
    check_refused<std::uint8_t>(idx_header(8, {0}) + "x", "bytes follow the [0] of uint8");
}

TEST_CASE("a gzipped file that is cut or changed is refused", "[io]") {
    const TemporaryFolder folder;
    const Bytes packed = gzip(idx_header(8, {2, 50}) + counted(100));
    for (std::size_t length = 0; length < packed.size(); ++length)
        CHECK_THROWS_AS(read_idx<std::uint8_t>(folder.write("cut", packed.substr(0, length))), IoError);
    Bytes changed = packed;
    changed[packed.size() - 6] ^= 1;  // the checksum alone: all the elements are there
    CHECK_THROWS_WITH(read_idx<std::uint8_t>(folder.write("changed", changed)), contains("the gzipped data is corrupt"));
    CHECK_THROWS_WITH(read_idx<std::uint8_t>(folder.write("more", packed + "x")), contains("other bytes follow the gzipped data"));
    CHECK_THROWS_WITH(read_idx<std::uint8_t>(folder.path("none")), contains("read_idx: " + folder.path("none") + ": cannot open it"));
}
