// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolution layers, with PyTorch's order of arguments: `nn::Conv2d<> c{3, 6, 5}`, `nn::Conv2d<> c{3, 6, {3, 5}, 2, "same"}`, or named:
/// `nn::Conv2d<> c({.in_channels = 3, .out_channels = 6, .kernel_size = 5, .padding = 2})`.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "headtorch/nn/init.hpp"
#include "headtorch/nn/linear.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/ops/conv.hpp"
#include "headtorch/ops/pad.hpp"

namespace headtorch::nn {

using headtorch::conv1d, headtorch::conv2d, headtorch::conv3d;

template <int rank>
struct ConvLayerOptions {
    std::int64_t in_channels, out_channels;
    PerAxis<rank> kernel_size;
    PerAxis<rank> stride = 1;
    ConvPadding<rank> padding = 0;
    PerAxis<rank> dilation = 1;
    std::int64_t groups = 1;
    bool bias = true;
    std::string_view padding_mode = "zeros";
};

namespace detail {

HEADTORCH_COLD inline void check_conv_channels(const char* layer, std::int64_t in_channels, std::int64_t out_channels,
                                               std::int64_t groups) {
    if (groups < 1) throw ValueError(message(layer, ": groups must be at least 1, got ", groups));
    if (in_channels < 0 || out_channels < 0)
        throw ValueError(message(layer, ": channels must not be negative, got ", in_channels, " and ", out_channels));
    if (in_channels % groups != 0) throw ValueError(message(layer, ": groups = ", groups, " does not divide in_channels = ", in_channels));
    if (out_channels % groups != 0)
        throw ValueError(message(layer, ": groups = ", groups, " does not divide out_channels = ", out_channels));
}
HEADTORCH_COLD inline void check_conv_axis(const char* layer, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                                           std::int64_t padding) {
    if (kernel < 1) throw ValueError(message(layer, ": kernel_size must be at least 1, got ", kernel));
    if (stride < 1) throw ValueError(message(layer, ": stride must be at least 1, got ", stride));
    if (dilation < 1) throw ValueError(message(layer, ": dilation must be at least 1, got ", dilation));
    if (padding < 0) throw ValueError(message(layer, ": padding must not be negative, got ", padding));
}

template <int rank>
Shape conv_weight_shape(std::int64_t first, std::int64_t second, const PerAxis<rank>& kernel) {
    Shape shape{first, second};
    for (int i = 0; i < rank; ++i) shape.push_back(kernel[i]);
    return shape;
}

/// Fills weight and bias as PyTorch does: uniform in ±1/sqrt(fan in), which is kaiming_uniform with a = sqrt(5).
template <class T, class D>
void reset_conv(const Parameter<T, D>& weight, const Parameter<T, D>& bias, Generator& generator) {
    if (weight.numel() > 0) init::kaiming_uniform_(weight, {.a = std::sqrt(5.0)}, generator);
    const std::int64_t fan_in = init::calculate_fan_in_and_fan_out(weight.shape()).in;
    if (!bias.defined() || fan_in == 0) return;
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    init::uniform_(bias, -bound, bound, generator);
}

/// What Conv1d, Conv2d and Conv3d have in common.
template <class Derived, int rank, class T, class D>
class ConvLayer : public Module<Derived> {
public:
    ConvLayer(std::int64_t inputs, std::int64_t outputs, PerAxis<rank> kernel, PerAxis<rank> step = 1, ConvPadding<rank> border = 0,
              PerAxis<rank> spread = 1, std::int64_t group_count = 1, bool with_bias = true, std::string_view border_mode = "zeros")
        : in_channels(inputs),
          out_channels(outputs),
          kernel_size(kernel),
          stride(step),
          padding(border),
          dilation(spread),
          groups(group_count),
          padding_mode(border_mode) {
        check_conv_channels("conv layer", inputs, outputs, groups);
        for (int i = 0; i < rank; ++i) check_conv_axis("conv layer", kernel[i], stride[i], dilation[i], padding.size[i]);
        if (padding.same && !stride.are(1)) throw ValueError("conv layer: padding \"same\" needs stride 1");
        if (padding_mode != "zeros" && padding_mode != "reflect" && padding_mode != "replicate" && padding_mode != "circular")
            throw ValueError(message("conv layer: padding_mode is zeros, reflect, replicate or circular, got ", padding_mode));
        weight = Parameter<T, D>(empty<T, D>(conv_weight_shape(outputs, inputs / groups, kernel)));
        if (with_bias) bias = Parameter<T, D>(empty<T, D>({outputs}));
        reset_parameters();
    }
    ConvLayer(const ConvLayerOptions<rank>& o)
        : ConvLayer(o.in_channels, o.out_channels, o.kernel_size, o.stride, o.padding, o.dilation, o.groups, o.bias, o.padding_mode) {}

    Parameter<T, D> weight, bias;
    std::int64_t in_channels, out_channels;
    PerAxis<rank> kernel_size, stride;
    ConvPadding<rank> padding;
    PerAxis<rank> dilation;
    std::int64_t groups;
    std::string padding_mode;

    void reset_parameters(Generator& generator = default_generator()) { reset_conv(weight, bias, generator); }

    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        if (padding_mode == "zeros") return apply(x, {stride, padding, dilation, groups});
        IntList pads;  // from the last axis on, front and end
        for (int i = rank - 1; i >= 0; --i) {
            const std::int64_t both = padding.same ? dilation[i] * (kernel_size[i] - 1) : 2 * padding.size[i];
            pads.push_back(both / 2);
            pads.push_back(both - both / 2);
        }
        return apply(pad(x, pads, padding_mode), {stride, 0, dilation, groups});
    }

    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        std::string text =
            message(in_channels, ", ", out_channels, ", kernel_size=", kernel_size.to_string(), ", stride=", stride.to_string());
        if (padding.same || padding.valid)
            text += padding.same ? ", padding=same" : ", padding=valid";
        else if (!padding.size.are(0))
            text += ", padding=" + padding.size.to_string();
        if (!dilation.are(1)) text += ", dilation=" + dilation.to_string();
        if (groups != 1) text += message(", groups=", groups);
        if (!bias.defined()) text += ", bias=False";
        if (padding_mode != "zeros") text += ", padding_mode=" + padding_mode;
        return text;
    }

private:
    Tensor<T, D> apply(const Tensor<T, D>& x, const ConvOptions<rank>& options) const {
        if constexpr (rank == 1)
            return conv1d(x, weight, bias, options);
        else if constexpr (rank == 2)
            return conv2d(x, weight, bias, options);
        else
            return conv3d(x, weight, bias, options);
    }
};

}  // namespace detail

/// y = x * w + b over one, two or three axes, for x [batch, in_channels, …] or [in_channels, …].
template <class T = float, class D = DefaultDevice>
class Conv1d : public detail::ConvLayer<Conv1d<T, D>, 1, T, D> {
    using detail::ConvLayer<Conv1d<T, D>, 1, T, D>::ConvLayer;
};
template <class T = float, class D = DefaultDevice>
class Conv2d : public detail::ConvLayer<Conv2d<T, D>, 2, T, D> {
    using detail::ConvLayer<Conv2d<T, D>, 2, T, D>::ConvLayer;
};
template <class T = float, class D = DefaultDevice>
class Conv3d : public detail::ConvLayer<Conv3d<T, D>, 3, T, D> {
    using detail::ConvLayer<Conv3d<T, D>, 3, T, D>::ConvLayer;
};

}  // namespace headtorch::nn
