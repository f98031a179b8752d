// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

// Metrics against scikit-learn's answers (tests/reference/make_metrics_reference.py), whole and in batches.

#include "headtorch/train/metrics.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "headtorch/headtorch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/reference_file.hpp"

using namespace headtorch;
using train::Average;

namespace {

using Labels = Tensor<std::int64_t>;
constexpr Average averages[] = {Average::binary, Average::micro, Average::macro, Average::weighted};
const char* const average_names[] = {"binary", "micro", "macro", "weighted"};

std::vector<testing::Case> cases(const std::string& op) {
    std::vector<testing::Case> found;
    for (testing::Case& each : testing::load_cases("metrics.txt"))
        if (each.op == op) found.push_back(each);
    REQUIRE_FALSE(found.empty());
    return found;
}

/// Within 1e-13 of what the file has under this name; NaN where it has NaN.
void check(const testing::Case& each, const std::string& name, const std::vector<double>& values) {
    INFO(each.title << ": " << name);
    const testing::Written* written = testing::Case::find(each.outputs, name);
    REQUIRE(written);
    const auto expected = written->values<double>();
    REQUIRE(values.size() == expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        INFO(i << ": " << values[i] << " for " << expected[i]);
        CHECK((values[i] == expected[i] || std::abs(values[i] - expected[i]) <= 1e-13 * std::max(1.0, std::abs(expected[i])) ||
               (std::isnan(values[i]) && std::isnan(expected[i]))));
    }
}
void check(const testing::Case& each, const std::string& name, double value) { check(each, name, std::vector<double>{value}); }

/// The metric of tensors given in batches of 7.
template <class M, class X, class Y>
M& in_batches(M& metric, const X& output, const Y& target) {
    metric.reset();
    for (std::int64_t i = 0; i < output.size(0); i += 7) {
        const std::int64_t rows = std::min<std::int64_t>(7, output.size(0) - i);
        metric.update(output.narrow(0, i, rows), target.narrow(0, i, rows));
    }
    return metric;
}

/// Everything made from the counts of classes.
template <class X>
void check_classes(const testing::Case& each, const X& output, const Labels& truth, const train::ClassificationOptions& options,
                   bool binary) {
    train::Accuracy accuracy(options);
    check(each, "accuracy", train::accuracy(output, truth, options));
    check(each, "accuracy", in_batches(accuracy, output, truth).compute());
    for (std::size_t a = binary ? 0 : 1; a < 4; ++a) {
        train::ClassificationOptions with = options;
        with.average = averages[a];
        const std::string name = std::string(".") + average_names[a];
        train::Precision precision(with);
        train::Recall recall(with);
        train::F1Score f1(with);
        check(each, "precision" + name, train::precision_score(output, truth, with));
        check(each, "recall" + name, train::recall_score(output, truth, with));
        check(each, "f1" + name, train::f1_score(output, truth, with));
        check(each, "precision" + name, in_batches(precision, output, truth).compute());
        check(each, "recall" + name, in_batches(recall, output, truth).compute());
        check(each, "f1" + name, in_batches(f1, output, truth).compute());
    }
    auto scores = train::precision_recall_fscore_support(output, truth, options);
    const auto classes = each.tensor<std::int64_t>("confusion").size(0);
    const auto padded = [&](std::vector<double> values) {
        values.resize(static_cast<std::size_t>(classes));
        return values;
    };
    check(each, "precision", padded(scores.precision));
    check(each, "recall", padded(scores.recall));
    check(each, "f1", padded(scores.f1));
    check(each, "support", padded({scores.support.begin(), scores.support.end()}));

    train::ConfusionMatrix matrix(classes, options), growing(0, options);
    CHECK(each.compare("confusion", train::confusion_matrix(output, truth, classes, options)).empty());
    CHECK(each.compare("confusion", in_batches(matrix, output, truth).compute()).empty());
    const auto grown = in_batches(growing, output, truth).compute();
    CHECK(equal(grown, each.tensor<std::int64_t>("confusion").narrow(0, 0, grown.size(0)).narrow(1, 0, grown.size(0))));
    CHECK(grown.sum().item() == truth.numel());
}

}  // namespace

TEST_CASE("class indices, with classes that are missing", "[train][metrics]") {
    for (const auto& each : cases("classes")) {
        const auto truth = each.tensor<std::int64_t>("truth"), guess = each.tensor<std::int64_t>("guess");
        check_classes(each, guess, truth, {}, false);
        check_classes(each, guess.to<std::int32_t>(), truth, {}, false);
    }
}

