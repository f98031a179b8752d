// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// make_classification: clusters at the corners of a hypercube, with useful and useless features. A given random_state gives the points of
/// scikit-learn's function of the same name (its matrix products: see matrix_product.hpp).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/data/matrix_product.hpp"
#include "headtorch/data/numpy_random.hpp"
#include "headtorch/data/synthetic.hpp"

namespace headtorch::data {

/// One number for all features, one for each, or drawn at random (std::nullopt).
class PerFeature {
public:
    PerFeature(double all) : values_{all} {}
    PerFeature(std::initializer_list<double> each) : values_(each), each_(true) {}
    PerFeature(std::vector<double> each) : values_(std::move(each)), each_(true) {}
    PerFeature(std::nullopt_t) {}

    bool is_random() const { return values_.empty() && !each_; }
    /// Throws ValueError when there is not one for each feature.
    std::vector<double> of(const char* what, std::int64_t features) const {
        if (each_ && static_cast<std::int64_t>(values_.size()) != features)
            throw ValueError(message("make_classification: ", what, " lists ", values_.size(), " numbers for ", features, " features"));
        return each_ ? values_ : std::vector<double>(static_cast<std::size_t>(features), values_[0]);
    }

private:
    std::vector<double> values_;
    bool each_ = false;
};

struct ClassificationOptions {
    std::int64_t n_features = 20;
    std::int64_t n_informative = 2;  ///< dimension of the hypercube
    std::int64_t n_redundant = 2;    ///< features that mix the informative ones
    std::int64_t n_repeated = 0;     ///< copies of informative and redundant ones; the features that remain are noise
    std::int64_t n_classes = 2;
    std::int64_t n_clusters_per_class = 2;
    std::vector<double> weights{};  ///< share of each class, or of all but the last; equal ones when empty
    double flip_y = 0.01;           ///< share of the points whose class is drawn anew
    double class_sep = 1;           ///< half the side of the hypercube
    bool hypercube = true;          ///< else the corners of a random polytope
    PerFeature shift = 0.0;         ///< added; std::nullopt: drawn from ±class_sep
    PerFeature scale = 1.0;         ///< then multiplied by; std::nullopt: drawn from 1 to 101
    bool shuffle = true;            ///< points and features
    RandomSource random_state{};
};

namespace detail {

/// `count` of the numbers 0, …, population - 1, all different, with scikit-learn's choice of method.
inline std::vector<std::int64_t> sample_without_replacement(std::int64_t population, std::int64_t count, RandomState& random) {
    const double ratio = static_cast<double>(count) / static_cast<double>(population);
    std::vector<std::int64_t> sample;
    if (ratio > 0.01 && ratio < 0.99) {
        (sample = random.permuted(population)).resize(static_cast<std::size_t>(count));
    } else if (ratio < 0.2) {
        std::unordered_set<std::int64_t> taken;
        while (static_cast<std::int64_t>(sample.size()) < count)
            if (const std::int64_t value = random.randint(population); taken.insert(value).second) sample.push_back(value);
    } else {  // a reservoir
        sample.resize(static_cast<std::size_t>(count));
        std::iota(sample.begin(), sample.end(), std::int64_t{0});
        for (std::int64_t i = count; i < population; ++i)
            if (const std::int64_t place = random.randint(i + 1); place < count) sample[static_cast<std::size_t>(place)] = i;
    }
    return sample;
}

/// Different corners of the hypercube, one row of zeros and ones each.
inline std::vector<double> hypercube_corners(std::int64_t count, std::int64_t dimensions, RandomState& random) {
    const std::int64_t low = std::min<std::int64_t>(dimensions, 30), high = dimensions - low;
    std::vector<double> corners(static_cast<std::size_t>(count * dimensions));
    const auto place = [&](std::int64_t row, std::int64_t column) -> double& {
        return corners[static_cast<std::size_t>(row * dimensions + column)];
    };
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t j = 0; j < high; ++j) place(i, j) = static_cast<double>(random.randint(2));
    const auto sample = sample_without_replacement(std::int64_t{1} << low, count, random);
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t j = 0; j < low; ++j)
            place(i, high + j) = static_cast<double>(sample[static_cast<std::size_t>(i)] >> (low - 1 - j) & 1);
    return corners;
}

