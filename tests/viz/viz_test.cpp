// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Pictures: what is written, what is refused, what happens without gnuplot.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "headtorch/headtorch.hpp"
#include "headtorch/viz.hpp"
#include "tests/support/catch.hpp"

using namespace headtorch;

namespace {

struct Folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / "headtorch-viz-test it's";
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::size_t files() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

std::string content(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

bool has_gnuplot() { return std::system("gnuplot --version > /dev/null 2>&1") == 0; }

}  // namespace

TEST_CASE("figures are written as PNG and SVG, whatever the titles hold", "[viz]") {
    if (!has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const Folder folder;
    auto [x, y] = data::make_moons(60, {.noise = 0.1, .random_state = 0});
    viz::Figure fig(
        {.title = "it's \"quoted\" `touch /tmp/x` {a}_b\\ \n & <tag> $x", .x_label = "x1", .y_label = "x2", .equal_axes = true});
    fig.regions([](const Tensor<>& p) { return sigmoid(p.select(1, 1)); }, x, 20).scatter(x, y, {"a'b", "c"});
    CHECK(fig.save(folder.path / "a b'c.png"));
    const std::string png = content(folder.path / "a b'c.png");
    CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
    CHECK((static_cast<unsigned char>(png[18]) << 8 | static_cast<unsigned char>(png[19])) == 960);
    CHECK(fig.save(folder.path / "a.svg"));
    const std::string svg = content(folder.path / "a.svg");
    CHECK(svg.find("<svg") != std::string::npos);
    CHECK(svg.find("<tag>") == std::string::npos);
    CHECK(svg.find("</svg>") != std::string::npos);
    viz::Figure lines({.log_y = true});
    lines.line({1, 2, 3}, {1, std::numeric_limits<double>::quiet_NaN(), 3}, "with a gap").line({0.5, 0.25});
    CHECK(lines.save(folder.path / "l.png"));
    CHECK(viz::image_grid(rand({3, 4, 5}), {{"one", viz::Mark::right}, {"two", viz::Mark::wrong}, "three"}, {.title = "grid"})
              .save(folder.path / "g.png"));
    CHECK(viz::image_grid(rand({2, 3, 4, 4})).save(folder.path / "rgb.svg"));
    CHECK(folder.files() == 5);  // nothing temporary is left
}

TEST_CASE("figures refuse what they cannot draw", "[viz]") {
    viz::Figure fig;
    CHECK_THROWS_AS(fig.save("x.png"), ValueError);
    CHECK_THROWS_AS(fig.scatter(zeros({0, 2})), ValueError);
    CHECK_THROWS_AS(fig.scatter(zeros({3, 3})), ShapeError);
    CHECK_THROWS_AS(fig.scatter(zeros({3, 2}), zeros<std::int64_t>({2})), ShapeError);
    CHECK_THROWS_AS(fig.line(std::vector<double>{1, 2}, std::vector<double>{1}), ShapeError);
    CHECK_THROWS_AS(fig.line(std::vector<double>{}), ValueError);
    CHECK_THROWS_AS(viz::image_grid(zeros({2, 2})), ShapeError);
    CHECK_THROWS_AS(viz::image_grid(zeros({0, 2, 2})), ValueError);
    CHECK_THROWS_AS(viz::image_grid(zeros({2, 2, 2}), {"one"}), ValueError);
    fig.line({1, 2, 3});
    CHECK_THROWS_AS(fig.save("x.gif"), ValueError);
    CHECK_THROWS_WITH(fig.save("/nonexistent-directory/x.png"), Catch::Contains("does not exist"));
}

TEST_CASE("without gnuplot there is no picture and no exception", "[viz]") {
    const Folder folder;
    viz::Figure fig;
    fig.line({1, 2, 3});
    const std::string usual = std::exchange(viz::gnuplot_program(), "no-such-program-as-this");
    CHECK_FALSE(fig.save(folder.path / "x.png"));
    CHECK_FALSE(fig.save(folder.path / "x.png"));
    viz::gnuplot_program() = "false";
    CHECK_THROWS_AS(fig.save(folder.path / "x.png"), IoError);
    viz::gnuplot_program() = usual;
    CHECK(folder.files() == 0);
}
