// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A graph of boxes and arrows, and its text in Graphviz's DOT language.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/shape.hpp"
#include "headtorch/viz/colour.hpp"
#include "headtorch/viz/graphviz.hpp"
#include "headtorch/viz/summary_table.hpp"
#include "headtorch/viz/text.hpp"

namespace headtorch::viz {

struct GraphOptions {
    std::string title = "";       ///< in place of what the graph would say of itself
    std::size_t max_nodes = 100;  ///< a larger graph is cut, and says so
    int depth = 1000;             ///< modules this far below the network are drawn as one box, whatever they call
    bool left_to_right = false;   ///< instead of top to bottom
    std::int64_t batch_size = 1;  ///< put in front of shapes
};

/// What viz::graph() returns: save() draws it.
class Graph {
public:
    enum class Kind : std::uint8_t { op, module, parameter, input, output, note };

    struct Box {
        Kind kind;
        std::string name;
        std::vector<std::string> lines;  ///< below the name
        std::vector<std::string> more;   ///< in small letters below that
        int group = -1;                  ///< number of the group it lies in; -1 for none
    };
    struct Arrow {
        std::size_t from, to;  ///< numbers of boxes
        std::string text;
        bool dotted = false;
    };
    /// A frame around boxes.
    struct Group {
        std::string name;
        int outer = -1;
    };

    std::string title, subtitle, warning, legend;  ///< above the graph
    std::vector<Box> boxes;
    std::vector<Arrow> arrows;
    std::vector<Group> groups;
    bool left_to_right = false;
    bool tree = false;  ///< arrows lead from the right side of a box to the left side of another

    /// The graph in Graphviz's language.
    std::string to_dot() const;
    /// Writes x.dot, or draws x.svg or x.png. False when Graphviz is missing, which is said once on stderr.
    bool save(const std::filesystem::path& path) const { return detail::draw_graph(path, to_dot(), title); }
};

namespace detail {

/// Text within a label of dot's, which is a piece of HTML.
inline std::string label_text(std::string_view text) { return replaced(xml_text(text), "\"", "&quot;"); }

/// "1 op", "1,200 ops"
inline std::string counted(std::size_t count, std::string_view what) {
    return with_commas(static_cast<std::int64_t>(count)) + " " + std::string(what) + (count == 1 ? "" : "s");
}

inline std::string small(const std::string& html) {
    return "<font point-size=\"10\" color=\"" + std::string(faint) + "\">" + html + "</font>";
}

/// Frame, filling, and shape of a kind of box: no kind is told by its colour alone.
struct BoxStyle {
    std::string line, fill;
    const char *shape, *style;
};
inline BoxStyle style_of(Graph::Kind kind) {
    const auto tinted = [](const char* colour, const char* shape, const char* style) {
        return BoxStyle{colour, Rgb::of(colour).mixed({255, 255, 255}, 0.86).hex(), shape, style};
    };
    switch (kind) {
        case Graph::Kind::op:
            return tinted(palette[0], "box", "rounded,filled");
        case Graph::Kind::module:
            return tinted(palette[0], "box", "filled");
        case Graph::Kind::parameter:
            return tinted(palette[4], "note", "filled");
        case Graph::Kind::input:
            return tinted(palette[2], "oval", "filled");
        case Graph::Kind::output:
            return tinted(palette[1], "box", "rounded,filled");
        case Graph::Kind::note:
            break;
    }
    return {faint, "#ffffff", "box", "dashed"};
}

/// [64, 6, 28, 28], or one number, with the type unless it is float32.
inline std::string shape_text(const Shape& shape, Dtype dtype = Dtype::float32) {
    return (shape.rank() == 0 ? "scalar" : shape.to_string()) + (dtype == Dtype::float32 ? "" : " " + std::string(name(dtype)));
}

/// Words with commas between them, on lines of about `width` characters.
inline std::vector<std::string> lines_of(const std::string& first, const std::vector<std::string>& words, std::size_t width) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = (i == 0 ? first : "") + words[i] + (i + 1 < words.size() ? "," : "");
        if (!lines.empty() && columns(lines.back()) + 1 + columns(word) <= width)
            lines.back() += " " + word;
        else
            lines.push_back(word);
    }
    return lines;
}

