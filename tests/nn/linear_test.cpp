// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Layers that multiply by a matrix, and those that change shapes. The numbers are PyTorch's.
#include "headtorch/nn/linear.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/reference.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class T>
void check_near(const Tensor<T>& x, const std::vector<double>& expected) {
    const std::vector<T> values = x.tolist();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        CHECK(static_cast<double>(values[i]) == Approx(expected[i]).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-8));
}

}  // namespace

TEST_CASE("linear and bilinear agree with PyTorch", "[nn]") {
    check_family(
        "linear.txt",
        {
            {"linear", [](const auto& in, const Case&) { return linear(in("x"), in("weight"), in.optional("bias")); }},
            {"bilinear", [](const auto& in, const Case&) { return nn::bilinear(in("x"), in("y"), in("weight"), in.optional("bias")); }},
        });
}

TEST_CASE("the same seed gives PyTorch's weights", "[nn]") {
    manual_seed(42);
    const nn::Linear<> single(3, 2);
    check_near<float>(single.weight, {0.441406518, 0.479205281, -0.135257274, 0.53036046, -0.126499504, 0.116503909});
    check_near<float>(single.bias, {-0.281085879, 0.339067787});
    manual_seed(42);
    const nn::Linear<double> twice(3, 2);
    check_near<double>(twice.weight, {-0.510199253, -0.504707865, -0.434645364, -0.516635925, 0.0302207034, -0.0268066573});
    check_near<double>(twice.bias, {0.525660908, 0.495080837});
    manual_seed(42);
    nn::Bilinear<> bilinear(2, 3, 2);
    check_near<float>(bilinear.weight, {0.540610373, 0.586904228, -0.165655658, 0.649556279, -0.154929623, 0.142687559, -0.344258487,
                                        0.41527155, 0.623344958, -0.518753409, 0.614614487, 0.132341608});
    check_near<float>(bilinear.bias, {0.52241677, 0.095763877});
    const auto y = bilinear(tensor({{1, 2}, {3, -1}}), tensor({{1, 0, 2}, {-1, 1, 0.5}}));
    check_near(y, {2.60157871, 0.490054786, 1.14595687, 2.10983276});
    y.sum().backward();
    check_near(bilinear.weight.grad(), {-2, 3, 3.5, 3, -1, 3.5, -2, 3, 3.5, 3, -1, 3.5});
    Generator generator(42);
    bilinear.reset_parameters(generator);
    check_near<float>(bilinear.bias, {0.52241677, 0.095763877});
}

TEST_CASE("a linear layer has options, sizes and an optional bias", "[nn]") {
    nn::Linear<> named({.in_features = 4, .out_features = 2, .bias = false});
    CHECK_FALSE(named.bias.defined());
    CHECK(named.state_dict().keys() == std::vector<std::string>{"weight"});
    CHECK(named.to_string() == "Linear(in_features=4, out_features=2, bias=False)");
    CHECK(named(ones({3, 5, 4})).shape() == Shape{3, 5, 2});
    CHECK(named(ones({4})).shape() == Shape{2});
    CHECK(named(ones({0, 4})).shape() == Shape{0, 2});
    CHECK(nn::Linear<>(0, 2)(ones({3, 0})).shape() == Shape{3, 2});
    CHECK(nn::Bilinear<>({.in1_features = 2, .in2_features = 3, .out_features = 4, .bias = false})(ones({5, 6, 2}), ones({5, 6, 3}))
              .shape() == Shape{5, 6, 4});
    CHECK_THROWS_WITH(named(ones({3, 5})), contains("linear: ") && contains("4") && contains("[3, 5]"));
    CHECK_THROWS_AS(nn::Linear<>(-1, 2), ValueError);
    CHECK_THROWS_AS(nn::Linear<>(1, -2), ValueError);
    CHECK_THROWS_AS(nn::Bilinear<>(0, 2, 2), ValueError);
    nn::Bilinear<> bilinear(2, 3, 1);
    CHECK_THROWS_AS(bilinear(ones({4, 2}), ones({5, 3})), ShapeError);
    CHECK_THROWS_AS(bilinear(ones({4, 3}), ones({4, 3})), ShapeError);
    CHECK_THROWS_AS(bilinear(ones({2}), ones({4, 3})), ShapeError);
}

TEST_CASE("layers that only change shapes", "[nn]") {
    const Tensor<> x = arange<float>(24).reshape({2, 3, 4});
    CHECK(nn::Flatten()(x).shape() == Shape{2, 12});
    CHECK(nn::Flatten(0)(x).shape() == Shape{24});
    CHECK(nn::Flatten(0, 1)(x).shape() == Shape{6, 4});
    CHECK(nn::Flatten()(x).tolist() == x.tolist());
    CHECK(nn::Unflatten(2, {2, -1})(x).shape() == Shape{2, 3, 2, 2});
    CHECK(nn::Identity()(x).is_same(x));
    CHECK(nn::Unflatten(1, {2, -1}).to_string() == "Unflatten(dim=1, unflattened_size=(2, -1))");
    CHECK(nn::Unflatten(1, {2}).to_string() == "Unflatten(dim=1, unflattened_size=(2,))");
    CHECK(nn::Flatten().to_string() == "Flatten(start_dim=1, end_dim=-1)");
    CHECK(nn::Identity().to_string() == "Identity()");
    CHECK(nn::Bilinear<>(1, 2, 3).to_string() == "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)");
}
