// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What may be asked for when a file of tensors is read: which of them, under which names, of which type.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/io/random_access_file.hpp"
#include "headtorch/nn/state_dict.hpp"

namespace headtorch::io {

/// Prefixes and what stands in their place: `{{"module.", ""}, {"backbone.", "encoder."}}`. For each name the first rule that fits holds.
using RenameRules = std::vector<std::pair<std::string, std::string>>;

struct LoadOptions {
    /// What tensors of floating type become: Dtype::float32, float64, float16 or bfloat16. Unless given, none is converted.
    std::optional<Dtype> dtype{};
    /// Types that no tensor here can have become the next larger one: int8, int16 and uint16 int32; uint32 int64. Unless asked for, they
    /// are refused. float16 and bfloat16, which tensors can have, become float32 then, unless `dtype` says otherwise.
    bool widen = false;
    /// Only what is below this name, which is taken off: "model" of a file with "model.fc.weight" and "optimizer.state" gives "fc.weight".
    std::string root{};
    RenameRules rename{};
};

/// A file of tensors, and the strings that it holds beside them.
struct StateFile {
    nn::StateDict state;
    std::map<std::string, std::string> metadata;
};

namespace detail {

inline std::string renamed(std::string_view name, const RenameRules& rules) {
    for (const auto& [prefix, replacement] : rules)
        if (name.starts_with(prefix)) return replacement + std::string(name.substr(prefix.size()));
    return std::string(name);
}

/// A name in a message: short, and without what a terminal would obey.
inline std::string in_quotes(std::string_view name) {
    constexpr std::size_t most = 120;
    std::string text = "\"";
    for (const char c : name.substr(0, most)) {
        const auto code = static_cast<unsigned char>(c);
        text += code < 0x20 || code == 0x7f ? '?' : c;
    }
    return text + (name.size() > most ? "…\"" : "\"");
}

/// The names under which the tensors of a file are given back.
class LoadNames {
public:
    LoadNames(const RandomAccessFile& file, const LoadOptions& options) : file_(file), options_(options) {}

    /// The name for the tensor that is called `name` in the file; nothing when it is not wanted. Refuses one that was there before.
    std::optional<std::string> operator()(std::string_view name) {
        const std::string& root = options_.root;
        if (!root.empty()) {
            if (tops_.size() < 8) tops_.insert(std::string(name.substr(0, name.find('.'))));
            if (!name.starts_with(root) || name.size() <= root.size() || name[root.size()] != '.') return std::nullopt;
            name.remove_prefix(root.size() + 1);
        }
        std::string result = renamed(name, options_.rename);
        if (!names_.insert(result).second) file_.fail("two of its tensors are called ", in_quotes(result));
        return result;
    }
    /// To be called at the end: throws when nothing was below the root that was asked for.
    void check_root() const {
        if (options_.root.empty() || !names_.empty()) return;
        std::string tops;
        for (const std::string& top : tops_) tops += (tops.empty() ? "" : ", ") + in_quotes(top);
        file_.fail("nothing in it is below ", in_quotes(options_.root), "; its names start with ", tops.empty() ? "nothing" : tops);
    }

private:
    const RandomAccessFile& file_;
    const LoadOptions& options_;
    std::unordered_set<std::string> names_, tops_;
};

}  // namespace detail

/// The same tensors under other names. Throws ValueError when two would have the same.
inline nn::StateDict rename_keys(const nn::StateDict& dict, const RenameRules& rules) {
    nn::StateDict result;
    std::unordered_set<std::string> names;
    for (const auto& [name, tensor] : dict) {
        std::string now = detail::renamed(name, rules);
        if (!names.insert(now).second) throw ValueError(message("rename_keys: two entries would be called ", detail::in_quotes(now)));
        result.append(std::move(now), tensor);
    }
    return result;
}

}  // namespace headtorch::io
