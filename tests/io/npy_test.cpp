// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/npy.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::load_npy;
using io::save_npy;

namespace {

Bytes npy(const std::string& header, const Bytes& data = {}, int version = 1) {
    Bytes result = "\x93NUMPY" + bytes({version, 0}) + io::to_little_endian(static_cast<std::uint16_t>(header.size()));
    if (version > 1) result += bytes({0, 0});
    return result + header + data;
}
Bytes npy(const std::string& descr, bool fortran, const std::string& shape, const Bytes& data) {
    return npy("{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" + shape + "), }\n", data);
}
nn::AnyTensorHandle load(const Bytes& content, const io::LoadOptions& options = {}) {
    const TemporaryFolder folder;
    return load_npy(folder.write("file.npy", content), options);
}
void check_refused(const Bytes& content, const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder.write("file.npy", content);
    INFO(content);
    CHECK_THROWS_AS(load_npy(path), IoError);
    CHECK_THROWS_WITH(load_npy(path), contains("load_npy: " + path + ": ") && contains(text));
}

}  // namespace

TEST_CASE("an array of every type comes back as it was", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file.npy");
    const auto check = [&](const auto& tensor) {
        using T = typename std::decay_t<decltype(tensor)>::value_type;
        save_npy(path, tensor);
        CHECK(std::filesystem::file_size(path) % 64 == static_cast<std::size_t>(tensor.numel()) * sizeof(T) % 64);
        const auto loaded = load_npy(path).get<T>();
        CHECK(loaded.shape() == tensor.shape());
        CHECK(loaded.tolist() == tensor.tolist());
    };
    check(arange<float>(6).reshape(2, 3));
    check(arange<float>(6).reshape(2, 3).t());
    check(tensor<double>({-0.1, 1e308}));
    check(tensor<std::int64_t>({{1, -2}, {3, 4}}));
    check(tensor<std::int32_t>({-5}));
    check(tensor<std::uint8_t>({0, 255}));
    check(tensor<bool>({1, 0}));
    check(full<double>({}, 3));
    check(zeros({0, 4}));
    check(ones({1, 1, 1, 1, 1, 1, 1, 2}));
    for (std::int64_t n = 1; n < 70; ++n) check(zeros({1, n}));
}

TEST_CASE("either byte order and both orders of dimensions are read", "[io]") {
    CHECK(load(npy("<i4", false, "2", bytes({1, 2, 0, 0, 255, 255, 255, 255}))).get<std::int32_t>().tolist() == std::vector<std::int32_t>{513, -1});
    CHECK(load(npy(">i4", false, "2,", bytes({0, 0, 2, 1, 255, 255, 255, 255}))).get<std::int32_t>().tolist() == std::vector<std::int32_t>{513, -1});
    CHECK(load(npy(">f8", false, "", bytes({0x3f, 0xf0, 0, 0, 0, 0, 0, 0}))).get<double>().item() == 1);
    const auto x = load(npy("|u1", true, "2, 3", bytes({1, 2, 3, 4, 5, 6}))).get<std::uint8_t>();
    CHECK(x.is_contiguous());
    CHECK(x.tolist() == std::vector<std::uint8_t>{1, 3, 5, 2, 4, 6});
    const auto y = load(npy(">i8", true, "2, 1, 2", Bytes(7, '\0') + '\1' + Bytes(7, '\0') + '\2' + Bytes(7, '\0') + '\3' + Bytes(7, '\0') + '\4'));
    CHECK(y.get<std::int64_t>().tolist() == std::vector<std::int64_t>{1, 3, 2, 4});
    CHECK(load(npy("|b1", true, "0, 3", "")).shape() == Shape{0, 3});
}

