// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How well scores tell two classes apart, wherever the line is drawn: the ROC curve and the area below it. Equal scores count as such,
/// and the area is exact: it is made of counts.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/class_guesses.hpp"
#include "headtorch/train/metrics_classification.hpp"

namespace headtorch::train {

/// Points to plot: of what is not of the class, the share at or above each threshold (fpr), and of what is, the share (tpr). The first
/// point, (0, 0), has the threshold infinity.
struct RocCurve {
    std::vector<double> fpr, tpr, thresholds;
};

struct AucOptions {
    Average average = Average::macro;   ///< over the classes, each against the rest, or over the labels: macro or weighted
    std::optional<bool> from_logits{};  ///< what scores [n, c] are: logits become probabilities first
    std::string name = "auc";
};

namespace detail {

/// How many there are with each score, from the greatest score on.
struct RankedCounts {
    struct Step {
        double score;
        std::int64_t negative, positive;
    };
    std::vector<Step> steps;
    std::int64_t negative = 0, positive = 0;
    bool has_nan = false;
};

/// `positive(i)` tells whether item i, of score(i), is of the class.
template <class Score, class Positive>
RankedCounts ranked(std::size_t n, const Score& score, const Positive& positive) {
    std::vector<std::pair<double, bool>> items(n);
    RankedCounts counts;
    for (std::size_t i = 0; i < n; ++i) {
        items[i] = {score(i), positive(i)};
        counts.has_nan = counts.has_nan || std::isnan(items[i].first);
    }
    if (counts.has_nan) return counts;
    std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [value, of_class] : items) {
        if (counts.steps.empty() || counts.steps.back().score != value) counts.steps.push_back({value, 0, 0});
        ++(of_class ? counts.steps.back().positive : counts.steps.back().negative);
        ++(of_class ? counts.positive : counts.negative);
    }
    return counts;
}

/// The share of pairs, one of the class and one not, in which the former has the greater score; equal scores count half. NaN when there
/// are no pairs, or a score is NaN.
inline double area(const RankedCounts& counts) {
    if (counts.has_nan || counts.negative == 0 || counts.positive == 0) return std::numeric_limits<double>::quiet_NaN();
    double twice = 0;  // whole numbers, exact up to 2^53
    std::int64_t above = 0;
    for (const auto& step : counts.steps) {
        twice += static_cast<double>(step.negative) * static_cast<double>(2 * above + step.positive);
        above += step.positive;
    }
    return twice / (2 * static_cast<double>(counts.negative) * static_cast<double>(counts.positive));
}

}  // namespace detail

/// The ROC curve of scores, probabilities or logits of class 1, [n] or [n, 1], for labels 0 and 1. Points on a straight line between others
/// are left out unless told otherwise. As scikit-learn's roc_curve; where a class is missing, its share is NaN. Throws ValueError for NaN.
inline RocCurve roc_curve(const nn::AnyTensorHandle& scores, const nn::AnyTensorHandle& labels, bool drop_intermediate = true) {
    if (!detail::same_items(scores, labels)) detail::throw_other_shapes("roc_curve", scores, labels);
    const auto truth = detail::labels_of("roc_curve", labels);
    detail::check_labels("roc_curve", truth, 2);
    const auto x = detail::numbers_of(scores);
    const auto counts = detail::ranked(
        x.size(), [&](std::size_t i) { return x[i]; }, [&](std::size_t i) { return truth[i] == 1; });
    if (counts.has_nan) throw ValueError("roc_curve: a score is NaN");
    const auto share = [](std::int64_t part, std::int64_t whole) {
        return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : detail::ratio(part, whole);
    };
    RocCurve curve;
    const auto add = [&](std::int64_t negative, std::int64_t positive, double threshold) {
        curve.fpr.push_back(share(negative, counts.negative));
        curve.tpr.push_back(share(positive, counts.positive));
        curve.thresholds.push_back(threshold);
    };
    add(0, 0, std::numeric_limits<double>::infinity());
    std::int64_t negative = 0, positive = 0;
    for (std::size_t i = 0; i < counts.steps.size(); ++i) {
        const auto& step = counts.steps[i];
        negative += step.negative;
        positive += step.positive;
        const bool inner = i > 0 && i + 1 < counts.steps.size();
        const bool turns = inner && (counts.steps[i + 1].negative != step.negative || counts.steps[i + 1].positive != step.positive);
        if (!drop_intermediate || !inner || turns) add(negative, positive, step.score);
    }
    return curve;
}

