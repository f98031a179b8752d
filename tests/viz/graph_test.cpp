// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Graphs of the tape and of networks: their text, what is cut, what hostile names become, and the pictures.
#include "headtorch/viz/graph.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / "headtorch-graph-test it's";
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

std::string content(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

bool has_dot() { return std::system("dot -V > /dev/null 2>&1") == 0; }

/// What a graph says, without what it looks like: "0 op relu | [2] | keeps [2]", "0 -> 1 [2]".
std::vector<std::string> words(const viz::Graph& graph) {
    static const char* kinds[] = {"op", "module", "parameter", "input", "output", "note"};
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < graph.boxes.size(); ++i) {
        const viz::Graph::Box& box = graph.boxes[i];
        std::string line = message(i, " ", kinds[static_cast<std::size_t>(box.kind)], " ", box.name);
        for (const auto* more : {&box.lines, &box.more})
            for (const std::string& text : *more) line += " | " + text;
        if (box.group >= 0) line += " in " + graph.groups[static_cast<std::size_t>(box.group)].name;
        lines.push_back(line);
    }
    for (const viz::Graph::Arrow& arrow : graph.arrows)
        lines.push_back(message(arrow.from, arrow.dotted ? " ..> " : " -> ", arrow.to, arrow.text.empty() ? "" : " ", arrow.text));
    return lines;
}
using Words = std::vector<std::string>;

struct LeNet : nn::Module<LeNet> {
    nn::Conv2d<> conv1{1, 6, 5}, conv2{6, 16, 5};
    nn::MaxPool2d<> pool{2, 2};
    nn::Linear<> fc1{16 * 4 * 4, 120}, fc2{120, 84}, fc3{84, 10};
    Tensor<> forward(Tensor<> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        return fc3(relu(fc2(relu(fc1(x.flatten(1))))));
    }
};

}  // namespace

TEST_CASE("a node knows the shape of its output", "[graph]") {
    const auto shape = [](const auto& tensor) { return autograd::node_of(tensor)->shape(); };
    const auto column = randn({4, 1}).requires_grad_(), row = randn({3}).requires_grad_();
    CHECK(shape(column) == Shape{4, 1});
    CHECK(shape(column + row) == Shape{4, 3});
    CHECK(shape(where(full<bool>({2, 1, 1}, true), column, row)) == Shape{2, 4, 3});
    CHECK(shape((column + row).t()) == Shape{3, 4});
    CHECK(shape((column * row).sum()) == Shape{});
    CHECK(shape(matmul(column, row.unsqueeze(0))) == Shape{4, 3});
    const auto sum = column * 1;
    sum.relu();
    sum += column;
    CHECK(shape(sum) == Shape{4, 1});
    CHECK(shape(randn<double>({0, 2}).requires_grad_().exp()) == Shape{0, 2});
}

TEST_CASE("values that ops keep besides their inputs are shown", "[graph]") {
    const auto kept = [](const auto& y) {
        struct Shapes : autograd::SavedVisitor {
            std::vector<std::string> found;
            void saved(const TensorImpl& value) override { found.push_back(message(value.shape, name(value.dtype))); }
        } shapes;
        autograd::node_of(y)->visit_saved(shapes);
        return shapes.found;
    };
    const auto x = randn({2, 3, 4, 4}).requires_grad_(), scores = randn({2, 3}).requires_grad_();
    const auto labels = tensor<std::int64_t>({0, 1});
    CHECK(kept(dropout(x, 0.5)) == Words{"[2, 3, 4, 4]float32"});
    CHECK(kept(max_pool2d(x, 2)) == Words{"[2, 3, 2, 2]int32"});
    nn::BatchNorm2d<> batch_norm(3);
    CHECK(kept(batch_norm(x)) == Words{"[2, 3, 4, 4]float32", "[3]float32", "[2, 3]float64"});
    nn::LayerNorm<> layer_norm(4);
    CHECK(kept(layer_norm(x)) == Words{"[2, 3, 4, 4]float32", "[4]float32", "[2, 24]float64"});
    CHECK(kept(nn::cross_entropy(scores, labels)) == Words{"[2, 3]float32", "[2, 3]float32", "[2]int64"});
    nn::Embedding<> embedding(5, 3);
    CHECK(kept(embedding(labels)) == Words{"[2]int64"});
    const RnnWeights<float, Cpu> weights{randn({24, 4}).requires_grad_(), randn({24, 6}), {}, {}};
    const auto steps = kept(rnn_layer(RnnKind::lstm, false, randn({7, 2, 4}), zeros({2, 6}), zeros({2, 6}), weights));
    CHECK(std::count(steps.begin(), steps.end(), "[7, 2, 24]float32") == 1);
    CHECK(std::count(steps.begin(), steps.end(), "[7, 2, 6]float32") == 1);
}

