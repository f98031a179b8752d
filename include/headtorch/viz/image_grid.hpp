// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Images side by side, with a line of text under each.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/viz/gnuplot.hpp"

namespace headtorch::viz {

/// Whether a prediction is right shows in colour and in a sign.
enum class Mark { none, right, wrong };

struct Caption {
    std::string text;  ///< lines are separated by \n
    Mark mark = Mark::none;
    Caption(const char* words) : text(words) {}
    Caption(std::string words, Mark verdict = Mark::none) : text(std::move(words)), mark(verdict) {}
};

struct ImageGridOptions {
    std::string title = "";
    int columns = 0;         ///< about as many as rows unless given
    int image_pixels = 150;  ///< width of one image in the picture
};

/// See image_grid().
class ImageGrid {
public:
    ImageGrid(std::string body, int width, int height) : body_(std::move(body)), width_(width), height_(height) {}
    bool save(const std::filesystem::path& path) const { return detail::draw(path, width_, height_, body_); }

private:
    std::string body_;
    int width_, height_;
};

/// Images [n, h, w], [n, 1, h, w] or [n, 3, h, w], floating-point in [0, 1] or bytes, with a caption for each (or none at all).
template <class T>
ImageGrid image_grid(const Tensor<T>& images, const std::vector<Caption>& captions = {}, ImageGridOptions options = {}) {
    if (images.dim() != 3 && !(images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3)))
        throw ShapeError(message("image_grid: images are [n, h, w], [n, 1, h, w] or [n, 3, h, w], got ", images.shape()));
    const std::int64_t n = images.size(0), channels = images.dim() == 4 ? images.size(1) : 1, h = images.size(-2), w = images.size(-1);
    if (images.numel() == 0) throw ValueError("image_grid: there are no images");
    if (!captions.empty() && static_cast<std::int64_t>(captions.size()) != n)
        throw ValueError(message("image_grid: ", captions.size(), " captions for ", n, " images"));
    const std::int64_t columns =
        std::min(n, options.columns > 0 ? options.columns : static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(n)))));
    const std::int64_t rows = (n + columns - 1) / columns;
    std::int64_t lines = 0;
    for (const Caption& caption : captions)
        lines = std::max<std::int64_t>(lines, 1 + std::count(caption.text.begin(), caption.text.end(), '\n'));
    // in units of an image's pixels: a gap between images, and room for the text below each
    const double gap = 0.12 * static_cast<double>(w), line = gap, text = captions.empty() ? 0 : line * static_cast<double>(lines + 1);
    const double cell_w = static_cast<double>(w) + gap, cell_h = static_cast<double>(h) + gap + text;
    const auto values = images.tolist();

    std::string body = "$pixels << END_OF_DATA\n", labels;
    for (std::int64_t i = 0; i < n; ++i) {
        const double left = static_cast<double>(i % columns) * cell_w, top = static_cast<double>(i / columns) * cell_h;
        for (std::int64_t y = 0; y < h; ++y)
            for (std::int64_t x = 0; x < w; ++x) {
                body += message(left + static_cast<double>(x), " ", top + static_cast<double>(y));
                for (std::int64_t c = 0; c < 3; ++c) {
                    const auto value =
                        static_cast<double>(values[static_cast<std::size_t>(((i * channels + (channels == 3 ? c : 0)) * h + y) * w + x)]);
                    const double byte = std::same_as<T, std::uint8_t> ? value : std::round(255 * std::clamp(value, 0.0, 1.0));
                    body += message(" ", std::isfinite(byte) ? byte : 0);
                }
                body += "\n";
            }
        body += "\n\n";  // each image is a data set of its own
        if (captions.empty()) continue;
        const Caption& caption = captions[static_cast<std::size_t>(i)];
        const char* sign = caption.mark == Mark::right ? "\u2713 " : caption.mark == Mark::wrong ? "\u2717 " : "";
        const char* colour = caption.mark == Mark::right ? "#007a57" : caption.mark == Mark::wrong ? "#D55E00" : "#222222";
        std::string rest = sign + caption.text;
        for (double y = top + static_cast<double>(h) - 0.5 + line; !rest.empty(); y += line) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            labels += "set label " + detail::quoted(rest.substr(0, end)) +
                      message(" at ", left + static_cast<double>(w - 1) / 2, ",", y, " center front textcolor rgb '", colour, "' font ',",
                              std::max(9, options.image_pixels / 13), "'\n");
            rest.erase(0, end + 1);
        }
    }
    body += "END_OF_DATA\n" + labels + "unset border\nunset tics\nunset key\nset size ratio -1\nset margins 1, 1, 1, " +
            (options.title.empty() ? "1" : "3") + "\n";
    if (!options.title.empty()) body += "set title " + detail::quoted(options.title) + "\n";
    const double right = static_cast<double>(columns) * cell_w - gap, bottom = static_cast<double>(rows) * cell_h - gap;
    body += message("set xrange [", -0.5 - gap / 2, ":", right - 0.5 + gap / 2, "]\nset yrange [", bottom - 0.5 + gap / 2, ":",
                    -0.5 - gap / 2, "]\n");
    body += message("plot for [i = 0:", n - 1, "] $pixels index i using 1:2:3:4:5 with rgbimage");
    const double scale = options.image_pixels / static_cast<double>(w);
    return {std::move(body), static_cast<int>((right + gap) * scale) + 30,
            static_cast<int>((bottom + gap) * scale) + (options.title.empty() ? 30 : 70)};
}

}  // namespace headtorch::viz
