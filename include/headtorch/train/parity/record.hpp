// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What tests/parity/parity_trace.py writes, read back and checked: nothing in it is trusted. Part of train/parity.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "headtorch/io/load_options.hpp"
#include "headtorch/io/safetensors.hpp"
#include "headtorch/nn/state_dict.hpp"
#include "headtorch/train/parity/values.hpp"

namespace headtorch::train::parity_detail {

using Json = nlohmann::json;

struct RecordedModule {
    std::string path, type, repr;
    bool training = true;
    std::map<std::string, std::string> options;  ///< public attributes, as Python prints them
};
struct RecordedCall {
    std::string path;
    std::size_t occurrence = 0;                           ///< how often the module was called before
    std::vector<std::string> inputs, outputs, gradients;  ///< names of tensors; of a gradient "" when there was none
};
struct RecordedGroup {
    std::vector<std::string> parameters;
    Json options;
};

/// A trace in memory. Names and paths are those of the module here, the rules of renaming being applied.
struct ParityRecord {
    std::string torch, model;
    Dtype dtype = Dtype::float32;
    std::uint64_t seed = 0;
    std::vector<RecordedModule> modules;
    std::vector<RecordedCall> calls;
    std::vector<std::int64_t> events;  ///< n: call n - 1 begins; -n: it ends
    std::vector<std::string> inputs, targets, trainable, unmoved, without_dropout;
    std::string loss;
    bool custom_loss = false;
    Json loss_options;
    std::string optimizer;  ///< "" when there was none
    std::vector<RecordedGroup> groups;
    std::size_t steps = 0;
    std::vector<double> losses, loss_spread;
    /// How far rounding alone brings two runs apart in PyTorch, relative to the change; by "first." or "last." and the name.
    std::map<std::string, double> spread;
    nn::StateDict tensors;

    const RecordedModule* module(std::string_view path) const {
        for (const RecordedModule& each : modules)
            if (each.path == path) return &each;
        return nullptr;
    }
    /// The tensors whose names start with `prefix`, without it.
    nn::StateDict below(std::string_view prefix) const {
        nn::StateDict found;
        for (const auto& [name, tensor] : tensors)
            if (name.starts_with(prefix)) found.append(name.substr(prefix.size()), tensor);
        return found;
    }
    Values values(std::string_view name) const { return values_of(*tensors.at(name).impl()); }
};

/// As Python prints it: True, None, 0.001, 'tanh', (1, 2).
inline std::string python_text(const Json& value, int depth = 0) {
    if (depth > 8) return "…";
    if (value.is_null()) return "None";
    if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
    if (value.is_string()) return "'" + value.get<std::string>() + "'";
    if (value.is_number_float()) {
        const std::string text = message(value.get<double>());
        return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
    }
    if (!value.is_array()) return value.dump();
    std::string text = "(";
    for (const Json& part : value) text += (text.size() > 1 ? ", " : "") + python_text(part, depth + 1);
    return text + (value.size() == 1 ? ",)" : ")");
}

/// Reads the JSON of a trace; whatever is not as it must be is an IoError that says where.
class RecordReader {
public:
    RecordReader(const std::string& path, const io::RenameRules& rename) : path_(path), rename_(rename) {}

    template <class... Text>
    [[noreturn]] void fail(const Text&... text) const {
        throw IoError(message("check_parity: ", path_, ": ", text...));
    }

    ParityRecord read(std::optional<Dtype> dtype) {
        io::StateFile file = io::read_safetensors(path_, {.dtype = dtype});
        const auto format = file.metadata.find("format"), text = file.metadata.find("record");
        if (format == file.metadata.end() || !format->second.starts_with("headtorch parity "))
            fail("no trace, though safetensors: make one with tests/parity/parity_trace.py");
        if (format->second != "headtorch parity 1") fail("a trace of another version, ", io::detail::in_quotes(format->second));
        if (text == file.metadata.end()) fail("its record is missing");
        const Json json = Json::parse(text->second, nullptr, false);
        if (!json.is_object()) fail("its record is not a JSON object");
        for (const auto& [name, tensor] : file.state) record_.tensors.append(renamed_tensor(name), tensor);
        read_modules(json);
        read_calls(json);
        read_training(json, dtype);
        return std::move(record_);
    }

private:
    const Json& get(const Json& json, const char* key) const {
        const auto found = json.find(key);
        if (found == json.end()) fail("its record lacks ", key);
        return *found;
    }
    std::string text(const Json& json, const char* key) const {
        const Json& value = get(json, key);
        if (!value.is_string()) fail("its record's ", key, " is no string");
        return value.get<std::string>();
    }
    bool truth(const Json& json, const char* key) const {
        const Json& value = get(json, key);
        if (!value.is_boolean()) fail("its record's ", key, " is neither true nor false");
        return value.get<bool>();
    }
    std::uint64_t count(const Json& json, const char* key) const {
        const Json& value = get(json, key);
        if (!value.is_number_unsigned()) fail("its record's ", key, " is no number");
        return value.get<std::uint64_t>();
    }
    double number(const Json& value, const char* what) const {
        if (!value.is_number()) fail("its record's ", what, " has something that is no number");
        return value.get<double>();
    }
    const Json& list(const Json& json, const char* key) const {
        const Json& value = get(json, key);
        if (!value.is_array()) fail("its record's ", key, " is no list");
        return value;
    }
    const Json& object(const Json& value, const char* what) const {
        if (!value.is_object()) fail("its record's ", what, " is no object");
        return value;
    }
    /// Names of tensors that the file must hold; null, where that is allowed, gives "".
    std::vector<std::string> tensor_names(const Json& json, const char* key, bool or_null = false) const {
        std::vector<std::string> names = texts(json, key, or_null);
        for (const std::string& name : names)
            if (!name.empty() && !record_.tensors.contains(name)) fail("it lacks the tensor ", io::detail::in_quotes(name));
        return names;
    }
    std::vector<std::string> texts(const Json& json, const char* key, bool or_null = false) const {
        std::vector<std::string> all;
        for (const Json& each : list(json, key)) {
            if (!each.is_string() && !(or_null && each.is_null())) fail("its record's ", key, " has something that is no string");
            all.push_back(each.is_null() ? "" : each.get<std::string>());
        }
        return all;
    }
    /// The path of a module, or the name of a parameter, as it is called here.
    std::string renamed(const std::string& path) const {
        std::string name = io::detail::renamed(path + ".", rename_);
        if (!name.empty()) name.pop_back();
        return name;
    }
    std::string renamed_tensor(const std::string& name) const {
        for (const char* kind : {"weight.", "gradient.", "first.", "last."})
            if (name.starts_with(kind)) return kind + renamed(name.substr(std::string_view(kind).size()));
        return name;
    }