TEST_CASE("scores of classes, with equal ones", "[train][metrics]") {
    for (const auto& each : cases("scores")) {
        const auto truth = each.tensor<std::int64_t>("truth");
        const auto scores = each.tensor<double>("scores");
        check_classes(each, scores, truth, {}, false);
        check_classes(each, scores.to<float>(), truth, {}, false);
        check_classes(each, each.tensor<double>("scores", testing::Layout::strided), truth, {}, false);
        std::vector<double> top;
        for (std::int64_t k = 1; k <= scores.size(1); ++k) {
            train::TopKAccuracy metric(k);
            top.push_back(train::top_k_accuracy(scores, truth, k));
            CHECK(in_batches(metric, scores, truth).compute() == top.back());
        }
        check(each, "top", top);
    }
}

TEST_CASE("probabilities and logits of one class, and the ROC curve", "[train][metrics]") {
    for (const auto& each : cases("binary")) {
        const auto truth = each.tensor<std::int64_t>("truth");
        const auto scores = each.tensor<float>("scores");
        for (const auto& options : {train::ClassificationOptions{}, train::ClassificationOptions{.from_logits = each.flag("logits")}}) {
            check_classes(each, scores, truth, options, true);
            check_classes(each, scores.unsqueeze(1), truth, options, true);
        }
        train::AUC auc;
        if (testing::Case::find(each.outputs, "auc")) {
            check(each, "auc", train::roc_auc_score(scores, truth));
            check(each, "auc", train::roc_auc_score(scores.unsqueeze(1), truth.to<float>().unsqueeze(1)));
            check(each, "auc", in_batches(auc, scores, truth).compute());
            // in two columns
            const auto logits = stack({-0.5 * scores, 0.5 * scores}, 1);
            check(each, "auc", train::roc_auc_score(logits, truth, {.from_logits = true}));
            if (!each.flag("logits")) check(each, "auc", train::roc_auc_score(stack({1 - scores, scores}, 1), truth));
        } else {
            CHECK(std::isnan(train::roc_auc_score(scores, truth)));
        }
        for (const bool drop : {true, false}) {
            const std::string name = drop ? "short" : "long";
            const auto curve = train::roc_curve(scores, truth, drop);
            check(each, name + ".fpr", curve.fpr);
            check(each, name + ".tpr", curve.tpr);
            check(each, name + ".thresholds", curve.thresholds);
        }
    }
}

TEST_CASE("AUC of several classes and of several labels", "[train][metrics]") {
    for (const auto& each : cases("auc_classes")) {
        const auto truth = each.tensor<std::int64_t>("truth");
        const auto logits = each.tensor<double>("logits");
        for (const auto average : {Average::macro, Average::weighted}) {
            const std::string name = average == Average::macro ? "macro" : "weighted";
            check(each, name, train::roc_auc_score(logits, truth, {.average = average}));
            check(each, name, train::roc_auc_score(logits.softmax(1), truth, {.average = average}));
        }
    }
    for (const auto& each : cases("labels")) {
        const auto truth = each.tensor<std::int64_t>("truth");
        const auto scores = each.tensor<float>("scores");
        train::AUC auc({.average = Average::weighted});
        check(each, "macro", train::roc_auc_score(scores, truth));
        check(each, "weighted", in_batches(auc, scores, truth).compute());
        check(each, "accuracy", train::accuracy(scores, truth));
        check(each, "precision", train::precision_score(scores, truth.to<float>()));
        check(each, "recall", train::recall_score(scores, truth > 0));
        check(each, "f1", train::f1_score(scores, truth));
    }
}

TEST_CASE("errors of numbers", "[train][metrics]") {
    for (const auto& each : cases("regression")) {
        const auto output = each.tensor<double>("output"), target = each.tensor<double>("target");
        train::MeanAbsoluteError mae;
        train::MeanSquaredError mse;
        train::RootMeanSquaredError rmse;
        train::R2Score r2;
        check(each, "mae", train::mean_absolute_error(output, target));
        check(each, "mse", train::mean_squared_error(output, target));
        check(each, "r2", train::r2_score(output, target));
        check(each, "mae", in_batches(mae, output, target).compute());
        check(each, "mse", in_batches(mse, output, target).compute());
        check(each, "r2", in_batches(r2, output, target).compute());
        CHECK(in_batches(rmse, output, target).compute() == std::sqrt(mse.compute()));
        if (output.dim() == 1) CHECK(train::r2_score(output.unsqueeze(1), target) == train::r2_score(output, target));
    }
    const auto y = tensor({1.0f, 2.0f});
    CHECK(train::r2_score(tensor({3.0f, 3.0f}), tensor({3.0f, 3.0f})) == 1);
    CHECK(std::isnan(train::r2_score(tensor({1.0f}), tensor({1.0f}))));
    CHECK_THROWS_AS(train::mean_squared_error(y, tensor({1.0f, 2.0f, 3.0f})), ShapeError);
    CHECK_THROWS_AS(train::mean_squared_error(y.unsqueeze(1), y.unsqueeze(0)), ShapeError);  // would broadcast to [2, 2]
    train::R2Score r2;
    r2.update(y, y);
    CHECK_THROWS_AS(r2.update(zeros({2, 2}), zeros({2, 2})), ShapeError);
}

