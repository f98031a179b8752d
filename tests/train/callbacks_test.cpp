// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Early stopping, checkpoints, the search for a learning rate, and Ctrl-C, all within fit().

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "headtorch/train/checkpoint.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using train::FitState;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{2, 16};
    nn::BatchNorm1d<> bn{16};
    nn::Dropout drop{0.2};
    nn::Linear<> fc2{16, 3};
    Tensor<> forward(const Tensor<>& x) { return fc2(drop(relu(bn(fc1(x))))); }
};

auto blobs() {
    const auto [x, y] = data::make_blobs(96, {.centers = 3, .random_state = 3});
    return data::TensorDataset(x, y);
}

/// All parameters and buffers as numbers.
std::vector<double> numbers_of(const Net& net) {
    std::vector<double> numbers;
    for (const auto& [name, tensor] : net.state_dict()) {
        const auto values = train::detail::numbers_of(tensor);
        numbers.insert(numbers.end(), values.begin(), values.end());
    }
    return numbers;
}

/// A number that fit() shows as a metric: the next of a list with each epoch.
class Script final : public train::NumberMetric {
public:
    explicit Script(std::vector<double> list) : NumberMetric("script"), values(std::move(list)) {}
    void reset() override {}
    void update(const nn::AnyTensorHandle&, const nn::AnyTensorHandle&) override {}
    double compute() const override { return values.at(std::min(epoch, values.size() - 1)); }

    std::vector<double> values;
    std::size_t epoch = 0;
};

struct Seed {
    Seed() { manual_seed(1); }
};
struct Setting {
    Seed seed;
    data::DataLoader<decltype(blobs())> loader{blobs(), {.batch_size = 16, .shuffle = true}};
    Net net;
    optim::Adam<> adam{net.parameters(), {.lr = 0.01}};
};

/// What a child process ends with.
template <class Work>
int in_child(const Work& work) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);  // Catch's handler would report a failed test
        work();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

void (*handler_of_sigint())(int) {
    struct sigaction action {};
    sigaction(SIGINT, nullptr, &action);
    return action.sa_handler;
}

}  // namespace

TEST_CASE("early stopping as a callback restores the best epoch", "[train][callbacks]") {
    Setting s;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    Script script({0.5, nan, 0.8, 0.7, 0.75, 0.6, 0.9});
    std::vector<std::vector<double>> weights;
    train::EarlyStopping stopper({.patience = 3, .mode = train::Goal::max, .monitor = "script"});
    const train::FitOptions options{.epochs = 20,
                                    .metrics = {script},
                                    .callbacks = {[&](FitState&) {
                                                      ++script.epoch;
                                                      weights.push_back(numbers_of(s.net));
                                                  },
                                                  stopper},
                                    .verbose = false};
    const auto history = train::fit(s.net, s.loader, nn::cross_entropy, s.adam, options);
    CHECK(history.size() == 6);
    CHECK(history.stop_reason == "early stopping: script has not improved for 3 epochs");
    CHECK(stopper.best_epoch() == 2);
    CHECK(stopper.best_value() == 0.8);
    CHECK(numbers_of(s.net) == weights[2]);
    CHECK(numbers_of(s.net) != weights[5]);

    // a second training begins anew, and bears two epochs that are no numbers
    script.epoch = 0;
    script.values = {nan, nan, 0.2, 0.1};
    CHECK(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, options).size() == 6);
    CHECK(numbers_of(s.net) == weights[8]);
    CHECK(stopper.best_value() == 0.2);

    // without restoring, and by the name of the class
    script.epoch = 0;
    script.values = {0.5, nan, 0.8, 0.7};
    weights.clear();
    train::FitOptions other = options;
    train::EarlyStopping<Net> typed({.patience = 3, .mode = train::Goal::max, .monitor = "script", .restore_best_weights = false});
    other.callbacks.back() = typed;
    CHECK(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, other).size() == 6);
    CHECK(numbers_of(s.net) == weights[5]);
    typed.restore(s.net);
    CHECK(numbers_of(s.net) == weights[2]);

    other.callbacks = {train::EarlyStopping()};
    CHECK_THROWS_WITH(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, other),
                      contains("no number called \"val_loss\", only loss, script"));
}

