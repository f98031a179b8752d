// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Small colour images sorted into ten classes: PyTorch's "Training a Classifier", and a small residual network.

#include <array>
#include <cmath>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <headtorch/viz.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "examples/common/page.hpp"
#include "examples/common/shapes.hpp"
using namespace headtorch;

struct LeNet : nn::Module<LeNet> {
    nn::Conv2d<> conv1{3, 6, 5}, conv2{6, 16, 5};
    nn::MaxPool2d<> pool{2, 2};
    nn::Linear<> fc1{16 * 5 * 5, 120}, fc2{120, 84}, fc3{84, 10};

    Tensor<> forward(Tensor<> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        x = x.flatten(1);
        return fc3(relu(fc2(relu(fc1(x)))));
    }
};

// What a layer computes is added to its input (K. He et al., "Deep Residual Learning for Image Recognition", 2015).
struct Residual : nn::Module<Residual> {
    nn::Conv2d<> conv1, conv2;
    nn::BatchNorm2d<> bn1, bn2;
    nn::Sequential<> shortcut;

    Residual(std::int64_t in, std::int64_t out, std::int64_t stride)
        : conv1({.in_channels = in, .out_channels = out, .kernel_size = 3, .stride = stride, .padding = 1, .bias = false}),
          conv2({.in_channels = out, .out_channels = out, .kernel_size = 3, .padding = 1, .bias = false}),
          bn1(out),
          bn2(out) {
        if (stride == 1 && in == out) return;
        shortcut.push_back(nn::Conv2d<>({.in_channels = in, .out_channels = out, .kernel_size = 1, .stride = stride, .bias = false}));
        shortcut.push_back(nn::BatchNorm2d<>(out));
    }
    Tensor<> forward(const Tensor<>& x) {
        const Tensor<> y = bn2(conv2(relu(bn1(conv1(x)))));
        return relu(y + shortcut(x));
    }
    auto fields() { return nn::fields("conv1", conv1, "conv2", conv2, "bn1", bn1, "bn2", bn2, "shortcut", shortcut); }
};

struct ResNet : nn::Module<ResNet> {
    nn::Conv2d<> conv{{.in_channels = 3, .out_channels = 32, .kernel_size = 3, .padding = 1, .bias = false}};
    nn::BatchNorm2d<> bn{32};
    nn::Sequential<> blocks{Residual(32, 32, 1), Residual(32, 64, 2), Residual(64, 128, 2)};
    nn::Linear<> fc{128, 10};

    Tensor<> forward(Tensor<> x) {
        x = blocks(relu(bn(conv(x))));
        return fc(adaptive_avg_pool2d(x, 1).flatten(1));
    }
};

// The first weights that an image meets.
const Tensor<>& filters_of(const LeNet& net) { return net.conv1.weight; }
const Tensor<>& filters_of(const ResNet& net) { return net.conv.weight; }

// Images as bytes, their labels, and what the classes are called.
struct Images {
    data::TensorDataset<Tensor<std::uint8_t, Cpu>, Tensor<std::int64_t, Cpu>> train, test;
    std::array<std::string_view, 10> classes;
};

Images read_cifar10(const examples::Options& options) {
    const std::string directory =
        examples::data_directory(options, "cifar10", "cifar-10-batches-bin",
                                 "`sh cmake/download.sh cifar10` gets the images, or give --data DIR with the unpacked binary version of "
                                 "https://www.cs.toronto.edu/~kriz/cifar.html; --synthetic trains on drawn shapes instead")
            .string();
    const data::CIFAR10 train(directory, data::Split::train), test(directory, data::Split::test);
    return {data::TensorDataset(train.images, train.labels), data::TensorDataset(test.images, test.labels), data::CIFAR10::classes};
}

Images draw_images(std::uint64_t seed) {
    Generator generator(seed);
    const examples::Shapes train = examples::draw_shapes(10000, 32, generator), test = examples::draw_shapes(2000, 32, generator);
    return {data::TensorDataset(train.images, train.labels), data::TensorDataset(test.images, test.labels), examples::shape_names};
}

const data::Compose to_network(data::ToTensor(), data::Normalize({0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}));  // pixels from -1 to 1

