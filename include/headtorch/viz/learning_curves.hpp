// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How training went: one panel for each quantity of a History, training and validation in one colour, the best epoch marked.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/history.hpp"
#include "headtorch/viz/panels.hpp"

namespace headtorch::viz {

struct LearningCurvesOptions {
    std::string title = "";
    std::vector<std::string> names{};  ///< "loss", "accuracy"; all but the learning rate and the time unless given
    bool log_y = false;                ///< of what is better the smaller it is
    bool mark_best = true;
    std::string monitor = "";  ///< whose best epoch is marked: val_loss, loss, or the first quantity unless given
    std::vector<std::pair<std::string, std::string>> labels{};  ///< what stands at the y axis: {{"loss", "cross entropy"}}
    int columns = 0;
    int panel_width = 0, panel_height = 0;
};

namespace detail {

/// Whether a greater number of this name is better, as of an accuracy.
inline bool greater_is_better(std::string_view name) {
    for (const std::string_view part : {"acc", "auc", "f1", "precision", "recall", "r2", "top", "iou", "score", "psnr", "dice"})
        if (name.find(part) != std::string_view::npos) return true;
    return false;
}

/// "loss" for "val_loss".
inline std::string quantity_of(const std::string& name) { return name.rfind("val_", 0) == 0 ? name.substr(4) : name; }

/// The numbers of a name, or none.
inline std::vector<double> numbers_in(const train::History& history, const std::string& name) {
    const auto names = history.names();
    if (std::find(names.begin(), names.end(), name) == names.end()) return {};
    return history[name];
}

inline std::vector<std::string> quantities_of(const train::History& history, const LearningCurvesOptions& options) {
    std::vector<std::string> quantities = options.names;
    if (quantities.empty())
        for (const std::string& name : history.names()) {
            const std::string quantity = quantity_of(name);
            const bool aside =
                quantity == "lr" || quantity == "learning_rate" || quantity == "seconds" || quantity == "time" || quantity == "epoch";
            if (!aside && any_finite(history[name]) && std::find(quantities.begin(), quantities.end(), quantity) == quantities.end())
                quantities.push_back(quantity);
        }
    for (const std::string& quantity : quantities) {
        const auto names = history.names();
        const bool known =
            std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name == quantity || name == "val_" + quantity; });
        if (!known) throw ValueError(message("learning_curves: the history has nothing called \"", quantity, "\""));
        if (!any_finite(numbers_in(history, quantity)) && !any_finite(numbers_in(history, "val_" + quantity)))
            throw ValueError(message("learning_curves: \"", quantity, "\" has no finite number"));
    }
    if (quantities.empty()) throw ValueError("learning_curves: the history has no finite number to draw");
    return quantities;
}

}  // namespace detail

/// One panel for each quantity. "loss" is drawn as a line, "val_loss" dashed in the same colour; a ring marks the best epoch. Throws
/// ValueError when there is nothing to draw.
inline Panels learning_curves(const train::History& history, const LearningCurvesOptions& options = {}) {
    const auto quantities = detail::quantities_of(history, options);
    std::string monitor = options.monitor;
    for (const std::string& name : {std::string("val_loss"), std::string("loss"), "val_" + quantities[0], quantities[0]})
        if (monitor.empty() && detail::any_finite(detail::numbers_in(history, name))) monitor = name;
    const auto watched = detail::numbers_in(history, monitor);
    const bool mark = options.mark_best && history.size() > 1 && detail::any_finite(watched);
    if (!options.monitor.empty() && watched.empty())
        throw ValueError(message("learning_curves: the history has nothing called \"", monitor, "\""));
    std::size_t best = 0;
    if (mark) {
        const bool greatest = detail::greater_is_better(monitor);
        for (std::size_t i = 0; i < watched.size(); ++i)
            if (std::isfinite(watched[i]) &&
                (!std::isfinite(watched[best]) || (greatest ? watched[i] > watched[best] : watched[i] < watched[best])))
                best = i;
    }
    std::vector<double> epochs(history.size());
    for (std::size_t i = 0; i < epochs.size(); ++i) epochs[i] = static_cast<double>(i + 1);

    std::vector<Figure> figures;
    for (std::size_t q = 0; q < quantities.size(); ++q) {
        const std::string& quantity = quantities[q];
        std::string label = quantity;
        for (const auto& [name, words] : options.labels)
            if (name == quantity) label = words;
        const bool alone = quantities.size() == 1;
        Figure figure({.title = alone ? options.title : "",
                       .x_label = "epoch",
                       .y_label = label,
                       .log_y = options.log_y && !detail::greater_is_better(quantity),
                       .width = options.panel_width > 0 ? options.panel_width
                                : alone                 ? 960
                                                        : 720,
                       .height = options.panel_height > 0 ? options.panel_height
                                 : alone                  ? 640
                                                          : 500,
                       .integer_x = true});
        LineStyle style{.kind = static_cast<int>(q), .marks = history.size() <= 20};
        const auto training = detail::numbers_in(history, quantity), validation = detail::numbers_in(history, "val_" + quantity);
        if (detail::any_finite(training)) figure.line(epochs, training, "training", style);
        style.dash = Dash::dashed;
        if (detail::any_finite(validation)) figure.line(epochs, validation, "validation", style);
        const auto& marked = detail::any_finite(validation) && !(monitor == quantity) ? validation : training;
        if (mark && !marked.empty() && std::isfinite(marked[best])) {
            const bool judge = monitor == quantity || monitor == "val_" + quantity;
            figure.options().subtitle =
                (judge ? "best epoch " : "epoch ") + std::to_string(best + 1) + ": " + detail::readable(marked[best]);
            const double at = epochs[best];
            figure.vertical_line(at, Dash::dotted);
            figure.layer(
                detail::join(at, " ", marked[best], "\n"),
                detail::join("using 1:2 with points pointtype 6 pointsize 2.2 * mark_size linewidth 2.5 linecolor rgb '", detail::ink, "'"),
                "best epoch");
        }
        figures.push_back(std::move(figure));
    }
    return Panels(std::move(figures), {.title = quantities.size() > 1 ? options.title : "", .columns = options.columns});
}

}  // namespace headtorch::viz