TEST_CASE("a training goes on from a checkpoint as if it had never stopped", "[train][callbacks]") {
    const TemporaryFolder folder;
    const auto run = [&](Setting& s, std::int64_t from, std::int64_t to) {
        optim::ExponentialLR schedule(s.adam, 0.8);
        const io::Checkpoint parts{.model = s.net, .optimizer = s.adam, .scheduler = schedule, .generator = default_generator()};
        const std::string path = folder.path("run.ckpt");
        const std::int64_t epoch = from == 0 ? 0 : io::load_checkpoint(path, parts).epoch;
        CHECK(epoch == from);
        train::Checkpoint checkpoint(path, parts);
        const auto history =
            train::fit(s.net, s.loader, nn::cross_entropy, s.adam,
                       {.epochs = to, .callbacks = {checkpoint}, .scheduler = schedule, .initial_epoch = epoch, .verbose = false});
        CHECK(checkpoint.saved_path() == path);
        return history;
    };
    Setting whole;
    const auto history = run(whole, 0, 6);
    Setting second;
    manual_seed(99);
    second.net = Net();
    {
        Setting again;
        run(again, 0, 2);
    }
    manual_seed(99);
    const auto rest = run(second, 2, 6);
    CHECK(numbers_of(second.net) == numbers_of(whole.net));
    CHECK(rest.size() == 4);
    CHECK(std::vector(history["loss"].begin() + 2, history["loss"].end()) == rest["loss"]);
    CHECK(rest.to_csv().find("\n3,") != std::string::npos);  // epochs keep their numbers
    CHECK(rest.to_csv().find("\n1,") == std::string::npos);
}

TEST_CASE("checkpoints of every n-th epoch, and of the best", "[train][callbacks]") {
    const TemporaryFolder folder;
    Setting s;
    Script script({0.5, 0.4, 0.6, 0.3, 0.35});
    train::Checkpoint some(folder.path("some-{epoch}.ckpt"), {.model = s.net}, {.every = 2});
    train::Checkpoint best(folder.path("best.ckpt"), {.model = s.net}, {.monitor = "script", .save_best_only = true});
    train::Checkpoint threshold(folder.path("none.ckpt"), {.model = s.net},
                                {.monitor = "script", .save_best_only = true, .initial_value_threshold = 0.1});
    std::vector<std::vector<double>> weights;
    train::FitOptions options{.epochs = 5,
                              .metrics = {script},
                              .callbacks = {some, best, threshold,
                                            [&](FitState&) {
                                                ++script.epoch;
                                                weights.push_back(numbers_of(s.net));
                                            }},
                              .verbose = false};
    train::fit(s.net, s.loader, nn::cross_entropy, s.adam, options);
    for (int epoch = 1; epoch <= 5; ++epoch)
        CHECK(std::filesystem::exists(folder.path(message("some-", epoch, ".ckpt"))) == (epoch == 2 || epoch == 4 || epoch == 5));
    Net net;
    const auto held = io::load_checkpoint(folder.path("best.ckpt"), {.model = net});
    CHECK(held.epoch == 4);
    CHECK(held.numbers.at("script") == 0.3);
    CHECK(best.best_value() == 0.3);
    CHECK(numbers_of(net) == weights[3]);
    CHECK_FALSE(std::filesystem::exists(folder.path("none.ckpt")));
    options.callbacks = {train::Checkpoint(folder.path("x"), {.model = s.net}, {.save_best_only = true})};
    CHECK_THROWS_AS(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, options), ValueError);
    options.callbacks = {train::Checkpoint("/nonexistent-directory/x", {.model = s.net})};
    CHECK_THROWS_AS(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, options), IoError);
    CHECK_THROWS_AS(train::Checkpoint("x", {}, {.every = 0}), ValueError);
}

