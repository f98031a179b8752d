// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// All stages of check_parity(), in order: weights, outputs, loss, gradients, optimiser steps. Part of train/parity.hpp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/train/parity/check.hpp"
#include "headtorch/train/parity/train.hpp"

namespace headtorch::train {

template <class T>
struct ParityOptions;

namespace parity_detail {

/// "half as large", by a factor that is the same for all elements; 0 when there is none.
inline double common_factor(const Values& here, const Values& there, double tolerance) {
    std::size_t largest = 0;
    for (std::size_t i = 0; i < there.size(); ++i)
        if (std::abs(there.data[i]) > std::abs(there.data[largest])) largest = i;
    if (there.size() == 0 || there.data[largest] == 0) return 0;
    const double factor = here.data[largest] / there.data[largest];
    return factor != 0 && maps_to(there, here, tolerance, [=](double v) { return factor * v; }) ? factor : 0;
}

template <class T>
class ParitySteps {
public:
    using Forward = std::function<Tensor<T, Cpu>(const ParityTensors&)>;

    ParitySteps(nn::ModuleRef root, const std::string& file, const ParityOptions<T>& options, Forward forward)
        : root_(root),
          options_(options),
          forward_(std::move(forward)),
          record_(RecordReader(file, options.rename).read(dtype_of<T>)),
          inputs_(tensors(record_.inputs)),
          targets_(tensors(record_.targets)),
          check_(
              root, record_, [this] { output_ = forward_(inputs_); }, &hidden_options<T>, chosen_tolerance()),
          file_(file) {}

    ParityReport run() {
        const ModuleGuard guard(root_);
        ParityReport& report = check_.report;
        for (const std::string& path : record_.without_dropout)
            if (const nn::ModuleRef module = check_.paths().find(path); module.address() && module.type().training)
                *module.type().training(module.address()) = false;
        if (record_.dtype != dtype_of<T>)
            report.notes.push_back(message("the trace is of ", name(record_.dtype), ", the module here of ", name(dtype_of<T>),
                                           ": compared to the precision of float"));
        if (check_.check_weights(options_.load)) {
            check_.check_outputs();
            if (!report.first_difference) {
                check_loss_and_gradients();
                if (!report.first_difference) check_steps();
            } else {
                report.notes.push_back("the loss, the gradients and the steps of the optimiser were not compared");
            }
        }
        report.ok = !report.first_difference;
        report.text = report_text(report, message("parity of ", root_.name(), " with ", file_, " (", record_.model, ", PyTorch ",
                                                  record_.torch, ", ", name(record_.dtype), ")"));
        return std::move(report);
    }

private:
    double chosen_tolerance() const {
        if (options_.tolerance) return *options_.tolerance;
        return dtype_of<T> == Dtype::float64 && record_.dtype == Dtype::float64 ? 1e-9 : 2e-4;
    }
    ParityTensors tensors(const std::vector<std::string>& names) const {
        std::vector<nn::AnyTensorHandle> found;
        for (const std::string& name : names) found.push_back(record_.tensors.at(name));
        return ParityTensors(std::move(found));
    }
    Tensor<T, Cpu> loss_of(const Tensor<T, Cpu>& output) const {
        if (options_.loss) return options_.loss(output, targets_);
        Tensor<T, Cpu> loss;
        if (!record_.custom_loss) {
            if (targets_.size() == 0 && record_.loss != "sum" && record_.loss != "mean")
                throw ValueError(message("check_parity: the trace has no target for ", record_.loss));
            loss = named_loss(record_.loss, RecordedOptions(record_.loss_options), record_.below("loss."), output, targets_);
        }
        if (!loss.defined()) throw ValueError(message("check_parity: the loss ", record_.loss, " is not known here: pass it as .loss"));
        return loss;
    }

