// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// unfold (im2col): the patches that a convolution sees, as columns; fold (col2im): the sum of overlapping patches. Each is the gradient of
/// the other. Not to be confused with the view x.unfold(dim, size, step).

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/conv_fold.hpp"
#include "headtorch/ops/conv_options.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {

/// Options of unfold and fold, in PyTorch's order.
struct FoldOptions {
    PerAxis<2> dilation = 1, padding = 0, stride = 1;
};

namespace detail {

/// The patches of images of shape [batch, channels, height, width].
HEADTORCH_COLD inline ConvGeometry fold_geometry(const char* op, const Shape& images, const PerAxis<2>& kernel,
                                                 const FoldOptions& options) {
    if (kernel[0] < 1 || kernel[1] < 1) throw ValueError(message(op, ": kernel_size must be at least 1, got ", kernel.to_string()));
    ConvAxisOptions axes[2];
    for (int i = 0; i < 2; ++i) axes[i] = {options.stride[i], options.padding[i], 0, options.dilation[i]};
    return conv_geometry(op, 2, images, Shape{0, images[1], kernel[0], kernel[1]}, axes, false, 1);
}

template <class T, class D>
Tensor<T, D> fold_recorded(const Tensor<T, D>& columns, const ConvGeometry& geometry);

template <class T, class D>
Tensor<T, D> unfold_recorded(const Tensor<T, D>& x, const ConvGeometry& geometry) {
    const OpScope scope("unfold", {x.impl().get()});
    const std::int64_t rows = checked_product_sum("unfold", geometry.in_channels, geometry.taps(), 0);
    auto y = empty<T, D>({geometry.batch, rows, geometry.out_size()});
    conv_unfold(D{}, geometry, static_cast<const T*>(detached_contiguous(x).data()), y.data());
    if (!needs_grad(x)) return y;
    return record("unfold", std::move(y), input(x, [geometry](const auto& g) { return fold_recorded<T, D>(g, geometry); }));
}
template <class T, class D>
Tensor<T, D> fold_recorded(const Tensor<T, D>& columns, const ConvGeometry& geometry) {
    const OpScope scope("fold", {columns.impl().get()});
    auto y = empty<T, D>(conv_input_shape(geometry));
    conv_fold(D{}, geometry, static_cast<const T*>(detached_contiguous(columns).data()), y.data());
    if (!needs_grad(columns)) return y;
    return record("fold", std::move(y), input(columns, [geometry](const auto& g) { return unfold_recorded<T, D>(g, geometry); }));
}

}  // namespace detail

/// x [batch, channels, height, width] to [batch, channels * kernel height * kernel width, patches], or both without the batch.
template <class T, class D>
Tensor<T, D> unfold(const Tensor<T, D>& x, const PerAxis<2>& kernel_size, const FoldOptions& options = {}) {
    static_assert(Floating<T>, "headtorch: unfold: needs a tensor of float or double: write x.to<float>() first");
    if (x.dim() == 3) return unfold(x.unsqueeze(0), kernel_size, options).squeeze(0);
    if (x.dim() != 4)
        throw ShapeError(message("unfold: the input has dimensions [batch, channels, height, width] or [channels, height, width], got ",
                                 x.shape(), "; windows of one dimension: x.unfold(dim, size, step)"));
    return detail::unfold_recorded(x, detail::fold_geometry("unfold", x.shape(), kernel_size, options));
}

/// x [batch, channels * kernel height * kernel width, patches] to [batch, channels, output height, output width]; the batch may be missing.
template <class T, class D>
Tensor<T, D> fold(const Tensor<T, D>& x, const PerAxis<2>& output_size, const PerAxis<2>& kernel_size, const FoldOptions& options = {}) {
    static_assert(Floating<T>, "headtorch: fold: needs a tensor of float or double: write x.to<float>() first");
    if (x.dim() == 2) return fold(x.unsqueeze(0), output_size, kernel_size, options).squeeze(0);
    if (x.dim() != 3)
        throw ShapeError(
            message("fold: the input has dimensions [batch, channels * kernel, patches] or [channels * kernel, patches], got ", x.shape()));
    if (output_size[0] < 1 || output_size[1] < 1)
        throw ValueError(message("fold: output_size must be at least 1, got ", output_size.to_string()));
    const std::int64_t taps = detail::checked_product_sum("fold", kernel_size[0], kernel_size[1], 0);
    if (taps > 0 && x.shape()[1] % taps != 0)
        throw ShapeError(message("fold: ", x.shape()[1], " rows of ", x.shape(), " are no multiple of the ", taps,
                                 " elements of the kernel ", kernel_size.to_string()));
    const Shape images{x.shape()[0], taps > 0 ? x.shape()[1] / taps : 0, output_size[0], output_size[1]};
    const ConvGeometry geometry = detail::fold_geometry("fold", images, kernel_size, options);
    if (geometry.out_size() != x.shape()[2])
        throw ShapeError(message("fold: an output of ", output_size.to_string(), " has ", geometry.axes[1].out, " x ", geometry.axes[2].out,
                                 " = ", geometry.out_size(), " patches, the input has ", x.shape()[2], ": ", x.shape()));
    return detail::fold_recorded(x, geometry);
}

}  // namespace headtorch
