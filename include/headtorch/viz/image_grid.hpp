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
#include "headtorch/viz/tiles.hpp"

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

namespace detail {

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines(1);
    for (const char c : text)
        if (c == '\n')
            lines.emplace_back();
        else
            lines.back() += c;
    return lines;
}

/// `values` are bytes, [n, channels, h, w].
inline Figure grid_of(const std::vector<double>& values, std::int64_t n, std::int64_t channels, std::int64_t h, std::int64_t w,
                      const std::vector<Caption>& captions, const ImageGridOptions& options) {
    if (!captions.empty() && static_cast<std::int64_t>(captions.size()) != n)
        throw ValueError(message("image_grid: ", captions.size(), " captions for ", n, " images"));
    if (options.columns < 0 || options.image_pixels < 1)
        throw ValueError(message("image_grid: ", options.columns, " columns of ", options.image_pixels, " pixels"));
    const std::int64_t columns =
        std::min(n, options.columns > 0 ? options.columns : static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(n)))));
    const std::int64_t rows = (n + columns - 1) / columns;
    // in pixels of the picture
    const double scale = static_cast<double>(options.image_pixels) / static_cast<double>(w);
    const double gap = 18, em = std::max(12.0, options.image_pixels / 9.5), line = 1.3 * em;
    std::size_t lines = 0, longest = 1;
    for (const Caption& caption : captions) {
        const auto words = lines_of(caption.text);
        lines = std::max(lines, words.size());
        for (const std::string& each : words) longest = std::max(longest, detail::columns(each) + (caption.mark == Mark::none ? 0 : 2));
    }
    const double size = std::clamp((options.image_pixels + gap - 4) / (0.58 * em * static_cast<double>(longest)), 0.6, 1.0);
    const double text = static_cast<double>(lines) * line * size + (lines > 0 ? 0.2 * line : 0);
    const double cell_w = (options.image_pixels + gap) / scale, cell_h = static_cast<double>(h) + (text + gap) / scale;
    const double margin = gap / scale;

    Tiles tiles(h, w);
    Figure figure({.title = options.title,
                   .equal_axes = true,
                   .width = static_cast<int>(std::ceil((static_cast<double>(columns) * cell_w + margin) * scale + 1.6 * em)),
                   .height = static_cast<int>(
                       std::ceil((static_cast<double>(rows) * cell_h + margin) * scale + (options.title.empty() ? 2.6 : 5.2) * em)),
                   .font = 0.75 * em});
    std::vector<Rgb> pixels(static_cast<std::size_t>(h * w));
    for (std::int64_t i = 0; i < n; ++i) {
        const double left = margin + static_cast<double>(i % columns) * cell_w, top = margin + static_cast<double>(i / columns) * cell_h;
        const double* image = values.data() + i * channels * h * w;
        for (std::int64_t p = 0; p < h * w; ++p) {
            const auto byte = [&](std::int64_t c) { return std::isfinite(image[c * h * w + p]) ? image[c * h * w + p] : 0; };
            pixels[static_cast<std::size_t>(p)] = channels == 3 ? Rgb{byte(0), byte(1), byte(2)} : Rgb{byte(0), byte(0), byte(0)};
        }
        tiles.add(left + 0.5, top + 0.5, pixels);
        if (captions.empty()) continue;
        const Caption& caption = captions[static_cast<std::size_t>(i)];
        const std::string sign = caption.mark == Mark::right ? "\u2713 " : caption.mark == Mark::wrong ? "\u2717 " : "";
        const char* colour = caption.mark == Mark::right ? right : caption.mark == Mark::wrong ? wrong : ink;
        const auto words = lines_of(sign + caption.text);
        for (std::size_t k = 0; k < words.size(); ++k)
            figure.text(left + static_cast<double>(w) / 2,
                        top + static_cast<double>(h) + (0.25 + static_cast<double>(k) + 0.5) * line * size / scale, words[k],
                        {.colour = colour, .size = size});
    }
    tiles.draw(figure, static_cast<double>(columns) * cell_w + margin, static_cast<double>(rows) * cell_h + margin, false);
    return figure.settings(std::string("set margins 1, 1, 1, ") + (options.title.empty() ? "1" : "3"));
}

}  // namespace detail

/// Images [n, h, w], [n, 1, h, w] or [n, 3, h, w], floating-point in [0, 1] or bytes, with a caption for each (or none at all).
template <class T, class D>
Figure image_grid(const Tensor<T, D>& images, const std::vector<Caption>& captions = {}, const ImageGridOptions& options = {}) {
    if (images.dim() != 3 && !(images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3)))
        throw ShapeError(message("image_grid: images are [n, h, w], [n, 1, h, w] or [n, 3, h, w], got ", images.shape()));
    if (images.numel() == 0) throw ValueError("image_grid: there are no images");
    std::vector<double> values = detail::numbers_of(images);
    if constexpr (!std::same_as<T, std::uint8_t>)
        for (double& value : values) value = std::round(255 * std::clamp(value, 0.0, 1.0));
    return detail::grid_of(values, images.size(0), images.dim() == 4 ? images.size(1) : 1, images.size(-2), images.size(-1), captions,
                           options);
}

}  // namespace headtorch::viz
