// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// What every module can do.
#include "headtorch/nn/module.hpp"

#include <memory>
#include <optional>
#include <sstream>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Names = std::vector<std::string>;

struct Inner : nn::Module<Inner> {
    nn::Linear<> lin{2, 2};
    nn::Parameter<> scale = ones({1});
    bool training = true;
    Tensor<> forward(const Tensor<>& x) const { return training ? lin(x) * scale : lin(x); }
};

struct LeNet5 : nn::Module<LeNet5> {
    nn::Linear<> fc1{2, 3};
    std::vector<Inner> blocks = std::vector<Inner>(2);
    std::vector<nn::Linear<>> heads{{3, 1}, {3, 1}, {3, 2}};
    nn::Parameter<> w = ones({2});
    nn::Buffer<std::int64_t> count = zeros<std::int64_t>({});
    nn::ModuleDict<> by_name{{"a", nn::Linear<>(1, 1)}, {"b", nn::Identity()}};
    std::vector<nn::Parameter<>> ps{ones({2, 3}), ones({1})}, p1{ones({2})};
    nn::Sequential<> seq{nn::Flatten(), nn::Linear<>(3, 1, false)};
    std::vector<nn::Linear<>> empty;
    std::optional<nn::Linear<>> none;

    Tensor<> forward(const Tensor<>& x) { return seq(fc1(x)); }
};

/// Members that throw, in the ways in which they can be reached.
struct Faulty : nn::Module<Faulty> {
    Inner first;  // stands at the address of the module itself, as does its own first member
    std::vector<Inner> blocks = std::vector<Inner>(2);
    nn::Sequential<> seq{{"in", nn::Linear<>(2, 2)}, {"deep", nn::Sequential<>(nn::Identity(), nn::Linear<>(3, 3))}};
    int way = 0;

    Tensor<> forward(const Tensor<>& x) {
        const Tensor<> wrong = ones({1, 7});
        switch (way) {
            case 0:
                return first(wrong);
            case 1:
                return first.lin(wrong);
            case 2:
                return blocks[1](wrong);
            case 3:
                return seq(x);
            case 4:
                throw ShapeError("mine: no");
            case 5:
                return stranger(wrong);
            default:
                throw 5;
        }
    }
    static Tensor<> stranger(const Tensor<>& x) { return Inner()(x); }
};

std::string message_of(Faulty& module, int way) {
    module.way = way;
    try {
        module(ones({1, 2}));
    } catch (const Error& error) {
        CHECK(std::string(error.what()).rfind(error.module_path() + ": ", 0) == 0);
        const std::string text = error.what();
        return text.substr(0, text.find(':', error.module_path().size() + 1));
    }
    return "";
}

}  // namespace

TEST_CASE("parameters come in PyTorch's order, with PyTorch's names", "[nn]") {
    const LeNet5 net;
    Names names;
    for (const auto& [name, parameter] : net.named_parameters()) names.push_back(name);
    CHECK(names == Names{"w",
                         "fc1.weight",
                         "fc1.bias",
                         "blocks.0.scale",
                         "blocks.0.lin.weight",
                         "blocks.0.lin.bias",
                         "blocks.1.scale",
                         "blocks.1.lin.weight",
                         "blocks.1.lin.bias",
                         "heads.0.weight",
                         "heads.0.bias",
                         "heads.1.weight",
                         "heads.1.bias",
                         "heads.2.weight",
                         "heads.2.bias",
                         "by_name.a.weight",
                         "by_name.a.bias",
                         "ps.0",
                         "ps.1",
                         "p1.0",
                         "seq.1.weight"});
    CHECK(net.parameters().size() == names.size());
    CHECK(net.parameters()[1].is_same(net.fc1.weight));
    CHECK(net.named_buffers().size() == 1);
    CHECK(net.named_buffers()[0].first == "count");
    CHECK(net.buffers()[0].get<std::int64_t>().is_same(net.count));
    CHECK(net.num_parameters() == 2 + 9 + 2 * 7 + 4 + 4 + 8 + 2 + 6 + 1 + 2 + 3);
    Names modules;
    for (const auto& [name, module] : net.named_modules()) modules.push_back(name);
    CHECK(modules == Names{"",      "fc1",     "blocks",  "blocks.0", "blocks.0.lin", "blocks.1",  "blocks.1.lin",
                           "heads", "heads.0", "heads.1", "heads.2",  "by_name",      "by_name.a", "by_name.b",
                           "ps",    "p1",      "seq",     "seq.0",    "seq.1",        "empty"});
    CHECK(net.named_children().size() == 8);
}

