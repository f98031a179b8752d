// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Layers and nn::init start from the numbers that PyTorch starts from.
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "headtorch/nn/init.hpp"
#include "headtorch/nn/linear.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
std::string check(const Case& c) {
    const double near = std::is_same_v<T, float> ? 2e-6 : 1e-14;
    manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
    const auto both = [&](const auto& layer) {
        const std::string wrong = c.compare("weight", static_cast<const Tensor<T>&>(layer.weight), near);
        return wrong.empty() ? c.compare("bias", static_cast<const Tensor<T>&>(layer.bias), near) : wrong;
    };
    if (c.op == "linear_init") return both(nn::Linear<T>(c.integer("in"), c.integer("out")));
    if (c.op == "bilinear_init") return both(nn::Bilinear<T>(c.integer("in1"), c.integer("in2"), c.integer("out")));

    const auto y = empty<T>(c.outputs[0].shape);
    const std::string nonlinearity = c.str("nonlinearity", "leaky_relu");
    const auto mode = c.str("mode", "fan_in") == "fan_out" ? nn::init::fan_out : nn::init::fan_in;
    const nn::init::KaimingOptions kaiming{c.num("a", 0), mode, nonlinearity};
    if (c.op == "init.xavier_uniform_") nn::init::xavier_uniform_(y, c.num("gain", 1));
    else if (c.op == "init.xavier_normal_") nn::init::xavier_normal_(y, c.num("gain", 1));
    else if (c.op == "init.kaiming_uniform_") nn::init::kaiming_uniform_(y, kaiming);
    else if (c.op == "init.kaiming_normal_") nn::init::kaiming_normal_(y, kaiming);
    else if (c.op == "init.trunc_normal_") nn::init::trunc_normal_(y, c.num("mean", 0), c.num("std", 1), c.num("a", -2), c.num("b", 2));
    else if (c.op == "init.orthogonal_") nn::init::orthogonal_(y, c.num("gain", 1));
    else return c.title + ": no test of " + c.op;
    return c.compare("y", y, near);
}

/// "" when the parameters of the layer, and the number that is drawn next, are PyTorch's. Of the parameters the file holds the first
/// value, the last, the sum and the sum with the weights 1, …, 97, 1, …
template <class T, class Make>
std::string check_layer(const Case& c, Make make) {
    manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
    const auto layer = make();
    const Tensor<double> after = rand<double>({});
    std::vector<std::string> names;
    std::vector<double> values;
    for (const auto& [name, parameter] : layer.template named_parameters<T>()) {
        names.push_back(name);
        for (const T value : parameter.detach().tolist()) values.push_back(static_cast<double>(value));
    }
    if (c.has("names") && names != c.words("names")) return c.title + ": other names";
    double sum = 0, weighted = 0, size = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        sum += values[i];
        weighted += values[i] * static_cast<double>(i % 97 + 1);
        size += std::abs(values[i]);
    }
    const double near = std::is_same_v<T, float> ? 2e-6 : 1e-11;
    const auto digest = c.tensor<double>("digest").tolist();
    const double got[] = {values.front(), values.back(), sum, weighted}, scale[] = {1, 1, size, 97 * size};
    for (std::size_t i = 0; i < 4; ++i)
        if (!(std::abs(got[i] - digest[i]) <= near * scale[i])) return message(c.title, ": ", i, ": ", got[i], " instead of ", digest[i]);
    return c.compare("after", after, 1e-11);
}

