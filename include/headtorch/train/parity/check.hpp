// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The comparison of a module with a trace, as far as no element type matters: weights and outputs. Part of train/parity.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/autograd/record.hpp"
#include "headtorch/train/parity/cause.hpp"
#include "headtorch/train/parity/printed.hpp"
#include "headtorch/train/parity/replay.hpp"
#include "headtorch/train/parity/report.hpp"

namespace headtorch::train::parity_detail {

class ParityCheck {
public:
    /// `forward` runs the module once, and may throw.
    ParityCheck(nn::ModuleRef root, const ParityRecord& record, std::function<void()> forward, HiddenOptions hidden, double tolerance)
        : root_(root), record_(record), paths_(root), forward_(std::move(forward)), hidden_(std::move(hidden)), tolerance_(tolerance) {}

    ParityReport report;

    /// Takes the trace's weights, or only compares them; false when the module is not the same, so that all else would differ.
    bool check_weights(bool load) {
        std::vector<std::string> misfits, turned;
        nn::StateDict weights = record_.below("weight.");
        const auto complain = [&](const std::string& name, const std::string& what) {
            if (!report.first_difference) fail_weight(name, what);
            misfits.push_back(message(name, " (", what, ")"));
        };
        std::vector<std::pair<nn::AnyTensorHandle, nn::AnyTensorHandle>> writes;
        for (const auto& [name, from] : weights) {
            const nn::AnyTensorHandle* to = state().find(name);
            if (!to)
                complain(name, message(from, " in PyTorch, missing here"));
            else if (from.shape() == to->shape() && from.dtype() == to->dtype())
                writes.emplace_back(*to, from);
            else if (from.dtype() == to->dtype() && from.shape().rank() == 2 && to->shape() == Shape{from.shape()[1], from.shape()[0]})
                turned.push_back(name);
            else
                complain(name, message(from, " in PyTorch, ", *to, " here"));
        }
        for (const auto& [name, to] : state())
            if (!weights.contains(name)) complain(name, message("missing in PyTorch, ", to, " here"));
        if (!misfits.empty()) {
            if (misfits.size() > 1) report.notes.push_back("parameters and buffers that do not fit: " + joined(misfits, ", "));
            return false;
        }
        for (const std::string& name : turned) {
            const nn::AnyTensorHandle& to = *state().find(name);
            if (!report.first_difference) fail_weight(name, message(weights.at(name), " in PyTorch, ", to, " here"));
            report.first_difference->cause = "a transposed weight: PyTorch keeps it as [out, in], and multiplies by its transpose";
            if (!load) return false;
            write_values(*to.impl(), permuted(values_of(*weights.at(name).impl()), IntList{1, 0}));
        }
        return load ? load_weights(writes) : compare_weights(writes);
    }

    /// Runs the module, freely and fed with PyTorch's values, and judges every call.
    void check_outputs() {
        free_ = run({});
        fed_ = run({.feed = true});
        for (std::size_t e = 0; e < record_.events.size(); ++e) {
            const std::int64_t event = record_.events[e];
            const auto number = static_cast<std::size_t>(event > 0 ? event - 1 : -event - 1);
            if (event > 0)
                judge_inputs(number, e);
            else
                judge_outputs(number, e);
        }
        if (!report.first_difference && !free_.error.empty()) {
            report.first_difference =
                ParityDifference{free_.error_module, "", "call", "", 0, 0, {}, 0, 0, "forward() threw: " + free_.error};
        }
        if (!report.first_difference && drift_) {
            report.first_difference = *drift_;
            report.first_difference->cause = "rounding that grows from layer to layer: given PyTorch's inputs, every layer agrees";
        }
        add_notes();
    }

    const ModulePaths& paths() const { return paths_; }
    double tolerance() const { return tolerance_; }
    /// The parameters and buffers here.
    const nn::StateDict& state() {
        if (state_.empty())
            nn::detail::walk_state(
                root_, [&](const std::string& name, nn::TensorKind, const nn::AnyTensorHandle& tensor) { state_.append(name, tensor); });
        return state_;
    }
    std::string type_of(const std::string& path) const {
        const RecordedModule* module = record_.module(path);
        return module ? module->type : "";
    }
    /// Runs the module under a Replay.
    Run run(Replay::Options options) {
        Replay replay(record_, paths_, root_, options);
        std::string error, module;
        manual_seed(record_.seed);
        try {
            if (options.keep) {
                forward_();
            } else {
                NoGrad guard;
                forward_();
            }
        } catch (const Error& thrown) {
            error = thrown.what();
            module = thrown.module_path();
        }
        Run result = replay.take();
        result.error = error;
        result.error_module = module;
        for (const auto& [to, from] : loaded_) to.type()->write(to.impl(), from.impl());  // running statistics
        return result;
    }
    /// Takes the weights of the trace again.
    void reload() const {
        for (const auto& [to, from] : loaded_) to.type()->write(to.impl(), from.impl());
    }
    void fail(ParityDifference difference) {
        if (!report.first_difference) report.first_difference = std::move(difference);
    }

private:
    static std::string owner_of(const std::string& name) {
        const std::size_t dot = name.rfind('.');
        return dot == std::string::npos ? "" : name.substr(0, dot);
    }
    static std::string last_of(const std::string& name) { return name.substr(name.rfind('.') + 1); }

