// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Several figures on one page: `viz::Panels({loss, accuracy}, {.title = "Training"}).save("training.png")`.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/viz/figure.hpp"

namespace headtorch::viz {

struct PanelsOptions {
    std::string title = "";
    int columns = 0;                        ///< about as many as rows unless given
    int panel_width = 0, panel_height = 0;  ///< of each panel in pixels; what the figures say unless given
    double font = 0;                        ///< of all panels; that of the figure with the smallest letters unless given
};

/// Figures from left to right and from top to bottom. A column is as wide, and a row as high, as its largest figure.
class Panels {
public:
    explicit Panels(std::vector<Figure> figures, PanelsOptions options = {}) : figures_(std::move(figures)), options_(std::move(options)) {
        if (figures_.empty()) throw ValueError("panels: there are no figures");
        if (options_.columns < 0 || options_.panel_width < 0 || options_.panel_height < 0 || !(options_.font >= 0))
            throw ValueError("panels: columns, sizes and font cannot be negative");
    }
    Panels(Figure figure) : Panels(std::vector<Figure>{std::move(figure)}) {}

    std::size_t size() const { return figures_.size(); }
    const std::vector<Figure>& figures() const { return figures_; }
    const PanelsOptions& options() const { return options_; }

    /// Draws to a .png or .svg file. False when gnuplot is missing, which is said once on stderr.
    bool save(const std::filesystem::path& path) const {
        const detail::Page sheet = page();
        return detail::draw(path, sheet, script(sheet, path.extension().string()));
    }

    /// The sheet that all of it needs.
    detail::Page page() const {
        detail::Page sheet{0, heading(), font(), options_.title.empty() ? figures_[0].options().title : options_.title};
        for (const double width : widths()) sheet.width += static_cast<int>(width);
        for (const double height : heights()) sheet.height += static_cast<int>(height);
        return sheet;
    }
    /// What gnuplot is to draw; `ending` tells how the terminal measures letters.
    std::string script(const detail::Page& sheet, std::string_view ending) const {
        const double wide = sheet.width, high = sheet.height, font = sheet.terminal_font(ending);
        const auto widths = this->widths(), heights = this->heights();
        const bool several = size() > 1 || heading() > 0;
        std::string body = "reset\n";
        if (several) body += "set multiplot\n";
        std::vector<detail::Place> places;
        std::vector<std::size_t> letters(widths.size());
        double top = high - heading();
        for (std::size_t row = 0; row < heights.size(); ++row) {
            double left = 0;
            top -= heights[row];
            std::size_t legend_rows = 0;
            const std::size_t first = places.size();
            for (std::size_t column = 0; column < widths.size() && places.size() < size(); left += widths[column++]) {
                const Figure& figure = figures_[places.size()];
                places.push_back({left / wide, top / high, widths[column] / wide, heights[row] / high, font, sheet.font * 4 / 3,
                                  widths[column], wide / high});
                legend_rows = std::max(legend_rows, figure.legend_rows(places.back()));
                letters[column] = std::max(letters[column], figure.tic_letters(places.back()));
            }
            for (std::size_t i = first; i < places.size(); ++i) places[i].legend_rows = legend_rows;
        }
        for (std::size_t i = 0; i < size(); ++i) {  // axes begin and end at the same places
            places[i].tic_letters = letters[i % widths.size()];
            body += figures_[i].script(places[i], i == 0 ? title_label(sheet, font) : "");
        }
        if (several) body += "unset multiplot\n";
        return body;
    }

private:
    std::size_t columns() const {
        const auto wanted = options_.columns > 0 ? static_cast<std::size_t>(options_.columns)
                                                 : static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(size()))));
        return std::min(size(), wanted);
    }
    std::vector<double> widths() const {
        std::vector<double> all(columns());
        for (std::size_t i = 0; i < size(); ++i) {
            double& width = all[i % columns()];
            width = std::max<double>(width, options_.panel_width > 0 ? options_.panel_width : figures_[i].options().width);
        }
        return all;
    }
    std::vector<double> heights() const {
        std::vector<double> all((size() + columns() - 1) / columns());
        for (std::size_t i = 0; i < size(); ++i) {
            double& height = all[i / columns()];
            height = std::max<double>(height, options_.panel_height > 0 ? options_.panel_height : figures_[i].options().height);
        }
        return all;
    }
    double font() const {
        if (options_.font > 0) return options_.font;
        if (options_.panel_width > 0) return Figure(FigureOptions{.width = options_.panel_width}).font();
        double least = figures_[0].font();
        for (const Figure& figure : figures_) least = std::min(least, figure.font());
        return least;
    }
    /// Height of the title in pixels.
    int heading() const { return options_.title.empty() ? 0 : static_cast<int>(2.6 * 1.25 * font() * 4 / 3); }
    std::string title_label(const detail::Page& sheet, double terminal_font) const {
        if (options_.title.empty()) return "";
        return "set label " + detail::gnuplot_text(options_.title) + " at screen 0.5, screen " +
               detail::join(1 - 0.55 * heading() / sheet.height, " center font ',", 1.25 * terminal_font, "'\n");
    }

    std::vector<Figure> figures_;
    PanelsOptions options_;
};

}  // namespace headtorch::viz