template <class T>
std::string check_any_layer(const Case& c) {
    const std::string& op = c.op;
    const auto layer = [&](auto make) { return check_layer<T>(c, make); };
    if (op == "Linear") return layer([] { return nn::Linear<T>(5, 3); });
    if (op == "Linear.no_bias") return layer([] { return nn::Linear<T>(5, 3, false); });
    if (op == "Bilinear") return layer([] { return nn::Bilinear<T>(2, 3, 4); });
    if (op == "Conv1d") return layer([] { return nn::Conv1d<T>({.in_channels = 4, .out_channels = 6, .kernel_size = 3, .groups = 2}); });
    if (op == "Conv2d") return layer([] { return nn::Conv2d<T>(3, 4, {3, 2}); });
    if (op == "Conv2d.no_bias")
        return layer([] { return nn::Conv2d<T>({.in_channels = 1, .out_channels = 2, .kernel_size = 5, .bias = false}); });
    if (op == "Conv3d") return layer([] { return nn::Conv3d<T>(2, 2, 2); });
    if (op == "ConvTranspose1d")
        return layer([] { return nn::ConvTranspose1d<T>({.in_channels = 4, .out_channels = 6, .kernel_size = 3, .groups = 2}); });
    if (op == "ConvTranspose2d") return layer([] { return nn::ConvTranspose2d<T>(3, 5, {3, 2}); });
    if (op == "ConvTranspose3d") return layer([] { return nn::ConvTranspose3d<T>(2, 3, 2); });
    if (op == "Embedding") return layer([] { return nn::Embedding<T>(7, 3); });
    if (op == "Embedding.padding") return layer([] { return nn::Embedding<T>(4, 3, -1); });
    if (op == "BatchNorm1d") return layer([] { return nn::BatchNorm1d<T>(3); });
    if (op == "BatchNorm2d") return layer([] { return nn::BatchNorm2d<T>(3); });
    if (op == "InstanceNorm2d") return layer([] { return nn::InstanceNorm2d<T>({.num_features = 3, .affine = true}); });
    if (op == "LayerNorm") return layer([] { return nn::LayerNorm<T>(Dims{2, 3}); });
    if (op == "GroupNorm") return layer([] { return nn::GroupNorm<T>(2, 4); });
    if (op == "RMSNorm") return layer([] { return nn::RMSNorm<T>(4); });
    if (op == "PReLU") return layer([] { return nn::PReLU<T>(3); });
    if (op == "RNN") return layer([] { return nn::RNN<T>(3, 5, {.num_layers = 2}, nn::Nonlinearity::relu); });
    if (op == "RNN.no_bias") return layer([] { return nn::RNN<T>(3, 5, {.bias = false}); });
    if (op == "LSTM") return layer([] { return nn::LSTM<T>(3, 4, {.num_layers = 2, .bidirectional = true}); });
    if (op == "GRU") return layer([] { return nn::GRU<T>(3, 4, {.batch_first = true}); });
    if (op == "RNNCell") return layer([] { return nn::RNNCell<T>(3, 4); });
    if (op == "LSTMCell") return layer([] { return nn::LSTMCell<T>(3, 4); });
    if (op == "GRUCell") return layer([] { return nn::GRUCell<T>(3, 4, false); });
    if (op == "MultiheadAttention") return layer([] { return nn::MultiheadAttention<T>(6, 2); });
    if (op == "MultiheadAttention.sizes")
        return layer([] { return nn::MultiheadAttention<T>(6, 2, {.add_bias_kv = true, .kdim = 3, .vdim = 5}); });
    if (op == "MultiheadAttention.no_bias") return layer([] { return nn::MultiheadAttention<T>(6, 3, {.bias = false}); });
    const nn::TransformerEncoderLayerOptions encoder = {.dim_feedforward = 12};
    if (op == "TransformerEncoderLayer") return layer([&] { return nn::TransformerEncoderLayer<T>(8, 2, encoder); });
    if (op == "TransformerEncoder")
        return layer([&] { return nn::TransformerEncoder<T>(nn::TransformerEncoderLayer<T>(8, 2, encoder), 2); });
    if (op == "Sequential")
        return layer([] {
            return nn::Sequential<T>{nn::Conv2d<T>(1, 2, 3), nn::BatchNorm2d<T>(2), nn::Linear<T>(4, 3), nn::Linear<T>(3, 17)};
        });
    return c.title + ": no test of " + op;
}

}  // namespace

TEST_CASE("every layer starts with PyTorch's parameters, for ten seeds", "[nn]") {
    std::set<std::string> seeds;
    for (const Case& c : load_cases("layer_init.txt")) {
        CHECK((c.str("dtype") == "float64" ? check_any_layer<double>(c) : check_any_layer<float>(c)) == "");
        seeds.insert(c.str("seed"));
    }
    CHECK(seeds.size() == 10);
}

TEST_CASE("the same seed gives PyTorch's parameters", "[nn]") {
    int count = 0;
    for (const Case& c : load_cases("random.txt")) {
        if (c.op.find("init") == std::string::npos) continue;  // tests/tensor/random_reference_test.cpp
        CHECK((c.str("dtype") == "float64" ? check<double>(c) : check<float>(c)) == "");
        ++count;
    }
    CHECK(count > 30);
}
