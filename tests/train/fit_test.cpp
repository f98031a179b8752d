// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// fit() against the loop by hand, its options, and what callbacks see. Data are on the host, networks on the default device.

#include "headtorch/train/fit.hpp"

#include <cmath>
#include <limits>
#include <list>
#include <string>
#include <tuple>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using train::FitOptions;
using train::FitState;

namespace {

using Classes = Tensor<std::int64_t>;
using Points = Tensor<double, Cpu>;
using D = DefaultDevice;

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{2, 16};
    nn::BatchNorm1d<> bn{16};
    nn::Dropout drop{0.2};
    nn::Linear<> fc2{16, 3};
    Tensor<> forward(const Tensor<>& x) { return fc2(drop(relu(bn(fc1(x))))); }
};
struct Line : nn::Module<Line> {
    nn::Linear<double> fc{2, 1};
    Tensor<double> forward(const Tensor<double>& x) { return fc(x); }
};

auto blobs(std::uint32_t seed = 3, std::int64_t n = 130) {
    const auto [x, y] = data::make_blobs(n, {.centers = 3, .random_state = seed});
    return data::TensorDataset(x, y);
}
auto line_points(std::int64_t n = 64) {
    Generator generator(5);
    const auto x = randn<double, Cpu>({n, 2}, generator);
    return data::TensorDataset(x, x.sum({1}, true) + 0.5);
}

bool same_weights(const auto& a, const auto& b) {
    const auto x = a.state_dict(), y = b.state_dict();
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (x[i].second.template is<std::int64_t>()) {
            if (!equal(x[i].second.template get<std::int64_t>(), y[i].second.template get<std::int64_t>())) return false;
        } else if (x[i].second.template is<double>()) {
            if (!equal(x[i].second.template get<double>(), y[i].second.template get<double>())) return false;
        } else if (!equal(x[i].second.template get<float>(), y[i].second.template get<float>())) {
            return false;
        }
    }
    return x.size() == y.size();
}

}  // namespace

TEST_CASE("fit gives the weights of the loop by hand, bit for bit", "[train][fit]") {
    const auto train_set = blobs(), test_set = blobs(4);
    const auto run = [&](auto train_it) {
        manual_seed(7);
        Net net;
        optim::Adam adam(net.parameters(), {.lr = 0.01});
        const data::DataLoader loader(train_set, {.batch_size = 32, .shuffle = true}), test_loader(test_set, {.batch_size = 50});
        train_it(net, adam, loader, test_loader);
        return net;
    };
    std::vector<double> losses, accuracies, val_losses, val_accuracies;
    const Net by_hand = run([&](Net& net, auto& adam, const auto& loader, const auto& test_loader) {
        for (int epoch = 0; epoch < 4; ++epoch) {
            net.train();
            double sum = 0, right = 0, items = 0;
            for (const auto& [x, y] : loader.template to<D>()) {
                adam.zero_grad();
                const auto scores = net(x);
                const auto loss = nn::cross_entropy(scores, y);
                loss.backward();
                adam.step();
                sum += static_cast<double>(loss.item()) * static_cast<double>(x.size(0));
                right += static_cast<double>((scores.argmax(1) == y).sum().item());
                items += static_cast<double>(x.size(0));
            }
            losses.push_back(sum / items);
            accuracies.push_back(right / items);
            net.eval();
            NoGrad guard;
            sum = right = items = 0;
            for (const auto& [x, y] : test_loader.template to<D>()) {
                const auto scores = net(x);
                sum += static_cast<double>(nn::cross_entropy(scores, y).item()) * static_cast<double>(x.size(0));
                right += static_cast<double>((scores.argmax(1) == y).sum().item());
                items += static_cast<double>(x.size(0));
            }
            val_losses.push_back(sum / items);
            val_accuracies.push_back(right / items);
        }
        net.train();
    });
    train::History history;
    const Net by_fit = run([&](Net& net, auto& adam, const auto& loader, const auto& test_loader) {
        history = train::fit(net, loader, nn::cross_entropy, adam,
                             {.epochs = 4, .validation = test_loader, .metrics = {train::Accuracy()}, .verbose = false});
    });
    CHECK(same_weights(by_hand, by_fit));
    CHECK(history.names() == std::vector<std::string>{"loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"});
    CHECK(history["loss"] == losses);
    CHECK(history["accuracy"] == accuracies);
    CHECK(history["val_loss"] == val_losses);
    CHECK(history["val_accuracy"] == val_accuracies);
    CHECK(history["lr"] == std::vector<double>(4, 0.01));
    CHECK(history["seconds"][0] >= 0);
    CHECK(history.stop_reason.empty());

    // everything that does not change the gradients changes nothing; the loss in any form, the loader by value or by workers
    const Net again = run([&](Net& net, auto& adam, const auto&, const auto& test_loader) {
        train::EarlyStopping stopper({.patience = 100, .restore_best_weights = false});
        train::fit(net, data::DataLoader(train_set, {.batch_size = 32, .shuffle = true, .num_workers = 2}), nn::CrossEntropyLoss<>(), adam,
                   {.epochs = 4, .validation = test_loader, .callbacks = {stopper}, .clip_grad_norm = 1e9, .verbose = false});
    });
    CHECK(same_weights(by_hand, again));
    const Net in_parts = run([&](Net& net, auto& adam, const auto& loader, const auto& test_loader) {
        for (int epoch = 0; epoch < 4; ++epoch)
            train::fit(net, loader, [](const Tensor<>& x, const Classes& y) { return nn::cross_entropy(x, y); }, adam,
                       {.epochs = epoch + 1, .validation = test_loader, .initial_epoch = epoch, .verbose = false});
    });
    CHECK(same_weights(by_hand, in_parts));
}

