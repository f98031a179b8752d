// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Convolution layers: their first weights, printed form, padding modes and sizes are PyTorch's.
#include "headtorch/nn/conv.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/filled.hpp"

using namespace headtorch;

namespace {

/// The first values of a tensor.
template <class T>
void check_begins(const Tensor<T>& x, const std::vector<double>& expected) {
    const std::vector<T> values = x.tolist();
    REQUIRE(values.size() >= expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(static_cast<double>(values[i]) == Approx(expected[i]).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-8));
}

/// Weights -3/4, -2/4, …, 3/4, -3/4, …
template <class Layer>
Layer& with_plain_weights(Layer& layer) {
    NoGrad guard;
    const Tensor<double> weight = layer.weight;
    weight.copy_(testing::filled<double>(weight.shape(), [](std::int64_t i) { return static_cast<double>(i % 7 - 3) / 4; }));
    layer.bias.zero_();
    return layer;
}

/// Sum of i * y[i].
double checksum(const Tensor<double>& y) {
    double sum = 0;
    const auto values = y.tolist();
    for (std::size_t i = 0; i < values.size(); ++i) sum += static_cast<double>(i) * values[i];
    return sum;
}

}  // namespace

TEST_CASE("the same seed gives PyTorch's kernels", "[nn]") {
    manual_seed(42);
    const nn::Conv2d<> c(2, 3, {2, 3});
    check_begins<float>(c.weight, {0.220703259, 0.23960264, -0.067628637, 0.26518023, -0.063249752, 0.058251955});
    check_begins<float>(c.bias, {0.0449902415, 0.233238935, 0.0315578766});
    manual_seed(42);
    const nn::Conv2d<double> twice(2, 3, {2, 3});
    check_begins<double>(twice.weight, {-0.25509962647039713, -0.25235393249746857, -0.21732268221041914});
    check_begins<double>(twice.bias, {0.2014968869405939, -0.2699137861320672, -0.11013314689724181});
    manual_seed(42);
    nn::Conv1d<> groups(4, 2, 3, 1, 0, 1, 2);
    CHECK(groups.weight.shape() == Shape{2, 2, 3});
    check_begins<float>(groups.weight, {0.31212157, 0.338849336, -0.0956413448, 0.375021487});
    check_begins<float>(groups.bias, {0.301617473, 0.055289302});
    manual_seed(42);
    const nn::Conv3d<> cube(1, 2, 2);
    check_begins<float>(cube.weight, {0.270305187, 0.293452114, -0.0828278288, 0.32477814});
    check_begins<float>(cube.bias, {0.272549301, 0.0522583388});
    manual_seed(42);
    const nn::ConvTranspose2d<> transposed(3, 4, 2);
    CHECK(transposed.weight.shape() == Shape{3, 4, 2, 2});
    check_begins<float>(transposed.weight, {0.191134632, 0.207501978, -0.05856812, 0.229652822});
    check_begins<float>(transposed.bias, {0.126958758, -0.152376264, -0.247477114, -0.0965901315});
    manual_seed(42);
    const nn::ConvTranspose1d<> halves(4, 2, 3, 1, 0, 0, 2);
    CHECK(halves.weight.shape() == Shape{4, 1, 3});
    check_begins<float>(halves.weight, {0.441406518, 0.479205281, -0.135257274, 0.53036046});
    check_begins<float>(halves.bias, {0.426551491, 0.078190878});
    Generator generator(42);
    groups.reset_parameters(generator);
    check_begins<float>(groups.bias, {0.301617473, 0.055289302});
}

TEST_CASE("convolution layers print as in PyTorch", "[nn]") {
    CHECK(nn::Conv2d<>(3, 6, 5).to_string() == "Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))");
    CHECK(nn::Conv2d<>(3, 6, {3, 5}, 2, {1, 0}, 2, 3, false, "reflect").to_string() ==
          "Conv2d(3, 6, kernel_size=(3, 5), stride=(2, 2), padding=(1, 0), dilation=(2, 2), groups=3, bias=False, padding_mode=reflect)");
    CHECK(nn::Conv1d<>({.in_channels = 2, .out_channels = 4, .kernel_size = 3, .padding = "same"}).to_string() ==
          "Conv1d(2, 4, kernel_size=(3,), stride=(1,), padding=same)");
    CHECK(nn::Conv3d<>(1, 2, {1, 2, 3}).to_string() == "Conv3d(1, 2, kernel_size=(1, 2, 3), stride=(1, 1, 1))");
    CHECK(nn::Conv2d<>(2, 2, 1, 1, "valid").to_string() == "Conv2d(2, 2, kernel_size=(1, 1), stride=(1, 1), padding=valid)");
    CHECK(nn::ConvTranspose2d<>(4, 8, 3, 2, 1, 1, 2, false, 2).to_string() ==
          "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), output_padding=(1, 1), groups=2, "
          "bias=False)");
    CHECK(nn::ConvTranspose1d<>({.in_channels = 1, .out_channels = 2, .kernel_size = 3}).to_string() ==
          "ConvTranspose1d(1, 2, kernel_size=(3,), stride=(1,))");
    CHECK(nn::Unfold(3).to_string() == "Unfold(kernel_size=3, dilation=1, padding=0, stride=1)");
    CHECK(nn::Unfold({2, 3}, 1, {1, 2}, 2).to_string() == "Unfold(kernel_size=(2, 3), dilation=1, padding=(1, 2), stride=2)");
    CHECK(nn::Fold({4, 5}, 2, 1, 0, 2).to_string() == "Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=2)");
}

