// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolutions and transposed convolutions over one, two and three axes. Three recorded ops do it all: y = x * w, the gradient of its
/// input, and that of its weight. Each is linear in both operands, and its gradients are the other two; a transposed convolution is the
/// second of them.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/conv.hpp"
#include "headtorch/ops/cast_products.hpp"
#include "headtorch/ops/conv_options.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {
namespace detail {

/// sums[c] = sum of x[n, c, …] over all but c.
template <class T, class D>
Tensor<T, D> sum_channels(const Tensor<T, D>& x) {
    const std::int64_t images = x.shape()[0], channels = x.shape()[1];
    auto y = empty<T, D>({channels});
    channel_sums(D{}, images, channels, x.numel() / std::max<std::int64_t>(1, images * channels),
                 static_cast<const T*>(detached_contiguous(x).data()), y.data());
    if (!needs_grad(x)) return y;
    return record("sum_channels", std::move(y), input(x, [shape = x.shape()](const Tensor<T, D>& g) {
                      Shape column = IntList::filled(shape.rank(), 1);
                      column[1] = shape[1];
                      return g.reshape(column).expand(shape);
                  }));
}

template <class T, class D>
const T* data_or_null(const Tensor<T, D>& x) {
    return x.defined() ? x.data() : nullptr;
}

template <class D, class S, class T>
void convolve(D device, ConvProduct kind, const ConvGeometry& geometry, const S* a, const S* b, const T* bias, T* out) {
    switch (kind) {
        case ConvProduct::forward: return conv_forward(device, geometry, a, b, bias, out);
        case ConvProduct::input_gradient: return conv_input_gradient(device, geometry, a, b, bias, out);
        case ConvProduct::weight_gradient: return conv_weight_gradient(device, geometry, a, b, out);
    }
}

/// One of the three products, as Autocast says; nothing is checked or recorded.
template <class T, class D>
void convolve_into(ConvProduct kind, const ConvGeometry& geometry, const Tensor<T, D>& a, const Tensor<T, D>& b, const Tensor<T, D>& bias,
                   const Tensor<T, D>& out) {
    tell_multiplied(geometry.multiply_adds());
    const auto offsets = contiguous_or_none(bias);
    if (const auto* cast = cast_for<T, D>()) [[unlikely]]
        return cast->conv(kind, geometry, a, b, data_or_null(offsets), out.data());
    const auto x = detached_contiguous(a), y = detached_contiguous(b);
    convolve(D{}, kind, geometry, static_cast<const T*>(x.data()), static_cast<const T*>(y.data()), data_or_null(offsets), out.data());
}

template <class T, class D>
Tensor<T, D> conv_recorded(const char* name, const Tensor<T, D>& x, const Tensor<T, D>& w, const Tensor<T, D>& b,
                           const ConvGeometry& geometry);
template <class T, class D>
Tensor<T, D> conv_input_recorded(const char* name, const Tensor<T, D>& dy, const Tensor<T, D>& w, const Tensor<T, D>& b,
                                 const ConvGeometry& geometry);
template <class T, class D>
Tensor<T, D> conv_weight_recorded(const Tensor<T, D>& x, const Tensor<T, D>& dy, const ConvGeometry& geometry);

/// y = x * w + b
template <class T, class D>
Tensor<T, D> conv_recorded(const char* name, const Tensor<T, D>& x, const Tensor<T, D>& w, const Tensor<T, D>& b,
                           const ConvGeometry& geometry) {
    const OpScope scope(name, {x.impl().get(), w.impl().get(), b.impl().get()});
    auto y = empty<T, D>(conv_output_shape(geometry));
    convolve_into(ConvProduct::forward, geometry, x, w, b, y);
    if (!autograd::needs_grad(x, w, b)) return y;
    return record(name, std::move(y), inputs(x, w, b), [x = saved(x), w = saved(w), geometry](const auto& g, auto wants) {
        return std::tuple{wants(0) ? conv_input_recorded<T, D>("conv_input_gradient", g, w(), {}, geometry) : Tensor<T, D>(),
                          wants(1) ? conv_weight_recorded<T, D>(x(), g, geometry) : Tensor<T, D>(),
                          wants(2) ? sum_channels<T, D>(g) : Tensor<T, D>()};
    });
}

/// dx = the gradient of <x * w, dy>, + b per channel
template <class T, class D>
Tensor<T, D> conv_input_recorded(const char* name, const Tensor<T, D>& dy, const Tensor<T, D>& w, const Tensor<T, D>& b,
                                 const ConvGeometry& geometry) {
    const OpScope scope(name, {dy.impl().get(), w.impl().get(), b.impl().get()});
    auto dx = empty<T, D>(conv_input_shape(geometry));
    convolve_into(ConvProduct::input_gradient, geometry, dy, w, b, dx);
    if (!autograd::needs_grad(dy, w, b)) return dx;
    return record(name, std::move(dx), inputs(dy, w, b), [dy = saved(dy), w = saved(w), geometry](const auto& g, auto wants) {
        return std::tuple{wants(0) ? conv_recorded<T, D>("conv", g, w(), {}, geometry) : Tensor<T, D>(),
                          wants(1) ? conv_weight_recorded<T, D>(g, dy(), geometry) : Tensor<T, D>(),
                          wants(2) ? sum_channels<T, D>(g) : Tensor<T, D>()};
    });
}

/// dw = the gradient of <x * w, dy>
template <class T, class D>
Tensor<T, D> conv_weight_recorded(const Tensor<T, D>& x, const Tensor<T, D>& dy, const ConvGeometry& geometry) {
    const OpScope scope("conv_weight_gradient", {x.impl().get(), dy.impl().get()});
    auto dw = empty<T, D>(conv_weight_shape(geometry));
    convolve_into(ConvProduct::weight_gradient, geometry, x, dy, Tensor<T, D>(), dw);
    if (!autograd::needs_grad(x, dy)) return dw;
    return record("conv_weight_gradient", std::move(dw),
                  input(x, [dy = saved(dy),
                            geometry](const auto& g) { return conv_input_recorded<T, D>("conv_input_gradient", dy(), g, {}, geometry); }),
                  input(dy, [x = saved(x), geometry](const auto& g) { return conv_recorded<T, D>("conv", x(), g, {}, geometry); }));
}

template <int rank, class T, class D>
Tensor<T, D> conv(const char* op, const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias,
                  const ConvOptions<rank>& options) {
    static_assert(Floating<T>, "headtorch: conv: needs tensors of float or double: write x.to<float>() first");
    check_conv_shapes(op, rank, x.shape(), weight.shape(), bias.defined() ? &bias.shape() : nullptr, options.groups, false);
    if (x.dim() == rank + 1) return conv<rank>(op, x.unsqueeze(0), weight, bias, options).squeeze(0);
    ConvAxisOptions axes[rank];
    for (int i = 0; i < rank; ++i) axes[i] = {options.stride[i], options.padding.size[i], 0, options.dilation[i]};
    return conv_recorded(op, x, weight, bias,
                         conv_geometry(op, rank, x.shape(), weight.shape(), axes, options.padding.same, options.groups));
}

template <int rank, class T, class D>
Tensor<T, D> conv_transpose(const char* op, const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias,
                            const ConvTransposeOptions<rank>& options) {
    static_assert(Floating<T>, "headtorch: conv_transpose: needs tensors of float or double: write x.to<float>() first");
    check_conv_shapes(op, rank, x.shape(), weight.shape(), bias.defined() ? &bias.shape() : nullptr, options.groups, true);
    if (x.dim() == rank + 1) return conv_transpose<rank>(op, x.unsqueeze(0), weight, bias, options).squeeze(0);
    ConvAxisOptions axes[rank];
    for (int i = 0; i < rank; ++i) axes[i] = {options.stride[i], options.padding[i], options.output_padding[i], options.dilation[i]};
    return conv_input_recorded(op, x, weight, bias, conv_transpose_geometry(op, rank, x.shape(), weight.shape(), axes, options.groups));
}

}  // namespace detail

