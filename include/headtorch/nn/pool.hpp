// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Pooling layers. Sizes are one number or {rows, columns}; stride is kernel_size unless given:
///
///     nn::MaxPool2d<> pool{2, 2}, narrow{{3, 1}}, wide({.kernel_size = 3, .stride = 2, .ceil_mode = true});

#include <cstdint>
#include <optional>
#include <string>

#include "headtorch/nn/module.hpp"
#include "headtorch/nn/options.hpp"
#include "headtorch/ops/pool_average.hpp"
#include "headtorch/ops/pool_max.hpp"

namespace headtorch::nn {

using headtorch::adaptive_avg_pool1d, headtorch::adaptive_avg_pool2d, headtorch::adaptive_max_pool1d, headtorch::adaptive_max_pool2d;
using headtorch::adaptive_max_pool2d_with_indices, headtorch::avg_pool1d, headtorch::avg_pool2d, headtorch::lp_pool2d;
using headtorch::max_pool1d, headtorch::max_pool1d_with_indices, headtorch::max_pool2d, headtorch::max_pool2d_with_indices;
using headtorch::max_unpool2d;

struct MaxPoolOptions {
    detail::ByName by_name = detail::ByName();
    Size kernel_size;
    Size stride = {};
    Size padding = 0;
    Size dilation = 1;
    bool ceil_mode = false;
};

namespace detail {

template <class Layer, int spatial, bool return_indices>
struct MaxPool : Module<Layer> {
    Size kernel_size, stride, padding, dilation;
    bool ceil_mode;

    MaxPool(const char* name, const MaxPoolOptions& given)
        : kernel_size(given.kernel_size), stride(given.stride.empty() ? given.kernel_size : given.stride), padding(given.padding),
          dilation(given.dilation), ceil_mode(given.ceil_mode) {
        headtorch::detail::spatial_sizes(name, "kernel_size", kernel_size, spatial, 1);
        headtorch::detail::spatial_sizes(name, "stride", stride, spatial, 1);
        headtorch::detail::spatial_sizes(name, "padding", padding, spatial, 0);
        headtorch::detail::spatial_sizes(name, "dilation", dilation, spatial, 1);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const {
        if constexpr (spatial == 1 && return_indices)
            return max_pool1d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode);
        else if constexpr (spatial == 1)
            return max_pool1d(x, kernel_size, stride, padding, dilation, ceil_mode);
        else if constexpr (return_indices)
            return max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode);
        else
            return max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode);
    }
    std::string extra_repr() const {
        return message("kernel_size=", python_size(kernel_size), ", stride=", python_size(stride), ", padding=", python_size(padding),
                       ", dilation=", python_size(dilation), ", ceil_mode=", detail::python_bool(ceil_mode));
    }
};

}  // namespace detail

/// `nn::MaxPool2d<> pool{2, 2};` With return_indices, as in `nn::MaxPool2d<true>`, forward() returns values and indices.
template <bool return_indices = false>
struct MaxPool1d : detail::MaxPool<MaxPool1d<return_indices>, 1, return_indices> {
    MaxPool1d(const Size& kernel, const Size& step = {}, const Size& around = 0, const Size& apart = 1)
        : MaxPool1d(MaxPoolOptions{.kernel_size = kernel, .stride = step, .padding = around, .dilation = apart}) {}
    MaxPool1d(const MaxPoolOptions& options) : MaxPool1d::MaxPool("MaxPool1d", options) {}
};
template <bool return_indices = false>
struct MaxPool2d : detail::MaxPool<MaxPool2d<return_indices>, 2, return_indices> {
    MaxPool2d(const Size& kernel, const Size& step = {}, const Size& around = 0, const Size& apart = 1)
        : MaxPool2d(MaxPoolOptions{.kernel_size = kernel, .stride = step, .padding = around, .dilation = apart}) {}
    MaxPool2d(const MaxPoolOptions& options) : MaxPool2d::MaxPool("MaxPool2d", options) {}
};

/// Called with the values and the indices that a MaxPool2d<true> gave.
struct MaxUnpool2d : Module<MaxUnpool2d> {
    Size kernel_size, stride, padding;
    MaxUnpool2d(const Size& kernel, const Size& step = {}, const Size& around = 0)
        : kernel_size(kernel), stride(step.empty() ? kernel : step), padding(around) {
        extra_repr();  // checks them
    }
    auto fields() { return nn::fields(); }
    template <class T, class D>
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<std::int64_t, D>& indices, const Size& output_size = {}) const {
        return max_unpool2d(x, indices, kernel_size, stride, padding, output_size);
    }
    std::string extra_repr() const {
        const auto pair = [](const char* what, const Size& size, int least) {
            return detail::python_size(headtorch::detail::spatial_sizes("MaxUnpool2d", what, size, 2, least));
        };
        return message("kernel_size=", pair("kernel_size", kernel_size, 1), ", stride=", pair("stride", stride, 1),
                       ", padding=", pair("padding", padding, 0));
    }
};

