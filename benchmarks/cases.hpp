// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The work that benchmarks/compare_pytorch.py also gives to PyTorch: each case is a name and a step to repeat.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <headtorch/headtorch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/networks.hpp"

namespace benchmarks {

using Step = std::function<void()>;
/// Makes the data and the model of a case, and gives back one step of its work.
using Setup = std::function<Step()>;

/// 50 small ops forward and backward; op(x, y) is applied to the result y of the one before.
template <class Op>
Setup chain(Op op) {
    return [op] {
        const Tensor<> x = tensor({0.9f, -1.1f, 1.05f, 0.95f}).requires_grad_(), seed = ones({4});
        return [=] {
            Tensor<> y = x;
            for (int i = 0; i < 50; ++i) y = op(x, y);
            y.backward(seed);
            x.zero_grad();
        };
    };
}

/// One op on tensors of 16 M floats; nothing is recorded.
template <class Op>
Setup large(Op op) {
    return [op] {
        const Tensor<> a = randn({1 << 24}), b = randn({1 << 24});
        return [=] {
            const NoGrad guard;
            op(a, b);
        };
    };
}

inline Setup matrix_product(std::int64_t n) {
    return [n] {
        const Tensor<> a = randn({n, n}), b = randn({n, n});
        return [=] { matmul(a, b); };
    };
}

struct Circles : nn::Module<Circles> {
    nn::Linear<> fc1{2, 2}, fc2{2, 1};
    Tensor<> forward(const Tensor<>& x) const { return sigmoid(fc2(tanh(fc1(x)))); }
};

struct Moons : nn::Module<Moons> {
    nn::Linear<double> fc1{2, 2}, fc2{2, 1};
    nn::BentIdentity activation{};
    Tensor<double> forward(const Tensor<double>& x) const { return sigmoid(fc2(activation(fc1(x)))); }
};

struct Disk : nn::Module<Disk> {
    nn::Linear<> fc1{2, 64}, fc2{64, 64}, fc3{64, 2};
    Tensor<> forward(const Tensor<>& x) const { return log_softmax(fc3(relu(fc2(relu(fc1(x))))), 1); }
};

struct Fashion : nn::Module<Fashion> {
    nn::Flatten flatten{};
    nn::Linear<> fc1{784, 64}, fc2{64, 64}, fc3{64, 10};
    Tensor<> forward(const Tensor<>& x) const { return fc3(relu(fc2(relu(fc1(flatten(x)))))); }
};

/// Batches of 5 of 500 points, and an update written by hand.
inline Step circles() {
    const auto net = std::make_shared<Circles>();
    const Tensor<> x = randn({500, 2}), y = (square(x).sum(1, true) < 1).to<float>();
    return [=, params = net->parameters(), i = std::int64_t{0}]() mutable {
        const Tensor<> loss = nn::binary_cross_entropy((*net)(x.narrow(0, i, 5)), y.narrow(0, i, 5));
        i = (i + 5) % 500;
        loss.backward();
        const NoGrad guard;
        for (const auto& p : params) {
            p -= p.grad() * 0.1;
            p.zero_grad();
        }
    };
}

/// 640 points at once in double precision, Adam.
inline Step moons() {
    const auto net = std::make_shared<Moons>();
    const Tensor<double> x = randn<double>({640, 2}), y = (x.narrow(1, 0, 1) > 0).to<double>();
    return [=, adam = optim::Adam(net->parameters(), {.lr = 0.01})]() mutable {
        adam.zero_grad();
        nn::binary_cross_entropy((*net)(x), y).backward();
        adam.step();
    };
}

/// Batches of 32, SGD.
inline Step disk() {
    const auto net = std::make_shared<Disk>();
    const Tensor<> x = rand({3200, 2}) * 2 - 1;
    const Tensor<std::int64_t> y = (square(x).sum(1) < 0.6366).to<std::int64_t>();
    return [=, sgd = optim::SGD(net->parameters(), {.lr = 1e-3}), i = std::int64_t{0}]() mutable {
        sgd.zero_grad();
        nn::nll_loss((*net)(x.narrow(0, i, 32)), y.narrow(0, i, 32)).backward();
        i = (i + 32) % 3200;
        sgd.step();
    };
}

/// Batches of 64 images of 28 x 28, SGD.
inline Step fashion_mnist() {
    const auto net = std::make_shared<Fashion>();
    const Tensor<> x = rand({6400, 1, 28, 28});
    const Tensor<std::int64_t> y = randint(0, 10, {6400});
    return [=, sgd = optim::SGD(net->parameters(), {.lr = 1e-3}), i = std::int64_t{0}]() mutable {
        sgd.zero_grad();
        nn::cross_entropy((*net)(x.narrow(0, i, 64)), y.narrow(0, i, 64)).backward();
        i = (i + 64) % 6400;
        sgd.step();
    };
}

/// A plain copy of 16 M floats: what the memory gives.
inline Step copy() {
    const Tensor<> a = randn({1 << 24}), b = randn({1 << 24});
    return [=] { std::memcpy(b.data(), a.data(), static_cast<std::size_t>(a.numel()) * sizeof(float)); };
}

inline const std::map<std::string, Setup>& cases() {
    static const std::map<std::string, Setup> all{
        {"mul", chain([weight = tensor({1.01f, 0.99f, -1.01f, -0.99f})](const auto&, const auto& y) { return y * weight; })},
        {"mul2", chain([](const auto& x, const auto& y) { return y * x; })},
        {"tanh", chain([](const auto&, const auto& y) { return tanh(y); })},
        {"circles", circles},
        {"moons", moons},
        {"disk", disk},
        {"fashion_mnist", fashion_mnist},
        {"lenet_4", [] { return classify<LeNet<>>(4, 32); }},
        {"lenet_64", [] { return classify<LeNet<>>(64, 32); }},
        {"lenet_256", [] { return classify<LeNet<>>(256, 32); }},
        {"multi_classifier", [] { return multi_classifier(); }},
        {"resnet18", [] { return classify<ResNet18<>>(16, 32); }},
        {"lstm", lstm},
        {"attention", attention},
        {"encoder_layer", [] { return encoder_layer(); }},
        {"copy", copy},
        {"large_relu", large([](const auto& a, const auto&) { return relu(a); })},
        {"large_add", large([](const auto& a, const auto& b) { return a + b; })},
        {"large_mul", large([](const auto& a, const auto& b) { return a * b; })},
        {"large_exp", large([](const auto& a, const auto&) { return exp(a); })},
        {"large_tanh", large([](const auto& a, const auto&) { return tanh(a); })},
        {"large_leaky_relu", large([](const auto& a, const auto&) { return nn::leaky_relu(a); })},
        {"large_elu", large([](const auto& a, const auto&) { return nn::elu(a); })},
        {"large_gelu", large([](const auto& a, const auto&) { return nn::gelu(a); })},
        {"matmul_64", matrix_product(64)},
        {"matmul_256", matrix_product(256)},
        {"matmul_1024", matrix_product(1024)},
    };
    return all;
}

/// Seconds per step, over about `duration` seconds after one step that warms up: of the clock on the wall, or, with one thread, of the
/// processor, which other programs disturb less.
inline double seconds_per_step(const Step& step, double duration) {
    const auto now = [] {
        if (get_num_threads() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
    const auto time = [&](std::int64_t count) {
        const double begin = now();
        for (std::int64_t i = 0; i < count; ++i) step();
        return now() - begin;
    };
    step();
    std::int64_t count = 1;
    double seconds = time(count);
    while (seconds < duration / 4) {
        count =
            std::max(2 * count, static_cast<std::int64_t>(static_cast<double>(count) * std::min(50.0, duration / (2 * seconds + 1e-9))));
        seconds = time(count);
    }
    return seconds / static_cast<double>(count);
}

}  // namespace benchmarks
