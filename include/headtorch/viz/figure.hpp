// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pictures: points, lines, and what a classifier thinks of the plane, in one coordinate system. `fig.save("moons.png")` or .svg.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/viz/asked.hpp"
#include "headtorch/viz/axis.hpp"
#include "headtorch/viz/colour.hpp"
#include "headtorch/viz/decision.hpp"
#include "headtorch/viz/figure_options.hpp"
#include "headtorch/viz/gnuplot.hpp"

namespace headtorch::viz {

/// A drawing surface; what is added first lies below. Whatever cannot be drawn throws when it is added (ShapeError, ValueError).
class Figure {
public:
    explicit Figure(FigureOptions options = {}) : options_(std::move(options)) {}

    /// Points [n, 2], each class of `labels` (int64 [n]) with a colour and a mark of its own; `names` of the classes for the legend.
    template <class T, class D, class E>
    Figure& scatter(const Tensor<T, D>& points, const Tensor<std::int64_t, E>& labels, const std::vector<std::string>& names = {}) {
        const auto xy = rows_of("scatter", points);
        if (labels.numel() != points.size(0))
            throw ShapeError(message("scatter: ", points.size(0), " points, but labels of shape ", labels.shape()));
        return add_classes(xy, labels.tolist(), names);
    }
    /// Points [n, 2] of one kind.
    template <class T, class D>
    Figure& scatter(const Tensor<T, D>& points, const std::string& name = "") {
        const auto xy = rows_of("scatter", points);
        std::string data;
        for (std::size_t i = 0; i + 1 < xy.size(); i += 2) append_point(data, xy[i], xy[i + 1]);
        return add_points(data, name, kinds_++, 1.4);
    }
    /// Points from two vectors of one length.
    Figure& scatter(const std::vector<double>& x, const std::vector<double>& y, const std::string& name = "") {
        return add_points(series("scatter", x, y), name, kinds_++, 1.6);
    }

    /// A line through the points (x[i], y[i]); where one is not finite, it has a gap.
    Figure& line(const std::vector<double>& x, const std::vector<double>& y, const std::string& name = "") {
        static constexpr std::array<Dash, 4> dashes = {Dash::solid, Dash::dashed, Dash::dash_dot, Dash::dotted};
        return line(x, y, name, LineStyle{.dash = dashes[kinds_ % dashes.size()]});
    }
    HEADTORCH_COLD Figure& line(const std::vector<double>& x, const std::vector<double>& y, const std::string& name,
                                const LineStyle& style) {
        std::string data = series("line", x, y);
        if (style.steps) {  // corners, so that dashes run on around them
            data.clear();
            for (std::size_t i = 0; i < x.size(); ++i) {
                if (i > 0) append_point(data, x[i - 1], y[i]);
                append_point(data, x[i], y[i]);
            }
        }
        const std::size_t kind = style.kind < 0 ? kinds_++ : static_cast<std::size_t>(style.kind);
        const bool marks = style.marks && !style.steps;
        std::string words = detail::join("using 1:2 with ", marks ? "linespoints" : "lines", " linewidth ", style.width, " dashtype ",
                                         detail::dash_text(style.dash), " linecolor rgb '", detail::colour(kind), "'");
        if (marks) words += detail::join(" pointtype ", detail::mark(kind), " pointsize mark_size");
        return layer(data, words, name);
    }
    template <class T, class D, class E>
    Figure& line(const Tensor<T, D>& x, const Tensor<T, E>& y, const std::string& name = "") {
        return line(detail::numbers_of(x), detail::numbers_of(y), name);
    }
    /// A line through y at 1, 2, 3, …: losses by epoch.
    Figure& line(const std::vector<double>& y, const std::string& name = "") {
        std::vector<double> x(y.size());
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i + 1);
        options_.integer_x = true;
        return line(x, y, name);
    }
    /// A thin line across the whole figure, which widens it if need be.
    Figure& horizontal_line(double y, Dash dash = Dash::dashed) {
        y_.add(y);
        return arrow("graph 0, first " + detail::number(y), "graph 1, first " + detail::number(y), dash);
    }
    Figure& vertical_line(double x, Dash dash = Dash::dashed) {
        x_.add(x);
        return arrow("first " + detail::number(x) + ", graph 0", "first " + detail::number(x) + ", graph 1", dash);
    }
    /// Words at a point.
    Figure& text(double x, double y, const std::string& words, const TextStyle& style = {}) {
        texts_.push_back({x, y, words, style});
        return *this;
    }

