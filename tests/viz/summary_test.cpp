// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The table of a network: its text, its numbers (held against PyTorch's and against sums by hand), and that nothing is left behind.
//
// PyTorch's numbers: sum(p.numel() for p in net.parameters()); torch.utils.flop_counter.FlopCounterMode, halved, of the same networks;
// and the bytes of the storages that torch.autograd.graph.saved_tensors_hooks shows, without those of parameters and buffers.

#include "headtorch/viz/summary.hpp"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct LeNet : nn::Module<LeNet> {
    nn::Conv2d<> conv1{3, 6, 5}, conv2{6, 16, 5};
    nn::MaxPool2d<> pool{2, 2};
    nn::Linear<> fc1{16 * 5 * 5, 120}, fc2{120, 84}, fc3{84, 10};

    Tensor<> forward(Tensor<> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        return fc3(relu(fc2(relu(fc1(x.flatten(1))))));
    }
};

struct Block : nn::Module<Block> {
    nn::Conv2d<> conv1, conv2;
    nn::BatchNorm2d<> bn1, bn2;
    nn::Sequential<> shortcut;

    Block(std::int64_t in, std::int64_t out, std::int64_t stride)
        : conv1({.in_channels = in, .out_channels = out, .kernel_size = 3, .stride = stride, .padding = 1, .bias = false}),
          conv2({.in_channels = out, .out_channels = out, .kernel_size = 3, .padding = 1, .bias = false}),
          bn1(out),
          bn2(out) {
        if (stride == 1 && in == out) return;
        shortcut.push_back(nn::Conv2d<>({.in_channels = in, .out_channels = out, .kernel_size = 1, .stride = stride, .bias = false}));
        shortcut.push_back(nn::BatchNorm2d<>(out));
    }
    Tensor<> forward(const Tensor<>& x) {
        const Tensor<> y = bn2(conv2(relu(bn1(conv1(x)))));
        return relu(y + shortcut(x));
    }
    auto fields() { return nn::fields("conv1", conv1, "conv2", conv2, "bn1", bn1, "bn2", bn2, "shortcut", shortcut); }
};

nn::Sequential<> resnet18() {
    nn::Sequential<> net;
    net.push_back(nn::Conv2d<>({.in_channels = 3, .out_channels = 64, .kernel_size = 7, .stride = 2, .padding = 3, .bias = false}));
    net.push_back(nn::BatchNorm2d<>(64));
    net.push_back(nn::ReLU());
    net.push_back(nn::MaxPool2d<>(3, 2, 1));
    std::int64_t width = 64;
    for (const auto& [out, stride] : {std::pair{64, 1}, {64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}}) {
        net.push_back(Block(width, out, stride));
        width = out;
    }
    net.push_back(nn::AdaptiveAvgPool2d(1));
    net.push_back(nn::Flatten());
    net.push_back(nn::Linear<>(512, 1000));
    return net;
}

/// Everything of a module that could change.
struct Snapshot {
    std::vector<std::pair<std::string, std::vector<float>>> values;
    std::vector<std::uint32_t> versions;
    std::vector<const void*> nodes;
    std::vector<bool> modes;
    std::vector<std::uint8_t> random = default_generator().get_state();

    template <class Net>
    explicit Snapshot(Net& net) {
        for (const auto& [name, tensor] : net.state_dict()) {
            values.emplace_back(name, std::vector<float>());
            if (tensor.template is<float>()) values.back().second = tensor.template get<float>().tolist();
            if (tensor.template is<std::int64_t>()) values.back().second = {static_cast<float>(tensor.template get<std::int64_t>().item())};
            versions.push_back(tensor.impl()->version());
        }
        for (const auto& parameter : net.parameters()) nodes.push_back(parameter.get()->node.get());
        for (const auto& [name, module] : net.named_modules())
            if (module.type().training) modes.push_back(*module.type().training(module.address()));
    }
    bool operator==(const Snapshot&) const = default;
};

}  // namespace

