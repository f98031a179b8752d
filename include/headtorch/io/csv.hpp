// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// CSV files (RFC 4180): a header, fields that may be quoted, numbers and text by column. Plain or gzipped. What is missing or malformed is
/// refused with its line. Needs zlib: link with headtorch::io.

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"
#include "headtorch/io/gzip.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::io {

struct CsvOptions {
    char delimiter = ',';
    bool header = true;                    ///< the first line names the columns; else they are called "0", "1", …
    std::vector<std::string> columns{};    ///< those to read, in this order; all when empty. What others hold is not looked at.
    std::uint64_t max_bytes = 1ull << 30;  ///< a file that is longer, unpacked, is refused
};

/// What all fields of a column can be read as.
enum class CsvType { integer, real, text };

/// One column. The fields stand in one string, one behind the other.
class CsvColumn {
public:
    explicit CsvColumn(std::string name) : name_(std::move(name)) {}

    const std::string& name() const { return name_; }
    CsvType type() const { return type_; }
    std::int64_t size() const { return static_cast<std::int64_t>(ends_.size()); }
    std::string_view operator[](std::int64_t i) const {
        const auto k = static_cast<std::size_t>(i);
        const std::size_t begin = k == 0 ? 0 : ends_[k - 1];
        return std::string_view(text_).substr(begin, ends_[k] - begin);
    }

    void push_back(std::string_view field) {
        text_ += field;
        ends_.push_back(text_.size());
        std::int64_t integer = 0;
        double real = 0;
        if (type_ == CsvType::integer && !parse(field, integer)) type_ = CsvType::real;
        if (type_ == CsvType::real && !parse(field, real)) type_ = CsvType::text;
    }

    /// The whole field as a number, blanks around it aside.
    template <class Number>
    static bool parse(std::string_view field, Number& value) {
        const auto blank = [](char c) { return c == ' ' || c == '\t'; };
        while (!field.empty() && blank(field.front())) field.remove_prefix(1);
        while (!field.empty() && blank(field.back())) field.remove_suffix(1);
        if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
        const auto [end, failure] = std::from_chars(field.data(), field.data() + field.size(), value);
        if (failure != std::errc() || end != field.data() + field.size()) return false;
        return value == value;  // NaN is no number
    }

private:
    std::string name_, text_;
    std::vector<std::size_t> ends_;
    CsvType type_ = CsvType::integer;
};

/// Text as class numbers: classes[codes[i]] is field i. Numbered in the order of the alphabet.
struct CsvCodes {
    Tensor<std::int64_t, Cpu> codes;
    std::vector<std::string> classes;
};

/// What read_csv() reads.
class CsvTable {
public:
    CsvTable(std::string path, std::vector<CsvColumn> columns, std::vector<std::int64_t> lines)
        : path_(std::move(path)), columns_(std::move(columns)), lines_(std::move(lines)) {}

