// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// CenterCrop and RandomCrop, with torchvision's rules, draws and padding.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// Height and width: `224`, or `{128, 96}`.
struct ImageSize {
    std::int64_t height, width;
    ImageSize(std::int64_t both) : height(both), width(both) {}
    ImageSize(std::int64_t h, std::int64_t w) : height(h), width(w) {}
};

/// Rows and columns added around an image: as many on all sides, {left and right, top and bottom}, or {left, top, right, bottom}.
struct ImagePadding {
    std::int64_t left, top, right, bottom;
    ImagePadding(std::int64_t all) : left(all), top(all), right(all), bottom(all) {}
    ImagePadding(std::int64_t horizontal, std::int64_t vertical) : left(horizontal), top(vertical), right(horizontal), bottom(vertical) {}
    ImagePadding(std::int64_t l, std::int64_t t, std::int64_t r, std::int64_t b) : left(l), top(t), right(r), bottom(b) {}
};

/// What stands in the padding: one value, the nearest pixel, or the image mirrored at its border pixels (reflect) or its edges (symmetric).
enum class PaddingMode { constant, edge, reflect, symmetric };

namespace detail {

/// Where in 0, …, size - 1 the value at `i` comes from; -1 for the constant.
inline std::int64_t padded_index(std::int64_t i, std::int64_t size, PaddingMode mode) {
    if (i >= 0 && i < size) return i;
    switch (mode) {
        case PaddingMode::constant: return -1;
        case PaddingMode::edge: return i < 0 ? 0 : size - 1;
        case PaddingMode::reflect: return i < 0 ? -i : 2 * (size - 1) - i;
        case PaddingMode::symmetric: return i < 0 ? -i - 1 : 2 * size - 1 - i;
    }
    return -1;
}

/// The part of an image from row `top` and column `left` on, which may lie outside of it in part.
template <Pixel T>
Tensor<T, Cpu> window(const Tensor<T, Cpu>& image, std::int64_t top, std::int64_t left, ImageSize size,
                      PaddingMode mode = PaddingMode::constant, double fill = 0) {
    const ImageShape shape("crop", image.shape());
    const auto source = headtorch::detail::detached_contiguous(image);
    auto result = empty<T, Cpu>(with_image_size(image.shape(), size.height, size.width));
    std::vector<std::int64_t> columns;
    for (std::int64_t x = 0; x < size.width; ++x) columns.push_back(padded_index(left + x, shape.width, mode));
    const bool inside = left >= 0 && left + size.width <= shape.width;
    const T value = static_cast<T>(fill);
    T* out = result.data();
    for (std::int64_t plane = 0; plane < shape.images * shape.channels; ++plane)
        for (std::int64_t y = 0; y < size.height; ++y, out += size.width) {
            const std::int64_t row = padded_index(top + y, shape.height, mode);
            const T* in = source.data() + (plane * shape.height + row) * shape.width;
            if (row < 0)
                std::fill_n(out, size.width, value);
            else if (inside)
                std::copy_n(in + left, size.width, out);
            else
                for (std::size_t x = 0; x < columns.size(); ++x) out[x] = columns[x] < 0 ? value : in[columns[x]];
        }
    return result;
}

template <Pixel T>
Tensor<T, Cpu> pad_image(const Tensor<T, Cpu>& image, const ImagePadding& padding, PaddingMode mode, double fill) {
    const ImageShape shape("pad", image.shape());
    const std::int64_t most_x = std::max(padding.left, padding.right), most_y = std::max(padding.top, padding.bottom);
    const std::int64_t room = mode == PaddingMode::reflect ? 1 : 0;
    if ((mode == PaddingMode::reflect || mode == PaddingMode::symmetric) && (most_x > shape.width - room || most_y > shape.height - room))
        throw ValueError(message("random_crop: an image of shape ", image.shape(), " cannot be mirrored by ", std::max(most_x, most_y),
                                 " pixels: pad less, or with another mode"));
    return window(image, -padding.top, -padding.left,
                  {shape.height + padding.top + padding.bottom, shape.width + padding.left + padding.right}, mode, fill);
}

inline ImageSize checked_size(std::string_view op, ImageSize size) {
    if (size.height < 1 || size.width < 1)
        throw ValueError(message(op, ": the size must be positive, but is ", size.height, " x ", size.width));
    return size;
}

}  // namespace detail

