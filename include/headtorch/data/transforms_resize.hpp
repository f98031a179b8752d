// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Resize: bilinear, and with a filter as wide as a pixel of the smaller image unless told otherwise, as torchvision's and Pillow's.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "headtorch/core/config.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/data/transforms_crop.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {
namespace detail {

/// How the pixels of a row (or column) mix into those of the resized one: new pixel i is the sum of weights[k] * old[first[i] + k], with
/// `taps` weights for each.
template <Floating R>
struct ResizeWeights {
    std::int64_t taps;
    std::vector<std::int64_t> first;
    std::vector<R> weights;
};

/// A triangle around the place of each new pixel, of the width of the larger of the two images' pixels; without antialias of an old pixel.
template <Floating R>
HEADTORCH_NOINLINE ResizeWeights<R> resize_weights(std::int64_t from, std::int64_t to, bool antialias) {
    const double scale = static_cast<double>(from) / static_cast<double>(to), width = antialias ? std::max(scale, 1.0) : 1.0;
    ResizeWeights<R> result;
    result.taps = std::min(from, 2 * static_cast<std::int64_t>(std::ceil(width)) + 1);
    for (std::int64_t i = 0; i < to; ++i) {
        double centre = scale * (static_cast<double>(i) + 0.5);
        if (!antialias) centre = std::clamp(centre, 0.5, static_cast<double>(from) - 0.5);
        const auto begin = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - width + 0.5));
        const std::int64_t first = std::min(begin, from - result.taps);  // weights before `begin` are 0
        std::vector<double> weights;
        double sum = 0;
        for (std::int64_t k = 0; k < result.taps; ++k) {
            const double distance = std::abs((static_cast<double>(first + k) + 0.5 - centre) / width);
            weights.push_back(std::max(0.0, 1 - distance));
            sum += weights.back();
        }
        result.first.push_back(first);
        for (double weight : weights) result.weights.push_back(static_cast<R>(weight / sum));
    }
    return result;
}

/// One plane: rows first, into `middle` [height, new width], then columns.
template <Pixel T, Floating R>
HEADTORCH_NOINLINE void resize_plane(const T* in, std::int64_t height, std::int64_t width, const ResizeWeights<R>& across,
                                     const ResizeWeights<R>& down, std::vector<R>& middle, std::vector<R>& sums, T* out) {
    const std::size_t columns = across.first.size();
    middle.resize(static_cast<std::size_t>(height) * columns);
    for (std::int64_t y = 0; y < height; ++y) {
        R* to = middle.data() + static_cast<std::size_t>(y) * columns;
        const R* weight = across.weights.data();
        for (std::size_t x = 0; x < columns; ++x, weight += across.taps) {
            const T* from = in + y * width + across.first[x];
            R sum = 0;
            for (std::int64_t k = 0; k < across.taps; ++k) sum += weight[k] * static_cast<R>(from[k]);
            to[x] = sum;
        }
    }
    const R* weight = down.weights.data();
    for (std::size_t y = 0; y < down.first.size(); ++y, weight += down.taps, out += columns) {
        sums.assign(columns, R(0));
        for (std::int64_t k = 0; k < down.taps; ++k) {
            const R share = weight[k];
            const R* from = middle.data() + static_cast<std::size_t>(down.first[y] + k) * columns;
            for (std::size_t x = 0; x < columns; ++x) sums[x] += share * from[x];
        }
        for (std::size_t x = 0; x < columns; ++x) {
            if constexpr (Floating<T>)
                out[x] = sums[x];
            else
                out[x] = static_cast<T>(std::clamp(std::nearbyint(sums[x]), R(0), R(255)));
        }
    }
}

}  // namespace detail

/// An image, or a batch, at another size; proportions are not kept. Throws ValueError when the image or the new one has no pixels.
template <Pixel T>
Tensor<T> resize_image(const Tensor<T>& image, ImageSize size, bool antialias = true) {
    using R = std::conditional_t<std::same_as<T, double>, double, float>;
    const detail::ImageShape shape("resize", image.shape());
    detail::checked_size("resize", size);
    if (shape.height == 0 || shape.width == 0) throw ValueError(message("resize: an image without pixels: ", image.shape()));
    if (shape.height == size.height && shape.width == size.width) return image;
    const auto source = headtorch::detail::detached_contiguous(image);
    auto result = empty<T>(detail::with_image_size(image.shape(), size.height, size.width));
    const auto across = detail::resize_weights<R>(shape.width, size.width, antialias);
    const auto down = detail::resize_weights<R>(shape.height, size.height, antialias);
    std::vector<R> middle, sums;
    for (std::int64_t plane = 0; plane < shape.images * shape.channels; ++plane)
        detail::resize_plane(source.data() + plane * shape.height * shape.width, shape.height, shape.width, across, down, middle, sums,
                             result.data() + plane * size.height * size.width);
    return result;
}

struct ResizeOptions {
    std::optional<std::int64_t> max_size{};  ///< the longer side is made no longer; only where the shorter one is given
    bool antialias = true;
};

/// Images at another size: `Resize(256)` makes the shorter side so long and keeps the proportions, `Resize({256, 192})` gives both.
class Resize {
public:
    static constexpr bool batched = true;

    explicit Resize(std::int64_t shorter_side, ResizeOptions options = {}) : shorter_(true), size_(shorter_side), options_(options) {
        detail::checked_size("resize", size_);
        if (options_.max_size && *options_.max_size <= shorter_side)
            throw ValueError(message("resize: max_size must be greater than ", shorter_side, ", the size of the shorter side, but is ",
                                     *options_.max_size));
    }
    explicit Resize(ImageSize size, ResizeOptions options = {}) : shorter_(false), size_(size), options_(options) {
        detail::checked_size("resize", size_);
        if (options_.max_size) throw ValueError("resize: max_size is for a single size, that of the shorter side");
    }

    template <Pixel T>
    Tensor<T> operator()(const Tensor<T>& image) const {
        const detail::ImageShape shape("resize", image.shape());
        return resize_image(image, shorter_ ? in_proportion(shape) : size_, options_.antialias);
    }

private:
    ImageSize in_proportion(const detail::ImageShape& shape) const {
        if (shape.height == 0 || shape.width == 0) return size_;  // refused later
        const auto part = [](std::int64_t a, std::int64_t b, std::int64_t c) {  // as Python's int(a * b / c)
            return static_cast<std::int64_t>(static_cast<double>(a * b) / static_cast<double>(c));
        };
        std::int64_t small = size_.height, large = part(small, std::max(shape.height, shape.width), std::min(shape.height, shape.width));
        if (options_.max_size && large > *options_.max_size) {
            small = part(*options_.max_size, small, large);
            large = *options_.max_size;
        }
        return shape.width <= shape.height ? ImageSize(large, small) : ImageSize(small, large);
    }

    bool shorter_;
    ImageSize size_;
    ResizeOptions options_;
};

}  // namespace headtorch::data
