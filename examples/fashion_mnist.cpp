// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pictures of clothes, 28 x 28 grey pixels each, sorted into ten classes.

#include <cstdio>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <headtorch/viz.hpp>

#include "examples/common/cli.hpp"
using namespace headtorch;

struct Mlp : nn::Module<Mlp> {
    nn::Flatten flatten;
    nn::Linear<> fc1{28 * 28, 64}, fc2{64, 64}, fc3{64, 10};

    Tensor<> forward(Tensor<> x) {
        x = flatten(x);
        x = relu(fc1(x));
        x = relu(fc2(x));
        return fc3(x);  // scores; cross_entropy makes probabilities of them
    }
};

struct Cnn : nn::Module<Cnn> {
    nn::Conv2d<> conv1{1, 32, 3}, conv2{32, 64, 3};
    nn::MaxPool2d<> pool{2};
    nn::Linear<> fc1{64 * 5 * 5, 128}, fc2{128, 10};

    Tensor<> forward(Tensor<> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        return fc2(relu(fc1(x.flatten(1))));
    }
};

std::int64_t count_correct(const Tensor<>& scores, const Tensor<std::int64_t>& labels) { return (scores.argmax(1) == labels).sum().item(); }

double share(std::int64_t part, std::int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

// Trains, tests, draws.
void run(auto& net, auto& optimizer, const data::FashionMNIST& train, const data::FashionMNIST& test, bool shuffle,
         const examples::Options& options) {
    const data::DataLoader train_loader(train, {.batch_size = 64, .shuffle = shuffle}), test_loader(test, {.batch_size = 1000});
    std::printf("%s\n%lld parameters\n", net.to_string().c_str(), static_cast<long long>(net.num_parameters()));

    train::History history;
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        train::Progress progress(train_loader.size(), {.description = message("epoch ", epoch)});
        double loss_sum = 0;
        std::int64_t correct = 0;
        for (const auto& [images, labels] : train_loader) {
            optimizer.zero_grad();
            const Tensor<> scores = net(images);
            const Tensor<> loss = nn::cross_entropy(scores, labels);
            loss.backward();
            optimizer.step();
            loss_sum += loss.item();
            correct += count_correct(scores, labels);
            progress.step({{"loss", loss.item()}});
        }
        progress.finish();
        history.add({{"loss", loss_sum / static_cast<double>(train_loader.size())}, {"accuracy", share(correct, train.size())}});
        std::printf("epoch %2d: loss %.3f, accuracy %.1f %%\n", static_cast<int>(epoch), history["loss"].back(),
                    100 * history["accuracy"].back());
        std::fflush(stdout);
    }

    NoGrad guard;
    std::int64_t correct = 0;
    for (const auto& [images, labels] : test_loader) correct += count_correct(net(images), labels);
    const double test_accuracy = share(correct, test.size());
    std::printf("accuracy on the %lld test images: %.1f %%\n", static_cast<long long>(test.size()), 100 * test_accuracy);

    if (options.plots) {
        viz::Figure losses({.title = "Fashion-MNIST: mean loss of each epoch", .x_label = "epoch", .y_label = "cross entropy"});
        losses.line(history["loss"]).save(options.file("fashion_mnist_loss.png"));
        viz::Figure accuracies({.title = "Fashion-MNIST: share of images sorted rightly", .x_label = "epoch", .y_label = "accuracy"});
        accuracies.line(history["accuracy"]).save(options.file("fashion_mnist_accuracy.png"));

        const auto [images, labels] = test.slice(0, 25);
        const auto truth = labels.tolist(), found = net(images).argmax(1).tolist();
        std::vector<viz::Caption> captions;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const std::string guess(test.classes[static_cast<std::size_t>(found[i])]),
                label(test.classes[static_cast<std::size_t>(truth[i])]);
            const bool right = found[i] == truth[i];
            captions.emplace_back(right ? guess : guess + " (" + label + ")", right ? viz::Mark::right : viz::Mark::wrong);
        }
        viz::image_grid(images, captions, {.title = "Predicted label, and the true one (in brackets) where it is another"})
            .save(options.file("fashion_mnist_samples.png"));
    }
    examples::Result()
        .add("epochs", options.epochs)
        .add("loss", history["loss"].back())
        .add("accuracy", history["accuracy"].back())
        .add("test_accuracy", test_accuracy)
        .print();
}

int main(int argc, char** argv) {
    std::string kind = "mlp";
    examples::Options options = examples::parse(
        argc, argv, "fashion_mnist", "Pictures of clothes sorted into ten classes.", {},
        {.choices = {{"--net", "Fully connected (10 epochs unless told) or with convolutions (5)", {"mlp", "cnn"}, &kind}}});
    if (options.epochs == 0) options.epochs = kind == "cnn" ? 5 : 10;
    const std::string directory = examples::data_directory(options, "fashion-mnist", "train-images-idx3-ubyte",
                                                           "install Debian's dataset-fashion-mnist, or give --data DIR with the files of "
                                                           "https://github.com/zalandoresearch/fashion-mnist")
                                      .string();
    const data::FashionMNIST train(directory, data::Split::train), test(directory, data::Split::test);
    if (kind == "cnn") {
        Cnn net;
        optim::Adam adam(net.parameters(), {.lr = 0.001});
        run(net, adam, train, test, true, options);
    } else {
        Mlp net;
        optim::SGD sgd(net.parameters(), {.lr = 0.001});
        run(net, sgd, train, test, false, options);  // in the files' order, as the tutorial
    }
}
