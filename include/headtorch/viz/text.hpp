// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Words and numbers as gnuplot, the shell and XML want them, whatever the words hold.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>

#include "headtorch/core/config.hpp"

namespace headtorch::viz::detail {

/// Length in bytes of the UTF-8 character that `text` begins with; 0 when it begins with none (or with one that XML forbids).
inline std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) -> std::uint32_t { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    const std::uint32_t first = byte(0);
    if (first < 0x80) return first == 0x7F ? 0 : 1;
    if (first >= 0xC2 && first < 0xE0) return follows(1) ? 2 : 0;
    if ((first & 0xF0) == 0xE0 && follows(1) && follows(2)) {
        const std::uint32_t code = (first & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
        return code >= 0x800 && (code < 0xD800 || code > 0xDFFF) && code < 0xFFFE ? 3 : 0;
    }
    if ((first & 0xF8) == 0xF0 && follows(1) && follows(2) && follows(3)) {
        const std::uint32_t code = (first & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63);
        return code >= 0x10000 && code <= 0x10FFFF ? 4 : 0;
    }
    return 0;
}

/// One line of well-formed text: control characters become spaces, and bytes that are no UTF-8 the replacement character.
HEADTORCH_COLD inline std::string clean(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0)
            result += "\uFFFD";
        else if (static_cast<unsigned char>(text[0]) < 32)
            result += ' ';
        else
            result += text.substr(0, length);
        text.remove_prefix(length ? length : 1);
    }
    return result;
}

/// How many characters a line has.
inline std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    for (; !text.empty(); ++count) text.remove_prefix(std::max<std::size_t>(1, utf8_length(text)));
    return count;
}

/// The text, or its beginning and an ellipsis.
HEADTORCH_COLD inline std::string shortened(std::string_view text, std::size_t most) {
    if (columns(text) <= most) return std::string(text);
    std::string result;
    for (std::size_t i = 0; i + 1 < most; ++i) {
        const std::size_t length = std::max<std::size_t>(1, utf8_length(text));
        result += text.substr(0, length);
        text.remove_prefix(length);
    }
    return result + "\u2026";
}

HEADTORCH_COLD inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string result;
    for (std::size_t at = 0; (at = text.find(from)) != std::string_view::npos; text.remove_prefix(at + from.size())) {
        result += text.substr(0, at);
        result += to;
    }
    return result += text;
}

/// Text as a gnuplot string: between single quotes nothing is special but the quote itself.
HEADTORCH_COLD inline std::string gnuplot_text(std::string_view text) { return "'" + replaced(clean(text), "'", "''") + "'"; }

/// Text as the label of a tic, which is a format of its own, and of which gnuplot takes 49 bytes.
HEADTORCH_COLD inline std::string tic_text(std::string_view text) {
    const std::string whole = clean(text);
    std::string label = replaced(whole, "%", "%%");
    for (std::size_t most = columns(whole); label.size() > 49; --most) label = replaced(shortened(whole, most), "%", "%%");
    return gnuplot_text(label);
}

/// Text as one word of the shell.
inline std::string shell_word(std::string_view text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

/// Text between the tags of XML.
HEADTORCH_COLD inline std::string xml_text(std::string_view text) {
    return replaced(replaced(replaced(clean(text), "&", "&amp;"), "<", "&lt;"), ">", "&gt;");
}

/// A number that reads back as the same double, whatever the locale; what is not finite is missing.
HEADTORCH_COLD inline std::string number(double value) {
    if (!std::isfinite(value)) return "NaN";
    char text[40];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// Pieces of a script: words, and numbers as number() writes them.
template <class... Parts>
std::string join(const Parts&... parts) {
    std::string result;
    const auto add = [&](const auto& part) {
        using Part = std::remove_cvref_t<decltype(part)>;
        if constexpr (std::is_floating_point_v<Part>)
            result += number(part);
        else if constexpr (std::is_integral_v<Part>)
            result += std::to_string(part);
        else
            result += part;
    };
    (add(parts), ...);
    return result;
}

/// A number for the eye: as many digits as are given, a minus sign and not a hyphen.
HEADTORCH_COLD inline std::string readable(double value, int digits = 3) {
    char text[64];
    return replaced({text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr}, "-", "\u2212");
}
/// The same with so many places after the point.
inline std::string readable_fixed(double value, int places) {
    char text[400];
    return replaced({text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, places).ptr}, "-", "\u2212");
}

/// 10⁻³: a power of ten as books print it.
inline std::string power_of_ten(int exponent) {
    static constexpr const char* digits[] = {"\u2070", "\u00B9", "\u00B2", "\u00B3", "\u2074",
                                             "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    if (exponent == 0) return "1";
    std::string result = "10";
    if (exponent < 0) result += "\u207B";
    for (char digit : std::to_string(std::abs(exponent))) result += digits[digit - '0'];
    return result;
}

}  // namespace headtorch::viz::detail
