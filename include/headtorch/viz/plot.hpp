// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures: points, lines, and what a classifier thinks of the plane, in one coordinate system. `fig.save("moons.png")` or .svg.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/viz/gnuplot.hpp"

namespace headtorch::viz {

/// Colours that colour-blind readers can tell apart (Okabe and Ito, 2008).
inline constexpr std::array<const char*, 7> palette = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};

struct FigureOptions {
    std::string title = "", x_label = "", y_label = "";
    bool log_x = false, log_y = false;
    bool equal_axes = false;  ///< one unit is as long on both axes
    int width = 960, height = 720;
};

/// A drawing surface; what is added first lies below.
class Figure {
public:
    explicit Figure(FigureOptions options = {}) : options_(std::move(options)) {}

    /// Points [n, 2], each class of `labels` (int64 [n]) with a colour and a mark of its own; `names` of the classes for the legend.
    template <class T>
    Figure& scatter(const Tensor<T>& points, const Tensor<std::int64_t>& labels, const std::vector<std::string>& names = {}) {
        const auto xy = rows_of("scatter", points);
        if (labels.numel() != points.size(0))
            throw ShapeError(message("scatter: ", points.size(0), " points, but labels of shape ", labels.shape()));
        const auto label = labels.tolist();
        const std::int64_t lowest = *std::min_element(label.begin(), label.end()), highest = *std::max_element(label.begin(), label.end());
        for (std::int64_t c = lowest; c <= highest; ++c) {
            std::string data;
            for (std::size_t i = 0; i < label.size(); ++i)
                if (label[i] == c) append_row(data, {xy[2 * i], xy[2 * i + 1]});
            const auto index = static_cast<std::size_t>(c - lowest);
            if (!data.empty()) add_points(data, index < names.size() ? names[index] : message("class ", c), index, 1.4);
        }
        return *this;
    }
    /// Points [n, 2] of one kind.
    template <class T>
    Figure& scatter(const Tensor<T>& points, const std::string& name = "") {
        const auto xy = rows_of("scatter", points);
        std::string data;
        for (std::size_t i = 0; i + 1 < xy.size(); i += 2) append_row(data, {xy[i], xy[i + 1]});
        add_points(data, name, colours_++, 1.4);
        return *this;
    }
    /// Points from two vectors of one length.
    Figure& scatter(const std::vector<double>& x, const std::vector<double>& y, const std::string& name = "") {
        add_points(series("scatter", x, y), name, colours_++, 1.6);
        return *this;
    }

    /// A line through the points (x[i], y[i]); where one is not finite, it has a gap.
    Figure& line(const std::vector<double>& x, const std::vector<double>& y, const std::string& name = "") {
        const std::size_t colour = colours_++;
        static constexpr std::array<int, 4> dashes = {1, 2, 4, 5};
        add(series("line", x, y),
            message("using 1:2 with lines linewidth 2.5 dashtype ", dashes[colour % dashes.size()], " linecolor rgb '",
                    palette[colour % palette.size()], "'"),
            name);
        return *this;
    }
    template <class T>
    Figure& line(const Tensor<T>& x, const Tensor<T>& y, const std::string& name = "") {
        return line(numbers_of(x), numbers_of(y), name);
    }
    /// A line through y at 1, 2, 3, …: losses by epoch.
    Figure& line(const std::vector<double>& y, const std::string& name = "") {
        std::vector<double> x(y.size());
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i + 1);
        return line(x, y, name);
    }

    /// Colours the plane around `points` [n, 2] by what `classifier` says: given a Tensor [m, 2], it returns class indices (int64 [m]),
    /// probabilities of class 1 ([m] or [m, 1]), or scores of the classes [m, c].
    template <class F, class T>
    Figure& regions(F classifier, const Tensor<T>& points, int resolution = 200) {
        const auto xy = rows_of("regions", points);
        double low[2], high[2];
        for (std::size_t d = 0; d < 2; ++d) {
            low[d] = std::numeric_limits<double>::infinity();
            high[d] = -low[d];
            for (std::size_t i = d; i < xy.size(); i += 2)
                if (std::isfinite(xy[i])) low[d] = std::min(low[d], xy[i]), high[d] = std::max(high[d], xy[i]);
            const double margin = high[d] > low[d] ? 0.08 * (high[d] - low[d]) : 1;
            low[d] -= margin;
            high[d] += margin;
        }
        const auto at = [&](std::size_t d, int i) { return low[d] + (high[d] - low[d]) * i / (resolution - 1); };
        const auto grid = empty<T>({std::int64_t{resolution} * resolution, 2});
        for (int i = 0; i < resolution; ++i)
            for (int j = 0; j < resolution; ++j) {
                grid.data()[2 * (i * resolution + j)] = static_cast<T>(at(0, j));
                grid.data()[2 * (i * resolution + j) + 1] = static_cast<T>(at(1, i));
            }
        NoGrad guard;
        const auto classes = classes_of(classifier(grid), grid.size(0));
        std::string data;
        for (int i = 0; i < resolution; ++i)
            for (int j = 0; j < resolution; ++j) {
                const auto c = classes[static_cast<std::size_t>(i * resolution + j)];
                const auto colour = tint(palette[static_cast<std::size_t>(c) % palette.size()]);
                append_row(data, {at(0, j), at(1, i), colour[0], colour[1], colour[2]});
            }
        add(data, "using 1:2:3:4:5 with rgbimage", "");
        filled_ = true;
        return *this;
    }

    /// Draws to a .png or .svg file. False when gnuplot is missing, which is said once on stderr.
    bool save(const std::filesystem::path& path) const {
        if (layers_.empty()) throw ValueError("viz: an empty figure; add scatter, line or regions first");
        std::string body = data_;
        if (!options_.title.empty()) body += "set title " + detail::quoted(options_.title) + "\n";
        body += "set xlabel " + detail::quoted(options_.x_label) + " offset 0, 0.3\nset ylabel " + detail::quoted(options_.y_label) + "\n";
        body +=
            "set grid back linetype 1 dashtype solid linewidth 1 linecolor rgb '#e6e6e6'\nset border 3 linecolor rgb '#555555'\nset tics "
            "nomirror\n";
        body += "set bmargin 5.5\nset key at screen 0.5, screen 0.012 center bottom horizontal samplen 2 maxrows 2\n";
        body += "set autoscale noextend\n";
        body += options_.log_x ? "set logscale x\n" : range("xrange", bounds_[0]);
        body += options_.log_y ? "set logscale y\n" : range("yrange", bounds_[1]);
        if (options_.equal_axes) body += "set size ratio -1\n";
        body += "plot ";
        for (std::size_t i = 0; i < layers_.size(); ++i) body += (i ? ", \\\n     " : "") + layers_[i];
        return detail::draw(path, options_.width, options_.height, body);
    }