    /// How far apart rounding may bring what it brought `spread` apart in PyTorch.
    static double by_rounding(double spread) { return 10 * spread; }
    bool check_loss(const Tensor<T, Cpu>& loss, std::size_t step) {
        const Values here{{}, dtype_of<T>, {static_cast<double>(loss.item())}}, there{{}, dtype_of<T>, {record_.losses[step]}};
        const Gap gap = gap_between(here, there);
        const std::string what = step == 0 ? "loss" : message("loss after ", step, step == 1 ? " step" : " steps");
        const bool wrong = gap.max_rel > std::max(check_.tolerance(), by_rounding(record_.loss_spread[step]));
        row({"", "", what, gap.max_abs, gap.max_rel, wrong ? ParityVerdict::differs : ParityVerdict::same});
        if (!wrong) return true;
        ParityDifference d = difference_of("", record_.model, what, gap, {});
        if (step == 0) d.cause = other_loss(here.data[0], there.data[0]);
        check_.fail(std::move(d));
        return false;
    }
    /// Whether another loss, or another reduction, gives what came out here.
    std::string other_loss(double here, double there) const {
        const auto gives = [&](const std::string& loss, const Json& options) {
            try {
                const Tensor<T, Cpu> tried = named_loss(loss, RecordedOptions(options), record_.below("loss."), output_.detach(), targets_);
                return tried.defined() && std::abs(static_cast<double>(tried.item()) - here) <= 1e-5 * std::abs(here);
            } catch (const Error&) {
                return false;
            }
        };
        std::string theirs;
        for (const auto& [key, value] : record_.loss_options.items())
            theirs += message(theirs.empty() ? " with " : ", ", key, "=", python_text(value));
        theirs = record_.loss + theirs;
        for (const char* reduction : {"mean", "sum"}) {
            Json options = record_.loss_options;
            options["reduction"] = reduction;
            if (targets_.size() > 0 && gives(record_.loss, options))
                return message("here it is as with reduction='", reduction, "', in PyTorch ", theirs);
        }
        for (const std::string_view loss : {"CrossEntropyLoss", "NLLLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss",
                                            "BCEWithLogitsLoss", "SoftMarginLoss", "sum", "mean"})
            for (const char* reduction : {"mean", "sum"})
                if ((targets_.size() > 0 || loss == "sum" || loss == "mean") && gives(std::string(loss), Json{{"reduction", reduction}}))
                    return message("here it is ", loss, " with reduction='", reduction, "' and no other options, in PyTorch ", theirs);
        return message("it is ", short_number(here / there), " times PyTorch's ", theirs);
    }