    void read_modules(const Json& json) {
        record_.torch = text(json, "torch");
        record_.model = text(json, "model");
        record_.seed = count(json, "seed");
        const std::string dtype = text(json, "dtype");
        if (dtype != "float32" && dtype != "float64") fail("its dtype is ", io::detail::in_quotes(dtype), ", not float32 or float64");
        record_.dtype = dtype == "float32" ? Dtype::float32 : Dtype::float64;
        for (const Json& each : list(json, "modules")) {
            object(each, "module");
            RecordedModule module{renamed(text(each, "path")), text(each, "type"), text(each, "repr"), truth(each, "training"), {}};
            for (const auto& [key, value] : object(get(each, "options"), "options").items()) module.options[key] = python_text(value);
            record_.modules.push_back(std::move(module));
        }
        for (const std::string& path : texts(json, "without_dropout")) record_.without_dropout.push_back(renamed(path));
    }
    void read_calls(const Json& json) {
        std::map<std::string, std::size_t> occurrences;
        for (const Json& each : list(json, "calls")) {
            object(each, "call");
            const std::string path = renamed(text(each, "path"));
            record_.calls.push_back({path, occurrences[path]++, tensor_names(each, "inputs"), tensor_names(each, "outputs"),
                                     tensor_names(each, "gradients", true)});
            if (record_.calls.back().gradients.size() != record_.calls.back().outputs.size())
                fail("a call has not one gradient per output");
        }
        if (record_.calls.empty() || !record_.calls[0].path.empty()) fail("its first call is not that of the module itself");
        std::vector<std::int64_t> open;
        const auto count = static_cast<std::int64_t>(record_.calls.size());
        std::vector<bool> begun(record_.calls.size());
        for (const Json& each : list(json, "events")) {
            if (!each.is_number_integer()) fail("its events are no numbers");
            const std::int64_t event = each.get<std::int64_t>();
            if (event == 0 || event > count || event < -count) fail("its events name a call that is not there");
            if (event < 0 && (open.empty() || open.back() != -event)) fail("its events are not nested");
            if (event < 0) {
                open.pop_back();
            } else {
                if (begun[static_cast<std::size_t>(event - 1)]) fail("a call begins twice");
                begun[static_cast<std::size_t>(event - 1)] = true;
                open.push_back(event);
            }
            record_.events.push_back(event);
        }
        if (!open.empty() || record_.events.size() != 2 * record_.calls.size()) fail("not all of its calls begin and end");
    }
    void read_training(const Json& json, std::optional<Dtype> dtype) {
        record_.inputs = tensor_names(json, "inputs");
        record_.targets = tensor_names(json, "targets");
        record_.steps = count(json, "steps");
        for (const std::string& name : texts(json, "trainable")) record_.trainable.push_back(renamed(name));
        for (const std::string& name : texts(json, "unmoved")) record_.unmoved.push_back(renamed(name));
        const Json& loss = object(get(json, "loss"), "loss");
        record_.loss = text(loss, "name");
        record_.custom_loss = loss.contains("custom") && truth(loss, "custom");
        record_.loss_options = object(get(loss, "options"), "options");
        if (!record_.tensors.contains("losses")) fail("it lacks the tensor \"losses\"");
        record_.losses = record_.values("losses").data;
        if (record_.losses.size() != std::max<std::size_t>(1, record_.steps))
            fail("it has ", record_.losses.size(), " losses of ", record_.steps, " steps");
        const bool fine = record_.dtype == Dtype::float64 && dtype == Dtype::float64;
        const Json& spread = object(get(object(get(json, "spread"), "spread"), fine ? "float64" : "float32"), "spread");
        for (const Json& each : list(spread, "losses")) record_.loss_spread.push_back(number(each, "spread"));
        record_.loss_spread.resize(record_.losses.size());
        for (const char* kind : {"first", "last"})
            for (const auto& [name, value] : object(get(spread, kind), kind).items())
                record_.spread[message(kind, ".", renamed(name))] = number(value, "spread");
        const Json& optimizer = get(json, "optimizer");
        if (optimizer.is_null()) {
            if (record_.steps > 0) fail("it has steps but no optimizer");
            return;
        }
        record_.optimizer = text(object(optimizer, "optimizer"), "name");
        for (const Json& group : list(optimizer, "groups")) {
            RecordedGroup each{texts(object(group, "group"), "parameters"), object(get(group, "options"), "options")};
            for (std::string& name : each.parameters) name = renamed(name);
            record_.groups.push_back(std::move(each));
        }
    }

    std::string path_;
    const io::RenameRules& rename_;
    ParityRecord record_;
};

}  // namespace headtorch::train::parity_detail
