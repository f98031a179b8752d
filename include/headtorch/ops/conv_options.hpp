// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Options of convolutions, and the geometry that follows from them and the operands' shapes; whatever does not fit is refused here.

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "headtorch/core/shape.hpp"
#include "headtorch/device/conv.hpp"

namespace headtorch {

/// One number per axis, `{3, 5}`, or one for all: `3`.
template <int rank>
struct PerAxis {
    std::array<std::int64_t, rank> values;
    bool one = false;  ///< given as a single number

    constexpr PerAxis(std::integral auto every) : one(true) { values.fill(static_cast<std::int64_t>(every)); }
    constexpr PerAxis(std::initializer_list<std::int64_t> list) {
        if (list.size() != 1 && list.size() != rank)
            throw ValueError(message("a list of ", list.size(), " numbers for ", rank, rank == 1 ? " axis" : " axes"));
        for (std::size_t i = 0; i < rank; ++i) values[i] = list.begin()[list.size() == 1 ? 0 : i];
    }
    constexpr std::int64_t operator[](int axis) const { return values[static_cast<std::size_t>(axis)]; }
    constexpr bool are(std::int64_t value) const {
        return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return v == value; });
    }
    /// As Python prints a tuple: (3, 5).
    std::string to_string() const {
        std::string text = "(";
        for (int i = 0; i < rank; ++i) text += (i ? ", " : "") + std::to_string((*this)[i]);
        return text + (rank == 1 ? ",)" : ")");
    }
    /// The same, or a number if it was given as one.
    std::string as_given() const { return one ? std::to_string(values[0]) : to_string(); }
};

/// Zeros at both ends of each axis: a number of them, "valid" (none), or "same" (as many as leave the size unchanged at stride 1).
template <int rank>
struct ConvPadding {
    PerAxis<rank> size = 0;
    bool same = false, valid = false;

    constexpr ConvPadding(std::integral auto every) : size(every) {}
    constexpr ConvPadding(std::initializer_list<std::int64_t> list) : size(list) {}
    constexpr ConvPadding(const PerAxis<rank>& sizes) : size(sizes) {}
    constexpr ConvPadding(std::string_view name) : same(name == "same"), valid(name == "valid") {
        if (!same && !valid) throw ValueError(message("conv: padding is \"same\", \"valid\" or numbers, got \"", name, "\""));
    }
    constexpr ConvPadding(const char* name) : ConvPadding(std::string_view(name)) {}
};

/// Options of conv1d, conv2d, conv3d, in PyTorch's order.
template <int rank>
struct ConvOptions {
    PerAxis<rank> stride = 1;
    ConvPadding<rank> padding = 0;
    PerAxis<rank> dilation = 1;
    std::int64_t groups = 1;
};

/// Options of conv_transpose1d, conv_transpose2d, conv_transpose3d, in PyTorch's order. `output_padding` adds to the size at the far end.
template <int rank>
struct ConvTransposeOptions {
    PerAxis<rank> stride = 1, padding = 0, output_padding = 0;
    std::int64_t groups = 1;
    PerAxis<rank> dilation = 1;
};

namespace detail {

/// The options of one axis, whatever they belong to.
struct ConvAxisOptions {
    std::int64_t stride, padding, output_padding, dilation;
};

[[noreturn]] HEADTORCH_COLD inline void throw_conv_overflow(const char* op) {
    throw ShapeError(message(op, ": sizes, padding or dilation are too large for 64 bits"));
}

/// a * b + c
inline std::int64_t checked_product_sum(const char* op, std::int64_t a, std::int64_t b, std::int64_t c) {
    std::int64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result) || __builtin_add_overflow(result, c, &result) ||
        result > std::numeric_limits<std::int64_t>::max() / 4)
        throw_conv_overflow(op);
    return result;
}

HEADTORCH_COLD inline void check_conv_axis(const char* op, const ConvAxisOptions& a) {
    if (a.stride < 1) throw ValueError(message(op, ": stride must be at least 1, got ", a.stride));
    if (a.dilation < 1) throw ValueError(message(op, ": dilation must be at least 1, got ", a.dilation));
    if (a.padding < 0) throw ValueError(message(op, ": padding must not be negative, got ", a.padding));
    if (a.output_padding < 0 || (a.output_padding > 0 && a.output_padding >= std::max(a.stride, a.dilation)))
        throw ValueError(message(op, ": output_padding must be at least 0 and less than stride or dilation, got ", a.output_padding,
                                 " with stride ", a.stride, " and dilation ", a.dilation));
}

