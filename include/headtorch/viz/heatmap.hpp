// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Matrices as coloured cells: heat maps (of attention, for example) and confusion matrices.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/viz/figure.hpp"

namespace headtorch::viz {

struct HeatmapOptions {
    std::string title = "", x_label = "", y_label = "", colour_label = "";
    std::vector<std::string> x_names{}, y_names{};     ///< of the columns and of the rows
    bool values = false;                               ///< the numbers stand in their cells
    int digits = 2;                                    ///< of these numbers
    std::optional<std::pair<double, double>> range{};  ///< what has the first and the last colour
    std::optional<bool> diverging{};                   ///< blue, white, vermilion around 0; when there are both signs, unless given
    int width = 0, height = 0;                         ///< by the number of cells unless given
};

struct ConfusionMatrixOptions {
    std::string title = "Confusion matrix";
    std::vector<std::string> names{};  ///< of the classes; their numbers unless given
    bool percentages = true;           ///< the share of the row's sum, below each count
    std::string x_label = "predicted class", y_label = "true class";
    int width = 0, height = 0;
};

namespace detail {

/// A matrix in rows, and how it fits a figure.
struct Cells {
    std::size_t rows = 0, columns = 0;
    std::vector<double> values;

    double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
};

inline std::size_t longest_of(const std::vector<std::string>& names) {
    std::size_t longest = 0;
    for (const std::string& name : names) longest = std::max(longest, detail::columns(name));
    return longest;
}

inline std::vector<std::string> shortened_all(const std::vector<std::string>& names, std::size_t most) {
    std::vector<std::string> result;
    for (const std::string& name : names) result.push_back(shortened(clean(name), most));
    return result;
}

/// A figure with the cells and a bar that explains their colours; `cell` becomes the width of one in ems.
inline Figure draw_cells(const Cells& cells, const HeatmapOptions& options, const ColourMap& map, std::pair<double, double> range,
                         double& cell) {
    const auto count = static_cast<double>(std::max(cells.rows, cells.columns));
    const auto share = [&](std::size_t n) { return static_cast<double>(n) / count; };
    const double side = std::clamp(56 * count, 440.0, 1000.0);
    constexpr std::size_t most = 20;  // letters of a name
    const auto x_names = shortened_all(options.x_names, most), y_names = shortened_all(options.y_names, most);
    const double em = 17;
    const bool slanted = static_cast<double>(longest_of(x_names)) * 0.6 * em > side / count;
    const double left = 60 + 0.6 * em * static_cast<double>(longest_of(y_names));
    const double bottom = 80 + (slanted ? 0.45 * em * static_cast<double>(longest_of(x_names)) : 0);
    Figure figure(
        {.title = options.title,
         .x_label = options.x_label,
         .y_label = options.y_label,
         .equal_axes = true,
         .width = options.width > 0 ? options.width : static_cast<int>(left + std::max(300.0, side * share(cells.columns)) + 150),
         .height = options.height > 0 ? options.height : static_cast<int>(bottom + std::max(160.0, side * share(cells.rows)) + 70),
         .font = em * 0.75});
    cell = side / count / em;

    const bool separate = count <= 32;  // with a gap between the cells
    std::string data;
    for (std::size_t i = 0; i < cells.rows; ++i) {
        for (std::size_t j = 0; j < cells.columns; ++j) {
            const auto x = static_cast<double>(j), y = static_cast<double>(i), value = cells.at(i, j);
            data += separate ? join(x, " ", y, " ", x - 0.485, " ", x + 0.485, " ", y - 0.485, " ", y + 0.485, " ", value, "\n")
                             : join(x, " ", y, " ", value, "\n");
        }
        if (!separate) data += "\n";
    }
    figure.layer(data,
                 separate ? "using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid 1 noborder linecolor palette" : "using 1:2:3 with image");
    figure.x_range(-0.5, static_cast<double>(cells.columns) - 0.5, true).y_range(-0.5, static_cast<double>(cells.rows) - 0.5, true);
    figure.settings(join("set yrange [", static_cast<double>(cells.rows) - 0.5,
                         ":-0.5]\nunset grid\nset border 15 linewidth 1 linecolor rgb '#555555'"));
    figure.settings("set object 1 rectangle from graph 0,0 to graph 1,1 behind fillstyle solid noborder fillcolor rgb '" +
                    std::string(separate ? "#ffffff" : "#bbbbbb") + "'");
    figure.settings(palette_text(map) +
                    join("set cbrange [", range.first, ":", range.second, "]\nset cbtics scale 0\nset colorbox noborder"));
    if (!options.colour_label.empty()) figure.settings("set cblabel " + gnuplot_text(options.colour_label) + " offset 0.5,0");
    if (!x_names.empty()) figure.x_names(x_names, slanted);
    if (!y_names.empty()) figure.y_names(y_names);
    if (x_names.empty()) figure.settings(join("set xtics scale 0 ", std::max(1.0, nice_step(static_cast<double>(cells.columns), 12))));
    if (y_names.empty()) figure.settings(join("set ytics scale 0 ", std::max(1.0, nice_step(static_cast<double>(cells.rows), 12))));
    return figure;
}

/// What reads well on a colour.
inline const char* ink_on(const Rgb& ground) { return ground.brightness() < 0.55 ? "#ffffff" : ink; }

inline Figure heatmap_of(const Cells& cells, const HeatmapOptions& options) {
    if (cells.values.empty()) throw ValueError("heatmap: the matrix is empty");
    if (!options.x_names.empty() && options.x_names.size() != cells.columns)
        throw ValueError(message("heatmap: ", options.x_names.size(), " names for ", cells.columns, " columns"));
    if (!options.y_names.empty() && options.y_names.size() != cells.rows)
        throw ValueError(message("heatmap: ", options.y_names.size(), " names for ", cells.rows, " rows"));
    Extent extent;
    for (const double value : cells.values) extent.add(value);
    if (extent.empty()) throw ValueError("heatmap: no number is finite");
    const bool two_sided = options.diverging.value_or(extent.low < 0 && extent.high > 0);
    std::pair<double, double> range{extent.low, extent.high};
    if (two_sided) {
        const double most = std::max(std::abs(extent.low), std::abs(extent.high));
        range = {-most, most};
    } else if (extent.low > 0 && extent.low < 0.5 * extent.high) {
        range.first = 0;
    }
    range = options.range.value_or(range);
    if (!(range.first < range.second)) {
        if (options.range) throw ValueError(message("heatmap: the range goes from ", range.first, " to ", range.second));
        range = {range.first - 0.5, range.second + 0.5};
    }
    const ColourMap& map = two_sided ? diverging() : sequential();
    double cell = 0;
    Figure figure = draw_cells(cells, options, map, range, cell);
    if (!options.values) return figure;
    std::size_t longest = 1;
    std::vector<std::string> texts;
    for (const double value : cells.values) {
        texts.push_back(std::isfinite(value) ? readable_fixed(value, options.digits) : "");
        longest = std::max(longest, columns(texts.back()));
    }
    const double size = std::min(1.0, 0.85 * cell / (0.62 * static_cast<double>(longest)));
    for (std::size_t i = 0; i < cells.values.size() && size > 0.3; ++i) {
        const Rgb ground = colour_at(map, (cells.values[i] - range.first) / (range.second - range.first));
        figure.text(static_cast<double>(i % cells.columns), static_cast<double>(i / cells.columns), texts[i],
                    {.colour = ink_on(ground), .size = size});
    }
    return figure;
}

/// Counts, rows true and columns predicted.
inline Figure confusion_of(const Cells& counts, const ConfusionMatrixOptions& options) {
    const std::size_t classes = counts.rows;
    if (!options.names.empty() && options.names.size() != classes)
        throw ValueError(message("confusion_matrix: ", options.names.size(), " names for ", classes, " classes"));
    std::vector<std::string> names = options.names;
    for (std::size_t c = 0; options.names.empty() && c < classes; ++c) names.push_back(std::to_string(c));
    Cells shares = counts;
    std::size_t longest = 1;
    for (std::size_t i = 0; i < classes; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < classes; ++j) {
            if (counts.at(i, j) < 0) throw ValueError(message("confusion_matrix: a count of ", counts.at(i, j)));
            sum += counts.at(i, j);
            longest = std::max(longest, std::to_string(static_cast<std::int64_t>(counts.at(i, j))).size());
        }
        for (std::size_t j = 0; j < classes; ++j) shares.values[i * classes + j] = sum > 0 ? 100 * counts.at(i, j) / sum : 0;
    }
    double cell = 0;
    HeatmapOptions form{.title = options.title,
                        .x_label = options.x_label,
                        .y_label = options.y_label,
                        .colour_label = "share of the true class (%)",
                        .x_names = names,
                        .y_names = names,
                        .width = options.width,
                        .height = options.height};
    Figure figure = draw_cells(shares, form, sequential(), {0, 100}, cell);
    const bool two_lines = options.percentages && cell > 2.1;
    const double size = std::min({1.15, 0.86 * cell / (0.62 * static_cast<double>(std::max<std::size_t>(longest, two_lines ? 4 : 1))),
                                  cell / (two_lines ? 2.6 : 1.6)});
    for (std::size_t i = 0; i < classes; ++i)
        for (std::size_t j = 0; j < classes; ++j) {
            const double share = shares.at(i, j);
            const bool nothing = counts.at(i, j) == 0;
            const std::string colour = nothing ? "#9a9a9a" : ink_on(colour_at(sequential(), share / 100));
            const auto x = static_cast<double>(j), y = static_cast<double>(i);
            const bool below = two_lines && !nothing;
            figure.text(x, y, std::to_string(static_cast<std::int64_t>(counts.at(i, j))),
                        {.colour = colour, .size = size, .up = below ? 0.38 * size : 0});
            const int places = share < 10 && share != std::round(share) ? 1 : 0;
            if (below) figure.text(x, y, readable_fixed(share, places) + " %", {.colour = colour, .size = 0.78 * size, .up = -0.55 * size});
        }
    return figure;
}

template <class T, class D>
Cells cells_of(const char* op, const Tensor<T, D>& matrix) {
    if (matrix.dim() != 2) throw ShapeError(message(op, ": a matrix has shape [rows, columns], got ", matrix.shape()));
    return {static_cast<std::size_t>(matrix.size(0)), static_cast<std::size_t>(matrix.size(1)), numbers_of(matrix)};
}

}  // namespace detail