TEST_CASE("the ops behind a loss", "[graph]") {
    nn::Sequential<> net{nn::Linear<>(3, 2), nn::Tanh()};
    const auto loss = net(randn({5, 3})).sum();
    const viz::Graph graph = viz::graph(loss, net);
    CHECK(words(graph) == Words{"0 parameter 0.weight | [2, 3]",
                                "1 parameter 0.bias | [2]",
                                "2 op linear | [5, 2] | keeps [5, 3], 0.weight",
                                "3 op tanh | [5, 2] | keeps [5, 2]",
                                "4 output sum | scalar",
                                "0 -> 2",
                                "1 -> 2",
                                "2 -> 3",
                                "3 -> 4"});
    CHECK(graph.title == "The tape behind sum");
    CHECK(graph.subtitle == "3 ops, 2 parameters, 100 B kept for backward");
    CHECK(graph.to_dot() ==
          "digraph {\n"
          "  graph [fontname=\"DejaVu Sans\", fontsize=11, fontcolor=\"#222222\", bgcolor=\"white\", pad=0.2, nodesep=0.25, ranksep=0.35, "
          "rankdir=TB, labelloc=t, label=<<table border=\"0\" cellspacing=\"0\" cellpadding=\"2\"><tr><td><font point-size=\"16\">The tape "
          "behind sum</font></td></tr><tr><td><font color=\"#222222\">3 ops, 2 parameters, 100 B kept for "
          "backward</font></td></tr><tr><td><font point-size=\"10\" color=\"#6b6b6b\">rounded: an op and the shape of its output · folded "
          "corner: a parameter</font></td></tr><tr><td> </td></tr></table>>, style=\"rounded,dashed\", color=\"#6b6b6b\"];\n"
          "  node [fontname=\"DejaVu Sans\", fontsize=11, fontcolor=\"#222222\", penwidth=1.3, margin=\"0.14,0.06\", height=0.3];\n"
          "  edge [fontname=\"DejaVu Sans\", fontsize=10, fontcolor=\"#222222\", color=\"#6b6b6b\", arrowsize=0.7];\n"
          "  n0 [label=<<b>0.weight</b><br/>[2, 3]>, shape=note, style=\"filled\", color=\"#E69F00\", fillcolor=\"#fcf2db\"];\n"
          "  n1 [label=<<b>0.bias</b><br/>[2]>, shape=note, style=\"filled\", color=\"#E69F00\", fillcolor=\"#fcf2db\"];\n"
          "  n2 [label=<<b>linear</b><br/>[5, 2]<br/><font point-size=\"10\" color=\"#6b6b6b\">keeps [5, 3], 0.weight</font>>, shape=box, "
          "style=\"rounded,filled\", color=\"#0072B2\", fillcolor=\"#dbebf4\"];\n"
          "  n3 [label=<<b>tanh</b><br/>[5, 2]<br/><font point-size=\"10\" color=\"#6b6b6b\">keeps [5, 2]</font>>, shape=box, "
          "style=\"rounded,filled\", color=\"#0072B2\", fillcolor=\"#dbebf4\"];\n"
          "  n4 [label=<<b>sum</b><br/>scalar>, shape=box, style=\"rounded,filled\", color=\"#D55E00\", fillcolor=\"#f9e8db\", "
          "peripheries=2];\n"
          "  n0 -> n2;\n"
          "  n1 -> n2;\n"
          "  n2 -> n3 [weight=9];\n"
          "  n3 -> n4 [weight=9];\n"
          "}\n");

    loss.backward();  // frees what was kept
    CHECK(words(viz::graph(loss, net))[2] == "2 op linear | [5, 2]");

    const auto x = randn({3}).requires_grad_();
    CHECK(words(viz::graph(x * x)) == Words{"0 input leaf | [3]", "1 output mul | [3] | keeps [3], [3]", "0 -> 1", "0 -> 1"});
    CHECK(words(viz::graph(x)) == Words{"0 input leaf | [3]"});
    CHECK_THROWS_AS(viz::graph(x.detach()), AutogradError);
    CHECK_THROWS_AS(viz::graph(Tensor<>()), AutogradError);
}

