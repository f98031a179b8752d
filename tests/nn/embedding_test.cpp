// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// The embedding layer: initialisation, padding, pretrained tables, printed form, errors.
#include "headtorch/nn/embedding.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

Tensor<std::int64_t> longs(const std::vector<std::int64_t>& values) { return tensor(values); }

}  // namespace

TEST_CASE("the same seed gives PyTorch's table", "[nn]") {
    manual_seed(0);
    const nn::Embedding<> layer(4, 3);
    const std::vector<double> expected{1.5410, -0.2934, -2.1788, 0.5684,  -1.0845, -1.3986,
                                      0.4033, 0.8380,  -0.7193, -0.4033, -0.5966, 0.1820};
    const auto values = layer.weight.tolist();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(static_cast<double>(values[i]) == Approx(expected[i]).margin(6e-5));
    manual_seed(0);
    const nn::Embedding<> padded({.num_embeddings = 4, .embedding_dim = 3, .padding_idx = -2});
    auto zeroed = values;
    zeroed[6] = zeroed[7] = zeroed[8] = 0;
    CHECK(padded.weight.tolist() == zeroed);
    CHECK(padded.weight.requires_grad());
    CHECK(padded.padding_idx == 2);
}

TEST_CASE("the row of the padding gets no gradient", "[nn]") {
    nn::Embedding<double> layer(3, 2, 0);
    const auto y = layer(longs({0, 1, 1}));
    CHECK(y.shape() == Shape{3, 2});
    y.sum().backward();
    CHECK(layer.weight.grad().tolist() == std::vector<double>{0, 0, 2, 2, 0, 0});
}

TEST_CASE("a pretrained table is frozen unless it shall be trained", "[nn]") {
    const auto table = tensor({{1, 2}, {3, 4}, {5, 6}});
    auto layer = nn::Embedding<>::from_pretrained(table);
    CHECK_FALSE(layer.weight.requires_grad());
    CHECK(layer(longs({2, 0})).tolist() == std::vector<float>{5, 6, 1, 2});
    CHECK(nn::Embedding<>::from_pretrained(table, false).weight.requires_grad());
    CHECK(nn::Embedding<>::from_pretrained(table, false, -1).padding_idx == 2);
    CHECK_THROWS_AS(nn::Embedding<>::from_pretrained(ones({3})), ShapeError);
    CHECK_THROWS_AS(nn::Embedding<>::from_pretrained(table, true, 3), ValueError);
}

TEST_CASE("the embedding layer prints as in PyTorch and refuses what does not fit", "[nn]") {
    CHECK(nn::Embedding<>(3, 4).to_string() == "Embedding(3, 4)");
    CHECK(nn::Embedding<>(3, 4, -1, 1.0, 1.0, true).to_string() ==
          "Embedding(3, 4, padding_idx=2, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)");
    CHECK(nn::Embedding<>(3, 4).state_dict().keys() == std::vector<std::string>{"weight"});
    CHECK_THROWS_WITH(nn::Embedding<>(3, 4, 3), "Embedding: padding_idx 3 is outside of a table of 3 rows");
    CHECK_THROWS_AS(nn::Embedding<>(-3, 4), ValueError);
    CHECK_THROWS_AS(nn::Embedding<>(3, 4, {}, -1.0), ValueError);
    CHECK_THROWS_AS(nn::Embedding<>(3, 4, {}, 1.0, 0.0), ValueError);
    CHECK_THROWS_WITH(nn::Embedding<>(3, 4)(longs({3})), "embedding: index 3 is outside of a table of 3 rows");
}
