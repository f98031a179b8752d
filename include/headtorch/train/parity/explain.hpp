// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Finds by trying which common function makes one tensor of another, and which eps a normalisation has. Part of train/parity.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/parity/values.hpp"

namespace headtorch::train::parity_detail {

struct NamedFunction {
    const char* name;
    double (*apply)(double x);
};
inline constexpr NamedFunction common_functions[] = {
    {"relu", [](double x) { return x > 0 ? x : 0.0; }},
    {"tanh", [](double x) { return std::tanh(x); }},
    {"sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"gelu (approximate='none')", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
    {"gelu (approximate='tanh')",
     [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); }},
    {"silu", [](double x) { return x / (1 + std::exp(-x)); }},
    {"softplus", [](double x) { return x > 20 ? x : std::log1p(std::exp(x)); }},
    {"softsign", [](double x) { return x / (1 + std::abs(x)); }},
    {"relu6", [](double x) { return std::clamp(x, 0.0, 6.0); }},
    {"hardsigmoid", [](double x) { return std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
    {"hardswish", [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }},
    {"mish", [](double x) { return x * std::tanh(x > 20 ? x : std::log1p(std::exp(x))); }},
    {"selu", [](double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x)); }},
    {"exp", [](double x) { return std::exp(x); }},
    {"log", [](double x) { return std::log(x); }},
    {"sqrt", [](double x) { return std::sqrt(x); }},
    {"square", [](double x) { return x * x; }},
};

/// y[i] = f(x[i]) for all i, to `tolerance` of the largest y.
template <class F>
bool maps_to(const Values& x, const Values& y, double tolerance, const F& f) {
    if (x.size() != y.size()) return false;
    const double most = tolerance * y.largest();
    for (std::size_t i = 0; i < x.size(); ++i)
        if (!(std::abs(f(x.data[i]) - y.data[i]) <= most)) return false;
    return true;
}

/// "leaky_relu with negative_slope=0.2", …: the functions with a number in them, which is measured; "" when none fits.
inline std::string fitted_function(const Values& x, const Values& y, double tolerance) {
    std::size_t lowest = 0, largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (x.data[i] < x.data[lowest]) lowest = i;
        if (std::abs(x.data[i]) > std::abs(x.data[largest])) largest = i;
    }
    const double low = x.data[lowest], slope = low < 0 ? y.data[lowest] / low : 0, alpha = low < 0 ? y.data[lowest] / std::expm1(low) : 0;
    if (low < 0 && maps_to(x, y, tolerance, [=](double v) { return v > 0 ? v : slope * v; }) && std::abs(slope - 1) > tolerance)
        return message("leaky_relu with negative_slope=", short_number(slope));
    if (low < 0 && maps_to(x, y, tolerance, [=](double v) { return v > 0 ? v : alpha * std::expm1(v); }))
        return message("elu with alpha=", short_number(alpha));
    const double factor = x.data[largest] == 0 ? 0 : y.data[largest] / x.data[largest];
    if (factor != 0 && maps_to(x, y, tolerance, [=](double v) { return factor * v; }))
        return message("multiplication by ", short_number(factor));
    const double offset = y.data[largest] - x.data[largest];
    if (maps_to(x, y, tolerance, [=](double v) { return v + offset; })) return message("addition of ", short_number(offset));
    const double least = *std::min_element(y.data.begin(), y.data.end()), most = *std::max_element(y.data.begin(), y.data.end());
    if (maps_to(x, y, tolerance, [=](double v) { return std::clamp(v, least, most); }))
        return message("hardtanh from ", short_number(least), " to ", short_number(most));
    return "";
}

/// Softmax along a dimension, or its logarithm.
inline Values softmax_along(const Values& x, int dim, bool logarithm) {
    Values y = x;
    const Strides strides = x.shape.contiguous_strides();
    const auto step = static_cast<std::size_t>(strides[dim]), length = static_cast<std::size_t>(x.shape[dim]);
    for (std::size_t start = 0; start < x.size(); ++start) {
        if (start / step % length != 0) continue;
        double most = -INFINITY, sum = 0;
        for (std::size_t k = 0; k < length; ++k) most = std::max(most, x.data[start + k * step]);
        for (std::size_t k = 0; k < length; ++k) sum += std::exp(x.data[start + k * step] - most);
        for (std::size_t k = 0; k < length; ++k) {
            const double z = x.data[start + k * step] - most - std::log(sum);
            y.data[start + k * step] = logarithm ? z : std::exp(z);
        }
    }
    return y;
}

