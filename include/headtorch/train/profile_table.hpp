// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What a Profile measured, as rows, as a table, and as events of a trace.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch {

/// An optimiser's step is neither forward nor backward.
enum class ProfilePhase : std::uint8_t { forward, backward, step };

enum class ProfileSort : std::uint8_t { self, total, mean, calls, bytes, name };

struct ProfileTableOptions {
    ProfileSort sort_by = ProfileSort::self;  ///< the largest first; names from a to z
    bool by_module = false;                   ///< each op once for every module that calls it, modules by their time
    std::size_t limit = 0;                    ///< no more rows than this; 0: all
};

/// The calls of one op. Times in seconds.
struct ProfileRow {
    std::string name, module;  ///< module: its path, with by_module
    ProfilePhase phase = ProfilePhase::forward;
    std::int64_t calls = 0;
    double total = 0, self = 0;  ///< with the ops that it calls, and without them
    std::int64_t bytes = 0;      ///< allocated for tensors, also in the ops that it calls

    double mean() const { return calls > 0 ? total / static_cast<double>(calls) : 0; }
};

namespace train {

inline const char* name(ProfilePhase phase) {
    return phase == ProfilePhase::forward ? "forward" : phase == ProfilePhase::backward ? "backward" : "step";
}

inline void sort_profile_rows(std::vector<ProfileRow>& rows, ProfileSort by) {
    const auto value = [by](const ProfileRow& row) {
        switch (by) {
            case ProfileSort::total: return row.total;
            case ProfileSort::mean: return row.mean();
            case ProfileSort::calls: return static_cast<double>(row.calls);
            case ProfileSort::bytes: return static_cast<double>(row.bytes);
            case ProfileSort::name: return 0.0;
            default: return row.self;
        }
    };
    const auto module_time = [&rows](const std::string& module) {
        double sum = 0;
        for (const ProfileRow& row : rows)
            if (row.module == module) sum += row.self;
        return sum;
    };
    struct Entry {
        double module_time, value;
        ProfileRow row;
    };
    std::vector<Entry> entries;
    for (const ProfileRow& row : rows) entries.push_back({module_time(row.module), value(row), row});
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        if (a.module_time != b.module_time) return a.module_time > b.module_time;
        if (a.row.module != b.row.module) return a.row.module < b.row.module;
        if (a.value != b.value) return a.value > b.value;
        return a.row.name != b.row.name ? a.row.name < b.row.name : a.row.phase < b.row.phase;
    });
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::move(entries[i].row);
}

/// "1.23 ms"
inline std::string time_text(double seconds) {
    const char* unit = "s";
    double value = seconds;
    for (const char* smaller : {"ms", "us", "ns"}) {
        if (value >= 0.9995) break;
        value *= 1000;
        unit = smaller;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.*f %s", value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value, unit);
    return text;
}
/// "1.5 MiB"
inline std::string bytes_text(std::int64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    const char* unit = "KiB";
    double value = static_cast<double>(bytes) / 1024;
    for (const char* larger : {"MiB", "GiB", "TiB"}) {
        if (value < 1023.95) break;
        value /= 1024;
        unit = larger;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", value, unit);
    return text;
}

/// The rows below one another, and a line about the whole. `wall` and `in_ops` in seconds.
inline std::string profile_table(const std::vector<ProfileRow>& rows, double wall, double in_ops, const ProfileTableOptions& options) {
    const auto percent = [wall](double seconds) {
        char text[32];
        std::snprintf(text, sizeof text, "%.1f %%", wall > 0 ? 100 * seconds / wall : 0);
        return std::string(text);
    };
    std::vector<std::vector<std::string>> lines{{"op", "phase", "calls", "total", "self", "mean", "share", "bytes"}};
    const std::size_t count = options.limit ? std::min(options.limit, rows.size()) : rows.size();
    for (std::size_t i = 0; i < count; ++i) {
        const ProfileRow& row = rows[i];
        lines.push_back({row.name, name(row.phase), std::to_string(row.calls), time_text(row.total), time_text(row.self),
                         time_text(row.mean()), percent(row.self), bytes_text(row.bytes)});
    }
    if (options.by_module)
        for (std::size_t i = 0; i < lines.size(); ++i)
            lines[i].insert(lines[i].begin(), i == 0 ? "module" : rows[i - 1].module.empty() ? "-" : rows[i - 1].module);
    const std::size_t texts = options.by_module ? 3 : 2;  // columns of words, which begin on the left
    std::vector<std::size_t> widths(lines[0].size());
    for (const auto& line : lines)
        for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
    std::string table;
    for (const auto& line : lines) {
        for (std::size_t c = 0; c < line.size(); ++c) {
            const std::string space(widths[c] - line[c].size(), ' ');
            table += (c ? "  " : "") + (c < texts ? line[c] + space : space + line[c]);
        }
        table += "\n";
    }
    if (count < rows.size()) table += message(rows.size() - count, " more rows\n");
    const double outside = std::max(0.0, wall - in_ops);
    return table + message(time_text(wall), " in all: ", time_text(in_ops), " in ops (", percent(in_ops), "), ", time_text(outside),
                           " outside of them (", percent(outside), ")\n");
}

/// `text` between quotes, as JSON has it. What is no UTF-8 becomes U+FFFD.
inline std::string json_string(std::string_view text) {
    std::string result = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
        const unsigned c = byte(i);
        const std::size_t length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
        bool valid = length > 0;
        for (std::size_t k = 1; k < length; ++k) valid = valid && (byte(i + k) & 0xc0u) == 0x80;
        if (valid && length == 3) valid = !(c == 0xe0 && byte(i + 1) < 0xa0) && !(c == 0xed && byte(i + 1) >= 0xa0);
        if (valid && length == 4) valid = !(c == 0xf0 && byte(i + 1) < 0x90) && !(c == 0xf4 && byte(i + 1) >= 0x90);
        if (!valid) {
            result += "\\ufffd";
            ++i;
        } else if (c < 0x20 || c == '"' || c == '\\') {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", c);
            result += escape;
            ++i;
        } else {
            result += text.substr(i, length);
            i += length;
        }
    }
    return result + "\"";
}

/// One slice of a trace, in the format of chrome://tracing; times in nanoseconds.
inline std::string trace_event(std::string_view name, std::string_view category, std::string_view module, std::int64_t begin,
                               std::int64_t duration, std::int64_t bytes) {
    char times[96];
    std::snprintf(times, sizeof times, "\"ts\": %.3f, \"dur\": %.3f", 1e-3 * static_cast<double>(begin),
                  1e-3 * static_cast<double>(duration));
    return message("{\"name\": ", json_string(name), ", \"cat\": ", json_string(category), ", \"ph\": \"X\", ", times,
                   ", \"pid\": 1, \"tid\": 1, \"args\": {\"module\": ", json_string(module), ", \"bytes\": ", bytes, "}}");
}

}  // namespace train
}  // namespace headtorch
