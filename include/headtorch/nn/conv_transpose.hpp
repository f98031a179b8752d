// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Transposed convolutions as layers, and Unfold and Fold.

#include <cstdint>
#include <string>
#include <string_view>

#include "headtorch/nn/conv.hpp"
#include "headtorch/ops/fold.hpp"

namespace headtorch::nn {

using headtorch::conv_transpose1d, headtorch::conv_transpose2d, headtorch::conv_transpose3d, headtorch::fold, headtorch::unfold;

template <int rank>
struct ConvTransposeLayerOptions {
    std::int64_t in_channels, out_channels;
    PerAxis<rank> kernel_size;
    PerAxis<rank> stride = 1, padding = 0, output_padding = 0;
    std::int64_t groups = 1;
    bool bias = true;
    PerAxis<rank> dilation = 1;
    std::string_view padding_mode = "zeros";
};

namespace detail {

/// What ConvTranspose1d, ConvTranspose2d and ConvTranspose3d have in common.
template <class Derived, int rank, class T, class D>
class ConvTransposeLayer : public Module<Derived> {
public:
    ConvTransposeLayer(std::int64_t inputs, std::int64_t outputs, PerAxis<rank> kernel, PerAxis<rank> step = 1, PerAxis<rank> border = 0,
                       PerAxis<rank> output_border = 0, std::int64_t group_count = 1, bool with_bias = true, PerAxis<rank> spread = 1,
                       std::string_view border_mode = "zeros")
        : in_channels(inputs),
          out_channels(outputs),
          kernel_size(kernel),
          stride(step),
          padding(border),
          output_padding(output_border),
          dilation(spread),
          groups(group_count) {
        check_conv_channels("transposed conv layer", inputs, outputs, groups);
        for (int i = 0; i < rank; ++i) {
            check_conv_axis("transposed conv layer", kernel[i], stride[i], dilation[i], padding[i]);
            if (output_padding[i] < 0)
                throw ValueError(message("transposed conv layer: output_padding must not be negative, got ", output_padding[i]));
        }
        if (border_mode != "zeros") throw ValueError(message("transposed conv layer: the only padding_mode is zeros, got ", border_mode));
        weight = Parameter<T, D>(empty<T, D>(conv_weight_shape(inputs, outputs / groups, kernel)));
        if (with_bias) bias = Parameter<T, D>(empty<T, D>({outputs}));
        reset_parameters();
    }
    ConvTransposeLayer(const ConvTransposeLayerOptions<rank>& o)
        : ConvTransposeLayer(o.in_channels, o.out_channels, o.kernel_size, o.stride, o.padding, o.output_padding, o.groups, o.bias,
                             o.dilation, o.padding_mode) {}

    Parameter<T, D> weight, bias;
    std::int64_t in_channels, out_channels;
    PerAxis<rank> kernel_size, stride, padding, output_padding, dilation;
    std::int64_t groups;

    void reset_parameters(Generator& generator = default_generator()) { reset_conv(weight, bias, generator); }

    Tensor<T, D> forward(const Tensor<T, D>& x) const { return apply(x, output_padding); }
    /// With this output size, one of those that a convolution would shrink to the size of x.
    Tensor<T, D> forward(const Tensor<T, D>& x, const PerAxis<rank>& output_size) const {
        PerAxis<rank> rest = 0;
        if (x.dim() != rank + 1 && x.dim() != rank + 2)
            throw ShapeError(
                message("conv_transpose: the input has ", rank + 2, " dimensions, or ", rank + 1, " without the batch, got ", x.shape()));
        for (int i = 0; i < rank; ++i) {
            const std::int64_t least =
                (x.size(x.dim() - rank + i) - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel_size[i] - 1) + 1;
            rest.values[static_cast<std::size_t>(i)] = output_size[i] - least;
            if (output_size[i] < least || output_size[i] >= least + stride[i])
                throw ValueError(message("conv_transpose: output_size ", output_size.to_string(), " is out of reach for an input of ",
                                         x.shape(), ": axis ", i, " can have ", least, " to ", least + stride[i] - 1));
        }
        return apply(x, rest);
    }

