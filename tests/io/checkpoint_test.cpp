// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "headtorch/io/checkpoint.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>

#include "headtorch/headtorch.hpp"
#include "tests/io/files.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;
using io::load_checkpoint;
using io::save_checkpoint;

namespace {

struct Net : nn::Module<Net> {
    nn::Linear<> fc1{4, 64}, fc2{64, 2};
    nn::Buffer<std::int64_t> steps = zeros<std::int64_t>({});
    Tensor<> forward(const Tensor<>& x) { return fc2(tanh(fc1(x))); }
};

Bytes content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

/// Everything of a run. Batches and noise are drawn from the generator, by way of the spare normal number, too.
struct Run {
    explicit Run(std::uint64_t seed) : generator(seed) {
        manual_seed(seed);
        net = Net();
    }
    void train_step() {
        const auto x = randn({8, 4}, generator), noise = randn({3}, generator);
        optimizer.zero_grad();
        auto loss = (net(x) - x.narrow(1, 0, 2).sin() * (1 + noise.sum() * 0.1)).square().mean();
        loss.backward();
        optimizer.step();
        net.steps.fill_(net.steps.item() + 1);
    }
    void train_epoch() {
        for (int step = 0; step < 4; ++step) train_step();
        schedule.step();
    }
    io::Checkpoint parts(std::int64_t epoch = 0) {
        return {.model = net, .optimizer = optimizer, .scheduler = schedule, .generator = generator, .epoch = epoch};
    }
    /// The bytes of all of it.
    Bytes state() {
        const TemporaryFolder folder;
        save_checkpoint(folder.path("state"), parts());
        return content_of(folder.path("state"));
    }

    Net net;
    Generator generator;
    optim::AdamW<> optimizer{net.parameters(), {.lr = 0.01}};
    optim::OneCycleLR schedule{optimizer, {.max_lr = 0.02, .total_steps = 100}};
};

void check_refused(const std::string& path, const io::Checkpoint& parts, const std::string& text) {
    INFO(text);
    CHECK_THROWS_AS(load_checkpoint(path, parts), IoError);
    CHECK_THROWS_WITH(load_checkpoint(path, parts), contains(text));
}

}  // namespace

TEST_CASE("a run goes on from a checkpoint as if it had never stopped", "[io]") {
    const TemporaryFolder folder;
    Run first(1);
    for (int epoch = 0; epoch < 5; ++epoch) first.train_epoch();
    save_checkpoint(folder.path("run"), first.parts(5));
    Run second(2);
    second.train_epoch();
    const auto held = load_checkpoint(folder.path("run"), second.parts());
    CHECK(held.epoch == 5);
    CHECK(second.optimizer.lr(0) == first.optimizer.lr(0));
    CHECK(*second.optimizer.momentum(0) == *first.optimizer.momentum(0));
    CHECK(second.net.steps.item() == 20);
    CHECK(second.state() == first.state());
    for (int epoch = 0; epoch < 5; ++epoch) {
        first.train_epoch();
        second.train_epoch();
    }
    CHECK(second.state() == first.state());
    CHECK(second.net.fc1.weight.tolist() == first.net.fc1.weight.tolist());
}

TEST_CASE("numbers, texts and parts of other names are kept; parts may be left out", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("run");
    Net net, other;
    optim::SGD<> sgd(other.parameters(), {.lr = 0.1, .momentum = 0.9});
    Generator generator(3);
    generator.normal();
    save_checkpoint(path, {.model = net,
                           .epoch = 7,
                           .numbers = {{"loss", 0.1}, {"nan", std::nan("")}, {"best so far", -std::numeric_limits<double>::infinity()}},
                           .texts = {{"made by", "a \"test\"\n"}, {"", ""}},
                           .others = {{"critic", other}, {"critic_optimizer", sgd}, {"loader", generator}}});
    Net loaded;
    const auto held = load_checkpoint(path, {.model = loaded});
    CHECK(loaded.fc1.weight.tolist() == net.fc1.weight.tolist());
    CHECK(held.epoch == 7);
    CHECK(held.numbers.at("loss") == 0.1);
    CHECK(std::isnan(held.numbers.at("nan")));
    CHECK(held.numbers.at("best so far") == -std::numeric_limits<double>::infinity());
    CHECK(held.texts == std::map<std::string, std::string>{{"made by", "a \"test\"\n"}, {"", ""}});
    Generator again;
    load_checkpoint(path, {.others = {{"loader", again}, {"critic", loaded}}});
    CHECK(again.normal() == generator.normal());
    CHECK(loaded.fc1.weight.tolist() == other.fc1.weight.tolist());
    // the parts can be had as tensors, too
    CHECK(io::load_safetensors(path, {.root = "critic"}).get("fc1.weight").tolist() == other.fc1.weight.tolist());

    check_refused(path, {.optimizer = sgd}, "load_checkpoint: " + path + ": it holds no optimizer; it holds model,critic,critic_optimizer,loader,");
    for (const char* name : {"", "a.b", "model", "epoch", "a,b"})
        CHECK_THROWS_AS(save_checkpoint(path, {.others = {{name, net}}}), ValueError);
    CHECK_THROWS_AS(save_checkpoint(path, {.others = {{"a", net}, {"a", net}}}), ValueError);
    CHECK(load_checkpoint(path, {}).epoch == 7);
}

