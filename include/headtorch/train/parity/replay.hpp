// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Runs a module and sets its calls beside those of a trace: freely, or with PyTorch's values in the place of every module's inputs and
/// outputs as soon as they were looked at, so that each is judged by itself. Part of train/parity.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/core/random.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/nn/observer.hpp"
#include "headtorch/train/parity/record.hpp"

namespace headtorch::train::parity_detail {

/// A call of a module that the trace has, too.
struct SeenCall {
    bool begun = false, ended = false;
    bool fed = false;  ///< all inputs, and all that came before in the run, were replaced by PyTorch's
    std::vector<Values> inputs, outputs;
    std::vector<Ref<TensorImpl>> tensors;  ///< the outputs themselves, when they are kept
    std::vector<std::uint32_t> versions;
};

/// All that was seen of one run.
struct Run {
    std::vector<SeenCall> calls;      ///< one for each recorded call
    std::vector<std::string> order;   ///< paths of the modules here, as they were called
    std::string error, error_module;  ///< what forward() threw
};

/// The modules here, by path and by place.
class ModulePaths {
public:
    explicit ModulePaths(nn::ModuleRef root) {
        std::string path;
        nn::detail::walk_modules(root, &path, [&](nn::ModuleRef module) {
            modules_.emplace(path, module);
            paths_.emplace(std::pair(module.address(), &module.type()), path);
        });
    }
    /// Null when there is none.
    const std::string* path_of(nn::ModuleRef module) const {
        const auto found = paths_.find({module.address(), &module.type()});
        return found == paths_.end() ? nullptr : &found->second;
    }
    /// A null address when there is none.
    nn::ModuleRef find(const std::string& path) const {
        const auto found = modules_.find(path);
        return found == modules_.end() ? nn::ModuleRef() : found->second;
    }
    auto begin() const { return modules_.begin(); }
    auto end() const { return modules_.end(); }

private:
    std::map<std::string, nn::ModuleRef> modules_;
    std::map<std::pair<const void*, const nn::ModuleType*>, std::string> paths_;
};

class Replay final : public nn::ModuleObserver {
public:
    struct Options {
        bool feed = false;  ///< replaces every module's inputs and outputs by PyTorch's
        bool keep = false;  ///< keeps the outputs, for their gradients
    };

    Replay(const ParityRecord& record, const ModulePaths& paths, nn::ModuleRef root, Options options)
        : record_(record), paths_(paths), options_(options) {
        run_.calls.resize(record.calls.size());
        for (std::size_t i = 0; i < record.calls.size(); ++i) numbers_[{record.calls[i].path, record.calls[i].occurrence}] = i;
        nn::detail::walk_state(root, [&](const std::string&, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
            state_.push_back(tensor.impl()->storage.get());
        });
    }
    Run take() { return std::move(run_); }

    void module_begins(nn::ModuleRef module, std::span<TensorImpl* const> inputs) override {
        const std::string* path = paths_.path_of(module);
        open_.push_back(path ? number_of(*path) : none);
        if (path) run_.order.push_back(*path);
        if (open_.back() == none) return;
        SeenCall& call = run_.calls[open_.back()];
        const RecordedCall& recorded = record_.calls[open_.back()];
        call.begun = true;
        for (const TensorImpl* input : inputs) call.inputs.push_back(values_of(*input));
        if (!options_.feed) return;
        feed(inputs, recorded.inputs);
        call.fed = !spoilt_;
    }
    void module_ends(nn::ModuleRef, std::span<TensorImpl* const> outputs, bool failed) override {
        if (open_.empty()) return;
        const std::size_t number = open_.back();
        open_.pop_back();
        if (number == none || failed) return;
        SeenCall& call = run_.calls[number];
        call.ended = true;
        for (TensorImpl* output : outputs) {
            call.outputs.push_back(values_of(*output));
            if (!options_.keep) continue;
            call.tensors.push_back(Ref<TensorImpl>::share(output));
            call.versions.push_back(output->version());
        }
        if (options_.feed) feed(outputs, record_.calls[number].outputs);
    }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::size_t number_of(const std::string& path) {
        const auto found = numbers_.find({path, occurrences_[path]++});
        return found == numbers_.end() ? none : found->second;
    }
    void feed(std::span<TensorImpl* const> tensors, const std::vector<std::string>& recorded) {
        if (tensors.size() < recorded.size()) spoilt_ = true;
        for (std::size_t i = 0; i < std::min(tensors.size(), recorded.size()); ++i)
            if (!feed(*tensors[i], record_.values(recorded[i]))) spoilt_ = true;
    }
    /// Parameters, buffers, and what does not fit stay as they are.
    bool feed(TensorImpl& to, const Values& from) const {
        if (!(to.shape == from.shape)) return false;
        if (std::find(state_.begin(), state_.end(), to.storage.get()) != state_.end()) return true;
        if (!write_values(to, from)) return gap_between(values_of(to), from).max_rel == 0;
        to.bump_version("check_parity");
        return true;
    }

    const ParityRecord& record_;
    const ModulePaths& paths_;
    Options options_;
    Run run_;
    std::map<std::pair<std::string, std::size_t>, std::size_t> numbers_;
    std::map<std::string, std::size_t> occurrences_;
    std::vector<std::size_t> open_;
    std::vector<const Storage*> state_;
    bool spoilt_ = false;
};

/// Puts a module back as it was: its values, its modes, without gradients; and the random numbers.
class ModuleGuard {
public:
    explicit ModuleGuard(nn::ModuleRef root) : root_(root), random_(default_generator().get_state()) {
        nn::detail::walk_state(root, [&](const std::string&, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
            values_.emplace_back(tensor, tensor.clone());
        });
        nn::detail::walk_modules(root, nullptr, [&](nn::ModuleRef module) {
            if (!module.type().training) return;
            bool* mode = module.type().training(module.address());
            modes_.emplace_back(mode, *mode);
        });
    }
    ~ModuleGuard() {
        restore_values();
        for (const auto& [mode, before] : modes_) *mode = before;
        default_generator().set_state(random_);
        zero_grad(root_);
    }
    ModuleGuard(const ModuleGuard&) = delete;
    ModuleGuard& operator=(const ModuleGuard&) = delete;

    void restore_values() const {
        for (const auto& [to, from] : values_) to.type()->write(to.impl(), from.impl());
    }
    static void zero_grad(nn::ModuleRef root) {
        nn::detail::walk_parameters(root, [](const nn::AnyTensorHandle& tensor) { tensor.type()->zero_grad(tensor.impl()); });
    }

private:
    nn::ModuleRef root_;
    std::vector<std::uint8_t> random_;
    std::vector<std::pair<nn::AnyTensorHandle, nn::AnyTensorHandle>> values_;
    std::vector<std::pair<bool*, bool>> modes_;
};

}  // namespace headtorch::train::parity_detail