TEST_CASE("batches may come from a range of tuples, a tuple, a pair or a tensor, with several inputs", "[train][fit]") {
    const auto set = line_points();
    const auto [x, y] = set.tensors();
    const auto weights = [&](auto&& loader) {
        manual_seed(1);
        Line net;
        optim::SGD sgd(net.parameters(), {.lr = 0.1});
        const auto history = train::fit(net, loader, nn::mse_loss, sgd, {.epochs = 3, .validation = loader, .verbose = false});
        CHECK(history["val_loss"][2] < history["val_loss"][0]);
        return net;
    };
    const Line expected = weights(data::DataLoader(set, {.batch_size = 16}));
    std::vector<std::tuple<Points, Points>> tuples;
    std::list<std::pair<Points, Points>> pairs;
    std::array<std::tuple<Points, Points>, 4> array;
    for (std::int64_t i = 0; i < 4; ++i) {
        tuples.emplace_back(x.narrow(0, 16 * i, 16), y.narrow(0, 16 * i, 16));
        pairs.emplace_back(x.narrow(0, 16 * i, 16), y.narrow(0, 16 * i, 16));
        array[static_cast<std::size_t>(i)] = tuples.back();
    }
    CHECK(same_weights(expected, weights(tuples)));
    CHECK(same_weights(expected, weights(pairs)));
    CHECK(same_weights(expected, weights(array)));
    CHECK(same_weights(expected, weights(data::DataLoader(data::TensorDataset(x.to<D>(), y.to<D>()), {.batch_size = 16}))));
    CHECK(same_weights(expected, weights(data::DataLoader(set, {.batch_size = 16}).to<D>())));
    CHECK(same_weights(weights(std::tuple(x, y)), weights(data::DataLoader(set, {.batch_size = 64}))));
    CHECK(same_weights(weights(std::pair(x, y)), weights(std::vector{std::tuple(x, y)})));

    // a tensor alone is its own target
    struct Narrow : nn::Module<Narrow> {
        nn::Linear<double> in{2, 1}, out{1, 2};
        Tensor<double> forward(const Tensor<double>& input) { return out(in(input)); }
    } narrow;
    optim::SGD sgd(narrow.parameters(), {.lr = 0.05});
    const std::vector<Points> alone = {x};
    const auto history = train::fit(narrow, alone, nn::mse_loss, sgd, {.epochs = 20, .validation = alone, .verbose = false});
    CHECK(history["loss"].back() < history["loss"].front());
    CHECK(train::fit(narrow, data::DataLoader(data::TensorDataset(x), {.batch_size = 64}), nn::mse_loss, sgd,
                     {.verbose = false})["loss"][0] == history["val_loss"].back());
    CHECK(train::predict(narrow, alone).shape() == x.shape());

    // two inputs
    struct Sum : nn::Module<Sum> {
        nn::Linear<double> a{2, 1}, b{2, 1};
        Tensor<double> forward(const Tensor<double>& p, const Tensor<double>& q) { return a(p) + b(q); }
    } sum;
    optim::SGD both(sum.parameters(), {.lr = 0.05});
    const std::tuple three(x, x, y);
    CHECK(train::fit(sum, three, nn::mse_loss, both, {.epochs = 30, .validation = three, .verbose = false})["val_loss"].back() < 0.1);
    CHECK(train::predict(sum, three).shape() == y.shape());
}

