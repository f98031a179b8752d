// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Mixed precision: against PyTorch's autocast, and against the same products written out.
#include <cmath>
#include <concepts>
#include <thread>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;

namespace {

template <class H>
Tensor<> rounded(const Tensor<>& x) {
    return x.to<H>().template to<float>();
}

/// The products of a case, under bfloat16.
Tensor<> run(const Case& c, const std::vector<Tensor<>>& x) {
    const Autocast<bfloat16> guard;
    if (c.op == "matmul") return matmul(x[0], x[1]);
    if (c.op == "bmm") return bmm(x[0], x[1]);
    if (c.op == "linear") return linear(x[0], x[1], x[2]);
    if (c.op == "conv2d") return conv2d(x[0], x[1], x[2], {.padding = 1, .groups = 2});
    if (c.op == "conv_transpose2d") return conv_transpose2d(x[0], x[1], x[2], {.stride = 2});
    if (c.op == "attention") return scaled_dot_product_attention(x[0], x[1], x[2]);
    throw ValueError("no op " + c.op);
}

double largest(const Tensor<>& x) { return static_cast<double>(abs(x).max().item()); }

/// Is any element no number of H?
template <class H>
bool has_more_digits(const Tensor<>& x) {
    return !equal(x.detach(), rounded<H>(x.detach()));
}

struct Net : nn::Module<Net> {
    nn::Conv2d<> conv{1, 4, 3};
    nn::LSTM<> lstm{6, 5, {.batch_first = true}};
    nn::Linear<> fc{5, 2};
    Tensor<> forward(Tensor<> x) {
        x = relu(conv(x)).flatten(1, 2).narrow(2, 0, 6);
        return fc(lstm(x).first.select(1, -1));
    }
};

std::vector<Tensor<>> gradients(const Tensor<>& loss, const std::vector<Tensor<>>& parameters) {
    return grad(loss, parameters, {.retain_graph = true});
}

}  // namespace

TEST_CASE("products under autocast agree with PyTorch's, to the digits of bfloat16", "[ops]") {
    int cases = 0;
    for (const Case& c : load_cases("amp.txt")) {
        if (c.op == "grad_scaler") continue;
        ++cases;
        std::vector<Tensor<>> x;
        for (const Written& written : c.inputs)
            if (written.name != "g") x.push_back(c.tensor<float>(written.name).requires_grad_());
        const Tensor<> y = run(c, x);
        y.backward(c.tensor<float>("g"));
        std::vector<Tensor<>> results = {y.detach()};
        for (const auto& input : x) results.push_back(input.grad());
        INFO(c.title);
        REQUIRE(results.size() == c.outputs.size());
        for (std::size_t i = 0; i < results.size(); ++i) {
            const auto there = c.tensor<float>(c.outputs[i].name);
            INFO(c.outputs[i].name);
            // there, results are rounded to 8 digits once, and once more on the way through attention
            CHECK(largest(results[i] - there) <= (c.op == "attention" ? 0.02 : 0.0045) * largest(there));
        }
    }
    CHECK(cases == 6);
}

TEST_CASE("autocast rounds operands and adds up in float", "[ops]") {
    manual_seed(0);
    const auto x = randn({9, 33}), w = randn({6, 33}), b = randn({6});
    const auto image = randn({2, 4, 6, 5}), kernel = randn({3, 4, 3, 3});
    const auto check = [&]<class H>(H) {
        const Autocast<H> guard;
        const auto product = matmul(x, w.t()), line = linear(x, w, b), picture = conv2d(image, kernel);
        const AutocastOff off;
        CHECK(allclose(product, matmul(rounded<H>(x), rounded<H>(w).t()), 1e-6, 1e-5));
        CHECK(allclose(line, linear(rounded<H>(x), rounded<H>(w), b), 1e-6, 1e-5));
        const double digits = std::same_as<H, float16> ? 0x1p-11 : 0x1p-8;  // cuDNN's convolutions give halfs
        CHECK(allclose(picture, conv2d(rounded<H>(image), rounded<H>(kernel)), has_more_digits<H>(picture) ? 1e-6 : digits, 1e-5));
        CHECK(has_more_digits<H>(product));
        if (std::same_as<DefaultDevice, Cpu>) CHECK(has_more_digits<H>(picture));
        CHECK_FALSE(allclose(product, matmul(x, w.t()), 1e-6, 1e-6));
    };
    check(float16());
    check(bfloat16());
    // what float16 cannot hold is infinite
    CHECK(std::isinf(autocast<float16>([] { return matmul(full({1, 1}, 1e5), ones({1, 1})); }).item()));
    CHECK(autocast<bfloat16>([] { return matmul(full({1, 1}, 1e5), ones({1, 1})); }).item() == bfloat16(1e5));
}

