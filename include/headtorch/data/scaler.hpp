// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// StandardScaler: each column to mean 0 and variance 1, as scikit-learn's.

#include <cmath>
#include <cstdint>
#include <limits>

#include "headtorch/core/error.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

struct ScalerOptions {
    bool with_mean = true;
    bool with_std = true;
};

/// Learns mean and standard deviation of the columns of [items, features], in double; NaN is left out. A column without variance keeps
/// its scale.
class StandardScaler {
public:
    explicit StandardScaler(ScalerOptions options = {}) : options_(options) {}

    /// Throws ShapeError unless x is [items, features] with at least one item, ValueError on an infinite element.
    template <Floating T, Device D>
    StandardScaler& fit(const Tensor<T, D>& x) {
        if (x.dim() != 2 || x.size(0) == 0)
            throw ShapeError(message("standard_scaler: fit expects [items, features] with at least one item, but got ", x.shape(),
                                     x.dim() == 1 ? "; for a single feature: x.unsqueeze(1)" : ""));
        const Tensor<T, Cpu> rows = x.detach().template to<Cpu>().contiguous();
        const std::int64_t items = x.size(0), features = x.size(1);
        const auto column = [&](std::int64_t feature, auto&& each) {
            for (const T *value = rows.data() + feature, *end = rows.data() + items * features; value < end; value += features)
                if (!std::isnan(*value)) each(static_cast<double>(*value));
        };
        const auto mean = empty<double, Cpu>({features}), variance = empty<double, Cpu>({features}), scale = empty<double, Cpu>({features});
        for (std::int64_t f = 0; f < features; ++f) {
            double count = 0, sum = 0, squares = 0, remainder = 0;
            column(f, [&](double value) {
                if (std::isinf(value)) throw ValueError(message("standard_scaler: an element of column ", f, " is infinite"));
                count += 1;
                sum += value;
            });
            const double m = sum / count;
            // Two passes with the correction of Chan, Golub and LeVeque (1983), equation 1.7.
            column(f, [&](double value) {
                remainder += value - m;
                squares += (value - m) * (value - m);
            });
            const double v = (squares - remainder * remainder / count) / count;
            // A variance within the rounding errors of its computation is none.
            constexpr double epsilon = std::numeric_limits<double>::epsilon();
            const bool constant = v <= count * epsilon * v + (count * m * epsilon) * (count * m * epsilon);
            mean.data()[f] = m;
            variance.data()[f] = v;
            scale.data()[f] = constant ? 1.0 : std::sqrt(v);
        }
        mean_ = mean;
        variance_ = variance;
        scale_ = scale;
        return *this;
    }

    /// (x - mean) / scale; differentiable.
    template <Floating T, Device D>
    Tensor<T, D> transform(const Tensor<T, D>& x) const {
        check("transform", x.shape());
        Tensor<T, D> y = options_.with_mean ? x - mean_.to<T>().template to<D>() : x;
        return options_.with_std ? y / scale_.to<T>().template to<D>() : y;
    }
    template <Floating T, Device D>
    Tensor<T, D> fit_transform(const Tensor<T, D>& x) {
        return fit(x).transform(x);
    }
    /// x * scale + mean: undoes transform.
    template <Floating T, Device D>
    Tensor<T, D> inverse_transform(const Tensor<T, D>& x) const {
        check("inverse_transform", x.shape());
        Tensor<T, D> y = options_.with_std ? x * scale_.to<T>().template to<D>() : x;
        return options_.with_mean ? y + mean_.to<T>().template to<D>() : y;
    }

    bool is_fitted() const { return mean_.defined(); }
    /// Per feature; undefined before fit.
    const Tensor<double, Cpu>& mean() const { return mean_; }
    const Tensor<double, Cpu>& var() const { return variance_; }
    /// What is divided by: the standard deviation, or 1 for a column without variance.
    const Tensor<double, Cpu>& scale() const { return scale_; }

private:
    void check(const char* what, const Shape& shape) const {
        if (!is_fitted()) throw ValueError(message("standard_scaler: ", what, " before fit: call fit(x) first"));
        if (shape.rank() != 2 || shape[1] != mean_.numel())
            throw ShapeError(
                message("standard_scaler: ", what, " expects [items, ", mean_.numel(), "], the features that fit saw, but got ", shape));
    }

    ScalerOptions options_;
    Tensor<double, Cpu> mean_, variance_, scale_;
};

}  // namespace headtorch::data