TEST_CASE("the LeNet's table", "[summary]") {
    LeNet net;
    net.conv1.requires_grad_(false);
    const Summary table = summary(net, {3, 32, 32});
    std::ostringstream text;
    text << table;
    CHECK(text.str() ==
          "------------------------------------------------------------------\n"
          "Layer                 Output shape      Parameters   Multiply-adds\n"
          "------------------------------------------------------------------\n"
          "LeNet                 [1, 10]                   --              --\n"
          "├─ conv1 (Conv2d)     [1, 6, 28, 28]    frozen 456         352,800\n"
          "├─ pool (MaxPool2d)   [1, 6, 14, 14]            --              --\n"
          "├─ conv2 (Conv2d)     [1, 16, 10, 10]        2,416         240,000\n"
          "├─ pool (MaxPool2d)   [1, 16, 5, 5]          again              --\n"
          "├─ fc1 (Linear)       [1, 120]              48,120          48,000\n"
          "├─ fc2 (Linear)       [1, 84]               10,164          10,080\n"
          "└─ fc3 (Linear)       [1, 10]                  850             840\n"
          "------------------------------------------------------------------\n"
          "Parameters                    62,006\n"
          "  trainable                   61,550\n"
          "  frozen                         456\n"
          "Multiply-adds                651,720   forward\n"
          "------------------------------------------------------------------\n"
          "Memory: input               12.0 KiB   [1, 3, 32, 32]\n"
          "  parameters               242.2 KiB\n"
          "  buffers                        0 B\n"
          "  activations               31.6 KiB   what layers put out\n"
          "  tape                      14.8 KiB   what backward needs\n"
          "------------------------------------------------------------------\n");
    CHECK(table.rows.size() == 8);
    CHECK(table.rows[1].path == "conv1");
    CHECK(table.rows[1].layer == "Conv2d");
    CHECK(table.rows[1].depth == 1);
    CHECK(table.rows[1].inputs == std::vector<Shape>{{1, 3, 32, 32}});
    CHECK(table.rows[1].outputs == std::vector<Shape>{{1, 6, 28, 28}});
    CHECK(table.rows[1].trainable == 0);
    CHECK(table.rows[4].again);
}

TEST_CASE("parameters, multiply-adds and the tape's memory are PyTorch's", "[summary]") {
    SECTION("LeNet") {
        LeNet net;
        const Summary table = summary(net, {3, 32, 32});
        CHECK(table.total_parameters == 62006);
        CHECK(table.trainable_parameters == 62006);
        CHECK(table.parameter_bytes == 4 * 62006);
        CHECK(table.multiply_adds == 651720);
        CHECK(table.input_bytes == 4 * 3 * 32 * 32);
        CHECK(table.activation_bytes == 4 * (6 * 28 * 28 + 6 * 14 * 14 + 16 * 10 * 10 + 16 * 5 * 5 + 120 + 84 + 10));
        // PyTorch keeps the places of the largest elements as int64, here they are int32
        CHECK(table.tape_bytes == 57232 - 4 * (6 * 14 * 14 + 16 * 5 * 5));
        const Summary ten = summary(net, {3, 32, 32}, {.batch_size = 10});
        CHECK(ten.multiply_adds == 10 * 651720);
        CHECK(ten.parameter_bytes == table.parameter_bytes);
        CHECK(ten.activation_bytes == 10 * table.activation_bytes);
        CHECK(ten.tape_bytes == 10 * table.tape_bytes);
    }
    SECTION("ResNet-18") {
        auto net = resnet18();
        const Summary table = summary(net, {3, 64, 64}, {.batch_size = 2});
        CHECK(table.total_parameters == 11689512);
        CHECK(table.multiply_adds == 297115648);
        CHECK(table.buffer_bytes == 20 * 8 + 4 * 2 * 4800);  // of 20 norms, of 4800 channels in all
        CHECK(table.rows[5].path == "4");
        CHECK(table.rows[5].layer == "Block");
        CHECK(table.rows[6].path == "4.conv1");
    }
    SECTION("transformer layer") {
        nn::TransformerEncoderLayer<> net(64, 8, {.dim_feedforward = 128, .batch_first = true});
        const Summary table = summary(net, {10, 64}, {.batch_size = 2});
        CHECK(table.total_parameters == 33472);
        CHECK(table.multiply_adds == 680960);
    }
    SECTION("LSTM") {  // by hand: PyTorch counts none on the CPU
        nn::LSTM<> net(28, 64, {.num_layers = 2, .batch_first = true});
        const Summary table = summary(net, {12, 28}, {.batch_size = 5});
        CHECK(table.total_parameters == 57344);
        CHECK(table.multiply_adds == 12 * 5 * 4 * 64 * ((28 + 64) + (64 + 64)));
        CHECK(table.rows[0].outputs == std::vector<Shape>{{5, 12, 64}, {2, 5, 64}, {2, 5, 64}});
        // of each layer the gates, c and h of all steps; the input; the states before the first step
        CHECK(table.tape_bytes >= 4 * 12 * 5 * (2 * (4 + 1 + 1) * 64 + 28));
    }
}

