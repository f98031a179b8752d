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

template <class T = float>
struct LeNet : nn::Module<LeNet<T>> {
    nn::Conv2d<T> conv1{3, 6, 5}, conv2{6, 16, 5};
    nn::MaxPool2d<> pool{2, 2};
    nn::Linear<T> fc1{16 * 5 * 5, 120}, fc2{120, 84}, fc3{84, 10};
    Tensor<T> forward(Tensor<T> x) {
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

template <class T = float>
struct BasicBlock : nn::Module<BasicBlock<T>> {
    nn::Conv2d<T> conv1, conv2;
    nn::BatchNorm2d<T> bn1, bn2;
    nn::Sequential<T> shortcut;

    BasicBlock(std::int64_t in, std::int64_t out, std::int64_t stride)
        : conv1({.in_channels = in, .out_channels = out, .kernel_size = 3, .stride = stride, .padding = 1, .bias = false}),
          conv2({.in_channels = out, .out_channels = out, .kernel_size = 3, .padding = 1, .bias = false}),
          bn1(out),
          bn2(out) {
        if (stride == 1 && in == out) return;
        shortcut.push_back(nn::Conv2d<T>({.in_channels = in, .out_channels = out, .kernel_size = 1, .stride = stride, .bias = false}));
        shortcut.push_back(nn::BatchNorm2d<T>(out));
    }
    Tensor<T> forward(const Tensor<T>& x) { return relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)); }
    auto fields() { return nn::fields("conv1", conv1, "conv2", conv2, "bn1", bn1, "bn2", bn2, "shortcut", shortcut); }
};

/// ResNet-18 as it is used on images of 32 x 32.
template <class T = float>
struct ResNet18 : nn::Module<ResNet18<T>> {
    nn::Conv2d<T> conv{{.in_channels = 3, .out_channels = 64, .kernel_size = 3, .padding = 1, .bias = false}};
    nn::BatchNorm2d<T> bn{64};
    nn::Sequential<T> blocks{BasicBlock<T>(64, 64, 1),   BasicBlock<T>(64, 64, 1),   BasicBlock<T>(64, 128, 2),  BasicBlock<T>(128, 128, 1),
                            BasicBlock<T>(128, 256, 2), BasicBlock<T>(256, 256, 1), BasicBlock<T>(256, 512, 2), BasicBlock<T>(512, 512, 1)};
    nn::Linear<T> fc{512, 10};
    Tensor<T> forward(const Tensor<T>& x) { return fc(adaptive_avg_pool2d(blocks(relu(bn(conv(x)))), 1).flatten(1)); }
};

/// Whether the steps that are made now will be recorded in a cuda::Graph.
inline bool recorded_later = false;

/// One step of SGD on `loss(net)`.
template <class Net, class Loss>
auto train_step(std::shared_ptr<Net> net, Loss loss) {
    return [net, loss, sgd = optim::SGD(net->parameters(), {.lr = 1e-4, .momentum = 0.9, .capturable = recorded_later})]() mutable {
        sgd.zero_grad();
        loss(*net).backward();
        sgd.step();
    };
}

/// The element type of a network.
template <class Net>
using Element = typename decltype(std::declval<Net&>().parameters())::value_type::value_type;

/// Sorts `batch` images of [3, size, size] into ten classes.
template <class Net>
auto classify(std::int64_t batch, std::int64_t size) {
    const auto x = randn<Element<Net>>({batch, 3, size, size});
    return train_step(std::make_shared<Net>(), [x, y = randint(0, 10, {batch})](Net& net) { return nn::cross_entropy(net(x), y); });
}

inline auto multi_classifier(std::int64_t batch = 8) {
    const auto x = rand({batch, 3, 64, 64});
    return train_step(std::make_shared<MultiClassifier>(), [x, y = (rand({batch, 40}) > 0.5f).to<float>()](auto& net) {
        return nn::binary_cross_entropy(net(x), y);
    });
}

/// 32 steps of a batch of 16.
inline auto lstm() {
    return train_step(std::make_shared<nn::LSTM<>>(64, 128),
                      [x = randn({32, 16, 64})](auto& net) { return square(net(x).first).mean(); });
}

/// A batch of sequences; the inner layer is four times as wide.
inline auto encoder_layer(std::int64_t batch = 8, std::int64_t positions = 64, std::int64_t width = 128, std::int64_t heads = 4) {
    const nn::TransformerEncoderLayerOptions options{.dim_feedforward = 4 * width, .dropout = 0, .batch_first = true};
    return train_step(std::make_shared<nn::TransformerEncoderLayer<>>(width, heads, options),
                      [x = randn({batch, positions, width})](auto& net) { return square(net(x)).mean(); });
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
