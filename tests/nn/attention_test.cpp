// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// MultiheadAttention and the transformer's encoder: PyTorch's numbers from the same seed, masks, positions, errors.
#include "headtorch/nn/attention.hpp"

#include "tests/nn/sequence_layers.hpp"

using namespace headtorch;
using namespace headtorch::testing;

TEST_CASE("attention layers from a seed are PyTorch's", "[nn]") {
    const Tensor<bool> padding = tensor<bool>({{false, false, true}, {false, false, false}});
    for (const Case& c : sequence_cases("attention")) {
        manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
        const Tensor<> x = wave(c);
        const bool extra = c.flag("extra");
        nn::MultiheadAttention<> net(
            4, c.integer("heads", 2),
            {.bias = c.flag("bias", true), .add_bias_kv = extra, .add_zero_attn = extra, .batch_first = c.flag("batch_first")});
        nn::AttentionCall<> call{.average_attn_weights = c.flag("average", true)};
        if (c.flag("padding")) call.key_padding_mask = padding;
        if (c.flag("causal")) call.attn_mask = nn::generate_square_subsequent_mask(3);
        const auto [y, weights] = net(x, x, x, call);
        check_layer(c, net, {{"y", y}, {"weights", weights}});
    }
    for (const Case& c : sequence_cases("cross_attention")) {
        manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
        const Tensor<> x = wave(c);
        nn::MultiheadAttention<> net(4, 2, {.kdim = 3, .vdim = 2});
        const auto [y, weights] = net(x.narrow(2, 0, 4), x.narrow(2, 4, 3), x.narrow(2, 7, 2));
        check_layer(c, net, {{"y", y}, {"weights", weights}});
    }
}

TEST_CASE("encoders from a seed are PyTorch's", "[nn]") {
    const Tensor<bool> padding = tensor<bool>({{false, false, true}, {false, false, false}});
    for (const Case& c : sequence_cases("encoder")) {
        manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
        const Tensor<> x = wave(c);
        nn::TransformerEncoderLayer<> layer(4, 2,
                                            {.dim_feedforward = 6,
                                             .dropout = 0,
                                             .gelu = c.flag("gelu"),
                                             .batch_first = c.flag("batch_first"),
                                             .norm_first = c.flag("norm_first")});
        if (c.op == "encoder_layer") {
            const AttentionMask<> mask = c.flag("mask") ? AttentionMask<>(triu(full<bool>({3, 3}, true), 1)) : AttentionMask<>();
            check_layer(c, layer, {{"y", layer(x, mask)}});
        } else {
            nn::TransformerEncoder<> net(layer, 2, nn::LayerNorm<>(4));
            check_layer(c, net, {{"y", net(x, {}, padding)}});
        }
    }
}

TEST_CASE("attention of one sequence without a batch", "[nn]") {
    manual_seed(1);
    nn::MultiheadAttention<> net(4, 2);
    const Tensor<> x = randn({3, 4});
    const auto [y, weights] = net(x, x, x);
    const Tensor<> batch = x.unsqueeze(1);
    CHECK(allclose(y, net(batch, batch, batch).first.squeeze(1)));
    CHECK(weights.shape() == Shape{3, 3});
    CHECK(allclose(weights.sum(-1), ones({3})));
    CHECK_FALSE(net(x, x, x, {.need_weights = false}).second.defined());
    // causal: what comes later does not matter
    const Tensor<> later = x.clone();
    later[2] += 1;
    CHECK(allclose(net(x, x, x, {.is_causal = true}).first.narrow(0, 0, 2),
                   net(later, later, later, {.is_causal = true}).first.narrow(0, 0, 2)));
}

TEST_CASE("positions are waves", "[nn]") {
    const Tensor<> p = nn::sinusoidal_positions(3, 4);
    CHECK(allclose(
        p, tensor({{0, 1, 0, 1}, {0.841470985, 0.540302306, 0.00999983333, 0.99995}, {0.909297427, -0.416146837, 0.0199986667, 0.9998}})));
    nn::PositionalEncoding<> encoding(4, 0, 10);
    CHECK(encoding(zeros({3, 2, 4})).select(1, 1).tolist() == p.tolist());
    nn::PositionalEncoding<> by_batch(4, 0, 10, true);
    CHECK(by_batch(zeros({2, 3, 4}))[1].tolist() == p.tolist());
    CHECK_THROWS_WITH(encoding(zeros({11, 1, 4})), "positional_encoding: 11 steps are more than max_len, 10");
}

TEST_CASE("attention layers refuse what does not fit them", "[nn]") {
    CHECK_THROWS_WITH(nn::MultiheadAttention<>(5, 2),
                      "MultiheadAttention: embed_dim must be a positive multiple of num_heads, got 5 and 2");
    nn::MultiheadAttention<> net(4, 2);
    const Tensor<> x = zeros({3, 2, 4});
    CHECK_THROWS_WITH(
        net(x, zeros({3, 2, 5}), x),
        "multihead_attention: with embed_dim 4, kdim 4, vdim 4, query [3, 2, 4], key [3, 2, 5] and value [3, 2, 4] do not fit");
    CHECK_THROWS_WITH(net(x, x, x, {.attn_mask = zeros({2, 2})}), "multihead_attention: attn_mask is [3, 3] or [4, 3, 3], got [2, 2]");
    CHECK_THROWS_WITH(net(x, x, x, {.key_padding_mask = zeros<bool>({3, 3})}),
                      "multihead_attention: key_padding_mask is [2, 3], got [3, 3]");
    nn::TransformerEncoderLayer<> layer(4, 2);
    CHECK_THROWS_AS(nn::TransformerEncoder<>(layer, -1), ValueError);
}