TEST_CASE("gradients gathered over batches are those of one large batch", "[train][fit]") {
    const auto set = line_points(50);  // 50 = 3 * 16 + 2: the last group is not full, its last batch is smaller
    const auto weights = [&](std::int64_t batch, std::int64_t accumulate, std::vector<std::int64_t>* steps = nullptr) {
        manual_seed(1);
        Line net;
        optim::Adam adam(net.parameters(), {.lr = 0.05});
        const auto history = train::fit(net, data::DataLoader(set, {.batch_size = batch}), nn::mse_loss, adam,
                                        {.epochs = 5,
                                         .callbacks = {train::LambdaCallback({.on_batch_end =
                                                                                  [&](FitState& c) {
                                                                                      if (steps) steps->push_back(c.steps);
                                                                                  }})},
                                         .accumulate = accumulate,
                                         .verbose = false});
        return std::pair(net, history["loss"]);
    };
    std::vector<std::int64_t> steps;
    const auto [large, large_losses] = weights(16, 1);
    const auto [small, small_losses] = weights(4, 4, &steps);
    CHECK(allclose(large.fc.weight, small.fc.weight, 1e-12, 1e-12));
    CHECK(allclose(large.fc.bias, small.fc.bias, 1e-12, 1e-12));
    for (std::size_t i = 0; i < 5; ++i) CHECK(std::abs(large_losses[i] - small_losses[i]) < 1e-12);
    CHECK(std::vector(steps.begin(), steps.begin() + 13) == std::vector<std::int64_t>{0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4});
    const auto [other, other_losses] = weights(4, 3);
    CHECK_FALSE(allclose(large.fc.weight, other.fc.weight, 1e-12, 1e-12));

    // a group of equal batches: what the loop by hand does with loss / k
    manual_seed(1);
    Line net;
    optim::Adam adam(net.parameters(), {.lr = 0.05});
    const data::DataLoader loader(line_points(48), {.batch_size = 4});
    for (int epoch = 0; epoch < 2; ++epoch) {
        std::int64_t i = 0;
        adam.zero_grad();
        for (const auto& [x, y] : loader.to<D>()) {
            (nn::mse_loss(net(x), y) / 4).backward();
            if (++i % 4 == 0) {
                adam.step();
                adam.zero_grad();
            }
        }
    }
    manual_seed(1);
    Line fitted;
    optim::Adam other_adam(fitted.parameters(), {.lr = 0.05});
    train::fit(fitted, loader, nn::mse_loss, other_adam, {.epochs = 2, .accumulate = 4, .verbose = false});
    CHECK(same_weights(net, fitted));
}

