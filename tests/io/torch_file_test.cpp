// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/torch_file.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::load_torch;
using io::save_torch;

namespace {

using Names = std::vector<std::string>;

// What pickles are made of.
const Bytes start = "\x80\x02", ordered_dict = "ccollections\nOrderedDict\n)R", rebuild = "ctorch._utils\n_rebuild_tensor_v2\n";
Bytes text(const std::string& value) { return "X" + io::to_little_endian(static_cast<std::uint32_t>(value.size())) + value; }
Bytes integer(std::int64_t value) { return "\x8a\x08" + io::to_little_endian(static_cast<std::uint64_t>(value)); }
Bytes tuple(const std::vector<std::int64_t>& values) {
    Bytes result = "(";
    for (const std::int64_t value : values) result += integer(value);
    return result + "t";
}
Bytes storage(const std::string& key, std::int64_t numel, const std::string& type = "FloatStorage") {
    return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") + integer(numel) + "tQ";
}
Bytes tensor_of(const Bytes& memory, std::int64_t offset, const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides) {
    return rebuild + "(" + memory + integer(offset) + tuple(sizes) + tuple(strides) + "\x89" + ordered_dict + "tR";
}
const Bytes six = io::to_little_endian(std::uint64_t{0x3f80000000000000}) + io::to_little_endian(std::uint64_t{0x4040000040000000}) +
                  io::to_little_endian(std::uint64_t{0x40a0000040800000});  // 0, 1, …, 5

using Files = std::vector<std::pair<std::string, Bytes>>;
std::string write(const TemporaryFolder& folder, const Bytes& pickle, const Files& files = {{"data/0", six}}) {
    io::ZipWriter zip("zip", folder.path("file.pt"));
    zip.add("any/data.pkl", {pickle});
    for (const auto& [name, content] : files) zip.add("any/" + name, {content});
    zip.commit();
    return folder.path("file.pt");
}
io::StateFile read(const Bytes& pickle, const Files& files = {{"data/0", six}}, const io::LoadOptions& options = {}) {
    const TemporaryFolder folder;
    return io::read_torch(write(folder, pickle, files), options);
}
void check_refused(const Bytes& pickle, const std::string& reason, const Files& files = {{"data/0", six}}) {
    const TemporaryFolder folder;
    const std::string path = write(folder, pickle, files);
    INFO(pickle.substr(0, 500));
    CHECK_THROWS_AS(load_torch(path), IoError);
    CHECK_THROWS_WITH(load_torch(path), contains("load_torch: " + path + ": ") && contains(reason));
}

}  // namespace

TEST_CASE("what is saved for PyTorch is read here", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("file.pt");
    const auto grid = arange<float>(12).reshape(3, 4);
    const nn::StateDict dict{{"weight", grid},
                             {"tied", grid.reshape(12)},
                             {"row", grid[0]},
                             {"transposed", grid.t()},
                             {"mask", tensor<bool>({1, 0})},
                             {"double", tensor<double>({0.1})},
                             {"byte", tensor<std::uint8_t>({255})},
                             {"int", tensor<std::int32_t>({-1, 2})},
                             {"steps", full<std::int64_t>({}, 1LL << 40)},
                             {"empty", zeros({0, 2})},
                             {"empty too", zeros({2, 0})},
                             {"große \"Namen\"", ones({1})}};
    save_torch(path, dict);
    const nn::StateDict loaded = load_torch(path);
    REQUIRE(loaded.keys() == dict.keys());
    CHECK(loaded.get("weight").tolist() == grid.tolist());
    CHECK(loaded.get("weight").shape() == grid.shape());
    CHECK(loaded.get("tied").data() == loaded.get("weight").data());
    CHECK(loaded.get("row").tolist() == std::vector<float>{0, 1, 2, 3});
    CHECK(loaded.get("row").data() != loaded.get("weight").data());
    CHECK(loaded.get("transposed").tolist() == grid.t().tolist());
    CHECK(loaded.get<bool>("mask").tolist() == std::vector<bool>{true, false});
    CHECK(loaded.get<double>("double").item() == 0.1);
    CHECK(loaded.get<std::uint8_t>("byte").item() == 255);
    CHECK(loaded.get<std::int32_t>("int").tolist() == std::vector<std::int32_t>{-1, 2});
    CHECK(loaded.get<std::int64_t>("steps").item() == 1LL << 40);
    CHECK(loaded.at("empty").shape() == Shape{0, 2});
    CHECK(loaded.at("empty too").shape() == Shape{2, 0});
    save_torch(path, {});
    CHECK(load_torch(path).empty());
    CHECK_THROWS_AS(save_torch(path, {{"a", nn::AnyTensorHandle()}}), ValueError);
}

