// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Networks that are built and trained with the same seed follow PyTorch's losses step by step: tests/reference/families/follow.py has the
// same networks in PyTorch. Nothing but the seed is shared: data, parameters, orders and dropped elements are drawn on both sides.
#include <cmath>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using namespace headtorch::testing;
using data::DataLoader;
using data::TensorDataset;

namespace {

using Losses = std::vector<double>;

template <class Net, class Criterion, class Optimizer, class Loader>
Losses losses(Net& net, Criterion criterion, Optimizer& optimizer, const Loader& loader, optim::LRScheduler* scheduler = nullptr) {
    Losses found;
    while (true)
        for (auto [x, y] : loader) {
            optimizer.zero_grad();
            const auto loss = criterion(net(x), y);
            loss.backward();
            optimizer.step();
            if (scheduler) scheduler->step();
            found.push_back(static_cast<double>(loss.item()));
            if (found.size() == 100) return found;
        }
}

template <class T>
Losses mlp() {
    const auto x = randn<T>({64, 2});
    const auto y = (x.narrow(1, 0, 1) * x.narrow(1, 1, 1) > T(0)).template to<T>();
    nn::Sequential<T> net{nn::Linear<T>(2, 5), nn::ReLU(), nn::Linear<T>(5, 1)};
    optim::Adam optimizer(net.parameters(), {.lr = 0.03});
    const DataLoader all(TensorDataset(x, y), {.batch_size = 64});
    return losses(net, nn::BCEWithLogitsLoss<T>(), optimizer, all);
}

template <class T>
Losses classifier() {
    const auto y = randint(0, 10, {300});
    const auto noise = randn<T>({300, 64});
    const auto x = noise + index_select(randn<T>({10, 64}) * T(0.25), 0, y);
    nn::Sequential<T> net{nn::Linear<T>(64, 32), nn::ReLU(), nn::Linear<T>(32, 10)};
    optim::SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4});
    const DataLoader loader(TensorDataset(x, y), {.batch_size = 64, .shuffle = true});
    return losses(net, nn::CrossEntropyLoss<T>(), optimizer, loader);
}

template <class T>
struct LeNet : nn::Module<LeNet<T>> {
    nn::Conv2d<T> conv1{1, 6, 3}, conv2{6, 16, 2};
    nn::MaxPool2d<> pool{2};
    nn::Linear<T> fc1{64, 32}, fc2{32, 10};

    Tensor<T> forward(Tensor<T> x) {
        x = pool(relu(conv1(x)));
        x = pool(relu(conv2(x)));
        return fc2(relu(fc1(x.flatten(1))));
    }
};

template <class T>
Losses lenet() {
    const auto x = randn<T>({80, 1, 12, 12});
    const auto y = randint(0, 10, {80});
    LeNet<T> net;
    optim::SGD optimizer(net.parameters(), {.lr = 0.05, .momentum = 0.9});
    const DataLoader loader(TensorDataset(x, y), {.batch_size = 16, .shuffle = true});
    return losses(net, nn::CrossEntropyLoss<T>(), optimizer, loader);
}

template <class T>
struct Tagger : nn::Module<Tagger<T>> {
    nn::Embedding<T> embedding{20, 8};
    nn::LSTM<T> lstm{8, 12, {.batch_first = true}};
    nn::BatchNorm1d<T> norm{12};
    nn::Linear<T> head{12, 3};

    Tensor<T> forward(const Tensor<std::int64_t>& x) {
        const auto [y, state] = lstm(embedding(x));
        return head(norm(y.select(1, -1)));
    }
};

template <class T>
Losses lstm() {
    const auto x = randint(0, 20, {50, 7}), y = randint(0, 3, {50});
    Tagger<T> net;
    optim::AdamW optimizer(net.parameters(), {.lr = 0.005, .weight_decay = 0.01});
    optim::StepLR scheduler(optimizer, 30, 0.5);
    const DataLoader loader(TensorDataset(x, y), {.batch_size = 16, .shuffle = true, .seed = 5});
    return losses(net, nn::CrossEntropyLoss<T>(), optimizer, loader, &scheduler);
}

template <class T>
Losses dropout() {
    const auto x = rand<T>({40, 6});
    const auto y = x.square().sum(1, true);
    nn::Sequential<T> net{nn::Linear<T>(6, 16), nn::Tanh(), nn::Dropout(0.2), nn::LayerNorm<T>(16), nn::GELU(), nn::Linear<T>(16, 1)};
    optim::RMSprop optimizer(net.parameters(), {.lr = 0.002});
    const DataLoader loader(TensorDataset(x, y), {.batch_size = 9, .shuffle = true});
    optim::CosineAnnealingLR scheduler(optimizer, 100);
    return losses(net, nn::MSELoss(), optimizer, loader, &scheduler);
}

template <class T>
Losses autoencoder() {
    const auto x = randn<T>({24, 1, 8, 8});
    nn::Sequential<T> net{nn::Conv2d<T>({.in_channels = 1, .out_channels = 4, .kernel_size = 3, .stride = 2, .padding = 1}),
                          nn::BatchNorm2d<T>(4), nn::LeakyReLU(0.1),
                          nn::ConvTranspose2d<T>({.in_channels = 4, .out_channels = 1, .kernel_size = 4, .stride = 2, .padding = 1})};
    optim::Adam optimizer(net.parameters(), {.lr = 0.01});
    const DataLoader loader(TensorDataset(x, x), {.batch_size = 8, .shuffle = true});
    return losses(net, nn::MSELoss(), optimizer, loader);
}

template <class T>
Losses losses_of(const std::string& name) {
    if (name == "mlp") return mlp<T>();
    if (name == "classifier") return classifier<T>();
    if (name == "lenet") return lenet<T>();
    if (name == "lstm") return lstm<T>();
    if (name == "dropout") return dropout<T>();
    if (name == "autoencoder") return autoencoder<T>();
    throw ValueError(message("follow: no network called ", name));
}

}  // namespace

TEST_CASE("networks trained with the same seed follow PyTorch's losses", "[train]") {
    int count = 0;
    for (const Case& c : load_cases("follow.txt")) {
        const bool single = c.str("dtype") == "float32";
        manual_seed(static_cast<std::uint64_t>(c.integer("seed")));
        const Losses found = single ? losses_of<float>(c.op) : losses_of<double>(c.op), expected = c.tensor<double>("loss").tolist();
        const double tolerance = single ? 1e-4 : 1e-9;
        REQUIRE(expected.size() == found.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            INFO(c.title << ", step " << i + 1 << ": " << found[i] << " instead of " << expected[i]);
            CHECK(std::abs(found[i] - expected[i]) <= tolerance * std::abs(expected[i]));
        }
        CHECK(found.back() < 0.75 * found.front());  // it learns
        ++count;
    }
    CHECK(count == 12);
}
