// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Why a call differs: what is printed of the module, what is not, and what comes out when one thing is changed. Part of train/parity.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/train/parity/explain.hpp"
#include "headtorch/train/parity/printed.hpp"
#include "headtorch/train/parity/replay.hpp"
#include "headtorch/train/parity/report.hpp"

namespace headtorch::train::parity_detail {

using HiddenOptions = std::function<std::map<std::string, std::string>(nn::ModuleRef)>;

inline bool same_type(std::string_view here, std::string_view there) {
    return here == there || (here == "Linear" && there == "NonDynamicallyQuantizableLinear");
}

class CauseFinder {
public:
    struct Place {
        std::size_t call, event, tensor;
        std::string_view kind;  ///< "input" or "output"
    };

    /// `fed`: the run with PyTorch's values; `run_again`: the same once more, after something was changed.
    CauseFinder(const ParityRecord& record, const ModulePaths& paths, const Run& fed, const HiddenOptions& hidden, double tolerance,
                std::function<Run()> run_again)
        : record_(record), paths_(paths), fed_(fed), hidden_(hidden), tolerance_(tolerance), run_again_(std::move(run_again)) {}

    std::string find(const Place& place, const Values& here, const Values& there) {
        place_ = place;
        there_ = there;
        const RecordedCall& call = record_.calls[place.call];
        if (place.kind == "input" || has_calls_inside()) {
            std::string cause = between_layers(here);
            if (place.kind == "input" || !cause.empty()) return cause;
        }
        const nn::ModuleRef module = paths_.find(call.path);
        const RecordedModule* recorded = record_.module(call.path);
        if (!module.address() || !recorded) return "";
        for (const auto& attempt : {&CauseFinder::other_mode, &CauseFinder::other_options, &CauseFinder::other_eps,
                                    &CauseFinder::other_parameters, &CauseFinder::other_function})
            if (std::string cause = (this->*attempt)(module, *recorded, here); !cause.empty()) return cause;
        const std::vector<std::string> silent = unprinted(*recorded);
        if (!silent.empty()) return "compare what PyTorch's does not print: " + joined(silent, ", ");
        return "";
    }

private:
    bool has_calls_inside() const { return record_.events[place_.event - 1] != static_cast<std::int64_t>(place_.call) + 1; }

    /// The call that encloses the one in question, and what was there to be used when it began or ended.
    std::vector<Source> sources() const {
        std::vector<Source> found;
        std::vector<std::size_t> open, inside;
        const bool input = place_.kind == "input";
        for (std::size_t e = 0; e < place_.event; ++e) {
            const std::int64_t event = record_.events[e];
            if (event > 0)
                open.push_back(static_cast<std::size_t>(event - 1));
            else
                open.pop_back();
        }
        if (open.empty()) return found;  // the net's own input
        const std::size_t parent = open.back();
        const std::string& path = record_.calls[parent].path;
        for (std::size_t i = 0; i < record_.calls[parent].inputs.size(); ++i)
            add(found, path.empty() ? "the net's input" : "the input of " + path, i, record_.calls[parent].inputs);
        std::vector<std::size_t> nested;
        for (std::size_t e = 0; e < place_.event; ++e) {
            const std::int64_t event = record_.events[e];
            if (event > 0) {
                nested.push_back(static_cast<std::size_t>(event - 1));
                continue;
            }
            nested.pop_back();
            const auto ended = static_cast<std::size_t>(-event - 1);
            if (nested.empty() || nested.back() != parent || (!input && ended == place_.call)) continue;
            const RecordedCall& call = record_.calls[ended];
            const RecordedModule* module = record_.module(call.path);
            for (std::size_t i = 0; i < call.outputs.size(); ++i)
                add(found, "the output of " + layer_name(call.path, module ? module->type : ""), i, call.outputs);
        }
        constexpr std::size_t most = 12;  // the sums of all pairs are tried
        if (found.size() > most) found.erase(found.begin(), found.end() - most);
        return found;
    }
    void add(std::vector<Source>& found, const std::string& name, std::size_t i, const std::vector<std::string>& values) const {
        found.emplace_back(values.size() > 1 ? message("part ", i, " of ", name) : name, record_.values(values[i]));
    }

