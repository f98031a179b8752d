// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Parameters and buffers as values.
#include "headtorch/nn/parameter.hpp"

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("a parameter takes a tensor as a leaf", "[nn]") {
    Tensor<> values = tensor({1, 2, 3});
    nn::Parameter<> p = values;
    CHECK(p.requires_grad());
    CHECK(p.is_leaf());
    CHECK_FALSE(values.requires_grad());
    CHECK(p.data() == values.data());
    (p * p).sum().backward();
    CHECK(p.grad().tolist() == std::vector<float>{2, 4, 6});

    nn::Parameter<> off_tape = p * 2;
    CHECK(off_tape.is_leaf());
    CHECK(nn::Parameter<>(tensor({{1, 2}, {3, 4}}).t()).is_contiguous());
    CHECK_FALSE(nn::Parameter<>().defined());
    CHECK_FALSE(nn::Parameter<>(Tensor<>()).defined());
    CHECK(nn::Parameter(tensor<double>({1})).dtype() == Dtype::float64);
}

TEST_CASE("a handle shares a parameter, a copy does not", "[nn]") {
    nn::Parameter<> p = tensor({1, 2});
    p.sum().backward();
    Tensor<> handle = p;
    nn::Parameter<> copy = p;
    CHECK(handle.is_same(p));
    CHECK(copy.data() != p.data());
    CHECK(copy.tolist() == p.tolist());
    CHECK(copy.is_leaf());
    CHECK(copy.requires_grad());
    CHECK_FALSE(copy.grad().defined());
    p.requires_grad_(false);
    CHECK_FALSE(nn::Parameter<>(p).requires_grad());

    const float* data = p.data();
    nn::Parameter<> moved = std::move(p);
    CHECK(moved.data() == data);
    CHECK(handle.is_same(moved));
}

TEST_CASE("assignment writes into the same storage", "[nn]") {
    nn::Parameter<> p = tensor({1, 2});
    const nn::Parameter<> q = tensor({3, 4});
    const Tensor<> held_by_optimiser = p;
    p = q;
    CHECK(held_by_optimiser.is_same(p));
    CHECK(held_by_optimiser.tolist() == std::vector<float>{3, 4});
    CHECK(p.data() != q.data());
    p = tensor({5, 6});
    CHECK(held_by_optimiser.tolist() == std::vector<float>{5, 6});
    p = p * 2;
    CHECK(held_by_optimiser.tolist() == std::vector<float>{10, 12});
    CHECK(p.is_leaf());
    p = nn::Parameter<>(tensor({7, 8}));
    CHECK(held_by_optimiser.tolist() == std::vector<float>{7, 8});
    p = *&p;
    CHECK(p.tolist() == std::vector<float>{7, 8});
    CHECK(p.requires_grad());

    nn::Parameter<> undefined;
    undefined = q;
    CHECK(undefined.requires_grad());
    CHECK(undefined.data() != q.data());
}

TEST_CASE("an assignment that does not fit changes nothing", "[nn]") {
    nn::Parameter<> p = tensor({1, 2});
    const nn::Parameter<> q = tensor({1, 2, 3}), undefined;
    CHECK_THROWS_AS(p = q, ShapeError);
    CHECK_THROWS_WITH(p = q, contains("[3]") && contains("[2]"));
    CHECK_THROWS_AS(p = undefined, ValueError);
    CHECK(p.tolist() == std::vector<float>{1, 2});
    SECTION("a layer that is moved in takes the place of one of another size") {
        p = nn::Parameter<>(tensor({1, 2, 3}));
        CHECK(p.shape() == Shape{3});
        CHECK(p.requires_grad());
        p = nn::Parameter<>();
        CHECK_FALSE(p.defined());
    }
}

TEST_CASE("the tape notices an assignment to a value that it saved", "[nn]") {
    nn::Parameter<> p = tensor({1, 2});
    const Tensor<> loss = (p * p).sum();
    p = tensor({5, 6});
    CHECK_THROWS_AS(loss.backward(), AutogradError);
}

TEST_CASE("a buffer is a value without a gradient, of any type", "[nn]") {
    nn::Buffer<std::int64_t> count = zeros<std::int64_t>({});
    const Tensor<std::int64_t> handle = count;
    count = full<std::int64_t>({}, 3);
    CHECK(handle.item() == 3);
    nn::Buffer<std::int64_t> copy = count;
    copy.fill_(4);
    CHECK(count.item() == 3);
    nn::Parameter<> p = tensor({1, 2});
    nn::Buffer<> mean = p * 2;
    CHECK_FALSE(mean.requires_grad());
    CHECK_THROWS_AS((mean = nn::Buffer<>(tensor({1})), mean = tensor({1, 2})), ShapeError);
}

TEST_CASE("parameters in containers move without a copy", "[nn]") {
    std::vector<nn::Parameter<>> list;
    list.push_back(tensor({1}));
    const Tensor<> first = list[0];
    for (int i = 0; i < 100; ++i) list.push_back(tensor({1, 2}));
    CHECK(first.is_same(list[0]));
    std::swap(list[0], list[1]);
    CHECK(first.is_same(list[1]));
}
