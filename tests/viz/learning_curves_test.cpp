// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Learning curves, saved and live. What a window shows is seen through a program in gnuplot's place.
#include "headtorch/viz/learning_curves.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "headtorch/headtorch.hpp"
#include "headtorch/viz/live_plot.hpp"
#include "tests/support/catch.hpp"
#include "tests/viz/pictures.hpp"

using namespace headtorch;
using testing::content;
using testing::drawn;
using testing::Folder;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

train::History history(int epochs) {
    train::History result;
    for (int i = 0; i < epochs; ++i)
        result.add({{"loss", 1.0 / (i + 1)},
                    {"accuracy", 1 - 0.5 / (i + 1)},
                    {"val_loss", (i - 3) * (i - 3) + 0.25},
                    {"val_accuracy", 0.5 + 0.01 * i},
                    {"lr", 0.1},
                    {"seconds", 3}});
    return result;
}

/// A program in gnuplot's place, and perhaps a display.
struct Stage {
    std::string usual = viz::gnuplot_program();
    Stage(const Folder& folder, const std::string& script, bool display) {
        if (!script.empty()) {
            const auto path = folder.path / "gnuplot it's";
            std::ofstream(path) << "#!/bin/sh\n" << script;
            std::filesystem::permissions(path, std::filesystem::perms::owner_all);
            viz::gnuplot_program() = path.string();
        }
        unsetenv("WAYLAND_DISPLAY");
        if (display)
            setenv("DISPLAY", ":77", 1);
        else
            unsetenv("DISPLAY");
    }
    ~Stage() {
        viz::gnuplot_program() = usual;
        unsetenv("DISPLAY");
    }
};

/// Waits, ten seconds at most, until something holds.
template <class Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

const std::string terminals =
    "case \"$*\" in *GPVAL_TERMINALS*) echo ' dumb png x11 qt svg '; exit 0;; *.gp*) exec gnuplot \"$@\";; esac\n";

}  // namespace

TEST_CASE("curves of one quantity share a colour, and the best epoch is marked", "[viz]") {
    const auto panels = viz::learning_curves(history(30), {.title = "Curves", .labels = {{"loss", "cross entropy"}}});
    CHECK(panels.size() == 2);
    CHECK(viz::learning_curves(history(30), {.names = {"accuracy"}}).size() == 1);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto picture = drawn(panels);
    for (const char* words :
         {"Curves", "epoch", "cross entropy", "accuracy", "training", "validation", "best epoch", "best epoch 4: 0.25", "epoch 4: 0.53"})
        CHECK(picture.says(words));
    CHECK_FALSE(picture.says("lr"));
    CHECK_FALSE(picture.says("seconds"));
    CHECK(picture.pixels("#0072B2") > 100);
    CHECK(picture.pixels("#D55E00") > 100);
    CHECK(picture.pixels("#009E73") == 0);
    CHECK(testing::count_of("stroke-dasharray", picture.svg) > 0);

    const auto chosen = drawn(viz::learning_curves(history(9), {.names = {"loss"}, .log_y = true, .monitor = "val_accuracy"}));
    CHECK(chosen.says("epoch 9: 25.2"));
    const auto unmarked = drawn(viz::learning_curves(history(9), {.mark_best = false}));
    CHECK(unmarked.svg.find("epoch 4") == std::string::npos);
    CHECK(drawn(viz::learning_curves(history(1))).says("training"));  // a single epoch is a point
}

TEST_CASE("histories with nothing to draw are refused", "[viz]") {
    train::History empty, undefined;
    undefined.add({{"loss", none}, {"accuracy", 0.5}});
    CHECK_THROWS_WITH(viz::learning_curves(empty), contains("no finite number"));
    CHECK_THROWS_WITH(viz::learning_curves(undefined, {.names = {"loss"}}), contains("\"loss\" has no finite number"));
    CHECK_THROWS_WITH(viz::learning_curves(undefined, {.names = {"mood"}}), contains("nothing called \"mood\""));
    CHECK_THROWS_WITH(viz::learning_curves(undefined, {.monitor = "mood"}), contains("nothing called \"mood\""));
    CHECK(viz::learning_curves(undefined).size() == 1);
}

