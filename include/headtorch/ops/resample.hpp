// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Images and signals in another size: interpolate, pixel_shuffle, pixel_unshuffle.

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/resample.hpp"
#include "headtorch/ops/pool_average.hpp"
#include "headtorch/ops/resample_axis.hpp"
#include "headtorch/ops/view.hpp"

namespace headtorch {

/// Factors of size: one for all dimensions, or one for each; none when empty.
class ScaleFactor {
public:
    ScaleFactor() = default;
    ScaleFactor(Number auto factor) : ScaleFactor({static_cast<double>(factor)}) {}
    ScaleFactor(std::initializer_list<double> factors) {
        if (factors.size() > factors_.size()) throw ValueError("interpolate: at most two factors");
        for (const double factor : factors) factors_[static_cast<std::size_t>(count_++)] = factor;
    }
    int count() const { return count_; }
    double operator[](int i) const { return factors_[static_cast<std::size_t>(i)]; }

private:
    std::array<double, 2> factors_{};
    int count_ = 0;
};

namespace detail {

template <class T, class D>
struct Resampling {
    Shape in, out;
    std::int64_t planes = 1;
    ResampleTable<ComputeType<T>, D> rows = {}, columns = {};
    Resampling transposed() const { return {out, in, planes, detail::transposed(rows), detail::transposed(columns)}; }
};

/// A linear map; its gradient is the transposed map.
template <class T, class D>
Tensor<T, D> resample(const Tensor<T, D>& x, const Resampling<T, D>& how) {
    const OpScope scope("interpolate", {x.impl().get()});
    auto y = empty<T, D>(how.out);
    resample_planes(D{}, static_cast<const T*>(detached_contiguous(x).data()), how.planes, how.rows.axis(), how.columns.axis(), y.data());
    if (!needs_grad(x)) return y;
    return record("interpolate", std::move(y), input(x, [how](const auto& g) { return resample(g, how.transposed()); }));
}

/// Sizes of the result along the dimensions after batch and channels.
HEADTORCH_NOINLINE inline IntList interpolated_sizes(const Shape& shape, const IntList& size, const ScaleFactor& scale) {
    if (shape.rank() != 3 && shape.rank() != 4)
        throw ShapeError(message("interpolate: needs an input [batch, channels, ...] of 3 or 4 dimensions, got ", shape));
    if (size.empty() == (scale.count() == 0)) throw ValueError("interpolate: needs either a size or a scale_factor");
    const int spatial = shape.rank() - 2;
    if (scale.count() > 1 && scale.count() != spatial)
        throw ValueError(message("interpolate: scale_factor is one number or ", spatial, " for an input of shape ", shape));
    IntList sizes = scale.count() ? IntList::filled(spatial, 0) : spatial_sizes("interpolate", "size", size, spatial, 1);
    for (int d = 0; d < spatial; ++d) {
        if (shape[2 + d] == 0) throw ShapeError(message("interpolate: dimension ", 2 + d, " of ", shape, " is empty"));
        if (scale.count() == 0) continue;
        const double factor = scale[scale.count() == 1 ? 0 : d], scaled = std::floor(static_cast<double>(shape[2 + d]) * factor);
        if (!(factor > 0) || !(scaled >= 1) || scaled > std::numeric_limits<std::int32_t>::max())
            throw ValueError(
                message("interpolate: a scale_factor of ", factor, " makes no valid size of dimension ", 2 + d, " of ", shape));
        sizes[d] = static_cast<std::int64_t>(scaled);
    }
    return sizes;
}

/// The mode, checked against the rank.
HEADTORCH_NOINLINE inline Interpolation interpolation_mode(std::string_view mode, int rank, bool corners_given, bool antialias) {
    const bool flat = mode == "bilinear" || mode == "bicubic", smooth = flat || mode == "linear";
    if (!smooth && mode != "nearest" && mode != "nearest-exact")
        throw ValueError(message(
            "interpolate: mode is \"nearest\", \"nearest-exact\", \"linear\", \"bilinear\", \"bicubic\" or \"area\", not \"", mode, "\""));
    if ((flat && rank != 4) || (mode == "linear" && rank != 3))
        throw ShapeError(message("interpolate: mode \"", mode, "\" needs an input of ", flat ? 4 : 3, " dimensions, got ", rank));
    if (corners_given && !smooth) throw ValueError(message("interpolate: align_corners goes with smooth modes, not with \"", mode, "\""));
    if (antialias && !flat)
        throw ValueError(message("interpolate: antialias goes with \"bilinear\" and \"bicubic\", not with \"", mode, "\""));
    if (mode == "nearest") return Interpolation::nearest;
    if (mode == "nearest-exact") return Interpolation::nearest_exact;
    return mode == "bicubic" ? Interpolation::cubic : Interpolation::linear;
}

}  // namespace detail

/// x [N, C, L] or [N, C, H, W] in another size: `size`, or the present one times `scale_factor`. `mode`: "nearest", "nearest-exact",
/// "linear" (of 3 dimensions), "bilinear", "bicubic" (of 4), or "area", which averages. align_corners: corner elements keep their place.
/// recompute_scale_factor: positions follow the sizes in place of the factor asked for. antialias: when shrinking, a filter as wide as the
/// step. Throws ValueError when both or neither of size and factor are given, or options do not go together.
template <class T, class D>
Tensor<T, D> interpolate(const Tensor<T, D>& x, const Dims& size, const ScaleFactor& scale_factor = {}, std::string_view mode = "nearest",
                         std::optional<bool> align_corners = {}, bool recompute_scale_factor = false, bool antialias = false) {
    const OpScope scope("interpolate");
    static_assert(Floating<T>, "headtorch: interpolate: needs a tensor of float or double: write x.to<float>() first");
    const IntList sizes = detail::interpolated_sizes(x.shape(), size, scale_factor);
    const int spatial = sizes.rank();
    if (mode == "area" && !align_corners && !antialias)
        return spatial == 1 ? adaptive_avg_pool1d(x, sizes[0]) : adaptive_avg_pool2d(x, Dims{sizes[0], sizes[1]});
    detail::AxisRequest axis{.mode = detail::interpolation_mode(mode, x.dim(), align_corners.has_value(), antialias),
                             .align_corners = align_corners.value_or(false),
                             .antialias = antialias};
    detail::Resampling<T, D> how{.in = x.shape(), .out = x.shape(), .planes = x.shape()[0] * x.shape()[1]};
    for (int d = 0; d < 2; ++d) {
        const int from = d - 2 + spatial;  // signals have one row
        axis.in = from < 0 ? 1 : x.shape()[2 + from];
        axis.out = from < 0 ? 1 : sizes[from];
        axis.scale =
            from < 0 || recompute_scale_factor || scale_factor.count() == 0 ? 0 : scale_factor[scale_factor.count() == 1 ? 0 : from];
        (d ? how.columns : how.rows) = detail::resample_table<ComputeType<T>, D>(axis);
        if (from >= 0) how.out[2 + from] = axis.out;
    }
    return detail::resample(x, how);
}

/// [..., C r^2, H, W] to [..., C, H r, W r]: channels become pixels. Shi et al., Real-Time Single Image and Video Super-Resolution (2016).
template <class T, class D>
Tensor<T, D> pixel_shuffle(const Tensor<T, D>& x, std::int64_t upscale_factor) {
    const OpScope scope("pixel_shuffle", {x.impl().get()});
    const int rank = x.dim();
    const std::int64_t r = upscale_factor;
    if (rank < 3) throw ShapeError(message("pixel_shuffle: needs an input [..., channels, height, width], got ", x.shape()));
    if (r < 1 || r > 32767) throw ValueError(message("pixel_shuffle: upscale_factor must be positive and less than 2^15, got ", r));
    Shape shape = x.shape();
    const std::int64_t channels = shape[rank - 3], height = shape[rank - 2], width = shape[rank - 1];
    if (channels % (r * r) != 0)
        throw ShapeError(message("pixel_shuffle: the ", channels, " channels of ", shape, " do not divide by ", r, "^2"));
    std::int64_t batch = 1;
    for (int d = 0; d < rank - 3; ++d) batch *= shape[d];
    shape[rank - 3] = channels / (r * r);
    shape[rank - 2] = height * r;
    shape[rank - 1] = width * r;
    return x.reshape({batch, channels / (r * r), r, r, height, width}).permute({0, 1, 4, 2, 5, 3}).reshape(shape);
}

/// [..., C, H r, W r] to [..., C r^2, H, W]: the inverse of pixel_shuffle().
template <class T, class D>
Tensor<T, D> pixel_unshuffle(const Tensor<T, D>& x, std::int64_t downscale_factor) {
    const OpScope scope("pixel_unshuffle", {x.impl().get()});
    const int rank = x.dim();
    const std::int64_t r = downscale_factor;
    if (rank < 3) throw ShapeError(message("pixel_unshuffle: needs an input [..., channels, height, width], got ", x.shape()));
    if (r < 1 || r > 32767) throw ValueError(message("pixel_unshuffle: downscale_factor must be positive and less than 2^15, got ", r));
    Shape shape = x.shape();
    const std::int64_t channels = shape[rank - 3], height = shape[rank - 2] / r, width = shape[rank - 1] / r;
    if (height * r != shape[rank - 2] || width * r != shape[rank - 1])
        throw ShapeError(message("pixel_unshuffle: height and width of ", shape, " do not divide by ", r));
    std::int64_t batch = 1;
    for (int d = 0; d < rank - 3; ++d) batch *= shape[d];
    shape[rank - 3] = channels * r * r;
    shape[rank - 2] = height;
    shape[rank - 1] = width;
    return x.reshape({batch, channels, height, r, width, r}).permute({0, 1, 3, 5, 2, 4}).reshape(shape);
}

}  // namespace headtorch
