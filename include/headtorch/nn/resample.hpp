// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Images in another size, as layers.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "headtorch/nn/activation.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/nn/options.hpp"
#include "headtorch/ops/resample.hpp"

namespace headtorch::nn {

using headtorch::interpolate, headtorch::pixel_shuffle, headtorch::pixel_unshuffle;

struct UpsampleOptions {
    detail::ByName by_name = detail::ByName();
    Size size = {};
    ScaleFactor scale_factor = {};
    std::string mode = "nearest";
    std::optional<bool> align_corners = {};
    bool recompute_scale_factor = false;
};

/// interpolate() as a layer: `nn::Upsample up({.scale_factor = 2, .mode = "bilinear"});`
struct Upsample : Module<Upsample> {
    Size size;
    ScaleFactor scale_factor;
    std::string mode;
    std::optional<bool> align_corners;
    bool recompute_scale_factor;

    Upsample(const Size& result, const ScaleFactor& factor = {}, std::string how = "nearest", std::optional<bool> corners = {},
             bool recompute = false)
        : size(result), scale_factor(factor), mode(std::move(how)), align_corners(corners), recompute_scale_factor(recompute) {
        if (size.empty() == (scale_factor.count() == 0)) throw ValueError("Upsample: needs either a size or a scale_factor");
    }
    Upsample(const UpsampleOptions& options)
        : Upsample(options.size, options.scale_factor, options.mode, options.align_corners, options.recompute_scale_factor) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return interpolate(x, size, scale_factor, mode, align_corners, recompute_scale_factor); }
    std::string extra_repr() const {
        std::string text = "size=" + detail::python_size(size);
        if (scale_factor.count() == 1) text = "scale_factor=" + detail::python_float(scale_factor[0]);
        if (scale_factor.count() == 2)
            text = message("scale_factor=(", detail::python_float(scale_factor[0]), ", ", detail::python_float(scale_factor[1]), ")");
        return message(text, ", mode='", mode, "'");
    }
};

struct PixelShuffle : Module<PixelShuffle> {
    std::int64_t upscale_factor;
    explicit PixelShuffle(std::int64_t factor) : upscale_factor(factor) {
        if (factor < 1) throw ValueError(message("PixelShuffle: upscale_factor must be positive, got ", factor));
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return pixel_shuffle(x, upscale_factor); }
    std::string extra_repr() const { return message("upscale_factor=", upscale_factor); }
};
struct PixelUnshuffle : Module<PixelUnshuffle> {
    std::int64_t downscale_factor;
    explicit PixelUnshuffle(std::int64_t factor) : downscale_factor(factor) {
        if (factor < 1) throw ValueError(message("PixelUnshuffle: downscale_factor must be positive, got ", factor));
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return pixel_unshuffle(x, downscale_factor); }
    std::string extra_repr() const { return message("downscale_factor=", downscale_factor); }
};

}  // namespace headtorch::nn
