// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Progress, history, early stopping.
#include <clocale>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

TEST_CASE("durations, rates and the bar read well and fit the line", "[train]") {
    CHECK(train::detail::duration_text(4.6) == "5 s");
    CHECK(train::detail::duration_text(125) == "2:05");
    CHECK(train::detail::duration_text(3725) == "1:02:05");
    CHECK(train::detail::duration_text(std::numeric_limits<double>::infinity()) == "?");
    CHECK(train::detail::rate_text(12.34) == "12.3/s");
    CHECK(train::detail::rate_text(12340) == "12.3k/s");
    CHECK(train::detail::rate_text(0.5) == "2.0 s each");
    const std::string line = train::detail::progress_line("epoch 1/2", 50, 200, 10, "loss 0.5", 79);
    CHECK(line.find("epoch 1/2  25% [=======") == 0);
    CHECK(line.find("50/200 5.0/s, 30 s left  loss 0.5") != std::string::npos);
    for (int width : {10, 30, 50, 79, 120})
        CHECK(train::detail::progress_line("a long description", 1, 3, 1, "loss 1, accuracy 2", width).size() <= std::size_t(width));
    CHECK(train::detail::progress_line("", 0, 0, 0, "", 79).find("100%") != std::string::npos);
    // how many there will be is not known
    CHECK(train::detail::progress_line("epoch 1/2", 50, -1, 10, "loss 0.5", 79) == "epoch 1/2 50 5.0/s, 10 s  loss 0.5");
    CHECK(train::detail::progress_line("", 50, -1, 10, "", 5) == "50 5.");
}

TEST_CASE("the progress bar is silent when stderr is not a terminal", "[train]") {
    std::fflush(stderr);
    const auto path = std::filesystem::temp_directory_path() / "headtorch-progress-test.txt";
    const int saved = ::dup(2);
    REQUIRE(std::freopen(path.string().c_str(), "w", stderr));
    {
        train::Progress bar(10);
        for (int i = 0; i < 10; ++i) bar.step({{"loss", 1.0}});
        bar.step_with([]() -> std::string { throw ValueError("nobody looks at it"); });
        CHECK(bar.done() == 11);
    }
    std::fflush(stderr);
    ::dup2(saved, 2);
    ::close(saved);
    CHECK(std::filesystem::file_size(path) == 0);
    std::filesystem::remove(path);
}

TEST_CASE("history keeps its series in step and writes them", "[train]") {
    train::History history;
    history.add({{"loss", 3}, {"val,\"loss\"", 2.5}});
    history.add({{"loss", 1}});
    history.add({{"loss", 2}, {"accuracy", 0.5}});
    CHECK(history.size() == 3);
    CHECK(history["loss"] == std::vector<double>{3, 1, 2});
    CHECK(std::isnan(history["accuracy"][0]));
    CHECK(history.best_epoch("loss") == 1);
    CHECK(history.best_epoch("loss", true) == 0);
    CHECK(history.best_epoch("accuracy") == 2);
    CHECK_THROWS_AS(history["nothing"], ValueError);
    CHECK(history.to_csv() == "epoch,loss,\"val,\"\"loss\"\"\",accuracy\n1,3,2.5,\n2,1,,\n3,2,,0.5\n");
    CHECK(history.to_json_lines().find("{\"epoch\": 2, \"loss\": 1, \"val,\\\"loss\\\"\": null, \"accuracy\": null}\n") !=
          std::string::npos);
    const auto path = std::filesystem::temp_directory_path() / "headtorch-history-test.csv";
    history.save(path);
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    CHECK(text.str() == history.to_csv());
    std::filesystem::remove(path);
    CHECK_THROWS_AS(history.save("/nonexistent-directory/x.csv"), IoError);
}

