// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Figures, panels and image grids: what is written, what is refused, what happens without gnuplot.
#include <limits>
#include <string>
#include <utility>

#include "headtorch/headtorch.hpp"
#include "headtorch/viz.hpp"
#include "tests/support/catch.hpp"
#include "tests/viz/pictures.hpp"

using namespace headtorch;
using testing::drawn;
using testing::Folder;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
const std::string hostile = "it's \"q\" `touch /tmp/x` {a}_b^c@d~e\\n\\ <tag> & &amp; $x 50% %g #1";

}  // namespace

TEST_CASE("words of all kinds come out as they are", "[viz]") {
    CHECK(viz::detail::clean("a\nb\tc\x7f"
                             "d") == "a b c\uFFFDd");
    CHECK(viz::detail::clean("caf\xe9 \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x94\xa6") == "caf\uFFFD \u00E9 \uFFFD\uFFFD\uFFFD \U0001F526");
    CHECK(viz::detail::columns("\u00E9\u2713a") == 3);
    CHECK(viz::detail::shortened("abcdef", 4) == "abc\u2026");
    CHECK(viz::detail::power_of_ten(-12) == "10\u207B\u00B9\u00B2");
    CHECK(viz::detail::number(0.1) == "0.1");
    CHECK(viz::detail::number(1.0 / 3) == "0.3333333333333333");
    CHECK(testing::xml_fault("<a b='<'/>") != "");  // the check itself
    CHECK(testing::xml_fault("<a>&</a>") != "");
    CHECK(testing::xml_fault("<a><b></a>") != "");
    CHECK(testing::xml_fault("<a b=\"1\">&amp;<b/></a>") == "");
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }

    viz::Figure figure({.title = "T " + hostile, .x_label = "X " + hostile, .y_label = "Y " + hostile, .subtitle = "S " + hostile});
    figure.line({1, 2}, {1, 2}, "L " + hostile)
        .x_names({"a", "N " + hostile.substr(0, 40), std::string(60, '%')})
        .text(1.5, 1.5, "W " + hostile);
    const auto picture = drawn(figure);
    CHECK(picture.says("N " + hostile.substr(0, 40)));
    CHECK(picture.svg.find(">" + std::string(20, '%')) != std::string::npos);  // long names end in an ellipsis
    CHECK(picture.svg.find("%\u2026</text>") != std::string::npos);
    for (const char* kind : {"T ", "X ", "Y ", "S ", "L ", "W "}) {
        INFO(kind);
        CHECK(picture.says(kind + hostile));
    }
    CHECK(picture.svg.find("<title>T it's") != std::string::npos);
    CHECK(picture.svg.find("Verdana") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists("/tmp/x"));
    viz::Figure broken({.title = "caf\xe9\x01 \xff"});
    broken.line({1, 2});
    CHECK(drawn(broken).says("caf\uFFFD  \uFFFD"));
}

TEST_CASE("figures are written as PNG and SVG", "[viz]") {
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    auto [x, y] = data::make_moons(60, {.noise = 0.1, .random_state = 0});
    const auto upper = [](const Tensor<>& p) { return sigmoid(5 * p.select(1, 1) - 1); };
    viz::Figure plain({.title = "moons", .x_label = "x1", .y_label = "x2", .equal_axes = true});
    plain.regions(upper, x, 20).scatter(x, y, {"a'b", "c"});
    const auto picture = drawn(plain);
    CHECK(picture.png.shape() == Shape{3, 720, 960});
    CHECK(picture.says("a'b"));
    CHECK(picture.says("c"));
    CHECK(picture.pixels("#0072B2") > 200);    // the points of class 0
    CHECK(picture.pixels("#D55E00") > 200);    // and of class 1
    CHECK(picture.pixels("#b8d8e9") > 20000);  // the plane of class 0: 28 % of its colour
    CHECK(picture.pixels("#f3d2b8") > 20000);
    CHECK(picture.svg.find("data:image/png;base64") != std::string::npos);

    viz::Figure shaded;
    shaded.regions(upper, x, {.resolution = 40, .boundary = true, .shading = true}).scatter(x, y);
    const auto second = drawn(shaded);
    CHECK(second.pixels("#333333", 20) > 300);  // the boundary
    CHECK(second.pixels("#b8d8e9") < picture.pixels("#b8d8e9") / 4);
    CHECK(second.says("class 0"));

    viz::Figure lines({.log_y = true});
    lines.line({1, 2, 3}, {1, none, 0.001}, "with a gap").line({0.5, 0.25, -1});
    lines.line({1, 3}, {1e-3, 1e-3}, "third", {.kind = 2, .dash = viz::Dash::dotted, .marks = true}).horizontal_line(0.1).vertical_line(2);
    const auto third = drawn(lines);
    CHECK(third.pixels("#D55E00") > 50);
    CHECK(third.pixels("#009E73") > 50);
    CHECK(third.says("10\u207B\u00B2"));
}

