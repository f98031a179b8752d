// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Files of NumPy, PyTorch and safetensors: those in tests/io/data always; fresh ones in both directions where the packages are. The Python
// to ask is python3, or what the environment variable HEADTORCH_PYTHON says.

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "headtorch/headtorch.hpp"
#include "headtorch/io/state_dict_file.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

Bytes content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

/// 0, 1, 2, …, a bool 0, 1, 1, …
template <class T>
void check_counts(const nn::AnyTensorHandle& tensor, const Shape& shape) {
    REQUIRE(tensor.is<T>());
    CHECK(tensor.shape() == shape);
    const auto values = tensor.get<T>().tolist();
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<T>(i));
}

struct Files {
    std::string folder;
    std::string operator()(const std::string& name) const { return folder + "/" + name; }
};

void check_numpy(const Files& path) {
    check_counts<float>(io::load(path("c_order.npy")).at("tensor"), {3, 4});
    check_counts<float>(io::load_npy(path("version_3.npy")), {3, 4});
    check_counts<double>(io::load_npy(path("fortran_order.npy")), {2, 3, 4});
    check_counts<double>(io::load_npy(path("big_endian_fortran.npy")), {2, 3});
    check_counts<std::int32_t>(io::load_npy(path("big_endian.npy")), {5});
    check_counts<bool>(io::load_npy(path("bool.npy")), {3});
    check_counts<std::uint8_t>(io::load_npy(path("empty.npy")), {0, 3});
    check_counts<float>(io::load_npy(path("half.npy"), {.widen = true}), {4});
    CHECK(io::load_npy(path("int16.npy"), {.widen = true}).get<std::int32_t>().tolist() == std::vector<std::int32_t>{-2, -1, 0, 1});
    CHECK(io::load_npy(path("scalar.npy")).get<std::int64_t>().item() == 7);
    for (const char* name : {"stored.npz", "deflated.npz"}) {
        const nn::StateDict dict = io::load(path(name));
        CHECK(dict.keys() == Names{"fc.weight", "fc.bias", "steps"});
        check_counts<float>(dict.at("fc.weight"), {3, 4});
        check_counts<float>(dict.at("fc.bias"), {3});
        CHECK(dict.get<std::int64_t>("steps").item() == 7);
    }
}

void check_torch(const Files& path) {
    const nn::StateDict types = io::load(path("types.pt"));
    CHECK(types.keys() == Names{"float", "double", "long", "int", "byte", "bool", "scalar", "empty"});
    check_counts<float>(types.at("float"), {3});
    check_counts<double>(types.at("double"), {3});
    check_counts<std::int64_t>(types.at("long"), {3});
    check_counts<std::int32_t>(types.at("int"), {3});
    check_counts<std::uint8_t>(types.at("byte"), {3});
    check_counts<bool>(types.at("bool"), {3});
    check_counts<float>(types.at("scalar"), {});
    check_counts<float>(types.at("empty"), {0, 3});

    CHECK_THROWS_WITH(io::load(path("half.pt")), contains("is of int16"));
    check_counts<bfloat16>(io::load(path("half.pt"), {.dtype = Dtype::bfloat16, .widen = true}).at("half"), {3});
    const nn::StateDict half = io::load(path("half.pt"), {.widen = true});
    check_counts<float>(half.at("half"), {3});
    check_counts<float>(half.at("bfloat16"), {3});
    check_counts<std::int32_t>(half.at("short"), {3});

    const nn::StateDict views = io::load(path("views.pt"));
    const Tensor<> grid = views.get("grid");
    check_counts<float>(grid, {3, 4});
    CHECK(views.get("transposed").tolist() == grid.t().tolist());
    CHECK(views.get("transposed").data() == grid.data());
    CHECK(views.get("column").tolist() == std::vector<float>{1, 5, 9});
    CHECK(views.get("part").tolist() == std::vector<float>{6, 7, 10, 11});
    CHECK(views.get("expanded").tolist() == std::vector<float>{0, 0, 4, 4, 8, 8});

    const nn::StateDict module = io::load(path("module.pth"));
    CHECK(module.keys() == Names{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
                                 "2.weight", "2.bias"});
    check_counts<float>(module.at("0.weight"), {3, 4});
    check_counts<std::int64_t>(module.at("1.num_batches_tracked"), {});
    nn::Sequential net{nn::Linear<>(3, 1)};
    net.load_state_dict(io::load(path("module.pth"), {.root = "2", .rename = {{"", "0."}}}));
    check_counts<float>(net.state_dict().at("0.weight"), {1, 3});

    const io::StateFile checkpoint = io::read_torch(path("checkpoint.pt"));
    CHECK(checkpoint.state.get<std::int64_t>("epoch").item() == 3);
    CHECK(checkpoint.state.get<double>("loss").item() == 0.25);
    CHECK(checkpoint.state.get<bool>("best").item());
    CHECK(checkpoint.metadata.at("name") == "net");
    CHECK(checkpoint.state.at("optimizer.state.0.exp_avg").shape() == Shape{3, 4});
    CHECK(checkpoint.state.get("optimizer.state.0.step").item() == 1);
    CHECK(checkpoint.state.get<double>("optimizer.param_groups.0.betas.1").item() == 0.999);
    CHECK(io::load(path("checkpoint.pt"), {.root = "model"}).keys() == module.keys());

    check_counts<float>(io::load(path("parameters.pt")).at("weight"), {3, 4});
    check_counts<float>(io::load(path("parameters.pt")).at("frozen"), {3, 4});
    check_counts<float>(io::load(path("protocol_4.pt")).at("weight"), {3, 4});
    check_counts<float>(io::load(path("tensor.pt")).at("tensor"), {3, 4});
    CHECK_THROWS_WITH(io::load(path("whole_module.pt")), contains("asks for \"torch.nn.modules.container.Sequential\""));
    CHECK_THROWS_WITH(io::load(path("before_1_6.pt")), contains("PyTorch before 1.6"));
}

