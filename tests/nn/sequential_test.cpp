// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Layers one after the other.
#include "headtorch/nn/sequential.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Names = std::vector<std::string>;

Tensor<> twice(const Tensor<>& x) { return x * 2; }

nn::Sequential<> make() {
    return {nn::Linear<>(2, 3), [](const Tensor<>& x) { return x + 1; }, nn::Linear<>(3, 1)};
}

struct Holder : nn::Module<Holder> {
    nn::Sequential<> body{nn::Linear<>(2, 2), nn::Identity()};
    nn::AnyModule<> head = nn::Linear<>(2, 1);
    nn::AnyModule<> empty;
    Tensor<> forward(const Tensor<>& x) { return head(body(x)); }
};

struct NotCopied : nn::Module<NotCopied> {
    std::unique_ptr<nn::Linear<>> inner = std::make_unique<nn::Linear<>>(2, 2);
    Tensor<> forward(const Tensor<>& x) { return (*inner)(x); }
};

}  // namespace

TEST_CASE("children run in turn", "[nn]") {
    nn::Linear<> first(2, 3);
    nn::Sequential<> net(first, twice, [](const Tensor<>& x) { return x + 1; });
    const Tensor<> x = tensor({{1, 2}, {3, 4}});
    CHECK(net(x).tolist() == (first(x) * 2 + 1).tolist());
    CHECK(net.size() == 3);
    CHECK(net.names() == Names{"0", "1", "2"});
    CHECK(net.at<nn::Linear<>>(0).weight.data() != first.weight.data());
    CHECK(nn::Sequential<>()(x).tolist() == x.tolist());
    CHECK(net.to_string() == "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): Function()\n  (2): Lambda()\n)");
}

