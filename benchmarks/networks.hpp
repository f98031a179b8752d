// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The larger networks of the comparison, each as one training step; networks.py has their twins.

#include <cstdint>
#include <headtorch/headtorch.hpp>
#include <memory>
#include <utility>

namespace benchmarks {
using namespace headtorch;

struct LeNet : nn::Module<LeNet> {
    nn::Conv2d<> conv1{3, 6, 5}, conv2{6, 16, 5};
    nn::MaxPool2d<> pool{2, 2};
    nn::Linear<> fc1{16 * 5 * 5, 120}, fc2{120, 84}, fc3{84, 10};
    Tensor<> forward(Tensor<> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        return fc3(relu(fc2(relu(fc1(x.flatten(1))))));
    }
};

/// The network of CelebA's attributes for images of 64 x 64, without its dropout.
struct MultiClassifier : nn::Module<MultiClassifier> {
    nn::Conv2d<> conv1{3, 64, 3}, conv2{64, 128, 3}, conv3{128, 256, 3}, conv4{256, 512, 3};
    nn::MaxPool2d<> pool{2};
    nn::Linear<> fc1{512 * 2 * 2, 1024}, fc2{1024, 256}, fc3{256, 40};
    Tensor<> forward(Tensor<> x) {
        x = relu(pool(conv1(x)));
        x = relu(pool(conv2(x)));
        x = relu(pool(conv3(x)));
        x = relu(pool(conv4(x)));
        return sigmoid(fc3(relu(fc2(relu(fc1(x.flatten(1)))))));
    }
};

struct BasicBlock : nn::Module<BasicBlock> {
    nn::Conv2d<> conv1, conv2;
    nn::BatchNorm2d<> bn1, bn2;
    nn::Sequential<> shortcut;

    BasicBlock(std::int64_t in, std::int64_t out, std::int64_t stride)
        : conv1({.in_channels = in, .out_channels = out, .kernel_size = 3, .stride = stride, .padding = 1, .bias = false}),
          conv2({.in_channels = out, .out_channels = out, .kernel_size = 3, .padding = 1, .bias = false}),
          bn1(out),
          bn2(out) {
        if (stride == 1 && in == out) return;
        shortcut.push_back(nn::Conv2d<>({.in_channels = in, .out_channels = out, .kernel_size = 1, .stride = stride, .bias = false}));
        shortcut.push_back(nn::BatchNorm2d<>(out));
    }
    Tensor<> forward(const Tensor<>& x) { return relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)); }
    auto fields() { return nn::fields("conv1", conv1, "conv2", conv2, "bn1", bn1, "bn2", bn2, "shortcut", shortcut); }
};

/// ResNet-18 as it is used on images of 32 x 32.
struct ResNet18 : nn::Module<ResNet18> {
    nn::Conv2d<> conv{{.in_channels = 3, .out_channels = 64, .kernel_size = 3, .padding = 1, .bias = false}};
    nn::BatchNorm2d<> bn{64};
    nn::Sequential<> blocks{BasicBlock(64, 64, 1),   BasicBlock(64, 64, 1),   BasicBlock(64, 128, 2),  BasicBlock(128, 128, 1),
                            BasicBlock(128, 256, 2), BasicBlock(256, 256, 1), BasicBlock(256, 512, 2), BasicBlock(512, 512, 1)};
    nn::Linear<> fc{512, 10};
    Tensor<> forward(const Tensor<>& x) { return fc(adaptive_avg_pool2d(blocks(relu(bn(conv(x)))), 1).flatten(1)); }
};

/// One step of SGD on `loss(net)`.
template <class Net, class Loss>
auto train_step(std::shared_ptr<Net> net, Loss loss) {
    return [net, loss, sgd = optim::SGD(net->parameters(), {.lr = 1e-4, .momentum = 0.9})]() mutable {
        sgd.zero_grad();
        loss(*net).backward();
        sgd.step();
    };
}

/// Sorts `batch` images of [3, size, size] into ten classes.
template <class Net>
auto classify(std::int64_t batch, std::int64_t size) {
    return train_step(std::make_shared<Net>(), [x = randn({batch, 3, size, size}), y = randint(0, 10, {batch})](Net& net) {
        return nn::cross_entropy(net(x), y);
    });
}

inline auto multi_classifier() {
    return train_step(std::make_shared<MultiClassifier>(), [x = rand({8, 3, 64, 64}), y = (rand({8, 40}) > 0.5f).to<float>()](auto& net) {
        return nn::binary_cross_entropy(net(x), y);
    });
}

/// 32 steps of a batch of 16.
inline auto lstm() {
    return train_step(std::make_shared<nn::LSTM<>>(64, 128),
                      [x = randn({32, 16, 64})](auto& net) { return square(net(x).first).mean(); });
}

/// A batch of 8 sequences of 64 positions.
inline auto encoder_layer() {
    const nn::TransformerEncoderLayerOptions options{.dim_feedforward = 512, .dropout = 0, .batch_first = true};
    return train_step(std::make_shared<nn::TransformerEncoderLayer<>>(128, 4, options),
                      [x = randn({8, 64, 128})](auto& net) { return square(net(x)).mean(); });
}

/// Attention alone, forward and backward: 8 sequences of 128 positions, 4 heads of 32.
inline auto attention() {
    const auto leaf = [] { return randn({8, 4, 128, 32}).requires_grad_(); };
    return [q = leaf(), k = leaf(), v = leaf()] {
        scaled_dot_product_attention(q, k, v).sum().backward();
        for (const Tensor<>& x : {q, k, v}) x.zero_grad();
    };
}

}  // namespace benchmarks