    /// Modules were called in another order, or not at all, or forward() does something else between them.
    std::string between_layers(const Values& here) const {
        std::string text = not_called();
        if (text.empty()) text = other_order();
        const std::vector<Source> known = sources();
        const std::string theirs = explain_by(known, there_, tolerance_ / 4), ours = explain_by(known, here, tolerance_ / 4);
        std::string flow;
        const std::string verb = place_.kind == "input" ? "PyTorch gives it " : "PyTorch returns ";
        if (!theirs.empty() && !ours.empty())
            flow = verb + theirs + ", forward() here " + ours;
        else if (!theirs.empty())
            flow = verb + theirs + ", forward() here something else";
        else if (!ours.empty())
            flow = message("forward() here ", place_.kind == "input" ? "gives it " : "returns ", ours, ", PyTorch something else");
        if (!text.empty() && !flow.empty()) return text + "; " + flow;
        if (text.empty() && flow.empty() && place_.kind == "input") {
            const std::string change = explain(here, there_, tolerance_ / 4, "what it is given here");
            return change.empty() ? "what forward() does before it" : "PyTorch gives it " + change;
        }
        return text + flow;
    }
    std::string not_called() const {
        for (std::size_t e = place_.event; e-- > 0;) {
            if (record_.events[e] > 0) continue;
            const auto number = static_cast<std::size_t>(-record_.events[e] - 1);
            const std::string& path = record_.calls[number].path;
            if (number == place_.call || fed_.calls[number].begun || !paths_.find(path).address()) continue;
            return message("forward() here does not call ", layer_name(path, record_.module(path) ? record_.module(path)->type : ""),
                           record_.calls[number].occurrence > 0 ? " as often as PyTorch" : "");
        }
        return "";
    }
    std::string other_order() const {
        std::vector<std::string> theirs, ours;
        for (const RecordedCall& call : record_.calls)
            if (paths_.find(call.path).address()) theirs.push_back(call.path);
        for (const std::string& path : fed_.order)
            if (record_.module(path)) ours.push_back(path);
        std::size_t first = 0;
        while (first < std::min(theirs.size(), ours.size()) && theirs[first] == ours[first]) ++first;
        if (first == std::min(theirs.size(), ours.size())) return "";
        const auto few = [&](const std::vector<std::string>& paths) {
            const auto begin = paths.begin() + static_cast<std::ptrdiff_t>(first);
            return joined(std::vector<std::string>(begin, begin + std::min<std::ptrdiff_t>(3, paths.end() - begin)), ", ");
        };
        return message("another order of calls: here ", few(ours), ", in PyTorch ", few(theirs));
    }