    /// Colours the plane around `points` [n, 2] by what `classifier` says: given a Tensor [m, 2], it returns class indices (int64 [m]),
    /// probabilities of class 1 ([m] or [m, 1]), or scores of the classes [m, c]. A network is asked on its own device.
    template <class F, class T, class D>
    Figure& regions(F&& classifier, const Tensor<T, D>& points, const RegionOptions& options = {}) {
        if (options.resolution < 2) throw ValueError(message("regions: a resolution of ", options.resolution, "; 2 at least"));
        const auto xy = rows_of("regions", points);
        const detail::Lattice lattice = detail::lattice_around(xy, options.resolution);
        const auto grid = headtorch::empty<T, Cpu>({lattice.count(), 2});
        for (std::int64_t i = 0; i < lattice.count(); ++i)
            for (std::size_t d = 0; d < 2; ++d) grid.data()[2 * i + static_cast<std::int64_t>(d)] = static_cast<T>(lattice.at(i, d));
        NoGrad guard;
        const auto verdict = classifier(grid.template to<detail::AskedDevice<F, T, D>>());
        return add_decision(lattice, detail::decision_of(verdict.detach().template to<Cpu>(), lattice.count()), options);
    }
    template <class F, class T, class D>
    Figure& regions(F&& classifier, const Tensor<T, D>& points, int resolution) {
        return regions(classifier, points, RegionOptions{.resolution = resolution});
    }

    /// Numbers in rows, one line of text each, drawn as `style` says in gnuplot's words; `name` for the legend.
    HEADTORCH_COLD Figure& layer(const std::string& rows, const std::string& style, const std::string& name = "") {
        block_ = detail::join("$data", layers_.size(), " ");
        data_ += block_ + "<< END_OF_DATA\n" + rows + "END_OF_DATA\n";
        return layer_again(style, name);
    }
    /// The numbers of the last layer once more, drawn in another way.
    Figure& layer_again(const std::string& style, const std::string& name = "") {
        layers_.push_back({block_ + style, name});
        return *this;
    }
    /// Settings in gnuplot's words, after those of the figure itself.
    Figure& settings(const std::string& lines) {
        settings_ += lines + "\n";
        return *this;
    }
    /// Widens the axes to these numbers, or with `exactly` sets them.
    Figure& x_range(double low, double high, bool exactly = false) { return widen(x_, x_exact_, low, high, exactly); }
    Figure& y_range(double low, double high, bool exactly = false) { return widen(y_, y_exact_, low, high, exactly); }
    /// Words at 0, 1, 2, … instead of numbers.
    Figure& x_names(const std::vector<std::string>& names, bool slanted = false) {
        std::size_t longest = 0;
        for (const std::string& name : names) longest = std::max(longest, detail::columns(name));
        if (slanted) tic_lines_ = 1 + 0.32 * static_cast<double>(longest);
        return settings("set xtics scale 0 nomirror " + std::string(slanted ? "rotate by 45 right " : "") + name_list(names));
    }
    Figure& y_names(const std::vector<std::string>& names) {
        for (const std::string& name : names) y_letters_ = std::max(y_letters_, detail::columns(name));
        return settings("set ytics scale 0 nomirror " + name_list(names));
    }
    /// Keeps so many letters' room on the right.
    Figure& right_letters(std::size_t letters) {
        right_letters_ = letters;
        return *this;
    }

    const FigureOptions& options() const { return options_; }
    FigureOptions& options() { return options_; }
    bool empty() const { return layers_.empty(); }

    /// Draws to a .png or .svg file. False when gnuplot is missing, which is said once on stderr.
    HEADTORCH_COLD bool save(const std::filesystem::path& path) const {
        detail::Page page{options_.width, options_.height, font(), options_.title};
        return detail::draw(path, page,
                            script({.font = page.terminal_font(path.extension().string()),
                                    .em = page.font * 4 / 3,
                                    .pixels = static_cast<double>(page.width),
                                    .aspect = static_cast<double>(page.width) / page.height}));
    }
    /// The size of its letters: smaller in a small figure.
    double font() const { return options_.font > 0 ? options_.font : std::clamp(15 * std::sqrt(options_.width / 960.0), 10.0, 16.0); }