TEST_CASE("gradients are clipped by value, then by norm", "[train][fit]") {
    const auto set = line_points(16);
    const auto [x, y] = set.tensors();
    manual_seed(1);
    Line net, by_hand = net;
    optim::SGD sgd(net.parameters(), {.lr = 0.1}), sgd_by_hand(by_hand.parameters(), {.lr = 0.1});
    double norm = 0;
    train::fit(net, std::tuple(x, y), nn::mse_loss, sgd,
               {.callbacks = {[&](FitState& c) { norm = c.grad_norm; }}, .clip_grad_norm = 0.1, .clip_grad_value = 0.5, .verbose = false});
    sgd_by_hand.zero_grad();
    nn::mse_loss(by_hand(x.to<D>()), y.to<D>()).backward();
    optim::clip_grad_value(by_hand.parameters(), 0.5);
    CHECK(norm == optim::clip_grad_norm(by_hand.parameters(), 0.1));
    CHECK(norm > 0.1);
    sgd_by_hand.step();
    CHECK(same_weights(net, by_hand));
}

TEST_CASE("schedulers go by epochs, by batches or by a number", "[train][fit]") {
    const auto set = line_points();
    const data::DataLoader loader(set, {.batch_size = 16});
    Line net;
    optim::SGD sgd(net.parameters(), {.lr = 0.1});
    SECTION("by epochs") {
        optim::ExponentialLR schedule(sgd, 0.5);
        const auto history = train::fit(net, loader, nn::mse_loss, sgd, {.epochs = 3, .scheduler = schedule, .verbose = false});
        CHECK(history["lr"] == std::vector<double>{0.1, 0.05, 0.025});
        CHECK(schedule.last_epoch() == 3);
    }
    SECTION("by steps of the optimiser") {
        optim::ExponentialLR schedule(sgd, 0.5);
        train::fit(net, loader, nn::mse_loss, sgd,
                   {.epochs = 2, .accumulate = 2, .scheduler = schedule, .scheduler_step = train::Every::batch, .verbose = false});
        CHECK(schedule.last_epoch() == 4);
    }
    SECTION("by a number") {
        optim::ReduceLROnPlateau schedule(sgd, {.factor = 0.5, .patience = 0, .threshold = 1e9, .threshold_mode = "abs"});
        FitOptions options{.epochs = 3, .scheduler = schedule, .verbose = false};
        CHECK(train::fit(net, loader, nn::mse_loss, sgd, options)["lr"] == std::vector<double>{0.1, 0.1, 0.05});
        options.scheduler_monitor = "accuracy";
        CHECK_THROWS_AS(train::fit(net, loader, nn::mse_loss, sgd, options), ValueError);
        options.scheduler_monitor = "loss";
        options.scheduler_step = train::Every::batch;
        CHECK_THROWS_AS(train::fit(net, loader, nn::mse_loss, sgd, options), ValueError);
    }
}

