// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Small images beside one another in one figure: what image_grid() and filters() are made of.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "headtorch/viz/figure.hpp"

namespace headtorch::viz::detail {

/// A sheet whose unit is a pixel of the images, y downwards. Images have one size.
class Tiles {
public:
    Tiles(std::int64_t height, std::int64_t width) : height_(height), width_(width) {}

    /// An image whose first pixel is at (left, top); colours in rows.
    void add(double left, double top, const std::vector<Rgb>& pixels) {
        // gnuplot knows no image with a side of one pixel: then each pixel becomes four.
        const std::int64_t times = height_ == 1 || width_ == 1 ? 2 : 1;
        const double shift = times == 2 ? -0.25 : 0, step = 1.0 / static_cast<double>(times);
        for (std::int64_t y = 0; y < height_ * times; ++y)
            for (std::int64_t x = 0; x < width_ * times; ++x) {
                const Rgb& c = pixels[static_cast<std::size_t>(y / times * width_ + x / times)];
                data_ += join(left + shift + static_cast<double>(x) * step, " ", top + shift + static_cast<double>(y) * step, " ",
                              std::round(c.r), " ", std::round(c.g), " ", std::round(c.b), "\n");
            }
        data_ += "\n\n";  // each image is a data set of its own
        corners_.push_back(join("from first ", left - 0.5, ",", top - 0.5, " to first ", left + static_cast<double>(width_) - 0.5, ",",
                                top + static_cast<double>(height_) - 0.5));
    }
    /// Puts them all into a figure that shows x from 0 to `across` and y from 0 to `bottom`, in pixels of the images.
    void draw(Figure& figure, double across, double bottom, bool framed) const {
        for (std::size_t i = 0; i < corners_.size(); ++i) {
            const std::string style = join("index ", i, " using 1:2:3:4:5 with rgbimage");
            if (i == 0)
                figure.layer(data_, style);
            else
                figure.layer_again(style);
            if (framed)
                figure.settings(join("set object ", i + 1, " rectangle ", corners_[i],
                                     " front fillstyle empty border linecolor rgb '#8a8a8a' linewidth 1"));
        }
        figure.x_range(0, across, true).y_range(0, bottom, true);
        figure.settings(join("unset border\nunset tics\nunset grid\nset yrange [", bottom, ":0]"));
    }

private:
    std::int64_t height_, width_;
    std::string data_;
    std::vector<std::string> corners_;
};

}  // namespace headtorch::viz::detail
