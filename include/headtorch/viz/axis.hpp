// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where an axis begins and ends, and what stands at its tics.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/viz/text.hpp"

namespace headtorch::viz::detail {

/// 1, 2 or 5 times a power of ten: steps of that size divide `length` into about `parts`.
inline double nice_step(double length, double parts) {
    const double rough = length / parts, power = std::pow(10, std::floor(std::log10(rough)));
    const double share = rough / power;
    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

inline bool any_finite(const std::vector<double>& values) {
    return std::any_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

/// The numbers seen along one axis.
struct Extent {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    double positive = low;  ///< the least above zero

    void add(double value) {
        if (!std::isfinite(value)) return;
        low = std::min(low, value);
        high = std::max(high, value);
        if (value > 0) positive = std::min(positive, value);
    }
    bool empty() const { return !(low <= high); }
};

/// What an axis of a figure needs to be told.
struct Axis {
    std::string script;       ///< range and tics
    std::size_t longest = 0;  ///< letters of the longest label
    std::string factor;       ///< "×10⁻⁴", by which the labels are to be multiplied, or ""
};

/// Tics with labels, as gnuplot lists them.
class Tics {
public:
    explicit Tics(std::string axis) : axis_(std::move(axis)) {}
    void add(double at, const std::string& label, bool minor = false) {
        list_ += (list_.empty() ? "" : ", ") + tic_text(label) + " " + number(at) + (minor ? " 1" : "");
        longest_ = std::max(longest_, columns(label));
        if (!label.empty()) ++labels_;
    }
    std::size_t longest() const { return longest_; }
    std::size_t labels() const { return labels_; }
    std::string script() const { return "set " + axis_ + "tics nomirror (" + list_ + ")\n"; }

private:
    std::string axis_, list_;
    std::size_t longest_ = 0, labels_ = 0;
};

/// Tics at multiples of `step`, with as many places as that has. Labels are divided by `scale`.
HEADTORCH_COLD inline Tics linear_tics(const std::string& axis, double low, double high, double step, double scale) {
    Tics tics(axis);
    const int places = std::max(0, -static_cast<int>(std::floor(std::log10(step / scale) + 1e-9)));
    const double slack = 1e-9 * (high - low);
    for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i)
        tics.add(i * step, readable_fixed(i == 0 ? 0 : i * step / scale, places));
    return tics;
}

/// Tics of a logarithmic axis: powers of ten, and 1, 2, 5 between them when there are few.
HEADTORCH_COLD inline Tics log_tics(const std::string& axis, double low, double high, double room) {
    Tics tics(axis);
    const auto add = [&](double at, const std::string& label, bool minor = false) {
        if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9)) tics.add(at, label, minor);
    };
    const double decades = std::log10(high / low);
    const int from = static_cast<int>(std::floor(std::log10(low))), to = static_cast<int>(std::ceil(std::log10(high)));
    const int step = std::max(1, static_cast<int>(std::ceil((to - from) / std::clamp(room, 2.0, 9.0))));
    const bool plain = from >= -3 && to <= 3, between = decades < 2 && (plain || room > 3);
    for (int e = from; e <= to; ++e) {
        const double power = std::pow(10, e);
        for (int m = 1; m < 10; ++m) {
            const bool named = m == 1 ? (e - from) % step == 0 : between && (m == 2 || m == 5);
            const std::string times = m == 1 ? "" : std::to_string(m) + "\u00D7";
            if (named)
                add(m * power, plain ? readable(m * power) : times + power_of_ten(e));
            else if (step == 1 || m == 1)
                add(m * power, "", true);
        }
    }
    return tics;
}

/// The range of an axis, a little more than the numbers need (`margin` of their length), and its tics. `ems` is its length in heights of
/// letters. Throws ValueError when there is nothing to show.
HEADTORCH_COLD inline Axis axis_of(const std::string& axis, const Extent& extent, bool logarithmic, bool integer, double margin,
                                   double ems) {
    if (extent.empty()) throw ValueError("viz: there is no finite number to draw");
    double low = extent.low, high = extent.high;
    Axis result;
    const auto room = [&](std::size_t letters) { return axis == "x" ? 0.6 * static_cast<double>(letters) + 1.4 : 2.4; };  // of one label
    const auto take = [&](const Tics& tics) {
        result.script += tics.script();
        result.longest = tics.longest();
    };
    bool powers = false;
    if (logarithmic) {
        if (!std::isfinite(extent.positive)) throw ValueError(message("viz: a logarithmic ", axis, " axis needs positive numbers"));
        low = extent.positive;
        const double widening = high > low ? std::pow(high / low, margin) : 2;
        low /= widening;
        high *= widening;
        result.script = "set logscale " + axis + "\n";
        powers = high / low > 5;
        if (powers) take(log_tics(axis, low, high, ems / room(4)));
    } else {
        const double length = high - low, least = 1e-9 * std::max(std::abs(low), std::abs(high));
        const double widening = length > least ? margin * length : high == 0 || integer ? 1 : 0.05 * std::abs(high);
        low -= widening;
        high += widening;
    }
    if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low))
        throw ValueError("viz: the numbers are too large to draw");
    const double most = std::max(std::abs(low), std::abs(high));
    double scale = 1;
    if (!powers && (most >= 1e6 || most < 2e-3)) {
        const double exponent = std::floor(std::log10(most));
        scale = std::pow(10, exponent);
        result.factor = "\u00D7" + power_of_ten(static_cast<int>(exponent));
    }
    for (double parts = 10; !powers; --parts) {
        const double step = nice_step(high - low, parts);
        const Tics tics = linear_tics(axis, low, high, integer ? std::max(1.0, step) : step, scale);
        if (parts > 2 && static_cast<double>(tics.labels()) * room(tics.longest()) > ems) continue;
        take(tics);
        break;
    }
    result.script += "set " + axis + "range [" + number(low) + ":" + number(high) + "]\n";
    return result;
}

}  // namespace headtorch::viz::detail