TEST_CASE("dictionaries and lists become names, numbers tensors, strings metadata", "[io]") {
    const io::StateFile file =
        read(start + "}(" + text("model") + ordered_dict + "(" + text("fc.weight") + tensor_of(storage("0", 6), 0, {2, 3}, {3, 1}) + "u}" +
             text("_metadata") + "Nsb" + text("list") + "](K\5G" + Bytes("\x3f\xf8\0\0\0\0\0\0", 8) + "\x88N" + text("s") + "e" + integer(-7) +
             text("seven") + text("none") + "N" + text("epoch") + "J" + bytes({0xff, 0xff, 0xff, 0xff}) + text("pair") + integer(1) +
             integer(2) + "\x86u.");
    CHECK(file.state.keys() == Names{"model.fc.weight", "list.0", "list.1", "list.2", "epoch", "pair.0", "pair.1"});
    CHECK(file.state.get("model.fc.weight").tolist() == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(file.state.get<std::int64_t>("list.0").item() == 5);
    CHECK(file.state.get<double>("list.1").item() == 1.5);
    CHECK(file.state.get<bool>("list.2").item());
    CHECK(file.state.get<std::int64_t>("epoch").item() == -1);
    CHECK(file.metadata == std::map<std::string, std::string>{{"list.4", "s"}, {"-7", "seven"}});
}

TEST_CASE("only what is below a root is read, and renamed", "[io]") {
    const Bytes tensor = tensor_of(storage("0", 6), 0, {6}, {1});
    const Bytes pickle = start + "}(" + text("net") + "}(" + text("module.a") + tensor + text("b") + tensor + "u" + text("other") +
                         tensor_of(storage("1", 6, "HalfStorage"), 0, {6}, {1}) + "u.";
    const nn::StateDict dict = read(pickle, {{"data/0", six}}, {.root = "net", .rename = {{"module.", ""}}}).state;
    CHECK(dict.keys() == Names{"a", "b"});
    CHECK(dict.get("a").data() == dict.get("b").data());
    CHECK_THROWS_WITH(read(pickle, {{"data/0", six}}, {.root = "model"}), contains("nothing in it is below \"model\"") && contains("\"net\""));
    CHECK_THROWS_WITH(read(pickle), contains("data/\"1\" is missing"));
}

TEST_CASE("views of a storage stay views", "[io]") {
    const Bytes memory = storage("0", 6);
    const Bytes pickle = start + "}(" + text("t") + tensor_of(memory, 0, {3, 2}, {1, 3}) + text("column") + tensor_of(memory, 1, {2}, {3}) +
                         text("expanded") + tensor_of(memory, 5, {2, 1'000'000'000}, {0, 0}) + text("empty") + tensor_of(memory, 6, {0, 9}, {9, 1}) +
                         text("scalar") + tensor_of(memory, 4, {}, {}) + text("parameter") + "ctorch._utils\n_rebuild_parameter\n(" +
                         tensor_of(memory, 0, {6}, {1}) + "\x88" + ordered_dict + "tRu.";
    const nn::StateDict dict = read(pickle).state;
    CHECK(dict.get("t").tolist() == std::vector<float>{0, 3, 1, 4, 2, 5});
    CHECK(dict.get("column").tolist() == std::vector<float>{1, 4});
    CHECK(dict.get("expanded").shape() == Shape{2, 1'000'000'000});
    CHECK(dict.get("expanded")(1, 12345).item() == 5);
    CHECK(dict.get("empty").shape() == Shape{0, 9});
    CHECK(dict.get("scalar").item() == 4);
    CHECK(dict.get("parameter").data() == dict.get("t").data());
    CHECK(read(start + tensor_of(memory, 0, {6}, {1}) + ".").state.keys() == Names{"tensor"});
    Bytes swapped = six;
    for (auto at = swapped.begin(); at != swapped.end(); at += 4) std::reverse(at, at + 4);
    CHECK(read(pickle, {{"data/0", swapped}, {"byteorder", "big"}}).state.get("column").tolist() == std::vector<float>{1, 4});
    CHECK_THROWS_WITH(read(pickle, {{"data/0", six}, {"byteorder", "odd"}}), contains("its byte order is \"odd\""));
}

TEST_CASE("halfs are read as such, and widened when that is asked for", "[io]") {
    const Files files = {{"data/0", bytes({0, 0x3c, 0, 0x40})}};
    const Bytes half = start + tensor_of(storage("0", 2, "HalfStorage"), 1, {1}, {1}) + ".";
    CHECK(read(half, files).state.get<float16>("tensor").item() == 2);
    CHECK(read(half, files, {.widen = true}).state.get("tensor").item() == 2);
    CHECK(read(half, files, {.dtype = Dtype::float64}).state.get<double>("tensor").item() == 2);
    const Bytes brain = start + tensor_of(storage("0", 2, "BFloat16Storage"), 0, {2}, {1}) + ".";
    CHECK(read(brain, {{"data/0", bytes({0x80, 0x3f, 0, 0x40})}}).state.get<bfloat16>("tensor").tolist() == std::vector<bfloat16>{1, 2});
    CHECK(read(brain, {{"data/0", bytes({0x80, 0x3f, 0, 0x40})}}, {.widen = true}).state.get("tensor").tolist() == std::vector<float>{1, 2});
}

TEST_CASE("a pickle that asks for anything else is refused by name", "[io]") {
    check_refused(start + "cos\nsystem\n(" + text("touch /tmp/x") + "tR.", "the pickle asks for \"os.system\", and only tensors");
    check_refused(start + "c__builtin__\neval\n.", "\"__builtin__.eval\"");
    check_refused(bytes({0x80, 4}) + "\x8c\5posix\x8c\6system\x93.", "asks for \"posix.system\"");
    check_refused(start + "cposix\nsys\x1b[31mtem\n.", "asks for \"posix.sys?[31mtem\"");
    check_refused(start + "ctorch._utils\n_rebuild_tensor_v3\n.", "\"torch._utils._rebuild_tensor_v3\"");
    check_refused(start + "ctorch\nComplexFloatStorage\n.", "\"torch.ComplexFloatStorage\"");
    check_refused(start + "(K\1ios\nsystem\n.", "has the instruction 105, which is not known here; nothing was executed");
    check_refused(start + "cos\n", "ends within a name");
    check_refused(start + "ctorch\nFloatStorage\n)R.", "calls torch.FloatStorage, which is no function");
    check_refused(start + text("os.system") + ")R.", "calls something that is no function");
    check_refused(start + ordered_dict + ")R.", "calls something that is no function");
    check_refused(start + "ccollections\nOrderedDict\n.", "is neither a tensor nor a number nor a string");
}

TEST_CASE("malformed pickles are refused", "[io]") {
    check_refused("", "ends too early");
    check_refused(start, "ends too early");
    check_refused(".", "ends with something else than one value");
    check_refused(start + "NN.", "ends with something else than one value");
    check_refused(start + "(N.", "ends with something else than one value");
    check_refused(start + "N.N", "goes on behind its end");
    check_refused(bytes({0x80, 6}), "is of protocol 6");
    check_refused(start + "0.", "takes more from the stack than is there");
    check_refused(start + "(0.", "takes more from the stack than is there");
    check_refused(start + "K\1\x86.", "takes more from the stack than is there");
    check_refused(start + "t.", "looks for a mark where there is none");
    check_refused(start + "h\1.", "recalls what it never remembered");
    check_refused(start + "q\1.", "takes more from the stack than is there");
    check_refused(start + "}K\1K\2K\3(u.", "adds to something that is no dictionary");
    check_refused(start + "}(K\1u.", "has a key without a value");
    check_refused(start + "}K\1a.", "adds to something that is no list");
    check_refused(start + "X" + bytes({255, 255, 255, 255}) + "abc", "ends too early");
    check_refused(start + bytes({0x8d, 255, 255, 255, 255, 255, 255, 255, 255}) + "abc", "ends too early");
    check_refused(start + bytes({0x8a, 9}) + Bytes(9, '\1') + ".", "has an integer of 9 bytes; 8 at most");
    check_refused(start + "]b.", "takes more from the stack");
    check_refused(start + "]Nb.", "sets attributes of something that is no dictionary");
    check_refused(start + ")Q.", "refers to something that is no storage");
    check_refused(start + "}" + integer(1) + integer(2) + "\x86K\1s.", "is neither a string nor an integer");
    check_refused(start + "}(NNu.", "is neither a string nor an integer");
    check_refused(start + "}(" + text("a") + "K\1" + text("a") + "K\2u.", "two of its tensors are called \"a\"");
    check_refused(start + "}(" + text("a.b") + "K\1" + text("a") + "}" + text("b") + "K\2su.", "two of its tensors are called \"a.b\"");
}

TEST_CASE("pickles that would fill the memory are refused", "[io]") {
    check_refused(start + Bytes(100, ']') + Bytes(99, 'a') + ".", "nested more than 64 deep, or in a circle");
    check_refused(start + "]q\1h\1a.", "nested more than 64 deep, or in a circle");
    check_refused(start + "}q\1" + text("x") + "h\1s.", "nested more than 64 deep, or in a circle");
    Bytes bomb = start + "](K\1K\1K\1K\1eq" + bytes({0});
    for (int i = 0; i < 30; ++i) {  // four times the list before: 4^31 numbers in all
        const Bytes recall = "h" + bytes({i});
        bomb += "0](" + recall + recall + recall + recall + "eq" + bytes({i + 1});
    }
    check_refused(bomb + ".", "more than a million values");
    check_refused(start + "}" + text(Bytes(200'000, 'x')) + "](" + Bytes(100'000, 'N') + "es.", "the names of its values take more than 64 MB");
    check_refused(Bytes((16 << 20) + 1, 'N'), "its pickle has 16777217 bytes; 16777216 at most");
}

TEST_CASE("tensors that leave their storage are refused", "[io]") {
    const auto refuse = [](const Bytes& tensor, const std::string& reason) { check_refused(start + tensor + ".", reason); };
    const Bytes memory = storage("0", 6);
    refuse(tensor_of(memory, 0, {7}, {1}), "shape [7] with strides [1] from 0 on leaves its storage of 6 elements");
    refuse(tensor_of(memory, 1, {2, 3}, {3, 1}), "leaves its storage");
    refuse(tensor_of(memory, -1, {1}, {1}), "leaves its storage");
    refuse(tensor_of(memory, 7, {0}, {1}), "leaves its storage");
    refuse(tensor_of(memory, 5, {2}, {-1}), "leaves its storage");
    refuse(tensor_of(memory, 0, {2}, {std::numeric_limits<std::int64_t>::max()}), "leaves its storage");
    refuse(tensor_of(memory, 0, {3, 3}, {1LL << 62, 1LL << 62}), "leaves its storage");
    refuse(tensor_of(memory, 0, {-1}, {1}), "impossible shape");
    refuse(tensor_of(memory, 0, {1LL << 40, 1LL << 40}, {0, 0}), "impossible shape");
    refuse(tensor_of(memory, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}), "has 9 dimensions; 8 at most");
    refuse(tensor_of(memory, 0, {6}, {1, 1}), "its description is malformed");
    refuse(rebuild + "(" + memory + "K\1)" + text("x") + "\x89" + ordered_dict + "tR", "its description is malformed");
    refuse(rebuild + "(" + memory + "tR", "describes a tensor by 1 values; 6 are needed");
    refuse(tensor_of(storage("0", -6), 0, {6}, {1}), "leaves its storage of -6");
    refuse(tensor_of(storage("0", 1LL << 60), 0, {6}, {1}), "impossible shape");
    refuse(tensor_of(storage("0", 7), 0, {6}, {1}), "its storage of [7] float32 has 24 bytes");
    refuse(tensor_of(storage("0", 6, "DoubleStorage"), 0, {6}, {1}), "its storage of [6] float64 has 24 bytes");
    refuse(tensor_of(storage("../x", 6), 0, {6}, {1}), "its storage data/\"../x\" is missing");
    refuse("](" + tensor_of(memory, 0, {6}, {1}) + tensor_of(storage("0", 600), 0, {600}, {1}) + "e",
           "its storage has 6 elements in one place and 600 in another");
    refuse(tensor_of(storage("0", 24, "BoolStorage"), 0, {6}, {1}), "not all of its bytes are 0 or 1");
    refuse(memory, "is neither a tensor nor a number nor a string");
    refuse("ctorch._utils\n_rebuild_parameter\n(K\1tR", "describes a parameter without a tensor");
}

TEST_CASE("what is no file of PyTorch's is refused", "[io]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(load_torch(folder.write("old", start + "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")), contains("PyTorch before 1.6"));
    CHECK_THROWS_WITH(load_torch(folder.write("text", "hello")), contains("not a zip file"));
    CHECK_THROWS_WITH(load_torch(folder.write("nothing", "")), contains("not a zip file"));
    io::ZipWriter zip("zip", folder.path("zip"));
    zip.add("a.npy", {""});
    zip.commit();
    CHECK_THROWS_WITH(load_torch(folder.path("zip")), contains("it has no data.pkl, thus it was not made by torch.save()"));
    io::ZipWriter two("zip", folder.path("two"));
    two.add("a/data.pkl", {"N."});
    two.add("b/data.pkl", {"N."});
    two.commit();
    CHECK_THROWS_WITH(load_torch(folder.path("two")), contains("more than one data.pkl"));
}

TEST_CASE("no truncation and no single wrong byte does harm to the reader of PyTorch's files", "[io]") {
    const TemporaryFolder folder;
    save_torch(folder.path("good"), {{"weight", arange<float>(6).reshape(2, 3)}, {"n", full<std::int64_t>({}, 3)}});
    std::ifstream in(folder.path("good"), std::ios::binary);
    const Bytes good(std::istreambuf_iterator<char>(in), {});
    for (std::size_t size = 0; size < good.size(); ++size) CHECK_THROWS_AS(load_torch(folder.write("short", good.substr(0, size))), IoError);
    for (std::size_t i = 0; i < good.size(); ++i)
        for (const int change : {1, 2, 128}) {
            Bytes bad = good;
            bad[i] = static_cast<char>(bad[i] ^ change);
            try {
                load_torch(folder.write("bad", bad));
            } catch (const IoError&) {
            }
        }
}
