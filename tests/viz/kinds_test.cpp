// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Each kind of picture: drawn from small data, read back, and refused where the data make no sense.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "headtorch/viz.hpp"
#include "tests/support/catch.hpp"
#include "tests/viz/pictures.hpp"

using namespace headtorch;
using testing::drawn;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

struct Net : nn::Module<Net> {
    nn::Conv2d<> conv{3, 4, 3};
    nn::Linear<> fc{4, 2};
    Tensor<> forward(Tensor<> x) { return fc(conv(x).mean(3).mean(2)); }
};

}  // namespace

TEST_CASE("confusion matrices show counts and shares of the rows", "[viz]") {
    const auto counts = tensor<std::int64_t>({8, 2, 0, 1, 30, 0, 0, 0, 0}).view({3, 3});
    CHECK_THROWS_AS(viz::confusion_matrix(zeros<std::int64_t>({2, 3})), ShapeError);
    CHECK_THROWS_AS(viz::confusion_matrix(zeros<std::int64_t>({0, 0})), ValueError);
    CHECK_THROWS_WITH(viz::confusion_matrix(counts, {.names = {"a"}}), contains("1 names for 3 classes"));
    CHECK_THROWS_AS(viz::confusion_matrix(counts - 2), ValueError);
    CHECK_THROWS_AS(viz::confusion_matrix(zeros<std::int64_t>({2}), zeros<std::int64_t>({3})), ShapeError);
    CHECK_THROWS_AS(viz::confusion_matrix(zeros<std::int64_t>({2}) - 1, zeros<std::int64_t>({2})), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto picture = drawn(viz::confusion_matrix(counts, {.title = "C", .names = {"cat", "dog", "50% <b>"}}));
    for (const char* words : {"C", "cat", "dog", "50% <b>", "8", "80 %", "20 %", "30", "97 %", "3.2 %", "predicted class", "true class"})
        CHECK(picture.says(words));
    CHECK_FALSE(picture.says("0 %"));
    const std::string& svg = picture.svg;
    CHECK(picture.shapes(255, 255, 255) == 7);        // the ground, the five cells with nothing, and the end of the bar of colours
    CHECK(testing::count_of(">0</text>", svg) == 6);  // and the 0 of the bar of colours
    for (const std::int64_t classes : {2, 10, 20}) {
        const auto many = drawn(viz::confusion_matrix(arange<std::int64_t>(classes * classes).view({classes, classes})));
        CHECK(many.says(std::to_string(classes * classes - 1)));
        CHECK(many.png.size(2) < 1500);
        // every count stands there
        for (std::int64_t i = classes; i < classes * classes; ++i) CHECK(many.says(std::to_string(i)));
    }
    const auto labels = tensor<std::int64_t>({0, 0, 1, 2}), guesses = tensor<std::int64_t>({0, 1, 1, 2});
    const auto counted = drawn(viz::confusion_matrix(labels, guesses, {.names = {"a", "b", "c", "d"}}));
    CHECK(counted.says("d"));
    CHECK(testing::count_of(">50 %</text>", counted.svg) == 2);
    CHECK(testing::count_of(">100 %</text>", counted.svg) == 2);
}

TEST_CASE("heat maps", "[viz]") {
    CHECK_THROWS_AS(viz::heatmap(zeros({3})), ShapeError);
    CHECK_THROWS_AS(viz::heatmap(zeros({0, 3})), ValueError);
    CHECK_THROWS_WITH(viz::heatmap(full({2, 2}, none)), contains("no number is finite"));
    CHECK_THROWS_AS(viz::heatmap(zeros({2, 2}), {.x_names = {"a"}}), ValueError);
    CHECK_THROWS_AS(viz::heatmap(zeros({2, 2}), {.range = std::pair(1.0, 1.0)}), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto picture = drawn(viz::heatmap(
        tensor({0.0f, 1.0f, 0.25f, 0.5f}).view({2, 2}),
        {.title = "H", .x_label = "key", .y_label = "query", .colour_label = "weight", .x_names = {"a", "b"}, .values = true}));
    for (const char* words : {"H", "key", "query", "weight", "a", "b", "0.00", "1.00", "0.25", "0.50"}) CHECK(picture.says(words));
    CHECK(picture.pixels("#00406a", 4) > 10000);
    const auto signs = drawn(viz::heatmap(tensor({-2.0f, 2.0f, 0.0f, NAN}).view({1, 4})));
    CHECK(signs.pixels("#00406a", 4) > 2000);
    CHECK(signs.pixels("#853a00", 4) > 2000);
    drawn(viz::heatmap(arange(40 * 50).view({40, 50})));
    drawn(viz::heatmap(zeros({1, 1})));
}

TEST_CASE("ROC and precision-recall curves", "[viz]") {
    const auto labels = tensor<std::int64_t>({0, 0, 1, 1});
    const auto scores = tensor({0.1, 0.4, 0.35, 0.8});  // scikit-learn's own example: AUC 0.75, AP 0.83
    CHECK_THROWS_WITH(viz::roc_curve(labels.narrow(0, 0, 2), scores.narrow(0, 0, 2)), contains("both classes"));
    CHECK_THROWS_AS(viz::roc_curve(labels, full<double>({4}, none)), ValueError);
    CHECK_THROWS_AS(viz::roc_curve(labels, zeros({3})), ShapeError);
    CHECK_THROWS_AS(viz::roc_curve(std::vector<viz::ScoredLabels>{}), ValueError);
    CHECK_THROWS_AS(viz::precision_recall_curve(std::vector<viz::ScoredLabels>{}), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto roc = drawn(viz::roc_curve({{"net", scores, labels}, {"its opposite", -scores, labels}}));
    for (const char* words :
         {"ROC curve", "net: AUC 0.750", "its opposite: AUC 0.250", "guessing: AUC 0.500", "false positive rate", "true positive rate"})
        CHECK(roc.says(words));
    CHECK(roc.pixels("#0072B2") > 500);
    CHECK(roc.pixels("#D55E00") > 300);
    const auto pr = drawn(viz::precision_recall_curve(labels, scores));
    for (const char* words : {"AP 0.833", "guessing: AP 0.500", "recall", "precision"}) CHECK(pr.says(words));
}

TEST_CASE("residuals and fitted lines", "[viz]") {
    CHECK_THROWS_AS(viz::residuals(std::vector<double>{1}, std::vector<double>{1, 2}), ShapeError);
    CHECK_THROWS_AS(viz::residuals(std::vector<double>{}, std::vector<double>{}), ValueError);
    CHECK_THROWS_WITH(viz::residuals(std::vector<double>{none}, std::vector<double>{1}), contains("no residual is finite"));
    const auto x = tensor<double>({0.0, 1.0, 2.0, 3.0}), y = tensor<double>({1.0, 3.5, 4.5, 7.0});
    const auto model = [](const Tensor<double>& at) { return 2 * at + 1; };
    CHECK_THROWS_AS(viz::regression_fit(x, y.narrow(0, 0, 3), model), ShapeError);
    CHECK_THROWS_AS(viz::regression_fit(zeros<double>({2, 2}), y, model), ShapeError);
    CHECK_THROWS_AS(viz::regression_fit(x, y, [](const Tensor<double>& at) { return at.sum(); }), ShapeError);
    CHECK_THROWS_AS(viz::regression_fit(full<double>({4}, none), y, model), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto left_over = drawn(viz::residuals(y, model(x), {.unit = "kg"}));
    for (const char* words : {"Residuals", "predicted (kg)", "residual: true \u2212 predicted (kg)", "count", "mean 0", "sd 0.354"})
        CHECK(left_over.says(words));
    CHECK(left_over.shapes(0, 114, 178) == 3);  // bars of -0.5, 0 and 0.5
    const auto fit =
        drawn(viz::regression_fit(x.view({4, 1}), y, model, {.title = "F", .x_label = "size (m\u00B2)", .y_label = "price (k$)"}));
    for (const char* words : {"F", "size (m\u00B2)", "price (k$)", "data", "fit"}) CHECK(fit.says(words));
    CHECK(fit.pixels("#0072B2") > 100);
    CHECK(fit.pixels("#D55E00") > 500);
}

TEST_CASE("histograms of weights and gradients", "[viz]") {
    using viz::detail::bins_of;
    const auto bins = bins_of("t", {0, 0, 1, 2, 10, none}, 5);
    CHECK(bins.counts == std::vector<double>{3, 1, 0, 0, 1});
    CHECK(bins.other == 1);
    CHECK(bins.mean == Approx(2.6));
    CHECK(bins.deviation == Approx(3.7735924528));
    CHECK(bins_of("t", {3, 3, 3}, 0).counts.size() == 5);
    CHECK_THROWS_WITH(bins_of("t", {}, 0), contains("no numbers"));
    CHECK_THROWS_WITH(bins_of("t", {none}, 0), contains("no number is finite"));
    Net net;
    CHECK_THROWS_WITH(viz::gradient_histograms(net), contains("call backward() first"));
    CHECK_THROWS_WITH(viz::weight_histograms(net, {.contains = "none"}), contains("no parameters with \"none\""));
    net(rand({2, 3, 8, 8})).pow(2).mean().backward();
    CHECK(viz::weight_histograms(net).size() == 4);
    CHECK(viz::gradient_histograms(net, {.contains = ".weight"}).size() == 2);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto weights = drawn(viz::weight_histograms(net, {.share_x = true}));
    for (const char* words : {"Weights", "conv.weight [4, 3, 3, 3]", "conv.bias [4]", "fc.weight [2, 4]", "fc.bias [2]", "weight", "count"})
        CHECK(weights.says(words));
    {
        const NoGrad guard;
        net.fc.weight.fill_(static_cast<float>(none));
    }
    const auto some = drawn(viz::weight_histograms(net, {.most = 3}));
    CHECK(some.says("Weights (the first 3 of 4)"));
    CHECK(some.says("all 8 not finite"));
    drawn(viz::gradient_histograms(net, {.log_y = true}));
    const auto single = drawn(viz::histogram(tensor({1.0f, 2.0f, 2.0f, NAN}), {.title = "one"}));
    CHECK(single.says("mean 1.67, sd 0.471, 1 not finite"));
}

TEST_CASE("filters of a convolution", "[viz]") {
    CHECK_THROWS_AS(viz::filters(zeros({2, 2})), ShapeError);
    CHECK_THROWS_AS(viz::filters(zeros({0, 1, 2, 2})), ValueError);
    CHECK_THROWS_AS(viz::filters(full({1, 1, 2, 2}, none)), ValueError);
    CHECK_THROWS_AS(viz::filters(zeros({1, 1, 2, 2}), {.max_filters = 0}), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    auto weight = zeros({2, 3, 2, 2});
    weight[0][0].fill_(0.5f);   // red at its most
    weight[1][2].fill_(-2.0f);  // blue at its least: by itself as strong
    const auto rgb = drawn(viz::filters(weight, {.title = "conv1"}));
    CHECK(rgb.says("conv1"));
    CHECK(rgb.says("each filter by its largest absolute weight; grey: 0"));
    CHECK(rgb.pixels("#ff8080", 2) > 4000);
    CHECK(rgb.pixels("#808000", 2) > 4000);
    const auto table = drawn(viz::filters(weight, {.rgb = false, .scale_each = false}));
    CHECK(table.says("channel of the input"));
    CHECK(table.says("scale \u00B12"));
    CHECK(table.pixels("#00406a", 3) > 1500);
    CHECK(table.pixels("#00406a", 3) < table.pixels("#ffffff", 0));
    const auto many = drawn(viz::filters(randn({70, 1, 3, 3})));
    CHECK(many.says("the first 64 of 70 filters; each filter by its largest absolute weight"));
    drawn(viz::filters(randn({4, 20, 1, 1})));
    drawn(viz::filters(randn({4, 2, 5})));
    drawn(viz::filters(nn::Conv2d<>(3, 8, 3).weight));
}

TEST_CASE("bars", "[viz]") {
    CHECK_THROWS_AS(viz::bars({"a"}, std::vector<double>{1, 2}), ShapeError);
    CHECK_THROWS_AS(viz::bars({}, std::vector<double>{}), ValueError);
    CHECK_THROWS_AS(viz::bars({"a"}, std::vector<double>{none}), ValueError);
    CHECK_THROWS_AS(viz::bars({"a"}, std::vector<double>{1}, {.range = std::pair(2.0, 1.0)}), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto standing =
        drawn(viz::bars({"a", "b", "c"}, std::vector<double>{0.5, -0.25, none}, {.title = "B", .label = "score", .reference = 0.1}));
    for (const char* words : {"B", "score", "a", "b", "c", "0.500", "\u22120.250", "mean 0.100"}) CHECK(standing.says(words));
    CHECK(standing.pixels("#2688be", 6) > 20000);  // 85 % of the first colour
    const auto lying = drawn(viz::bars({"a", "b"}, tensor<std::int64_t>({3, 12}), {.horizontal = true, .sort = true}));
    CHECK(lying.says("12"));
    CHECK(lying.svg.find(">b</text>") < lying.svg.find(">a</text>"));
    CHECK(lying.says("a"));
}

TEST_CASE("functions with their derivatives", "[viz]") {
    CHECK_THROWS_AS(viz::function_plot([](auto x) { return x.sum(); }), ShapeError);
    CHECK_THROWS_AS(viz::function_plot([](auto x) { return x; }, {.low = 1, .high = 1}), ValueError);
    CHECK_THROWS_AS(viz::function_plot([](auto x) { return x / 0.0 * 0.0; }), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto picture = drawn(viz::function_plot([](auto x) { return tanh(x); }, {.title = "Tanh"}));
    for (const char* words : {"Tanh", "f(x)", "f\u2032(x)", "x"}) CHECK(picture.says(words));
    CHECK(picture.pixels("#0072B2") > 400);
    CHECK(picture.pixels("#D55E00") > 300);
    const auto bare = drawn(viz::function_plot<float>(nn::PReLU<>(), {.derivative = false}));
    CHECK(bare.pixels("#D55E00") == 0);
    drawn(viz::function_plot([](auto x) { return x * 0 + 1; }));
}

TEST_CASE("learning rates", "[viz]") {
    const std::vector<double> rates = {1e-5, 1e-4, 1e-3, 1e-2}, losses = {2, 1.9, 1.1, 4};
    CHECK_THROWS_AS(viz::lr_curve(rates, {1}), ShapeError);
    CHECK_THROWS_AS(viz::lr_curve({0}, {1}), ValueError);
    CHECK_THROWS_AS(viz::lr_curve({}, {}), ValueError);
    CHECK_THROWS_AS(viz::lr_curve(rates, losses, {.suggestion = none}), ValueError);
    if (!testing::has_gnuplot()) {
        WARN("gnuplot is not installed: nothing drawn");
        return;
    }
    const auto picture = drawn(viz::lr_curve(rates, losses, {.suggestion = 5e-4}));
    for (const char* words : {"learning rate", "loss (smoothed)", "suggestion: 0.0005", "10\u207B\u2074"}) CHECK(picture.says(words));
    CHECK(picture.pixels("#D55E00") > 30);
    drawn(viz::lr_curve(rates, losses, {.suggestion = 0.5}));  // beyond the curve
}