TEST_CASE("a live plot without a window rewrites its file", "[viz]") {
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const Folder folder("live");
    const Stage stage(folder, "", false);
    for (const char* name : {"live.png", "live.svg"}) {
        const auto path = folder.path / name;
        {
            viz::LivePlot live(path, {.seconds = 0});
            CHECK_FALSE(live.has_window());
            CHECK_FALSE(live.update(train::History()));  // nothing to draw yet
            CHECK(live.update(history(2)));
            CHECK(eventually([&] { return live.update(history(3)); }));  // the first is complete, thus in its place
            CHECK(std::filesystem::exists(path));
            CHECK(live.finish(history(30)));
        }
        CHECK(content(path).size() > 5000);
    }
    CHECK(content(folder.path / "live.svg").find("best epoch 4: 0.25</text>") != std::string::npos);
    CHECK(testing::xml_fault(content(folder.path / "live.svg")) == "");
    CHECK(io::read_image((folder.path / "live.png").string()).size(1) > 400);
    CHECK(folder.files() == 2);
    viz::LivePlot slow(folder.path / "slow.png", {.seconds = 3600});
    CHECK(slow.update(history(2)));
    CHECK_FALSE(slow.update(history(3)));
    CHECK(eventually([&] { return !slow.update(history(3)) && std::filesystem::exists(folder.path / "slow.png"); }));
    CHECK_THROWS_AS(viz::LivePlot("x.gif"), ValueError);
    CHECK_THROWS_AS(viz::LivePlot("/nonexistent-directory/x.png"), IoError);
}

TEST_CASE("a live plot has a window where gnuplot can open one", "[viz]") {
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const Folder folder("window");
    const auto log = folder.path / "log";
    const Stage stage(folder, terminals + "exec cat > \"$(dirname \"$0\")/log\"\n", true);
    {
        viz::LivePlot live(folder.path / "live.png", {.seconds = 0});
        CHECK(live.has_window());
        CHECK(live.update(history(2)));
        CHECK(live.update(history(3)));
        CHECK(eventually([&] { return testing::count_of("unset multiplot", content(log)) == 2; }));
        CHECK_FALSE(std::filesystem::exists(folder.path / "live.png"));
        CHECK(live.finish(history(4)));
        CHECK(live.has_window());
        CHECK(std::filesystem::exists(folder.path / "live.png"));
        viz::LivePlot unwanted(folder.path / "other.png", {.window = false});
        CHECK_FALSE(unwanted.has_window());
    }
    CHECK(eventually([&] { return testing::count_of("unset multiplot", content(log)) == 3; }));
    CHECK(testing::count_of("set terminal qt", content(log)) == 1);
    CHECK(testing::count_of("persist", content(log)) == 1);
}

TEST_CASE("whatever befalls gnuplot, training goes on", "[viz]") {
    const Folder folder("trouble");
    const auto path = folder.path / "live.png";
    train::History long_history;
    for (int i = 0; i < 5000; ++i) long_history.add({{"loss", 1.0 / (i + 1)}});

    SECTION("there is none") {
        const Stage stage(folder, "", false);
        viz::gnuplot_program() = "no-such-program-as-this";
        viz::LivePlot live(path, {.seconds = 0});
        for (int i = 0; i < 3; ++i) CHECK_FALSE(live.update(history(2)));
        CHECK_FALSE(live.finish(history(2)));
    }
    SECTION("it fails") {
        const Stage stage(folder, "exit 3\n", false);
        viz::LivePlot live(path, {.seconds = 0});
        CHECK(live.update(history(2)));
        CHECK(eventually([&] { return !live.update(history(2)); }));
        CHECK_FALSE(live.finish(history(2)));
    }
    SECTION("its window is closed") {
        if (!testing::has_gnuplot()) return;
        const Stage stage(folder, terminals + "exit 0\n", true);
        viz::LivePlot live(path, {.seconds = 0});
        CHECK(live.has_window());
        CHECK(eventually([&] { return live.update(long_history), !live.has_window(); }));
        CHECK(eventually([&] { return live.update(history(2)), std::filesystem::exists(path); }));  // the file, then
    }
    SECTION("it reads nothing") {
        if (!testing::has_gnuplot()) return;
        const Stage stage(folder, terminals + "exec sleep 20\n", true);
        viz::LivePlot live(path, {.seconds = 0});
        CHECK(live.update(long_history));
        CHECK(eventually([&] { return !live.update(long_history); }));  // the pipe is full: pictures are left out
        CHECK(live.has_window());
    }
    CHECK(testing::count_of(".gp", content(folder.path)) == 0);
}