    void remember() {
        loaded_.clear();
        for (const auto& [name, tensor] : state()) loaded_.emplace_back(tensor, tensor.clone());
    }
    bool load_weights(const std::vector<std::pair<nn::AnyTensorHandle, nn::AnyTensorHandle>>& writes) {
        for (const auto& [to, from] : writes) to.type()->write(to.impl(), from.impl());
        remember();
        return true;
    }
    bool compare_weights(const std::vector<std::pair<nn::AnyTensorHandle, nn::AnyTensorHandle>>& pairs) {
        for (const auto& [to, from] : pairs) {
            const Values here = values_of(*to.impl()), there = values_of(*from.impl());
            const Gap gap = gap_between(here, there);
            if (gap.max_rel <= tolerance_ / 100) continue;
            std::string name;
            for (const auto& [each, tensor] : state())
                if (tensor.is_same(to)) name = each;
            const std::string layer = owner_of(name);
            fail(difference_of(layer, type_of(layer), last_of(name), gap, there.shape));
            const auto order = reordering(here, there, tolerance_);
            report.first_difference->cause =
                order && there.shape.rank() == 2
                    ? "a transposed weight"
                    : "PyTorch's weights were not loaded: see load_state_dict(), or let check_parity load them";
            return false;
        }
        remember();
        return true;
    }
    void fail_weight(const std::string& name, const std::string& what) {
        const std::string layer = owner_of(name), last = last_of(name);
        const nn::ModuleRef here = paths_.find(layer);
        const RecordedModule* there = record_.module(layer);
        ParityDifference d{
            layer, type_of(layer), last, "", 0, 0, {}, 0, 0, message(layer_name(layer, type_of(layer)), ": its ", last, " is ", what)};
        if (here.address() && there) {
            std::vector<std::string> differences;
            if (here.type().extra_repr) differences = printed_differences(here.type().extra_repr(here.address()), there->repr);
            if (!same_type(here.name(), there->type) && here.type().extra_repr)
                differences.insert(differences.begin(), message("a ", here.name(), " here, a ", there->type, " in PyTorch"));
            d.cause = !differences.empty() ? joined(differences)
                      : state().contains(name)
                          ? "another size"
                          : message("the module here has no nn::Parameter or nn::Buffer of that name (a plain Tensor is no state)");
        } else if (there) {
            d.cause = other_name(name, layer);
        } else {
            d.cause = "PyTorch's module has no such part";
        }
        report.first_difference = std::move(d);
    }
    /// A module here of another name, with tensors of the same shapes.
    std::string other_name(const std::string& name, const std::string& layer) {
        const nn::StateDict weights = record_.below("weight.");
        for (const auto& [each, tensor] : state()) {
            if (last_of(each) != last_of(name) || !(tensor.shape() == weights.at(name).shape()) || weights.contains(each)) continue;
            const std::string owner = owner_of(each);
            return message("another name: it may be ", owner, " here; name the member ", layer, ", or pass .rename = {{\"", layer,
                           ".\", \"", owner, ".\"}}");
        }
        return message("there is no module ", layer, " here: a layer is missing, or has another name");
    }

    const Values* seen(const std::vector<Values>& values, std::size_t i) const { return i < values.size() ? &values[i] : nullptr; }

