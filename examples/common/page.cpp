// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#include "examples/common/page.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "examples/common/html.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/io/atomic_file.hpp"

namespace examples {
namespace {

using html::element;
using html::escaped;

/// Characters of UTF-8 text, for columns on the console.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// "0.86", "-3", "1,000", "41.2 %", "-" and nothing at all stand in columns of numbers.
bool is_number(const std::string& text) {
    return text.find_first_not_of("0123456789.,+-e% ") == std::string::npos || text == "–" || text == "nan" || text == "inf";
}

/// The number that follows `name="` in an SVG's first tag, in pixels; 0 if there is none.
double length_of(const std::string& tag, const std::string& name) {
    const std::size_t place = tag.find(" " + name + "=\"");
    if (place == std::string::npos) return 0;
    const char* text = tag.c_str() + place + name.size() + 3;
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    const std::string unit(end, std::min<std::size_t>(2, std::string(end).size()));
    return unit[0] == '"' || unit == "px" ? value : unit == "pt" ? value * 4 / 3 : 0;
}

/// Width and height of a PNG or SVG file in pixels.
std::array<int, 2> size_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string start = [&] {
        std::string bytes(4096, '\0');
        file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
        return bytes;
    }();
    std::array<int, 2> size{};
    if (start.starts_with("\x89PNG\r\n\x1a\n") && start.size() >= 24) {
        for (std::size_t i = 0; i < 8; ++i) size[i / 4] = size[i / 4] * 256 + static_cast<unsigned char>(start[16 + i]);
    } else if (const std::size_t tag = start.find("<svg"); tag != std::string::npos) {
        const std::string words = start.substr(tag, start.find('>', tag) - tag);
        size = {static_cast<int>(length_of(words, "width") + 0.5), static_cast<int>(length_of(words, "height") + 0.5)};
    }
    if (size[0] <= 0 || size[1] <= 0) throw headtorch::IoError("picture: " + path + " is no PNG or SVG file that says how large it is");
    return size;
}

/// The text, of which the first list says how long it is.
std::string formatted(const char* format, std::va_list values, std::va_list again) {
    const int length = std::vsnprintf(nullptr, 0, format, values);
    std::string text(static_cast<std::size_t>(std::max(0, length)), '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, again);
    return text;
}

}  // namespace

std::string format(const char* format, ...) {
    std::va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    const std::string text = formatted(format, values, again);
    va_end(again);
    va_end(values);
    return text;
}

Page::Page(const Options& options, std::string title)
    : directory_(options.out),
      name_(options.name),
      title_(std::move(title)),
      description_(options.description),
      command_(options.command),
      device_(options.device),
      settings_(options.settings),
      wanted_(options.page) {
    if (options.epochs > 0) setting("--epochs", std::to_string(options.epochs));
}

Page& Page::setting(const std::string& name, const std::string& value, const std::string& help) {
    const auto old = std::find_if(settings_.begin(), settings_.end(), [&](const Setting& one) { return one.flag == name; });
    if (old == settings_.end())
        settings_.push_back({name, value, help, false});
    else
        old->value = value;
    return *this;
}

Page& Page::heading(const std::string& text) {
    body_ += element("h2", text) + "\n";
    return *this;
}

Page& Page::paragraph(const std::string& text) {
    body_ += element("p", text) + "\n";
    return *this;
}

Page& Page::print(const std::string& heading, const std::string& text) {
    std::printf("%s\n", text.c_str());
    body_ += "<section>\n" + element("h3", heading) + "\n<pre tabindex=\"0\">" + escaped(text) + "</pre>\n</section>\n";
    return *this;
}

void Page::log(const char* format, ...) {
    std::va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    const std::string text = formatted(format, values, again);
    va_end(again);
    va_end(values);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    log_ += text;
}

Page& Page::table(const std::string& caption, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    std::vector<bool> numbers;
    for (std::size_t c = 0; c < columns.size(); ++c) {
        widths.push_back(width(columns[c]));
        numbers.push_back(!rows.empty());
        for (const auto& row : rows) {
            if (row.size() != columns.size())
                throw headtorch::ValueError(
                    headtorch::message("table: a row of ", row.size(), " cells under ", columns.size(), " columns"));
            widths[c] = std::max(widths[c], width(row[c]));
            numbers[c] = numbers[c] && is_number(row[c]);
        }
    }

    const auto print_row = [&](const std::vector<std::string>& row) {
        std::string line;
        for (std::size_t c = 0; c < row.size(); ++c) {
            const std::string space(widths[c] - width(row[c]), ' ');
            line += (c ? "  " : "") + (numbers[c] ? space + row[c] : row[c] + space);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        std::printf("%s\n", line.c_str());
    };
    const auto show_row = [&](const std::vector<std::string>& row, bool head) {
        body_ += "<tr>";
        for (std::size_t c = 0; c < row.size(); ++c) {
            const std::string name = head || c == 0 ? "th" : "td", scope = head ? " scope=\"col\"" : c == 0 ? " scope=\"row\"" : "";
            body_ += "<" + name + scope + (numbers[c] ? " class=\"n\">" : ">") + escaped(row[c]) + "</" + name + ">";
        }
        body_ += "</tr>\n";
    };

    print_row(columns);
    body_ += "<div class=\"wide\" tabindex=\"0\">\n<table>\n<caption><b>Table " + std::to_string(++tables_) + ".</b> " + escaped(caption) +
             "</caption>\n<thead>";
    show_row(columns, true);
    body_ += "</thead>\n<tbody>\n";
    for (const auto& row : rows) print_row(row), show_row(row, false);
    body_ += "</tbody>\n</table>\n</div>\n";
    std::fflush(stdout);
    return *this;
}

Page& Page::saved_picture(const std::string& file, const std::string& caption, const std::string& alt) {
    const auto [w, h] = size_of(path(file));
    const std::string source = html::link(file);
    last_picture_ = "<img src=\"" + source + "\" width=\"" + std::to_string(w) + "\" height=\"" + std::to_string(h) + "\" alt=\"" +
                    escaped(alt) + "\">";
    if (main_picture_.empty()) main_picture_ = last_picture_;
    body_ += "<figure>\n<a href=\"" + source + "\">" + last_picture_ + "</a>\n<figcaption><b>Figure " + std::to_string(++figures_) +
             ".</b> " + escaped(caption) + "</figcaption>\n</figure>\n";
    return *this;
}

Page& Page::main_picture() {
    main_picture_ = last_picture_;
    return *this;
}

void Page::write(const Result& result) {
    if (!wanted_) return;
    std::string text = "<header>\n<p class=\"over\">headtorch <!--gallery--> · examples/" + escaped(name_) + ".cpp</p>\n" +
                       element("h1", title_) + "\n<p class=\"lead\">" + escaped(description_) + "</p>\n</header>\n<main>\n";
    text += "<pre class=\"command\">" + escaped(command_) + "</pre>\n<!--numbers-->\n<dl class=\"numbers\">\n";
    for (const Result::Entry& entry : result.entries())
        text += "<div>" + element("dt", entry.name) + "<dd>" + escaped(entry.value) +
                (entry.unit.empty() ? "" : "&#8239;" + element("small", entry.unit)) + "</dd></div>\n";
    text += "</dl>\n<!--/numbers-->\n" + body_;

    text +=
        "<h2>Settings</h2>\n<div class=\"wide\" tabindex=\"0\">\n<table class=\"settings\">\n<thead><tr><th scope=\"col\">Option</th>"
        "<th scope=\"col\">Value</th><th scope=\"col\">Meaning</th></tr></thead>\n<tbody>\n";
    for (const Setting& one : settings_)
        text += (one.given ? "<tr>" : "<tr class=\"default\">") + std::string("<th scope=\"row\">") + element("code", one.flag) +
                "</th><td>" + escaped(one.value) + "</td><td>" + escaped(one.help) + "</td></tr>\n";
    text += "</tbody>\n</table>\n</div>\n<p class=\"fine\">Grey: left as they are by default.</p>\n";
    if (!log_.empty()) text += "<h2>Log</h2>\n<pre tabindex=\"0\">" + escaped(log_) + "</pre>\n";
    text += "</main>\n";
    if (!main_picture_.empty()) text += "<!--main " + main_picture_ + " -->\n";

    headtorch::io::AtomicFile file("page", path("index.html"));
    file.write(html::document(title_ + " · headtorch", description_, text));
    file.commit();
}

}  // namespace examples
