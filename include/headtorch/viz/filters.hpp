// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The filters of a convolution as small images.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "headtorch/viz/tiles.hpp"

namespace headtorch::viz {

struct FiltersOptions {
    std::string title = "Filters";
    std::int64_t max_filters = 64;   ///< how many are drawn; a line below says so when there are more
    std::int64_t max_channels = 16;  ///< of each, unless they are red, green and blue
    bool rgb = true;                 ///< three channels are the colours of an image
    bool scale_each = true;          ///< each filter by its own largest weight; else all by the largest of all
    int columns = 0;                 ///< for filters of one tile each
    int tile_pixels = 0;             ///< width of one tile in the picture
};

namespace detail {

/// Weights [out, in, h, w].
inline Figure filters_of(const std::vector<double>& weight, std::int64_t out, std::int64_t in, std::int64_t h, std::int64_t w,
                         const FiltersOptions& options) {
    if (options.max_filters < 1 || options.max_channels < 1 || options.columns < 0 || options.tile_pixels < 0)
        throw ValueError("filters: max_filters and max_channels are positive, columns and tile_pixels not negative");
    if (!any_finite(weight)) throw ValueError("filters: no weight is finite");
    const bool rgb = options.rgb && in == 3;
    const std::int64_t filters = std::min(out, options.max_filters), channels = rgb ? 1 : std::min(in, options.max_channels);
    const bool table = channels > 1;  // a column for each filter, a row for each channel
    const std::int64_t columns = table ? filters
                                 : options.columns > 0
                                     ? std::min<std::int64_t>(filters, options.columns)
                                     : static_cast<std::int64_t>(std::ceil(std::sqrt(1.6 * static_cast<double>(filters))));
    const std::int64_t rows = table ? channels : (filters + columns - 1) / columns;
    const double tile =
        options.tile_pixels > 0 ? options.tile_pixels : std::clamp(1000.0 / static_cast<double>(std::max(columns, rows)), 16.0, 96.0);
    const double scale = tile / static_cast<double>(w), em = 15, gap = std::max(3.0, 0.1 * tile) / scale;
    const double caption = table || tile < 40 ? 0 : 1.1 * em / scale;
    const double left = gap, top = gap;
    const double cell_w = static_cast<double>(w) + gap, cell_h = static_cast<double>(h) + gap + caption;

    const auto magnitude = [&](std::int64_t from, std::int64_t to) {
        double most = 0;
        for (std::int64_t i = from; i < to; ++i)
            if (std::isfinite(weight[static_cast<std::size_t>(i)])) most = std::max(most, std::abs(weight[static_cast<std::size_t>(i)]));
        return most > 0 ? most : 1;
    };
    const double overall = magnitude(0, out * in * h * w);
    Tiles tiles(h, w);
    std::vector<std::string> notes;
    if (filters < out) notes.push_back(message("the first ", filters, " of ", out, " filters"));
    if (!rgb && channels < in) notes.push_back(message("the first ", channels, " of ", in, " channels"));
    notes.push_back(options.scale_each ? "each filter by its largest absolute weight" : "scale \u00b1" + readable(overall));
    if (rgb) notes.push_back("grey: 0");
    std::string note;
    for (const std::string& each : notes) note += (note.empty() ? "" : "; ") + each;

    const double width = left + static_cast<double>(columns) * cell_w, height = top + static_cast<double>(rows) * cell_h;
    Figure figure({.title = options.title,
                   .equal_axes = true,
                   .width = std::max(540, static_cast<int>(width * scale) + (rgb ? 40 : 190)),
                   .height = std::max(rgb ? 160 : 300, static_cast<int>(height * scale) + (table ? 170 : 110)),
                   .font = 0.75 * em,
                   .subtitle = note});
    std::vector<Rgb> pixels(static_cast<std::size_t>(h * w));
    for (std::int64_t f = 0; f < filters; ++f) {
        const double most = options.scale_each ? magnitude(f * in * h * w, (f + 1) * in * h * w) : overall;
        const auto at = [&](std::int64_t c, std::int64_t p) { return weight[static_cast<std::size_t>((f * in + c) * h * w + p)] / most; };
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t p = 0; p < h * w; ++p) {
                const auto level = [&](std::int64_t channel) {
                    return std::isfinite(at(channel, p)) ? 127.5 * (1 + std::clamp(at(channel, p), -1.0, 1.0)) : 0;
                };
                pixels[static_cast<std::size_t>(p)] = rgb                       ? Rgb{level(0), level(1), level(2)}
                                                      : std::isfinite(at(c, p)) ? colour_at(diverging(), (1 + at(c, p)) / 2)
                                                                                : Rgb{};
            }
            const std::int64_t row = table ? c : f / columns, column = table ? f : f % columns;
            const double x = left + static_cast<double>(column) * cell_w, y = top + static_cast<double>(row) * cell_h;
            tiles.add(x + 0.5, y + 0.5, pixels);
            const bool named = tile > 24 || f % 5 == 0;
            if (!table && caption > 0)
                figure.text(x + static_cast<double>(w) / 2, y + static_cast<double>(h) + 0.6 * em / scale, std::to_string(f),
                            {.colour = faint, .size = 0.8});
            if (table && f == 0)
                figure.text(0, y + static_cast<double>(h) / 2, std::to_string(c), {.colour = faint, .size = 0.8, .align = 1});
            if (table && c == channels - 1 && named)
                figure.text(x + static_cast<double>(w) / 2, y + static_cast<double>(h), std::to_string(f),
                            {.colour = faint, .size = 0.8, .up = -0.7});
        }
    }
    tiles.draw(figure, width, height, true);
    if (table)
        figure.settings(
            "set xlabel 'filter' offset 0, -0.6\nset ylabel 'channel of the input' offset -2, 0\nset lmargin 8\nset bmargin 3.4");
    if (!rgb) {
        const double most = options.scale_each ? 1 : overall;
        figure.settings(palette_text(diverging()) + join("set cbrange [", -most, ":", most, "]\nset colorbox noborder\n") +
                        (options.scale_each ? "set cbtics scale 0 ('\u2212max' -1, '0' 0, 'max' 1)" : "set cbtics scale 0"));
        figure.layer(join("0 0 ", most, "\n"), "using (NaN):2:3 with points pointtype 7 linecolor palette");  // brings the bar of colours
    }
    return figure;
}

}  // namespace detail

/// The filters of a convolution's weight, [out, in, h, w] or [out, in, w]. Of three input channels (unless .rgb is false) each filter is an
/// image, grey where it is 0. Else a tile for each channel, blue for negative, white for 0 and vermilion for positive weights, in a table
/// of filters and channels. Filters of one dimension are rows of pixels, one for each channel.
template <class T, class D>
Figure filters(const Tensor<T, D>& weight, const FiltersOptions& options = {}) {
    if (weight.dim() != 4 && weight.dim() != 3)
        throw ShapeError(message("filters: a weight has shape [out, in, height, width] or [out, in, width], got ", weight.shape()));
    if (weight.numel() == 0) throw ValueError(message("filters: there are no weights: ", weight.shape()));
    const auto values = detail::numbers_of(weight.detach());
    if (weight.dim() == 3) return detail::filters_of(values, weight.size(0), 1, weight.size(1), weight.size(2), options);
    return detail::filters_of(values, weight.size(0), weight.size(1), weight.size(2), weight.size(3), options);
}

}  // namespace headtorch::viz
