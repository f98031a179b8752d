// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Padding layers: what they compute, print and refuse.
#include "headtorch/nn/padding.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("padding layers pad as pad() does", "[nn]") {
    const auto x = arange<float>(24).reshape({2, 3, 4});
    const auto image = x.unsqueeze(0);
    CHECK(nn::ZeroPad2d(1)(image).tolist() == pad(image, {1, 1, 1, 1}).tolist());
    CHECK(nn::ZeroPad2d({1, 2, 0, 1})(x).tolist() == pad(x, {1, 2, 0, 1}).tolist());
    CHECK(nn::ConstantPad1d(2, 3.5)(x).tolist() == pad(x, {2, 2}, "constant", 3.5).tolist());
    CHECK(nn::ConstantPad2d({1, 0, 2, 0}, -1)(image).tolist() == pad(image, {1, 0, 2, 0}, "constant", -1).tolist());
    CHECK(nn::ReflectionPad1d({3, 1})(x).tolist() == pad(x, {3, 1}, "reflect").tolist());
    CHECK(nn::ReflectionPad2d(2)(image).tolist() == pad(image, {2, 2, 2, 2}, "reflect").tolist());
    CHECK(nn::ReplicationPad1d(2)(x).tolist() == pad(x, {2, 2}, "replicate").tolist());
    CHECK(nn::ReplicationPad2d(2)(image).tolist() == pad(image, {2, 2, 2, 2}, "replicate").tolist());
    CHECK(nn::CircularPad2d(2)(image).tolist() == pad(image, {2, 2, 2, 2}, "circular").tolist());
    nn::Sequential<> net(nn::ReflectionPad2d(1), nn::ZeroPad2d(1));
    CHECK(net(image).shape() == Shape{1, 2, 7, 8});
}

TEST_CASE("padding layers print as in PyTorch", "[nn]") {
    CHECK(nn::ZeroPad2d(1).to_string() == "ZeroPad2d((1, 1, 1, 1))");
    CHECK(nn::ZeroPad2d({1, 2, 0, 1}).to_string() == "ZeroPad2d((1, 2, 0, 1))");
    CHECK(nn::ConstantPad1d(2, 3.5).to_string() == "ConstantPad1d(padding=(2, 2), value=3.5)");
    CHECK(nn::ConstantPad2d({1, 2, 3, 4}, 0).to_string() == "ConstantPad2d(padding=(1, 2, 3, 4), value=0)");
    CHECK(nn::ReflectionPad1d(1).to_string() == "ReflectionPad1d((1, 1))");
    CHECK(nn::ReplicationPad1d(2).to_string() == "ReplicationPad1d((2, 2))");
    CHECK(nn::CircularPad2d(1).to_string() == "CircularPad2d((1, 1, 1, 1))");
}

TEST_CASE("padding layers refuse what does not fit", "[nn]") {
    CHECK_THROWS_WITH(nn::ZeroPad2d({1, 2}), "ZeroPad2d: padding is one number or 4, got [1, 2]");
    CHECK_THROWS_AS(nn::ReflectionPad1d({1, 2, 3, 4}), ValueError);
    CHECK_THROWS_WITH(nn::ZeroPad2d(1)(ones({3, 4})), "zero_pad2d: pad: needs an input of 3 or 4 dimensions, got [3, 4]");
    CHECK_THROWS_AS(nn::ReflectionPad1d(1)(ones({1, 2, 3, 4})), ShapeError);
    CHECK_THROWS_WITH(nn::ReflectionPad1d(4)(ones({2, 4})),
                      "reflection_pad1d: pad: reflection needs a padding smaller than the dimension, got 4 and 4 at dimension 1 of [2, 4]");
}