    /// Lines of text that the legend needs.
    std::size_t legend_rows(const detail::Place& place) const {
        const auto entries =
            static_cast<std::size_t>(std::count_if(layers_.begin(), layers_.end(), [](const Layer& each) { return !each.name.empty(); }));
        double width = 0;
        const std::size_t across = legend_columns(place, width);
        return (entries + across - 1) / across;
    }
    /// Letters of what stands at the tics of y.
    std::size_t tic_letters(const detail::Place& place) const { return y_letters_ > 0 ? y_letters_ : y_axis(place).longest; }

    /// What gnuplot is to draw into a part of a page; `more` settings come first.
    HEADTORCH_COLD std::string script(const detail::Place& place, const std::string& more = "") const {
        if (layers_.empty()) throw ValueError("viz: an empty figure; add scatter, line or regions first");
        const detail::Axis x = x_axis(place), y = y_axis(place);
        std::string body = "reset\nset minussign\nset format '%h'\n" + data_ + more;
        body += detail::join("set origin ", place.left, ",", place.bottom, "\nset size ", options_.equal_axes ? "ratio -1 " : "",
                             place.width, ",", place.height, "\n");
        body += heading(place.font) + axis_label("x", options_.x_label, x.factor, " offset 0, 0.3") +
                axis_label("y", options_.y_label, y.factor, "");
        body +=
            "set grid back linetype 1 dashtype solid linewidth 1 linecolor rgb '#e6e6e6'\nset border 3 linecolor rgb '#555555'\n"
            "set tics nomirror\nset autoscale noextend\n" +
            x.script + y.script + margins(place);
        for (const Words& words : texts_) body += label(words, place);
        body += settings_ + "plot ";
        for (std::size_t i = 0; i < layers_.size(); ++i)
            body += (i ? ", \\\n     " : "") + layers_[i].style +
                    (layers_[i].name.empty() ? " notitle" : " title " + detail::gnuplot_text(layers_[i].name));
        return body + "\n";
    }

private:
    struct Layer {
        std::string style, name;
    };
    struct Words {
        double x, y;
        std::string text;
        TextStyle style;
    };

