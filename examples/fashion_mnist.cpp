// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pictures of clothes, 28 x 28 grey pixels each, sorted into ten classes.

#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <headtorch/viz.hpp>
#include <optional>

#include "examples/common/page.hpp"
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

// Trains, tests, draws.
void run(auto& net, auto& optimizer, const data::FashionMNIST& train, const data::FashionMNIST& test, bool shuffle,
         const examples::Options& options, examples::Page& page) {
    const data::DataLoader train_loader(train, {.batch_size = 64, .shuffle = shuffle}), test_loader(test, {.batch_size = 1000});
    page.print("The network", summary(net, {1, 28, 28}).to_string());

    train::History history;
    std::optional<viz::LivePlot> live;
    if (options.live) live.emplace(options.file("fashion_mnist_live.png"));
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        train::Progress progress(train_loader.size(), {.description = message("epoch ", epoch)});
        train::Accuracy accuracy;
        double loss_sum = 0;
        for (const auto& [images, labels] : train_loader.template to<DefaultDevice>()) {
            optimizer.zero_grad();
            const Tensor<> scores = net(images);
            const Tensor<> loss = nn::cross_entropy(scores, labels);
            loss.backward();
            optimizer.step();
            loss_sum += loss.item();
            accuracy.update(scores, labels);
            progress.step({{"loss", loss.item()}});
        }
        progress.finish();
        const train::Numbers tested = train::evaluate(net, test_loader, nn::CrossEntropyLoss<>(), {train::Accuracy()});
        history.add({{"loss", loss_sum / static_cast<double>(train_loader.size())},
                     {"val_loss", tested["loss"]},
                     {"accuracy", accuracy.compute()},
                     {"val_accuracy", tested["accuracy"]}});
        if (live) live->update(history);
        page.log("epoch %2d: loss %.3f, accuracy %.1f %%; on the test images %.3f, %.1f %%\n", static_cast<int>(epoch),
                 history["loss"].back(), 100 * history["accuracy"].back(), history["val_loss"].back(),
                 100 * history["val_accuracy"].back());
    }

    if (options.plots) {
        page.picture(viz::learning_curves(history, {.title = "Fashion-MNIST", .labels = {{"loss", "cross entropy"}}}),
                     "fashion_mnist_training.png",
                     "Mean loss of each epoch and share of images sorted rightly, in training and on the test images.",
                     "Two panels: losses that fall and accuracies that rise; the curves of training and test lie close together.");

        NoGrad guard;
        net.eval();
        const auto [images, labels] = test.slice(0, 25);
        const auto truth = labels.tolist(), found = net(images.template to<DefaultDevice>()).argmax(1).tolist();
        std::vector<viz::Caption> captions;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const std::string guess(test.classes[static_cast<std::size_t>(found[i])]),
                label(test.classes[static_cast<std::size_t>(truth[i])]);
            const bool right = found[i] == truth[i];
            captions.emplace_back(right ? guess : guess + " (" + label + ")", right ? viz::Mark::right : viz::Mark::wrong);
        }
        page.picture(viz::image_grid(images, captions, {.title = "Predicted label, and the true one (in brackets) where it is another"}),
                     "fashion_mnist_samples.png", "The first 25 test images, with what the network takes them for.",
                     "A grid of grey pictures of clothes. Most have a green caption with a tick, some an orange one with a cross.")
            .main_picture();

        const auto [every_image, every_label] = test.slice(0, test.size());
        const std::vector<std::string> names(test.classes.begin(), test.classes.end());
        page.picture(viz::confusion_matrix(every_label, train::predict(net, every_image, 1000).argmax(1),
                                           {.title = "What is taken for what", .names = names}),
                     "fashion_mnist_confusion.png", "Each row is a true class: how many of its test images were sorted where.",
                     "A table of ten by ten cells, dark along the diagonal; shirts, pullovers and coats are taken for one another.");
    }
    examples::Result()
        .add("epochs", options.epochs)
        .add("loss", history["loss"].back())
        .called("loss of the last epoch")
        .add("accuracy", history["accuracy"].back())
        .called("accuracy in the last epoch")
        .add("test_accuracy", history["val_accuracy"].back())
        .called("accuracy on the test images")
        .print(page);
}

int main(int argc, char** argv) {
    std::string kind = "mlp";
    examples::Options options = examples::parse(
        argc, argv, "fashion_mnist", "Pictures of clothes sorted into ten classes.", {},
        {.choices = {{"--net", "Fully connected (10 epochs unless told) or with convolutions (5)", {"mlp", "cnn"}, &kind}}, .live = true});
    if (options.epochs == 0) options.epochs = kind == "cnn" ? 5 : 10;
    const std::string directory = examples::data_directory(options, "fashion-mnist", "train-images-idx3-ubyte",
                                                           "install Debian's dataset-fashion-mnist, or give --data DIR with the files of "
                                                           "https://github.com/zalandoresearch/fashion-mnist")
                                      .string();
    examples::Page page(options, "Fashion-MNIST");
    page.setting("--epochs", std::to_string(options.epochs));
    const data::FashionMNIST train(directory, data::Split::train), test(directory, data::Split::test);
    if (kind == "cnn") {
        Cnn net;
        optim::Adam adam(net.parameters(), {.lr = 0.001});
        run(net, adam, train, test, true, options, page);
    } else {
        Mlp net;
        optim::SGD sgd(net.parameters(), {.lr = 0.001});
        run(net, sgd, train, test, false, options, page);  // in the files' order, as the tutorial
    }
}
