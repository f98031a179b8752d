// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Numbers by name, in the order in which they were found: the loss and the metrics of an epoch or of an evaluation.

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/core/error.hpp"

namespace headtorch::train {

class Numbers {
public:
    using value_type = std::pair<std::string, double>;

    void set(std::string_view name, double value) {
        for (auto& [there, number] : list_)
            if (there == name) {
                number = value;
                return;
            }
        list_.emplace_back(name, value);
    }
    bool contains(std::string_view name) const { return find(name) != nullptr; }
    /// Throws ValueError, with the names there are, when there is none of that name.
    double operator[](std::string_view name) const {
        if (const double* number = find(name)) return *number;
        throw ValueError(message("numbers: nothing is called \"", name, "\"; there is ", names()));
    }
    /// `loss, accuracy`.
    std::string names() const {
        std::string text;
        for (const auto& [name, value] : list_) text += (text.empty() ? "" : ", ") + name;
        return text.empty() ? "nothing" : text;
    }
    std::size_t size() const { return list_.size(); }
    bool empty() const { return list_.empty(); }
    auto begin() const { return list_.begin(); }
    auto end() const { return list_.end(); }
    void clear() { list_.clear(); }

    /// `loss 0.512  accuracy 0.83`.
    std::string to_string() const {
        std::string text;
        for (const auto& [name, value] : list_) {
            char number[32];
            std::snprintf(number, sizeof number, " %.4g", value);
            text.append(text.empty() ? "" : "  ").append(name).append(number);
        }
        return text;
    }

private:
    const double* find(std::string_view name) const {
        for (const auto& [there, number] : list_)
            if (there == name) return &number;
        return nullptr;
    }

    std::vector<value_type> list_;
};

}  // namespace headtorch::train
