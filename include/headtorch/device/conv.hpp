// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The geometry of a convolution over one, two or three axes, as every device sees it.

#include <cstdint>

namespace headtorch {

/// One axis: output o is the sum over k < kernel of in[o * stride + k * dilation - padding]; what lies outside [0, in) is 0.
/// `padding` is that in front; how much there is at the end follows from `out`.
struct ConvAxis {
    std::int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, padding = 0;
};

/// Input [batch, in_channels, in…], weight [out_channels, in_channels / groups, kernel…], output [batch, out_channels, out…], row-major.
/// Of the axes, the last `rank` are in use; the others are 1.
struct ConvGeometry {
    int rank = 2;
    std::int64_t batch = 0, groups = 1, in_channels = 0, out_channels = 0;
    ConvAxis axes[3];

    std::int64_t in_size() const { return axes[0].in * axes[1].in * axes[2].in; }
    std::int64_t out_size() const { return axes[0].out * axes[1].out * axes[2].out; }
    std::int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
    std::int64_t group_inputs() const { return in_channels / groups; }
    std::int64_t group_outputs() const { return out_channels / groups; }
    /// Of the convolution, and of each of its gradients.
    std::int64_t multiply_adds() const { return batch * out_channels * out_size() * group_inputs() * taps(); }
    /// One tap, no padding, no stride: a matrix product.
    bool pointwise() const {
        for (const ConvAxis& axis : axes)
            if (axis.kernel != 1 || axis.stride != 1 || axis.padding != 0 || axis.in != axis.out) return false;
        return true;
    }
};

}  // namespace headtorch