/// Convolution (a correlation, as everywhere in deep learning) of x [batch, in, …] or [in, …] with weight [out, in / groups, kernel…] and
/// bias [out] or none: `conv2d(x, w, b, {.stride = 2, .padding = {1, 0}})`, `conv2d(x, w, {}, {.padding = "same"})`.
template <class T, class D, class U, class E>
Tensor<T, D> conv1d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {}, const ConvOptions<1>& options = {},
                    const Here& = Here::call("conv1d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv<1, T, D>("conv1d", x, weight, bias, options);
}
template <class T, class D, class U, class E>
Tensor<T, D> conv2d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {}, const ConvOptions<2>& options = {},
                    const Here& = Here::call("conv2d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv<2, T, D>("conv2d", x, weight, bias, options);
}
template <class T, class D, class U, class E>
Tensor<T, D> conv3d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {}, const ConvOptions<3>& options = {},
                    const Here& = Here::call("conv3d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv<3, T, D>("conv3d", x, weight, bias, options);
}

/// Transposed convolution: the gradient of a convolution with respect to its input, as an op. x [batch, in, …] or [in, …],
/// weight [in, out / groups, kernel…], bias [out] or none; size (x - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
template <class T, class D, class U, class E>
Tensor<T, D> conv_transpose1d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {},
                              const ConvTransposeOptions<1>& options = {}, const Here& = Here::call("conv_transpose1d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv_transpose<1, T, D>("conv_transpose1d", x, weight, bias, options);
}
template <class T, class D, class U, class E>
Tensor<T, D> conv_transpose2d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {},
                              const ConvTransposeOptions<2>& options = {}, const Here& = Here::call("conv_transpose2d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv_transpose<2, T, D>("conv_transpose2d", x, weight, bias, options);
}
template <class T, class D, class U, class E>
Tensor<T, D> conv_transpose3d(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {},
                              const ConvTransposeOptions<3>& options = {}, const Here& = Here::call("conv_transpose3d")) {
    detail::require_same<T, D, U, E>();
    return detail::conv_transpose<3, T, D>("conv_transpose3d", x, weight, bias, options);
}

}  // namespace headtorch
