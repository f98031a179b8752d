// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Forty yes-or-no questions about a face, answered by one network.

#include <algorithm>
#include <headtorch/headtorch.hpp>
#include <headtorch/io.hpp>
#include <headtorch/viz.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "examples/common/page.hpp"
using namespace headtorch;

struct MultiClassifier : nn::Module<MultiClassifier> {
    nn::Sequential<> conv1{nn::Conv2d<>(3, 64, 3), nn::MaxPool2d<>(2), nn::ReLU()};
    nn::Sequential<> conv2{nn::Conv2d<>(64, 128, 3), nn::MaxPool2d<>(2), nn::ReLU()};
    nn::Sequential<> conv3{nn::Conv2d<>(128, 256, 3), nn::MaxPool2d<>(2), nn::ReLU()};
    nn::Sequential<> conv4{nn::Conv2d<>(256, 512, 3), nn::MaxPool2d<>(2), nn::ReLU(), nn::Dropout(0.2)};
    nn::Linear<> linear1, linear2{1024, 256}, linear3{256, 40};

    // Images of size x size pixels; four blocks leave 14 x 14 of 256, and 2 x 2 of 64.
    explicit MultiClassifier(std::int64_t size) : linear1(512 * left_of(size) * left_of(size), 1024) {}

    Tensor<> forward(Tensor<> x) {
        x = conv4(conv3(conv2(conv1(x)))).flatten(1);
        x = relu(linear1(x));
        x = relu(linear2(x));
        return sigmoid(linear3(x));
    }
    auto fields() {
        return nn::fields("conv1", conv1, "conv2", conv2, "conv3", conv3, "conv4", conv4, "linear1", linear1, "linear2", linear2, "linear3",
                          linear3);
    }

private:
    static std::int64_t left_of(std::int64_t size) {
        for (int block = 0; block < 4; ++block) size = (size - 2) / 2;
        return size;
    }
};

// Share of right answers to each question.
std::vector<double> accuracies(MultiClassifier& net, const auto& loader) {
    NoGrad guard;
    net.eval();
    Tensor<std::int64_t> right = zeros<std::int64_t>({40});
    std::int64_t count = 0;
    for (const auto& [images, labels] : loader.template to<DefaultDevice>()) {
        right += ((net(images) > 0.5f) == (labels > 0.5f)).sum(0);
        count += labels.size(0);
    }
    net.train();
    std::vector<double> shares;
    for (const std::int64_t r : right.tolist())
        shares.push_back(static_cast<double>(r) / static_cast<double>(std::max<std::int64_t>(1, count)));
    return shares;
}

double mean_of(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

int main(int argc, char** argv) {
    std::string size_text = "64";
    std::int64_t batch = 16;
    const examples::Options options =
        examples::parse(argc, argv, "celeba", "Forty attributes of a face, found by one network.", {.epochs = 12},
                        {.choices = {{"--size", "Width and height that images are brought to", {"64", "256"}, &size_text}},
                         .numbers = {{"--batch", "Images in a batch", 1, 4096, &batch}},
                         .live = true});
    const std::string directory =
        examples::data_directory(
            options, "celeba", "list_attr_celeba.txt",
            "`sh cmake/download.sh celeba` says where to get the images; make_celeba draws a small set of the same layout")
            .string();
    const std::int64_t size = std::stol(size_text);
    const data::Compose to_network(data::Resize({size, size}), data::ToTensor());
    const data::CelebA test_set(directory, data::Split::test);
    const data::DataLoader train(data::transformed(data::CelebA(directory, data::Split::train), to_network),
                                 {.batch_size = batch, .shuffle = true, .num_workers = 1}),
        test(data::transformed(test_set, to_network), {.batch_size = batch, .num_workers = 1});
    if (test_set.attribute_names.size() != 40) examples::fail(options, "the list in " + directory + " has not 40 attributes");

    MultiClassifier net(size);
    examples::Page page(options, "CelebA attributes");
    page.print("The network", summary(net, {3, size, size}).to_string(1));
    optim::Adam adam(net.parameters(), {.lr = 3e-4});
    train::History history;
    std::optional<viz::LivePlot> live;
    if (options.live) live.emplace(options.file("celeba_live.png"));
    for (std::int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
        train::Progress progress(train.size(), {.description = message("epoch ", epoch)});
        double sum = 0;
        for (const auto& [images, labels] : train.to<DefaultDevice>()) {
            adam.zero_grad();
            const Tensor<> loss = nn::binary_cross_entropy(net(images), labels);
            loss.backward();
            adam.step();
            sum += loss.item();
            progress.step({{"loss", loss.item()}});
        }
        progress.finish();
        history.add({{"loss", sum / static_cast<double>(train.size())}, {"val_accuracy", mean_of(accuracies(net, test))}});
        if (live) live->update(history);
        page.log("epoch %2d: mean loss %.4f, mean accuracy on the test images %.1f %%\n", static_cast<int>(epoch), history["loss"].back(),
                 100 * history["val_accuracy"].back());
    }

    const std::vector<double> shares = accuracies(net, test);
    std::vector<std::vector<std::string>> rows;
    for (std::size_t k = 0; k < shares.size(); ++k)
        rows.push_back({test_set.attribute_names[k], examples::format("%.1f", 100 * shares[k])});
    page.table("Share of the test images for which each question is answered rightly, in percent", {"label", "accuracy (%)"}, rows);

    if (options.plots) {
        NoGrad guard;
        net.eval();
        std::vector<Tensor<std::uint8_t, Cpu>> shown;
        std::vector<viz::Caption> captions;
        for (std::int64_t i = 0; i < std::min<std::int64_t>(8, test_set.size()); ++i) {
            const auto [image, labels] = test_set[i];
            const auto answers = net(to_network(image).unsqueeze(0).to<DefaultDevice>())[0].to<Cpu>();
            const std::int64_t right = ((answers > 0.5f) == (labels > 0.5f)).sum().item();
            std::string text;  // what it is surest of, and how many of the forty answers are right
            for (const std::int64_t k : topk(answers, 3).indices.tolist())
                if (answers[k].item() > 0.5f) text += test_set.attribute_names[static_cast<std::size_t>(k)] + "\n";
            shown.push_back(image);
            captions.emplace_back(message(text, right, " of 40 right"), right == 40 ? viz::Mark::right : viz::Mark::wrong);
        }
        page.picture(viz::image_grid(stack(shown, 0), captions, {.title = "The surest labels of each image", .columns = 4}),
                     "celeba_samples.png",
                     "Test images with the three labels that the network is surest of, and how many of the forty it has right.",
                     "A grid of images, with captions that are green with a tick where all labels are right.")
            .main_picture();
        page.picture(viz::learning_curves(history, {.title = "CelebA", .labels = {{"loss", "binary cross entropy"}}}),
                     "celeba_training.png", "Mean loss of each epoch, and mean share of right answers on the test images after it.",
                     "Two panels: a loss that falls, an accuracy that rises.");
    }
    examples::Result()
        .add("epochs", options.epochs)
        .add("loss", history["loss"].back())
        .called("loss of the last epoch")
        .add("mean_accuracy", mean_of(shares))
        .called("mean accuracy of the forty labels")
        .add("worst_accuracy", *std::min_element(shares.begin(), shares.end()))
        .called("accuracy of the worst label")
        .print(page);
}
