// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/npz.hpp"

#include <fstream>
#include <iterator>

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::load_npz;
using io::save_npz;

namespace {

Bytes content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}
void check_refused(const Bytes& content, const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder.write("file.npz", content);
    CHECK_THROWS_AS(load_npz(path), IoError);
    CHECK_THROWS_WITH(load_npz(path), contains("load_npz: " + path + ": ") && contains(text));
}
/// A zip archive of these files, and then changed.
Bytes zip(const std::vector<std::pair<std::string, Bytes>>& files, io::ZipOptions options = {}) {
    const TemporaryFolder folder;
    io::ZipWriter writer("zip", folder.path("zip"), options);
    for (const auto& [name, content] : files) writer.add(name, {content});
    writer.commit();
    return content_of(folder.path("zip"));
}
Bytes array(const nn::AnyTensorHandle& tensor) {
    const TemporaryFolder folder;
    io::save_npy(folder.path("array"), tensor);
    return content_of(folder.path("array"));
}
/// `content` with the two or four bytes of `value` at the offset from where `after` was found for the last time.
Bytes patched(Bytes content, const std::string& after, std::size_t offset, std::uint64_t value, std::size_t size) {
    const std::size_t at = content.rfind(after) + offset;
    return content.replace(at, size, io::to_little_endian(value).substr(0, size));
}

const Bytes entry = "PK\1\2", local = "PK\3\4", end = "PK\5\6";

}  // namespace

