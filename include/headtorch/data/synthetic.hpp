// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Made-up data: make_moons, make_circles, make_blobs, make_regression. A given random_state gives the points of scikit-learn's functions
/// of the same names. All is computed in double and converted to T at the end.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/numpy_random.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::data {

/// How many points: in all, or in each class: `make_moons(100)`, `make_moons({30, 70})`.
class SampleCount {
public:
    SampleCount(std::integral auto total) : counts_{static_cast<std::int64_t>(total)} {}
    SampleCount(std::initializer_list<std::int64_t> counts) : SampleCount(std::vector<std::int64_t>(counts)) {}
    SampleCount(std::vector<std::int64_t> counts) : counts_(std::move(counts)), per_class_(true) {}

    bool per_class() const { return per_class_; }
    /// Numbers of points in `classes` classes: the given ones, or the total shared out evenly, the first classes taking what is left over.
    std::vector<std::int64_t> split(std::string_view op, std::int64_t classes) const {
        for (std::int64_t count : counts_)
            if (count < 0) throw ValueError(message(op, ": the number of points must not be negative, but is ", count));
        if (per_class_) {
            if (static_cast<std::int64_t>(counts_.size()) != classes)
                throw ValueError(message(op, ": n_samples lists ", counts_.size(), " classes, but there are ", classes));
            return counts_;
        }
        std::vector<std::int64_t> counts(static_cast<std::size_t>(classes), counts_[0] / classes);
        for (std::int64_t i = 0; i < counts_[0] % classes; ++i) ++counts[static_cast<std::size_t>(i)];
        return counts;
    }
    std::size_t classes() const { return counts_.size(); }

private:
    std::vector<std::int64_t> counts_;
    bool per_class_ = false;
};

/// Points and their classes: x is [n, features], y is [n].
template <Floating T>
struct Classification {
    Tensor<T, Cpu> x;
    Tensor<std::int64_t, Cpu> y;
};

struct MoonsOptions {
    bool shuffle = true;
    std::optional<double> noise{};  ///< standard deviation of what is added to the points
    RandomSource random_state{};
};

struct CirclesOptions {
    bool shuffle = true;
    std::optional<double> noise{};
    RandomSource random_state{};
    double factor = 0.8;  ///< radius of the inner circle, in [0, 1]; the outer one has 1
};

