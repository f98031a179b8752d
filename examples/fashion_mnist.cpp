// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pictures of clothes, 28 x 28 grey pixels each, sorted into ten classes.

#include <cstdio>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>

#include "examples/common/cli.hpp"
using namespace headtorch;

struct Net : nn::Module<Net> {
    nn::Flatten flatten;
    nn::Linear<> fc1{28 * 28, 64}, fc2{64, 64}, fc3{64, 10};

    Tensor<> forward(Tensor<> x) {
        x = flatten(x);
        x = relu(fc1(x));
        x = relu(fc2(x));
        return fc3(x);  // scores; cross_entropy makes probabilities of them
    }
};

std::int64_t count_correct(const Tensor<>& scores, const Tensor<std::int64_t>& labels) {
    return (scores.argmax(1) == labels).sum().item();
}

int main(int argc, char** argv) {
    const examples::Options options =
        examples::parse(argc, argv, "fashion_mnist", "Pictures of clothes sorted into ten classes.", {.epochs = 10});
    const std::string directory =
        examples::data_directory(options, "fashion-mnist", "train-images-idx3-ubyte",
                                 "install Debian's dataset-fashion-mnist, or give --data DIR with the files of "
                                 "https://github.com/zalandoresearch/fashion-mnist")
            .string();
    const data::FashionMNIST train(directory, data::Split::train), test(directory, data::Split::test);
    const data::DataLoader train_loader(train, {.batch_size = 64}), test_loader(test, {.batch_size = 1000});

    Net net;
    std::printf("%s\n%lld parameters\n", net.to_string().c_str(), static_cast<long long>(net.num_parameters()));
    optim::SGD sgd(net.parameters(), {.lr = 0.001});

    double loss_mean = 0, accuracy = 0;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        double loss_sum = 0;
        std::int64_t correct = 0;
        for (const auto& [images, labels] : train_loader) {
            sgd.zero_grad();
            const Tensor<> scores = net(images);
            const Tensor<> loss = nn::cross_entropy(scores, labels);
            loss.backward();
            sgd.step();
            loss_sum += loss.item();
            correct += count_correct(scores, labels);
        }
        loss_mean = loss_sum / static_cast<double>(train_loader.size());
        accuracy = static_cast<double>(correct) / static_cast<double>(train.size());
        std::printf("epoch %2d: loss %.3f, accuracy %.1f %%\n", static_cast<int>(epoch), loss_mean, 100 * accuracy);
        std::fflush(stdout);
    }

    NoGrad guard;
    std::int64_t correct = 0;
    for (const auto& [images, labels] : test_loader) correct += count_correct(net(images), labels);
    const double test_accuracy = static_cast<double>(correct) / static_cast<double>(test.size());
    examples::Result()
        .add("epochs", options.epochs)
        .add("loss", loss_mean)
        .add("accuracy", accuracy)
        .add("test_accuracy", test_accuracy)
        .print();
}
