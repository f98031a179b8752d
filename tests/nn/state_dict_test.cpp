// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// State dictionaries.
#include "headtorch/nn/state_dict.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Names = std::vector<std::string>;

struct Net : nn::Module<Net> {
    nn::Linear<> fc{2, 3};
    nn::Parameter<> scale = ones({1});
    nn::Buffer<std::int64_t> steps = zeros<std::int64_t>({});
    nn::Linear<> last{3, 1, false};
};

}  // namespace

TEST_CASE("a state dictionary keeps order and types", "[nn]") {
    nn::StateDict dict{{"b", ones({2})}, {"a", zeros<std::int64_t>({1})}};
    dict.set("c", tensor<double>({1}));
    CHECK(dict.keys() == Names{"b", "a", "c"});
    CHECK(dict.size() == 3);
    CHECK(dict.get("b").tolist() == std::vector<float>{1, 1});
    CHECK(dict.get<double>("c").item() == 1);
    CHECK(dict.at("a").is<std::int64_t>());
    CHECK(dict.at("a").dtype() == Dtype::int64);
    CHECK_THROWS_WITH(dict.get("c"), contains("float64") && contains("float32"));
    CHECK_THROWS_WITH(dict.get("x"), contains("\"x\""));
    CHECK(dict.find("x") == nullptr);
    dict.set("b", zeros({3}));
    CHECK(dict.size() == 3);
    CHECK(dict.at("b").shape() == Shape{3});
    CHECK(dict.erase("a"));
    CHECK_FALSE(dict.erase("a"));
    CHECK(dict.keys() == Names{"b", "c"});
}

TEST_CASE("a module's state has parameters before buffers, module by module", "[nn]") {
    const Net net;
    const nn::StateDict dict = net.state_dict();
    CHECK(dict.keys() == Names{"scale", "steps", "fc.weight", "fc.bias", "last.weight"});
    CHECK_FALSE(dict.get("fc.weight").requires_grad());
    CHECK(dict.get("fc.weight").data() == net.fc.weight.data());
}

TEST_CASE("a snapshot is not changed by training", "[nn]") {
    Net net;
    const nn::StateDict shared = net.state_dict(), snapshot = shared.clone();
    const std::vector<float> before = net.fc.weight.tolist();
    nn::init::zeros_(net.fc.weight);
    CHECK(shared.get("fc.weight").tolist() == std::vector<float>(6, 0));
    CHECK(snapshot.get("fc.weight").tolist() == before);
    net.load_state_dict(snapshot);
    CHECK(net.fc.weight.tolist() == before);
}

TEST_CASE("loading writes into the module's own tensors", "[nn]") {
    const Net from;
    Net to;
    const Tensor<> handle = to.fc.weight;
    to.steps.fill_(7);
    to.load_state_dict(from.state_dict());
    CHECK(handle.is_same(to.fc.weight));
    CHECK(handle.tolist() == from.fc.weight.tolist());
    CHECK(to.fc.weight.data() != from.fc.weight.data());
    CHECK(to.steps.item() == 0);
    CHECK(to.fc.weight.requires_grad());
    to.load_state_dict(to.state_dict());
    CHECK(handle.tolist() == from.fc.weight.tolist());
}

TEST_CASE("a state that does not fit is refused as a whole", "[nn]") {
    Net net;
    const std::vector<float> before = net.fc.weight.tolist();
    nn::StateDict dict = Net().state_dict();
    dict.erase("scale");
    dict.set("fc.bias", zeros({4}));
    dict.set("steps", zeros({}));
    dict.set("extra", zeros({1}));
    dict.set("more", zeros({1}));
    std::string text;
    try {
        net.load_state_dict(dict);
    } catch (const ValueError& error) {
        text = error.what();
    }
    CHECK(text ==
          "load_state_dict: the state does not fit Net; nothing was changed\n"
          "  missing: scale\n"
          "  unexpected: extra, more\n"
          "  wrong shape or type: steps (float32 [] for int64 []), fc.bias (float32 [4] for float32 [3])");
    CHECK(net.fc.weight.tolist() == before);
    CHECK_THROWS_AS(net.load_state_dict(dict, false), ValueError);
    CHECK(net.fc.weight.tolist() == before);
}

TEST_CASE("not strict, names may be missing and unexpected", "[nn]") {
    Net net;
    nn::StateDict dict = Net().state_dict();
    dict.erase("scale");
    dict.set("extra", zeros({1}));
    CHECK_THROWS_AS(net.load_state_dict(dict), ValueError);
    const nn::LoadResult result = net.load_state_dict(dict, false);
    CHECK(result.missing_keys == Names{"scale"});
    CHECK(result.unexpected_keys == Names{"extra"});
    CHECK(net.fc.weight.tolist() == dict.get("fc.weight").tolist());
    CHECK(net.load_state_dict(Net().state_dict()).missing_keys.empty());
}
