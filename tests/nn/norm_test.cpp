// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Normalisation layers: modes, running statistics, state, printed form, errors.
#include "headtorch/nn/norm.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using Catch::Matchers::Contains;

namespace {

Tensor<> sample(const Shape& shape, double mean = 0) {
    Generator generator(5);
    return empty<float>(shape).normal_(mean, 1, generator);
}

void check_near(const Tensor<>& x, const std::vector<float>& expected) {
    const auto values = x.tolist();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == Approx(expected[i]).margin(1e-5));
}

}  // namespace

TEST_CASE("batch normalisation in training and evaluation", "[nn]") {
    const auto x = sample({4, 3, 5, 5}, 2);
    nn::BatchNorm2d<> norm(3);
    const auto y = norm(x);
    check_near(mean(y, {0, 2, 3}), {0, 0, 0});
    check_near(var(y, {0, 2, 3}, 0), {1, 1, 1});
    CHECK(norm.num_batches_tracked.item() == 1);
    check_near(norm.running_mean, (mean(x, {0, 2, 3}) * 0.1).tolist());
    check_near(norm.running_var, (var(x, {0, 2, 3}) * 0.1 + 0.9).tolist());
    norm.eval();
    const auto kept = norm.running_mean.tolist();
    const auto z = norm(x);
    CHECK(norm.running_mean.tolist() == kept);
    CHECK(norm.num_batches_tracked.item() == 1);
    const Shape along{1, 3, 1, 1};
    const Tensor<> running_mean = norm.running_mean, running_var = norm.running_var;
    check_near(z, ((x - running_mean.reshape(along)) / sqrt(running_var.reshape(along) + 1e-5)).tolist());
    norm.reset_running_stats();
    CHECK(norm.running_var.tolist() == std::vector<float>{1, 1, 1});
    CHECK(norm.num_batches_tracked.item() == 0);
}

TEST_CASE("cumulative averages, and no statistics at all", "[nn]") {
    nn::BatchNorm1d<> norm(2, 1e-5, std::nullopt);
    const auto a = sample({6, 2}, 1), b = sample({6, 2}, 3);
    norm(a);
    norm(b);
    check_near(norm.running_mean, ((mean(a, 0) + mean(b, 0)) * 0.5).tolist());
    CHECK(norm.num_batches_tracked.item() == 2);
    nn::BatchNorm1d<> plain({.num_features = 2, .affine = false, .track_running_stats = false});
    CHECK(plain.state_dict().keys().empty());
    const auto in_training = plain(a).tolist();
    CHECK(plain.eval()(a).tolist() == in_training);
    nn::InstanceNorm2d<> instance(2, 1e-5, 0.1, true, true);
    const auto image = sample({3, 2, 4, 4}, 2);
    instance(image);
    check_near(instance.running_mean, (mean(image, {0, 2, 3}) * 0.1).tolist());
    CHECK(instance.num_batches_tracked.item() == 0);  // as in PyTorch
    instance.eval();
    CHECK(instance(image).tolist() != instance_norm(image).tolist());
    check_near(nn::InstanceNorm2d<>(2)(image.select(0, 0)), instance_norm(image).select(0, 0).tolist());
}