TEST_CASE("callbacks are called in order and see where training stands", "[train][fit]") {
    const data::DataLoader loader(line_points(40), {.batch_size = 16});
    Line net;
    optim::SGD sgd(net.parameters(), {.lr = 0.01});
    std::string log;
    const train::LambdaFunctions functions = {
        .on_train_begin = [&](FitState& c) { log += message("begin ", c.epochs, " ", c.batches, " ", c.numbers.names(), "\n"); },
        .on_epoch_begin = [&](FitState& c) { log += message("epoch ", c.epoch, " ", net.fc.weight.numel(), "\n"); },
        .on_batch_end = [&](FitState& c) { log += message("batch ", c.batch, " ", c.steps, " ", std::isfinite(c.loss), "\n"); },
        .on_epoch_end =
            [&](FitState& c) {
                log +=
                    message("end ", c.epoch, " ", c.batch, " ", c.history.size(), " ", c.numbers["loss"] == c.history["loss"].back(), "\n");
                CHECK(c.net.as<Line>() == &net);
                CHECK(c.net.as<Net>() == nullptr);
                CHECK(c.optimizer == &sgd);
            },
        .on_train_end = [&](FitState& c) { log += message("done ", c.epoch, "\n"); },
    };
    train::fit(net, loader, nn::mse_loss, sgd,
               {.epochs = 2, .metrics = {train::R2Score()}, .callbacks = {train::LambdaCallback(functions)}, .verbose = false});
    CHECK(log ==
          "begin 2 3 loss, r2, lr, seconds\n"
          "epoch 0 2\nbatch 0 1 true\nbatch 1 2 true\nbatch 2 3 true\nend 0 3 1 true\n"
          "epoch 1 2\nbatch 0 4 true\nbatch 1 5 true\nbatch 2 6 true\nend 1 3 2 true\n"
          "done 2\n");

    SECTION("stopping after a batch closes the epoch") {
        int ends = 0, batches = 0;
        const train::LambdaFunctions stopping = {
            .on_batch_end =
                [&](FitState& c) {
                    ++batches;
                    if (c.epoch == 1 && c.batch == 0) c.stop("enough");
                    if (c.stopping()) c.stop("later");
                },
            .on_train_end = [&](FitState&) { ++ends; },
        };
        const auto history =
            train::fit(net, loader, nn::mse_loss, sgd,
                       {.epochs = 5, .validation = loader, .callbacks = {train::LambdaCallback(stopping)}, .verbose = false});
        CHECK(history.size() == 2);
        CHECK(batches == 3 + 1);
        CHECK(history.stop_reason == "enough");
        CHECK(std::isfinite(history["val_loss"][1]));
        CHECK(ends == 1);
    }
    SECTION("stopping before an epoch begins") {
        const auto stop = [](FitState& c) { c.stop("no"); };
        CHECK(train::fit(net, loader, nn::mse_loss, sgd, {.callbacks = {train::LambdaCallback({.on_train_begin = stop})}, .verbose = false})
                  .empty());
        CHECK(train::fit(net, loader, nn::mse_loss, sgd, {.callbacks = {train::LambdaCallback({.on_epoch_begin = stop})}, .verbose = false})
                  .empty());
    }
}

TEST_CASE("modes are set, and restored module by module, also after exceptions", "[train][fit]") {
    const data::DataLoader loader(blobs(), {.batch_size = 32});
    Net net;
    net.eval();
    net.drop.training = true;
    optim::SGD sgd(net.parameters(), {.lr = 0.01});
    const auto check_modes = [&] {
        CHECK_FALSE(net.bn.training);
        CHECK(net.drop.training);
        CHECK(GradMode::enabled());
    };
    bool in_training = false;
    struct Failure {};
    FitOptions options{
        .validation = loader, .callbacks = {[&](FitState&) { in_training = net.bn.training && net.drop.training; }}, .verbose = false};
    train::fit(net, loader, nn::cross_entropy, sgd, options);
    CHECK(in_training);
    check_modes();
    CHECK_FALSE(train::evaluate(net, loader, nn::cross_entropy).empty());
    check_modes();
    CHECK(train::predict(net, loader).size(0) == 130);
    check_modes();

    const auto fail = [](FitState&) { throw Failure(); };
    for (const train::LambdaFunctions& functions :
         {train::LambdaFunctions{.on_train_begin = fail}, train::LambdaFunctions{.on_epoch_begin = fail},
          train::LambdaFunctions{.on_batch_end = fail}, train::LambdaFunctions{.on_epoch_end = fail},
          train::LambdaFunctions{.on_train_end = fail}}) {
        options.callbacks = {train::LambdaCallback(functions)};
        CHECK_THROWS_AS(train::fit(net, loader, nn::cross_entropy, sgd, options), Failure);
        check_modes();
    }
    options.callbacks = {};
    CHECK_THROWS_AS(train::fit(
                        net, loader, [](const Tensor<>&, const Classes&) -> Tensor<> { throw Failure(); }, sgd, options),
                    Failure);
    check_modes();
    auto refuse_validation = [&, calls = 0](const Tensor<>& x, const Classes& y) mutable {
        if (++calls > 5) throw Failure();
        return nn::cross_entropy(x, y);
    };
    CHECK_THROWS_AS(train::fit(net, loader, refuse_validation, sgd, options), Failure);
    check_modes();
    CHECK_THROWS_AS(train::evaluate(net, loader, [](const Tensor<>&, const Classes&) -> Tensor<> { throw Failure(); }), Failure);
    check_modes();
}