TEST_CASE("the bar is drawn, with what it is asked for, and taken away", "[train]") {
    std::fflush(stderr);
    const auto path = std::filesystem::temp_directory_path() / "headtorch-progress-drawn-test.txt";
    const int saved = ::dup(2);
    REQUIRE(std::freopen(path.string().c_str(), "w", stderr));
    {
        train::Progress bar(10, {.description = "epoch 1/3", .always = true});
        bar.step_with([] { return std::string("loss 0.25"); });
        bar.clear();
    }
    std::fflush(stderr);
    ::dup2(saved, 2);
    ::close(saved);
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    CHECK(text.str().find("epoch 1/3  10%") != std::string::npos);
    CHECK(text.str().find("loss 0.25") != std::string::npos);
    CHECK(text.str().ends_with("\r\033[K"));
    std::filesystem::remove(path);
}

TEST_CASE("history writes any name and any number, whatever the locale", "[train]") {
    train::History history(4);
    train::Numbers numbers;
    numbers.set("a\r\nb\t", 0.1);
    numbers.set("loss", std::numeric_limits<double>::infinity());
    numbers.set("loss", -std::numeric_limits<double>::infinity());  // the last one counts
    numbers.set("c", 1.0 / 3);
    history.add(numbers);
    history.add({{"loss", std::numeric_limits<double>::quiet_NaN()}, {"c", 1e-300}});
    const char* former = std::setlocale(LC_ALL, nullptr);
    const std::string before = former ? former : "C";
    std::setlocale(LC_ALL, "de_DE.UTF-8");  // a decimal comma, where the system has it
    CHECK(history.to_csv() == "epoch,\"a\r\nb\t\",loss,c\n4,0.1,-inf,0.3333333333333333\n5,,,1e-300\n");
    CHECK(history.to_json_lines() ==
          "{\"epoch\": 4, \"a\\u000d\\u000ab\\u0009\": 0.1, \"loss\": null, \"c\": 0.3333333333333333}\n"
          "{\"epoch\": 5, \"a\\u000d\\u000ab\\u0009\": null, \"loss\": null, \"c\": 1e-300}\n");
    std::setlocale(LC_ALL, before.c_str());
    CHECK(history.best_epoch("c") == 1);
    CHECK_THROWS_AS(history.best_epoch("a"), ValueError);
    CHECK(numbers.to_string() == "a\r\nb\t 0.1  loss -inf  c 0.3333");
    CHECK_THROWS_AS(numbers["d"], ValueError);
    CHECK(numbers.names() == "a\r\nb\t, loss, c");
    CHECK(train::Numbers().names() == "nothing");
}

TEST_CASE("early stopping restores the weights of the best epoch", "[train]") {
    nn::Linear<> net(2, 1);
    train::EarlyStopping<nn::Linear<>> stopper({.patience = 2});
    CHECK_THROWS_AS(stopper.restore(net), ValueError);
    const Tensor<> handle = net.weight;  // what an optimiser would hold
    CHECK_FALSE(stopper.update(net, std::numeric_limits<double>::quiet_NaN()));
    CHECK_FALSE(stopper.update(net, 1.0));
    const auto best = net.weight.detach().clone();
    {
        NoGrad guard;
        handle.fill_(7);
    }
    CHECK_FALSE(stopper.update(net, 1.5));
    CHECK(stopper.update(net, std::numeric_limits<double>::quiet_NaN()));
    CHECK(stopper.best_value() == 1.0);
    CHECK(stopper.best_epoch() == 1);
    stopper.restore(net);
    CHECK(equal(net.weight.detach(), best));
    CHECK(equal(handle.detach(), best));
    CHECK(net.weight.requires_grad());
}

TEST_CASE("early stopping goes by min_delta and by mode", "[train]") {
    nn::Linear<> net(1, 1);
    train::EarlyStopping<nn::Linear<>> up({.patience = 1, .min_delta = 0.1, .mode = train::EarlyStoppingOptions::Mode::max});
    CHECK_FALSE(up(net, 0.5));
    CHECK_FALSE(up(net, 0.7));
    CHECK(up(net, 0.75));
}
