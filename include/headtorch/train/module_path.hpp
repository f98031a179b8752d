// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Where in a tree of modules a thread computes, as `net.features.0`: for observers, who are told only of the modules that are called.

#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/observer.hpp"

namespace headtorch::train {

/// The modules that are running, outermost first. Paths have numbers: 0 is "", outside all modules.
class ModulePaths {
public:
    ModulePaths() : names_{""} {}

    void enter(nn::ModuleRef module) { running_.push_back({module, unknown}); }
    void leave() {
        if (!running_.empty()) running_.pop_back();
    }
    bool inside() const { return !running_.empty(); }
    /// The path of the innermost one. A module is looked for in the one that called it, the first time.
    int current() {
        std::size_t known = running_.size();
        while (known > 0 && running_[known - 1].path == unknown) --known;
        for (; known < running_.size(); ++known) running_[known].path = find(known);
        return running_.empty() ? 0 : running_.back().path;
    }
    const std::string& name(int path) const { return names_[static_cast<std::size_t>(path)]; }

private:
    static constexpr int unknown = -1;
    struct Running {
        nn::ModuleRef module;
        int path;
    };

    int find(std::size_t depth) {
        const nn::ModuleRef module = running_[depth].module;
        const int above = depth == 0 ? 0 : running_[depth - 1].path;
        const auto [place, is_new] = paths_.try_emplace({above, module.address(), &module.type()}, static_cast<int>(names_.size()));
        if (is_new) {
            std::string member =
                depth == 0 ? std::string() : nn::detail::path_below(running_[depth - 1].module, module.address(), &module.type());
            if (member.empty()) member = nn::detail::snake_case(module.name());
            names_.push_back(above == 0 ? member : name(above) + "." + member);
        }
        return place->second;
    }

    std::vector<Running> running_;
    std::deque<std::string> names_;
    std::map<std::tuple<int, const void*, const nn::ModuleType*>, int> paths_;
};

}  // namespace headtorch::train