    /// Number of rows.
    std::int64_t size() const { return static_cast<std::int64_t>(lines_.size()); }
    /// The line of the file that row i begins on, from 1.
    std::int64_t line(std::int64_t i) const { return lines_[static_cast<std::size_t>(i)]; }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const CsvColumn& column : columns_) names.push_back(column.name());
        return names;
    }
    /// Throws ValueError when there is no such column.
    const CsvColumn& column(std::string_view name) const {
        std::string all;
        for (const CsvColumn& column : columns_) {
            if (column.name() == name) return column;
            (all += all.empty() ? "" : ", ") += column.name();
        }
        throw ValueError(message("csv: ", path_, ": there is no column '", name, "'; there are: ", all));
    }
    CsvType type(std::string_view name) const { return column(name).type(); }

    /// Numbers of some columns, [rows, columns]; of all when none is named. Throws IoError, with the line, where a field is no such number.
    template <class T = float>
    Tensor<T, Cpu> numbers(std::vector<std::string> names = {}) const {
        static_assert(Floating<T> || std::same_as<T, std::int64_t>, "headtorch: numbers of a CSV file are float, double or int64_t");
        if (names.empty()) names = this->names();
        const auto width = static_cast<std::int64_t>(names.size());
        const auto result = empty<T, Cpu>({size(), width});
        for (std::int64_t c = 0; c < width; ++c) fill(column(names[static_cast<std::size_t>(c)]), result.data() + c, width);
        return result;
    }
    /// Numbers of one column, [rows].
    template <class T = float, std::convertible_to<std::string_view> Name>
    Tensor<T, Cpu> numbers(const Name& name) const {
        const auto result = empty<T, Cpu>({size()});
        fill(column(name), result.data(), 1);
        return result;
    }
    std::vector<std::string> text(std::string_view name) const {
        const CsvColumn& fields = column(name);
        std::vector<std::string> result;
        for (std::int64_t i = 0; i < fields.size(); ++i) result.emplace_back(fields[i]);
        return result;
    }
    CsvCodes codes(std::string_view name) const {
        CsvCodes result{empty<std::int64_t, Cpu>({size()}), text(name)};
        std::sort(result.classes.begin(), result.classes.end());
        result.classes.erase(std::unique(result.classes.begin(), result.classes.end()), result.classes.end());
        const CsvColumn& fields = column(name);
        for (std::int64_t i = 0; i < size(); ++i)
            result.codes.data()[i] = std::lower_bound(result.classes.begin(), result.classes.end(), fields[i]) - result.classes.begin();
        return result;
    }

private:
    template <class T>
    void fill(const CsvColumn& fields, T* out, std::int64_t step) const {
        for (std::int64_t i = 0; i < fields.size(); ++i, out += step) {
            std::conditional_t<Floating<T>, double, std::int64_t> value{};
            if (!CsvColumn::parse(fields[i], value)) refuse(fields, i, Floating<T> ? "number" : "whole number (of 64 bits)");
            *out = static_cast<T>(value);
        }
    }
    [[noreturn]] void refuse(const CsvColumn& fields, std::int64_t i, std::string_view wanted) const {
        throw IoError(message("csv: ", path_, ":", line(i), ": column '", fields.name(), "' has '", fields[i].substr(0, 40), "', not a ",
                              wanted, fields.type() == CsvType::text ? "; text becomes class numbers with codes()" : ""));
    }

    std::string path_;
    std::vector<CsvColumn> columns_;
    std::vector<std::int64_t> lines_;
};

namespace detail {

/// Splits a CSV file into records and their fields.
class CsvReader {
public:
    CsvReader(const std::string& path, const CsvOptions& options) : file_("read_csv", path), options_(options), buffer_(1 << 16) {
        if (options.delimiter == '"' || options.delimiter == '\n' || options.delimiter == '\r' || options.delimiter == '\0')
            throw ValueError("read_csv: the delimiter must not be a quote, the end of a line or a zero");
        if (peek() == 0xef) {  // a byte order mark
            get();
            if (get() != 0xbb || get() != 0xbf) fail(1, "neither UTF-8 nor ASCII");
        }
    }

    /// Reads the next record that is no empty line; false at the end.
    bool next(std::vector<std::string>& fields) {
        while (true) {
            fields.clear();
            if (peek() < 0) return false;
            record_line_ = line_;
            bool more = true;
            bool quoted = false;
            while (more) {
                fields.emplace_back();
                more = read_field(fields.back(), quoted);
            }
            if (fields.size() > 1 || quoted || !fields[0].empty()) return true;
        }
    }
    /// The line that the record begins on, from 1.
    std::int64_t line() const { return record_line_; }

    template <class... Parts>
    [[noreturn]] void fail(std::int64_t line, const Parts&... parts) const {
        throw IoError(message("read_csv: ", file_.path(), ":", line, ": ", parts...));
    }

private:
    int peek() {
        if (at_ == end_) {
            end_ = file_.read(buffer_.data(), buffer_.size());
            at_ = 0;
            bytes_ += end_;
            if (bytes_ > options_.max_bytes)
                fail(line_, "the file is longer than ", options_.max_bytes, " bytes; if it is meant, set max_bytes");
        }
        return at_ == end_ ? -1 : buffer_[at_];
    }
    int get() {
        const int c = peek();
        if (c < 0) return c;
        ++at_;
        line_ += c == '\n';
        if (c == 0) fail(line_, "a zero byte: this is no text file");
        return c;
    }