inline void check(const ClassificationOptions& o, std::int64_t n) {
    const auto at_least = [](const char* name, std::int64_t value, std::int64_t least) {
        if (value < least) throw ValueError(message("make_classification: ", name, " must be at least ", least, ", but is ", value));
    };
    at_least("n_samples", n, 1);
    at_least("n_features", o.n_features, 1);
    at_least("n_informative", o.n_informative, 1);
    at_least("n_redundant", o.n_redundant, 0);
    at_least("n_repeated", o.n_repeated, 0);
    at_least("n_classes", o.n_classes, 1);
    at_least("n_clusters_per_class", o.n_clusters_per_class, 1);
    if (o.n_informative > o.n_features || o.n_redundant > o.n_features || o.n_repeated > o.n_features ||
        o.n_informative + o.n_redundant + o.n_repeated > o.n_features)
        throw ValueError(message("make_classification: ", o.n_informative, " informative, ", o.n_redundant, " redundant and ", o.n_repeated,
                                 " repeated features are more than n_features = ", o.n_features));
    if (static_cast<double>(o.n_informative) < std::log2(static_cast<double>(o.n_classes) * static_cast<double>(o.n_clusters_per_class)))
        throw ValueError(message("make_classification: ", o.n_classes, " classes of ", o.n_clusters_per_class,
                                 " clusters do not fit on the corners of a hypercube of ", o.n_informative, " dimensions"));
    const auto listed = static_cast<std::int64_t>(o.weights.size());
    if (listed != 0 && listed != o.n_classes && listed != o.n_classes - 1)
        throw ValueError(message("make_classification: weights lists ", listed, " shares for ", o.n_classes, " classes"));
    double sum = 0;
    for (const double weight : o.weights) {
        if (!(weight >= 0 && weight <= 1)) throw ValueError(message("make_classification: a weight must be in [0, 1], but is ", weight));
        sum += weight;
    }
    if (listed == o.n_classes - 1 && sum > 1)
        throw ValueError(message("make_classification: the weights sum to ", sum, ", which leaves nothing for the last class"));
    if (!(o.flip_y >= 0 && o.flip_y <= 1))
        throw ValueError(message("make_classification: flip_y must be in [0, 1], but is ", o.flip_y));
    if (!(o.class_sep > 0)) throw ValueError(message("make_classification: class_sep must be positive, but is ", o.class_sep));
}

/// Number of points of each cluster; cluster k is of class k % n_classes.
inline std::vector<std::int64_t> cluster_sizes(const ClassificationOptions& o, std::int64_t n) {
    std::vector<double> weights = o.weights;
    if (weights.empty()) weights.assign(static_cast<std::size_t>(o.n_classes), 1 / static_cast<double>(o.n_classes));
    if (static_cast<std::int64_t>(weights.size()) < o.n_classes)
        weights.push_back(1 - std::accumulate(weights.begin(), weights.end(), 0.0));
    const std::int64_t clusters = Shape{o.n_classes, o.n_clusters_per_class}.numel();
    std::vector<std::int64_t> sizes;
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < clusters; ++k) {
        const double share = static_cast<double>(n) * weights[static_cast<std::size_t>(k % o.n_classes)];
        sizes.push_back(static_cast<std::int64_t>(share / static_cast<double>(o.n_clusters_per_class)));
        sum += sizes.back();
    }
    for (std::int64_t i = 0; i < n - sum; ++i) ++sizes[static_cast<std::size_t>(i % clusters)];
    return sizes;
}

/// Writes the values, rows of `width`, into x from this row and column on.
inline void set_columns(Points& points, std::size_t first_row, std::size_t column, std::size_t width, const std::vector<double>& values) {
    const auto features = static_cast<std::size_t>(points.features);
    for (std::size_t i = 0; i < values.size(); ++i) points.x[(first_row + i / width) * features + column + i % width] = values[i];
}

inline std::vector<double> signed_uniform(std::size_t count, RandomState& random) {
    std::vector<double> values(count);
    for (double& value : values) value = 2 * random.random_sample() - 1;
    return values;
}

inline std::vector<double> standard_normals(std::size_t count, RandomState& random) {
    std::vector<double> values(count);
    for (double& value : values) value = random.standard_normal();
    return values;
}