/// The order of dimensions after which the elements of x stand as those of y do; nothing when there is none, or none is needed.
inline std::optional<IntList> reordering(const Values& x, const Values& y, double tolerance) {
    const int rank = x.shape.rank();
    if (x.size() != y.size() || rank < 2 || rank > 5) return {};
    std::vector<std::int64_t> order;
    for (int d = 0; d < rank; ++d) order.push_back(d);
    const double most = tolerance * y.largest();
    while (std::next_permutation(order.begin(), order.end())) {
        Values moved = permuted(x, IntList(std::span<const std::int64_t>(order)));
        bool equal = true;
        for (std::size_t i = 0; equal && i < y.size(); ++i) equal = std::abs(moved.data[i] - y.data[i]) <= most;
        if (equal) return IntList(std::span<const std::int64_t>(order));
    }
    return {};
}

/// What makes y of x: `given` itself, "relu of given", "given with its dimensions in the order [0, 2, 3, 1]", …; "" when nothing common
/// does.
inline std::string explain(const Values& x, const Values& y, double tolerance, const std::string& given) {
    if (x.size() != y.size() || x.size() == 0) return "";
    if (maps_to(x, y, tolerance, [](double v) { return v; })) return given;
    for (const auto& [name, apply] : common_functions)
        if (maps_to(x, y, tolerance, apply)) return message(name, " of ", given);
    for (int d = 0; d < x.shape.rank(); ++d)
        for (const bool logarithm : {false, true})
            if (maps_to(softmax_along(x, d, logarithm), y, tolerance, [](double v) { return v; }))
                return message(logarithm ? "log_softmax" : "softmax", " of ", given, " with dim=", d);
    if (const auto order = reordering(x, y, tolerance)) return message(given, " with its dimensions in the order ", *order);
    const std::string fitted = fitted_function(x, y, tolerance);
    return fitted.empty() ? "" : message(fitted, " of ", given);
}

/// Maximum or mean over windows of size x size without overlap in the last two dimensions.
inline Values pooled(const Values& x, std::int64_t size, bool mean) {
    Values y{x.shape, x.dtype, {}};
    const int rank = x.shape.rank();
    const std::int64_t h = x.shape[rank - 2], w = x.shape[rank - 1], rows = h / size, columns = w / size;
    y.shape[rank - 2] = rows;
    y.shape[rank - 1] = columns;
    const auto planes = static_cast<std::int64_t>(x.size()) / (h * w);
    for (std::int64_t p = 0; p < planes; ++p)
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j) {
                double most = -INFINITY, sum = 0;
                for (std::int64_t a = 0; a < size; ++a)
                    for (std::int64_t b = 0; b < size; ++b) {
                        const double v = x.data[static_cast<std::size_t>((p * h + i * size + a) * w + j * size + b)];
                        most = std::max(most, v);
                        sum += v;
                    }
                y.data.push_back(mean ? sum / static_cast<double>(size * size) : most);
            }
    return y;
}

/// Values that have a name: "the output of conv1".
using Source = std::pair<std::string, Values>;

/// How `y` comes about from values seen before, the latest first; "" when no common function or sum of two does it.
inline std::string explain_by(const std::vector<Source>& sources, const Values& y, double tolerance) {
    for (auto source = sources.rbegin(); source != sources.rend(); ++source)
        if (std::string text = explain(source->second, y, tolerance, source->first); !text.empty()) return text;
    for (auto source = sources.rbegin(); source != sources.rend(); ++source) {
        const Shape& shape = source->second.shape;
        const int rank = shape.rank();
        if (rank < 3 || source->second.size() == 0) continue;
        for (const std::int64_t size : {2, 3})
            for (const bool mean : {false, true}) {
                if (shape[rank - 1] < size || shape[rank - 2] < size) continue;
                const std::string name = message(mean ? "avg_pool2d" : "max_pool2d", " by ", size, " of ", source->first);
                if (std::string text = explain(pooled(source->second, size, mean), y, tolerance, name); !text.empty()) return text;
            }
    }
    for (std::size_t i = sources.size(); i-- > 0;)
        for (std::size_t j = sources.size(); j-- > 0;) {
            const auto& [one, x] = sources[i];
            const auto& [other, z] = sources[j];
            if (i == j || !(x.shape == z.shape) || x.size() != y.size()) continue;
            Values sum = x, rest = y;
            for (std::size_t k = 0; k < y.size(); ++k) sum.data[k] += z.data[k], rest.data[k] -= z.data[k];
            if (std::string text = explain(x, rest, tolerance, one); !text.empty()) return message("the sum of ", text, " and ", other);
            if (std::string text = explain(sum, y, tolerance, message("the sum of ", one, " and ", other)); !text.empty()) return text;
        }
    return "";
}

