// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/gzip.hpp"

#include <random>

#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using headtorch::IoError;
using headtorch::io::InputFile;

namespace {

/// Everything, in pieces of `piece` bytes.
Bytes read_all(const std::string& path, std::size_t piece = 1000) {
    InputFile file("read_test", path);
    Bytes content, buffer(piece, '\0');
    while (const std::size_t count = file.read(buffer.data(), piece)) content.append(buffer, 0, count);
    REQUIRE(file.at_end());
    return content;
}

/// Longer than the reader's buffer, and not compressible, when `random`.
Bytes long_text(bool random) {
    std::mt19937 engine(1);
    Bytes text;
    for (int i = 0; i < 300000; ++i) text += random ? static_cast<char>(engine() & 255) : static_cast<char>('a' + i % 7);
    return text;
}

}  // namespace

TEST_CASE("plain and gzipped files read the same, whatever their name", "[io]") {
    const TemporaryFolder folder;
    for (bool random : {false, true}) {
        const Bytes text = long_text(random);
        CHECK(read_all(folder.write("plain.gz", text)) == text);
        CHECK(read_all(folder.write("packed", gzip(text))) == text);
        CHECK(read_all(folder.path("packed"), 70001) == text);
        CHECK(read_all(folder.path("packed"), 1 << 20) == text);
    }
    CHECK(!InputFile("t", folder.path("plain.gz")).compressed());
    CHECK(InputFile("t", folder.path("packed")).compressed());
}

TEST_CASE("empty and tiny files", "[io]") {
    const TemporaryFolder folder;
    CHECK(read_all(folder.write("empty", "")).empty());
    CHECK(read_all(folder.write("one", "\x1f")) == "\x1f");
    CHECK(read_all(folder.write("packed", gzip(""))).empty());
}

TEST_CASE("several gzip members follow one another", "[io]") {
    const TemporaryFolder folder;
    CHECK(read_all(folder.write("two", gzip("one, ") + gzip("") + gzip("two"))) == "one, two");
}

TEST_CASE("no more is unpacked than asked for", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("bomb", gzip(Bytes(30'000'000, '\0')));
    InputFile file("t", path);
    char buffer[10];
    CHECK(file.read(buffer, 10) == 10);
    CHECK(!file.at_end());
    const auto stored = std::filesystem::file_size(path);
    CHECK(stored < 40'000);
    CHECK(file.most_bytes() == 1032 * stored);
    CHECK(file.most_bytes() >= 30'000'000);  // the bound is one
    CHECK(InputFile("t", folder.write("plain", "12345")).most_bytes() == 5);
}

TEST_CASE("a file that is cut short, at any byte, is an error", "[io]") {
    const TemporaryFolder folder;
    const Bytes packed = gzip("some text, some text, some more text");
    for (std::size_t length = 2; length < packed.size(); ++length) {
        INFO(length << " of " << packed.size() << " bytes");
        const std::string path = folder.write("cut", packed.substr(0, length));
        CHECK_THROWS_WITH(read_all(path), contains("read_test: " + path + ": the gzipped data ends too early: the file is truncated"));
    }
}

TEST_CASE("corrupt gzip data is an error", "[io]") {
    const TemporaryFolder folder;
    const Bytes packed = gzip("some text, some text, some more text");
    for (std::size_t at = 2; at < packed.size(); ++at) {
        if (at >= 3 && at < 10) continue;  // flags, time and system: not covered by the checksum
        Bytes changed = packed;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        INFO("byte " << at);
        CHECK_THROWS_AS(read_all(folder.write("changed", changed)), IoError);
    }
    Bytes checksum = packed;
    checksum[packed.size() - 8] = static_cast<char>(checksum[packed.size() - 8] + 1);
    CHECK_THROWS_WITH(read_all(folder.write("changed", checksum)), contains("the gzipped data is corrupt (incorrect data check)"));
}

TEST_CASE("bytes after the gzipped data are an error", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(read_all(folder.write("more", gzip("text") + "more")), contains("other bytes follow the gzipped data"));
    CHECK_THROWS_AS(read_all(folder.write("more", gzip("text") + "\x1f")), IoError);
    CHECK_THROWS_AS(read_all(folder.write("more", gzip("text") + Bytes("\x1f\x8c", 2))), IoError);
}

TEST_CASE("a file that cannot be read is named", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(InputFile("read_test", folder.path("none")), contains("read_test: " + folder.path("none") + ": cannot open it: "));
    CHECK_THROWS_WITH(InputFile("read_test", folder.path()), contains(": cannot "));
    CHECK_THROWS_AS(InputFile("read_test", ""), IoError);
}