TEST_CASE("arrays come back by name, stored and deflated, with small numbers and large", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file.npz");
    const nn::StateDict dict{{"fc.weight", arange<float>(50'000).reshape(250, 200)},
                             {"slash/ü", tensor<bool>({1, 0})},
                             {"transposed", arange<double>(6).reshape(2, 3).t()},
                             {"n", full<std::int64_t>({}, 7)},
                             {"empty", zeros({0})}};
    for (const bool compress : {false, true})
        for (const std::uint64_t large : {std::uint64_t{0xffffffff}, std::uint64_t{0}, std::uint64_t{300}}) {
            save_npz(path, dict, {.compress = compress, .large = large});
            const nn::StateDict loaded = load_npz(path);
            REQUIRE(loaded.keys() == dict.keys());
            CHECK(loaded.get("fc.weight").tolist() == dict.get("fc.weight").tolist());
            CHECK(loaded.get<bool>("slash/ü").tolist() == std::vector<bool>{true, false});
            CHECK(loaded.get<double>("transposed").tolist() == std::vector<double>{0, 3, 1, 4, 2, 5});
            CHECK(loaded.get<std::int64_t>("n").item() == 7);
            CHECK(loaded.at("empty").shape() == Shape{0});
            CHECK((std::filesystem::file_size(path) < 150'000) == compress);
        }
    save_npz(path, {});
    CHECK(load_npz(path).empty());
    CHECK(load_npz(folder.write("copy", content_of(path))).empty());
}

TEST_CASE("the same tensors make the same file", "[io]") {
    const TemporaryFolder folder;
    const nn::StateDict dict{{"a", ones({3})}};
    save_npz(folder.path("1.npz"), dict);
    save_npz(folder.path("2.npz"), dict);
    CHECK(content_of(folder.path("1.npz")) == content_of(folder.path("2.npz")));
}

TEST_CASE("stored data starts at a multiple of 64 bytes", "[io]") {
    const Bytes content = zip({{"a", "xyz"}, {"bcd", "pqr"}});
    CHECK(content.find("xyz") % 64 == 0);
    CHECK(content.find("pqr") % 64 == 0);
}

TEST_CASE("what is no archive of arrays is refused", "[io]") {
    check_refused("", "not a zip file, or truncated");
    check_refused(Bytes(100'000, 'x'), "not a zip file, or truncated");
    check_refused(zip({{"a.txt", "abc"}}), "\"a.txt\" in it is no .npy array");
    check_refused(zip({{"a.npy", "abc"}}), "\"a.npy\": it ends within the .npy header");
    check_refused(zip({{"a.npy", array(ones({1})) + "x"}}), "\"a.npy\": [1] of float32 take 4 bytes, but 5 are there");
    check_refused(zip({{"a.npy", array(ones({1}))}, {"a.npy", array(ones({1}))}}), "two files in it are called \"a.npy\"");
}

TEST_CASE("an archive is read from its end, with a comment or without", "[io]") {
    const TemporaryFolder folder;
    const Bytes good = zip({{"a.npy", array(ones({2}))}});
    CHECK(load_npz(folder.write("file", patched(good, end, 20, 5, 2) + "hello")).size() == 1);
    check_refused(good + "x", "not a zip file, or truncated");
    for (std::size_t size = 0; size < good.size(); ++size) check_refused(good.substr(0, size), "");
}

TEST_CASE("a directory that lies is found out", "[io]") {
    const Bytes good = zip({{"a.npy", array(ones({2}))}, {"b.npy", array(ones({2}))}});
    check_refused(patched(good, end, 8, 3, 2), "of several parts");
    check_refused(patched(patched(good, end, 8, 3, 2), end, 10, 3, 2), "3 files in 102 bytes, which cannot be");
    check_refused(patched(good, end, 16, 0x7fffffff, 4), "is said to be at byte 2147483647");
    check_refused(patched(good, end, 16, 0xffffffff, 4), "the zip directory is malformed");
    check_refused(patched(good, end, 16, 10, 4), "malformed");
    check_refused(patched(good, entry, 8, 1, 2), "\"b.npy\" in it is encrypted");
    check_refused(patched(good, entry, 10, 12, 2), "packed by a method not known here, 12");
    check_refused(patched(good, entry, 10, 8, 2), "has a header that the directory contradicts");
    check_refused(patched(good, entry, 16, 1, 4), "\"b.npy\" in it does not agree with its checksum");
    check_refused(patched(good, entry, 20, 100, 4), "is said to have 136 bytes, which cannot come out of 100");
    check_refused(patched(good, entry, 24, 1'000'000'000, 4), "is said to have 1000000000 bytes, which cannot come out of 136");
    check_refused(patched(patched(good, entry, 24, 1'000'000, 4), entry, 20, 1'000'000, 4), "which are not there");
    check_refused(patched(good, entry, 28, 200, 2), "malformed");
    check_refused(patched(good, entry, 42, 0, 4), "\"b.npy\" in it has a header that the directory contradicts");
    check_refused(patched(good, entry, 42, 0x7fffffff, 4), "is said to be at byte 2147483647");
    check_refused(patched(good, local, 26, 4, 2), "has a header that the directory contradicts");
    check_refused(patched(good, local, 28, 0xffff, 2), "which are not there");
}

TEST_CASE("the same bytes cannot be unpacked twice", "[io]") {
    // Two entries of one name length that point to one file would do, were their names not compared; so one file holds the next one's header.
    const Bytes inner = zip({{"b.npy", array(ones({2}))}});
    const Bytes inner_file = inner.substr(0, inner.find(entry));
    const Bytes outer = zip({{"a.npy", inner_file}, {"b.npy", array(ones({2}))}});
    const std::size_t inside = outer.find(local, 1);
    check_refused(patched(outer, entry, 42, inside, 4), "\"a.npy\" and \"b.npy\" in it overlap");
}

TEST_CASE("deflated data yields what it should or is refused", "[io]") {
    const Bytes zeros_file = array(zeros({1000, 100}));
    const Bytes good = zip({{"a.npy", zeros_file}}, {.compress = true});
    CHECK(good.size() < 1000);
    check_refused(patched(good, entry, 24, zeros_file.size() - 4, 4), "are there: the file is truncated or corrupt");
    check_refused(patched(good, entry, 24, 2'000'000'000, 4), "is said to have 2000000000 bytes, which cannot come out of");
    // the header agrees with the directory, but more or less comes out
    const Bytes few = array(zeros({1000, 99})), many = array(zeros({1000, 101}));
    const auto header_of = [](const Bytes& array) { return array.substr(0, 128); };
    const Bytes less = zip({{"a.npy", header_of(zeros_file) + few.substr(128)}}, {.compress = true});
    check_refused(patched(less, entry, 24, zeros_file.size(), 4), "unpacks to fewer bytes than it should");
    const Bytes more = zip({{"a.npy", header_of(zeros_file) + many.substr(128)}}, {.compress = true});
    check_refused(patched(more, entry, 24, zeros_file.size(), 4), "unpacks to more bytes than it should");
    for (std::size_t i = 40; i < good.find(entry); i += 3) {
        Bytes bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 0x55);
        check_refused(bad, "");
    }
}

TEST_CASE("names are chosen and changed while loading arrays", "[io]") {
    const TemporaryFolder folder;
    save_npz(folder.path("file"), {{"net.a", ones({1})}, {"net.b", ones({1})}, {"c", ones({1})}});
    CHECK(load_npz(folder.path("file"), {.root = "net", .rename = {{"a", "x"}}}).keys() == std::vector<std::string>{"x", "b"});
    CHECK_THROWS_AS(load_npz(folder.path("file"), {.root = "a"}), IoError);
}
