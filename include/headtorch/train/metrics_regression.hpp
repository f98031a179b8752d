// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How far numbers are from what they should be: MAE, MSE, RMSE, R². Outputs and targets are of one shape; [n, 1] counts as [n].

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/metric.hpp"

namespace headtorch::train {
namespace detail {

/// Throws ShapeError unless outputs and targets are numbers for the same items.
inline void check_regression(std::string_view op, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    if (!same_items(output, target))
        throw ShapeError(message(op, ": outputs ", output.shape(), " and targets ", target.shape(), " differ in shape"));
}

/// Sums of errors, from which three of the metrics are made.
class ErrorMetric : public NumberMetric {
public:
    void reset() override { absolute_ = squared_ = count_ = 0; }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        check_regression(name(), output, target);
        const auto y = numbers_of(output), t = numbers_of(target);
        for (std::size_t i = 0; i < y.size(); ++i) {
            const double error = y[i] - t[i];
            absolute_ += std::abs(error);
            squared_ += error * error;
        }
        count_ += static_cast<double>(y.size());
    }

protected:
    using NumberMetric::NumberMetric;
    double mean_absolute() const { return count_ > 0 ? absolute_ / count_ : std::numeric_limits<double>::quiet_NaN(); }
    double mean_squared() const { return count_ > 0 ? squared_ / count_ : std::numeric_limits<double>::quiet_NaN(); }

private:
    double absolute_ = 0, squared_ = 0, count_ = 0;
};

}  // namespace detail

class MeanAbsoluteError final : public detail::ErrorMetric {
public:
    explicit MeanAbsoluteError(std::string name = "mae") : ErrorMetric(std::move(name)) {}
    double compute() const override { return mean_absolute(); }
};
class MeanSquaredError final : public detail::ErrorMetric {
public:
    explicit MeanSquaredError(std::string name = "mse") : ErrorMetric(std::move(name)) {}
    double compute() const override { return mean_squared(); }
};
/// The root of the mean over all elements, of all columns together.
class RootMeanSquaredError final : public detail::ErrorMetric {
public:
    explicit RootMeanSquaredError(std::string name = "rmse") : ErrorMetric(std::move(name)) {}
    double compute() const override { return std::sqrt(mean_squared()); }
};

/// The share of the variance that is explained, 1 - Σ (t - y)² / Σ (t - mean t)²; of outputs [n, k] the mean over the columns. Where all
/// targets are equal it is 1 if all outputs are right, else 0; NaN for fewer than two items. As scikit-learn's r2_score.
class R2Score final : public NumberMetric {
public:
    explicit R2Score(std::string name = "r2") : NumberMetric(std::move(name)) {}

    void reset() override {
        columns_.clear();
        count_ = 0;
    }
    void update(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) override {
        detail::check_regression(name(), output, target);
        const auto y = detail::numbers_of(output), t = detail::numbers_of(target);
        if (y.empty()) return;
        const auto rows = static_cast<std::size_t>(detail::items_of(target.shape()));
        const std::size_t k = y.size() / rows;
        if (count_ > 0 && columns_.size() != k)
            throw ShapeError(message(name(), ": ", k, " numbers for each item, after batches with ", columns_.size()));
        columns_.resize(k);
        for (std::size_t i = 0; i < y.size(); ++i) {
            Column& column = columns_[i % k];
            if (i % k == 0) ++count_;
            const double error = t[i] - y[i], delta = t[i] - column.mean;
            column.residual += error * error;
            column.mean += delta / count_;  // Welford 1962
            column.total += delta * (t[i] - column.mean);
        }
    }
    double compute() const override {
        if (count_ < 2) return std::numeric_limits<double>::quiet_NaN();
        double sum = 0;
        for (const Column& column : columns_) sum += column.total != 0 ? 1 - column.residual / column.total : column.residual == 0 ? 1 : 0;
        return sum / static_cast<double>(columns_.size());
    }

private:
    struct Column {
        double mean = 0, total = 0, residual = 0;
    };
    std::vector<Column> columns_;
    double count_ = 0;
};

namespace detail {
template <class M>
double computed(M metric, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    metric.update(output, target);
    return metric.compute();
}
}  // namespace detail

/// The same of tensors that are there at once.
inline double mean_absolute_error(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    return detail::computed(MeanAbsoluteError("mean_absolute_error"), output, target);
}
inline double mean_squared_error(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    return detail::computed(MeanSquaredError("mean_squared_error"), output, target);
}
inline double root_mean_squared_error(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    return detail::computed(RootMeanSquaredError("root_mean_squared_error"), output, target);
}
inline double r2_score(const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
    return detail::computed(R2Score("r2_score"), output, target);
}

}  // namespace headtorch::train