void check_safetensors(const Files& path) {
    const io::StateFile file = io::read_safetensors(path("tensors.safetensors"));
    CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
    CHECK(file.state.size() == 6);
    check_counts<float>(file.state.at("fc.weight"), {3, 4});
    check_counts<float>(file.state.at("fc.bias"), {3});
    check_counts<bool>(file.state.at("mask"), {3});
    check_counts<double>(file.state.at("double"), {3});
    check_counts<float>(file.state.at("empty"), {0, 3});
    CHECK(file.state.get<std::int64_t>("steps").item() == 7);
    const nn::StateDict half = io::load(path("half.safetensors"));
    check_counts<float16>(half.at("half"), {3});
    check_counts<bfloat16>(half.at("bfloat16"), {3});
}

nn::StateDict ours() {
    return {{"float", arange<float>(12).reshape(3, 4)},
            {"double", arange<double>(6).reshape(2, 3)},
            {"long", arange<std::int64_t>(5)},
            {"int", arange<std::int32_t>(4).reshape(2, 1, 2)},
            {"byte", arange<std::uint8_t>(3)},
            {"bool", tensor<bool>({0, 1, 1})},
            {"scalar", zeros({})},
            {"empty", zeros({0, 3})},
            {"fc.weight / ü", tensor({{0, 2, 4}, {1, 3, 5}}).t()}};
}

std::string python() {
    const char* given = std::getenv("HEADTORCH_PYTHON");
    return given && *given ? given : "python3";
}
bool has(const std::string& package) { return std::system((python() + " -c 'import " + package + "' > /dev/null 2>&1").c_str()) == 0; }
/// Runs a script of this folder; fails with what it printed.
void run(const std::string& script, const std::string& folder) {
    const std::string log = folder + "/log";
    const int status = std::system((python() + " " HEADTORCH_TESTS_DIR "/io/" + script + " " + folder + " > " + log + " 2>&1").c_str());
    INFO(content_of(log));
    REQUIRE(status == 0);
}

}  // namespace

TEST_CASE("files of NumPy, PyTorch and safetensors are read", "[io]") {
    const Files path{HEADTORCH_TESTS_DIR "/io/data"};
    check_numpy(path);
    check_torch(path);
    check_safetensors(path);
}