/// Checks ranks and channels. A transposed convolution has them the other way round: weight [in_channels, out_channels / groups, …].
HEADTORCH_COLD inline void check_conv_shapes(const char* op, int rank, const Shape& x, const Shape& weight, const Shape* bias,
                                             std::int64_t groups, bool transposed) {
    const char* const form =
        transposed ? "[in_channels, out_channels / groups, kernel...]" : "[out_channels, in_channels / groups, kernel...]";
    if (weight.rank() != rank + 2) throw ShapeError(message(op, ": the weight has ", rank + 2, " dimensions ", form, ", got ", weight));
    if (x.rank() != rank + 1 && x.rank() != rank + 2)
        throw ShapeError(
            message(op, ": the input has ", rank + 2, " dimensions [batch, channels, ...], or ", rank + 1, " without the batch, got ", x));
    if (groups < 1) throw ValueError(message(op, ": groups must be at least 1, got ", groups));
    if (weight[0] % groups != 0)
        throw ShapeError(message(op, ": groups = ", groups, " does not divide the ", weight[0], transposed ? " input" : " output",
                                 " channels of the weight ", weight));
    std::int64_t taps = std::max<std::int64_t>(1, weight[1]);
    for (int i = 2; i < weight.rank(); ++i) {
        if (weight[i] < 1) throw ShapeError(message(op, ": the kernel is empty: weight ", weight));
        taps = checked_product_sum(op, taps, weight[i], 0);
    }
    if (taps > std::numeric_limits<std::int32_t>::max())
        throw ShapeError(message(op, ": weight ", weight, " has ", taps, " elements per channel; 2^31 - 1 are the most"));
    const std::int64_t channels = x[x.rank() - rank - 1], expected = transposed ? weight[0] : checked_product_sum(op, weight[1], groups, 0);
    if (channels != expected)
        throw ShapeError(message(op, ": the weight ", weight, " with groups = ", groups, " needs an input of ", expected, " channels, got ",
                                 x, " with ", channels));
    const std::int64_t outputs = transposed ? checked_product_sum(op, weight[1], groups, 0) : weight[0];
    if (bias && (bias->rank() != 1 || (*bias)[0] != outputs))
        throw ShapeError(message(op, ": the bias has ", outputs, " elements, one for each output channel, got ", *bias));
}

inline Shape kernel_of(const Shape& weight) { return Shape(std::span(weight.begin() + 2, weight.end())); }

/// The geometry of x * weight; x has a batch dimension.
HEADTORCH_NOINLINE inline ConvGeometry conv_geometry(const char* op, int rank, const Shape& x, const Shape& weight,
                                                     const ConvAxisOptions* options, bool same, std::int64_t groups) {
    ConvGeometry geometry{rank, x[0], groups, x[1], weight[0], {}};
    std::int64_t elements = std::max<std::int64_t>(1, x[1]);  // of a padded image
    for (int i = 0; i < rank; ++i) {
        const ConvAxisOptions& o = options[i];
        check_conv_axis(op, o);
        if (same && o.stride != 1) throw ValueError(message(op, ": padding \"same\" needs stride 1, got ", o.stride));
        ConvAxis& axis = geometry.axes[3 - rank + i];
        const std::int64_t reach = checked_product_sum(op, o.dilation, weight[2 + i] - 1, 0);
        const std::int64_t padded = same ? checked_product_sum(op, 1, x[2 + i], reach) : checked_product_sum(op, 2, o.padding, x[2 + i]);
        if (padded <= reach)
            throw ShapeError(message(op, ": the kernel is larger than the padded input: it spans ", reach + 1, " of ", padded,
                                     " elements along dimension ", 2 + i, " (input ", x, ", kernel ", kernel_of(weight), ")"));
        elements = checked_product_sum(op, elements, padded + o.stride, 0);
        axis = {x[2 + i], (padded - reach - 1) / o.stride + 1, weight[2 + i], o.stride, o.dilation, same ? reach / 2 : o.padding};
    }
    return geometry;
}

/// The geometry of the convolution whose input gradient this transposed convolution is; x has a batch dimension.
HEADTORCH_NOINLINE inline ConvGeometry conv_transpose_geometry(const char* op, int rank, const Shape& x, const Shape& weight,
                                                               const ConvAxisOptions* options, std::int64_t groups) {
    ConvGeometry geometry{rank, x[0], groups, checked_product_sum(op, weight[1], groups, 0), x[1], {}};
    std::int64_t elements = std::max<std::int64_t>(1, x[1]);
    for (int i = 0; i < rank; ++i) {
        const ConvAxisOptions& o = options[i];
        check_conv_axis(op, o);
        if (x[2 + i] < 1) throw ShapeError(message(op, ": the input is empty along dimension ", 2 + i, ": ", x));
        const std::int64_t reach = checked_product_sum(op, o.dilation, weight[2 + i] - 1, o.output_padding);
        const std::int64_t size = checked_product_sum(op, x[2 + i] - 1, o.stride, reach) + 1 - checked_product_sum(op, 2, o.padding, 0);
        if (size < 1)
            throw ShapeError(message(op, ": the output would have size ", size, " along dimension ", 2 + i, " (input ", x, ", kernel ",
                                     kernel_of(weight), ", padding ", o.padding, ")"));
        elements = checked_product_sum(op, elements, checked_product_sum(op, 1, x[2 + i], reach), 0);
        geometry.axes[3 - rank + i] = {size, x[2 + i], weight[2 + i], o.stride, o.dilation, o.padding};
    }
    return geometry;
}

inline Shape conv_shape(const ConvGeometry& geometry, std::int64_t first, std::int64_t second, std::int64_t ConvAxis::*size) {
    Shape shape{first, second};
    for (int i = 3 - geometry.rank; i < 3; ++i) shape.push_back(geometry.axes[i].*size);
    return shape;
}
inline Shape conv_input_shape(const ConvGeometry& g) { return conv_shape(g, g.batch, g.in_channels, &ConvAxis::in); }
inline Shape conv_output_shape(const ConvGeometry& g) { return conv_shape(g, g.batch, g.out_channels, &ConvAxis::out); }
inline Shape conv_weight_shape(const ConvGeometry& g) { return conv_shape(g, g.out_channels, g.group_inputs(), &ConvAxis::kernel); }

}  // namespace detail
}  // namespace headtorch
