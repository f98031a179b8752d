// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// ColorJitter: brightness, contrast, saturation and hue changed at random, with torchvision's formulas, order and draws.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/data/transforms_basic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/tensor/create.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// How far ColorJitter may go: `0.4`, so much to both sides of what changes nothing, or the range itself, `{0.5, 2}`.
class JitterRange {
public:
    JitterRange(double to_both_sides) : low_(-to_both_sides), high_(to_both_sides), relative_(true) {}
    JitterRange(double low, double high) : low_(low), high_(high), relative_(false) {}

    /// The range around `neutral`, which must lie in least … most.
    std::array<double, 2> around(std::string_view name, double neutral, double least, double most) const {
        double low = relative_ ? neutral + low_ : low_;
        const double high = relative_ ? neutral + high_ : high_;
        if (relative_ && high_ >= 0 && neutral > 0) low = std::max(low, least);
        if (!(least <= low && low <= high && high <= most))
            throw ValueError(message("color_jitter: the range of ", name, " is ", low, " to ", high, ", not within ", least, " to ", most));
        return {low, high};
    }

private:
    double low_, high_;
    bool relative_;
};

struct ColorJitterOptions {
    JitterRange brightness = 0;  ///< factors, around 1
    JitterRange contrast = 0;    ///< factors, around 1
    JitterRange saturation = 0;  ///< factors, around 1
    JitterRange hue = 0;         ///< parts of the circle of colours, around 0, from -0.5 to 0.5
};

namespace detail {

/// One image's colours, planes of `pixels` numbers each: as they are, or bytes in floats, of which each step cuts off the fraction.
template <Floating R>
class Colours {
public:
    Colours(R* values, std::int64_t channels, std::int64_t pixels, bool bytes)
        : values_(values), channels_(channels), pixels_(pixels), bytes_(bytes), most_(bytes ? R(255) : R(1)) {}

    void brightness(double factor) {
        blend(factor, [](std::int64_t) { return R(0); });
    }
    void contrast(double factor) {
        double sum = 0;
        for (std::int64_t i = 0; i < pixels_; ++i) sum += static_cast<double>(grey(i));
        const R mean = static_cast<R>(sum / static_cast<double>(pixels_));
        blend(factor, [mean](std::int64_t) { return mean; });
    }
    void saturation(double factor) {
        if (channels_ == 1) return;
        blend(factor, [this](std::int64_t i) { return grey(i); });
    }
    /// Through hue, saturation and value (Smith 1978).
    void hue(double shift) {
        if (channels_ == 1) return;
        const R scale = bytes_ ? R(255) : R(1);
        for (std::int64_t i = 0; i < pixels_; ++i) {
            R *r = values_ + i, *g = r + pixels_, *b = g + pixels_;
            const auto turned = turn({*r / scale, *g / scale, *b / scale}, static_cast<R>(shift));
            *r = back(turned[0]);
            *g = back(turned[1]);
            *b = back(turned[2]);
        }
    }

private:
    R cut(R value) const { return bytes_ ? std::trunc(value) : value; }
    R back(R value) const { return bytes_ ? std::trunc(value * R(255.999)) : value; }

    R grey(std::int64_t i) const {
        if (channels_ == 1) return values_[i];
        return cut(R(0.2989) * values_[i] + R(0.587) * values_[i + pixels_] + R(0.114) * values_[i + 2 * pixels_]);
    }

    /// factor * image + (1 - factor) * other
    template <class Other>
    void blend(double factor, Other other) {
        const R share = static_cast<R>(factor), rest = static_cast<R>(1 - factor);
        for (std::int64_t i = 0; i < pixels_; ++i) {
            const R addend = rest * other(i);
            for (std::int64_t c = 0; c < channels_; ++c) {
                R& value = values_[i + c * pixels_];
                value = cut(std::clamp(share * value + addend, R(0), most_));
            }
        }
    }