TEST_CASE("what summary() runs is left exactly as it was", "[summary]") {
    nn::Sequential<> net{nn::Linear<>(4, 6), nn::BatchNorm1d<>(6), nn::Dropout(0.5), nn::Linear<>(6, 2)};
    net[3].as<nn::Linear<>>()->requires_grad_(false);
    net(randn({8, 4})).sum().backward();
    const auto gradient = net[0].as<nn::Linear<>>()->weight.grad().tolist();
    for (const bool training : {true, false}) {
        net.train(training);
        net[2].as<nn::Dropout>()->train();
        const Snapshot before(net);
        {
            NoGrad guard;
            CHECK(summary(net, {4}, {.batch_size = 8}).tape_bytes > 0);
            CHECK_FALSE(GradMode::enabled());
        }
        CHECK(Snapshot(net) == before);
        CHECK_THROWS_AS(summary(net, {5}, {.batch_size = 8}), ShapeError);
        CHECK(Snapshot(net) == before);
    }
    CHECK(net[0].as<nn::Linear<>>()->weight.grad().tolist() == gradient);

    // even what forward() writes into its parameters, and saved values stay valid
    nn::Embedding<> table({.num_embeddings = 5, .embedding_dim = 3, .max_norm = 0.1});
    const auto square = table.weight * table.weight;
    const Snapshot before(table);
    summary(table, {2});
    CHECK(Snapshot(table) == before);
    CHECK_NOTHROW(square.sum().backward());
    const auto x = randn({8, 4}).requires_grad_();
    summary(net, x);
    CHECK_FALSE(x.grad().defined());
    CHECK_FALSE(observed());
}

namespace {

struct Words : nn::Module<Words> {
    nn::Embedding<> table{10, 3};
    nn::Linear<> a{3, 4}, b{3, 4}, spare{2, 2};
    std::vector<nn::Linear<>> heads{nn::Linear<>(4, 1), nn::Linear<>(4, 2)};
    Tensor<> forward(const Tensor<>& x, const Tensor<std::int64_t>& words) { return heads[1](a(x) + b(table(words)) + a(x)); }
};
struct Shared : nn::Module<Shared> {
    std::shared_ptr<nn::Linear<>> one = std::make_shared<nn::Linear<>>(3, 3), two = one;
    nn::Linear<> bare{3, 3};
    Tensor<> forward(const Tensor<>& x) { return linear((*two)((*one)(x)), bare.weight); }
};
struct Strange : nn::Module<Strange> {
    Tensor<> forward(const std::string&) { return ones({1}); }
};

}  // namespace