TEST_CASE("where one part does not fit, nothing is changed", "[io]") {
    const TemporaryFolder folder;
    const std::string path = folder.path("run");
    Run run(1);
    run.train_epoch();
    save_checkpoint(path, run.parts(1));
    Run there(2);
    there.train_epoch();
    there.optimizer.lr(0) = 0.123;  // by hand: no scheduler would give it
    const Bytes before = there.state();

    const io::StateFile good = io::read_safetensors(path);
    const auto refused = [&](const std::string& name, const nn::AnyTensorHandle& tensor, const std::string& text) {
        nn::StateDict bad = good.state;
        if (tensor.defined()) bad.set(name, tensor);
        else bad.erase(name);
        io::save_safetensors(path, bad, good.metadata);
        check_refused(path, there.parts(), text);
        CHECK(there.state() == before);
    };
    refused("model.fc2.bias", zeros({3}), "its model does not fit, and nothing was changed: load_state_dict: the state does not fit Net");
    refused("model.fc2.bias", {}, "missing: fc2.bias");
    refused("model.more", zeros({3}), "unexpected: more");
    refused("model.fc2.bias", zeros<double>({2}), "fc2.bias (float64 [2] for float32 [2])");
    refused("optimizer.state.0.exp_avg", zeros({3}), "its optimizer does not fit, and nothing was changed: AdamW: load_state_dict");
    refused("optimizer.state.3.exp_avg", zeros<double>({2}), "its optimizer does not fit");
    refused("optimizer.state.9.step", zeros<std::int64_t>({}), "entries belong to other parameters");
    refused("optimizer.param_groups.0.lr", {}, "its optimizer does not fit");
    refused("scheduler.last_epoch", {}, "its scheduler does not fit");
    refused("scheduler.last_epoch", zeros<std::int64_t>({2}), "its scheduler does not fit");
    refused("generator.state", zeros<std::uint8_t>({5056}), "its generator does not fit, and nothing was changed: set_state");
    refused("generator.state", {}, "its generator does not fit");
    refused("epoch", {}, "its epoch is missing or malformed");
    refused("epoch", zeros({1}), "its epoch is missing or malformed");
    refused("number.x", zeros({1}), "its number \"x\" is malformed");

    // a second scheduler that fails after the first one was loaded
    save_checkpoint(path, {.scheduler = run.schedule, .others = {{"second", run.schedule}}});
    nn::StateDict bad = io::load_safetensors(path);
    bad.erase("second.last_epoch");
    io::save_safetensors(path, bad, io::read_safetensors(path).metadata);
    optim::StepLR second(there.optimizer, 1);
    there.optimizer.lr(0) = 0.123;
    there.schedule.set_epoch(3);
    const double rate = there.optimizer.lr(0) = 0.321, momentum = *there.optimizer.momentum(0);
    save_checkpoint(folder.path("other"), {.optimizer = run.optimizer});
    bad = io::load_safetensors(path);
    for (const auto& [name, tensor] : io::load_safetensors(folder.path("other"), {.root = "optimizer"})) bad.set("optimizer." + name, tensor);
    io::save_safetensors(path, bad, {{"format", "headtorch checkpoint 1"}, {"parts", "optimizer,scheduler,second,"}});
    check_refused(path, {.optimizer = there.optimizer, .scheduler = there.schedule, .others = {{"second", second}}}, "its second does not fit");
    CHECK(there.schedule.last_epoch() == 3);
    CHECK(there.optimizer.lr(0) == rate);
    CHECK(*there.optimizer.momentum(0) == momentum);
}

TEST_CASE("what is no checkpoint is refused", "[io]") {
    const TemporaryFolder folder;
    Net net;
    io::save_safetensors(folder.path("plain"), net.state_dict());
    check_refused(folder.path("plain"), {.model = net}, "no checkpoint of headtorch, though safetensors: use io::load()");
    check_refused(folder.path("none"), {.model = net}, "cannot open it");
    check_refused(folder.write("text", "hello, world"), {.model = net}, "not a safetensors file");
}

TEST_CASE("a run that is killed again and again ends with the same weights", "[io]") {
    constexpr int epochs = 60;
    const TemporaryFolder folder;
    // A child, for this program itself should not have been trained in.
    const auto start = [&](const std::string& path) {
        const pid_t child = fork();
        if (child != 0) return child;
        try {
            Run run(std::filesystem::exists(path) ? 77 : 1);
            std::int64_t epoch = 0;
            if (std::filesystem::exists(path)) epoch = load_checkpoint(path, run.parts()).epoch;
            while (epoch < epochs) {
                run.train_epoch();
                save_checkpoint(path, run.parts(++epoch));
            }
            _exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
            _exit(1);
        }
    };
    const auto ends_well = [](pid_t child) {
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    };
    REQUIRE(ends_well(start(folder.path("undisturbed"))));

    std::mt19937 random(5);
    int kills = 0;
    std::int64_t epoch = 0;
    for (int trial = 0; trial < 200 && epoch < epochs; ++trial) {
        const pid_t child = start(folder.path("disturbed"));
        usleep(static_cast<useconds_t>(random() % (4'000 + 500 * static_cast<unsigned>(trial))));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) ++kills;
        else REQUIRE(WEXITSTATUS(status) == 0);
        if (!std::filesystem::exists(folder.path("disturbed"))) continue;
        const auto held = load_checkpoint(folder.path("disturbed"), {});  // whole, whenever the program was killed
        CHECK(held.epoch >= epoch);
        epoch = held.epoch;
    }
    REQUIRE(ends_well(start(folder.path("disturbed"))));
    INFO(kills << " kills, epoch " << epoch << " reached between them");
    CHECK(kills > 0);
    CHECK(content_of(folder.path("disturbed")) == content_of(folder.path("undisturbed")));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()) == 2);
}
