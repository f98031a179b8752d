// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a transform is, Compose, and the simplest transforms: ToTensor, Normalize, flips. With torchvision's names, defaults and draws.
///
/// A transform is a value that is called with an image, t(x), or with an image and a generator, t(x, generator), if it draws random
/// numbers: one of those here, or any lambda. Images are bytes (0 to 255) or floating-point numbers (0 to 1), [channels, height, width];
/// those here take batches [n, channels, height, width] as well, for which random ones draw once. Results are not recorded by the tape.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// Element types of images.
template <class T>
concept Pixel = std::same_as<T, std::uint8_t> || Floating<T>;

/// A transform that treats a batch as its images one by one, so that whole batches can be given to it, says so:
/// `static constexpr bool batched = true`.
template <class F>
concept BatchedTransform = requires { requires std::remove_cvref_t<F>::batched; };

/// t(x, generator) if the transform takes a generator, else t(x).
template <class F, class X>
auto apply_transform(const F& transform, const X& x, Generator& generator) {
    if constexpr (std::invocable<const F&, const X&, Generator&>) {
        return transform(x, generator);
    } else {
        static_assert(std::invocable<const F&, const X&>,
                      "headtorch: a transform is called as t(x) or t(x, generator), and this one takes no such x; ToTensor makes floats of "
                      "bytes");
        return transform(x);
    }
}

/// One transform after another: `Compose(RandomCrop({.size = 32, .padding = 4}), RandomHorizontalFlip(), ToTensor())`.
template <class... Transforms>
class Compose {
public:
    static constexpr bool batched = (BatchedTransform<Transforms> && ...);

    explicit Compose(Transforms... transforms) : transforms_(std::move(transforms)...) {}

    template <class X>
    auto operator()(const X& x, Generator& generator) const {
        return from<0>(x, generator);
    }
    /// Draws from the default generator.
    template <class X>
    auto operator()(const X& x) const {
        return from<0>(x, default_generator());
    }

private:
    template <std::size_t K, class X>
    auto from(const X& x, Generator& generator) const {
        if constexpr (K == sizeof...(Transforms))
            return x;
        else
            return from<K + 1>(apply_transform(std::get<K>(transforms_), x, generator), generator);
    }

    std::tuple<Transforms...> transforms_;
};

namespace detail {

/// The sizes of an image or a batch of them.
struct ImageShape {
    std::int64_t images, channels, height, width;  ///< 1 image unless it is a batch

    ImageShape(std::string_view op, const Shape& shape) {
        const int rank = shape.rank();
        if (rank < 3) throw ShapeError(message(op, ": an image is [channels, height, width], and a batch [n, c, h, w]; got ", shape));
        images = 1;
        for (int d = 0; d + 3 < rank; ++d) images *= shape[d];
        channels = shape[rank - 3];
        height = shape[rank - 2];
        width = shape[rank - 1];
    }
};

/// `shape` with another height and width.
inline Shape with_image_size(Shape shape, std::int64_t height, std::int64_t width) {
    shape[shape.rank() - 2] = height;
    shape[shape.rank() - 1] = width;
    return shape;
}

inline double draw_uniform(Generator& generator, double from = 0, double to = 1) {
    std::lock_guard lock(generator.mutex());
    // as torch.empty(1).uniform_(from, to)
    const auto low = static_cast<float>(from);
    return static_cast<double>(generator.uniform<float>() * (static_cast<float>(to) - low) + low);
}

inline std::int64_t draw_below(Generator& generator, std::int64_t range) {
    std::lock_guard lock(generator.mutex());
    return static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(range)));
}

}  // namespace detail

/// Bytes from 0 to 255 to floats from 0 to 1; floating-point images stay as they are.
struct ToTensor {
    static constexpr bool batched = true;

