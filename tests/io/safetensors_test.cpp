// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/safetensors.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::load_safetensors;
using io::save_safetensors;

namespace {

using Names = std::vector<std::string>;

Bytes file(const std::string& header, const Bytes& data = {}) { return io::to_little_endian(std::uint64_t{header.size()}) + header + data; }

/// A file of this header and data is refused with `text`.
void check_refused(const Bytes& content, const std::string& text, const io::LoadOptions& options = {}) {
    const TemporaryFolder folder;
    const std::string path = folder.write("file", content);
    INFO(content.substr(std::min<std::size_t>(8, content.size())));
    CHECK_THROWS_AS(load_safetensors(path, options), IoError);
    CHECK_THROWS_WITH(load_safetensors(path, options), contains("load_safetensors: " + path + ": ") && contains(text));
}
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace

TEST_CASE("tensors of every type come back as they were, in their order", "[io]") {
    const TemporaryFolder folder;
    const auto grid = arange<float>(12).reshape(3, 4);
    const nn::StateDict dict{{"z", tensor<bool>({1, 0, 1})},
                             {"fc.weight", grid},
                             {"transposed", grid.t()},
                             {"every other", grid(all, slice(0, 4, 2))},
                             {"double", tensor<double>({1e300, -0.0, std::numeric_limits<double>::infinity()})},
                             {"long", tensor<std::int64_t>({std::numeric_limits<std::int64_t>::min(), -1})},
                             {"int", tensor<std::int32_t>({{1, -2}})},
                             {"byte", tensor<std::uint8_t>({0, 255, 7})},
                             {"empty", zeros({0, 5})},
                             {"scalar", full<double>({}, 0.1)},
                             {"Gewicht \"ü\"\n", full({2}, std::nanf(""))},
                             {"", ones({1})}};
    const std::string path = folder.path("file.safetensors");
    save_safetensors(path, dict, {{"by", "headtorch"}, {"\t", ""}});
    const io::StateFile loaded = io::read_safetensors(path);
    CHECK(loaded.metadata == std::map<std::string, std::string>{{"by", "headtorch"}, {"\t", ""}});
    REQUIRE(loaded.state.keys() == dict.keys());
    CHECK(loaded.state.get("fc.weight").tolist() == grid.tolist());
    CHECK(loaded.state.get("transposed").tolist() == grid.t().tolist());
    CHECK(loaded.state.get("transposed").is_contiguous());
    CHECK(loaded.state.get("every other").tolist() == std::vector<float>{0, 2, 4, 6, 8, 10});
    CHECK(std::signbit(loaded.state.get<double>("double").tolist()[1]));
    CHECK(loaded.state.get<double>("double").tolist() == dict.get<double>("double").tolist());
    CHECK(loaded.state.get<std::int64_t>("long").tolist() == dict.get<std::int64_t>("long").tolist());
    CHECK(loaded.state.get<std::int32_t>("int").shape() == Shape{1, 2});
    CHECK(loaded.state.get<std::uint8_t>("byte").tolist() == std::vector<std::uint8_t>{0, 255, 7});
    CHECK(loaded.state.get<bool>("z").tolist() == std::vector<bool>{true, false, true});
    CHECK(loaded.state.get("empty").shape() == Shape{0, 5});
    CHECK(loaded.state.get<double>("scalar").item() == 0.1);
    CHECK(std::isnan(loaded.state.get("Gewicht \"ü\"\n").tolist()[1]));

    save_safetensors(path, {});
    CHECK(load_safetensors(path).empty());
}

TEST_CASE("what cannot be written is refused before anything is", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.write("file", "old");
    nn::StateDict twice{{"a", ones({1})}};
    twice.append("a", ones({1}));
    CHECK_THROWS_WITH(save_safetensors(path, twice), "save_safetensors: two entries are called \"a\"");
    CHECK_THROWS_WITH(save_safetensors(path, {{"a", nn::AnyTensorHandle()}}), "save_safetensors: \"a\" is undefined");
    CHECK_THROWS_WITH(save_safetensors(path, {{"__metadata__", ones({1})}}), contains("cannot be called \"__metadata__\""));
    CHECK_THROWS_WITH(save_safetensors(path, {{"\xff", ones({1})}}), contains("not UTF-8"));
    CHECK(std::filesystem::file_size(path) == 3);
}

TEST_CASE("conversions are made when they are asked for", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.write(
        "file", file("{\"half\":" + entry("F16", "[4]", "[0,8]") + ",\"brain\":" + entry("BF16", "[1]", "[8,10]") + ",\"float\":" +
                         entry("F32", "[1]", "[10,14]") + ",\"short\":" + entry("I16", "[1]", "[14,16]") + ",\"char\":" +
                         entry("I8", "[2]", "[16,18]") + ",\"u\":" + entry("U32", "[1]", "[18,22]") + ",\"us\":" + entry("U16", "[1]", "[22,24]") + "}",
                     // 1.5, the smallest subnormal, -infinity, NaN; -2; 0.5; -2; -1 and 127; 2^32 - 1; 2^16 - 1
                     bytes({0x00, 0x3e, 0x01, 0x80, 0x00, 0xfc, 0x01, 0x7e, 0x00, 0xc0, 0, 0, 0, 0x3f, 0xfe, 0xff, 0xff, 0x7f,
                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
    CHECK_THROWS_WITH(load_safetensors(path), contains("\"short\" is of int16, which no tensor here can be: load it with {.widen = true} "
                                                       "to get int32"));
    const nn::StateDict wide = load_safetensors(path, {.widen = true});
    const auto half = wide.get("half").tolist();
    CHECK(half[0] == 1.5f);
    CHECK(half[1] == -0x1p-24f);
    CHECK(half[2] == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(half[3]));
    CHECK(wide.get("brain").item() == -2);
    CHECK(wide.get<std::int32_t>("short").item() == -2);
    CHECK(wide.get<std::int32_t>("char").tolist() == std::vector<std::int32_t>{-1, 127});
    CHECK(wide.get<std::int64_t>("u").item() == 4294967295);
    CHECK(wide.get<std::int32_t>("us").item() == 65535);

    const nn::StateDict doubles = load_safetensors(path, {.dtype = Dtype::float64, .widen = true});
    CHECK(doubles.get<double>("half").tolist()[1] == -0x1p-24);
    CHECK(doubles.get<double>("float").item() == 0.5);
    CHECK(doubles.get<std::int32_t>("short").item() == -2);
    CHECK_THROWS_WITH(load_safetensors(path, {.dtype = Dtype::float64}), contains("\"short\" is of int16"));
    CHECK_THROWS_AS(load_safetensors(path, {.dtype = Dtype::int64}), ValueError);
}

TEST_CASE("halfs are read and written as they are, all 65,536 of them", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file");
    const auto halfs = empty<float16, Cpu>({256, 256});
    const auto brains = empty<bfloat16, Cpu>({65536});
    for (std::int64_t bits = 0; bits < 65536; ++bits) {
        halfs.data()[bits] = float16::from_bits(static_cast<std::uint16_t>(bits));
        brains.data()[bits] = bfloat16::from_bits(static_cast<std::uint16_t>(bits));
    }
    save_safetensors(path, {{"half", halfs}, {"brain", brains}, {"float", ones({2})}});
    const nn::StateDict same = load_safetensors(path), floats = load_safetensors(path, {.dtype = Dtype::float32}),
                        doubles = load_safetensors(path, {.dtype = Dtype::float64}),
                        others = load_safetensors(path, {.dtype = Dtype::bfloat16});
    CHECK(same.get<float16, Cpu>("half").shape() == Shape{256, 256});
    std::int64_t wrong = 0;
    for (std::int64_t bits = 0; bits < 65536; ++bits) {
        const float half = halfs.data()[bits], brain = brains.data()[bits];
        wrong += same.get<float16, Cpu>("half").data()[bits].bits != bits || same.get<bfloat16, Cpu>("brain").data()[bits].bits != bits;
        if (!std::isnan(half)) {
            wrong += floats.get<float, Cpu>("half").data()[bits] != half;
            wrong += others.get<bfloat16, Cpu>("half").data()[bits].bits != bfloat16(half).bits;
        }
        if (!std::isnan(brain)) wrong += doubles.get<double, Cpu>("brain").data()[bits] != static_cast<double>(brain);
    }
    CHECK(wrong == 0);
    CHECK(others.get<bfloat16>("float").tolist() == std::vector<bfloat16>{1, 1});
}

TEST_CASE("names are chosen and changed while loading", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file");
    save_safetensors(path, {{"model.module.fc.weight", ones({2})}, {"model.fc.bias", ones({1})}, {"modelled", ones({3})}, {"epoch", ones({})}});
    CHECK(load_safetensors(path, {.root = "model"}).keys() == Names{"module.fc.weight", "fc.bias"});
    CHECK(load_safetensors(path, {.root = "model", .rename = {{"module.", ""}, {"fc.", "last."}}}).keys() == Names{"fc.weight", "last.bias"});
    CHECK(load_safetensors(path, {.rename = {{"model.module.", "model."}}}).size() == 4);
    CHECK_THROWS_WITH(load_safetensors(path, {.rename = {{"model.module.fc.weight", "x"}, {"model.fc.bias", "x"}}}),
                      contains("two of its tensors are called \"x\""));
    CHECK_THROWS_WITH(load_safetensors(path, {.root = "net"}), contains("nothing in it is below \"net\"") && contains("\"modelled\""));

    const nn::StateDict dict{{"a.x", ones({1})}, {"b.x", ones({1})}};
    CHECK(io::rename_keys(dict, {{"a.", ""}, {"b.", "a."}}).keys() == Names{"x", "a.x"});
    CHECK_THROWS_AS(io::rename_keys(dict, {{"a.", ""}, {"b.", ""}}), ValueError);
}

TEST_CASE("malformed safetensors are refused", "[io]") {
    const std::string f32 = entry("F32", "[2]", "[0,8]");
    const Bytes data(8, '\0');
    check_refused("", "too short for a safetensors file: 0 bytes");
    check_refused("1234567", "too short");
    check_refused(Bytes(8, '\xff'), "its header would have 18446744073709551615 bytes");
    check_refused(io::to_little_endian(std::uint64_t{3}) + "{}", "its header would have 3 bytes, the file has 10");
    check_refused(io::to_little_endian(std::uint64_t{100'000'001}), "its header would have 100000001 bytes");
    check_refused(file(""), "does not start with {");
    check_refused(file(" {}"), "does not start with {");
    check_refused(file("[]"), "does not start with {");
    check_refused(file("{"), "the header is not JSON, at byte 2");
    check_refused(file("{}}"), "not JSON");
    check_refused(file("{\"a\xff\":1}"), "not JSON");
    check_refused(file("{" + std::string(1'000'000, '[')), "not JSON");
    check_refused(file("{\"a\":" + std::string(1'000'000, '[')), "the header's entry \"a\" has a value of the wrong kind");
    check_refused(file("{\"a\":1}"), "\"a\" has a value of the wrong kind");
    check_refused(file("{\"a\":{}}"), "\"a\": \"a\" lacks dtype, shape or data_offsets");
    check_refused(file("{\"a\":{\"x\":1}}"), "\"a\": \"x\" has no business there");
    check_refused(file("{\"a\":{\"shape\":[" + std::string(1'000'000, '[')), "\"a\": \"shape\" has a value of the wrong kind");
    check_refused(file("{\"a\":" + entry("F32", "[-2]", "[0,8]") + "}", data), "\"a\": \"shape\" has a value of the wrong kind");
    check_refused(file("{\"a\":" + entry("F32", "[2.0]", "[0,8]") + "}", data), "wrong kind");
    check_refused(file("{\"a\":" + entry("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") + "}", data), "has more than 8 dimensions");
    check_refused(file("{\"a\":" + entry("F32", "[2]", "[0]") + "}", data), "lacks");
    check_refused(file("{\"a\":" + entry("F32", "[2]", "[0,8,9]") + "}", data), "wrong kind");
    check_refused(file("{\"a\":" + entry("F32", "[2]", "[0,99999999999999999999]") + "}", data), "wrong kind");
    check_refused(file("{\"a\":" + entry("Q4", "[2]", "[0,8]") + "}", data), "\"a\" is of type \"Q4\", which is not known here");
    check_refused(file("{\"a\":" + f32 + ",\"a\":" + f32 + "}", data), "\"a\" is there twice");
    check_refused(file("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", data), "\"a\": \"dtype\" is there twice");
    check_refused(file("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"), "\"a\" is there twice");
    check_refused(file("{\"__metadata__\":{\"a\":1}}"), "\"a\" has a value of the wrong kind");
    check_refused(file("{\"__metadata__\":1}"), "wrong kind");
}

TEST_CASE("places and sizes of safetensors are checked", "[io]") {
    const std::string f32 = entry("F32", "[2]", "[0,8]");
    const Bytes data(8, '\0');
    check_refused(file("{\"a\":" + f32 + "}"), "\"a\" is said to be at bytes 0 to 8 of 0: the file is truncated or corrupt");
    check_refused(file("{\"a\":" + f32 + "}", Bytes(9, '\0')), "1 bytes follow the last tensor");
    check_refused(file("{}", Bytes(9, '\0')), "9 bytes follow the last tensor");
    check_refused(file("{\"a\":" + entry("F32", "[2]", "[8,0]") + "}", data), "\"a\" is said to be at bytes 8 to 0");
    check_refused(file("{\"a\":" + entry("F32", "[2]", "[18446744073709551608,18446744073709551615]") + "}", data), "is said to be at bytes");
    check_refused(file("{\"a\":" + f32 + ",\"b\":" + entry("F32", "[1]", "[4,8]") + "}", data),
                  "\"b\" starts at byte 4, inside another tensor that ends at 8");
    check_refused(file("{\"a\":" + entry("F32", "[1]", "[0,4]") + ",\"b\":" + entry("F32", "[0]", "[8,8]") + "}", data),
                  "\"b\" starts at byte 8, with a gap behind 4");
    check_refused(file("{\"a\":" + entry("F32", "[3]", "[0,8]") + "}", data), "\"a\": [3] of F32 do not take 8 bytes");
    check_refused(file("{\"a\":" + entry("F32", "[4611686018427387904,4611686018427387904]", "[0,8]") + "}", data), "the impossible shape");
    check_refused(file("{\"a\":" + entry("F32", "[18446744073709551615]", "[0,8]") + "}", data), "has an impossible shape");
    check_refused(file("{\"a\":" + entry("F32", "[1152921504606846976]", "[0,8]") + "}", data), "the impossible shape");
    check_refused(file("{\"a\":" + entry("BOOL", "[8]", "[0,8]") + "}", Bytes(8, '\2')), "not all of its bytes are 0 or 1");
}

TEST_CASE("every truncation and most single wrong bytes are refused, and none does harm", "[io]") {
    const TemporaryFolder folder;
    save_safetensors(folder.path("good"), {{"weight", arange<float>(6).reshape(2, 3)}, {"n", full<std::int64_t>({}, 3)}}, {{"k", "v"}});
    Bytes good(std::filesystem::file_size(folder.path("good")), '\0');
    std::ifstream(folder.path("good"), std::ios::binary).read(good.data(), static_cast<std::streamsize>(good.size()));
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK_THROWS_AS(load_safetensors(folder.write("short", good.substr(0, size))), IoError);
    for (std::size_t i = 0; i < good.size(); ++i)
        for (const int change : {1, 2, 16, 128}) {
            Bytes bad = good;
            bad[i] = static_cast<char>(bad[i] ^ change);
            try {
                load_safetensors(folder.write("bad", bad));
            } catch (const IoError&) {
            }
        }
}

TEST_CASE("what is not there or not a file is refused", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(load_safetensors(folder.path("none")), contains("cannot open it: No such file"));
    CHECK_THROWS_WITH(load_safetensors(folder.path()), contains("it is not a regular file"));
    CHECK_THROWS_WITH(load_safetensors("/dev/zero"), contains("it is not a regular file"));
}
