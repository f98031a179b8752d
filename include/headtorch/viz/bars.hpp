// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Bars: one number for each of several names, as the accuracy of each class.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/viz/heatmap.hpp"

namespace headtorch::viz {

struct BarsOptions {
    std::string title = "", label = "";                ///< of the axis of numbers
    std::optional<bool> horizontal{};                  ///< when there are many names, or long ones, unless given
    bool sort = false;                                 ///< the greatest first
    bool values = true;                                ///< the number stands at the end of each bar
    int digits = 3;                                    ///< of the greatest of these numbers
    std::optional<std::pair<double, double>> range{};  ///< of the axis; what the numbers and 0 need unless given
    std::optional<double> reference{};                 ///< a line across: the mean
    std::string reference_name = "mean";
    int width = 0, height = 0;
};

/// One bar for each name. Throws ValueError when there is none, or no number is finite.
inline Figure bars(const std::vector<std::string>& names, const std::vector<double>& numbers, const BarsOptions& options = {}) {
    if (names.size() != numbers.size()) throw ShapeError(message("bars: ", names.size(), " names, but ", numbers.size(), " numbers"));
    if (names.empty()) throw ValueError("bars: there are no names");
    if (!detail::any_finite(numbers)) throw ValueError("bars: no number is finite");
    std::vector<std::size_t> order(names.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (options.sort)
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::isnan(numbers[b]) ? !std::isnan(numbers[a]) : numbers[a] > numbers[b];
        });
    std::vector<std::string> shown;
    for (const std::size_t i : order) shown.push_back(detail::shortened(detail::clean(names[i]), 28));
    const std::size_t longest = detail::longest_of(shown);
    const auto count = static_cast<double>(names.size());
    const bool lying = options.horizontal.value_or(count > 12 || static_cast<double>(longest) * count > 75);

    detail::Extent extent;
    extent.add(0);
    for (const double value : numbers) extent.add(value);
    if (options.reference) extent.add(*options.reference);
    const double length = extent.high - extent.low, room = options.values && !lying ? 0.08 : 0.03;
    const double low = extent.low < 0 ? extent.low - room * length : 0, high = extent.high > 0 ? extent.high + room * length
                                                                               : length > 0    ? 0
                                                                                               : 1;
    const auto range = options.range.value_or(std::pair(low, high));
    if (!(range.first < range.second)) throw ValueError(message("bars: the range goes from ", range.first, " to ", range.second));

    Figure figure({.title = options.title,
                   .x_label = lying ? options.label : "",
                   .y_label = lying ? "" : options.label,
                   .width = options.width > 0 ? options.width : 960,
                   .height = options.height > 0 ? options.height
                             : lying            ? static_cast<int>(150 + std::max(6.0, count) * 32)
                                                : 620,
                   .font = 13});
    const bool whole = std::all_of(numbers.begin(), numbers.end(), [](double value) { return value == std::round(value); });
    const double most = std::max(std::abs(extent.low), std::abs(extent.high));
    const int places = whole      ? 0
                       : most > 0 ? std::clamp(options.digits - static_cast<int>(std::ceil(std::log10(most))), 0, 12)
                                  : options.digits;
    std::string data;
    std::size_t letters = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const double at = static_cast<double>(i), value = numbers[order[i]];
        if (!std::isfinite(value)) continue;
        data += lying ? detail::join(value, " ", at, " ", 0, " ", value, " ", at - 0.38, " ", at + 0.38, "\n")
                      : detail::join(at, " ", value, " ", at - 0.38, " ", at + 0.38, " ", 0, " ", value, "\n");
        if (!options.values) continue;
        const std::string words = detail::readable_fixed(value, places);
        letters = std::max(letters, detail::columns(words));
        if (lying)  // in a column of its own
            figure.text(range.second + 0.012 * (range.second - range.first), at, words, {.size = 0.85, .align = -1});
        else
            figure.text(at, value, words, {.size = 0.85, .up = value < 0 ? -0.7 : 0.6});
    }
    figure.layer(data, "using 1:2:3:4:5:6 with boxxyerror fillstyle solid 0.85 noborder linecolor rgb '" + detail::colour(0) + "'");
    if (options.reference) {
        const std::string words = options.reference_name + " " + detail::readable_fixed(*options.reference, places + (whole ? 1 : 0));
        const double at = *options.reference;
        const std::string line =
            lying ? detail::join(at, " -0.6\n", at, " ", count - 0.4, "\n") : detail::join("-0.6 ", at, "\n", count - 0.4, " ", at, "\n");
        figure.layer(line,
                     std::string("using 1:2 with lines linewidth 2 dashtype ") + detail::dash_text(Dash::dashed) + " linecolor rgb '" +
                         detail::colour(1) + "'",
                     words);
    }
    if (lying) {
        figure.y_names(shown).y_range(-0.6, count - 0.4, true).x_range(range.first, range.second, true);
        figure.right_letters(letters).settings(detail::join("set yrange [", count - 0.4, ":-0.6]\nset grid noytics"));
    } else {
        const bool slanted = static_cast<double>(longest) * count * 0.6 * 17.3 > 0.88 * figure.options().width;
        figure.x_names(shown, slanted)
            .x_range(-0.6, count - 0.4, true)
            .y_range(range.first, range.second, true)
            .settings("set grid noxtics");
    }
    return figure;
}

/// The same of a tensor of as many numbers.
template <class T, class D>
Figure bars(const std::vector<std::string>& names, const Tensor<T, D>& numbers, const BarsOptions& options = {}) {
    return bars(names, detail::numbers_of(numbers), options);
}

}  // namespace headtorch::viz