    void check_loss_and_gradients() {
        check_.reload();
        ModuleGuard::zero_grad(root_);
        manual_seed(record_.seed);
        Replay replay(record_, check_.paths(), root_, {.keep = true});
        output_ = forward_(inputs_);
        const Run run = replay.take();
        const Tensor<T, Cpu> loss = loss_of(output_);
        for (const SeenCall& call : run.calls)
            for (const Ref<TensorImpl>& tensor : call.tensors)
                if (tensor->dtype == dtype_of<T> && Tensor<T, Cpu>(tensor).requires_grad()) Tensor<T, Cpu>(tensor).retain_grad();
        if (!check_loss(loss, 0)) return;
        for (const auto& [name, tensor] : nn::detail::named_tensors(root_, nn::TensorKind::parameter)) {
            if (!tensor.impl()->node || std::find(record_.trainable.begin(), record_.trainable.end(), name) != record_.trainable.end())
                continue;
            const std::size_t dot = name.rfind('.');
            const std::string path = dot == std::string::npos ? "" : name.substr(0, dot), type = check_.type_of(path);
            return check_.fail({path,
                                type,
                                "requires_grad",
                                "requires_grad_(false) is missing here",
                                0,
                                0,
                                {},
                                0,
                                0,
                                message(layer_name(path, type), ": its ", name.substr(dot + 1), " is trained here, frozen in PyTorch")});
        }
        const nn::StateDict gradients = record_.below("gradient.");
        if (gradients.empty()) return;
        if (!loss.requires_grad())
            return check_.fail({"",
                                record_.model,
                                "gradient",
                                "nothing here requires a gradient",
                                0,
                                0,
                                {},
                                0,
                                0,
                                "the loss depends on nothing that requires a gradient here"});
        loss.backward();
        double least = 0;
        for (const auto& [name, tensor] : gradients) least = std::max(least, values_of(*tensor.impl()).largest());
        std::vector<bool> done(record_.calls.size());
        for (auto event = record_.events.rbegin(); event != record_.events.rend(); ++event) {
            if (*event < 0)
                output_gradients(run, static_cast<std::size_t>(-*event - 1));
            else if (const auto number = static_cast<std::size_t>(*event - 1); record_.calls[number].occurrence == 0)
                parameter_gradients(record_.calls[number].path, gradients, 1e-3 * least);
        }
        for (const auto& [name, tensor] : gradients)  // those of modules that are not called, as a MultiheadAttention's out_proj
            if (std::find(compared_.begin(), compared_.end(), name) == compared_.end())
                parameter_gradient(name, values_of(*tensor.impl()), 1e-3 * least);
    }
    void output_gradients(const Run& run, std::size_t number) {
        const RecordedCall& recorded = record_.calls[number];
        const SeenCall& call = run.calls[number];
        for (std::size_t i = 0; i < std::min(recorded.gradients.size(), call.tensors.size()); ++i) {
            const Ref<TensorImpl>& tensor = call.tensors[i];
            if (recorded.gradients[i].empty() || tensor->dtype != dtype_of<T> || tensor->version() != call.versions[i]) continue;
            const Tensor<T, Cpu> gradient = Tensor<T, Cpu>(tensor).requires_grad() ? Tensor<T, Cpu>(tensor).grad() : Tensor<T, Cpu>();
            compare_gradient(recorded.path, "gradient of its output", gradient, record_.values(recorded.gradients[i]), 0);
        }
    }
    void parameter_gradients(const std::string& path, const nn::StateDict& gradients, double least) {
        const std::string prefix = path.empty() ? "" : path + ".";
        for (const auto& [name, tensor] : gradients)
            if (name.starts_with(prefix) && name.find('.', prefix.size()) == std::string::npos)
                parameter_gradient(name, values_of(*tensor.impl()), least);
    }
    void parameter_gradient(const std::string& name, const Values& there, double least) {
        compared_.push_back(name);
        const nn::AnyTensorHandle* parameter = check_.state().find(name);
        if (!parameter || !parameter->is<T>()) return;
        const Tensor<T, Cpu> tensor = parameter->get<T>();
        const std::size_t dot = name.rfind('.');
        compare_gradient(dot == std::string::npos ? "" : name.substr(0, dot), "gradient of " + name.substr(dot + 1),
                         tensor.requires_grad() ? tensor.grad() : Tensor<T, Cpu>(), there, least);
    }
    void compare_gradient(const std::string& path, const std::string& what, const Tensor<T, Cpu>& gradient, const Values& there,
                          double least) {
        const std::string type = check_.type_of(path);
        Values here = gradient.defined() ? values_of(*gradient.get()) : Values{there.shape, there.dtype, std::vector<double>(there.size())};
        if (!(here.shape == there.shape)) return;  // a transposed weight, which was reported
        const Gap gap = gap_between(here, there, least);
        const bool wrong = gap.max_rel > 5 * check_.tolerance();
        row({path, type, what, gap.max_abs, gap.max_rel,
             !wrong                           ? ParityVerdict::same
             : check_.report.first_difference ? ParityVerdict::inherits
                                              : ParityVerdict::differs});
        if (!wrong || check_.report.first_difference) return;
        ParityDifference d = difference_of(path, type, what, gap, there.shape);
        if (!gradient.defined())
            d.cause = "nothing flows back here: requires_grad is off, or something behind it was detached";
        else if (const double factor = common_factor(here, there, check_.tolerance()); factor != 0)
            d.cause = message("it is ", short_number(factor), " times PyTorch's");
        else
            d.cause = "the backward of this layer or of what uses its output";
        check_.fail(std::move(d));
    }

