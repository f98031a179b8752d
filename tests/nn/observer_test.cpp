// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "headtorch/nn/observer.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Log : Observer, nn::ModuleObserver {
    std::vector<std::string> lines;
    void op_begins(const char* name) override { lines.push_back(std::string("begin ") + name); }
    void op_ends(const char* name, bool failed) override { lines.push_back(std::string(failed ? "fail " : "end ") + name); }
    void called_from(const SourceLocation& line, const char*) override { lines.push_back("line " + std::to_string(line.line())); }
    void tensor_written(TensorImpl&, const char* op) override { lines.push_back(std::string("write ") + op); }
    void op_recorded(GraphNode& node, TensorImpl&) override {
        lines.push_back(std::string("record ") + static_cast<autograd::Node&>(node).name());
    }
    void backward_begins(GraphNode& node) override { lines.push_back(std::string("back ") + static_cast<autograd::Node&>(node).name()); }
    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const> inputs) override {
        lines.push_back(message("module ", module.name(), " of ", inputs.size(), " tensors"));
    }
    void module_ends(nn::ModuleRef module, std::span<TensorImpl* const> outputs, bool failed) override {
        lines.push_back(message(failed ? "failed " : "done ", module.name(), ", ", outputs.size(), " tensors"));
    }
};

struct Net : nn::Module<Net> {
    nn::Tanh act;
    Tensor<> forward(const Tensor<>& x) { return act(x); }
};
struct Strict : nn::Module<Strict> {
    std::pair<Tensor<>, std::pair<Tensor<>, Tensor<>>> forward(const Tensor<>& x, const Tensor<>& y) { return {x + y, {x, y}}; }
};

struct Shapes : autograd::SavedVisitor {
    std::vector<Shape> shapes;
    void saved(const TensorImpl& value) override { shapes.push_back(value.shape); }
};
std::vector<Shape> saved_by(const Tensor<>& y) {
    Shapes found;
    autograd::node_of(y)->visit_saved(found);
    return found.shapes;
}

}  // namespace

TEST_CASE("an observer sees ops, modules and the tape, in order", "[observer]") {
    Net net;
    const auto x = ones({2}).requires_grad_();
    Log log;
    net(x).sum().backward();
    const int line = __LINE__ - 1;
    const std::vector<std::string> begin(log.lines.begin(), log.lines.begin() + 4);
    const std::string outer = message("line ", line), inner = message("line ", line - 22);
    CHECK(begin == std::vector<std::string>{outer, "module Net of 1 tensors", inner, "module Tanh of 1 tensors"});
    const auto has = [&](const std::string& text) { return std::count(log.lines.begin(), log.lines.end(), text); };
    CHECK(has("begin tanh") == 1);
    CHECK(has("end tanh") == 1);
    CHECK(has("record tanh") == 1);
    CHECK(has("done Net, 1 tensors") == 1);
    CHECK(has("back tanh") == 1);
    CHECK(has("back sum") == 1);
    x.detach().fill_(2);
    CHECK(log.lines.end()[-2] == "write fill_");
}

TEST_CASE("nobody is told when nobody watches, or from another observer's death on", "[observer]") {
    CHECK_FALSE(observed());
    Log first;
    {
        Log second;
        ones({2}).exp();
        CHECK(second.lines.size() == first.lines.size());
    }
    const auto before = first.lines.size();
    ones({2}).exp();
    CHECK(first.lines.size() == 2 * before);
}

TEST_CASE("a module that throws ends as failed, and so do those around it", "[observer]") {
    nn::Sequential<> net{nn::Linear<>(2, 3), nn::Linear<>(4, 1)};
    Log log;
    CHECK_THROWS_AS(net(ones({1, 2})), ShapeError);
    const std::vector<std::string> end(log.lines.end() - 2, log.lines.end());
    CHECK(end == std::vector<std::string>{"failed Linear, 0 tensors", "failed Sequential, 0 tensors"});
}

TEST_CASE("tensors in pairs are seen", "[observer]") {
    Strict net;
    const auto x = ones({2});
    Log log;
    net(x, x);
    CHECK(log.lines.front() == "module Strict of 2 tensors");
    CHECK(log.lines.back() == "done Strict, 3 tensors");
}

TEST_CASE("a node shows what it keeps", "[observer]") {
    const auto x = rand({3, 4}).requires_grad_(), y = rand({4, 5}).requires_grad_();
    CHECK(saved_by(x.tanh()) == std::vector<Shape>{{3, 4}});
    CHECK(saved_by(x + 1).empty());
    CHECK(saved_by(x.softmax(1)) == std::vector<Shape>{{3, 4}});
    CHECK(saved_by(matmul(x, y)) == std::vector<Shape>{{3, 4}, {4, 5}});
    const auto z = x.softmax(1);
    z.sum().backward();
    CHECK(saved_by(z).empty());
}
