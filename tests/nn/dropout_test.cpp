// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Dropout: PyTorch's draws, both modes, gradients, printed form, errors.
#include "headtorch/nn/dropout.hpp"

#include <cmath>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

template <class T>
void check_near(const Tensor<T>& x, const std::vector<double>& expected) {
    const auto values = x.tolist();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(static_cast<double>(values[i]) == Approx(expected[i]).epsilon(1e-6));
}

}  // namespace

TEST_CASE("the same seed drops the elements that PyTorch drops", "[nn]") {
    if (!std::same_as<DefaultDevice, Cpu>) return;  // a GPU draws other numbers
    const auto x = arange<float>(1, 9);
    const std::vector<double> expected{4 / 3.0, 8 / 3.0, 4, 16 / 3.0, 20 / 3.0, 8, 0, 0};
    manual_seed(42);
    check_near(dropout(x, 0.25), expected);
    manual_seed(42);
    check_near(dropout(x.to<double>(), 0.25), expected);
    manual_seed(42);
    check_near(alpha_dropout(x, 0.25, true),
               {1.24843931, 2.11569738, 2.98295522, 3.85021329, 4.71747112, 5.58472872, -1.1435442, -1.1435442});
    manual_seed(42);
    check_near(dropout2d(ones({2, 3, 1, 2}), 0.5), {2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 2, 2});
    manual_seed(42);
    check_near(dropout1d(ones({4, 2}), 0.5), {2, 2, 2, 2, 2, 2, 2, 2});
    manual_seed(42);
    CHECK((dropout(ones({10000}), 0.3) != 0).sum().item() == 6971);
    Generator generator(42);
    check_near(dropout(x, 0.25, true, generator), expected);
}

TEST_CASE("dropout does nothing in evaluation or with probability 0", "[nn]") {
    const auto x = arange<float>(1, 9).reshape({2, 2, 2});
    Generator generator(1);
    const auto before = generator.random32();
    generator.manual_seed(1);
    CHECK(dropout(x, 0.5, false, generator).is_same(x));
    CHECK(dropout(x, 0, true, generator).is_same(x));
    CHECK(alpha_dropout(x, 0.5, false, generator).is_same(x));
    CHECK(dropout1d(x, 0.5, false, generator).is_same(x));
    CHECK(generator.random32() == before);
    CHECK(dropout(x, 1).tolist() == std::vector<float>(8, 0));
    CHECK(alpha_dropout(x, 1, true).tolist() == std::vector<float>(8, 0));
    CHECK(dropout(ones({0, 3})).shape() == Shape{0, 3});
    nn::Dropout layer(0.9);
    CHECK(layer(ones({1000})).sum().item() != 1000);
    layer.eval();
    CHECK(layer(x).is_same(x));
    nn::Sequential<> net{nn::Dropout(), nn::Dropout2d()};
    net.eval();
    CHECK(net(x).tolist() == x.tolist());
}

TEST_CASE("the gradient of dropout passes where the elements pass", "[nn]") {
    const auto x = full<double>({3, 4, 5}, 2).requires_grad_();
    for (const int which : {0, 1, 2, 3}) {
        const auto f = [&](const std::vector<Tensor<double>>& in) {
            Generator generator(7);
            if (which == 0) return dropout(in[0], 0.4, true, generator);
            if (which == 1) return dropout1d(in[0], 0.4, true, generator);
            if (which == 2) return dropout2d(in[0], 0.4, true, generator);
            return alpha_dropout(in[0], 0.4, true, generator);
        };
        CHECK_NOTHROW(gradcheck(f, std::vector{x}));
        CHECK_NOTHROW(gradgradcheck([&](const std::vector<Tensor<double>>& in) { return square(f(in)); }, std::vector{x}));
    }
    Generator generator(7);
    const auto y = dropout2d(x, 0.4, true, generator);
    y.sum().backward();
    CHECK((x.grad() * 2).tolist() == y.tolist());
    const auto channel = y.reshape({12, 5});
    CHECK((channel == channel.narrow(1, 0, 1)).all().item());
}

TEST_CASE("alpha dropout keeps mean and variance", "[nn]") {
    Generator generator(3);
    const auto x = empty<float>({200000}).normal_(0, 1, generator);
    const auto y = alpha_dropout(x, 0.2, true, generator);
    CHECK(std::abs(y.mean().item()) < 0.01f);
    CHECK(std::abs(y.var().item() - 1) < 0.02f);
}

TEST_CASE("dropout layers print as in PyTorch and refuse what is no probability", "[nn]") {
    CHECK(nn::Dropout().to_string() == "Dropout(p=0.5, inplace=False)");
    CHECK(nn::Dropout1d(0.2).to_string() == "Dropout1d(p=0.2, inplace=False)");
    CHECK(nn::Dropout2d(1).to_string() == "Dropout2d(p=1.0, inplace=False)");
    CHECK(nn::AlphaDropout(0.1).to_string() == "AlphaDropout(p=0.1, inplace=False)");
    CHECK_THROWS_WITH(nn::Dropout(1.5), "Dropout: the probability must be between 0 and 1, got 1.5");
    CHECK_THROWS_WITH(dropout(ones({2}), -0.1), "dropout: the probability must be between 0 and 1, got -0.1");
    CHECK_THROWS_AS(dropout(ones({2}), std::nan("")), ValueError);
    CHECK_THROWS_AS(alpha_dropout(ones({2}), 2), ValueError);
    CHECK_THROWS_WITH(nn::Dropout2d()(ones({2, 3})), "dropout2d: needs an input of 3 to 4 dimensions, got [2, 3]");
    CHECK_THROWS_AS(dropout1d(ones({2, 3, 4, 5})), ShapeError);
}
