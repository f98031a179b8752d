// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Compares what a module prints of itself here and in PyTorch, and the options that it does not print. Part of train/parity.hpp.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/attention.hpp"
#include "headtorch/nn/pool.hpp"
#include "headtorch/nn/reflect.hpp"
#include "headtorch/nn/resample.hpp"
#include "headtorch/train/parity/record.hpp"

namespace headtorch::train::parity_detail {

using Printed = std::vector<std::pair<std::string, std::string>>;

/// Splits "3, 6, kernel_size=(5, 5)" at the commas outside brackets and quotes; what has no name is called "#0", "#1", ….
inline Printed parse_printed(std::string_view text) {
    Printed parts;
    std::size_t begin = 0;
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const char c = i < text.size() ? text[i] : ',';
        if (c == '\'') quoted = !quoted;
        if (c == '(' || c == '[') ++depth;
        if (c == ')' || c == ']') --depth;
        if (c != ',' || ((depth > 0 || quoted) && i < text.size())) continue;
        std::string_view part = text.substr(begin, i - begin);
        begin = i + 1;
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        if (part.empty()) continue;
        const std::size_t equals = part.find('=');
        if (equals == std::string_view::npos)
            parts.emplace_back(message("#", parts.size()), part);
        else
            parts.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
    return parts;
}

/// True for two ways to print one value: 1e-05 and 0.00001, (2, 2) and 2, 'same' and same.
inline bool same_printed(std::string_view a, std::string_view b) {
    const auto plain = [](std::string_view text) {
        std::string value;
        for (const char c : text)
            if (c != '\'') value += c;
        if (value.size() < 2 || (value.front() != '(' && value.front() != '[')) return value;
        const Printed parts = parse_printed(std::string_view(value).substr(1, value.size() - 2));
        std::string all = "(";
        bool alike = !parts.empty();
        for (const auto& [name, part] : parts) {
            alike = alike && part == parts[0].second;
            all += part + ",";
        }
        return alike ? parts[0].second : all;
    };
    const std::string x = plain(a), y = plain(b);
    if (x == y) return true;
    char *x_end = nullptr, *y_end = nullptr;
    const double x_value = std::strtod(x.c_str(), &x_end), y_value = std::strtod(y.c_str(), &y_end);
    if (x.empty() || y.empty() || *x_end || *y_end) return false;
    return std::abs(x_value - y_value) <= 1e-5 * std::max(std::abs(x_value), std::abs(y_value));  // six digits are printed here
}

/// "eps=0.001 here, eps=1e-05 in PyTorch" for each option that differs; nothing when both print the same.
inline std::vector<std::string> printed_differences(std::string_view here, std::string_view there) {
    const Printed ours = parse_printed(here), theirs = parse_printed(there);
    const auto find = [](const Printed& parts, const std::string& name) -> const std::string* {
        for (const auto& [each, value] : parts)
            if (each == name) return &value;
        return nullptr;
    };
    const auto shown = [](const std::string& name, const std::string& value) {
        return name.front() == '#' ? value : message(name, "=", value);
    };
    // Older versions of PyTorch do not print a bias, and writing in place makes no difference to the values.
    const auto silent = [](const std::string& name, const std::string& value) {
        return name == "inplace" || (name == "bias" && value == "True");
    };
    std::vector<std::string> differences;
    for (const auto& [name, value] : ours) {
        const std::string* other = find(theirs, name);
        if (other ? same_printed(value, *other) || name == "inplace" : silent(name, value)) continue;
        differences.push_back(message(shown(name, value), " here, ", other ? shown(name, *other) : "without it", " in PyTorch"));
    }
    for (const auto& [name, value] : theirs)
        if (!find(ours, name) && !silent(name, value))
            differences.push_back(message("without it here, ", shown(name, value), " in PyTorch"));
    return differences;
}

/// What modules here do not print, as PyTorch's do not, under the names of PyTorch's attributes.
template <class T>
std::map<std::string, std::string> hidden_options(nn::ModuleRef module) {
    const auto truth = [](bool value) { return std::string(value ? "True" : "False"); };
    std::map<std::string, std::string> options;
    if (const auto* up = module.as<nn::Upsample>()) options["align_corners"] = up->align_corners ? truth(*up->align_corners) : "None";
    if (const auto* pool = module.as<nn::AvgPool2d>()) {
        options["ceil_mode"] = truth(pool->ceil_mode);
        options["count_include_pad"] = truth(pool->count_include_pad);
    }
    if (const auto* attention = module.as<nn::MultiheadAttention<T>>()) {
        options["num_heads"] = message(attention->num_heads);
        options["batch_first"] = truth(attention->options.batch_first);
        options["add_zero_attn"] = truth(attention->options.add_zero_attn);
        options["dropout"] = message(attention->options.dropout);
    }
    if (const auto* layer = module.as<nn::TransformerEncoderLayer<T>>()) options["norm_first"] = truth(layer->options.norm_first);
    return options;
}

inline std::vector<std::string> hidden_differences(const std::map<std::string, std::string>& here,
                                                   const std::map<std::string, std::string>& there) {
    std::vector<std::string> differences;
    for (const auto& [name, value] : here)
        if (const auto other = there.find(name); other != there.end() && !same_printed(value, other->second))
            differences.push_back(message(name, "=", value, " here, ", name, "=", other->second, " in PyTorch (neither is printed)"));
    return differences;
}

/// Attributes that a PyTorch module does not print.
inline std::vector<std::string> unprinted(const RecordedModule& module) {
    const Printed printed = parse_printed(module.repr);
    std::vector<std::string> hidden;
    for (const auto& [name, value] : module.options) {
        bool shown = name == "inplace" || name == "in_channels" || name == "out_channels" || value == "None";
        for (const auto& [other, text] : printed) shown = shown || other == name || (other.front() == '#' && same_printed(text, value));
        if (!shown) hidden.push_back(message(name, "=", value));
    }
    return hidden;
}

inline std::string joined(const std::vector<std::string>& texts, std::string_view between = "; ") {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : std::string(between)) + text;
    return all;
}

}  // namespace headtorch::train::parity_detail
