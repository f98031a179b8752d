// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Members and names, read by the compiler.
#include "headtorch/nn/reflect.hpp"

#include <any>
#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

using Names = std::vector<std::string>;

template <class M>
Names parameter_names(const M& module) {
    Names names;
    for (const auto& [name, tensor] : module.template named_parameters<float>()) names.push_back(name);
    return names;
}

/// One parameter called w.
struct Leaf : nn::Module<Leaf> {
    nn::Parameter<> w = zeros({1});
};

class Listed : public nn::Module<Listed> {
public:
    explicit Listed(int count) : blocks_(static_cast<std::size_t>(count)) {}
    auto fields() { return nn::fields("scale", scale_, "blocks", blocks_, "offset", offset_); }

private:
    nn::Parameter<> scale_ = zeros({1}), offset_;
    std::vector<Leaf> blocks_;
};

struct Greedy {
    Greedy() = default;
    template <class X>
    [[maybe_unused]] Greedy(X) {}
};

enum class Mode { one, two };

/// Everything that is no state, between two members that are.
struct Clutter : nn::Module<Clutter> {
    Leaf first;
    int i = 0;
    const float f = 0;
    double* pointer = nullptr;
    Mode mode = Mode::one;
    std::string text;
    std::string_view view;
    std::optional<int> optional;
    std::any any;
    std::mutex mutex;
    std::atomic<int> atomic{0};
    std::variant<int, float> variant;
    std::function<int(int)> function;
    std::tuple<int> tuple;
    std::map<std::string, int> map;
    std::vector<Tensor<>> tensors;
    Tensor<> tensor;
    Greedy greedy;
    Shape shape;
    bool training = true;
    int (*plain_function)(int) = nullptr;
    Leaf last;
};

struct Containers : nn::Module<Containers> {
    std::vector<Leaf> vector = std::vector<Leaf>(2);
    std::array<Leaf, 2> array;
    std::list<Leaf> list = std::list<Leaf>(1);
    std::map<std::string, Leaf> map{{"b", {}}, {"a", {}}};
    std::optional<Leaf> optional = Leaf(), empty;
    std::unique_ptr<Leaf> unique = std::make_unique<Leaf>(), null;
    std::shared_ptr<Leaf> shared = std::make_shared<Leaf>();
    std::tuple<Leaf, int, Leaf> tuple;
    std::pair<std::string, Leaf> pair;
    std::vector<std::vector<Leaf>> nested = std::vector<std::vector<Leaf>>(1, std::vector<Leaf>(2));
    std::vector<std::unique_ptr<Leaf>> pointers;
    std::vector<nn::Parameter<>> parameters_of_mine = std::vector<nn::Parameter<>>(2, zeros({1}));
    std::array<nn::Parameter<>, 1> one{zeros({1})};
};

struct WithoutDefaults : nn::Module<WithoutDefaults> {
    nn::Linear<> a, b;
    int width;
};

struct Many : nn::Module<Many> {
    int a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0, a9 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0;
    int c0 = 0, c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0, c8 = 0, c9 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0, d4 = 0, d5 = 0;
    int e0 = 0, e1 = 0, e2 = 0, e3 = 0, e4 = 0, e5 = 0, e6 = 0, e7 = 0, e8 = 0, e9 = 0, f0 = 0, f1 = 0, f2 = 0, f3 = 0, f4 = 0, f5 = 0;
    int g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0, g8 = 0, g9 = 0, h0 = 0, h1 = 0, h2 = 0, h3 = 0, h4 = 0;
    Leaf last;
};

struct Tree : nn::Module<Tree> {
    nn::Parameter<> w = zeros({1});
    std::vector<Tree> children;
};

template <class T>
struct Generic : nn::Module<Generic<T>> {
    nn::Linear<T> linear{1, 1};
};

struct Nothing : nn::Module<Nothing> {};

}  // namespace

TEST_CASE("members of an aggregate are found in order", "[nn]") {
    const Clutter clutter;
    CHECK(parameter_names(clutter) == Names{"first.w", "last.w"});
    CHECK(parameter_names(Many()) == Names{"last.w"});
    CHECK(parameter_names(WithoutDefaults{{}, {1, 1}, {1, 1}, 3}) == Names{"a.weight", "a.bias", "b.weight", "b.bias"});
    CHECK(Nothing().parameters().empty());
    struct Local : nn::Module<Local> {
        Leaf leaf;
    };
    CHECK(parameter_names(Local()) == Names{"leaf.w"});
}

TEST_CASE("containers of modules are entered", "[nn]") {
    Containers module;
    module.pointers.push_back(nullptr);
    module.pointers.push_back(std::make_unique<Leaf>());
    CHECK(parameter_names(module) == Names{"vector.0.w", "vector.1.w", "array.0.w", "array.1.w", "list.0.w", "map.a.w", "map.b.w",
                                           "optional.w", "unique.w", "shared.w", "tuple.0.w", "tuple.2.w", "pair.1.w", "nested.0.0.w",
                                           "nested.0.1.w", "pointers.1.w", "parameters_of_mine.0", "parameters_of_mine.1", "one.0"});
}

TEST_CASE("a class that is no aggregate lists its members", "[nn]") {
    CHECK(parameter_names(Listed(2)) == Names{"scale", "blocks.0.w", "blocks.1.w"});
}

TEST_CASE("a module may hold modules of its own type", "[nn]") {
    Tree tree;
    tree.children.resize(2);
    tree.children[1].children.resize(1);
    CHECK(parameter_names(tree) == Names{"w", "children.0.w", "children.1.w", "children.1.children.0.w"});
}

TEST_CASE("class names have no namespace and no template arguments", "[nn]") {
    using nn::detail::class_name;
    struct Local {};
    const auto lambda = [](int) {};
    CHECK(class_name<Leaf> == "Leaf");
    CHECK(class_name<Generic<double>> == "Generic");
    CHECK(class_name<Generic<Tensor<>>> == "Generic");
    CHECK(class_name<nn::Linear<double>> == "Linear");
    CHECK(class_name<Local> == "Local");
    CHECK(class_name<std::remove_const_t<decltype(lambda)>> == "Lambda");
}

TEST_CASE("parameters() takes the element type from the members", "[nn]") {
    static_assert(std::is_same_v<decltype(Generic<double>().parameters()), std::vector<Tensor<double>>>);
    static_assert(std::is_same_v<decltype(Containers().parameters()), std::vector<Tensor<float>>>);
    static_assert(std::is_same_v<decltype(Nothing().parameters()), std::vector<Tensor<float>>>);
    static_assert(std::is_same_v<decltype(nn::Sequential<double>().parameters()), std::vector<Tensor<double>>>);
    CHECK(Generic<double>().parameters().size() == 2);
}