TEST_CASE("the search for a learning rate leaves no trace", "[train][callbacks]") {
    const auto train_on = [](bool search) {
        Setting s;
        train::fit(s.net, s.loader, nn::cross_entropy, s.adam, {.epochs = 2, .verbose = false});
        s.net.eval();
        s.net.drop.training = true;
        const auto gradient = s.net.fc1.weight.grad();
        const auto weights = numbers_of(s.net);
        if (search) {
            train::LrFinder finder({.start_lr = 1e-5, .num_iter = 60});
            finder.range_test(s.net, s.loader, nn::cross_entropy, s.adam);
            CHECK(finder.lrs().size() > 20);
            CHECK(numbers_of(s.net) == weights);
            CHECK(s.net.fc1.weight.grad().is_same(gradient));
            CHECK_FALSE(s.net.bn.training);
            CHECK(s.net.drop.training);
            CHECK(s.adam.lr(0) == 0.01);
            struct Failure {};
            CHECK_THROWS_AS(finder.range_test(
                                s.net, s.loader,
                                [calls = 0](const Tensor<>& x, const Tensor<std::int64_t>& y) mutable {
                                    if (++calls == 5) throw Failure();
                                    return nn::cross_entropy(x, y);
                                },
                                s.adam),
                            Failure);
            CHECK(numbers_of(s.net) == weights);
        }
        train::fit(s.net, s.loader, nn::cross_entropy, s.adam, {.epochs = 2, .verbose = false});
        return numbers_of(s.net);
    };
    CHECK(train_on(true) == train_on(false));
}

TEST_CASE("the search goes through the rates and suggests a good one", "[train][callbacks]") {
    // a parabola: gradient descent converges for rates below 1, so that the steepest fall lies below it and the loss blows up above
    struct Valley : nn::Module<Valley> {
        nn::Parameter<double> w = full<double>({2}, 3.0);
        Tensor<double> forward(const Tensor<double>& x) { return w - x; }
    } valley;
    optim::SGD sgd(valley.parameters(), {.lr = 0.1});
    const std::vector<std::tuple<Tensor<double>, Tensor<double>>> batches = {{zeros<double>({2}), zeros<double>({2})}};
    train::LrFinder finder({.start_lr = 1e-4, .end_lr = 100, .num_iter = 121});
    finder.range_test(valley, batches, nn::mse_loss, sgd);
    REQUIRE(finder.lrs().size() < 121);
    CHECK(finder.diverged());
    CHECK(finder.lrs().size() == finder.losses().size());
    CHECK(finder.lrs().size() == finder.raw_losses().size());
    CHECK(finder.raw_losses()[0] == 9);
    CHECK(finder.losses()[0] == Approx(9).epsilon(1e-12));
    CHECK(finder.lrs()[0] == 1e-4);
    CHECK(finder.lrs()[20] == Approx(1e-3).epsilon(1e-12));
    CHECK(finder.suggestion() > 0.005);
    CHECK(finder.suggestion() < 1);
    CHECK(valley.w.tolist() == std::vector<double>{3, 3});

    train::LrFinder low({.start_lr = 1e-6, .end_lr = 1e-3, .num_iter = 20});
    low.range_test(valley, batches, nn::mse_loss, sgd);
    CHECK_FALSE(low.diverged());
    CHECK(low.lrs().size() == 20);
    CHECK(low.lrs().back() == Approx(1e-3).epsilon(1e-12));
    CHECK_THROWS_AS(low.suggestion(15, 5), ValueError);
    CHECK_THROWS_AS(train::LrFinder().suggestion(), ValueError);
    CHECK_THROWS_AS(train::LrFinder({.start_lr = 0}), ValueError);
    CHECK_THROWS_AS(train::LrFinder({.start_lr = 1, .end_lr = 1}), ValueError);
    CHECK_THROWS_AS(train::LrFinder({.num_iter = 1}), ValueError);
    CHECK_THROWS_AS(train::LrFinder({.smooth = 0}), ValueError);
    CHECK_THROWS_AS(train::LrFinder({.diverge_threshold = 1}), ValueError);
    const std::vector<std::tuple<Tensor<double>, Tensor<double>>> none;
    CHECK_THROWS_AS(low.range_test(valley, none, nn::mse_loss, sgd), ValueError);
}