    static std::array<R, 3> turn(const std::array<R, 3>& rgb, R shift) {
        const auto [r, g, b] = rgb;
        const R high = std::max({r, g, b}), low = std::min({r, g, b}), range = high - low;
        if (!(range > 0 && high > 0 && range < std::numeric_limits<R>::infinity())) return rgb;  // grey, or no colour at all
        const R saturation = range / high;
        const R rc = (high - r) / range, gc = (high - g) / range, bc = (high - b) / range;
        R hue = r == high ? bc - gc : g == high ? 2 + rc - bc : 4 + gc - rc;
        hue = std::fmod(hue / 6 + 1, R(1)) + shift;
        hue -= std::floor(hue);
        const R sector = std::floor(hue * 6), f = hue * 6 - sector;
        const auto unit = [](R value) { return std::clamp(value, R(0), R(1)); };
        const R p = unit(high * (1 - saturation)), q = unit(high * (1 - saturation * f)), t = unit(high * (1 - saturation * (1 - f)));
        switch (static_cast<int>(sector) % 6) {
            case 0: return {high, t, p};
            case 1: return {q, high, p};
            case 2: return {p, high, t};
            case 3: return {p, q, high};
            case 4: return {t, p, high};
            default: return {high, p, q};
        }
    }

    R* values_;
    std::int64_t channels_, pixels_;
    bool bytes_;
    R most_;
};

}  // namespace detail

/// Brightness, contrast, saturation and hue of an image of 1 or 3 channels changed, in an order drawn anew each time:
/// `ColorJitter({.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1})`. Floating-point images are from 0 to 1.
class ColorJitter {
public:
    /// Throws ValueError on negative factors, and on hues beyond half the circle.
    explicit ColorJitter(const ColorJitterOptions& options) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        ranges_ = {options.brightness.around("brightness", 1, 0, infinity), options.contrast.around("contrast", 1, 0, infinity),
                   options.saturation.around("saturation", 1, 0, infinity), options.hue.around("hue", 0, -0.5, 0.5)};
    }

    template <Pixel T>
    Tensor<T, Cpu> operator()(const Tensor<T, Cpu>& image, Generator& generator = default_generator()) const {
        using R = std::conditional_t<std::same_as<T, double>, double, float>;
        const detail::ImageShape shape("color_jitter", image.shape());
        if (shape.channels != 1 && shape.channels != 3)
            throw ShapeError(message("color_jitter: an image has 1 or 3 channels, got ", image.shape()));
        const auto order = randperm<std::int64_t, Cpu>(4, generator);
        std::array<double, 4> amounts{};
        for (std::size_t k = 0; k < 4; ++k)
            if (changes(k)) amounts[k] = detail::draw_uniform(generator, ranges_[k][0], ranges_[k][1]);
        auto result = headtorch::detail::plain_copy(image.template to<R>());
        const std::int64_t pixels = shape.height * shape.width;
        for (std::int64_t i = 0; i < shape.images && pixels > 0; ++i) {
            detail::Colours<R> colours(result.data() + i * shape.channels * pixels, shape.channels, pixels, std::same_as<T, std::uint8_t>);
            for (std::int64_t step = 0; step < 4; ++step) {
                const auto k = static_cast<std::size_t>(order.data()[step]);
                if (!changes(k)) continue;
                if (k == 0) colours.brightness(amounts[k]);
                if (k == 1) colours.contrast(amounts[k]);
                if (k == 2) colours.saturation(amounts[k]);
                if (k == 3) colours.hue(amounts[k]);
            }
        }
        return result.template to<T>();
    }

private:
    bool changes(std::size_t k) const {
        const double neutral = k == 3 ? 0 : 1;
        return ranges_[k][0] != neutral || ranges_[k][1] != neutral;
    }

    std::array<std::array<double, 2>, 4> ranges_;
};

}  // namespace headtorch::data
