// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Padding as layers. `padding` is one number for all sides, or {left, right} and for two dimensions {left, right, top, bottom}.

#include <string>

#include "headtorch/nn/module.hpp"
#include "headtorch/nn/options.hpp"
#include "headtorch/ops/pad.hpp"

namespace headtorch::nn {

using headtorch::pad;

namespace detail {

/// One number, or one for each of `sides`.
HEADTORCH_NOINLINE inline IntList padding_sides(const char* layer, const Dims& padding, int sides) {
    if (padding.rank() == sides) return padding;
    if (padding.rank() != 1) throw ValueError(message(layer, ": padding is one number or ", sides, ", got ", padding));
    return IntList::filled(sides, padding[0]);
}

/// What padding layers share; `Layer` says its name and mode. Takes [channels, …] or [batch, channels, …] with `spatial` more dimensions.
template <class Layer, int spatial>
struct PadLayer : Module<Layer> {
    IntList padding;
    double value;

    PadLayer(const Dims& sides, double fill = 0) : padding(padding_sides(Layer::name, sides, 2 * spatial)), value(fill) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const {
        if (x.dim() != spatial + 1 && x.dim() != spatial + 2)
            throw ShapeError(message("pad: needs an input of ", spatial + 1, " or ", spatial + 2, " dimensions, got ", x.shape()));
        return pad(x, padding, Layer::mode, value);
    }
    std::string extra_repr() const { return python_tuple(padding); }
};

/// With any constant around it.
template <class Layer, int spatial>
struct ConstantPadLayer : PadLayer<Layer, spatial> {
    static constexpr const char* mode = "constant";
    ConstantPadLayer(const Dims& sides, double fill) : PadLayer<Layer, spatial>(sides, fill) {}
    std::string extra_repr() const { return message("padding=", python_tuple(this->padding), ", value=", this->value); }
};

}  // namespace detail

struct ZeroPad2d : detail::PadLayer<ZeroPad2d, 2> {
    static constexpr const char *name = "ZeroPad2d", *mode = "constant";
    ZeroPad2d(const Dims& sides) : PadLayer(sides) {}
};
struct ConstantPad1d : detail::ConstantPadLayer<ConstantPad1d, 1> {
    static constexpr const char* name = "ConstantPad1d";
    using ConstantPadLayer::ConstantPadLayer;
};
struct ConstantPad2d : detail::ConstantPadLayer<ConstantPad2d, 2> {
    static constexpr const char* name = "ConstantPad2d";
    using ConstantPadLayer::ConstantPadLayer;
};
/// Mirrored at the edge elements.
struct ReflectionPad1d : detail::PadLayer<ReflectionPad1d, 1> {
    static constexpr const char *name = "ReflectionPad1d", *mode = "reflect";
    ReflectionPad1d(const Dims& sides) : PadLayer(sides) {}
};
struct ReflectionPad2d : detail::PadLayer<ReflectionPad2d, 2> {
    static constexpr const char *name = "ReflectionPad2d", *mode = "reflect";
    ReflectionPad2d(const Dims& sides) : PadLayer(sides) {}
};
/// Edge elements repeated.
struct ReplicationPad1d : detail::PadLayer<ReplicationPad1d, 1> {
    static constexpr const char *name = "ReplicationPad1d", *mode = "replicate";
    ReplicationPad1d(const Dims& sides) : PadLayer(sides) {}
};
struct ReplicationPad2d : detail::PadLayer<ReplicationPad2d, 2> {
    static constexpr const char *name = "ReplicationPad2d", *mode = "replicate";
    ReplicationPad2d(const Dims& sides) : PadLayer(sides) {}
};
/// Going on at the opposite side.
struct CircularPad2d : detail::PadLayer<CircularPad2d, 2> {
    static constexpr const char *name = "CircularPad2d", *mode = "circular";
    CircularPad2d(const Dims& sides) : PadLayer(sides) {}
};

}  // namespace headtorch::nn