TEST_CASE("Ctrl-C ends the running epoch: the best weights, the history and a checkpoint are there", "[train][callbacks]") {
    const TemporaryFolder folder;
    const auto before = handler_of_sigint();
    Setting s;
    Script script({0.5, 0.4, 0.6, 0.7});
    train::EarlyStopping stopper({.monitor = "script"});
    train::Checkpoint checkpoint(folder.path("run.ckpt"), {.model = s.net}, {.every = 100});
    std::vector<std::vector<double>> weights;
    std::int64_t batches = 0, batches_at_end = 0;
    bool told = false;
    const train::LambdaFunctions functions = {
        .on_batch_end =
            [&](FitState& state) {
                ++batches;
                if (state.epoch == 2 && state.batch == 1) raise(SIGINT);
            },
        .on_epoch_end =
            [&](FitState& state) {
                ++script.epoch;
                weights.push_back(numbers_of(s.net));
                batches_at_end = state.batch;
                told = state.interrupted;
            },
    };
    const auto history = train::fit(s.net, s.loader, nn::cross_entropy, s.adam,
                                    {.epochs = 10,
                                     .validation = s.loader,
                                     .metrics = {script},
                                     .callbacks = {train::LambdaCallback(functions), stopper, checkpoint},
                                     .verbose = false});
    CHECK(history.size() == 3);
    CHECK(history.stop_reason == "interrupted");
    CHECK(std::isfinite(history["val_loss"][2]));
    CHECK(batches == 6 + 6 + 2);
    CHECK(batches_at_end == 2);
    CHECK(told);
    CHECK(numbers_of(s.net) == weights[1]);  // of the best epoch
    Net saved;
    CHECK(io::load_checkpoint(folder.path("run.ckpt"), {.model = saved}).epoch == 3);
    CHECK(numbers_of(saved) == weights[2]);  // of the epoch that was ended
    CHECK(handler_of_sigint() == before);

    // the request is forgotten with the training that it ended
    CHECK(train::fit(s.net, s.loader, nn::cross_entropy, s.adam, {.epochs = 2, .verbose = false}).size() == 2);
}

TEST_CASE("a second Ctrl-C ends the program by the signal", "[train][callbacks]") {
    Setting s;
    const auto signals = [&](int count, bool handle) {
        return in_child([&] {
            train::fit(s.net, s.loader, nn::cross_entropy, s.adam,
                       {.epochs = 1,
                        .callbacks = {train::LambdaCallback({.on_batch_end =
                                                                 [&](FitState& state) {
                                                                     if (state.batch > 0) return;
                                                                     for (int i = 0; i < count; ++i) raise(SIGINT);
                                                                 }})},
                        .verbose = false,
                        .handle_interrupt = handle});
        });
    };
    const int once = signals(1, true), twice = signals(2, true), unhandled = signals(1, false);
    CHECK((WIFEXITED(once) && WEXITSTATUS(once) == 0));
    CHECK((WIFSIGNALED(twice) && WTERMSIG(twice) == SIGINT));
    CHECK((WIFSIGNALED(unhandled) && WTERMSIG(unhandled) == SIGINT));
    // after training, the signal does what it did before
    const int after = in_child([&] {
        train::fit(s.net, s.loader, nn::cross_entropy, s.adam, {.verbose = false});
        raise(SIGINT);
    });
    CHECK((WIFSIGNALED(after) && WTERMSIG(after) == SIGINT));
    // a shell that started the program in the background had it ignore the signal
    const int ignored = in_child([&] {
        signal(SIGINT, SIG_IGN);
        const train::InterruptGuard guard;
        raise(SIGINT);
        raise(SIGINT);
        if (guard.interrupted()) _exit(1);
    });
    CHECK((WIFEXITED(ignored) && WEXITSTATUS(ignored) == 0));
    // a handler of the program's own gets the second one
    static volatile sig_atomic_t seen = 0;
    const int own = in_child([&] {
        signal(SIGINT, [](int) { seen = seen + 1; });
        {
            const train::InterruptGuard outer;
            {
                const train::InterruptGuard inner;
                raise(SIGINT);
                if (!inner.interrupted() || !outer.interrupted() || seen != 0) _exit(1);
            }
            if (!outer.interrupted()) _exit(2);
            raise(SIGINT);
            if (seen != 1) _exit(3);
        }
        raise(SIGINT);
        if (seen != 2) _exit(4);
        const train::InterruptGuard fresh, inactive(false);
        if (fresh.interrupted()) _exit(5);
        raise(SIGINT);
        if (!fresh.interrupted() || inactive.interrupted()) _exit(6);
    });
    CHECK((WIFEXITED(own) && WEXITSTATUS(own) == 0));
}