TEST_CASE("a module prints as in PyTorch", "[nn]") {
    const std::string expected = R"(LeNet5(
  (fc1): Linear(in_features=2, out_features=3, bias=True)
  (blocks): ModuleList(
    (0-1): 2 x Inner(
      (lin): Linear(in_features=2, out_features=2, bias=True)
    )
  )
  (heads): ModuleList(
    (0-1): 2 x Linear(in_features=3, out_features=1, bias=True)
    (2): Linear(in_features=3, out_features=2, bias=True)
  )
  (by_name): ModuleDict(
    (a): Linear(in_features=1, out_features=1, bias=True)
    (b): Identity()
  )
  (ps): ParameterList(
      (0): Parameter containing: [torch.float32 of size 2x3]
      (1): Parameter containing: [torch.float32 of size 1]
  )
  (p1): ParameterList(  (0): Parameter containing: [torch.float32 of size 2])
  (seq): Sequential(
    (0): Flatten(start_dim=1, end_dim=-1)
    (1): Linear(in_features=3, out_features=1, bias=False)
  )
  (empty): ModuleList()
))";
    const LeNet5 net;
    CHECK(net.to_string() == expected);
    std::ostringstream out;
    out << net;
    CHECK(out.str() == expected);
}

TEST_CASE("a copy of a module is deep", "[nn]") {
    LeNet5 net;
    net.fc1(ones({1, 2})).sum().backward();
    LeNet5 best = net;
    const auto ours = net.parameters(), theirs = best.parameters();
    REQUIRE(ours.size() == theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        CHECK(ours[i].data() != theirs[i].data());
        CHECK(ours[i].tolist() == theirs[i].tolist());
        CHECK(theirs[i].is_leaf());
        CHECK_FALSE(theirs[i].grad().defined());
    }
    CHECK(best.count.data() != net.count.data());
}

TEST_CASE("assigning a module writes the values into the same parameters", "[nn]") {
    LeNet5 net;
    const LeNet5 best = net;
    const auto held = net.parameters();
    for (const auto& parameter : held) nn::init::constant_(parameter, 5);
    net.count.fill_(9);
    net = best;
    const auto now = net.parameters(), wanted = best.parameters();
    REQUIRE(now.size() == held.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
        CHECK(now[i].is_same(held[i]));
        CHECK(held[i].tolist() == wanted[i].tolist());
    }
    CHECK(net.count.item() == 0);
}

TEST_CASE("assigning a temporary module writes values too, but replaces containers", "[nn]") {
    LeNet5 net;
    const LeNet5 best;
    const Tensor<> weight = net.fc1.weight, last = net.seq.at<nn::Linear<>>(1).weight;
    net = LeNet5(best);
    CHECK(net.state_dict().get("blocks.1.lin.weight").tolist() == best.blocks[1].lin.weight.tolist());
    CHECK(weight.is_same(net.fc1.weight));
    CHECK(weight.tolist() == best.fc1.weight.tolist());
    CHECK(last.is_same(net.seq.at<nn::Linear<>>(1).weight));
    CHECK(last.tolist() == best.state_dict().get("seq.1.weight").tolist());
}

TEST_CASE("a layer can be replaced by one of another size", "[nn]") {
    LeNet5 net;
    net.fc1 = nn::Linear<>(4, 3, false);
    CHECK(net(ones({1, 4})).shape() == Shape{1, 1});
    CHECK_FALSE(net.fc1.bias.defined());
    const nn::Linear<> other(5, 5);
    CHECK_THROWS_AS(net.fc1 = other, ShapeError);
    CHECK(net.fc1.in_features == 4);
    std::vector<nn::Linear<>> list{{1, 2}, {2, 3}, {3, 4}};
    list.erase(list.begin());
    CHECK(list[0].weight.shape() == Shape{3, 2});
    CHECK(list[1].weight.shape() == Shape{4, 3});
}

TEST_CASE("a parameter that two modules share comes once, but has two names in the state", "[nn]") {
    struct Tied : nn::Module<Tied> {
        std::shared_ptr<nn::Linear<>> a = std::make_shared<nn::Linear<>>(2, 2), b = a;
    };
    const Tied tied;
    CHECK(tied.parameters().size() == 2);
    CHECK(tied.num_parameters() == 6);
    CHECK(tied.state_dict().keys() == Names{"a.weight", "a.bias", "b.weight", "b.bias"});
}

