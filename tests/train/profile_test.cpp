// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <headtorch/headtorch.hpp>
#include <headtorch/train/profile.hpp>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Net : nn::Module<Net> {
    nn::Sequential<> body{nn::Linear<>(4, 8), nn::Tanh()};
    std::map<std::string, nn::Linear<>> heads{{"a \"b\"\\\n\xff", nn::Linear<>(8, 2)}};
    Tensor<> forward(const Tensor<>& x) { return heads.begin()->second(body(x)); }
};

ProfileRow row(const Profile& profile, std::string_view name, ProfilePhase phase = ProfilePhase::forward) {
    for (const ProfileRow& found : profile.rows())
        if (found.name == name && found.phase == phase) return found;
    return {};
}
void wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// An op that takes some time by itself, and calls another one.
void slow(int ms, bool calls_another) {
    const OpScope scope("slow");
    wait(ms);
    if (calls_another) {
        const OpScope inner("inner");
        wait(2 * ms);
        slow(ms, false);
    }
}

}  // namespace

TEST_CASE("calls, times and bytes of each op", "[profile]") {
    const auto x = randn({100, 100});
    Profile profile;
    for (int i = 0; i < 3; ++i) matmul(x, x);
    exp(x);
    profile.stop();
    matmul(x, x);
    const auto mm = row(profile, "mm"), matmul = row(profile, "matmul");
    CHECK(mm.calls == 3);
    CHECK(matmul.calls == 3);
    CHECK(mm.bytes == 3 * 40000);
    CHECK(matmul.bytes == 3 * 40000);
    CHECK(mm.self == mm.total);
    CHECK(matmul.total >= mm.total);
    CHECK(matmul.self == Approx(matmul.total - mm.total));
    CHECK(mm.mean() == Approx(mm.total / 3));
    CHECK(row(profile, "exp").bytes == 40000);
    CHECK(profile.rows().size() == 3);
    CHECK(profile.seconds_in_ops() == Approx(matmul.total + row(profile, "exp").total));
    CHECK(profile.seconds_in_ops() <= profile.seconds());
    const double seconds = profile.seconds();
    wait(2);
    CHECK(profile.seconds() == seconds);
}

TEST_CASE("an op within itself is not counted twice", "[profile]") {
    Profile profile;
    slow(4, true);
    profile.stop();
    const auto outer = row(profile, "slow"), inner = row(profile, "inner");
    CHECK(outer.calls == 2);
    CHECK(inner.calls == 1);
    CHECK(outer.total >= 0.016);
    CHECK(outer.total == Approx(profile.seconds_in_ops()));
    CHECK(outer.self >= 0.008);
    CHECK(inner.self >= 0.008);
    CHECK(outer.self + inner.self == Approx(outer.total));
    CHECK(inner.total >= 0.012);
    // directly in itself it is one call
    Profile other;
    {
        const OpScope scope("slow");
        slow(1, false);
    }
    CHECK(row(other, "slow").calls == 1);
}

TEST_CASE("forward, backward and step are told apart, by module if wished", "[profile]") {
    Net net;
    optim::SGD sgd(net.parameters(), {.lr = 0.1});
    const auto x = randn({16, 4}), y = randn({16, 2});
    Profile profile;
    for (int i = 0; i < 2; ++i) {
        sgd.zero_grad();
        nn::mse_loss(net(x), y).backward();
        sgd.step();
    }
    profile.stop();
    CHECK(row(profile, "linear").calls == 4);
    CHECK(row(profile, "linear", ProfilePhase::backward).calls == 4);
    CHECK(row(profile, "tanh").calls == 2);
    CHECK(row(profile, "tanh", ProfilePhase::backward).calls == 2);
    CHECK(row(profile, "mm", ProfilePhase::backward).calls == 6);
    CHECK(row(profile, "mm").calls == 0);
    CHECK(row(profile, "mse_loss").calls == 2);
    CHECK(row(profile, "accumulate_grad", ProfilePhase::backward).calls == 8);
    CHECK(row(profile, "SGD.step", ProfilePhase::step).calls == 2);
    const auto whole = row(profile, "backward", ProfilePhase::backward);
    CHECK(whole.calls == 2);
    for (const auto& found : profile.rows())
        if (found.phase == ProfilePhase::backward) CHECK(found.total <= whole.total);

    std::map<std::string, std::int64_t> tanhs, linears;
    for (const auto& found : profile.rows({.by_module = true})) {
        if (found.name == "tanh") tanhs[found.module] += found.calls;
        if (found.name == "linear") linears[found.module] += found.calls;
    }
    CHECK(tanhs == std::map<std::string, std::int64_t>{{"net.body.1", 4}});
    CHECK(linears == std::map<std::string, std::int64_t>{{"net.body.0", 4}, {"net.heads.a \"b\"\\\n\xff", 4}});
    // ops that a backward calls belong to the module too
    const auto rows = profile.rows({.by_module = true});
    CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.name == "mm" && r.module == "net.body.0"; }) == 1);
}