namespace detail {

/// Row-major points with classes, in double.
struct Points {
    std::int64_t features;
    std::vector<double> x;
    std::vector<std::int64_t> y;
};

/// Rows of `row` elements each, in the given order.
template <class T>
std::vector<T> reordered(const std::vector<T>& values, const std::vector<std::int64_t>& order, std::int64_t row) {
    std::vector<T> result;
    result.reserve(values.size());
    for (std::int64_t i : order) result.insert(result.end(), values.begin() + i * row, values.begin() + (i + 1) * row);
    return result;
}

inline void shuffle_points(Points& points, RandomState& random) {
    const auto order = random.permuted(static_cast<std::int64_t>(points.y.size()));
    points.x = reordered(points.x, order, points.features);
    points.y = reordered(points.y, order, 1);
}

/// `count` angles from 0 to `end`, which is the last of them or the one after it.
inline std::vector<double> angles(double end, std::int64_t count, bool with_end) {
    const std::int64_t steps = with_end ? count - 1 : count;
    const double step = steps > 0 ? end / static_cast<double>(steps) : end;
    std::vector<double> result;
    for (std::int64_t i = 0; i < count; ++i) result.push_back(rounded(static_cast<double>(i) * step));
    if (with_end && count > 1) result.back() = end;
    return result;
}

inline void shuffle_and_blur(std::string_view op, Points& points, bool shuffle, std::optional<double> noise, RandomSource& source) {
    if (noise && !(*noise >= 0)) throw ValueError(message(op, ": noise must not be negative, but is ", *noise));
    RandomState& random = source.get();
    if (shuffle) shuffle_points(points, random);
    if (noise)
        for (double& value : points.x) value += random.normal(0, *noise);
}

/// The smaller half first, as scikit-learn does.
inline std::pair<std::int64_t, std::int64_t> two_classes(std::string_view op, const SampleCount& samples) {
    const auto counts = samples.split(op, 2);
    return samples.per_class() ? std::pair(counts[0], counts[1]) : std::pair(counts[1], counts[0]);
}

inline Points moons(const SampleCount& samples, MoonsOptions& options) {
    const auto [outer, inner] = two_classes("make_moons", samples);
    Points points{2, {}, {}};
    for (double angle : angles(std::numbers::pi, outer, true)) points.x.insert(points.x.end(), {std::cos(angle), std::sin(angle)});
    for (double angle : angles(std::numbers::pi, inner, true))
        points.x.insert(points.x.end(), {1 - std::cos(angle), 1 - std::sin(angle) - 0.5});
    points.y.assign(static_cast<std::size_t>(outer), 0);
    points.y.resize(static_cast<std::size_t>(outer + inner), 1);
    shuffle_and_blur("make_moons", points, options.shuffle, options.noise, options.random_state);
    return points;
}

inline Points circles(const SampleCount& samples, CirclesOptions& options) {
    if (!(options.factor >= 0 && options.factor <= 1))
        throw ValueError(message("make_circles: factor must be in [0, 1], but is ", options.factor));
    const auto [outer, inner] = two_classes("make_circles", samples);
    Points points{2, {}, {}};
    for (double angle : angles(2 * std::numbers::pi, outer, false)) points.x.insert(points.x.end(), {std::cos(angle), std::sin(angle)});
    for (double angle : angles(2 * std::numbers::pi, inner, false))
        points.x.insert(points.x.end(), {rounded(std::cos(angle) * options.factor), rounded(std::sin(angle) * options.factor)});
    points.y.assign(static_cast<std::size_t>(outer), 0);
    points.y.resize(static_cast<std::size_t>(outer + inner), 1);
    shuffle_and_blur("make_circles", points, options.shuffle, options.noise, options.random_state);
    return points;
}

/// A tensor of the values, converted.
template <Scalar T, class Value>
Tensor<T, Cpu> tensor_of(const std::vector<Value>& values, const Shape& shape) {
    Tensor<T, Cpu> result = empty<T, Cpu>(shape);
    std::transform(values.begin(), values.end(), result.data(), [](Value value) { return static_cast<T>(value); });
    return result;
}

template <Floating T>
Classification<T> classification(const Points& points) {
    const auto count = static_cast<std::int64_t>(points.y.size());
    return {tensor_of<T>(points.x, {count, points.features}), tensor_of<std::int64_t>(points.y, {count})};
}

}  // namespace detail

/// Two half circles that reach into each other: class 0 the upper, 1 the lower. `auto [x, y] = make_moons(1000, {.noise = 0.3});`
/// Throws ValueError on a negative number or noise.
template <Floating T = float>
Classification<T> make_moons(const SampleCount& n_samples = 100, MoonsOptions options = {}) {
    return detail::classification<T>(detail::moons(n_samples, options));
}

/// A circle of radius 1 (class 0) around one of radius `factor` (class 1). Throws ValueError on a negative number or noise, or a factor
/// outside [0, 1].
template <Floating T = float>
Classification<T> make_circles(const SampleCount& n_samples = 100, CirclesOptions options = {}) {
    return detail::classification<T>(detail::circles(n_samples, options));
}

// --- blobs ------------------------------------------------------------------------------------------------------------

/// Where the blobs are: their number (drawn in the center_box), or a tensor [blobs, features].
class BlobCenters {
public:
    BlobCenters() = default;  ///< as many as n_samples lists, or 3
    BlobCenters(std::integral auto count) : count_(static_cast<std::int64_t>(count)) {}
    template <Floating T>
    BlobCenters(const Tensor<T, Cpu>& positions) {
        if (positions.dim() != 2)
            throw ShapeError(message("make_blobs: centers must be [blobs, features], but their shape is ", positions.shape()));
        count_ = positions.size(0);
        features_ = positions.size(1);
        for (std::int64_t i = 0; i < *count_; ++i)
            for (std::int64_t j = 0; j < *features_; ++j)
                positions_.push_back(static_cast<double>(positions.data()[i * positions.stride(0) + j * positions.stride(1)]));
    }

