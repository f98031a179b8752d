// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The table that summary() returns: what it holds, and how it is printed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/shape.hpp"

namespace headtorch {

/// A call of a layer, or a layer with parameters that was not called.
struct SummaryRow {
    std::string path;   ///< "layer1.0.conv1"; "" for the network itself, and for a layer that is no member of it
    std::string layer;  ///< its class
    int depth = 0;      ///< how many calls are around this one
    bool called = true;
    bool again = false;  ///< a further call of a layer that has a row above
    std::vector<Shape> inputs, outputs;
    std::int64_t parameters = 0;     ///< its own, without those of layers below and those of rows above
    std::int64_t trainable = 0;      ///< those of them that require a gradient
    std::int64_t multiply_adds = 0;  ///< of products and convolutions, without those of layers below
};

/// See summary() in viz/summary.hpp.
struct Summary {
    std::vector<SummaryRow> rows;
    std::vector<Shape> inputs;
    std::int64_t total_parameters = 0, trainable_parameters = 0, frozen_parameters = 0;
    std::int64_t multiply_adds = 0;
    // in bytes
    std::size_t input_bytes = 0;
    std::size_t parameter_bytes = 0, buffer_bytes = 0;
    std::size_t activation_bytes = 0;  ///< what layers put out; memory that several outputs share counts once
    std::size_t tape_bytes = 0;        ///< what backward() needs, inputs included, parameters and buffers not

    /// The table. Layers with more than `depth` calls around them are left out, and their numbers added to the row above.
    std::string to_string(int depth = 1000) const;
};

namespace viz::detail {

/// 62,006
inline std::string with_commas(std::int64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3 + (number < 0);) text.insert(at -= 3, 1, ',');
    return text;
}
/// 242.2 KiB
inline std::string readable_bytes(std::size_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1023.95 && unit < 3; ++unit) value /= 1024;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", value, units[unit]);
    return text;
}
/// Columns that UTF-8 text takes.
inline std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}
inline std::string flush_left(std::string_view text, std::size_t width) {
    return std::string(text) + std::string(width - std::min(width, width_of(text)), ' ');
}
inline std::string flush_right(std::string_view text, std::size_t width) {
    return std::string(width - std::min(width, width_of(text)), ' ') + std::string(text);
}
inline std::string shapes_text(const std::vector<Shape>& shapes) {
    std::string text;
    for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.to_string();
    return text;
}

/// "layer1.0" below the network, "0" below layer1; the class alone when it has no path.
inline std::string row_name(const SummaryRow& row, const std::string& outer) {
    if (row.path.empty()) return row.layer;
    const bool inside = !outer.empty() && row.path.size() > outer.size() && row.path[outer.size()] == '.' && row.path.starts_with(outer);
    return (inside ? row.path.substr(outer.size() + 1) : row.path) + " (" + row.layer + ")";
}

/// The rows as lines of four columns.
inline std::vector<std::vector<std::string>> summary_lines(const std::vector<SummaryRow>& rows) {
    std::vector<std::vector<std::string>> lines;
    std::vector<std::string> outer;  // paths of the rows around the next one
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const SummaryRow& row = rows[i];
        const auto depth = static_cast<std::size_t>(row.depth);
        outer.resize(depth);
        std::string bars, more_bars;  // before the name, and before what follows below it
        for (std::size_t level = 1; level <= depth; ++level) {
            std::size_t next = i + 1;
            while (next < rows.size() && static_cast<std::size_t>(rows[next].depth) > level) ++next;
            const bool goes_on = next < rows.size() && static_cast<std::size_t>(rows[next].depth) == level;
            more_bars += goes_on ? "\u2502  " : "   ";
            bars += level < depth ? (goes_on ? "\u2502  " : "   ") : (goes_on ? "\u251C\u2500 " : "\u2514\u2500 ");
        }
        if (i + 1 < rows.size() && rows[i + 1].depth > row.depth) more_bars += "\u2502";
        std::string parameters = row.parameters ? with_commas(row.parameters) : row.again ? "again" : "--";
        if (row.parameters && row.trainable == 0) parameters = "frozen " + parameters;
        lines.push_back({bars + row_name(row, outer.empty() ? "" : outer.back()),
                         !row.called ? "(not called)" : row.outputs.empty() ? "--" : row.outputs[0].to_string(), parameters,
                         row.multiply_adds ? with_commas(row.multiply_adds) : "--"});
        for (std::size_t k = 1; k < row.outputs.size(); ++k) lines.push_back({more_bars, row.outputs[k].to_string(), "", ""});
        outer.push_back(row.path);
    }
    return lines;
}

}  // namespace viz::detail

inline std::string Summary::to_string(int depth) const {
    namespace text = viz::detail;
    std::vector<SummaryRow> shown;
    for (const SummaryRow& row : rows) {
        if (row.depth <= depth || shown.empty()) {
            shown.push_back(row);
            continue;
        }
        shown.back().parameters += row.parameters;
        shown.back().trainable += row.trainable;
        shown.back().multiply_adds += row.multiply_adds;
    }
    std::vector<std::vector<std::string>> lines = text::summary_lines(shown);
    lines.insert(lines.begin(), {"Layer", "Output shape", "Parameters", "Multiply-adds"});
    std::size_t widths[4] = {0, 0, 0, 0};
    for (const auto& line : lines)
        for (std::size_t k = 0; k < 4; ++k) widths[k] = std::max(widths[k], text::width_of(line[k]));
    const std::size_t width = widths[0] + widths[1] + widths[2] + widths[3] + 9;
    const std::string rule = std::string(width, '-') + "\n";
    std::string table = rule;
    for (const auto& line : lines) {
        std::string row = text::flush_left(line[0], widths[0]) + "   " + text::flush_left(line[1], widths[1]) + "   " +
                          text::flush_right(line[2], widths[2]) + "   " + text::flush_right(line[3], widths[3]);
        row.erase(row.find_last_not_of(' ') + 1);
        table += row + "\n";
        if (&line == &lines.front()) table += rule;
    }
    const auto fact = [&](std::string_view name, const std::string& value, std::string_view remark = "") {
        table += text::flush_left(name, 20) + text::flush_right(value, 16) + (remark.empty() ? "" : "   ") + std::string(remark) + "\n";
    };
    table += rule;
    fact("Parameters", text::with_commas(total_parameters));
    fact("  trainable", text::with_commas(trainable_parameters));
    fact("  frozen", text::with_commas(frozen_parameters));
    fact("Multiply-adds", text::with_commas(multiply_adds), "forward");
    table += rule;
    fact("Memory: input", text::readable_bytes(input_bytes), text::shapes_text(inputs));
    fact("  parameters", text::readable_bytes(parameter_bytes));
    fact("  buffers", text::readable_bytes(buffer_bytes));
    fact("  activations", text::readable_bytes(activation_bytes), "what layers put out");
    fact("  tape", text::readable_bytes(tape_bytes), "what backward needs");
    return table + rule;
}

template <class Stream>
    requires requires(Stream& out, const std::string& text) { out << text; }
Stream& operator<<(Stream& out, const Summary& summary) {
    out << summary.to_string();
    return out;
}

}  // namespace headtorch