/// The middle of an image; with zeros around it where the image is smaller.
class CenterCrop {
public:
    static constexpr bool batched = true;

    CenterCrop(ImageSize size) : size_(detail::checked_size("center_crop", size)) {}

    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image) const {
        const detail::ImageShape shape("center_crop", image.shape());
        return detail::window(image, start(shape.height, size_.height), start(shape.width, size_.width), size_);
    }

private:
    /// Half of what is left, rounded to even as Python does; a smaller image has the odd pixel of padding behind it.
    static std::int64_t start(std::int64_t have, std::int64_t want) {
        return want > have ? -((want - have) / 2) : static_cast<std::int64_t>(std::nearbyint(static_cast<double>(have - want) / 2));
    }

    ImageSize size_;
};

struct RandomCropOptions {
    ImageSize size;
    ImagePadding padding = 0;
    bool pad_if_needed = false;  ///< where the image is smaller, pads it by what is missing, on both sides
    double fill = 0;             ///< value of constant padding, of the image's type
    PaddingMode padding_mode = PaddingMode::constant;
};

/// A part of an image at a random place, after padding: `RandomCrop({.size = 32, .padding = 4})`.
class RandomCrop {
public:
    explicit RandomCrop(RandomCropOptions options) : options_(options) {
        detail::checked_size("random_crop", options_.size);
        const ImagePadding& padding = options_.padding;
        if (std::min({padding.left, padding.top, padding.right, padding.bottom}) < 0) throw ValueError("random_crop: negative padding");
    }
    /// torchvision's order of arguments.
    explicit RandomCrop(ImageSize size, ImagePadding padding = 0) : RandomCrop(RandomCropOptions{.size = size, .padding = padding}) {}

    /// Throws ValueError when the image, padded, is smaller than the crop.
    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image, Generator& generator = default_generator()) const {
        const auto [size, padding, pad_if_needed, fill, mode] = options_;
        const detail::ImageShape shape("random_crop", image.shape());
        const std::int64_t height = shape.height + padding.top + padding.bottom, width = shape.width + padding.left + padding.right;
        const std::int64_t more_rows = pad_if_needed ? std::max<std::int64_t>(0, size.height - height) : 0;
        const std::int64_t more_columns = pad_if_needed ? std::max<std::int64_t>(0, size.width - width) : 0;
        const std::int64_t spare_rows = height + 2 * more_rows - size.height, spare_columns = width + 2 * more_columns - size.width;
        if (spare_rows < 0 || spare_columns < 0)
            throw ValueError(message("random_crop: a crop of ", size.height, " x ", size.width, " does not fit into an image of ", height,
                                     " x ", width, " (padding included): pad more, or set pad_if_needed"));
        std::int64_t top = 0, left = 0;
        if (spare_rows > 0 || spare_columns > 0) {
            top = detail::draw_below(generator, spare_rows + 1);
            left = detail::draw_below(generator, spare_columns + 1);
        }
        if (mode == PaddingMode::constant)  // the padding is never made
            return detail::window(image, top - more_rows - padding.top, left - more_columns - padding.left, size, mode, fill);
        Tensor<T, Cpu> padded = detail::pad_image(image, padding, mode, fill);
        if (more_columns > 0) padded = detail::pad_image(padded, {more_columns, 0}, mode, fill);
        if (more_rows > 0) padded = detail::pad_image(padded, {0, more_rows}, mode, fill);
        return detail::window(padded, top, left, size);
    }

private:
    RandomCropOptions options_;
};

}  // namespace headtorch::data