TEST_CASE("a loss that is not finite is told where it arises", "[train][fit]") {
    const auto [x, y] = line_points(64).tensors();
    x.data()[2 * 40] = std::numeric_limits<double>::quiet_NaN();  // in the third batch of 16
    const data::DataLoader loader(data::TensorDataset(x, y), {.batch_size = 16});
    manual_seed(1);
    Line net, two_steps = net;
    optim::SGD sgd(net.parameters(), {.lr = 0.1}), other(two_steps.parameters(), {.lr = 0.1});
    train::fit(two_steps, data::DataLoader(data::TensorDataset(x.narrow(0, 0, 32), y.narrow(0, 0, 32)), {.batch_size = 16}), nn::mse_loss,
               other, {.verbose = false});
    SECTION("as an exception") {
        try {
            train::fit(net, loader, nn::mse_loss, sgd, {.epochs = 2, .verbose = false});
            FAIL("nothing was thrown");
        } catch (const ValueError& error) {
            CHECK(std::string(error.what()).find("fit: the loss is nan in epoch 1, batch 3 (learning rate 0.1)") == 0);
        }
        CHECK(same_weights(net, two_steps));
    }
    SECTION("as an end of training") {
        int ends = 0;
        const auto history = train::fit(net, loader, nn::mse_loss, sgd,
                                        {.epochs = 2,
                                         .callbacks = {train::LambdaCallback({.on_train_end = [&](FitState&) { ++ends; }})},
                                         .nonfinite_loss = train::NonFinite::stop,
                                         .verbose = false});
        CHECK(history.size() == 1);
        CHECK(std::isnan(history["loss"][0]));
        CHECK(history.stop_reason.find("the loss is nan in epoch 1, batch 3") == 0);
        CHECK(ends == 1);
        CHECK(same_weights(net, two_steps));
    }
    SECTION("among batches that make one step") {
        CHECK_THROWS_AS(train::fit(net, loader, nn::mse_loss, sgd, {.accumulate = 4, .verbose = false}), ValueError);
        CHECK(equal(net.fc.weight.detach(), net.fc.weight.detach()));  // no NaN: it equals itself
    }
    SECTION("not at all") {
        const auto history = train::fit(net, loader, nn::mse_loss, sgd, {.nonfinite_loss = train::NonFinite::ignore, .verbose = false});
        CHECK(std::isnan(history["loss"][0]));
        CHECK(std::isnan(net.fc.weight.tolist()[0]));
    }
}