TEST_CASE("children may be named", "[nn]") {
    nn::Sequential<> net({{"fc1", nn::Linear<>(2, 3)}, {"act", nn::Identity()}, {"fc2", nn::Linear<>(3, 1)}});
    CHECK(net.state_dict().keys() == Names{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"});
    CHECK(net.at<nn::Linear<>>("fc2").in_features == 3);
    net.push_back("last", nn::Linear<>(1, 1));
    net.push_back(nn::Identity());
    CHECK(net.names().back() == "4");
    CHECK_THROWS_WITH(net.push_back("fc1", nn::Identity()), contains("\"fc1\""));
    CHECK_THROWS_AS(net.push_back("a.b", nn::Identity()), ValueError);
    CHECK_THROWS_AS(net.push_back("", nn::Identity()), ValueError);
    CHECK_THROWS_AS(net.push_back(nn::AnyModule<>()), ValueError);
    CHECK(net.size() == 5);
    CHECK(nn::Sequential<>{{"only", nn::Linear<>(1, 1)}}.names() == Names{"only"});
}

TEST_CASE("children are reached by number, name and type", "[nn]") {
    nn::Sequential<> net = make();
    CHECK(net[0].as<nn::Linear<>>() == &net.at<nn::Linear<>>(0));
    CHECK(net[0].as<nn::Flatten>() == nullptr);
    CHECK(net.at<nn::Linear<>>(-1).out_features == 1);
    CHECK_THROWS_WITH(net.at<nn::Flatten>(0), contains("Linear") && contains("Flatten"));
    CHECK_THROWS_AS(net[3], IndexError);
    CHECK_THROWS_AS(net[-4], IndexError);
    CHECK_THROWS_AS(net.at<nn::Linear<>>("fc"), IndexError);
    Tensor<> x = ones({1, 2});
    for (auto& layer : net) x = layer(x);
    CHECK(x.tolist() == net(ones({1, 2})).tolist());
}

TEST_CASE("a Sequential is a value", "[nn]") {
    nn::Sequential<> net = make();
    const nn::Sequential<> best = net;
    const auto held = net.parameters();
    const std::vector<float> before = held[0].tolist();
    CHECK(best.parameters()[0].data() != held[0].data());
    nn::init::zeros_(held[0]);
    SECTION("a copy") { net = best; }
    SECTION("a temporary") { net = nn::Sequential<>(best); }
    CHECK(held[0].is_same(net.parameters()[0]));
    CHECK(held[0].tolist() == before);
    net = nn::Sequential<>(nn::Identity());
    CHECK(net.size() == 1);
    CHECK(net.parameters().empty());
    net = best;
    CHECK(net.parameters()[0].tolist() == before);
    CHECK(net.parameters()[0].data() != best.parameters()[0].data());
    const nn::Sequential<> moved = std::move(net);
    CHECK(moved.parameters()[0].tolist() == before);
}

TEST_CASE("a Sequential as a member, and one in another", "[nn]") {
    Holder holder;
    CHECK(holder.state_dict().keys() == Names{"body.0.weight", "body.0.bias", "head.weight", "head.bias"});
    CHECK(holder.to_string() ==
          "Holder(\n  (body): Sequential(\n    (0): Linear(in_features=2, out_features=2, bias=True)\n    (1): Identity()\n  )\n"
          "  (head): Linear(in_features=2, out_features=1, bias=True)\n)");
    CHECK(holder(ones({3, 2})).shape() == Shape{3, 1});
    CHECK_THROWS_AS(holder.empty(ones({1})), ValueError);
    const Holder copy = holder;
    CHECK(copy.head.as<nn::Linear<>>()->weight.data() != holder.head.as<nn::Linear<>>()->weight.data());

    nn::Sequential<> outer(nn::Sequential<>(nn::Linear<>(2, 2)), Holder());
    CHECK(outer.state_dict().keys()[0] == "0.0.weight");
    CHECK(outer.state_dict().keys()[2] == "1.body.0.weight");
    outer(ones({1, 2})).sum().backward();
    CHECK(outer.parameters()[0].grad().defined());
}

TEST_CASE("a Sequential of double", "[nn]") {
    nn::Sequential<double> net(nn::Linear<double>(2, 1), nn::Flatten());
    CHECK(net(ones<double>({2, 2})).dtype() == Dtype::float64);
    CHECK(net.parameters().size() == 2);
}

TEST_CASE("what cannot be copied can still be held, and says so", "[nn]") {
    nn::Sequential<> net;
    net.push_back(NotCopied());
    CHECK(net.state_dict().keys() == Names{"0.inner.weight", "0.inner.bias"});
    CHECK(net(ones({1, 2})).shape() == Shape{1, 2});
    CHECK_THROWS_WITH(nn::Sequential<>(net), contains("NotCopied"));
}

TEST_CASE("lists and dictionaries of modules", "[nn]") {
    struct Net : nn::Module<Net> {
        nn::ModuleList<> layers{nn::Linear<>(2, 2), nn::Linear<>(2, 2), nn::Identity()};
        nn::ModuleDict<> heads{{"size", nn::Linear<>(2, 1)}, {"kind", nn::Linear<>(2, 3)}};
        Tensor<> forward(Tensor<> x) {
            for (auto& layer : layers) x = layer(x) + x;
            return heads["kind"](x);
        }
    };
    Net net;
    const Net best = net;
    CHECK(net(ones({4, 2})).shape() == Shape{4, 3});
    CHECK(net.state_dict().keys() == Names{"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "heads.size.weight",
                                           "heads.size.bias", "heads.kind.weight", "heads.kind.bias"});
    CHECK(net.to_string() ==
          "Net(\n  (layers): ModuleList(\n    (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n    (2): Identity()\n  )\n"
          "  (heads): ModuleDict(\n    (size): Linear(in_features=2, out_features=1, bias=True)\n"
          "    (kind): Linear(in_features=2, out_features=3, bias=True)\n  )\n)");
    const auto held = net.parameters();
    for (const auto& parameter : held) nn::init::zeros_(parameter);
    SECTION("a copy") { net = best; }
    SECTION("a temporary") { net = Net(best); }
    for (std::size_t i = 0; i < held.size(); ++i) {
        CHECK(held[i].is_same(net.parameters()[i]));
        CHECK(held[i].tolist() == best.parameters()[i].tolist());
    }
    CHECK_THROWS_AS(net.heads["none"], IndexError);
    CHECK_THROWS_WITH(net(ones({4, 3})), contains("net.layers.0: linear: "));
}