TEST_CASE("nothing seen is NaN, and reset forgets", "[train][metrics]") {
    train::Accuracy accuracy;
    train::F1Score f1;
    train::AUC auc;
    train::TopKAccuracy top(2);
    train::MeanSquaredError mse;
    train::R2Score r2;
    for (int round = 0; round < 2; ++round) {
        for (const train::NumberMetric* metric :
             {static_cast<const train::NumberMetric*>(&accuracy), static_cast<const train::NumberMetric*>(&f1),
              static_cast<const train::NumberMetric*>(&auc), static_cast<const train::NumberMetric*>(&top),
              static_cast<const train::NumberMetric*>(&mse), static_cast<const train::NumberMetric*>(&r2)})
            CHECK(std::isnan(metric->compute()));
        CHECK(train::ConfusionMatrix(3).compute().sum().item() == 0);
        const auto p = tensor({0.2f, 0.9f});
        const auto y = tensor<std::int64_t>({0, 1});
        for (train::Metric* metric :
             {static_cast<train::Metric*>(&accuracy), static_cast<train::Metric*>(&f1), static_cast<train::Metric*>(&auc),
              static_cast<train::Metric*>(&mse), static_cast<train::Metric*>(&r2)})
            metric->update(p, y);
        top.update(stack({p, p}, 1), y);
        CHECK(accuracy.compute() == 1);
        CHECK(f1.compute() == 1);
        CHECK(auc.compute() == 1);
        CHECK(top.compute() == 1);
        for (train::Metric* metric :
             {static_cast<train::Metric*>(&accuracy), static_cast<train::Metric*>(&f1), static_cast<train::Metric*>(&auc),
              static_cast<train::Metric*>(&top), static_cast<train::Metric*>(&mse), static_cast<train::Metric*>(&r2)})
            metric->reset();
    }
}

TEST_CASE("that numbers are logits may show in a later batch", "[train][metrics]") {
    train::Accuracy accuracy;
    train::ConfusionMatrix matrix;
    const auto first = tensor({0.25f, 0.75f}), second = tensor({-3.0f, 0.25f});
    const auto y = tensor<std::int64_t>({1, 1}), z = tensor<std::int64_t>({0, 1});
    accuracy.update(first, y);
    matrix.update(first, y);
    CHECK(accuracy.compute() == 0.5);
    accuracy.update(second, z);
    matrix.update(second, z);
    CHECK(accuracy.compute() == 1);
    CHECK(matrix.compute().tolist() == std::vector<std::int64_t>{1, 0, 0, 3});
    CHECK(train::accuracy(cat({first, second}), cat({y, z})) == 1);
    CHECK(train::accuracy(second, z, {.from_logits = false}) == 0.5);
    CHECK(train::accuracy(first, y, {.threshold = 0.1}) == 1);
    CHECK(train::accuracy(second, y, {.threshold = 0.01, .from_logits = true}) == 1);
}

TEST_CASE("classes along dimension 1, and labels to ignore", "[train][metrics]") {
    // [1, 3, 2, 2]: one class at each of four places
    const auto scores = zeros({1, 3, 2, 2});
    scores(0, 2, 0, 0) = 1;
    scores(0, 1, 0, 1) = 1;
    scores(0, 0, 1, 0) = 1;
    scores(0, 2, 1, 1) = 1;
    const auto labels = tensor<std::int64_t>({2, 1, -100, 0}).reshape({1, 2, 2});
    CHECK(train::accuracy(scores, labels, {.ignore_index = -100}) == 2.0 / 3);
    CHECK(train::confusion_matrix(scores, labels, 3, {.ignore_index = -100}).tolist() ==
          std::vector<std::int64_t>{0, 0, 1, 0, 1, 0, 0, 0, 1});
    CHECK_THROWS_AS(train::accuracy(scores, labels), IndexError);
    CHECK(train::accuracy(tensor({0.9f, 0.9f}), tensor<std::int64_t>({1, 7}), {.ignore_index = 7}) == 1);
}

TEST_CASE("a network that gives NaN is not right by it", "[train][metrics]") {
    const auto scores = full({2, 3}, std::numeric_limits<float>::quiet_NaN());
    CHECK(train::top_k_accuracy(scores, tensor<std::int64_t>({1, 2}), 3) == 0);
    CHECK(train::accuracy(scores, tensor<std::int64_t>({1, 2})) == 0);
    CHECK(train::accuracy(scores[0], tensor<std::int64_t>({1, 1, 1})) == 0);
    CHECK(std::isnan(train::roc_auc_score(scores[0], tensor<std::int64_t>({0, 1, 1}))));
    CHECK_THROWS_AS(train::roc_curve(scores[0], tensor<std::int64_t>({0, 1, 1})), ValueError);
    CHECK(std::isnan(train::mean_squared_error(scores, zeros({2, 3}))));
}