TEST_CASE("a copy of a normalisation has statistics of its own", "[nn]") {
    nn::BatchNorm2d<> norm(1);
    auto copy = norm;
    norm(sample({2, 1, 3, 3}, 4));
    CHECK(copy.running_mean.item() == 0);
    CHECK(copy.num_batches_tracked.item() == 0);
    copy = norm;
    CHECK(copy.running_mean.item() == norm.running_mean.item());
    CHECK(norm.state_dict().keys() == std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
    CHECK(norm.num_parameters() == 2);
    CHECK(nn::BatchNorm2d<>({.num_features = 1, .bias = false}).state_dict().keys() ==
          std::vector<std::string>{"weight", "running_mean", "running_var", "num_batches_tracked"});
}

TEST_CASE("the other normalisation layers do what their functions do", "[nn]") {
    const auto x = sample({2, 4, 3, 3});
    CHECK(nn::LayerNorm<>{{3, 3}}(x).tolist() == layer_norm(x, {3, 3}, ones({3, 3}), zeros({3, 3})).tolist());
    CHECK(nn::LayerNorm<>(3, 0.1, false)(x).tolist() == layer_norm(x, {3}, {}, {}, 0.1).tolist());
    CHECK(nn::LayerNorm<>(3, 1e-5, true, false).state_dict().keys() == std::vector<std::string>{"weight"});
    CHECK(nn::RMSNorm<>(3)(x).tolist() == rms_norm(x, {3}).tolist());
    CHECK(nn::GroupNorm<>(2, 4)(x).tolist() == group_norm(x, 2, ones({4}), zeros({4})).tolist());
    CHECK(nn::LocalResponseNorm(2, 0.5)(x).tolist() == local_response_norm(x, 2, 0.5).tolist());
    nn::LayerNorm<double> in_double(3);
    CHECK(in_double(x.to<double>()).shape() == x.shape());
    CHECK(nn::BatchNorm2d<>(4)(ones({0, 4, 3, 3})).shape() == Shape{0, 4, 3, 3});
    CHECK(nn::InstanceNorm2d<>(4)(ones({0, 4, 3, 3})).shape() == Shape{0, 4, 3, 3});
}

TEST_CASE("normalisation layers print as in PyTorch", "[nn]") {
    CHECK(nn::BatchNorm1d<>(3).to_string() == "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)");
    CHECK(nn::BatchNorm2d<>(3, 1e-5, std::nullopt, false, false).to_string() ==
          "BatchNorm2d(3, eps=1e-05, momentum=None, affine=False, bias=False, track_running_stats=False)");
    CHECK(nn::InstanceNorm2d<>(3).to_string() ==
          "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)");
    CHECK(nn::LayerNorm<>(3).to_string() == "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)");
    CHECK(nn::LayerNorm<>({2, 3}, 1e-5, false).to_string() == "LayerNorm((2, 3), eps=1e-05, elementwise_affine=False, bias=False)");
    CHECK(nn::RMSNorm<>(3).to_string() == "RMSNorm((3,), eps=None, elementwise_affine=True)");
    CHECK(nn::RMSNorm<>({2, 3}, 1e-6).to_string() == "RMSNorm((2, 3), eps=1e-06, elementwise_affine=True)");
    CHECK(nn::GroupNorm<>(2, 4, 1e-5, false).to_string() == "GroupNorm(2, 4, eps=1e-05, affine=False, bias=False)");
    CHECK(nn::LocalResponseNorm(5, 1e-3, 0.5, 2).to_string() == "LocalResponseNorm(5, alpha=0.001, beta=0.5, k=2.0)");
}

TEST_CASE("normalisation layers refuse what does not fit", "[nn]") {
    CHECK_THROWS_WITH(nn::BatchNorm2d<>(3)(ones({2, 3, 4})), "batch_norm2d: batch_norm: needs an input of 4 dimensions, got [2, 3, 4]");
    CHECK_THROWS_WITH(nn::BatchNorm1d<>(3)(ones({3})), Contains("needs an input of 2 or 3 dimensions, got [3]"));
    CHECK_THROWS_WITH(nn::BatchNorm1d<>(3)(ones({2, 4})), Contains("the weight must have shape [4], got [3]"));
    CHECK_THROWS_WITH(nn::BatchNorm1d<>(3)(ones({1, 3})), Contains("needs more than one value per channel in training, got [1, 3]"));
    CHECK_THROWS_WITH(nn::InstanceNorm2d<>(3)(ones({2, 4, 2, 2})), Contains("needs an input [N, 3, H, W] or [3, H, W], got [2, 4, 2, 2]"));
    CHECK_THROWS_AS(nn::BatchNorm2d<>(-1), ValueError);
    CHECK_THROWS_AS(nn::BatchNorm2d<>(1, -1.0), ValueError);
    CHECK_THROWS_AS(nn::LayerNorm<>(-1), ShapeError);
    CHECK_THROWS_WITH(nn::LayerNorm<>(3)(ones({2, 4})), "layer_norm: an input of shape [2, 4] does not end in the normalized_shape [3]");
    CHECK_THROWS_AS(nn::RMSNorm<>(3, -1.0), ValueError);
    CHECK_THROWS_WITH(nn::GroupNorm<>(3, 4), "GroupNorm: 4 channels do not divide into 3 groups");
    CHECK_THROWS_AS(nn::GroupNorm<>(0, 4), ValueError);
    CHECK_THROWS_AS(nn::LocalResponseNorm(0), ValueError);
}