TEST_CASE("types that tensors lack are widened when that is asked for", "[io]") {
    const Bytes half = npy(">f2", true, "2, 2", bytes({0x3c, 0, 0x40, 0, 0x42, 0, 0x44, 0}));
    CHECK(load(half).get<float16>().tolist() == std::vector<float16>{1, 3, 2, 4});
    CHECK_THROWS_WITH(save_npy("brain.npy", ones<bfloat16>({2})), contains("NumPy has no bfloat16"));
    CHECK(load(half, {.widen = true}).get().tolist() == std::vector<float>{1, 3, 2, 4});
    CHECK(load(half, {.dtype = Dtype::float64}).get<double>().tolist() == std::vector<double>{1, 3, 2, 4});
    CHECK(load(npy("<u2", false, "1", bytes({255, 255})), {.widen = true}).get<std::int32_t>().item() == 65535);
    CHECK(load(npy("<f8", false, "1", bytes({0, 0, 0, 0, 0, 0, 0xf0, 0x3f})), {.dtype = Dtype::float32}).get().item() == 1);
    std::string many;  // more than one piece
    for (int i = 0; i < 40'000; ++i) many += bytes({i & 255, i >> 8 & 255});
    const auto wide = load(npy("<u2", false, "40000", many), {.widen = true}).get<std::int32_t>();
    CHECK(wide.tolist() == arange<std::int32_t>(40'000).tolist());
}

TEST_CASE("headers may be written otherwise", "[io]") {
    const Bytes data = bytes({1, 2, 3, 4, 5, 6});
    for (const char* header : {"{'shape':(2,3),'descr':'|u1','fortran_order':False}", "{ \"descr\" : \"|u1\" , 'fortran_order':False,\n'shape':(2,3,) , }  \n",
                               "{'descr': '<u1', 'fortran_order': False, 'shape': (02, 003), }"})
        for (int version : {1, 2, 3}) CHECK(load(npy(header, data, version)).shape() == Shape{2, 3});
}

TEST_CASE("malformed arrays are refused", "[io]") {
    const Bytes good = npy("<i4", false, "2", Bytes(8, '\0'));
    for (std::size_t size = 0; size < good.size(); ++size) check_refused(good.substr(0, size), "");
    check_refused(good + "x", "[2] of int32 take 8 bytes, but 9 are there");
    check_refused("PK\3\4abcdefgh", "is no .npy array");
    check_refused(npy("", "", 4), "version 4 of .npy is not known here");
    check_refused("\x93NUMPY" + bytes({2, 0, 0xff, 0xff, 0xff, 0xff}), "a .npy header of 4294967295 bytes; 65536 at most");
    check_refused(npy(""), "expected {");
    check_refused(npy("{}"), "lacks descr");
    check_refused(npy("{'descr': '<i4'}"), "lacks descr, fortran_order or shape");
    check_refused(npy("{'descr': '<i4', 'descr': '<i4'}"), "has an entry twice");
    check_refused(npy("{'descr': '<i4', 'x': 1}"), "has an entry \"x\"");
    check_refused(npy("{'descr': '<i4', 'fortran_order': 1, 'shape': (2,)}"), "fortran_order is True or False");
    check_refused(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,)} import os"), "goes on after the }");
    check_refused(npy("{'descr': '<i4"), "a string does not end");
    check_refused(npy("{'descr': ''}"), "are \"\", which is not known here");
    check_refused(npy("{'descr': '<c8'}"), "says that its elements are \"<c8\"");
    check_refused(npy("{'descr': '|O'}"), "Python objects; they are not read, for that would execute code");
    check_refused(npy("{'descr': [('a', '<f4')]}"), "structured array");
    check_refused(npy("<i4", false, "-2", ""), "the shape has something else than sizes");
    check_refused(npy("<i4", false, "2 3", ""), "expected )");
    check_refused(npy("<i4", false, "1,1,1,1,1,1,1,1,1", Bytes(4, '\0')), "more than 8 dimensions");
    check_refused(npy("<i4", false, "9999999999999999999", ""), "something else than sizes");
    check_refused(npy("<i4", false, "99999999999999999", ""), "take 399999999999999996 bytes, but 0 are there");
    check_refused(npy("<i4", false, "999999999999999999,999999999999999999", ""), "impossible shape");
    check_refused(npy("<i4", false, "4611686018427387904, 4", ""), "something else than sizes");
    check_refused(npy("|b1", false, "1", "\2"), "not all of its bytes are 0 or 1");
}
