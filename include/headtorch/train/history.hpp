// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What happened in training: one row of named numbers for each epoch.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/train/numbers.hpp"

namespace headtorch::train {

class History {
public:
    using Metrics = std::initializer_list<std::pair<std::string_view, double>>;

    History() = default;
    /// The number of the first epoch, for a training that goes on where another one ended.
    explicit History(std::size_t first_epoch) : first_epoch_(first_epoch) {}

    /// Adds an epoch: `history.add({{"loss", 0.5}, {"val_loss", 0.6}})`. A name that is missing gets NaN for this epoch.
    void add(Metrics metrics) {
        for (const auto& [name, value] : metrics) put(name, value);
        end_epoch();
    }
    void add(const Numbers& numbers) {
        for (const auto& [name, value] : numbers) put(name, value);
        end_epoch();
    }

    std::size_t size() const { return epochs_; }
    bool empty() const { return epochs_ == 0; }
    std::vector<std::string> names() const {
        std::vector<std::string> list;
        for (const Series& series : series_) list.push_back(series.name);
        return list;
    }
    /// The numbers of one name, by epoch. Throws ValueError when there is none.
    const std::vector<double>& operator[](std::string_view name) const {
        if (const Series* series = const_cast<History*>(this)->find(name)) return series->values;
        throw ValueError(message("history: nothing is called \"", name, "\""));
    }
    /// The epoch, counted from 0, in which a number was least (or greatest); NaN never is.
    std::size_t best_epoch(std::string_view name, bool greatest = false) const {
        const auto& values = (*this)[name];
        std::size_t best = values.size();
        for (std::size_t i = 0; i < values.size(); ++i)
            if (!std::isnan(values[i]) && (best == values.size() || (greatest ? values[i] > values[best] : values[i] < values[best])))
                best = i;
        if (best == values.size()) throw ValueError(message("history: \"", name, "\" has no numbers yet"));
        return best;
    }

    /// Why fit() ended before its last epoch: "" when it did not.
    std::string stop_reason{};

    /// One line for each epoch, below a line of names; names with commas, quotes or line ends are quoted. NaN is an empty field. Numbers
    /// have all the digits it takes to read them back exactly, in any locale.
    std::string to_csv() const {
        std::string text = "epoch";
        for (const Series& series : series_) text += "," + csv_word(series.name);
        text += "\n";
        for (std::size_t i = 0; i < epochs_; ++i) {
            text += std::to_string(first_epoch_ + i);
            for (const Series& series : series_) {
                const double value = series.values[i];
                text += "," + (std::isinf(value) ? std::string(value > 0 ? "inf" : "-inf") : number(value, ""));
            }
            text += "\n";
        }
        return text;
    }
    /// One JSON object in a line for each epoch; what is not finite is null.
    std::string to_json_lines() const {
        std::string text;
        for (std::size_t i = 0; i < epochs_; ++i) {
            text += "{\"epoch\": " + std::to_string(first_epoch_ + i);
            for (const Series& series : series_) text += ", " + json_word(series.name) + ": " + number(series.values[i], "null");
            text += "}\n";
        }
        return text;
    }
    /// Writes the file whole or not at all: .csv, else JSON lines.
    void save(const std::filesystem::path& path) const {
        const std::string text = path.extension() == ".csv" ? to_csv() : to_json_lines();
        const std::filesystem::path part = path.string() + ".part";
        std::FILE* file = std::fopen(part.string().c_str(), "wb");
        if (!file) throw IoError(message("history: cannot write ", path.string(), "; is the directory there?"));
        const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
        const bool closed = std::fclose(file) == 0;
        std::error_code error;
        if (written && closed) std::filesystem::rename(part, path, error);
        if (!written || !closed || error) {
            std::error_code ignored;
            std::filesystem::remove(part, ignored);
            throw IoError(message("history: cannot write ", path.string(), "; the disk may be full"));
        }
    }

private:
    struct Series {
        std::string name;
        std::vector<double> values;
    };
    void put(std::string_view name, double value) {
        Series* series = find(name);
        if (!series) {
            series_.push_back({std::string(name), {}});
            series = &series_.back();
        }
        series->values.resize(epochs_, std::numeric_limits<double>::quiet_NaN());
        series->values.push_back(value);
    }
    void end_epoch() {
        ++epochs_;
        for (Series& series : series_) series.values.resize(epochs_, std::numeric_limits<double>::quiet_NaN());
    }
    Series* find(std::string_view name) {
        const auto found = std::find_if(series_.begin(), series_.end(), [&](const Series& series) { return series.name == name; });
        return found == series_.end() ? nullptr : &*found;
    }
    static std::string number(double value, const char* otherwise) {
        if (!std::isfinite(value)) return otherwise;
        char text[40];
        return {text, std::to_chars(text, text + sizeof text, value).ptr};
    }
    static std::string csv_word(const std::string& name) {
        if (name.find_first_of(",\"\r\n") == std::string::npos) return name;
        std::string text = "\"";
        for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
        return text + "\"";
    }
    static std::string json_word(const std::string& name) {
        std::string text = "\"";
        for (char c : name) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            text += c == '"' || c == '\\'                ? std::string{'\\', c}
                    : static_cast<unsigned char>(c) < 32 ? std::string(escaped)
                                                         : std::string(1, c);
        }
        return text + "\"";
    }

    std::vector<Series> series_;
    std::size_t epochs_ = 0, first_epoch_ = 1;
};

}  // namespace headtorch::train