/// A matrix [rows, columns], the first row on top.
template <class T, class D>
Figure heatmap(const Tensor<T, D>& matrix, const HeatmapOptions& options = {}) {
    return detail::heatmap_of(detail::cells_of("heatmap", matrix), options);
}

/// How often each class was taken for which: counts [classes, classes], rows true and columns predicted, as scikit-learn and
/// train::ConfusionMatrix have them. In each cell the count, and its share of the row; for 2 to some 20 classes.
template <class D>
Figure confusion_matrix(const Tensor<std::int64_t, D>& counts, const ConfusionMatrixOptions& options = {}) {
    if (counts.dim() != 2 || counts.size(0) != counts.size(1))
        throw ShapeError(message("confusion_matrix: the counts have shape [classes, classes], got ", counts.shape()));
    if (counts.numel() == 0) throw ValueError("confusion_matrix: there are no classes");
    return detail::confusion_of(detail::cells_of("confusion_matrix", counts), options);
}
/// The same from the labels of n things and what was predicted, both int64 [n], from 0.
template <class D, class E>
Figure confusion_matrix(const Tensor<std::int64_t, D>& y_true, const Tensor<std::int64_t, E>& y_pred,
                        const ConfusionMatrixOptions& options = {}) {
    if (y_true.numel() != y_pred.numel())
        throw ShapeError(message("confusion_matrix: labels of shape ", y_true.shape(), ", but predictions of shape ", y_pred.shape()));
    if (y_true.numel() == 0) throw ValueError("confusion_matrix: there are no labels");
    const auto truth = y_true.tolist(), guess = y_pred.tolist();
    auto classes = static_cast<std::int64_t>(options.names.size());
    for (const auto* labels : {&truth, &guess})
        for (const std::int64_t label : *labels) {
            if (label < 0 || label >= 1000)
                throw ValueError(message("confusion_matrix: a label ", label, "; they count from 0, and 1000 classes are the most"));
            classes = std::max(classes, label + 1);
        }
    const auto size = static_cast<std::size_t>(classes);
    detail::Cells counts{size, size, std::vector<double>(size * size)};
    for (std::size_t i = 0; i < truth.size(); ++i)
        counts.values[static_cast<std::size_t>(truth[i]) * size + static_cast<std::size_t>(guess[i])] += 1;
    return detail::confusion_of(counts, options);
}

}  // namespace headtorch::viz