    template <class T, class D>
    static std::vector<double> rows_of(const char* op, const Tensor<T, D>& points) {
        if (points.dim() != 2 || points.size(1) != 2) throw ShapeError(message(op, ": the points have shape [n, 2], got ", points.shape()));
        if (points.size(0) == 0) throw ValueError(message(op, ": there are no points"));
        auto numbers = detail::numbers_of(points);
        bool some = false;
        for (std::size_t i = 0; i < numbers.size() && !some; i += 2) some = std::isfinite(numbers[i]) && std::isfinite(numbers[i + 1]);
        if (!some) throw ValueError(message(op, ": no point has finite numbers"));
        return numbers;
    }
    HEADTORCH_COLD std::string series(const char* op, const std::vector<double>& x, const std::vector<double>& y) {
        if (x.size() != y.size()) throw ShapeError(message(op, ": ", x.size(), " values of x, but ", y.size(), " of y"));
        if (x.empty()) throw ValueError(message(op, ": there are no points"));
        std::string data;
        bool some = false;
        for (std::size_t i = 0; i < x.size(); ++i) {
            append_point(data, x[i], y[i]);
            some = some || (std::isfinite(x[i]) && std::isfinite(y[i]));
        }
        if (!some) throw ValueError(message(op, ": no point has finite numbers"));
        return data;
    }
    void append_point(std::string& data, double x, double y) {
        if (std::isfinite(x) && std::isfinite(y)) {
            x_.add(x);
            y_.add(y);
        }
        data += detail::number(x) + " " + detail::number(y) + "\n";
    }
    Figure& add_classes(const std::vector<double>& xy, const std::vector<std::int64_t>& labels, const std::vector<std::string>& names) {
        const auto [lowest, highest] = std::minmax_element(labels.begin(), labels.end());
        // Class c has colour and name c, unless the classes do not count from 0.
        const bool shifted = *lowest < 0 || (!names.empty() && *highest >= static_cast<std::int64_t>(names.size()));
        std::vector<std::int64_t> classes = labels;
        std::sort(classes.begin(), classes.end());
        classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
        for (const std::int64_t c : classes) {
            std::string data;
            for (std::size_t i = 0; i < labels.size(); ++i)
                if (labels[i] == c) append_point(data, xy[2 * i], xy[2 * i + 1]);
            const auto index = static_cast<std::size_t>(shifted ? c - *lowest : c);
            add_points(data, index < names.size() ? names[index] : detail::join("class ", c), index, 1.4);
        }
        return *this;
    }
    Figure& add_points(const std::string& data, const std::string& name, std::size_t kind, double size) {
        const std::string with = detail::join("using 1:2 with points pointtype ", detail::mark(kind), " pointsize mark_size * ");
        const std::string coloured = detail::join(with, size, " linecolor rgb '", detail::colour(kind), "'");
        if (!filled_) return layer(data, coloured, name);
        return layer(data, detail::join(with, size + 0.45, " linecolor rgb 'white'")).layer_again(coloured, name);  // a rim on the ground
    }
    Figure& add_decision(const detail::Lattice& lattice, const detail::Decision& decision, const RegionOptions& options) {
        std::string data;
        for (std::int64_t i = 0; i < lattice.count(); ++i) {
            const auto [kind, sureness] = decision.verdict(i);
            const double strength = options.shading ? 0.04 + 0.5 * sureness : 0.28;
            const detail::Rgb tint = detail::Rgb{255, 255, 255}.mixed(detail::Rgb::of(detail::colour(kind).c_str()), strength);
            data += detail::number(lattice.at(i, 0)) + " " + detail::number(lattice.at(i, 1)) +
                    detail::join(" ", std::round(tint.r), " ", std::round(tint.g), " ", std::round(tint.b), "\n");
        }
        for (int end : {0, 1}) {
            x_.add(end ? lattice.high[0] : lattice.low[0]);
            y_.add(end ? lattice.high[1] : lattice.low[1]);
        }
        filled_ = true;
        layer(data, "using 1:2:3:4:5 with rgbimage");
        if (!options.boundary) return *this;
        const std::string edges = detail::boundary_of(lattice, decision);
        return edges.empty() ? *this : layer(edges, "using 1:2 with lines linewidth 2 linecolor rgb '#333333'");
    }
    Figure& arrow(const std::string& from, const std::string& to, Dash dash) {
        return settings("set arrow from " + from + " to " + to + " nohead back linewidth 1.5 dashtype " + detail::dash_text(dash) +
                        " linecolor rgb '" + detail::faint + "'");
    }
    Figure& widen(detail::Extent& extent, detail::Extent& exact, double low, double high, bool exactly) {
        detail::Extent& which = exactly ? exact : extent;
        which.add(low);
        which.add(high);
        return *this;
    }
    static std::string name_list(const std::vector<std::string>& names) {
        std::string list = "(";
        for (std::size_t i = 0; i < names.size(); ++i) list += (i ? ", " : "") + detail::tic_text(names[i]) + detail::join(" ", i);
        return list + ")";
    }
    /// How many entries of the legend stand beside one another. Gnuplot thinks letters wider than most are, so `width` takes some back.
    std::size_t legend_columns(const detail::Place& place, double& width) const {
        std::size_t longest = 0;
        for (const Layer& each : layers_) longest = std::max(longest, detail::columns(each.name));
        width = (place.font < place.em ? 0.14 : 0.22) * static_cast<double>(longest);  // PNG has points, SVG pixels
        const double entry = (0.86 * static_cast<double>(longest) + 3.7) * 0.75 * legend_size * place.em;
        return std::max<std::size_t>(1, static_cast<std::size_t>(0.98 * place.pixels / entry));
    }
    HEADTORCH_COLD std::string margins(const detail::Place& place) const {
        const double lines = (options_.x_label.empty() && x_axis(place).factor.empty() ? 2.2 : 3.6) + tic_lines_ - 1;
        const std::size_t rows = std::max(place.legend_rows, legend_rows(place));
        std::string margin =
            detail::join("set bmargin ", place.lines(rows == 0 ? lines : lines + 0.5 + 1.2 * static_cast<double>(rows)), "\n");
        if (!options_.equal_axes) {  // axes below one another begin and end at the same place
            const double letters = static_cast<double>(std::max(place.tic_letters, tic_letters(place)));
            const double em = place.em / place.pixels * place.width;
            const bool labelled = !options_.y_label.empty() || !y_axis(place).factor.empty() || place.tic_letters > 0;
            margin += detail::join("set lmargin at screen ", place.left + em * (0.75 * letters + (labelled ? 2.6 : 1.2)),
                                   "\nset rmargin at screen ",
                                   place.left + place.width - em * (0.6 * static_cast<double>(right_letters_) + 1.2), "\n");
        }
        if (legend_rows(place) == 0) return margin + "set key off\n";
        double width = 0;
        const std::size_t across = legend_columns(place, width);
        return margin + detail::join("set key at screen ", place.left + place.width / 2, ", screen ",
                                     place.bottom + 0.4 * place.em / place.pixels * place.width * place.aspect,
                                     " center bottom horizontal Left reverse samplen 3 width ", -width, " maxcols ", across, " font ',",
                                     legend_size * place.font, "'\n");
    }
    HEADTORCH_COLD static std::string label(const Words& words, const detail::Place& place) {
        static constexpr std::array<const char*, 3> aligns = {"left", "center", "right"};
        return "set label " + detail::gnuplot_text(words.text) + (words.style.of_graph ? " at graph " : " at first ") +
               detail::number(words.x) + "," + (words.style.of_graph ? " graph " : " first ") + detail::number(words.y) +
               detail::join(" ", aligns[static_cast<std::size_t>(std::clamp(words.style.align, -1, 1) + 1)], " front offset 0,",
                            place.lines(words.style.up), " textcolor rgb '", words.style.colour, "' font ',", words.style.size * place.font,
                            "'\n");
    }

