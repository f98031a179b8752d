// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The colours, marks and dashes of all pictures, and the maps from numbers to colours.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace headtorch::viz {

/// Colours that colour-blind readers can tell apart (Okabe and Ito, 2008).
inline constexpr std::array<const char*, 7> palette = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};

enum class Dash { solid, dashed, dotted, dash_dot };

namespace detail {

inline constexpr const char* ink = "#222222";    ///< words
inline constexpr const char* faint = "#6b6b6b";  ///< lines and words that only help
inline constexpr const char* right = "#007a57";  ///< a prediction that is right
inline constexpr const char* wrong = "#D55E00";  ///< and one that is wrong

struct Rgb {
    double r = 0, g = 0, b = 0;  // 0 to 255

    static Rgb of(const char* hex) {
        unsigned r = 0, g = 0, b = 0;
        std::sscanf(hex, "#%2x%2x%2x", &r, &g, &b);
        return {static_cast<double>(r), static_cast<double>(g), static_cast<double>(b)};
    }
    /// This colour for 0, the other for 1.
    Rgb mixed(const Rgb& other, double share) const {
        const auto mix = [&](double from, double to) { return from + (to - from) * share; };
        return {mix(r, other.r), mix(g, other.g), mix(b, other.b)};
    }
    std::string hex() const {
        const auto byte = [](double c) { return static_cast<unsigned>(std::lround(std::clamp(c, 0.0, 255.0))); };
        char text[16];
        std::snprintf(text, sizeof text, "#%02x%02x%02x", byte(r), byte(g), byte(b));
        return text;
    }
    /// How bright it looks, 0 to 1 (the luma of ITU-R 601).
    double brightness() const { return (0.299 * r + 0.587 * g + 0.114 * b) / 255; }
};

inline std::string colour(std::size_t kind) { return palette[kind % palette.size()]; }

/// gnuplot's number of a mark. After seven kinds the colours come again, with other marks.
inline int mark(std::size_t kind) {
    static constexpr std::array<int, 7> marks = {7, 9, 5, 13, 11, 6, 8};
    return marks[(kind + kind / palette.size()) % marks.size()];
}

inline const char* dash_text(Dash dash) {
    switch (dash) {
        case Dash::dashed:
            return "(10,5)";
        case Dash::dotted:
            return "(3,5)";
        case Dash::dash_dot:
            return "(10,4,2,4)";
        case Dash::solid:
            break;
    }
    return "solid";
}

/// Colours for numbers from 0 to 1: straight lines between equally spaced colours.
using ColourMap = std::vector<const char*>;

/// Few to many: white to dark blue.
inline const ColourMap& sequential() {
    static const ColourMap map = {"#ffffff", "#cde3f2", "#7ab8dc", "#0072B2", "#00406a"};
    return map;
}
/// Negative, nothing, positive: blue, white, vermilion.
inline const ColourMap& diverging() {
    static const ColourMap map = {"#00406a", "#0072B2", "#8cc3e2", "#ffffff", "#f2b48a", "#D55E00", "#853a00"};
    return map;
}

inline Rgb colour_at(const ColourMap& map, double t) {
    const double scaled = std::clamp(std::isnan(t) ? 0.0 : t, 0.0, 1.0) * static_cast<double>(map.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(scaled), map.size() - 2);
    return Rgb::of(map[below]).mixed(Rgb::of(map[below + 1]), scaled - static_cast<double>(below));
}

/// The same map in gnuplot's words.
inline std::string palette_text(const ColourMap& map) {
    std::string text = "set palette defined (";
    for (std::size_t i = 0; i < map.size(); ++i) text += (i ? ", " : "") + std::to_string(i) + " '" + map[i] + "'";
    return text + ")\n";
}

}  // namespace detail
}  // namespace headtorch::viz