TEST_CASE("axes tell what a reader needs", "[viz]") {
    using viz::detail::axis_of;
    viz::detail::Extent extent;
    CHECK_THROWS_WITH(axis_of("x", extent, false, false, 0, 40), contains("no finite number"));
    extent.add(1);
    extent.add(5);
    extent.add(none);
    CHECK(axis_of("x", extent, false, true, 0, 40).script == "set xtics nomirror ('1' 1, '2' 2, '3' 3, '4' 4, '5' 5)\nset xrange [1:5]\n");
    CHECK(axis_of("x", extent, false, false, 0, 40).script.find("'1.5' 1.5") != std::string::npos);
    CHECK(axis_of("x", extent, false, false, 0, 10).script.find("'1.5' 1.5") == std::string::npos);  // a short axis has few tics
    viz::detail::Extent small;
    small.add(-2e-5);
    small.add(4e-5);
    const auto axis = axis_of("y", small, false, false, 0, 20);
    CHECK(axis.factor == "\u00D710\u207B\u2075");
    CHECK(axis.script.find("'\u22122' ") != std::string::npos);
    viz::detail::Extent wide;
    wide.add(-1);
    wide.add(1e-6);
    wide.add(100);
    CHECK(axis_of("x", wide, true, false, 0, 60).script.find("'10\u207B\u00B2' 0.01") != std::string::npos);
    CHECK(axis_of("x", wide, true, false, 0, 60).script.find("set xrange [1e-06:100]") != std::string::npos);
    viz::detail::Extent negative;
    negative.add(-1);
    CHECK_THROWS_WITH(axis_of("y", negative, true, false, 0, 20), contains("a logarithmic y axis needs positive numbers"));
    viz::detail::Extent huge;
    huge.add(-1.7e308);
    huge.add(1.7e308);
    CHECK_THROWS_WITH(axis_of("y", huge, false, false, 0.1, 20), contains("too large"));
    for (const double value : {0.0, 1e-300, -5.0, 1e300}) {  // one number alone has an axis
        viz::detail::Extent one;
        one.add(value);
        CHECK_NOTHROW(axis_of("x", one, false, false, 0.03, 20));
    }
}

TEST_CASE("a boundary runs where the classes are alike", "[viz]") {
    const auto lattice = viz::detail::lattice_around({0, 0, 1, 1}, 11);
    std::vector<double> p;
    for (std::int64_t i = 0; i < lattice.count(); ++i) p.push_back(lattice.at(i, 0));  // the probability is x itself
    const auto decision = viz::detail::decision_of(p, 1);
    std::istringstream numbers(viz::detail::boundary_of(lattice, decision));
    int points = 0;
    for (double x = 0, y = 0; numbers >> x >> y; ++points) CHECK(std::abs(x - 0.5) < 1e-12);
    CHECK(points == 20);  // ten cells, two ends each
    CHECK(decision.verdict(0) == std::pair<std::size_t, double>(0, 1));
    const auto scores = viz::detail::decision_of(std::vector<double>{5, 5, 5, 0, 9, 0, none, 1, 0}, 3);
    CHECK(scores.verdict(0).second == Approx(0).margin(1e-12));
    CHECK(scores.verdict(1).first == 1);
    CHECK(scores.verdict(1).second > 0.99);
    CHECK(scores.verdict(2).first == 1);
    const auto labels = viz::detail::decision_of(tensor<std::int64_t>({0, 2, 1, 2}), 4);
    CHECK(labels.classes == 3);
    CHECK(labels.verdict(3).first == 2);
}