// How many images of each class there are, and how many of them the network finds.
struct Found {
    std::array<std::int64_t, 10> right{}, all{};
    double accuracy() const {
        std::int64_t r = 0, n = 0;
        for (std::size_t k = 0; k < 10; ++k) r += right[k], n += all[k];
        return static_cast<double>(r) / static_cast<double>(n);
    }
};

template <class Net>
Found count_found(Net& net, const auto& test) {
    NoGrad guard;
    net.eval();
    Found found;
    const data::DataLoader loader(data::transformed(test, to_network), {.batch_size = 250});
    for (const auto& [images, labels] : loader.template to<DefaultDevice>()) {
        const auto guesses = net(images).argmax(1).tolist(), truth = labels.tolist();
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto k = static_cast<std::size_t>(truth[i]);
            ++found.all[k];
            found.right[k] += guesses[i] == truth[i];
        }
    }
    net.train();
    return found;
}

// One pass over the training images; the mean loss is shown every 2,000 batches, and returned for all.
template <class Net>
double train_epoch(Net& net, auto& optimizer, auto& scheduler, const auto& loader, std::int64_t epoch) {
    train::Progress progress(loader.size(), {.description = message("epoch ", epoch)});
    double sum = 0, running = 0;
    std::int64_t batch = 0;
    for (const auto& [images, labels] : loader.template to<DefaultDevice>()) {
        optimizer.zero_grad();
        const Tensor<> loss = nn::cross_entropy(net(images), labels);
        loss.backward();
        optimizer.step();
        if (scheduler) scheduler->step();
        sum += loss.item();
        running += loss.item();
        progress.step({{"loss", loss.item()}});
        if (++batch % 2000 == 0) {
            progress.print(message("[", epoch, ", ", batch, "] loss: ", std::round(running / 2) / 1000));
            running = 0;
        }
    }
    progress.finish();
    return sum / static_cast<double>(batch);
}