TEST_CASE("LBFGS, which evaluates the loss several times a step", "[train][fit]") {
    const auto set = line_points(64);
    const auto [x, y] = set.tensors();
    manual_seed(1);
    Line net, by_hand = net, gathered = net;
    optim::LBFGS lbfgs(net.parameters(), {.max_iter = 5}), other(by_hand.parameters(), {.max_iter = 5}),
        third(gathered.parameters(), {.max_iter = 5});
    double first = 0;
    for (int step = 0; step < 2; ++step) {
        const auto loss = other.step([&, points = x.to<D>(), targets = y.to<D>()] {
            other.zero_grad();
            const auto value = nn::mse_loss(by_hand(points), targets);
            value.backward();
            return value.detach();
        });
        first = step == 0 ? loss.item() : first;
    }
    const auto history =
        train::fit(net, std::tuple(x, y), nn::mse_loss, lbfgs, {.epochs = 2, .metrics = {train::MeanSquaredError()}, .verbose = false});
    CHECK(allclose(net.fc.weight, by_hand.fc.weight, 0, 1e-12));
    CHECK(std::abs(history["loss"][0] - first) < 1e-12);
    CHECK(std::abs(history["mse"][0] - first) < 1e-12);
    train::fit(gathered, data::DataLoader(set, {.batch_size = 20}), nn::mse_loss, third, {.epochs = 2, .accumulate = 10, .verbose = false});
    CHECK(allclose(net.fc.weight, gathered.fc.weight, 1e-6, 1e-6));
    CHECK_THROWS_AS(train::fit(net, set.tensors(), nn::mse_loss, lbfgs, {.clip_grad_norm = 1, .verbose = false}), ValueError);
    x.data()[0] = std::numeric_limits<double>::quiet_NaN();
    const Line before = net;
    CHECK_THROWS_AS(train::fit(net, std::tuple(x, y), nn::mse_loss, lbfgs, {.verbose = false}), ValueError);
    CHECK(train::fit(net, std::tuple(x, y), nn::mse_loss, lbfgs, {.epochs = 3, .nonfinite_loss = train::NonFinite::stop, .verbose = false})
              .size() == 1);
    CHECK(same_weights(net, before));
}

TEST_CASE("what makes no sense is refused before anything changes", "[train][fit]") {
    const auto set = line_points();
    const data::DataLoader loader(set, {.batch_size = 16});
    Line net, before = net;
    optim::SGD sgd(net.parameters(), {.lr = 0.1});
    const auto refused = [&](FitOptions options) {
        options.verbose = false;
        CHECK_THROWS_AS(train::fit(net, loader, nn::mse_loss, sgd, options), ValueError);
    };
    refused({.epochs = -1});
    refused({.initial_epoch = -1});
    refused({.accumulate = 0});
    refused({.clip_grad_norm = -1});
    refused({.clip_grad_value = std::numeric_limits<double>::quiet_NaN()});
    refused({.metrics = {train::R2Score(), train::R2Score()}});
    refused({.metrics = {train::R2Score("loss")}});
    refused({.callbacks = {train::EarlyStopping()}});  // there is no val_loss
    CHECK_THROWS_AS(train::fit(net, std::vector<std::tuple<Tensor<double>, Tensor<double>>>(), nn::mse_loss, sgd, {.verbose = false}),
                    ValueError);
    CHECK_THROWS_AS(train::fit(net, loader, [](const auto& x, const auto&) { return x; }, sgd, {.verbose = false}), ShapeError);
    CHECK(same_weights(net, before));
    CHECK_THROWS_AS(train::evaluate(net, std::vector<std::tuple<Tensor<double>, Tensor<double>>>(), nn::mse_loss), ValueError);
    CHECK_THROWS_AS(train::predict(net, std::vector<Tensor<double>>()), ValueError);
    const auto [x, y] = set.tensors();
    const std::tuple floats(x.to<float>(), y.to<float>());
    const std::tuple three(x, x, y);
    CHECK_THROWS_WITH(train::fit(net, loader, nn::mse_loss, sgd, {.validation = floats, .verbose = false}),
                      contains("field 0 of a batch of .validation"));
    CHECK_THROWS_WITH(train::fit(net, loader, nn::mse_loss, sgd, {.validation = three, .verbose = false}), contains("has 3 fields"));
    CHECK(train::fit(net, loader, nn::mse_loss, sgd, {.epochs = 0, .verbose = false}).empty());
}