TEST_CASE("figures refuse what they cannot draw", "[viz]") {
    viz::Figure fig;
    CHECK_THROWS_AS(fig.save("x.png"), ValueError);
    CHECK_THROWS_AS(fig.scatter(zeros({0, 2})), ValueError);
    CHECK_THROWS_AS(fig.scatter(zeros({3, 3})), ShapeError);
    CHECK_THROWS_AS(fig.scatter(zeros({3, 2}), zeros<std::int64_t>({2})), ShapeError);
    CHECK_THROWS_WITH(fig.scatter(full({3, 2}, none)), contains("scatter: no point has finite numbers"));
    CHECK_THROWS_AS(fig.line(std::vector<double>{1, 2}, std::vector<double>{1}), ShapeError);
    CHECK_THROWS_AS(fig.line(std::vector<double>{}), ValueError);
    CHECK_THROWS_WITH(fig.line({none, infinity}), contains("line: no point has finite numbers"));
    CHECK_THROWS_AS(fig.regions([](const Tensor<>& p) { return p.select(0, 0); }, zeros({3, 2})), ShapeError);
    CHECK_THROWS_AS(fig.regions([](const Tensor<>& p) { return p; }, zeros({3, 2}), 1), ValueError);
    CHECK_THROWS_AS(viz::image_grid(zeros({2, 2})), ShapeError);
    CHECK_THROWS_AS(viz::image_grid(zeros({0, 2, 2})), ValueError);
    CHECK_THROWS_AS(viz::image_grid(zeros({2, 2, 2}), {"one"}), ValueError);
    CHECK_THROWS_AS(viz::image_grid(zeros({2, 2, 2}), {}, {.columns = -1}), ValueError);
    CHECK_THROWS_AS(viz::Panels(std::vector<viz::Figure>{}), ValueError);
    fig.line({1, 2, 3});
    CHECK_THROWS_AS(fig.save("x.gif"), ValueError);
    CHECK_THROWS_AS(fig.save("x\n.png"), ValueError);
    CHECK_THROWS_WITH(fig.save("/nonexistent-directory/x.png"), contains("does not exist"));
    viz::Figure logarithmic({.log_y = true});
    logarithmic.line({-1, -2});
    CHECK_THROWS_WITH(logarithmic.save("x.png"), contains("needs positive numbers"));
}

TEST_CASE("panels stand in rows and columns, with axes that line up", "[viz]") {
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    std::vector<viz::Figure> figures;
    for (const double scale : {1.0, 1000.0, 0.1}) {
        figures.emplace_back(viz::FigureOptions{.title = viz::detail::join("panel ", scale)});
        figures.back().line({scale, 2 * scale, scale}, scale > 1 ? "named" : "");
    }
    const viz::Panels panels(figures, {.title = "all of them", .columns = 2, .panel_width = 300, .panel_height = 200});
    const auto picture = drawn(panels);
    CHECK(picture.png.size(2) == 600);
    CHECK(picture.png.size(1) == 400 + panels.page().height - 400);
    CHECK(panels.page().height > 420);
    for (const char* words : {"all of them", "panel 1", "panel 1000", "panel 0.1", "named"}) CHECK(picture.says(words));
    // The left ends of the axes in the first column: the columns of pixels where an axis stands.
    std::vector<std::int64_t> ends;
    for (const std::int64_t row : {panels.page().height - 400 + 100, panels.page().height - 200 + 100})
        for (std::int64_t x = 0; x < 290; ++x)
            if (picture.png[0][row][x].item() < 150) {
                ends.push_back(x);
                break;
            }
    REQUIRE(ends.size() == 2);
    CHECK(ends[0] == ends[1]);
}

TEST_CASE("image grids tell right from wrong by a colour and by a mark", "[viz]") {
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    auto images = zeros<std::uint8_t>({3, 3, 4, 5});
    const std::uint8_t colours[3][3] = {{200, 10, 20}, {20, 210, 30}, {40, 30, 220}};
    for (std::int64_t i = 0; i < 3; ++i)
        for (std::int64_t c = 0; c < 3; ++c) images[i][c].fill_(colours[i][c]);
    const auto picture =
        drawn(viz::image_grid(images, {{"one", viz::Mark::right}, {"two\n(2)", viz::Mark::wrong}, "three"}, {.title = "grid"}));
    for (const char* words : {"\u2713 one", "\u2717 two", "(2)", "three", "grid"}) CHECK(picture.says(words));
    CHECK(picture.pixels("#007a57", 20) > 20);
    CHECK(picture.pixels("#D55E00", 20) > 20);
    for (const char* colour : {"#c80a14", "#14d21e", "#281edc"}) CHECK(picture.pixels(colour) > 145 * 115);
    CHECK(picture.svg.find("rgb(") != std::string::npos);
    const auto grey = drawn(viz::image_grid(full({2, 1, 1, 1}, 0.4), {}, {.title = "grey"}));  // images of one pixel
    CHECK(grey.pixels("#666666") > 2 * 145 * 145);
    CHECK(grey.pixels("#007a57", 20) == 0);
}

TEST_CASE("without gnuplot there is no picture and no exception", "[viz]") {
    const Folder folder("missing");
    viz::Figure fig;
    fig.line({1, 2, 3});
    const std::string usual = std::exchange(viz::gnuplot_program(), "no-such-program-as-this");
    CHECK_FALSE(fig.save(folder.path / "x.png"));
    CHECK_FALSE(viz::Panels(fig).save(folder.path / "x.png"));
    viz::gnuplot_program() = "false";
    CHECK_THROWS_AS(fig.save(folder.path / "x.png"), IoError);
    viz::gnuplot_program() = usual;
    CHECK(folder.files() == 0);
}