TEST_CASE("padding modes agree with PyTorch", "[nn]") {
    const Tensor<double> x = arange<double>(40).reshape({1, 2, 4, 5}) / 8;
    const auto run = [&](const ConvPadding<2>& padding, std::string_view mode) {
        nn::Conv2d<double> c(2, 1, {3, 2}, 1, padding, 1, 1, true, mode);
        return with_plain_weights(c)(x);
    };
    CHECK(run({1, 2}, "reflect").shape() == Shape{1, 1, 4, 8});
    CHECK(checksum(run({1, 2}, "reflect")) == -1237.5);
    CHECK(run("same", "reflect").shape() == Shape{1, 1, 4, 5});
    CHECK(checksum(run("same", "reflect")) == -487.3125);
    CHECK(checksum(run({1, 2}, "replicate")) == -1090.125);
    CHECK(checksum(run("same", "replicate")) == -430.6875);
    CHECK(checksum(run({1, 2}, "circular")) == -1540.875);
    CHECK(checksum(run("same", "circular")) == -596.25);
    CHECK(run("valid", "reflect").shape() == Shape{1, 1, 2, 4});
    nn::Conv1d<> line(2, 3, 3, 1, 1, 1, 1, true, "circular");
    CHECK(line(ones({2, 7})).shape() == Shape{3, 7});
    nn::Conv3d<> cube(1, 1, 3, 1, 1, 1, 1, true, "replicate");
    CHECK(cube(ones({2, 1, 3, 4, 5})).shape() == Shape{2, 1, 3, 4, 5});
}

TEST_CASE("a transposed layer makes the size asked for", "[nn]") {
    nn::ConvTranspose2d<double> c(2, 1, 3, 3, 1);
    const Tensor<double> x = arange<double>(40).reshape({1, 2, 4, 5}) / 8;
    const auto y = with_plain_weights(c)(x, PerAxis<2>{11, 14});
    CHECK(y.shape() == Shape{1, 1, 11, 14});
    CHECK(checksum(y) == -4585.9375);
    CHECK(c(x).shape() == Shape{1, 1, 10, 13});
    CHECK(c.forward(ones<double>({2, 4, 5}), {12, 13}).shape() == Shape{1, 12, 13});
    CHECK_THROWS_WITH(c(x, PerAxis<2>{13, 13}), contains("output_size (13, 13) is out of reach") && contains("axis 0 can have 10 to 12"));
    CHECK_THROWS_WITH(c(ones<double>({5}), 4), contains("4 dimensions"));
}

TEST_CASE("a convolution layer is a module", "[nn]") {
    nn::Conv2d<> named({.in_channels = 3, .out_channels = 6, .kernel_size = 5, .padding = 2, .bias = false});
    CHECK(named.state_dict().keys() == std::vector<std::string>{"weight"});
    CHECK(named(ones({2, 3, 8, 9})).shape() == Shape{2, 6, 8, 9});
    CHECK(named(ones({3, 8, 9})).shape() == Shape{6, 8, 9});
    nn::Conv2d<> copy = named;
    {
        NoGrad guard;
        copy.weight.zero_();
    }
    CHECK(named.weight.abs().sum().item() > 0);
    named(ones({1, 3, 8, 8})).sum().backward();
    CHECK(named.weight.grad().shape() == Shape{6, 3, 5, 5});
    CHECK(nn::Conv2d<>(0, 2, 3)(ones({1, 0, 4, 4})).shape() == Shape{1, 2, 2, 2});
    CHECK(nn::Unfold(2)(ones({1, 3, 4, 4})).shape() == Shape{1, 12, 9});
    CHECK(nn::Fold(4, 2)(ones({1, 12, 9})).shape() == Shape{1, 3, 4, 4});
    struct Net : nn::Module<Net> {
        nn::Conv2d<> conv1{3, 6, 5};
        Tensor<> forward(const Tensor<>& x) { return conv1(x); }
    } net;
    CHECK_THROWS_WITH(net(ones({1, 4, 8, 8})), contains("conv1: conv2d: the weight [6, 3, 5, 5]"));
}

TEST_CASE("layers that cannot be are refused", "[nn]") {
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 1, 0, 1, 2), contains("groups = 2 does not divide in_channels = 3"));
    CHECK_THROWS_WITH(nn::Conv2d<>(4, 3, 3, 1, 0, 1, 2), contains("groups = 2 does not divide out_channels = 3"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 1, 0, 1, 0), contains("groups must be at least 1, got 0"));
    CHECK_THROWS_WITH(nn::Conv2d<>(-3, 6, 3), contains("channels must not be negative, got -3 and 6"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 0), contains("kernel_size must be at least 1, got 0"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 0), contains("stride must be at least 1, got 0"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 1, {1, -1}), contains("padding must not be negative, got -1"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 1, 0, {0, 1}), contains("dilation must be at least 1, got 0"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 2, "same"), contains("\"same\" needs stride 1"));
    CHECK_THROWS_WITH(nn::Conv2d<>(3, 6, 3, 1, 1, 1, 1, true, "mirror"), contains("padding_mode is zeros, reflect, replicate or circular"));
    CHECK_THROWS_WITH(nn::ConvTranspose2d<>(3, 6, 3, 1, 0, -1), contains("output_padding must not be negative"));
    CHECK_THROWS_WITH(nn::ConvTranspose2d<>(3, 6, 3, 1, 0, 0, 1, true, 1, "reflect"), contains("the only padding_mode is zeros"));
    CHECK_THROWS_WITH(nn::ConvTranspose1d<>(3, 6, 3, 1, 0, 0, 2), contains("groups = 2 does not divide in_channels = 3"));
}