TEST_CASE("training mode reaches every module that has one", "[nn]") {
    LeNet5 net;
    CHECK(net.is_training());
    net.eval();
    CHECK_FALSE(net.is_training());
    CHECK_FALSE(net.blocks[0].training);
    CHECK_FALSE(net.blocks[1].training);
    CHECK(net.train().is_training());
    CHECK(net.blocks[1].training);
    nn::Sequential<> seq{Inner(), nn::Identity()};
    seq.eval();
    CHECK_FALSE(seq.at<Inner>(0).training);
    CHECK(nn::Identity().eval().is_training());
}

TEST_CASE("gradients are forgotten and parameters frozen as a whole", "[nn]") {
    LeNet5 net;
    net(ones({1, 2})).sum().backward();
    CHECK(net.fc1.weight.grad().defined());
    net.zero_grad();
    for (const auto& parameter : net.parameters()) CHECK_FALSE(parameter.grad().defined());
    net.requires_grad_(false);
    CHECK(net.num_parameters(true) == 0);
    CHECK(net.num_parameters() > 0);
    CHECK_FALSE(net(ones({1, 2})).requires_grad());
    net.fc1.requires_grad_();
    CHECK(net.num_parameters(true) == 9);
    CHECK(net(ones({1, 2})).requires_grad());
}

TEST_CASE("apply visits children first, all or those of one type", "[nn]") {
    LeNet5 net;
    Names names;
    net.seq.apply([&](nn::ModuleRef module) { names.emplace_back(module.name()); });
    CHECK(names == Names{"Flatten", "Linear", "Sequential"});
    int count = 0;
    net.apply([&](nn::Linear<>& linear) {
        nn::init::ones_(linear.weight);
        ++count;
    });
    CHECK(count == 1 + 2 + 3 + 1 + 1);
    CHECK(net.seq.at<nn::Linear<>>(1).weight.tolist() == std::vector<float>(3, 1));
    for (const auto& [name, module] : net.named_modules())
        if (const auto* linear = module.as<nn::Linear<>>()) CHECK(linear->weight.defined());
}

TEST_CASE("an error says in which module it arose", "[nn]") {
    Faulty module;
    CHECK(message_of(module, 0) == "faulty.first.lin: linear");
    CHECK(message_of(module, 1) == "faulty.first.lin: linear");
    CHECK(message_of(module, 2) == "faulty.blocks.1.lin: linear");
    CHECK(message_of(module, 3) == "faulty.seq.deep.1: linear");
    CHECK(message_of(module, 4) == "faulty: mine");
    CHECK(message_of(module, 5) == "faulty.inner.lin: linear");
    module.way = 6;
    CHECK_THROWS_AS(module(ones({1})), int);
    struct Outer : nn::Module<Outer> {
        std::array<Faulty, 1> members;
        Tensor<> forward(const Tensor<>& x) { return members[0](x); }
    };
    CHECK_THROWS_WITH(Outer()(ones({1, 2})), contains("outer.members.0.first.lin: linear: "));
    CHECK_THROWS_AS(Outer()(ones({1, 2})), ShapeError);
    CHECK(nn::detail::snake_case("LeNet5") == "le_net5");
    CHECK(nn::detail::snake_case("MLPMixer") == "mlp_mixer");
    // a layer alone is not named twice
    CHECK_THROWS_WITH(nn::Linear<>(2, 3)(ones({1, 5})), contains("linear: ") && !contains("linear: linear"));
}

TEST_CASE("a const module computes when its forward is const", "[nn]") {
    const Inner inner;
    CHECK(inner(ones({1, 2})).shape() == Shape{1, 2});
}

TEST_CASE("parameters of a type that only run time knows are not dropped unseen", "[nn]") {
    struct Odd : nn::Module<Odd> {
        nn::Linear<double> inside{1, 1};
        Tensor<> forward(const Tensor<>& x) { return inside(x.to<double>()).to<float>(); }
    };
    const nn::Sequential<> seq{nn::Linear<>(1, 1), Odd()};
    CHECK_THROWS_WITH(seq.parameters(), contains("1.inside.weight") && contains("float64"));
    CHECK(seq.parameters<double>().size() == 2);
    CHECK(seq.parameters<float>().size() == 2);
}