struct AvgPool1d : Module<AvgPool1d> {
    Size kernel_size, stride, padding;
    bool ceil_mode, count_include_pad;
    AvgPool1d(const Size& kernel, const Size& step = {}, const Size& around = 0, bool ceil = false, bool include_pad = true)
        : kernel_size(kernel), stride(step.empty() ? kernel : step), padding(around), ceil_mode(ceil), count_include_pad(include_pad) {
        headtorch::detail::spatial_sizes("AvgPool1d", "kernel_size", kernel_size, 1, 1);
        headtorch::detail::spatial_sizes("AvgPool1d", "stride", stride, 1, 1);
        headtorch::detail::spatial_sizes("AvgPool1d", "padding", padding, 1, 0);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return avg_pool1d(x, kernel_size, stride, padding, ceil_mode, count_include_pad); }
    std::string extra_repr() const {
        return message("kernel_size=", detail::python_tuple(kernel_size), ", stride=", detail::python_tuple(stride),
                       ", padding=", detail::python_tuple(padding));
    }
};

struct AvgPool2dOptions {
    detail::ByName by_name = detail::ByName();
    Size kernel_size;
    Size stride = {};
    Size padding = 0;
    bool ceil_mode = false;
    bool count_include_pad = true;
    std::optional<std::int64_t> divisor_override = {};
};

struct AvgPool2d : Module<AvgPool2d> {
    Size kernel_size, stride, padding;
    bool ceil_mode, count_include_pad;
    std::optional<std::int64_t> divisor_override;
    AvgPool2d(const Size& kernel, const Size& step = {}, const Size& around = 0, bool ceil = false, bool include_pad = true,
              std::optional<std::int64_t> divisor = {})
        : kernel_size(kernel), stride(step.empty() ? kernel : step), padding(around), ceil_mode(ceil), count_include_pad(include_pad),
          divisor_override(divisor) {
        headtorch::detail::spatial_sizes("AvgPool2d", "kernel_size", kernel_size, 2, 1);
        headtorch::detail::spatial_sizes("AvgPool2d", "stride", stride, 2, 1);
        headtorch::detail::spatial_sizes("AvgPool2d", "padding", padding, 2, 0);
        if (divisor_override == 0) throw ValueError("AvgPool2d: divisor_override must not be 0");
    }
    AvgPool2d(const AvgPool2dOptions& given)
        : AvgPool2d(given.kernel_size, given.stride, given.padding, given.ceil_mode, given.count_include_pad, given.divisor_override) {}
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const {
        return avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
    }
    std::string extra_repr() const {
        return message("kernel_size=", detail::python_size(kernel_size), ", stride=", detail::python_size(stride),
                       ", padding=", detail::python_size(padding));
    }
};

/// `output_size`: -1 keeps a dimension's size (PyTorch's None).
struct AdaptiveAvgPool1d : Module<AdaptiveAvgPool1d> {
    Size output_size;
    AdaptiveAvgPool1d(const Size& size) : output_size(size) {
        headtorch::detail::spatial_sizes("AdaptiveAvgPool1d", "output_size", size, 1, -1);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return adaptive_avg_pool1d(x, output_size); }
    std::string extra_repr() const { return "output_size=" + detail::python_size(output_size); }
};
struct AdaptiveAvgPool2d : Module<AdaptiveAvgPool2d> {
    Size output_size;
    AdaptiveAvgPool2d(const Size& size) : output_size(size) {
        headtorch::detail::spatial_sizes("AdaptiveAvgPool2d", "output_size", size, 2, -1);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return adaptive_avg_pool2d(x, output_size); }
    std::string extra_repr() const { return "output_size=" + detail::python_size(output_size); }
};
template <bool return_indices = false>
struct AdaptiveMaxPool2d : Module<AdaptiveMaxPool2d<return_indices>> {
    Size output_size;
    AdaptiveMaxPool2d(const Size& size) : output_size(size) {
        headtorch::detail::spatial_sizes("AdaptiveMaxPool2d", "output_size", size, 2, -1);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const {
        if constexpr (return_indices)
            return adaptive_max_pool2d_with_indices(x, output_size);
        else
            return adaptive_max_pool2d(x, output_size);
    }
    std::string extra_repr() const { return "output_size=" + detail::python_size(output_size); }
};

struct LPPool2d : Module<LPPool2d> {
    double norm_type;
    Size kernel_size, stride;
    bool ceil_mode;
    LPPool2d(double norm, const Size& kernel, const Size& step = {}, bool ceil = false)
        : norm_type(norm), kernel_size(kernel), stride(step), ceil_mode(ceil) {
        headtorch::detail::spatial_sizes("LPPool2d", "kernel_size", kernel_size, 2, 1);
        if (!stride.empty()) headtorch::detail::spatial_sizes("LPPool2d", "stride", stride, 2, 1);
    }
    auto fields() { return nn::fields(); }
    auto forward(const auto& x) const { return lp_pool2d(x, norm_type, kernel_size, stride, ceil_mode); }
    std::string extra_repr() const {
        return message("norm_type=", norm_type, ", kernel_size=", detail::python_size(kernel_size),
                       ", stride=", stride.empty() ? "None" : detail::python_size(stride), ", ceil_mode=", detail::python_bool(ceil_mode));
    }
};

}  // namespace headtorch::nn