TEST_CASE("a graph that is too large is cut, and says so", "[graph]") {
    auto x = randn({2}).requires_grad_();
    Tensor<> y = x;
    for (int i = 0; i < 100'000; ++i) y = y * 1;
    const viz::Graph graph = viz::graph(y, {.max_nodes = 3});
    CHECK(words(graph) ==
          Words{"0 note … 99,998 more nodes", "1 op mul | [2]", "2 op mul | [2]", "3 output mul | [2]", "0 ..> 1", "1 -> 2", "2 -> 3"});
    CHECK(graph.warning == "cut: the last 3 of 100001 nodes (max_nodes = 3)");

    const auto w = randn({2, 2}).requires_grad_();  // an op comes with its leaves or not at all
    CHECK(viz::graph(matmul(x * 1, w.t()).exp(), {.max_nodes = 3}).boxes.size() == 4);
    CHECK(viz::graph(x * x.requires_grad_(), {.max_nodes = 1}).boxes.size() == 2);

    nn::TransformerEncoderLayer<> layer(8, 2, {.dim_feedforward = 4});
    const viz::Graph tree = viz::graph(layer, {.max_nodes = 3});
    CHECK(tree.warning == "cut: 3 of 10 modules");
    CHECK(tree.boxes.size() == 3 + 2);
    CHECK(viz::graph(layer, {.depth = 0}).boxes.size() == 2);
    const viz::Graph stack = viz::graph(nn::TransformerEncoder<>(layer, 3));
    CHECK(stack.subtitle == "32 modules, 1,188 parameters");
    CHECK(words(stack)[2] == "2 module 0–2 | 3 × TransformerEncoderLayer · 396 parameters each");
    CHECK(stack.boxes.size() == 12);
    const viz::Graph whole = viz::graph(layer, randn({3, 1, 8}));
    CHECK(whole.boxes.size() > 30);
    CHECK(whole.warning.empty());
    const viz::Graph coarse = viz::graph(layer, randn({3, 1, 8}), {.max_nodes = 20});
    CHECK(coarse.boxes.size() <= 20);
    CHECK(coarse.groups.empty());
    CHECK(coarse.warning == "simplified: calls below level 1 are not shown (max_nodes = 20)");
    const viz::Graph cut = viz::graph(layer, randn({3, 1, 8}), {.max_nodes = 4});
    CHECK(cut.boxes.size() == 5);
    CHECK(cut.boxes.back().kind == viz::Graph::Kind::note);
    CHECK(cut.warning.starts_with("cut: the first 4 of "));
}

TEST_CASE("how data flow through the LeNet", "[graph]") {
    LeNet net;
    const viz::Graph graph = viz::graph(net, {1, 28, 28}, {.batch_size = 2});
    CHECK(words(graph) ==
          Words{"0 input input",
                "1 module conv1 | Conv2d · 156 parameters | 1, 6, kernel_size=(5, 5), stride=(1, 1)",
                "2 op relu",
                "3 module pool | MaxPool2d | kernel_size=2, stride=2, padding=0, | dilation=1, ceil_mode=False",
                "4 module conv2 | Conv2d · 2,416 parameters | 6, 16, kernel_size=(5, 5), stride=(1, 1)",
                "5 op relu",
                "6 module pool | MaxPool2d | kernel_size=2, stride=2, padding=0, | dilation=1, ceil_mode=False",
                "7 op reshape",
                "8 module fc1 | Linear · 30,840 parameters | in_features=256, out_features=120, | bias=True",
                "9 op relu",
                "10 module fc2 | Linear · 10,164 parameters | in_features=120, out_features=84, | bias=True",
                "11 op relu",
                "12 module fc3 | Linear · 850 parameters | in_features=84, out_features=10, bias=True",
                "13 output output",
                "0 -> 1 [2, 1, 28, 28]",
                "1 -> 2 [2, 6, 24, 24]",
                "2 -> 3 [2, 6, 24, 24]",
                "3 -> 4 [2, 6, 12, 12]",
                "4 -> 5 [2, 16, 8, 8]",
                "5 -> 6 [2, 16, 8, 8]",
                "6 -> 7 [2, 16, 4, 4]",
                "7 -> 8 [2, 256]",
                "8 -> 9 [2, 120]",
                "9 -> 10 [2, 120]",
                "10 -> 11 [2, 84]",
                "11 -> 12 [2, 84]",
                "12 -> 13 [2, 10]"});
    CHECK(graph.title == "LeNet");
    CHECK(graph.subtitle == "44,426 parameters");

    const Words tree = words(viz::graph(net));
    CHECK(tree[0] == "0 module LeNet | 44,426 parameters");
    CHECK(tree[3] == "3 module pool | MaxPool2d | kernel_size=2, stride=2, padding=0, | dilation=1, ceil_mode=False");
    CHECK(tree.back() == "0 -> 6");
}

namespace {

struct Block : nn::Module<Block> {
    nn::Sequential<> inner{nn::Linear<>(3, 3), nn::Tanh()}, nothing;
    nn::Dropout drop{0.5};
    Tensor<> forward(const Tensor<>& x) {
        const Tensor<> y = drop(inner(x));
        return y + nothing(x);
    }
};
struct Text : nn::Module<Text> {
    nn::Embedding<> table{7, 3};
    Block block;
    Tensor<> forward(const Tensor<std::int64_t>& words, const Tensor<>& scale) { return nn::Softplus()(block(table(words)) * scale); }
};
struct Hostile : nn::Module<Hostile> {
    nn::ModuleDict<> parts{{"</b>\"]; x -> <y> & \n\\", nn::Tanh()}};
    Tensor<> forward(const Tensor<>& x) { return parts["</b>\"]; x -> <y> & \n\\"](x); }
    std::string extra_repr() const { return "<i>\"&\xff"; }
};

}  // namespace

TEST_CASE("frames, branches, layers without ops, and inputs off the tape", "[graph]") {
    Text net;
    net.requires_grad_(false);  // frozen parameters are followed nevertheless
    net.block.drop.eval();
    const viz::Graph graph = viz::graph(net, {{4}, {4, 1}});
    CHECK(words(graph) ==
          Words{"0 input input",
                "1 input input",
                "2 module table | Embedding · 21 parameters, frozen | 7, 3",
                "3 module 0 | Linear · 12 parameters, frozen | in_features=3, out_features=3, bias=True in inner · Sequential",
                "4 module 1 | Tanh in inner · Sequential",
                "5 module drop | Dropout | p=0.5, inplace=False in block · Block",
                "6 module nothing | Sequential in block · Block",
                "7 op add in block · Block",
                "8 op mul",
                "9 module Softplus | beta=1.0, threshold=20.0",
                "10 output output",
                "0 -> 2 [1, 4] int64",
                "2 -> 3 [1, 4, 3]",
                "3 -> 4 [1, 4, 3]",
                "4 -> 5 [1, 4, 3]",
                "2 -> 6 [1, 4, 3]",
                "5 -> 7 [1, 4, 3]",
                "6 -> 7 [1, 4, 3]",
                "7 -> 8 [1, 4, 3]",
                "1 -> 8 [1, 4, 1]",
                "8 -> 9 [1, 4, 3]",
                "9 -> 10 [1, 4, 3]"});
    REQUIRE(graph.groups.size() == 2);
    CHECK(graph.groups[1].outer == 0);
    for (const auto& parameter : net.parameters()) CHECK_FALSE(parameter.requires_grad());
    CHECK(words(viz::graph(net, zeros<std::int64_t>({1, 4}), zeros({1, 4, 1}))) == words(graph));
    CHECK(viz::graph(net, {{4}, {4, 1}}, {.depth = 1}).boxes.size() == 7);
    const std::string dot = graph.to_dot();
    CHECK(dot.find("  subgraph cluster0 {\n    label=<<b>block · Block</b>>; labeljust=l;\n") != std::string::npos);
    CHECK(dot.find("    subgraph cluster1 {\n      label=<<b>inner · Sequential</b>>; labeljust=l;\n") != std::string::npos);
    CHECK_THROWS_AS(viz::graph(net, {4}), ValueError);

    // the network is left as it was
    nn::Sequential<> noisy{nn::BatchNorm1d<>(2), nn::Dropout(0.5)};
    manual_seed(3);
    const auto before = default_generator().get_state();
    viz::graph(noisy, randn({5, 2}));
    CHECK(noisy[0].as<nn::BatchNorm1d<>>()->running_mean.tolist() == std::vector<float>{0, 0});
    manual_seed(3);
    CHECK(default_generator().get_state() == before);
}

TEST_CASE("names cannot break a graph", "[graph]") {
    Hostile net;
    for (const viz::Graph& graph : {viz::graph(net), viz::graph(net, {2})}) {
        const std::string dot = graph.to_dot();
        CHECK(dot.find("&lt;/b&gt;&quot;]; x -&gt; &lt;y&gt; &amp;  \\") != std::string::npos);
        CHECK(dot.find("<y>") == std::string::npos);
        CHECK(dot.find('\xff') == std::string::npos);
        if (!has_dot()) continue;
        const Folder folder;
        CHECK(graph.save(folder.path / "x.svg"));
        CHECK(content(folder.path / "x.svg").find("&lt;y&gt;") != std::string::npos);
    }
}

TEST_CASE("graphs are written as DOT, SVG and PNG, whole or not at all", "[graph]") {
    const Folder folder;
    LeNet net;
    const viz::Graph graph = viz::graph(net, {1, 28, 28}, {.title = "it's \"quoted\" `touch x` <tag>"});
    CHECK(graph.save(folder.path / "a b'c.dot"));
    CHECK(content(folder.path / "a b'c.dot") == graph.to_dot());
    CHECK_THROWS_AS(graph.save(folder.path / "a.jpg"), ValueError);
    CHECK_THROWS_AS(graph.save(folder.path / "nowhere" / "a.svg"), IoError);

    viz::graphviz_program() = "/nonexistent/dot";
    CHECK_FALSE(graph.save(folder.path / "a.png"));
    CHECK_FALSE(graph.save(folder.path / "a.svg"));
    CHECK(graph.save(folder.path / "without.dot"));
    viz::graphviz_program() = "false";
    CHECK_THROWS_AS(graph.save(folder.path / "a.png"), IoError);
    CHECK(folder.files() == 2);
    viz::graphviz_program() = "dot";

    if (!has_dot()) {
        WARN("Graphviz is not installed: nothing drawn");
        return;
    }
    CHECK(graph.save(folder.path / "a b'c.png"));
    CHECK(content(folder.path / "a b'c.png").substr(0, 8) == "\x89PNG\r\n\x1a\n");
    CHECK(graph.save(folder.path / "a.svg"));
    const std::string svg = content(folder.path / "a.svg");
    CHECK(svg.find("<title>it's \"quoted\" `touch x` &lt;tag&gt;</title>") != std::string::npos);
    CHECK(svg.find("<title>", svg.find("<title>") + 1) == std::string::npos);
    CHECK(svg.find("[1, 6, 24, 24]") != std::string::npos);
    CHECK(svg.find("</svg>") != std::string::npos);
    CHECK(folder.files() == 4);
}