/// The area below the ROC curve. Takes scores of class 1 for labels 0 and 1; or of several labels, [n, k] for labels of that shape; or of
/// classes, [n, c] for labels [n], of which each is held against the rest. What has one class only is left out of the mean; NaN when
/// nothing is left. Keeps all scores until it is reset.
class AUC final : public NumberMetric {
public:
    explicit AUC(AucOptions options = {}) : NumberMetric(options.name), options_(std::move(options)) {
        if (options_.average != Average::macro && options_.average != Average::weighted)
            throw ValueError(message(name(), ": the average is macro or weighted"));
    }
    void reset() override {
        scores_.clear();
        labels_.clear();
        columns_ = 0;
    }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        const bool classes = detail::are_scores(output, target);
        if (classes ? output.shape().rank() != 2 : !detail::same_items(output, target)) detail::throw_other_shapes(name(), output, target);
        const std::int64_t items = detail::items_of(target.shape());
        const std::int64_t columns = classes ? output.shape()[1] : items == 0 ? 1 : target.numel() / items;
        if (columns_ > 0 && items > 0 && (columns != columns_ || classes != classes_))
            throw ShapeError(message(name(), ": outputs ", output.shape(), " after batches with ", columns_, " scores for each item"));
        auto labels = detail::labels_of(name(), target);
        detail::check_labels(name(), labels, classes ? columns : 2);
        const auto scores = detail::numbers_of(output);
        scores_.insert(scores_.end(), scores.begin(), scores.end());
        labels_.insert(labels_.end(), labels.begin(), labels.end());
        if (items > 0) columns_ = columns, classes_ = classes;
    }
    /// Of each class or label; one number for a binary output.
    std::vector<double> per_class() const {
        std::vector<double> areas;
        for (const detail::RankedCounts& counts : ranked_columns()) areas.push_back(detail::area(counts));
        return areas;
    }
    double compute() const override {
        double sum = 0, weights = 0;
        for (const detail::RankedCounts& counts : ranked_columns()) {
            const double area = detail::area(counts);
            if (counts.has_nan) return std::numeric_limits<double>::quiet_NaN();
            if (std::isnan(area)) continue;
            const double weight = options_.average == Average::macro ? 1 : static_cast<double>(counts.positive);
            sum += weight * area;
            weights += weight;
        }
        return weights > 0 ? sum / weights : std::numeric_limits<double>::quiet_NaN();
    }
    bool is_cheap() const override { return false; }

private:
    std::vector<detail::RankedCounts> ranked_columns() const {
        std::vector<detail::RankedCounts> ranks;
        const auto c = static_cast<std::size_t>(columns_);
        if (c == 0) return ranks;
        const std::size_t n = scores_.size() / c;
        const auto label = [&](std::size_t i, std::size_t k) {
            return classes_ ? labels_[i] == static_cast<std::int64_t>(k) : labels_[i * c + k] == 1;
        };
        const bool outside = std::any_of(scores_.begin(), scores_.end(), [](double x) { return x < 0 || x > 1; });
        const bool logits = classes_ && options_.from_logits.value_or(outside);
        if (classes_ && c == 2) {  // a binary output in two columns
            const auto score = [&](std::size_t i) { return scores_[2 * i + 1] - (logits ? scores_[2 * i] : 0); };
            ranks.push_back(detail::ranked(n, score, [&](std::size_t i) { return label(i, 1); }));
            return ranks;
        }
        const std::vector<double> scores = logits ? log_softmax_rows() : scores_;
        for (std::size_t k = 0; k < c; ++k)
            ranks.push_back(detail::ranked(
                n, [&](std::size_t i) { return scores[i * c + k]; }, [&](std::size_t i) { return label(i, k); }));
        return ranks;
    }
    /// Logits of two items cannot be compared, their probabilities can.
    std::vector<double> log_softmax_rows() const {
        std::vector<double> scores = scores_;
        const auto c = static_cast<std::ptrdiff_t>(columns_);
        for (auto row = scores.begin(); row != scores.end(); row += c) {
            const double largest = *std::max_element(row, row + c);
            const double sum = std::accumulate(row, row + c, 0.0, [&](double s, double x) { return s + std::exp(x - largest); });
            for (auto x = row; x != row + c; ++x) *x -= largest + std::log(sum);
        }
        return scores;
    }

    AucOptions options_;
    std::vector<double> scores_;
    std::vector<std::int64_t> labels_;
    std::int64_t columns_ = 0;
    bool classes_ = false;
};

/// The same of tensors that are there at once.
inline double roc_auc_score(const nn::AnyTensorHandle& scores, const nn::AnyTensorHandle& labels, AucOptions options = {}) {
    options.name = "roc_auc_score";
    AUC metric(std::move(options));
    metric.update(scores, labels);
    return metric.compute();
}

}  // namespace headtorch::train