    void check_steps() {
        const std::size_t steps = std::min(record_.steps, options_.steps.value_or(record_.steps));
        if (steps == 0) return;
        check_.reload();
        ModuleGuard::zero_grad(root_);
        NamedParameters<T> parameters;
        for (const auto& [name, tensor] : nn::detail::named_tensors(root_, nn::TensorKind::parameter))
            if (tensor.template is<T>()) parameters.emplace(name, tensor.template get<T>());
        std::unique_ptr<AnyOptimizer> optimizer;
        if (!options_.step) optimizer = recorded_optimizer(record_, parameters);
        if (!options_.step && !optimizer) {
            check_.report.notes.push_back(
                message("the optimiser ", record_.optimizer, " is not known here, so no steps were taken: pass .step = [&] { … }"));
            return;
        }
        manual_seed(record_.seed);
        for (std::size_t step = 0; step < steps; ++step) {
            const Tensor<T, Cpu> loss = loss_of(forward_(inputs_));
            if (step > 0 && !check_loss(loss, step)) return;
            ModuleGuard::zero_grad(root_);
            loss.backward();
            for (const std::string& name : record_.unmoved)  // their gradient is nothing but rounding
                if (const auto found = parameters.find(name); found != parameters.end()) found->second.zero_grad();
            if (options_.step)
                options_.step();
            else
                optimizer->step();
            if (step == 0 && !check_moves("first.", 1)) return;
            if (step > 0 && step + 1 == record_.steps) check_moves("last.", record_.steps);
        }
    }
    /// Compares by how much parameters and buffers changed.
    bool check_moves(const char* prefix, std::size_t steps) {
        bool right = true;
        for (const auto& [name, tensor] : record_.below(prefix)) {
            const nn::AnyTensorHandle* now = check_.state().find(name);
            const std::string before = "weight." + name;
            if (!now || !record_.tensors.contains(before) || !(now->shape() == tensor.shape())) continue;
            const Values start = record_.values(before);
            Values here = values_of(*now->impl()), there = values_of(*tensor.impl());
            const double rounding =
                (dtype_of<T> == Dtype::float32 || record_.dtype == Dtype::float32 ? 1e-5 : 1e-13) * std::max(1e-3, there.largest());
            for (std::size_t i = 0; i < there.size(); ++i) here.data[i] -= start.data[i], there.data[i] -= start.data[i];
            const Gap gap = gap_between(here, there, rounding);
            const auto spread = record_.spread.find(prefix + name);
            const double grown = spread == record_.spread.end() ? 0 : by_rounding(spread->second);
            const bool wrong = gap.rms_rel > std::max(50 * check_.tolerance(), grown) && gap.max_abs > rounding;
            const std::size_t dot = name.rfind('.');
            const std::string path = dot == std::string::npos ? "" : name.substr(0, dot), type = check_.type_of(path);
            const std::string what = message("change of ", name.substr(dot + 1), " in ", steps, steps == 1 ? " step" : " steps");
            if (!wrong && grown >= 1) {  // Adam may turn rounding into steps in any direction
                row({path, type, what, 0, 0, ParityVerdict::not_compared});
                continue;
            }
            row({path, type, what, gap.max_abs, gap.max_rel, wrong ? ParityVerdict::differs : ParityVerdict::same});
            if (!wrong) continue;
            right = false;
            ParityDifference d = difference_of(path, type, what, gap, there.shape);
            d.cause = other_move(name, path, here, there);
            check_.fail(std::move(d));
        }
        return right;
    }
    std::string other_move(const std::string& name, const std::string& path, const Values& here, const Values& there) {
        const nn::ModuleRef module = check_.paths().find(path);
        const RecordedModule* recorded = record_.module(path);
        if (module.address() && recorded && module.type().extra_repr) {
            const auto differences = printed_differences(module.type().extra_repr(module.address()), recorded->repr);
            if (!differences.empty()) return joined(differences);
        }
        const double factor = common_factor(here, there, 50 * check_.tolerance());
        const std::string times = factor != 0 ? message("it changes ", short_number(factor), " times as much as in PyTorch: ") : "";
        if (!record_.tensors.contains("gradient." + name))
            return times + "a buffer: compare how it is updated, as by the momentum of a BatchNorm";
        return message(times, factor != 0 ? "another learning rate? " : "", "PyTorch's optimiser is ", optimizer_text(record_));
    }
    void row(ParityRow row) { check_.report.rows.push_back(std::move(row)); }

    nn::ModuleRef root_;
    const ParityOptions<T>& options_;
    Forward forward_;
    ParityRecord record_;
    ParityTensors inputs_, targets_;
    Tensor<T, Cpu> output_;
    ParityCheck check_;
    std::string file_;
    std::vector<std::string> compared_;
};

}  // namespace parity_detail
}  // namespace headtorch::train
