// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a figure and what is drawn in it can be told.

#include <cstddef>
#include <string>
#include <vector>

#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/viz/colour.hpp"

namespace headtorch::viz {

struct FigureOptions {
    std::string title = "", x_label = "", y_label = "";
    bool log_x = false, log_y = false;
    bool equal_axes = false;  ///< one unit is as long on both axes
    int width = 960, height = 720;
    bool integer_x = false, integer_y = false;  ///< tics at whole numbers only: epochs, counts
    double font = 0;                            ///< in points; chosen by the width unless given
    std::string subtitle = "";                  ///< a smaller line below the title
};

struct LineStyle {
    int kind = -1;  ///< index of the colour; the next one unless given
    Dash dash = Dash::solid;
    double width = 2.5;
    bool marks = false;  ///< a mark at each point
    bool steps = false;  ///< the level of each point holds from the point before it
};

struct TextStyle {
    std::string colour = detail::ink;
    double size = 1;        ///< in sizes of the figure's font
    int align = 0;          ///< -1: the text begins at the point; 0: its middle is there; 1: it ends there
    double up = 0;          ///< in lines above the point
    bool of_graph = false;  ///< the point is a share of the axes' lengths, 0 to 1, and not in their numbers
};

struct RegionOptions {
    int resolution = 200;   ///< cells along each axis
    bool boundary = false;  ///< a line where the class changes
    bool shading = false;   ///< the surer the classifier, the stronger the colour
};

namespace detail {

/// A part of a page, in shares of it, from the bottom left; and the font of all panels.
struct Place {
    double left = 0, bottom = 0, width = 1, height = 1;
    double font = 15;                              ///< as the terminal measures it
    double em = 20;                                ///< height of its letters in pixels
    double pixels = 960;                           ///< width of the part
    double aspect = 1;                             ///< width of the page, in its heights
    std::size_t legend_rows = 0, tic_letters = 0;  ///< for which there must be room below and on the left

    /// Lines of text, as the terminal counts them.
    double lines(double count) const { return font < em ? count : 0.82 * count; }
    double pixels_high() const { return pixels / width * height / aspect; }
};

/// All elements, of a tensor on any device.
template <class T, class D>
std::vector<double> numbers_of(const Tensor<T, D>& x) {
    std::vector<double> numbers;
    for (T value : x.tolist()) numbers.push_back(static_cast<double>(value));
    return numbers;
}

}  // namespace detail

}  // namespace headtorch::viz