TEST_CASE("layers that are shared, called twice, or not called", "[summary]") {
    Words words;
    const Summary table = summary(words, {{3}, {}});
    REQUIRE(table.rows.size() == 8);
    CHECK(table.total_parameters == 30 + 2 * 16 + 6 + 5 + 10);
    CHECK(table.inputs == std::vector<Shape>{{1, 3}, {1}});
    std::int64_t sum = 0;
    for (const SummaryRow& row : table.rows) sum += row.parameters;
    CHECK(sum == table.total_parameters);
    CHECK(table.multiply_adds == 3 * 12 + 8);
    const SummaryRow& spare = table.rows[6];
    CHECK(spare.path == "spare");
    CHECK_FALSE(spare.called);
    CHECK(spare.depth == 1);
    CHECK(table.rows[7].path == "heads.0");
    CHECK(table.to_string().find("└─ heads.0 (Linear)    (not called)            5              --\n") != std::string::npos);

    Shared shared;
    const Summary twice = summary(shared, {3});
    CHECK(twice.total_parameters == 24);
    REQUIRE(twice.rows.size() == 4);
    CHECK(twice.rows[1].path == "one");
    CHECK(twice.rows[1].parameters == 12);
    CHECK(twice.rows[2].path == "one");
    CHECK(twice.rows[2].again);
    CHECK(twice.rows[2].parameters == 0);
    CHECK(twice.rows[3].path == "bare");
    CHECK(twice.rows[3].parameters == 12);
    CHECK(twice.rows[0].multiply_adds == 9);  // without a layer of its own
    CHECK(twice.multiply_adds == 27);
}

TEST_CASE("a table of few levels adds up what is below them", "[summary]") {
    nn::TransformerEncoder<> net(nn::TransformerEncoderLayer<>(16, 4, {.dim_feedforward = 32}), 2);
    const Summary table = summary(net, {5, 16});
    const std::string text = table.to_string(1);
    CHECK(text.find("├─ layers.0 (TransformerEncoderLayer)   [1, 5, 16]          2,224 ") != std::string::npos);
    CHECK(text.find("linear1") == std::string::npos);
    CHECK(table.to_string().find("│  ├─ linear1 (Linear)  ") != std::string::npos);
    CHECK(table.to_string(0).find("TransformerEncoder   [1, 5, 16]          4,448 ") != std::string::npos);
}

TEST_CASE("inputs of other types, and given ones", "[summary]") {
    nn::Sequential<double> doubles{nn::Linear<double>(3, 2)};
    CHECK(summary(doubles, {3}).parameter_bytes == 8 * 8);
    CHECK(summary(doubles, randn<double>({4, 7, 3})).rows[0].outputs == std::vector<Shape>{{4, 7, 2}});
    Words words;
    CHECK(summary(words, ones({2, 3}), zeros<std::int64_t>({2})).rows[0].outputs == std::vector<Shape>{{2, 2}});
    CHECK_THROWS_WITH(
        summary(words, {3}),
        "summary: forward() of Words does not take 1 tensor of its parameters' type or of int64; give tensors instead of shapes");
    Strange strange;
    CHECK_THROWS_AS(summary(strange, {3}), ValueError);
    CHECK_THROWS_AS(summary(words, {{3}, {}}, {.batch_size = 0}), ValueError);
    nn::Sequential<> norm{nn::BatchNorm1d<>(4)};
    CHECK_THROWS_WITH(summary(norm, {4}),
                      "sequential.0: batch_norm: needs more than one value per channel in training, got [1, 4]; summary ran it with a batch "
                      "of 1: give a larger batch_size, or call eval() first");
    CHECK(summary(norm, {4}, {.batch_size = 2}).rows[0].outputs == std::vector<Shape>{{2, 4}});
    norm.eval();
    CHECK(summary(norm, {4}).rows[0].outputs == std::vector<Shape>{{1, 4}});
}