    auto fields() { return nn::fields("weight", weight, "bias", bias); }
    std::string extra_repr() const {
        std::string text =
            message(in_channels, ", ", out_channels, ", kernel_size=", kernel_size.to_string(), ", stride=", stride.to_string());
        if (!padding.are(0)) text += ", padding=" + padding.to_string();
        if (!dilation.are(1)) text += ", dilation=" + dilation.to_string();
        if (!output_padding.are(0)) text += ", output_padding=" + output_padding.to_string();
        if (groups != 1) text += message(", groups=", groups);
        if (!bias.defined()) text += ", bias=False";
        return text;
    }

private:
    Tensor<T, D> apply(const Tensor<T, D>& x, const PerAxis<rank>& rest) const {
        const ConvTransposeOptions<rank> options{stride, padding, rest, groups, dilation};
        if constexpr (rank == 1)
            return conv_transpose1d(x, weight, bias, options);
        else if constexpr (rank == 2)
            return conv_transpose2d(x, weight, bias, options);
        else
            return conv_transpose3d(x, weight, bias, options);
    }
};

}  // namespace detail

/// The gradient of a convolution, as a layer; weight [in_channels, out_channels / groups, kernel…].
template <class T = float, class D = DefaultDevice>
class ConvTranspose1d : public detail::ConvTransposeLayer<ConvTranspose1d<T, D>, 1, T, D> {
    using detail::ConvTransposeLayer<ConvTranspose1d<T, D>, 1, T, D>::ConvTransposeLayer;
};
template <class T = float, class D = DefaultDevice>
class ConvTranspose2d : public detail::ConvTransposeLayer<ConvTranspose2d<T, D>, 2, T, D> {
    using detail::ConvTransposeLayer<ConvTranspose2d<T, D>, 2, T, D>::ConvTransposeLayer;
};
template <class T = float, class D = DefaultDevice>
class ConvTranspose3d : public detail::ConvTransposeLayer<ConvTranspose3d<T, D>, 3, T, D> {
    using detail::ConvTransposeLayer<ConvTranspose3d<T, D>, 3, T, D>::ConvTransposeLayer;
};

/// Patches of images as columns.
struct Unfold : Module<Unfold> {
    PerAxis<2> kernel_size, dilation, padding, stride;

    Unfold(PerAxis<2> kernel, PerAxis<2> spread = 1, PerAxis<2> border = 0, PerAxis<2> step = 1)
        : kernel_size(kernel), dilation(spread), padding(border), stride(step) {}
    auto fields() { return nn::fields(); }
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        return unfold(x, kernel_size, {dilation, padding, stride});
    }
    std::string extra_repr() const {
        return message("kernel_size=", kernel_size.as_given(), ", dilation=", dilation.as_given(), ", padding=", padding.as_given(),
                       ", stride=", stride.as_given());
    }
};

/// Images from the sum of their patches.
struct Fold : Module<Fold> {
    PerAxis<2> output_size, kernel_size, dilation, padding, stride;

    Fold(PerAxis<2> output, PerAxis<2> kernel, PerAxis<2> spread = 1, PerAxis<2> border = 0, PerAxis<2> step = 1)
        : output_size(output), kernel_size(kernel), dilation(spread), padding(border), stride(step) {}
    auto fields() { return nn::fields(); }
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x) const {
        return fold(x, output_size, kernel_size, {dilation, padding, stride});
    }
    std::string extra_repr() const {
        return message("output_size=", output_size.as_given(), ", kernel_size=", kernel_size.as_given(), ", dilation=", dilation.as_given(),
                       ", padding=", padding.as_given(), ", stride=", stride.as_given());
    }
};

}  // namespace headtorch::nn