private:
    template <class T>
    static std::vector<double> numbers_of(const Tensor<T>& x) {
        std::vector<double> numbers;
        for (T value : x.tolist()) numbers.push_back(static_cast<double>(value));
        return numbers;
    }
    template <class T>
    static std::vector<double> rows_of(const char* op, const Tensor<T>& points) {
        if (points.dim() != 2 || points.size(1) != 2) throw ShapeError(message(op, ": the points have shape [n, 2], got ", points.shape()));
        if (points.size(0) == 0) throw ValueError(message(op, ": there are no points"));
        return numbers_of(points);
    }
    /// Adds numbers to the data; the first two are x and y, and widen the picture.
    void append_row(std::string& data, std::initializer_list<double> row) {
        for (std::size_t d = 0; d < 2; ++d) {
            const double value = row.begin()[d];
            if (std::isfinite(value)) bounds_[d] = {std::min(bounds_[d][0], value), std::max(bounds_[d][1], value)};
        }
        char text[32];
        for (double value : row) {
            std::snprintf(text, sizeof text, std::isfinite(value) ? "%.9g " : "NaN ", value);
            data += text;
        }
        data += '\n';
    }
    std::string series(const char* op, const std::vector<double>& x, const std::vector<double>& y) {
        if (x.size() != y.size()) throw ShapeError(message(op, ": ", x.size(), " values of x, but ", y.size(), " of y"));
        if (x.empty()) throw ValueError(message(op, ": there are no points"));
        std::string data;
        for (std::size_t i = 0; i < x.size(); ++i) append_row(data, {x[i], y[i]});
        return data;
    }
    static std::vector<std::int64_t> classes_of(const Tensor<std::int64_t>& labels, std::int64_t count) {
        if (labels.numel() != count)
            throw ShapeError(message("regions: the classifier returned ", labels.shape(), " for ", count, " points"));
        return labels.tolist();
    }
    template <Floating T>
    static std::vector<std::int64_t> classes_of(const Tensor<T>& scores, std::int64_t count) {
        const std::int64_t columns = scores.dim() == 2 ? scores.size(1) : 1;
        if (scores.numel() != count * columns)
            throw ShapeError(message("regions: the classifier returned ", scores.shape(), " for ", count, " points"));
        const auto values = scores.tolist();
        std::vector<std::int64_t> classes;
        for (std::int64_t i = 0; i < count; ++i) {
            const auto row = values.begin() + i * columns;
            classes.push_back(columns == 1 ? *row > T(0.5) : std::max_element(row, row + columns) - row);
        }
        return classes;
    }
    /// The colour mixed with much white.
    static std::array<double, 3> tint(const char* colour) {
        unsigned r = 0, g = 0, b = 0;
        std::sscanf(colour, "#%2x%2x%2x", &r, &g, &b);
        const auto mix = [](unsigned c) { return std::round(0.28 * c + 0.72 * 255); };
        return {mix(r), mix(g), mix(b)};
    }
    /// A little more than the data need, or exactly that under coloured regions.
    std::string range(const char* axis, const std::array<double, 2>& bounds) const {
        if (!(bounds[0] <= bounds[1])) return "";
        const double margin = filled_ ? 0 : bounds[1] > bounds[0] ? 0.04 * (bounds[1] - bounds[0]) : 1;
        char text[96];
        std::snprintf(text, sizeof text, "set %s [%.9g:%.9g]\n", axis, bounds[0] - margin, bounds[1] + margin);
        return text;
    }
    void add_points(const std::string& data, const std::string& name, std::size_t kind, double size) {
        static constexpr std::array<int, 7> marks = {7, 9, 5, 13, 11, 6, 8};
        add(data,
            message("using 1:2 with points pointtype ", marks[kind % marks.size()], " pointsize ", size, " linecolor rgb '",
                    palette[kind % palette.size()], "'"),
            name);
    }
    void add(const std::string& data, const std::string& style, const std::string& name) {
        const std::string block = message("$data", layers_.size());
        data_ += block + " << END_OF_DATA\n" + data + "END_OF_DATA\n";
        layers_.push_back(block + " " + style + (name.empty() ? " notitle" : " title " + detail::quoted(name)));
    }

    FigureOptions options_;
    std::string data_;
    std::vector<std::string> layers_;
    std::size_t colours_ = 0;
    bool filled_ = false;
    std::array<std::array<double, 2>, 2> bounds_{{{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()},
                                                  {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}}};
};

}  // namespace headtorch::viz