TEST_CASE("losses go by their names", "[train][fit]") {
    struct Sigmoid : nn::Module<Sigmoid> {
        Tensor<double> forward(const Tensor<double>& x) { return sigmoid(x); }
    } net;
    const auto x = tensor<double>({{0.5, -1.0}, {2.0, 0.25}}), t = tensor<double>({{1.0, 0.0}, {0.0, 1.0}});
    const std::tuple batch(x, t);
    const auto y = sigmoid(x);
    CHECK(train::evaluate(net, batch, nn::mse_loss)["loss"] == nn::mse_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::l1_loss)["loss"] == nn::l1_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::smooth_l1_loss)["loss"] == nn::smooth_l1_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::huber_loss)["loss"] == nn::huber_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::binary_cross_entropy)["loss"] == nn::binary_cross_entropy(y, t).item());
    CHECK(train::evaluate(net, batch, nn::binary_cross_entropy_with_logits)["loss"] == nn::binary_cross_entropy_with_logits(y, t).item());
    CHECK(train::evaluate(net, batch, nn::soft_margin_loss)["loss"] == nn::soft_margin_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::multilabel_soft_margin_loss)["loss"] == nn::multilabel_soft_margin_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::kl_div)["loss"] == nn::kl_div(y, t).item());
    CHECK(train::evaluate(net, batch, nn::poisson_nll_loss)["loss"] == nn::poisson_nll_loss(y, t).item());
    CHECK(train::evaluate(net, batch, nn::cross_entropy)["loss"] == nn::cross_entropy(y, t).item());
    const auto labels = tensor<std::int64_t>({1, 0});
    CHECK(train::evaluate(net, std::tuple(x, labels), nn::cross_entropy)["loss"] == nn::cross_entropy(y, labels).item());
    CHECK(train::evaluate(net, std::tuple(x, labels), nn::nll_loss)["loss"] == nn::nll_loss(y, labels).item());
    nn::CrossEntropyLoss<double> smoothed({.label_smoothing = 0.1});
    CHECK(train::evaluate(net, std::tuple(x, labels), smoothed)["loss"] == nn::cross_entropy(y, labels, {.label_smoothing = 0.1}).item());
}

TEST_CASE("evaluate and predict go over all items", "[train][fit]") {
    const auto set = line_points(50);
    const auto [x, y] = set.tensors();
    Line net;
    const data::DataLoader loader(set, {.batch_size = 16});
    train::R2Score r2;
    const auto numbers = train::evaluate(net, loader, nn::mse_loss, {train::MeanSquaredError(), r2});
    CHECK(std::abs(numbers["loss"] - numbers["mse"]) < 1e-12);  // batches count by their size
    CHECK(numbers["r2"] == r2.compute());                       // a metric with a name can be asked afterwards
    CHECK(std::abs(train::r2_score(net(x.to<D>()), y) - r2.compute()) < 1e-12);
    CHECK_THROWS_WITH(numbers["accuracy"], contains("there is loss, mse, r2"));
    const auto outputs = train::predict(net, loader);
    CHECK(outputs.shape() == Shape{50, 1});
    CHECK_FALSE(outputs.requires_grad());
    CHECK(allclose(outputs, net(x.to<D>()).detach()));
    for (const std::int64_t batch : {0, 7, 50, 1000}) CHECK(allclose(train::predict(net, x, batch), outputs));
    CHECK_THROWS_AS(train::predict(net, x, -1), ValueError);
}

TEST_CASE("the line of an epoch", "[train][fit]") {
    train::Numbers numbers;
    numbers.set("loss", 0.51234);
    numbers.set("accuracy", 0.83);
    numbers.set("val_loss", 0.6);
    numbers.set("lr", 0.1);
    numbers.set("seconds", 2.14);
    CHECK(train::detail::epoch_line(3, 10, numbers) == "epoch 3/10  loss 0.5123  accuracy 0.83  val_loss 0.6  2.1 s");
    numbers.set("seconds", 125);
    CHECK(train::detail::epoch_line(3, 10, numbers).ends_with("  2:05"));
}
