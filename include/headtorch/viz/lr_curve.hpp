// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a search for a learning rate saw: the loss over the rate.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "headtorch/viz/figure.hpp"

namespace headtorch::viz {

struct LrCurveOptions {
    std::string title = "Learning rate finder", y_label = "loss (smoothed)";
    std::optional<double> suggestion{};  ///< a rate to mark
    bool log_y = false;
    int width = 960, height = 640;
};

/// The loss at each rate, over a logarithmic axis: `viz::lr_curve(finder.lrs(), finder.losses(), {.suggestion = finder.suggestion()})`.
inline Figure lr_curve(const std::vector<double>& lrs, const std::vector<double>& losses, const LrCurveOptions& options = {}) {
    if (lrs.size() != losses.size()) throw ShapeError(message("lr_curve: ", lrs.size(), " rates, but ", losses.size(), " losses"));
    for (const double lr : lrs)
        if (!(lr > 0) || !std::isfinite(lr)) throw ValueError(message("lr_curve: a learning rate of ", lr));
    Figure figure({.title = options.title,
                   .x_label = "learning rate",
                   .y_label = options.y_label,
                   .log_x = true,
                   .log_y = options.log_y,
                   .width = options.width,
                   .height = options.height});
    figure.line(lrs, losses, options.suggestion ? "loss" : "", {.kind = 0});
    if (!options.suggestion) return figure;
    const double at = *options.suggestion;
    if (!(at > 0) || !std::isfinite(at)) throw ValueError(message("lr_curve: a suggestion of ", at));
    // The loss there, between the points beside it.
    double loss = std::nan("");
    for (std::size_t i = 0; i < lrs.size(); ++i) {
        if (lrs[i] == at) loss = losses[i];
        if (i > 0 && std::isnan(loss) && (lrs[i - 1] - at) * (lrs[i] - at) < 0)
            loss = losses[i - 1] + (losses[i] - losses[i - 1]) * std::log(at / lrs[i - 1]) / std::log(lrs[i] / lrs[i - 1]);
    }
    figure.vertical_line(at);
    const std::string name = "suggestion: " + detail::readable(at);
    if (!std::isfinite(loss)) return figure.text(at, 0.95, name, {.of_graph = false});
    return figure.layer(detail::join(at, " ", loss, "\n"),
                        "using 1:2 with points pointtype 7 pointsize 2 * mark_size linecolor rgb '" + detail::colour(1) + "'", name);
}

}  // namespace headtorch::viz