    std::optional<std::int64_t> count() const { return count_; }
    /// Only when positions are given.
    std::optional<std::int64_t> features() const { return features_; }
    const std::vector<double>& positions() const { return positions_; }

private:
    std::optional<std::int64_t> count_, features_;
    std::vector<double> positions_;
};

/// One number for all blobs, or one for each.
class BlobSpread {
public:
    BlobSpread(double all) : values_{all} {}
    BlobSpread(std::initializer_list<double> each) : values_(each), each_(true) {}
    BlobSpread(std::vector<double> each) : values_(std::move(each)), each_(true) {}

    /// Throws ValueError on a negative one, or when there is not one for each blob.
    std::vector<double> of(std::int64_t blobs) const {
        if (each_ && static_cast<std::int64_t>(values_.size()) != blobs)
            throw ValueError(message("make_blobs: cluster_std lists ", values_.size(), " numbers for ", blobs, " blobs"));
        for (double value : values_)
            if (!(value >= 0)) throw ValueError(message("make_blobs: cluster_std must not be negative, but is ", value));
        return each_ ? values_ : std::vector<double>(static_cast<std::size_t>(blobs), values_[0]);
    }

private:
    std::vector<double> values_;
    bool each_ = false;
};

/// The interval that each coordinate of a centre is drawn from.
struct CenterBox {
    double low = -10, high = 10;
};

struct BlobsOptions {
    std::int64_t n_features = 2;
    BlobCenters centers{};
    BlobSpread cluster_std = 1.0;
    CenterBox center_box{};
    bool shuffle = true;
    RandomSource random_state{};
};

/// Points, their blobs, and the centres [blobs, features].
template <Floating T>
struct ClassificationWithCenters {
    Tensor<T, Cpu> x;
    Tensor<std::int64_t, Cpu> y;
    Tensor<T, Cpu> centers;
};

namespace detail {

inline std::pair<Points, std::vector<double>> blobs(const SampleCount& samples, BlobsOptions& options) {
    const std::int64_t features = options.centers.features().value_or(options.n_features);
    const std::int64_t count = options.centers.count().value_or(samples.per_class() ? static_cast<std::int64_t>(samples.classes()) : 3);
    if (features < 1) throw ValueError(message("make_blobs: n_features must be at least 1, but is ", features));
    if (count < 1) throw ValueError(message("make_blobs: centers must be at least 1, but is ", count));
    const auto sizes = samples.split("make_blobs", count);
    const auto spreads = options.cluster_std.of(count);
    const auto cells = static_cast<std::size_t>(Shape{count, features}.numel());
    RandomState& random = options.random_state.get();
    std::vector<double> centers = options.centers.positions();
    if (!options.centers.features())
        for (std::size_t i = 0; i < cells; ++i) centers.push_back(random.uniform(options.center_box.low, options.center_box.high));
    Points points{features, {}, {}};
    for (std::int64_t c = 0; c < count; ++c)
        for (std::int64_t i = 0; i < sizes[static_cast<std::size_t>(c)]; ++i) {
            points.y.push_back(c);
            for (std::int64_t f = 0; f < features; ++f)
                points.x.push_back(
                    random.normal(centers[static_cast<std::size_t>(c * features + f)], spreads[static_cast<std::size_t>(c)]));
        }
    if (options.shuffle) shuffle_points(points, random);
    return {std::move(points), std::move(centers)};
}

}  // namespace detail

/// Normally distributed clouds around some centres; y is the cloud. `make_blobs(200, {.centers = 4, .cluster_std = 0.15})`.
/// Throws ValueError on numbers that do not fit.
template <Floating T = float>
Classification<T> make_blobs(const SampleCount& n_samples = 100, BlobsOptions options = {}) {
    return detail::classification<T>(detail::blobs(n_samples, options).first);
}

/// The same, with the centres: scikit-learn's return_centers.
template <Floating T = float>
ClassificationWithCenters<T> make_blobs_with_centers(const SampleCount& n_samples = 100, BlobsOptions options = {}) {
    const auto [points, centers] = detail::blobs(n_samples, options);
    auto [x, y] = detail::classification<T>(points);
    return {x, y, detail::tensor_of<T>(centers, {static_cast<std::int64_t>(centers.size()) / points.features, points.features})};
}

}  // namespace headtorch::data
