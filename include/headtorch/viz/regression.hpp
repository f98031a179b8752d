// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How a model of numbers fits: its line through the data, and what it leaves over.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/viz/histogram.hpp"
#include "headtorch/viz/panels.hpp"

namespace headtorch::viz {

struct RegressionFitOptions {
    std::string title = "", x_label = "x", y_label = "y";
    std::string data_name = "data", fit_name = "fit";
    int points = 200;      ///< of the line
    double margin = 0.03;  ///< how far the line goes beyond the data, in lengths of them
    int width = 960, height = 720;
};

struct ResidualsOptions {
    std::string title = "Residuals";
    std::string unit = "";  ///< of what is predicted: "1000 $"
    int bins = 0;
    int height = 620;
};

namespace detail {

inline std::string with_unit(const std::string& words, const std::string& unit) { return unit.empty() ? words : words + " (" + unit + ")"; }

inline void check_pairs(const char* op, const char* one, std::size_t a, const char* other, std::size_t b) {
    if (a != b) throw ShapeError(message(op, ": ", a, " values of ", one, ", but ", b, " of ", other));
    if (a == 0) throw ValueError(message(op, ": there are no values"));
}

inline Panels residuals_of(const std::vector<double>& truth, const std::vector<double>& predicted, const ResidualsOptions& options) {
    check_pairs("residuals", "y_true", truth.size(), "y_pred", predicted.size());
    std::vector<double> left_over(truth.size());
    for (std::size_t i = 0; i < truth.size(); ++i) left_over[i] = truth[i] - predicted[i];
    if (!any_finite(left_over)) throw ValueError("residuals: no residual is finite");
    const Bins bins = bins_of("residuals", left_over, options.bins);

    Figure points({.x_label = with_unit("predicted", options.unit),
                   .y_label = with_unit("residual: true \u2212 predicted", options.unit),
                   .width = 820,
                   .height = options.height});
    points.horizontal_line(0).scatter(predicted, left_over);
    Figure bars({.x_label = "count", .y_label = "", .width = 380, .height = options.height, .font = points.font()});
    add_bars(bars, bins, 0, true);
    bars.horizontal_line(0);
    for (const double value : left_over)
        if (std::isfinite(value)) points.y_range(value, value), bars.y_range(value, value);
    // the outer bins, too, and the same axis in both panels
    for (Figure* figure : {&points, &bars}) figure->y_range(bins.low, bins.left(bins.counts.size()));
    bars.text(0.98, 0.96, "mean " + readable(bins.mean), {.colour = faint, .size = 0.9, .align = 1, .of_graph = true});
    bars.text(0.98, 0.96, "sd " + readable(bins.deviation), {.colour = faint, .size = 0.9, .align = 1, .up = -1.1, .of_graph = true});
    return Panels({std::move(points), std::move(bars)}, {.title = options.title, .columns = 2});
}

}  // namespace detail

/// Data and the line of a model. x: [n] or [n, 1], y: n values; `model` is given a Tensor [points, 1] and returns as many values. A
/// network is asked on its own device.
template <class T, class D, class E, class F>
Figure regression_fit(const Tensor<T, D>& x, const Tensor<T, E>& y, F&& model, const RegressionFitOptions& options = {}) {
    if (x.dim() > 2 || (x.dim() == 2 && x.size(1) != 1))
        throw ShapeError(message("regression_fit: x has shape [n] or [n, 1], got ", x.shape()));
    if (options.points < 2) throw ValueError(message("regression_fit: a line of ", options.points, " points"));
    const auto xs = detail::numbers_of(x), ys = detail::numbers_of(y);
    detail::check_pairs("regression_fit", "x", xs.size(), "y", ys.size());
    detail::Extent extent;
    for (const double value : xs) extent.add(value);
    if (extent.empty()) throw ValueError("regression_fit: no x is finite");
    const double margin = extent.high > extent.low ? options.margin * (extent.high - extent.low) : 1;
    const auto at = headtorch::empty<T, Cpu>({options.points, 1});
    std::vector<double> line_x;
    for (int i = 0; i < options.points; ++i) {
        at.data()[i] = static_cast<T>(extent.low - margin + (extent.high - extent.low + 2 * margin) * i / (options.points - 1));
        line_x.push_back(static_cast<double>(at.data()[i]));
    }
    NoGrad guard;
    const auto line_y = detail::numbers_of(model(at.template to<detail::AskedDevice<F, T, D>>()));
    if (line_y.size() != line_x.size())
        throw ShapeError(message("regression_fit: the model returned ", line_y.size(), " values for ", line_x.size(), " points"));
    Figure figure(
        {.title = options.title, .x_label = options.x_label, .y_label = options.y_label, .width = options.width, .height = options.height});
    figure.scatter(xs, ys, options.data_name).line(line_x, line_y, options.fit_name, {.kind = 1, .width = 3});
    return figure;
}

/// What a model leaves over, y_true - y_pred, against what it predicts, with a histogram beside it. A good model leaves a band around zero
/// without a pattern. The arguments are in scikit-learn's order.
template <class T, class D, class E>
Panels residuals(const Tensor<T, D>& y_true, const Tensor<T, E>& y_pred, const ResidualsOptions& options = {}) {
    return detail::residuals_of(detail::numbers_of(y_true), detail::numbers_of(y_pred), options);
}
inline Panels residuals(const std::vector<double>& y_true, const std::vector<double>& y_pred, const ResidualsOptions& options = {}) {
    return detail::residuals_of(y_true, y_pred, options);
}

}  // namespace headtorch::viz
