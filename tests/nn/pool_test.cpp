// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pooling layers: what they compute, print and refuse.
#include "headtorch/nn/pool.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Net : nn::Module<Net> {
    nn::MaxPool2d<> pool{2, 2};
    nn::AvgPool2d mean{{1, 2}};
    Tensor<> forward(const Tensor<>& x) { return mean(pool(x)); }
};

Tensor<> sample(const Shape& shape) {
    Generator generator(5);
    return empty<float>(shape).normal_(0, 1, generator);
}

}  // namespace

TEST_CASE("pooling layers pool as the functions do", "[nn]") {
    const auto x = sample({2, 3, 8, 9});
    const auto line = sample({2, 3, 9});
    CHECK(Net()(x).shape() == Shape{2, 3, 4, 2});
    CHECK(nn::MaxPool2d<>{{3, 2}}(x).tolist() == max_pool2d(x, {3, 2}).tolist());
    CHECK(nn::AvgPool2d{{3, 2}}(x).tolist() == avg_pool2d(x, {3, 2}).tolist());
    CHECK(nn::MaxUnpool2d{{3, 2}}.to_string() == "MaxUnpool2d(kernel_size=(3, 2), stride=(3, 2), padding=(0, 0))");
    CHECK(nn::MaxPool2d(2)(x).tolist() == max_pool2d(x, 2).tolist());
    CHECK(nn::MaxPool2d({3, 2}, 2, 1)(x).tolist() == max_pool2d(x, {3, 2}, 2, 1).tolist());
    CHECK(nn::MaxPool2d({.kernel_size = 3, .stride = {1, 2}, .padding = 1, .dilation = 2, .ceil_mode = true})(x).tolist() ==
          max_pool2d(x, 3, {1, 2}, 1, 2, true).tolist());
    CHECK(nn::MaxPool2d({.kernel_size = 3})(x).tolist() == max_pool2d(x, 3).tolist());
    CHECK(nn::MaxPool2d({3, 2}, {2, 1})(x).tolist() == max_pool2d(x, {3, 2}, {2, 1}).tolist());
    CHECK(nn::MaxPool1d(3, 2, 1)(line).tolist() == max_pool1d(line, 3, 2, 1).tolist());
    const auto [values, indices] = nn::MaxPool2d<true>(2)(x);
    CHECK(values.tolist() == max_pool2d(x, 2).tolist());
    CHECK_THROWS_AS(nn::MaxUnpool2d(2)(values, indices), IndexError);  // the indices count in rows of 9
    CHECK(nn::MaxUnpool2d(2)(values, indices, nn::Size{8, 9}).shape() == x.shape());
    CHECK(nn::MaxPool1d<true>(2)(line).indices.tolist() == max_pool1d_with_indices(line, 2).indices.tolist());
    CHECK(nn::AvgPool1d(3, 2, 1, true, false)(line).tolist() == avg_pool1d(line, 3, 2, 1, true, false).tolist());
    CHECK(nn::AvgPool2d(3, 2, 1, true, false, 5)(x).tolist() == avg_pool2d(x, 3, 2, 1, true, false, 5).tolist());
    CHECK(nn::AvgPool2d({.kernel_size = 3, .count_include_pad = false})(x).tolist() == avg_pool2d(x, 3).tolist());
    CHECK(nn::AdaptiveAvgPool1d(4)(line).tolist() == adaptive_avg_pool1d(line, 4).tolist());
    CHECK(nn::AdaptiveAvgPool2d({4, -1})(x).tolist() == adaptive_avg_pool2d(x, {4, 9}).tolist());
    CHECK(nn::AdaptiveMaxPool2d({4, 3})(x).tolist() == adaptive_max_pool2d(x, {4, 3}).tolist());
    CHECK(nn::AdaptiveMaxPool2d<true>(2)(x).indices.shape() == Shape{2, 3, 2, 2});
    CHECK(nn::LPPool2d(2, 3, 1, true)(x).tolist() == lp_pool2d(x, 2, 3, 1, true).tolist());
    nn::Sequential<> net(nn::MaxPool2d(2), nn::AdaptiveAvgPool2d(1));
    CHECK(net(x).shape() == Shape{2, 3, 1, 1});
}

TEST_CASE("pooling layers print as in PyTorch", "[nn]") {
    CHECK(nn::MaxPool1d(2).to_string() == "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)");
    CHECK(nn::MaxPool2d({.kernel_size = {2, 3}, .ceil_mode = true}).to_string() ==
          "MaxPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0, dilation=1, ceil_mode=True)");
    CHECK(nn::MaxPool2d(3, 2, 1).to_string() == "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)");
    CHECK(nn::MaxPool2d<true>(3).to_string() == "MaxPool2d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False)");
    CHECK(nn::MaxUnpool2d(2).to_string() == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))");
    CHECK(nn::AvgPool1d(2).to_string() == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))");
    CHECK(nn::AvgPool2d({2, 3}, 1, {1, 1}).to_string() == "AvgPool2d(kernel_size=(2, 3), stride=1, padding=(1, 1))");
    CHECK(nn::AdaptiveAvgPool1d(3).to_string() == "AdaptiveAvgPool1d(output_size=3)");
    CHECK(nn::AdaptiveAvgPool2d({3, -1}).to_string() == "AdaptiveAvgPool2d(output_size=(3, None))");
    CHECK(nn::AdaptiveMaxPool2d(2).to_string() == "AdaptiveMaxPool2d(output_size=2)");
    CHECK(nn::LPPool2d(2, 3).to_string() == "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)");
    CHECK(nn::LPPool2d(1.5, {2, 3}, 2, true).to_string() == "LPPool2d(norm_type=1.5, kernel_size=(2, 3), stride=2, ceil_mode=True)");
}

TEST_CASE("pooling layers refuse wrong sizes when they are made", "[nn]") {
    CHECK_THROWS_WITH(nn::MaxPool2d(0), "MaxPool2d: kernel_size must be at least 1 and less than 2^31, got [0]");
    CHECK_THROWS_WITH(nn::MaxPool1d(Dims{2, 2}), "MaxPool1d: kernel_size is one number or 1, got [2, 2]");
    CHECK_THROWS_AS(nn::MaxPool2d(2, -1), ValueError);
    CHECK_THROWS_AS(nn::MaxUnpool2d(0), ValueError);
    CHECK_THROWS_AS(nn::AvgPool1d(0), ValueError);
    CHECK_THROWS_AS(nn::AvgPool2d(2, 0), ValueError);
    CHECK_THROWS_AS(nn::AvgPool2d(2, 1, 0, false, true, 0), ValueError);
    CHECK_THROWS_AS(nn::AdaptiveAvgPool1d(-2), ValueError);
    CHECK_THROWS_AS(nn::AdaptiveAvgPool2d(-2), ValueError);
    CHECK_THROWS_AS(nn::AdaptiveMaxPool2d({1, 2, 3}), ValueError);
    CHECK_THROWS_AS(nn::LPPool2d(2, 0), ValueError);
    CHECK_THROWS_WITH(Net()(ones({4, 4})), "net.pool: max_pool2d: needs an input of 3 or 4 dimensions, got [4, 4]");
}
