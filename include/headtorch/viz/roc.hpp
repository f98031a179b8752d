// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How well scores tell two classes apart: ROC curves and precision-recall curves.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/train/metrics_ranking.hpp"
#include "headtorch/viz/figure.hpp"

namespace headtorch::viz {

/// Scores of class 1 for n things, and their labels, 0 or 1; `name` for the legend.
struct ScoredLabels {
    std::string name = "";
    Tensor<double, Cpu> scores{};
    Tensor<std::int64_t, Cpu> labels{};

    template <class T, class D, class E>
    ScoredLabels(std::string words, const Tensor<T, D>& y_score, const Tensor<std::int64_t, E>& y_true)
        : name(std::move(words)),
          scores(y_score.detach().template to<Cpu>().template to<double>()),
          labels(y_true.detach().template to<Cpu>()) {}
};

struct RocOptions {
    std::string title = "";
    int width = 760, height = 760;
};

namespace detail {

/// All points of a curve; throws ValueError unless both classes are there.
inline train::RocCurve all_points(const char* op, const ScoredLabels& set) {
    train::RocCurve curve = train::roc_curve(set.scores, set.labels, false);
    if (std::isnan(curve.fpr.back()) || std::isnan(curve.tpr.back()))
        throw ValueError(message(op, ": ", set.name.empty() ? "" : set.name + ": ", "the labels need both classes, 0 and 1"));
    return curve;
}

/// The area below, by trapezoids.
inline double area_below(const std::vector<double>& x, const std::vector<double>& y) {
    double sum = 0;
    for (std::size_t i = 1; i < x.size(); ++i) sum += (x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2;
    return sum;
}

inline std::string legend_text(const std::string& name, const char* what, double value) {
    return (name.empty() ? "" : name + ": ") + what + " " + readable_fixed(value, 3);
}

inline Figure unit_square(std::string title, const char* x_label, const char* y_label, const RocOptions& options) {
    Figure figure({.title = std::move(title),
                   .x_label = x_label,
                   .y_label = y_label,
                   .equal_axes = true,
                   .width = options.width,
                   .height = options.height});
    figure.x_range(-0.015, 1.015, true).y_range(-0.015, 1.015, true).settings("set xtics 0, 0.2, 1\nset ytics 0, 0.2, 1");
    return figure;
}

inline LineStyle curve_style(std::size_t i, bool steps = false) {
    static constexpr std::array<Dash, 4> dashes = {Dash::solid, Dash::dashed, Dash::dash_dot, Dash::dotted};
    return {.kind = static_cast<int>(i), .dash = dashes[i % dashes.size()], .width = 3, .steps = steps};
}

}  // namespace detail

/// The share of class 1 that is found against the share of class 0 that is taken for it, for every threshold; the area below (AUC) in the
/// legend, and as a diagonal what guessing gives. Throws ValueError when a class is missing or a score is NaN.
inline Figure roc_curve(const std::vector<ScoredLabels>& sets, const RocOptions& options = {}) {
    if (sets.empty()) throw ValueError("roc_curve: there are no scores");
    Figure figure =
        detail::unit_square(options.title.empty() ? "ROC curve" : options.title, "false positive rate", "true positive rate", options);
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const train::RocCurve curve = detail::all_points("roc_curve", sets[i]);
        figure.line(curve.fpr, curve.tpr, detail::legend_text(sets[i].name, "AUC", detail::area_below(curve.fpr, curve.tpr)),
                    detail::curve_style(i));
    }
    figure.layer("0 0\n1 1\n",
                 std::string("using 1:2 with lines linewidth 2 dashtype ") + detail::dash_text(Dash::dotted) + " linecolor rgb '" +
                     detail::faint + "'",
                 "guessing: AUC 0.500");
    return figure;
}
/// Of one set of scores, [n] or [n, 1]; scikit-learn's order of arguments.
template <class T, class D, class E>
Figure roc_curve(const Tensor<std::int64_t, D>& y_true, const Tensor<T, E>& y_score, const RocOptions& options = {}) {
    return roc_curve({ScoredLabels("", y_score, y_true)}, options);
}

/// Precision against recall for every threshold, with the average precision (AP, the sum of precision times the gain in recall), and the
/// share of class 1, which is what guessing gives. As scikit-learn draws it, in steps.
inline Figure precision_recall_curve(const std::vector<ScoredLabels>& sets, const RocOptions& options = {}) {
    if (sets.empty()) throw ValueError("precision_recall_curve: there are no scores");
    Figure figure = detail::unit_square(options.title.empty() ? "Precision and recall" : options.title, "recall", "precision", options);
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const train::RocCurve curve = detail::all_points("precision_recall_curve", sets[i]);
        double positive = 0;
        for (const std::int64_t label : sets[i].labels.tolist()) positive += label == 1;
        const double negative = static_cast<double>(sets[i].labels.numel()) - positive;
        std::vector<double> recall{0}, precision{1};
        double average = 0;
        for (std::size_t k = 1; k < curve.tpr.size(); ++k) {
            const double right = curve.tpr[k] * positive, taken = right + curve.fpr[k] * negative;
            recall.push_back(curve.tpr[k]);
            precision.push_back(taken > 0 ? right / taken : 1);
            average += (recall[k] - recall[k - 1]) * precision[k];
        }
        precision[0] = precision[1];
        figure.line(recall, precision, detail::legend_text(sets[i].name, "AP", average), detail::curve_style(i, true));
        if (i == 0)
            figure.layer(detail::join("0 ", positive / (positive + negative), "\n1 ", positive / (positive + negative), "\n"),
                         std::string("using 1:2 with lines linewidth 2 dashtype ") + detail::dash_text(Dash::dotted) + " linecolor rgb '" +
                             detail::faint + "'",
                         "guessing: AP " + detail::readable_fixed(positive / (positive + negative), 3));
    }
    return figure;
}
template <class T, class D, class E>
Figure precision_recall_curve(const Tensor<std::int64_t, D>& y_true, const Tensor<T, E>& y_score, const RocOptions& options = {}) {
    return precision_recall_curve({ScoredLabels("", y_score, y_true)}, options);
}

}  // namespace headtorch::viz
