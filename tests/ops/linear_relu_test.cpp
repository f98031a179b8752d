// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// linear_relu() is relu of linear(), which tests/nn/linear_test.cpp holds against PyTorch.
#include "headtorch/ops/linear_relu.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "headtorch/autograd/gradcheck.hpp"
#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Case {
    Shape x;
    std::int64_t out;
    bool bias;
};

template <class T>
void check_equal(const Case& c) {
    INFO(message("x of ", c.x, ", ", c.out, " outputs, bias ", c.bias));
    const auto x = randn<T>(c.x).requires_grad_(), weight = randn<T>({c.out, c.x.back()}).requires_grad_();
    const auto bias = c.bias ? randn<T>({c.out}).requires_grad_() : Tensor<T>{};
    const auto y = linear_relu(x, weight, bias), expected = relu(linear(x, weight, bias));
    REQUIRE(y.shape() == expected.shape());
    CHECK(allclose(y, expected, 1e-6, 1e-6));
    const auto g = randn<T>(y.shape());
    const auto inputs = c.bias ? std::vector<Tensor<T>>{x, weight, bias} : std::vector<Tensor<T>>{x, weight};
    const auto got = grad(y, inputs, g), want = grad(expected, inputs, g);
    for (std::size_t k = 0; k < inputs.size(); ++k) CHECK(allclose(got[k], want[k], 1e-5, 1e-5));
}

}  // namespace

TEMPLATE_TEST_CASE("linear_relu is relu of linear", "[ops]", float, double) {
    manual_seed(1);
    for (const Case& c : {Case{{5, 3}, 4, true}, Case{{5, 3}, 4, false}, Case{{3}, 2, true}, Case{{2, 3, 4, 7}, 40, true},
                          Case{{0, 3}, 2, true}, Case{{4, 0}, 3, true}, Case{{130, 70}, 65, true}})
        check_equal<TestType>(c);
    const auto turned = randn<TestType>({3, 6}).t(), weight = randn<TestType>({3, 4}).t();  // neither is contiguous
    CHECK(allclose(linear_relu(turned, weight), relu(linear(turned, weight)), 1e-6, 1e-6));
}

TEST_CASE("the gradients of linear_relu", "[ops]") {
    manual_seed(2);
    const auto x = randn<double>({4, 3}).requires_grad_(), weight = randn<double>({5, 3}).requires_grad_(),
               bias = randn<double>({5}).requires_grad_();
    const auto f = [](const auto& in) { return linear_relu(in[0], in[1], in[2]); };
    CHECK(gradcheck(f, {x, weight, bias}));
    CHECK(gradgradcheck(f, {x, weight, bias}));
}

TEST_CASE("linear_relu passes NaN on, and refuses what does not fit", "[ops]") {
    const auto x = tensor({{std::numeric_limits<float>::quiet_NaN(), 1.0f}}).requires_grad_();
    const auto y = linear_relu(x, ones({2, 2}));
    CHECK(std::isnan(y.select(0, 0).select(0, 1).item()));
    CHECK_THROWS_WITH(linear_relu(ones({3, 5}), ones({2, 4})), contains("linear_relu: the input's last dimension must be 4"));
    CHECK_THROWS_WITH(linear_relu(ones({3, 4}), ones({2, 4}), ones({3})), contains("linear_relu: the bias has 2 elements"));
    CHECK_THROWS_WITH(linear_relu(ones({3, 4}), ones({4})), contains("linear_relu: the weight is a matrix"));
    // the result is kept for the gradient, so it must stay
    auto kept = linear_relu(ones({1, 2}).requires_grad_(), ones({2, 2}));
    kept += 1.0f;
    CHECK_THROWS_AS(kept.sum().backward(), Error);
}

TEST_CASE("linear_relu in halfs and under Autocast", "[ops]") {
    manual_seed(3);
    const auto x = randn({6, 5}), weight = randn({4, 5}), bias = randn({4});
    const auto half = linear_relu(x.to<bfloat16>(), weight.to<bfloat16>(), bias.to<bfloat16>());
    CHECK(allclose(half.to<float>(), relu(linear(x.to<bfloat16>(), weight.to<bfloat16>(), bias.to<bfloat16>())).to<float>(), 1e-2, 1e-2));
    const Autocast<bfloat16> guard;
    CHECK(linear_relu(x, weight, bias).tolist() == relu(linear(x, weight, bias)).tolist());
}

TEST_CASE("an encoder layer computes the same with the ops fused and, where a module is watched, one by one", "[ops]") {
    manual_seed(4);
    nn::TransformerEncoderLayer<> layer(8, 2, {.dim_feedforward = 16, .dropout = 0});
    const auto x = randn({5, 2, 8});
    const auto fused = layer(x);
    struct Watch : nn::ModuleObserver {
        std::vector<const void*> called;
        void module_begins(nn::ModuleRef module, std::span<TensorImpl* const>) override { called.push_back(module.address()); }
    } watch;
    CHECK(allclose(layer(x), fused, 1e-6, 1e-6));
    CHECK(std::count(watch.called.begin(), watch.called.end(), &layer.linear1) == 1);
}
