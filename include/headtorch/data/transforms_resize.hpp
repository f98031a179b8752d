// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Resize: bilinear, and with a filter as wide as a pixel of the smaller image unless told otherwise, as torchvision's and Pillow's.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "headtorch/core/error.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/data/transforms_crop.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/resample.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// An image, or a batch, at another size; proportions are not kept. Throws ValueError when the image or the new one has no pixels.
template <Pixel T>
Tensor<T, Cpu> resize_image(const Tensor<T, Cpu>& image, ImageSize size, bool antialias = true) {
    const detail::ImageShape shape("resize", image.shape());
    detail::checked_size("resize", size);
    if (shape.height == 0 || shape.width == 0) throw ValueError(message("resize: an image without pixels: ", image.shape()));
    if (shape.height == size.height && shape.width == size.width) return image;
    if constexpr (Floating<T>) {
        const auto planes = image.detach().reshape({1, shape.images * shape.channels, shape.height, shape.width});
        return interpolate(planes, {size.height, size.width}, {}, "bilinear", {}, false, antialias)
            .view(detail::with_image_size(image.shape(), size.height, size.width));
    } else {
        const auto exact = resize_image(image.template to<float>(), size, antialias);
        auto result = empty<T, Cpu>(exact.shape());
        const float* in = exact.data();
        T* out = result.data();
        for (std::int64_t i = 0, n = result.numel(); i < n; ++i) out[i] = static_cast<T>(std::clamp(std::nearbyint(in[i]), 0.0f, 255.0f));
        return result;
    }
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
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image) const {
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