    Tensor<float, Cpu> operator()(const Tensor<std::uint8_t, Cpu>& bytes) const {
        const auto source = headtorch::detail::detached_contiguous(bytes);
        auto result = empty<float, Cpu>(bytes.shape());
        const std::uint8_t* in = source.data();
        float* out = result.data();
        for (std::int64_t i = 0, n = result.numel(); i < n; ++i) out[i] = static_cast<float>(in[i]) / 255.0f;
        return result;
    }
    template <Floating T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image) const {
        return image;
    }
};

/// (x - mean) / std, with a number for each channel, or one for all: `Normalize({0.5, 0.5, 0.5}, {0.5, 0.5, 0.5})`.
class Normalize {
public:
    static constexpr bool batched = true;

    /// Throws ValueError when the lists are empty or of different length, or a std is 0.
    Normalize(std::vector<double> mean, std::vector<double> std) : mean_(std::move(mean)), std_(std::move(std)) {
        if (mean_.empty() || mean_.size() != std_.size())
            throw ValueError(
                message("normalize: mean and std need a number for each channel, but have ", mean_.size(), " and ", std_.size()));
        for (double value : std_)
            if (!(value > 0)) throw ValueError(message("normalize: std must be positive, but is ", value));
    }

    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image) const {
        static_assert(Floating<T>, "headtorch: Normalize needs floating-point numbers: put ToTensor before it");
        const detail::ImageShape shape("normalize", image.shape());
        const auto given = static_cast<std::int64_t>(mean_.size());
        if (given != 1 && given != shape.channels)
            throw ShapeError(message("normalize: mean and std have ", given, " numbers, but the image of shape ", image.shape(), " has ",
                                     shape.channels, " channels"));
        const auto source = headtorch::detail::detached_contiguous(image);
        auto result = empty<T, Cpu>(image.shape());
        const std::int64_t pixels = shape.height * shape.width;
        for (std::int64_t plane = 0; plane < shape.images * shape.channels; ++plane) {
            const auto channel = static_cast<std::size_t>(given == 1 ? 0 : plane % shape.channels);
            const T mean = static_cast<T>(mean_[channel]), std = static_cast<T>(std_[channel]);
            const T* in = source.data() + plane * pixels;
            T* out = result.data() + plane * pixels;
            for (std::int64_t i = 0; i < pixels; ++i) out[i] = (in[i] - mean) / std;
        }
        return result;
    }

private:
    std::vector<double> mean_, std_;
};

namespace detail {

template <Pixel T>
Tensor<T, Cpu> flip_image(const Tensor<T, Cpu>& image, bool columns) {
    const ImageShape shape("flip", image.shape());
    const auto source = headtorch::detail::detached_contiguous(image);
    auto result = empty<T, Cpu>(image.shape());
    for (std::int64_t row = 0; row < shape.images * shape.channels * shape.height; ++row) {
        const std::int64_t y = row % shape.height;
        const T* in = source.data() + (columns ? row : row - y + shape.height - 1 - y) * shape.width;
        T* out = result.data() + row * shape.width;
        columns ? std::reverse_copy(in, in + shape.width, out) : std::copy_n(in, shape.width, out);
    }
    return result;
}

inline double checked_probability(std::string_view op, double p) {
    if (!(p >= 0 && p <= 1)) throw ValueError(message(op, ": the probability is ", p, ", not in 0 to 1"));
    return p;
}

}  // namespace detail

/// Left and right changed over with probability p.
class RandomHorizontalFlip {
public:
    explicit RandomHorizontalFlip(double p = 0.5) : p_(detail::checked_probability("random_horizontal_flip", p)) {}

    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image, Generator& generator = default_generator()) const {
        return detail::draw_uniform(generator) < p_ ? detail::flip_image(image, true) : image;
    }

private:
    double p_;
};

/// Top and bottom changed over with probability p.
class RandomVerticalFlip {
public:
    explicit RandomVerticalFlip(double p = 0.5) : p_(detail::checked_probability("random_vertical_flip", p)) {}

    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image, Generator& generator = default_generator()) const {
        return detail::draw_uniform(generator) < p_ ? detail::flip_image(image, false) : image;
    }

private:
    double p_;
};

}  // namespace headtorch::data