TEST_CASE("our .npy files are NumPy's, byte by byte", "[io]") {
    const TemporaryFolder folder;
    for (const char* name : {"c_order.npy", "bool.npy", "empty.npy", "scalar.npy", "half.npy"}) {
        const std::string theirs = std::string(HEADTORCH_TESTS_DIR "/io/data/") + name;
        io::save(folder.path(name), io::load(theirs));
        CHECK(content_of(folder.path(name)) == content_of(theirs));
    }
}

TEST_CASE("the ending of the name says which format", "[io]") {
    const TemporaryFolder folder;
    for (const char* name : {"a.safetensors", "b.PT", "c.pth", "d.npz"}) {
        io::save(folder.path(name), ours());
        const nn::StateDict loaded = io::load(folder.path(name), {.rename = {{"fc.weight", "w"}}});
        CHECK(loaded.size() == ours().size());
        check_counts<float>(loaded.at("w / ü"), {3, 2});
    }
    CHECK_THROWS_WITH(io::save(folder.path("e.npy"), ours()), contains("a .npy file holds one tensor, not 9; name it .npz"));
    for (const char* name : {"f", "g.bin", "h.npz/x", ".."}) {
        CHECK_THROWS_AS(io::save(folder.path(name), ours()), ValueError);
        CHECK_THROWS_WITH(io::load(folder.path(name)), contains("the name must end in .safetensors, .pt, .pth, .npz or .npy"));
    }
    io::save(folder.path("e.npy"), {{"any", ones({2})}});
    CHECK(io::load(folder.path("e.npy"), {.rename = {{"tensor", "weight"}}}).keys() == Names{"weight"});
}

TEST_CASE("a module is saved and loaded; what does not fit is listed", "[io]") {
    struct Net : nn::Module<Net> {
        nn::Linear<> fc1{2, 3}, fc2{3, 1};
    };
    const TemporaryFolder folder;
    const Net from;
    io::save(folder.path("net.pt"), from.state_dict());
    Net to;
    to.load_state_dict(io::load(folder.path("net.pt")));
    CHECK(to.fc2.weight.tolist() == from.fc2.weight.tolist());

    nn::StateDict dict = io::load(folder.path("net.pt"), {.dtype = Dtype::float64, .rename = {{"fc2.", "last."}}});
    CHECK_THROWS_WITH(to.load_state_dict(dict), contains("missing: fc2.weight, fc2.bias") && contains("unexpected: last.weight, last.bias") &&
                                                    contains("fc1.weight (float64 [3, 2] for float32 [3, 2])"));
    dict = io::load(folder.path("net.pt"), {.dtype = Dtype::float32, .rename = {{"fc2.", "last."}}});
    CHECK(to.load_state_dict(dict, false).missing_keys == Names{"fc2.weight", "fc2.bias"});
}

TEST_CASE("files go both ways where Python has the packages", "[io]") {
    if (!has("sys")) {
        WARN("left out: there is no " << python());
        return;
    }
    const TemporaryFolder theirs, mine;
    run("make_interop_files.py", theirs.path());
    if (has("numpy")) check_numpy({theirs.path()});
    else WARN("left out: " << python() << " has no numpy; HEADTORCH_PYTHON may name another Python");
    if (has("torch")) check_torch({theirs.path()});
    else WARN("left out: " << python() << " has no torch");
    if (has("torch") && has("safetensors")) check_safetensors({theirs.path()});
    else WARN("left out: " << python() << " has no safetensors");

    io::save_npz(mine.path("stored.npz"), ours());
    io::save_npz(mine.path("deflated.npz"), ours(), {.compress = true});
    io::save_npz(mine.path("large.npz"), ours(), {.large = 0});
    io::save_npy(mine.path("array.npy"), arange<double>(6).reshape(2, 3));
    io::save_safetensors(mine.path("tensors.safetensors"), ours(), {{"by", "headtorch"}});
    nn::StateDict tied = ours();
    tied.set("tied", tied.get("float").reshape(2, 6));
    io::save(mine.path("tensors.pt"), tied);
    for (const char* name : {"halfs.pt", "halfs.safetensors"})
        io::save(mine.path(name), {{"half", arange<float16>(3)}, {"bfloat16", arange<bfloat16>(3)}});
    io::save(mine.path("module.pth"), io::load(HEADTORCH_TESTS_DIR "/io/data/module.pth"));
    run("check_interop_files.py", mine.path());
}