inline std::string box_text(const Graph::Box& box) {
    const BoxStyle style = style_of(box.kind);
    std::string label =
        box.kind == Graph::Kind::note ? label_text(shortened(box.name, 60)) : "<b>" + label_text(shortened(box.name, 60)) + "</b>";
    for (const std::string& line : box.lines) label += "<br/>" + label_text(shortened(line, 80));
    for (const std::string& line : box.more) label += "<br/>" + small(label_text(shortened(line, 100)));
    return "[label=<" + label + ">, shape=" + style.shape + ", style=\"" + style.style + "\", color=\"" + style.line + "\", fillcolor=\"" +
           style.fill + "\"" + (box.kind == Graph::Kind::output ? ", peripheries=2]" : "]");
}

/// The frames with what they hold, from the outside in.
inline void append_group(std::string& dot, const Graph& graph, int group, const std::string& indent) {
    for (std::size_t i = 0; i < graph.boxes.size(); ++i)
        if (graph.boxes[i].group == group) dot += indent + "n" + std::to_string(i) + " " + box_text(graph.boxes[i]) + ";\n";
    for (std::size_t g = 0; g < graph.groups.size(); ++g) {
        if (graph.groups[g].outer != group) continue;
        dot += indent + "subgraph cluster" + std::to_string(g) + " {\n" + indent + "  label=<<b>" +
               label_text(shortened(graph.groups[g].name, 80)) + "</b>>; labeljust=l;\n";
        append_group(dot, graph, static_cast<int>(g), indent + "  ");
        dot += indent + "}\n";
    }
}

}  // namespace detail

inline std::string Graph::to_dot() const {
    const auto row = [](const std::string& looks, const std::string& text) {
        return text.empty() ? std::string()
                            : "<tr><td><font " + looks + ">" + detail::label_text(detail::shortened(text, 120)) + "</font></td></tr>";
    };
    const std::string ink = detail::ink, faint = detail::faint;
    const std::string rows = row("point-size=\"16\"", title) + row("color=\"" + ink + "\"", subtitle) +
                             row("color=\"" + std::string(detail::wrong) + "\"", warning) +
                             row("point-size=\"10\" color=\"" + faint + "\"", legend);
    const std::string label =
        rows.empty() ? "\"\"" : "<<table border=\"0\" cellspacing=\"0\" cellpadding=\"2\">" + rows + "<tr><td> </td></tr></table>>";
    std::string dot = "digraph {\n";
    dot += "  graph [fontname=\"DejaVu Sans\", fontsize=11, fontcolor=\"" + ink +
           "\", bgcolor=\"white\", pad=0.2, nodesep=0.25, ranksep=" + (tree ? "0.9, splines=line" : "0.35") +
           ", rankdir=" + (left_to_right ? "LR" : "TB") + ", labelloc=t, label=" + label + ", style=\"rounded,dashed\", color=\"" + faint +
           "\"];\n";
    dot += "  node [fontname=\"DejaVu Sans\", fontsize=11, fontcolor=\"" + ink + "\", penwidth=1.3, margin=\"0.14,0.06\", height=0.3" +
           (tree ? ", width=3.4" : "") + "];\n";
    dot += "  edge [fontname=\"DejaVu Sans\", fontsize=10, fontcolor=\"" + ink + "\", color=\"" + faint + "\", arrowsize=0.7];\n";
    detail::append_group(dot, *this, -1, "  ");
    for (const Arrow& arrow : arrows) {
        dot += "  n" + std::to_string(arrow.from) + (tree ? ":e -> n" : " -> n") + std::to_string(arrow.to) + (tree ? ":w" : "");
        // the way of the data is straight, and what joins it comes from the side
        std::string looks = boxes[arrow.from].kind == Kind::parameter || arrow.dotted ? "" : "weight=9";
        if (!arrow.text.empty())
            looks += std::string(looks.empty() ? "" : ", ") +
                     "label=<<table border=\"0\" cellspacing=\"0\" cellpadding=\"1\"><tr><td width=\"3\"></td><td bgcolor=\"white\">" +
                     detail::label_text(detail::shortened(arrow.text, 80)) + "</td></tr></table>>";
        if (arrow.dotted) looks += std::string(looks.empty() ? "" : ", ") + "style=dotted";
        if (!looks.empty()) dot += " [" + looks + "]";
        dot += ";\n";
    }
    return dot + "}\n";
}

}  // namespace headtorch::viz