TEST_CASE("autocast leaves all else alone", "[ops]") {
    manual_seed(0);
    const auto x = randn({5, 7});
    const auto labels = randint(7, {5});
    const auto work = [&](const auto& value) {
        return std::vector{softmax(value, 1), layer_norm(value, {7}), value * 0.1 + exp(value), sum(value, 0),
                           nn::cross_entropy(value, labels)};
    };
    const auto plain = work(x), under = autocast<bfloat16>([&] { return work(x); });
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(equal(plain[i], under[i]));
    const auto wide = x.to<double>();
    CHECK(equal(matmul(wide, wide.t()), autocast<float16>([&] { return matmul(wide, wide.t()); })));
    const auto half = x.to<bfloat16>();
    CHECK(equal(matmul(half, half.t()), autocast<float16>([&] { return matmul(half, half.t()); })));
    const auto whole = x.to<std::int64_t>();
    CHECK(equal(matmul(whole, whole.t()), autocast<float16>([&] { return matmul(whole, whole.t()); })));
}

TEST_CASE("autocast nests, ends, and belongs to a thread", "[ops]") {
    const auto x = tensor({{1.0009765625f}}), one = tensor({{1.0f}});  // 1 + 2^-10: a float16, no bfloat16
    const auto product = [&] { return matmul(x, one).item(); };
    CHECK(product() == 1.0009765625f);
    {
        const Autocast<bfloat16> guard;
        CHECK(AutocastMode::dtype() == Dtype::bfloat16);
        CHECK(product() == 1);
        {
            const Autocast<float16> inner;
            CHECK(product() == 1.0009765625f);
            const AutocastOff off;
            CHECK_FALSE(AutocastMode::enabled());
            CHECK(matmul(tensor({{1.0001f}}), one).item() == 1.0001f);
        }
        CHECK(product() == 1);
        {
            const Autocast<bfloat16> disabled(false);
            CHECK(product() == 1.0009765625f);
        }
        float elsewhere = 0;
        std::thread([&] { elsewhere = product(); }).join();
        CHECK(elsewhere == 1.0009765625f);
        CHECK_THROWS_AS(autocast<float16>([&] { return matmul(x, tensor({1.0f, 2.0f})); }), ShapeError);
        CHECK(product() == 1);
    }
    CHECK(product() == 1.0009765625f);
    CHECK_FALSE(AutocastMode::enabled());
}

TEST_CASE("backward multiplies in the type that forward was recorded under, wherever it runs", "[ops]") {
    manual_seed(0);
    Net net;
    const auto parameters = net.parameters();
    const auto x = randn({3, 1, 5, 8});
    const auto loss_of = [&] { return sum(square(net(x))); };
    const Tensor<> cast = autocast<bfloat16>(loss_of), plain = loss_of();
    const auto cast_outside = gradients(cast, parameters), plain_outside = gradients(plain, parameters);
    std::vector<Tensor<>> cast_inside, plain_inside;
    {
        const Autocast<bfloat16> guard;
        cast_inside = gradients(cast, parameters);
        CHECK(AutocastMode::dtype() == Dtype::bfloat16);
    }
    {
        const Autocast<float16> guard;
        plain_inside = gradients(plain, parameters);
    }
    double change = 0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        CHECK(equal(cast_outside[i], cast_inside[i]));
        CHECK(equal(plain_outside[i], plain_inside[i]));
        change = std::max(change, largest(cast_outside[i] - plain_outside[i]) / largest(plain_outside[i]));
    }
    CHECK(change > 1e-4);
    CHECK(change < 0.1);
}

TEST_CASE("gradients of a product under autocast are products of rounded factors, of second order, too", "[ops]") {
    manual_seed(0);
    const auto a = randn({4, 9}).requires_grad_(), b = randn({9, 5}).requires_grad_(), g = randn({4, 5});
    const auto y = autocast<float16>([&] { return matmul(a, b); });
    const auto first = grad(y, std::vector{a, b}, g, {.create_graph = true});
    CHECK(allclose(first[0].detach(), matmul(rounded<float16>(g), rounded<float16>(b.detach()).t()), 1e-6, 1e-5));
    CHECK(allclose(first[1].detach(), matmul(rounded<float16>(a.detach()).t(), rounded<float16>(g)), 1e-6, 1e-5));
    // first[0] = g b^T, recorded by the backward pass outside of the scope
    const auto h = randn({4, 9});
    const auto second = grad(first[0], std::vector{b}, h);
    CHECK(allclose(second[0], matmul(rounded<float16>(h).t(), rounded<float16>(g)), 1e-6, 1e-5));
}

TEST_CASE("a network learns under autocast with scaled losses", "[ops]") {
    manual_seed(0);
    Net net;
    optim::Adam adam(net.parameters(), {.lr = 0.02});
    GradScaler scaler({.growth_interval = 10});
    const auto x = randn({6, 1, 5, 8});
    const auto labels = randint(2, {6});
    double loss_now = 0;
    for (int i = 0; i < 60; ++i) {
        adam.zero_grad();
        const auto loss = autocast<float16>([&] { return nn::cross_entropy(net(x), labels); });
        scaler.scale(loss).backward();
        scaler.step(adam);
        scaler.update();
        loss_now = static_cast<double>(loss.item());
    }
    CHECK(loss_now < 0.05);
}