/// Corners, points around them, mixed within each cluster.
inline void fill_clusters(Points& points, const ClassificationOptions& o, RandomState& random) {
    const auto sizes = cluster_sizes(o, static_cast<std::int64_t>(points.y.size()));
    const std::size_t n = points.y.size(), features = static_cast<std::size_t>(o.n_features);
    const auto useful = static_cast<std::size_t>(o.n_informative), clusters = sizes.size();
    std::vector<double> corners = hypercube_corners(static_cast<std::int64_t>(clusters), o.n_informative, random);
    for (double& value : corners) value = rounded(value * (2 * o.class_sep)) - o.class_sep;
    if (!o.hypercube) {
        for (std::size_t k = 0; k < clusters; ++k) {
            const double factor = random.random_sample();
            for (std::size_t j = 0; j < useful; ++j) corners[k * useful + j] *= factor;
        }
        for (std::size_t j = 0; j < useful; ++j) {
            const double factor = random.random_sample();
            for (std::size_t k = 0; k < clusters; ++k) corners[k * useful + j] *= factor;
        }
    }
    set_columns(points, 0, 0, useful, standard_normals(n * useful, random));
    std::size_t start = 0;
    for (std::size_t k = 0; k < clusters; ++k) {
        const std::size_t stop = std::min(n, start + static_cast<std::size_t>(sizes[k]));
        std::fill(points.y.begin() + static_cast<std::ptrdiff_t>(start), points.y.begin() + static_cast<std::ptrdiff_t>(stop),
                  static_cast<std::int64_t>(k) % o.n_classes);
        auto mixed = matrix_product(points.x.data() + start * features, stop - start, useful, features,
                                    signed_uniform(useful * useful, random), useful);
        for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] += corners[k * useful + i % useful];
        set_columns(points, start, 0, useful, mixed);
        start = stop;
    }
}

inline Points clusters_on_hypercube(std::int64_t samples, ClassificationOptions& o) {
    check(o, samples);
    const auto n = static_cast<std::size_t>(samples), features = static_cast<std::size_t>(o.n_features);
    Points points{o.n_features, std::vector<double>(static_cast<std::size_t>(Shape{samples, o.n_features}.numel())),
                  std::vector<std::int64_t>(n)};
    auto shift = o.shift.is_random() ? std::vector<double>() : o.shift.of("shift", o.n_features);
    auto scale = o.scale.is_random() ? std::vector<double>() : o.scale.of("scale", o.n_features);
    RandomState& random = o.random_state.get();
    fill_clusters(points, o, random);
    const auto useful = static_cast<std::size_t>(o.n_informative), redundant = static_cast<std::size_t>(o.n_redundant),
               repeated = static_cast<std::size_t>(o.n_repeated), noise = features - useful - redundant - repeated;
    if (redundant > 0) {
        const auto mix = signed_uniform(useful * redundant, random);
        set_columns(points, 0, useful, redundant, matrix_product(points.x.data(), n, useful, features, mix, redundant));
    }
    for (std::size_t r = 0; r < repeated; ++r) {
        const double place = rounded(static_cast<double>(useful + redundant - 1) * random.random_sample()) + 0.5;
        for (std::size_t i = 0; i < n; ++i)
            points.x[i * features + useful + redundant + r] = points.x[i * features + static_cast<std::size_t>(place)];
    }
    if (noise > 0) set_columns(points, 0, features - noise, noise, standard_normals(n * noise, random));
    std::vector<std::size_t> flipped;
    for (std::size_t i = 0; i < n; ++i)
        if (random.random_sample() < o.flip_y) flipped.push_back(i);
    for (const std::size_t i : flipped) points.y[i] = random.randint(o.n_classes);
    if (o.shift.is_random())
        for (double value : signed_uniform(features, random)) shift.push_back(value * o.class_sep);
    if (o.scale.is_random())
        for (std::size_t f = 0; f < features; ++f) scale.push_back(1 + rounded(100 * random.random_sample()));
    for (std::size_t i = 0; i < points.x.size(); ++i) points.x[i] = (points.x[i] + rounded(shift[i % features])) * scale[i % features];
    if (!o.shuffle) return points;
    shuffle_points(points, random);
    const auto order = random.permuted(o.n_features);
    const std::vector<double> before = points.x;
    for (std::size_t i = 0; i < points.x.size(); ++i)
        points.x[i] = before[i - i % features + static_cast<std::size_t>(order[i % features])];
    return points;
}

}  // namespace detail

/// Classes made of normally distributed clusters, hidden among useless features: `make_classification(500, {.n_features = 4,
/// .random_state = 0})`. Throws ValueError on numbers that do not fit.
template <Floating T = float>
Classification<T> make_classification(std::int64_t n_samples = 100, ClassificationOptions options = {}) {
    return detail::classification<T>(detail::clusters_on_hypercube(n_samples, options));
}

}  // namespace headtorch::data
