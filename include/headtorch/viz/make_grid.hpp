// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// make_grid: images side by side in one tensor, as torchvision's: `io::write_png("grid.png", viz::make_grid(images))`.
/// viz::image_grid() draws a grid with a line of text under each image.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/join.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::viz {

struct MakeGridOptions {
    std::int64_t nrow = 8;                                   ///< images in a row
    std::int64_t padding = 2;                                ///< pixels between images, and around them all
    bool normalize = false;                                  ///< shifts and scales the values to 0 … 1
    std::optional<std::pair<double, double>> value_range{};  ///< what becomes 0 and 1; the least and the greatest value unless given
    bool scale_each = false;                                 ///< each image by its own least and greatest value
    double pad_value = 0;
};

/// Images [n, c, h, w] as one [c, …, …]; one of a single channel becomes three. An image [c, h, w] or [h, w] counts as n = 1, and is
/// returned without padding. The grid is on the host, wherever the images are. Throws ShapeError on other shapes, ValueError on options
/// that make no sense or when there are no images.
template <class T, class D>
Tensor<T, Cpu> make_grid(const Tensor<T, D>& given, const MakeGridOptions& options = {}) {
    static_assert(Floating<T> || std::same_as<T, std::uint8_t>, "headtorch: make_grid: images are floating-point numbers or bytes");
    if (given.dim() < 2 || given.dim() > 4)
        throw ShapeError(message("make_grid: images are [n, channels, height, width], got ", given.shape()));
    if (options.nrow < 1 || options.padding < 0)
        throw ValueError(
            message("make_grid: nrow must be positive and padding not negative, got ", options.nrow, " and ", options.padding));
    Tensor<T, Cpu> images = given.detach().template to<Cpu>();
    while (images.dim() < 4) images = images.unsqueeze(0);
    const std::int64_t n = images.size(0), h = images.size(2), w = images.size(3);
    if (images.numel() == 0) throw ValueError(message("make_grid: there are no images: ", given.shape()));
    if (images.size(1) == 1) images = images.expand(n, 3, h, w);

    if (options.normalize) {
        if constexpr (Floating<T>) {
            images = images.clone();
            const auto scale = [&](const Tensor<T, Cpu>& part) {
                const auto [low, high] =
                    options.value_range.value_or(std::pair(static_cast<double>(part.min().item()), static_cast<double>(part.max().item())));
                if (!(low <= high)) throw ValueError(message("make_grid: the range of values is ", low, " to ", high));
                const T first = static_cast<T>(low), last = static_cast<T>(high), range = static_cast<T>(std::max(high - low, 1e-5));
                const NoGrad guard;
                T* value = part.data();
                for (std::int64_t i = 0; i < part.numel(); ++i) value[i] = (std::clamp(value[i], first, last) - first) / range;
            };
            if (!options.scale_each) scale(images);
            for (std::int64_t i = 0; options.scale_each && i < n; ++i) scale(images[i]);
        } else {
            throw ValueError("make_grid: normalize needs floating-point images");
        }
    }
    if (n == 1) return images.squeeze(0).contiguous();

    const std::int64_t columns = std::min(options.nrow, n), rows = (n + columns - 1) / columns;
    const auto grid =
        full<T, Cpu>({images.size(1), rows * (h + options.padding) + options.padding, columns * (w + options.padding) + options.padding},
                options.pad_value);
    for (std::int64_t i = 0; i < n; ++i)
        grid.narrow(1, i / columns * (h + options.padding) + options.padding, h)
            .narrow(2, i % columns * (w + options.padding) + options.padding, w)
            .copy_(images[i]);
    return grid;
}

/// The same of images in a list, which must have one shape.
template <class T, class D>
Tensor<T, Cpu> make_grid(const std::vector<Tensor<T, D>>& images, const MakeGridOptions& options = {}) {
    if (images.empty()) throw ValueError("make_grid: there are no images");
    return make_grid(stack(images), options);
}

}  // namespace headtorch::viz
