// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What check_parity() found. Part of train/parity.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/train/parity/values.hpp"

namespace headtorch::train {

/// `differs`: by itself, its inputs being PyTorch's. `inherits`: only because of what comes before it.
enum class ParityVerdict : std::uint8_t { same, differs, inherits, not_compared };

/// One comparison. `max_rel` is the largest difference over the largest magnitude of what PyTorch has.
struct ParityRow {
    std::string layer, type;
    std::string what;  ///< "output", "loss", "gradient of weight", "weight after 3 steps", …
    double max_abs = 0, max_rel = 0;
    ParityVerdict verdict = ParityVerdict::same;
};

/// The first thing that differs, and why, as far as can be told.
struct ParityDifference {
    std::string layer;  ///< path of the module, "" for the net itself
    std::string type;   ///< its class in PyTorch
    std::string what;   ///< "output", "input", "weight", "loss", "gradient of weight", …
    std::string cause;  ///< "" when none is known
    double max_abs = 0, max_rel = 0;
    IntList position{};  ///< where it is largest
    double here = 0, there = 0;
    std::string text;  ///< one sentence, without the cause
};

struct ParityReport {
    bool ok = true;
    std::optional<ParityDifference> first_difference;
    std::vector<ParityRow> rows;
    std::vector<std::string> notes;
    std::string text;  ///< all of it, to print

    explicit operator bool() const { return ok; }
    const std::string& to_string() const { return text; }
};

template <class Stream>
    requires requires(Stream& out, const std::string& text) { out << text; }
Stream& operator<<(Stream& out, const ParityReport& report) {
    out << report.text;
    return out;
}

namespace parity_detail {

inline std::string layer_name(const std::string& path, const std::string& type) {
    if (path.empty()) return message("the net (", type, ")");
    return type.empty() ? path : message(path, " (", type, ")");
}

/// A difference between two tensors of one shape.
inline ParityDifference difference_of(std::string layer, std::string type, std::string what, const Gap& gap, const Shape& shape) {
    ParityDifference d{std::move(layer), std::move(type), std::move(what), "", gap.max_abs, gap.max_rel, position_of(shape, gap.at),
                       gap.here, gap.there, ""};
    char relative[32];
    std::snprintf(relative, sizeof relative, "%.2g", 100 * gap.max_rel);
    d.text = message(layer_name(d.layer, d.type), ": its ", d.what, " differs by ", short_number(d.max_abs), " (", relative,
                     " % of the largest value)", shape.rank() > 0 ? message(", most at ", d.position) : "", ": ", message(d.here),
                     " here, ", message(d.there), " in PyTorch");
    return d;
}

/// The table and the sentences.
inline std::string report_text(const ParityReport& report, const std::string& title) {
    std::string text = title + "\n";
    if (report.first_difference) {
        text += "first difference: " + report.first_difference->text + "\n";
        const std::string& cause = report.first_difference->cause;
        text += "likely cause: " + (cause.empty() ? "none that can be told" : cause) + "\n";
    } else {
        text += "no difference\n";
    }
    // Of gradients and weights only those that differ have lines of their own.
    constexpr std::string_view many[] = {"gradient", "change"}, called[] = {"gradients", "weights and buffers after optimiser steps"};
    std::size_t counts[2] = {};
    double largest[2] = {};
    std::vector<std::vector<std::string>> lines{{"layer", "type", "compared", "difference", "relative", ""}};
    for (const ParityRow& row : report.rows) {
        bool counted = false;
        for (std::size_t k = 0; k < 2; ++k)
            if (row.verdict == ParityVerdict::same && row.what.starts_with(many[k])) {
                counted = true;
                ++counts[k];
                largest[k] = std::max(largest[k], row.max_rel);
            }
        if (counted) continue;
        constexpr std::string_view verdicts[] = {"same", "DIFFERS", "inherits it", "not compared"};
        const bool compared = row.verdict != ParityVerdict::not_compared;
        lines.push_back({row.layer.empty() ? "." : row.layer, row.type, row.what, compared ? short_number(row.max_abs) : "",
                         compared ? short_number(row.max_rel) : "", std::string(verdicts[static_cast<std::size_t>(row.verdict)])});
    }
    std::vector<std::size_t> widths(lines[0].size());
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    text += "\n";
    for (const auto& line : lines) {
        std::string row = " ";
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string gap(widths[i] - line[i].size(), ' ');
            row += " " + (i == 3 || i == 4 ? gap + line[i] : line[i] + gap) + " ";
        }
        text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
    }
    for (std::size_t k = 0; k < 2; ++k)
        if (counts[k] > 0)
            text += message(called[k], ": ", counts[k], " the same, to ", short_number(largest[k]), " of the largest value\n");
    for (const std::string& note : report.notes) text += "note: " + note + "\n";
    return text;
}

}  // namespace parity_detail
}  // namespace headtorch::train
