// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Histograms: of numbers, and of the weights or gradients of each parameter of a network.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/viz/panels.hpp"

namespace headtorch::viz {

struct HistogramOptions {
    std::string title = "", x_label = "value", y_label = "count";
    int bins = 0;            ///< twice the cube root of the count (Rice's rule), 5 to 60, unless given
    bool log_y = false;      ///< counts of tails are seen
    int kind = 0;            ///< index of the colour
    bool statistics = true;  ///< mean and standard deviation stand in the picture
    int width = 960, height = 640;
};

struct ParameterHistogramOptions {
    std::string title = "";
    std::string contains = "";  ///< only parameters with this in their names: ".weight"
    int bins = 0;
    bool log_y = false;
    bool share_x = false;   ///< all panels show the same range
    std::size_t most = 24;  ///< panels; a line below says how many more there are
    int columns = 0;
    int panel_width = 420, panel_height = 320;
};

namespace detail {

/// Counts in bins of one width.
struct Bins {
    double low = 0, width = 1;
    std::vector<double> counts;
    double mean = 0, deviation = 0;
    std::size_t finite = 0, other = 0;

    double left(std::size_t bin) const { return low + width * static_cast<double>(bin); }
};

inline Bins bins_of(const char* op, const std::vector<double>& values, int wanted, const Extent* shared = nullptr) {
    if (values.empty()) throw ValueError(message(op, ": there are no numbers"));
    if (wanted < 0) throw ValueError(message(op, ": ", wanted, " bins"));
    Extent extent;
    Bins bins;
    double sum = 0;
    for (const double value : values) {
        extent.add(value);
        if (std::isfinite(value)) ++bins.finite, sum += value;
    }
    bins.other = values.size() - bins.finite;
    if (extent.empty()) throw ValueError(message(op, ": no number is finite"));
    bins.mean = sum / static_cast<double>(bins.finite);
    double squares = 0;
    for (const double value : values)
        if (std::isfinite(value)) squares += (value - bins.mean) * (value - bins.mean);
    bins.deviation = std::sqrt(squares / static_cast<double>(bins.finite));
    if (shared) extent = *shared;
    if (!(extent.high > extent.low)) {
        const double half = extent.low == 0 ? 0.5 : 0.5 * std::abs(extent.low);
        extent.low -= half;
        extent.high += half;
    }
    const double rice = std::ceil(2 * std::cbrt(static_cast<double>(bins.finite)));
    bins.counts.resize(wanted > 0 ? static_cast<std::size_t>(wanted) : static_cast<std::size_t>(std::clamp(rice, 5.0, 60.0)));
    bins.low = extent.low;
    bins.width = (extent.high - extent.low) / static_cast<double>(bins.counts.size());
    if (!std::isfinite(bins.width) || !(bins.width > 0)) throw ValueError(message(op, ": the numbers are too large to draw"));
    for (const double value : values)
        if (std::isfinite(value)) {
            const double bin = std::clamp((value - bins.low) / bins.width, 0.0, static_cast<double>(bins.counts.size() - 1));
            ++bins.counts[static_cast<std::size_t>(bin)];
        }
    return bins;
}

/// Rectangles from the axis on; lying ones with `sideways`.
inline void add_bars(Figure& figure, const Bins& bins, std::size_t kind, bool sideways = false, double base = 0) {
    std::string data;
    for (std::size_t i = 0; i < bins.counts.size(); ++i) {
        if (bins.counts[i] == 0) continue;
        const double from = bins.left(i), to = bins.left(i + 1), count = bins.counts[i];
        data += sideways ? join(count, " ", from, " ", base, " ", count, " ", from, " ", to, "\n")
                         : join(from, " ", count, " ", from, " ", to, " ", base, " ", count, "\n");
    }
    figure.layer(data, "using 1:2:3:4:5:6 with boxxyerror fillstyle solid 0.8 border rgb 'white' linecolor rgb '" + colour(kind) + "'");
    const double most = *std::max_element(bins.counts.begin(), bins.counts.end());
    const double last = bins.left(bins.counts.size());
    if (sideways)
        figure.x_range(base, 1.06 * most, true);
    else
        figure.x_range(bins.low, last).y_range(base, base > 0 ? 2 * most : 1.08 * most, true);
}

inline Figure histogram_of(const char* op, const std::vector<double>& values, const HistogramOptions& options,
                           const Extent* shared = nullptr) {
    const Bins bins = bins_of(op, values, options.bins, shared);
    std::string words;
    if (options.statistics) words = "mean " + readable(bins.mean) + ", sd " + readable(bins.deviation);
    if (bins.other > 0) words += message(words.empty() ? "" : ", ", bins.other, " not finite");
    Figure figure({.title = options.title,
                   .x_label = options.x_label,
                   .y_label = options.y_label,
                   .log_y = options.log_y,
                   .width = options.width,
                   .height = options.height,
                   .integer_y = true,
                   .subtitle = words});
    add_bars(figure, bins, static_cast<std::size_t>(std::max(0, options.kind)), false, options.log_y ? 0.5 : 0);
    return figure;
}

/// The numbers of a tensor, what it is called and its shape.
struct NamedNumbers {
    std::string name;
    std::vector<double> values;
};

inline Panels parameter_histograms(const char* op, const char* what, const std::vector<NamedNumbers>& all,
                                   const ParameterHistogramOptions& options) {
    Extent range;
    for (const NamedNumbers& each : all)
        for (const double value : each.values) range.add(value);
    std::vector<Figure> figures;
    for (std::size_t i = 0; i < all.size() && i < std::max<std::size_t>(1, options.most); ++i) {
        const HistogramOptions form{.title = all[i].name,
                                    .x_label = what,
                                    .bins = options.bins,
                                    .log_y = options.log_y,
                                    .width = options.panel_width,
                                    .height = options.panel_height};
        const auto& values = all[i].values;
        if (any_finite(values)) {
            figures.push_back(histogram_of(op, values, form, options.share_x ? &range : nullptr));
            continue;
        }
        Figure figure({.title = form.title, .x_label = form.x_label, .y_label = form.y_label, .width = form.width, .height = form.height});
        figure.x_range(-1, 1).y_range(0, 1).layer("0 0\n", "using 1:2 with points pointtype 0 linecolor rgb 'white'");
        figure.text(0.5, 0.5, "all " + std::to_string(values.size()) + " not finite", {.colour = wrong, .of_graph = true});
        figures.push_back(std::move(figure));
    }
    std::string title = options.title;
    if (all.size() > figures.size()) title += message(title.empty() ? "" : " ", "(the first ", figures.size(), " of ", all.size(), ")");
    return Panels(std::move(figures), {.title = title, .columns = options.columns});
}

template <class Net>
std::vector<NamedNumbers> collect_parameters(const char* op, const Net& net, const std::string& contains, bool gradients) {
    std::vector<NamedNumbers> all;
    bool some = false;
    for (const auto& [name, parameter] : net.named_parameters()) {
        if (parameter.numel() == 0 || (!contains.empty() && name.find(contains) == std::string::npos)) continue;
        some = true;
        const auto values = gradients ? parameter.grad() : parameter.detach();
        if (values.defined()) all.push_back({message(name, " ", values.shape()), numbers_of(values)});
    }
    if (!some)
        throw ValueError(
            message(op, ": the network has no parameters", contains.empty() ? "" : " with \"" + contains + "\" in their names"));
    if (all.empty()) throw ValueError(message(op, ": no parameter has a gradient; call backward() first"));
    return all;
}

}  // namespace detail

/// How often numbers of about each size are there. Throws ValueError when none is finite.
inline Figure histogram(const std::vector<double>& values, const HistogramOptions& options = {}) {
    return detail::histogram_of("histogram", values, options);
}
template <class T, class D>
Figure histogram(const Tensor<T, D>& values, const HistogramOptions& options = {}) {
    return detail::histogram_of("histogram", detail::numbers_of(values), options);
}

/// One panel for each parameter of a network: how its weights are distributed.
template <class Net>
Panels weight_histograms(const Net& net, ParameterHistogramOptions options = {}) {
    if (options.title.empty()) options.title = "Weights";
    return detail::parameter_histograms("weight_histograms", "weight",
                                        detail::collect_parameters("weight_histograms", net, options.contains, false), options);
}
/// The same of the gradients that the last backward() left; parameters without one have no panel.
template <class Net>
Panels gradient_histograms(const Net& net, ParameterHistogramOptions options = {}) {
    if (options.title.empty()) options.title = "Gradients";
    return detail::parameter_histograms("gradient_histograms", "gradient",
                                        detail::collect_parameters("gradient_histograms", net, options.contains, true), options);
}

}  // namespace headtorch::viz
