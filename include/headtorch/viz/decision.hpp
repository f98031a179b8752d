// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a classifier says on a lattice of points in the plane, and where its verdict changes.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/tensor.hpp"
#include "headtorch/viz/axis.hpp"
#include "headtorch/viz/text.hpp"

namespace headtorch::viz::detail {

/// Points in rows, from the bottom left.
struct Lattice {
    int side = 0;
    std::array<double, 2> low{}, high{};

    std::int64_t count() const { return std::int64_t{side} * side; }
    double at(std::int64_t index, std::size_t axis) const {
        const auto step = static_cast<double>(axis == 0 ? index % side : index / side);
        return low[axis] + (high[axis] - low[axis]) * step / (side - 1);
    }
};

/// A lattice over points (x, y, x, y, …) and a little more.
inline Lattice lattice_around(const std::vector<double>& xy, int side) {
    Lattice lattice{side};
    for (std::size_t d = 0; d < 2; ++d) {
        Extent extent;
        for (std::size_t i = d; i < xy.size(); i += 2) extent.add(xy[i]);
        const double margin = extent.high > extent.low ? 0.08 * (extent.high - extent.low) : 1;
        lattice.low[d] = extent.low - margin;
        lattice.high[d] = extent.high + margin;
    }
    return lattice;
}

/// The share that each class has of each point, [points, classes].
struct Decision {
    std::size_t classes = 0;
    std::vector<double> shares;

    const double* row(std::int64_t point) const { return shares.data() + static_cast<std::size_t>(point) * classes; }
    /// The class, and how sure that is: 0 when all are alike, 1 when there is no doubt.
    std::pair<std::size_t, double> verdict(std::int64_t point) const {
        const double* share = row(point);
        const auto best = static_cast<std::size_t>(std::max_element(share, share + classes) - share);
        const double even = 1 / static_cast<double>(classes);
        return {best, classes < 2 ? 1 : std::clamp((share[best] - even) / (1 - even), 0.0, 1.0)};
    }
    /// Positive where the point belongs to class `c`, by how much.
    double lead(std::int64_t point, std::size_t c) const {
        double other = 0;
        for (std::size_t k = 0; k < classes; ++k)
            if (k != c) other = std::max(other, row(point)[k]);
        return row(point)[c] - other;
    }
};

inline Decision decision_of(const Tensor<std::int64_t, Cpu>& labels, std::int64_t count) {
    if (labels.numel() != count) throw ShapeError(message("regions: the classifier returned ", labels.shape(), " for ", count, " points"));
    const auto values = labels.tolist();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const std::int64_t shift = std::min<std::int64_t>(0, *low);
    if (*high - shift > 1000) throw ValueError(message("regions: the classifier returned class ", *high, "; 1000 at most can be drawn"));
    Decision decision{static_cast<std::size_t>(*high - shift) + 1, {}};
    decision.shares.resize(values.size() * decision.classes);
    for (std::size_t i = 0; i < values.size(); ++i) decision.shares[i * decision.classes + static_cast<std::size_t>(values[i] - shift)] = 1;
    return decision;
}

/// One column: probabilities of class 1. Several: probabilities, or scores that softmax makes so.
inline Decision decision_of(const std::vector<double>& values, std::size_t columns) {
    Decision decision{std::max<std::size_t>(2, columns), {}};
    for (std::size_t i = 0; i < values.size(); i += columns) {
        if (columns == 1) {
            const double p = std::isnan(values[i]) ? 0 : std::clamp(values[i], 0.0, 1.0);
            decision.shares.insert(decision.shares.end(), {1 - p, p});
            continue;
        }
        const double* row = values.data() + i;
        double sum = 0, greatest = -INFINITY;
        bool shares = true;
        for (std::size_t c = 0; c < columns; ++c) {
            shares = shares && row[c] >= 0;
            sum += row[c];
            if (row[c] > greatest) greatest = row[c];
        }
        shares = shares && std::abs(sum - 1) < 1e-3;
        double total = 0;
        for (std::size_t c = 0; c < columns; ++c) total += std::isfinite(row[c]) ? std::exp(row[c] - greatest) : 0;
        for (std::size_t c = 0; c < columns; ++c)
            decision.shares.push_back(shares ? row[c] : std::isfinite(row[c]) && total > 0 ? std::exp(row[c] - greatest) / total : 0);
    }
    return decision;
}

template <Floating T>
Decision decision_of(const Tensor<T, Cpu>& scores, std::int64_t count) {
    const std::int64_t columns = scores.dim() == 2 ? scores.size(1) : 1;
    if (columns < 1 || scores.numel() != count * columns)
        throw ShapeError(message("regions: the classifier returned ", scores.shape(), " for ", count, " points"));
    std::vector<double> values;
    for (T value : scores.tolist()) values.push_back(static_cast<double>(value));
    return decision_of(values, static_cast<std::size_t>(columns));
}

/// Where the lead of a class changes its sign, as pieces of line ("x y" twice, then an empty line): marching squares.
inline std::string boundary_of(const Lattice& lattice, const Decision& decision) {
    std::string pieces;
    const std::size_t last = decision.classes == 2 ? 1 : decision.classes;  // of two classes one boundary
    std::vector<double> lead(static_cast<std::size_t>(lattice.count()));
    for (std::size_t c = 0; c < last; ++c) {
        for (std::int64_t i = 0; i < lattice.count(); ++i) lead[static_cast<std::size_t>(i)] = decision.lead(i, c);
        const auto above = [&](std::int64_t i) { return lead[static_cast<std::size_t>(i)] > 0; };
        const auto crossing = [&](std::int64_t a, std::int64_t b) {
            const double u = lead[static_cast<std::size_t>(a)], v = lead[static_cast<std::size_t>(b)], t = u / (u - v);
            std::string point;
            for (std::size_t d = 0; d < 2; ++d)
                point += number(lattice.at(a, d) + (lattice.at(b, d) - lattice.at(a, d)) * t) + (d ? "\n" : " ");
            return point;
        };
        for (std::int64_t y = 0; y + 1 < lattice.side; ++y)
            for (std::int64_t x = 0; x + 1 < lattice.side; ++x) {
                const std::int64_t corner = y * lattice.side + x;
                const std::array<std::int64_t, 5> ring = {corner, corner + 1, corner + lattice.side + 1, corner + lattice.side, corner};
                std::vector<std::string> ends;  // none, two or four
                for (std::size_t i = 0; i < 4; ++i)
                    if (above(ring[i]) != above(ring[i + 1])) ends.push_back(crossing(ring[i], ring[i + 1]));
                for (std::size_t i = 0; i + 1 < ends.size(); i += 2) pieces += ends[i] + ends[i + 1] + "\n";
            }
    }
    return pieces;
}

}  // namespace headtorch::viz::detail