TEST_CASE("the area is exact where rounding would show", "[train][metrics]") {
    // a million equal scores and a handful of others: made of counts, the area is a ratio of whole numbers
    const std::int64_t n = 1'000'000;
    const auto scores = zeros({n});
    const auto labels = zeros<std::int64_t>({n});
    for (std::int64_t i = 0; i < n; i += 3) labels.data()[i] = 1;
    CHECK(train::roc_auc_score(scores, labels) == 0.5);
    scores.data()[0] = 1;  // one positive above all
    const double positive = static_cast<double>((n + 2) / 3);
    CHECK(train::roc_auc_score(scores, labels) == 0.5 + 0.5 / positive);
}

TEST_CASE("what does not fit is refused and not counted", "[train][metrics]") {
    const auto scores = zeros({2, 3});
    train::Accuracy accuracy;
    CHECK_THROWS_AS(accuracy.update(scores, tensor<std::int64_t>({0, 3})), IndexError);
    CHECK_THROWS_AS(accuracy.update(scores, tensor<std::int64_t>({0, -1})), IndexError);
    CHECK_THROWS_AS(accuracy.update(scores, tensor({0.0f, 0.5f})), IndexError);
    CHECK_THROWS_AS(accuracy.update(scores, tensor<std::int64_t>({0, 1, 2})), ShapeError);
    CHECK_THROWS_AS(accuracy.update(tensor({0.5f, 0.5f}), tensor<std::int64_t>({0, 2})), IndexError);
    CHECK(std::isnan(accuracy.compute()));
    CHECK_THROWS_WITH(train::accuracy(scores, tensor<std::int64_t>({0, 1, 2})), contains("accuracy: outputs [2, 3] do not fit labels [3]"));
    CHECK_THROWS_WITH(train::precision_score(scores, tensor<std::int64_t>({0, 1})), contains("choose micro"));
    CHECK_THROWS_AS(train::f1_score(tensor<std::int64_t>({0, 2}), tensor<std::int64_t>({0, 1})), ValueError);
    CHECK_THROWS_AS(train::accuracy(tensor({0.5f}), tensor<std::int64_t>({1}), {.threshold = 1.5}), ValueError);
    CHECK_THROWS_AS(train::confusion_matrix(tensor<std::int64_t>({3}), tensor<std::int64_t>({0}), 3), IndexError);
    CHECK_THROWS_AS(train::confusion_matrix(tensor<std::int64_t>({1'000'000}), tensor<std::int64_t>({0})), IndexError);
    CHECK_THROWS_AS(train::accuracy(tensor<std::int64_t>({1}), tensor<std::int64_t>({100'000'000'000})), IndexError);
    CHECK_THROWS_AS(train::ConfusionMatrix(-1), ValueError);
    CHECK_THROWS_AS(train::TopKAccuracy(0), ValueError);
    CHECK_THROWS_AS(train::top_k_accuracy(tensor({0.5f}), tensor<std::int64_t>({0})), ShapeError);
    CHECK_THROWS_AS(train::AUC({.average = Average::micro}), ValueError);
    CHECK_THROWS_AS(train::roc_auc_score(tensor({0.5f}), tensor<std::int64_t>({2})), IndexError);
    train::AUC auc;
    auc.update(scores, tensor<std::int64_t>({0, 1}));
    CHECK_THROWS_AS(auc.update(zeros({2, 4}), tensor<std::int64_t>({0, 1})), ShapeError);
    CHECK_THROWS_AS(train::Accuracy().update(nn::AnyTensorHandle(), scores), ValueError);
}

TEST_CASE("a function as a metric", "[train][metrics]") {
    train::MeanMetric close("close", [](const Tensor<>& y, const Tensor<>& t) { return (abs(y - t) < 1).to<float>().mean(); });
    train::MeanMetric items("items", [](const Tensor<>& y, const Tensor<>&) { return y.size(0); });
    close.update(zeros({3}), tensor({0.5f, 2.0f, 0.0f}));
    close.update(zeros({1}), tensor({2.0f}));
    CHECK(std::abs(close.compute() - 0.5) < 1e-7);
    items.update(zeros({3}), zeros({3}));
    CHECK(items.compute() == 3);
    CHECK(close.name() == "close");
    CHECK_THROWS_AS(close.update(zeros<double>({3}), zeros({3})), ValueError);
}