    void judge_inputs(std::size_t number, std::size_t event) {
        const RecordedCall& call = record_.calls[number];
        if (!fed_.calls[number].begun) return;
        for (std::size_t i = 0; i < call.inputs.size(); ++i)
            if (const Values* here = seen(fed_.calls[number].inputs, i))
                compare(number, event, "input", i, call.inputs, *here, free_.calls[number].inputs);
    }
    void judge_outputs(std::size_t number, std::size_t event) {
        const RecordedCall& call = record_.calls[number];
        if (!fed_.calls[number].ended) {
            if (!fed_.calls[number].begun)
                report.rows.push_back({call.path, type_of(call.path), "output", 0, 0, ParityVerdict::not_compared});
            return;
        }
        for (std::size_t i = 0; i < call.outputs.size(); ++i)
            if (const Values* here = seen(fed_.calls[number].outputs, i))
                compare(number, event, "output", i, call.outputs, *here, free_.calls[number].outputs);
    }
    void compare(std::size_t number, std::size_t event, const char* kind, std::size_t i, const std::vector<std::string>& names,
                 const Values& fed, const std::vector<Values>& free) {
        const RecordedCall& call = record_.calls[number];
        const Values there = record_.values(names[i]);
        const std::string what = names.size() > 1 ? message(kind, " ", i) : std::string(kind), type = type_of(call.path);
        const bool by_itself = fed_.calls[number].fed || !spoilt_;
        if (!(fed.shape == there.shape)) {
            const double none = std::numeric_limits<double>::infinity();
            if (kind == std::string_view("output") || by_itself)
                report.rows.push_back({call.path, type, what, none, none, by_itself ? ParityVerdict::differs : ParityVerdict::inherits});
            if (by_itself)
                differ(
                    {call.path,
                     type,
                     what,
                     "",
                     INFINITY,
                     INFINITY,
                     {},
                     0,
                     0,
                     message(layer_name(call.path, type), ": its ", what, " has shape ", fed.shape, " here, ", there.shape, " in PyTorch")},
                    {number, event, i, kind}, fed, there);
            spoilt_ = true;
            return;
        }
        const Gap alone = gap_between(fed, there);
        const Values* wild = seen(free, i);
        const Gap whole = wild && wild->shape == there.shape ? gap_between(*wild, there) : alone;
        const bool wrong = alone.max_rel > tolerance_ / 10 && by_itself;
        const Gap& shown = wrong ? alone : whole;
        const auto verdict = wrong ? ParityVerdict::differs : whole.max_rel > tolerance_ ? ParityVerdict::inherits : ParityVerdict::same;
        if (kind == std::string_view("output") || wrong)
            report.rows.push_back({call.path, type, what, shown.max_abs, shown.max_rel, verdict});
        if (wrong)
            differ(difference_of(call.path, type, what, alone, there.shape), {number, event, i, kind}, fed, there);
        else if (verdict == ParityVerdict::inherits && !drift_)
            drift_ = difference_of(call.path, type, what, whole, there.shape);
    }
    void differ(ParityDifference difference, const CauseFinder::Place& place, const Values& here, const Values& there) {
        if (report.first_difference) return;
        CauseFinder finder(record_, paths_, fed_, hidden_, tolerance_, [this] { return run({.feed = true}); });
        difference.cause = finder.find(place, here, there);
        report.first_difference = std::move(difference);
    }

    /// What does not show in the numbers.
    void add_notes() {
        std::vector<std::string> absent, idle;
        for (const RecordedModule& there : record_.modules) {
            const nn::ModuleRef here = paths_.find(there.path);
            const bool called =
                std::any_of(record_.calls.begin(), record_.calls.end(), [&](const auto& c) { return c.path == there.path; });
            if (!here.address()) {
                if (called) absent.push_back(layer_name(there.path, there.type));
                continue;
            }
            if (called && std::find(free_.order.begin(), free_.order.end(), there.path) == free_.order.end() && free_.error.empty())
                idle.push_back(layer_name(there.path, there.type));
            if (!here.type().extra_repr || !same_type(here.name(), there.type)) continue;
            auto differences = printed_differences(here.type().extra_repr(here.address()), there.repr);
            for (std::string& hidden : hidden_differences(hidden_(here), there.options)) differences.push_back(std::move(hidden));
            if (differences.empty() || (report.first_difference && report.first_difference->layer == there.path)) continue;
            report.notes.push_back(message(layer_name(there.path, there.type), ": ", joined(differences)));
        }
        if (!absent.empty()) report.notes.push_back("no modules here, so only what comes of them is compared: " + joined(absent, ", "));
        if (!idle.empty()) report.notes.push_back("modules that forward() here never calls: " + joined(idle, ", "));
        if (!free_.error.empty() && report.first_difference->what != "call") report.notes.push_back("forward() threw: " + free_.error);
    }

    nn::ModuleRef root_;
    const ParityRecord& record_;
    ModulePaths paths_;
    std::function<void()> forward_;
    HiddenOptions hidden_;
    double tolerance_;
    nn::StateDict state_;
    std::vector<std::pair<nn::AnyTensorHandle, nn::AnyTensorHandle>> loaded_;
    Run free_, fed_;
    bool spoilt_ = false;
    std::optional<ParityDifference> drift_;
};

}  // namespace headtorch::train::parity_detail