    detail::Axis x_axis(const detail::Place& place) const {
        const double ems = place.pixels / place.em - 7;
        return x_exact_.empty() ? detail::axis_of("x", x_, options_.log_x, options_.integer_x, filled_ ? 0 : 0.03, ems)
                                : detail::axis_of("x", x_exact_, options_.log_x, options_.integer_x, 0, ems);
    }
    detail::Axis y_axis(const detail::Place& place) const {
        const double ems = place.pixels_high() / place.em - 8;
        return y_exact_.empty() ? detail::axis_of("y", y_, options_.log_y, options_.integer_y, filled_ ? 0 : 0.04, ems)
                                : detail::axis_of("y", y_exact_, options_.log_y, options_.integer_y, 0, ems);
    }
    HEADTORCH_COLD std::string heading(double font) const {
        std::string text;
        if (!options_.title.empty())
            text += "set title " + detail::gnuplot_text(options_.title) +
                    detail::join(" font ',", 1.1 * font, options_.subtitle.empty() ? "'" : "' offset 0,0.7", "\n");
        if (!options_.subtitle.empty())
            text += "set tmargin " + std::string(options_.title.empty() ? "2.4" : "4.4") + "\nset label " +
                    detail::gnuplot_text(options_.subtitle) + " at graph 0.5, graph 1 center offset 0,0.8 textcolor rgb '" + detail::faint +
                    detail::join("' font ',", 0.85 * font, "'\n");
        return text;
    }
    static std::string axis_label(const std::string& axis, const std::string& words, const std::string& factor, const std::string& more) {
        const std::string text = factor.empty() ? words : words.empty() ? factor : words + " (" + factor + ")";
        return text.empty() ? "" : "set " + axis + "label " + detail::gnuplot_text(text) + more + "\n";
    }

    static constexpr double legend_size = 0.92;

    FigureOptions options_;
    std::string data_, block_, settings_;
    std::vector<Layer> layers_;
    std::vector<Words> texts_;
    std::size_t kinds_ = 0;
    bool filled_ = false;
    double tic_lines_ = 1;  ///< height of what stands at the tics of x
    std::size_t y_letters_ = 0, right_letters_ = 0;
    detail::Extent x_, y_, x_exact_, y_exact_;
};

}  // namespace headtorch::viz