TEST_CASE("rows are sorted as wished, and the table says what it leaves out", "[profile]") {
    const auto x = randn({10});
    Profile profile;
    exp(x), exp(x), exp(x), sin(x);
    tanh(randn({1000}));
    profile.stop();
    CHECK(profile.rows({.sort_by = ProfileSort::calls})[0].name == "exp");
    CHECK(profile.rows({.sort_by = ProfileSort::bytes})[0].name == "tanh");
    CHECK(profile.rows({.sort_by = ProfileSort::name})[1].name == "sin");
    const auto by_self = profile.rows();
    CHECK(std::is_sorted(by_self.begin(), by_self.end(), [](const auto& a, const auto& b) { return a.self > b.self; }));
    const std::string table = profile.table({.sort_by = ProfileSort::name, .limit = 2});
    std::istringstream lines(table);
    std::string line;
    std::getline(lines, line);
    CHECK_THAT(line, Catch::Matchers::StartsWith("op   phase"));
    std::getline(lines, line);
    CHECK_THAT(line, Catch::Matchers::StartsWith("exp  forward      3"));
    std::getline(lines, line);
    CHECK_THAT(line, Catch::Matchers::StartsWith("sin  forward"));
    std::getline(lines, line);
    CHECK(line == "1 more rows");
    std::getline(lines, line);
    CHECK_THAT(line, Catch::Matchers::Contains(" in all: ") && Catch::Matchers::Contains(" outside of them ("));
    CHECK_THAT(profile.table({.by_module = true}), Catch::Matchers::StartsWith("module  op "));
}

TEST_CASE("numbers with units", "[profile]") {
    using train::bytes_text, train::time_text;
    CHECK(time_text(0) == "0.00 ns");
    CHECK(time_text(1.234e-7) == "123 ns");
    CHECK(time_text(0.00999) == "9.99 ms");
    CHECK(time_text(0.0099996) == "10.0 ms");
    CHECK(time_text(0.99999) == "1.00 s");
    CHECK(time_text(123) == "123 s");
    CHECK(bytes_text(1023) == "1023 B");
    CHECK(bytes_text(1536) == "1.5 KiB");
    CHECK(bytes_text(std::int64_t{5} << 30) == "5.0 GiB");
    CHECK(train::json_string("a\"b\\c\n\xc3\xa9 \xff\xc3") == "\"a\\u0022b\\u005cc\\u000a\xc3\xa9 \\ufffd\\ufffd\"");
}

TEST_CASE("errors leave the profile in order", "[profile]") {
    Net net;
    Profile profile;
    CHECK_THROWS_AS(net(randn({2, 3})), ShapeError);
    exp(ones({2}));
    profile.stop();
    CHECK(row(profile, "linear").calls == 1);
    CHECK(row(profile, "exp").calls == 1);
    for (const auto& found : profile.rows({.by_module = true}))
        if (found.name == "exp") CHECK(found.module.empty());
}

TEST_CASE("the trace has every call, nested in time", "[profile]") {
    const std::string path = (std::filesystem::temp_directory_path() / "headtorch_profile_test.json").string();
    Net net;
    const auto x = randn({3, 4});
    {
        profile prof;
        net(x).sum().backward();
        prof.save(path);
        CHECK_THROWS_AS(prof.save("/nowhere/trace.json"), IoError);
    }
    std::ifstream file(path);
    std::stringstream content;
    content << file.rdbuf();
    const std::string text = content.str();
    std::filesystem::remove(path);
    CHECK_THAT(text, Catch::Matchers::StartsWith("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n{\"ph\": \"M\""));
    CHECK_THAT(text, Catch::Matchers::EndsWith("}}\n]}\n"));
    struct Event {
        std::string name, category;
        double begin, duration;
    };
    std::vector<Event> events;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("\"ph\": \"X\"") == std::string::npos) continue;
        const auto after = [&](const std::string& key) { return line.substr(line.find("\"" + key + "\": ") + key.size() + 4); };
        const auto word = [&](const std::string& key) { return after(key).substr(1, after(key).find("\", ") - 1); };
        events.push_back({word("name"), word("cat"), std::stod(after("ts")), std::stod(after("dur"))});
    }
    std::set<std::string> seen;
    for (const Event& event : events) {
        seen.insert(event.category + " " + event.name);
        CHECK(event.begin >= 0);
        for (const Event& other : events) {  // one within the other, or apart
            const double end = event.begin + event.duration, other_end = other.begin + other.duration, slack = 0.0015;
            CHECK((end <= other.begin + slack || other_end <= event.begin + slack ||
                   (event.begin >= other.begin - slack && end <= other_end + slack) ||
                   (other.begin >= event.begin - slack && other_end <= end + slack)));
        }
    }
    for (const char* name : {"module net", "module net.body", "module net.body.1", "forward tanh", "backward tanh", "backward backward",
                             "module net.heads.a \\u0022b\\u0022\\u005c\\u000a\\ufffd", "backward accumulate_grad"}) {
        INFO(name);
        CHECK(seen.count(name) == 1);
    }
}

TEST_CASE("the trace stays within its limit, the numbers go on", "[profile]") {
    const std::string path = (std::filesystem::temp_directory_path() / "headtorch_profile_limit.json").string();
    Profile profile({.trace_limit = 5});
    const auto x = ones({2});
    for (int i = 0; i < 20; ++i) exp(x);
    profile.save(path);
    std::ifstream file(path);
    int events = 0;
    for (std::string line; std::getline(file, line);) events += line.find("\"ph\": \"X\"") != std::string::npos;
    std::filesystem::remove(path);
    CHECK(events == 5);
    CHECK(row(profile, "exp").calls == 20);
}