    /// Whether the call gives PyTorch's output after something was changed.
    bool agrees_now() const {
        const Run run = run_again_();
        const SeenCall& call = run.calls[place_.call];
        return call.ended && place_.tensor < call.outputs.size() && are_close(call.outputs[place_.tensor], there_, tolerance_ / 4);
    }
    std::string other_mode(nn::ModuleRef module, const RecordedModule& there, const Values&) {
        if (!module.type().training) return "";
        bool& mode = *module.type().training(module.address());
        if (mode == there.training) return "";
        mode = !mode;
        const bool sure = agrees_now();
        mode = !mode;
        const bool alike = module.type().extra_repr && !printed_differences(module.type().extra_repr(module.address()), there.repr).empty();
        if (!sure && alike) return "";
        return mode ? "training mode here, evaluation mode in PyTorch: call net.eval()"
                    : "evaluation mode here, training mode in PyTorch: call net.train()";
    }
    std::string other_options(nn::ModuleRef module, const RecordedModule& there, const Values&) {
        std::vector<std::string> differences;
        const bool leaf = !has_calls_inside();
        if (leaf && !same_type(module.name(), there.type))
            differences.push_back(message("a ", module.name(), " here, a ", there.type, " in PyTorch"));
        if (same_type(module.name(), there.type) && module.type().extra_repr)
            for (std::string& each : printed_differences(module.type().extra_repr(module.address()), there.repr))
                differences.push_back(std::move(each));
        for (std::string& each : hidden_differences(hidden_(module), there.options)) differences.push_back(std::move(each));
        // Classes of other names may do the same: how they differ says more.
        if (differences.size() == 1 && !same_type(module.name(), there.type)) {
            named_otherwise_ = differences[0] + "; ";
            return "";
        }
        return joined(differences);
    }
    std::string other_eps(nn::ModuleRef, const RecordedModule& there, const Values& here) {
        if (there.type.find("Norm") == std::string::npos || record_.calls[place_.call].inputs.empty()) return "";
        NormInputs in{there.type, record_.values(record_.calls[place_.call].inputs[0]), parameter("weight"), parameter("bias"), {}, {}};
        if (there.type.starts_with("BatchNorm") && !there.training) in.mean = parameter("running_mean"), in.var = parameter("running_var");
        if (const auto groups = there.options.find("num_groups"); groups != there.options.end())
            in.groups = std::max(1L, std::strtol(groups->second.c_str(), nullptr, 10));
        if (const auto shape = there.options.find("normalized_shape"); shape != there.options.end())
            in.trailing =
                static_cast<std::int64_t>(parse_printed(std::string_view(shape->second).substr(1, shape->second.size() - 2)).size());
        const auto ours = fitting_eps(in, here, tolerance_ / 4), theirs = fitting_eps(in, there_, tolerance_ / 4);
        if (!ours || !theirs || *ours == *theirs) return "";
        return message("another epsilon: eps=", *ours, " fits what comes out here, eps=", *theirs, " what does in PyTorch");
    }
    std::vector<double> parameter(const char* name) const {
        const std::string& path = record_.calls[place_.call].path;
        const std::string full = message("weight.", path, path.empty() ? "" : ".", name);
        return record_.tensors.contains(full) ? record_.values(full).data : std::vector<double>();
    }
    /// Turns each parameter of the module around, as far as its shape allows it.
    std::string other_parameters(nn::ModuleRef module, const RecordedModule&, const Values& here) {
        std::string cause;
        nn::detail::for_each_tensor_of(module, [&](std::string_view name, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
            if (!cause.empty() || tensor.dtype() == Dtype::int64) return;
            const Values before = values_of(*tensor.impl());
            const auto attempt = [&](const Values& changed, const std::string& what) {
                if (!cause.empty() || !(changed.shape == before.shape)) return;
                write_values(*tensor.impl(), changed);
                tensor.impl()->bump_version("check_parity");
                if (agrees_now()) cause = named_otherwise_ + what;
                write_values(*tensor.impl(), before);
                tensor.impl()->bump_version("check_parity");
            };
            const int rank = before.shape.rank();
            if (rank >= 2) {
                IntList order;
                for (int d = 0; d < rank; ++d) order.push_back(d);
                std::swap(order[0], order[1]);
                attempt(permuted(before, order),
                        message("a transposed ", name, ": with its first two dimensions exchanged, PyTorch's output comes out"));
                std::swap(order[0], order[1]);
                std::swap(order[rank - 1], order[rank - 2]);
                if (rank > 2)
                    attempt(permuted(before, order),
                            message("a transposed ", name, ": with its last two dimensions exchanged, PyTorch's output comes out"));
            }
            if (rank > 2) attempt(flipped(before), message("a flipped ", name, ": PyTorch's convolution does not turn its kernel around"));
            if (rank == 1 && here.shape == there_.shape) {
                Values change = there_;
                for (std::size_t i = 0; i < change.size(); ++i) change.data[i] -= here.data[i];
                if (adds_along(change, before)) cause = named_otherwise_ + message("here ", name, " is not added");
                for (double& x : change.data) x = -x;
                if (cause.empty() && adds_along(change, before))
                    cause = named_otherwise_ + message("here ", name, " is added once too often");
            }
        });
        return cause;
    }
    static Values flipped(const Values& x) {
        Values y = x;
        std::size_t plane = 1;
        for (int d = 2; d < x.shape.rank(); ++d) plane *= static_cast<std::size_t>(x.shape[d]);
        for (std::size_t i = 0; i < x.size(); ++i) y.data[i] = x.data[i / plane * plane + plane - 1 - i % plane];
        return y;
    }
    /// True when `change` is the vector along dimension 1 or the last one, and not nothing.
    bool adds_along(const Values& change, const Values& vector) const {
        if (vector.largest() == 0) return false;
        for (const int dim : {1, change.shape.rank() - 1}) {
            if (dim < 0 || dim >= change.shape.rank() || change.shape[dim] != vector.shape[0]) continue;
            const auto step = static_cast<std::size_t>(change.shape.contiguous_strides()[dim]);
            bool equal = true;
            for (std::size_t i = 0; equal && i < change.size(); ++i)
                equal = std::abs(change.data[i] - vector.data[i / step % vector.size()]) <=
                        tolerance_ * std::max(vector.largest(), there_.largest());
            if (equal) return true;
        }
        return false;
    }
    /// What the module does to its input, here and there, or what is missing behind it.
    std::string other_function(nn::ModuleRef, const RecordedModule&, const Values& here) {
        const RecordedCall& call = record_.calls[place_.call];
        if (!call.inputs.empty()) {
            const Values input = record_.values(call.inputs[0]);
            const std::string ours = explain(input, here, tolerance_ / 4, "its input"),
                              theirs = explain(input, there_, tolerance_ / 4, "its input");
            if (!ours.empty() && !theirs.empty()) return named_otherwise_ + message("here it gives ", ours, ", in PyTorch ", theirs);
        }
        const std::string more = explain(here, there_, tolerance_ / 4, "what comes out here");
        if (!more.empty()) return named_otherwise_ + "in PyTorch it gives " + more;
        const std::string less = explain(there_, here, tolerance_ / 4, "what comes out in PyTorch");
        if (!less.empty()) return named_otherwise_ + "here it gives " + less;
        return named_otherwise_.empty() ? "" : named_otherwise_.substr(0, named_otherwise_.size() - 2);
    }

    const ParityRecord& record_;
    const ModulePaths& paths_;
    const Run& fed_;
    const HiddenOptions& hidden_;
    double tolerance_;
    std::function<Run()> run_again_;
    Place place_{};
    Values there_;
    std::string named_otherwise_;
};

}  // namespace headtorch::train::parity_detail