    /// Reads a field and what ends it; true when another one follows in the record.
    bool read_field(std::string& field, bool& quoted) {
        if (peek() == '"') {
            get();
            quoted = true;
            const std::int64_t start = line_;
            for (int c = get();; c = get()) {
                if (c < 0) fail(start, "a quote is opened and never closed");
                if (c == '"' && peek() != '"') break;
                if (c == '"') get();  // two stand for one
                field += static_cast<char>(c);
            }
            if (const int c = peek(); c >= 0 && c != static_cast<unsigned char>(options_.delimiter) && c != '\n' && c != '\r')
                fail(line_, "text follows a closed quote; a quote within a quoted field is written twice");
        }
        while (true) {
            const int c = get();
            if (c == '\r' && peek() == '\n') continue;
            if (c < 0 || c == '\n' || c == '\r') return false;
            if (c == static_cast<unsigned char>(options_.delimiter)) return true;
            field += static_cast<char>(c);
        }
    }

    InputFile file_;
    const CsvOptions& options_;
    std::vector<unsigned char> buffer_;
    std::size_t at_ = 0, end_ = 0;
    std::uint64_t bytes_ = 0;
    std::int64_t line_ = 1, record_line_ = 1;
};

/// Whether a field stands for a value that is not there.
inline bool csv_missing(std::string_view field) {
    static constexpr std::string_view words[] = {"NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "?"};
    if (field.find_first_not_of(" \t") == std::string_view::npos) return true;
    return std::find(std::begin(words), std::end(words), field) != std::end(words);
}

}  // namespace detail

/// Reads a CSV file with at least one row. Throws IoError, with the line, on a field that is missing (empty, NA, NaN, null, None, ?), a row
/// of another length, an open quote; ValueError when a column that is asked for is not there.
inline CsvTable read_csv(const std::string& path, const CsvOptions& options = {}) {
    detail::CsvReader reader(path, options);
    std::vector<std::string> fields, names;
    if (!reader.next(fields)) reader.fail(1, "the file is empty");
    const std::size_t width = fields.size();
    for (std::size_t i = 0; i < width; ++i) names.push_back(options.header ? fields[i] : std::to_string(i));
    std::vector<std::string> sorted = names;
    std::sort(sorted.begin(), sorted.end());
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
        reader.fail(reader.line(), "two columns are called '", *twice, "'");

    std::vector<std::size_t> places;
    std::vector<CsvColumn> columns;
    for (std::size_t i = 0; i < (options.columns.empty() ? width : options.columns.size()); ++i) {
        const std::string& name = options.columns.empty() ? names[i] : options.columns[i];
        const auto found =
            options.columns.empty() ? names.begin() + static_cast<std::ptrdiff_t>(i) : std::find(names.begin(), names.end(), name);
        if (found == names.end()) CsvTable(path, {names.begin(), names.end()}, {}).column(name);  // throws, and lists what there is
        places.push_back(static_cast<std::size_t>(found - names.begin()));
        columns.emplace_back(name);
    }
    std::vector<std::int64_t> lines;
    if (options.header && !reader.next(fields)) reader.fail(reader.line(), "a header, and no rows");
    do {
        if (fields.size() != width) reader.fail(reader.line(), "the row has ", fields.size(), " fields, but the first line has ", width);
        for (std::size_t i = 0; i < places.size(); ++i) {
            const std::string& field = fields[places[i]];
            if (detail::csv_missing(field))
                reader.fail(reader.line(), "column '", columns[i].name(), "' has no value", field.empty() ? "" : " (" + field + ")",
                            ": fill it in, leave the line out, or read other columns");
            columns[i].push_back(field);
        }
        lines.push_back(reader.line());
    } while (reader.next(fields));
    return CsvTable(path, std::move(columns), std::move(lines));
}

}  // namespace headtorch::io