template <class Net>
void run(Net& net, const Images& images, const examples::Options& options, examples::Page& page, const std::string& name, auto& optimizer,
         auto scheduler, const auto& loader) {
    page.print("The network", summary(net, {3, 32, 32}).to_string());
    page.log("%lld images to train with, %lld to test\n", static_cast<long long>(images.train.size()),
             static_cast<long long>(images.test.size()));
    const auto first_filters = filters_of(net).detach().clone();
    train::History history;
    std::optional<viz::LivePlot> live;
    if (options.live) live.emplace(options.file(name + "_live.png"));
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        const double loss = train_epoch(net, optimizer, scheduler, loader, epoch);
        history.add({{"loss", loss}, {"val_accuracy", count_found(net, images.test).accuracy()}});
        if (live) live->update(history);
        page.log("epoch %2d: mean loss %.3f, accuracy on the test images %.1f %%\n", static_cast<int>(epoch), loss,
                 100 * history["val_accuracy"].back());
    }

    // the state goes to a file, and from it into a new network
    const std::string path = options.file(name + ".safetensors");
    io::save(path, net.state_dict());
    Net again;
    again.load_state_dict(io::load(path));
    page.log("saved as %s.safetensors, and loaded into a new network\n", name.c_str());

    const Found found = count_found(again, images.test);
    const std::vector<std::string> classes(images.classes.begin(), images.classes.end());
    std::vector<double> shares;
    std::vector<std::vector<std::string>> rows;
    for (std::size_t k = 0; k < 10; ++k) {
        shares.push_back(100 * static_cast<double>(found.right[k]) / static_cast<double>(std::max<std::int64_t>(1, found.all[k])));
        rows.push_back({classes[k], examples::format("%.1f", shares[k])});
    }
    page.table("Share of the test images of each class that are sorted rightly, in percent", {"class", "accuracy (%)"}, rows);

    NoGrad guard;
    again.eval();
    const auto [four, labels] = images.test.slice(0, 4);
    const auto guesses = again(to_network(four).template to<DefaultDevice>()).argmax(1).tolist(), truth = labels.tolist();
    std::vector<viz::Caption> captions;
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const std::string guess(images.classes[static_cast<std::size_t>(guesses[i])]),
            label(images.classes[static_cast<std::size_t>(truth[i])]);
        page.log("image %zu: %s, taken for %s\n", i + 1, label.c_str(), guess.c_str());
        const bool right = guesses[i] == truth[i];
        captions.emplace_back(right ? guess : guess + " (" + label + ")", right ? viz::Mark::right : viz::Mark::wrong);
    }
    if (options.plots) {
        const std::string heading = name.starts_with("synthetic") ? "Drawn shapes" : "CIFAR-10";
        page.picture(viz::image_grid(four, captions, {.title = "Four test images: what the network takes them for", .columns = 4}),
                     name + "_samples.png",
                     "Four test images with the label that was found, and the true one (in brackets) where it is another.",
                     "Four small colour images in a row, with captions that are green with a tick or orange with a cross.")
            .main_picture();
        page.picture(viz::learning_curves(history, {.title = heading, .labels = {{"loss", "cross entropy"}}}), name + "_training.png",
                     "Mean loss of each epoch, and share of test images sorted rightly after it.",
                     "Two panels: a loss that falls, an accuracy that rises.");
        page.picture(viz::bars(classes, shares,
                               {.title = "Accuracy of each class", .label = "sorted rightly (%)", .reference = 100 * found.accuracy()}),
                     name + "_classes.png", "Share of the test images of each class that are sorted rightly; the line is the share of all.",
                     "Ten bars, one for each class, and a line at their mean.");
        page.picture(viz::filters(first_filters, {.title = "Filters of the first convolution, before"}), name + "_filters_before.png",
                     "The filters of the first convolution as they were drawn at random.", "Small coloured squares of noise.");
        page.picture(viz::filters(filters_of(again), {.title = "Filters of the first convolution, after"}), name + "_filters.png",
                     "The same filters after training.", "Small coloured squares; some show edges and patches of colour.");
        page.picture(viz::weight_histograms(again), name + "_weights.png", "Weights and biases of each layer after training.",
                     "One histogram for each parameter, most of them bell-shaped around zero.");
        page.picture(viz::graph(again, {3, 32, 32}), name + "_graph.svg", "How an image flows through the network.",
                     "Boxes for the layers, joined by arrows with the shapes of what flows.");
    }
    examples::Result()
        .add("epochs", options.epochs)
        .add("loss", history["loss"].back())
        .called("loss of the last epoch")
        .add("first_loss", history["loss"][0])
        .called("loss of the first epoch")
        .add("first_accuracy", history["val_accuracy"][0])
        .called("test accuracy after the first epoch")
        .add("test_accuracy", found.accuracy())
        .called("test accuracy at the end")
        .print(page);
}

int main(int argc, char** argv) {
    std::string kind = "lenet";
    bool synthetic = false;
    examples::Options options =
        examples::parse(argc, argv, "cifar10", "Small colour images sorted into ten classes.", {},
                        {.choices = {{"--net", "The network (2 epochs unless told, resnet 12)", {"lenet", "resnet"}, &kind}},
                         .switches = {{"--synthetic", "Train on drawn shapes of ten kinds, not on CIFAR-10", &synthetic}},
                         .live = true});
    if (options.epochs == 0) options.epochs = kind == "lenet" ? 2 : 12;
    examples::Page page(options, synthetic ? "Drawn shapes in place of CIFAR-10" : "CIFAR-10");
    const Images images = synthetic ? draw_images(options.seed) : read_cifar10(options);
    const std::string name = (synthetic ? "synthetic_" : "cifar10_") + kind;
    manual_seed(options.seed);

    if (kind == "lenet") {
        LeNet net;
        optim::SGD sgd(net.parameters(), {.lr = 0.001, .momentum = 0.9});
        const data::DataLoader loader(data::transformed(images.train, to_network), {.batch_size = 4, .shuffle = true});
        run(net, images, options, page, name, sgd, static_cast<optim::OneCycleLR*>(nullptr), loader);
    } else {
        ResNet net;
        optim::SGD sgd(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
        const data::Compose augmented(data::RandomCrop({.size = 32, .padding = 4}), data::RandomHorizontalFlip(), to_network);
        const data::DataLoader loader(data::transformed(images.train, augmented), {.batch_size = 64, .shuffle = true, .drop_last = true});
        optim::OneCycleLR schedule(sgd, {.max_lr = 0.1, .total_steps = options.epochs * loader.size()});
        run(net, images, options, page, name, sgd, &schedule, loader);
    }
}