/// What a normalisation layer works with. `kind`: "BatchNorm2d", "LayerNorm", … Empty weight and bias are ones and zeros; with empty mean
/// and variance the input's own are taken.
struct NormInputs {
    std::string kind;
    Values x;
    std::vector<double> weight, bias, mean, var;
    std::int64_t groups = 1, trailing = 1;  ///< GroupNorm's groups; how many last dimensions LayerNorm and RMSNorm cover
};

inline Values normalised(const NormInputs& in, double eps) {
    Values y = in.x;
    const Shape& shape = in.x.shape;
    const auto count = in.x.size();
    const bool batch = in.kind.starts_with("BatchNorm"), instance = in.kind.starts_with("InstanceNorm"), group = in.kind == "GroupNorm";
    const bool rms = in.kind == "RMSNorm", channels = batch || instance || group;
    if (channels && shape.rank() < 2) return y;
    std::size_t plane = 1, row = 1;
    for (int d = 2; d < shape.rank(); ++d) plane *= static_cast<std::size_t>(shape[d]);
    for (int d = std::max(0, shape.rank() - static_cast<int>(in.trailing)); d < shape.rank(); ++d)
        row *= static_cast<std::size_t>(shape[d]);
    const std::size_t c = channels ? static_cast<std::size_t>(shape[1]) : 1;
    const std::size_t per_group = std::max<std::size_t>(1, c / static_cast<std::size_t>(std::max<std::int64_t>(1, in.groups)));
    const auto channel = [&](std::size_t i) { return i / plane % c; };
    const auto statistic = [&](std::size_t i) {  // which mean and variance element i is normalised by
        if (batch) return channel(i);
        if (instance) return i / plane;
        return group ? i / plane / per_group : i / std::max<std::size_t>(1, row);
    };
    std::vector<double> mean, var, number;
    if (in.mean.empty()) {
        for (int pass = 0; pass < 2; ++pass)
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t s = statistic(i);
                if (s >= mean.size()) mean.resize(s + 1), var.resize(s + 1), number.resize(s + 1);
                if (pass == 0) mean[s] += in.x.data[i], number[s] += 1;
                if (pass == 1)
                    var[s] += (in.x.data[i] - (rms ? 0 : mean[s] / number[s])) * (in.x.data[i] - (rms ? 0 : mean[s] / number[s]));
            }
        for (std::size_t s = 0; s < mean.size(); ++s) {
            mean[s] = rms ? 0 : mean[s] / number[s];
            var[s] /= number[s];
        }
    } else {
        mean = in.mean;
        var = in.var;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t s = statistic(i), p = channels ? channel(i) : i % std::max<std::size_t>(1, row);
        if (s >= mean.size() || s >= var.size()) return y;
        y.data[i] = (in.x.data[i] - mean[s]) / std::sqrt(var[s] + eps);
        if (p < in.weight.size()) y.data[i] *= in.weight[p];
        if (p < in.bias.size()) y.data[i] += in.bias[p];
    }
    return y;
}

/// The eps with which the layer gives `y`; nothing when none of the usual ones does.
inline std::optional<double> fitting_eps(const NormInputs& in, const Values& y, double tolerance) {
    std::optional<double> best;
    double least = tolerance;
    for (const double eps : {1e-5, 1e-3, 1e-6, 1e-8, 1e-12, 1e-7, 1e-4, 1e-2, 0.0}) {
        const Values tried = normalised(in, eps);
        if (!(tried.shape == y.shape)) return {};
        if (const double gap = gap_between(tried, y).max_rel; gap < least) {
            least = gap;
            best = eps;
        }
    }
    return best;
}

}  // namespace headtorch::train::parity_detail
