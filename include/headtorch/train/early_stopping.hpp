// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Stops a training that no longer gets better, and gives back the weights of its best epoch.

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>

#include "headtorch/core/error.hpp"
#include "headtorch/nn/module_tree.hpp"
#include "headtorch/train/callback.hpp"

namespace headtorch::train {

struct EarlyStoppingOptions {
    using Mode = Goal;
    std::size_t patience = 15;           ///< epochs without improvement after which to stop
    double min_delta = 0;                ///< an improvement must be larger than this
    Mode mode = Mode::min;               ///< whether less or more is better
    std::string monitor = "val_loss";    ///< the number that fit() goes by
    bool restore_best_weights = true;    ///< when fit() ends, however it does so
};

namespace detail {

/// EarlyStopping for a module whose type is not known.
class Stopper : public Callback {
public:
    explicit Stopper(EarlyStoppingOptions options) : options_(std::move(options)) {}

    bool update_module(nn::ModuleRef module, double value) {
        const bool less = options_.mode == Goal::min;
        const bool better =
            !std::isnan(value) && (!found_ || (less ? value < best_value_ - options_.min_delta : value > best_value_ + options_.min_delta));
        if (better) {
            nn::StateDict state;
            nn::detail::walk_state(module, [&](const std::string& name, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
                state.append(name, tensor.clone());
            });
            best_ = std::move(state);
            found_ = true;
            best_value_ = value;
            best_epoch_ = epoch_;
        }
        ++epoch_;
        waited_ = better ? 0 : waited_ + 1;
        return waited_ >= options_.patience;
    }
    void restore_module(nn::ModuleRef module) const {
        if (!found_) throw ValueError("early_stopping: there is nothing to restore: update() never saw a number");
        nn::detail::load_state(module, best_, true);
    }

    /// NaN before the first improvement.
    double best_value() const { return found_ ? best_value_ : std::numeric_limits<double>::quiet_NaN(); }
    /// Counted from 0.
    std::size_t best_epoch() const { return best_epoch_; }
    std::size_t epochs_without_improvement() const { return waited_; }

    /// Begins anew, unless training goes on from a later epoch than the first.
    void on_train_begin(FitState& state) override {
        if (!state.numbers.contains(options_.monitor))
            throw ValueError(message("early_stopping: fit() has no number called \"", options_.monitor, "\", only ", state.numbers.names(),
                                     ": give it .validation, or monitor one of these"));
        if (state.epoch > 0) return;
        best_ = {};
        found_ = false;
        best_epoch_ = epoch_ = waited_ = 0;
    }
    void on_epoch_end(FitState& state) override {
        epoch_ = static_cast<std::size_t>(state.epoch);
        if (update_module(state.net, state.numbers[options_.monitor]))
            state.stop(message("early stopping: ", options_.monitor, " has not improved for ", waited_, " epochs"));
    }
    void on_train_end(FitState& state) override {
        if (options_.restore_best_weights && found_) restore_module(state.net);
    }

private:
    EarlyStoppingOptions options_;
    nn::StateDict best_;
    bool found_ = false;
    double best_value_ = 0;
    std::size_t best_epoch_ = 0, epoch_ = 0, waited_ = 0;
};

}  // namespace detail

/// In a loop: `EarlyStopping stopper({.patience = 15}); if (stopper.update(net, loss)) break; … stopper.restore(net);`
/// As a callback of fit(): `.callbacks = {stopper}`.
/// Keeps a copy of the best parameters and buffers: later training does not touch it. NaN is no improvement.
template <class M = void>
class EarlyStopping final : public detail::Stopper {
    template <class N>
    static constexpr bool fits = std::is_void_v<M> || std::is_same_v<M, N>;

public:
    explicit EarlyStopping(EarlyStoppingOptions options = {}) : Stopper(std::move(options)) {}

    /// Call once an epoch; true when it is time to stop.
    template <class N>
        requires fits<N>
    bool update(const N& module, double value) { return update_module(module.module_ref(), value); }
    template <class N>
        requires fits<N>
    bool operator()(const N& module, double value) { return update(module, value); }

    /// Writes the best weights into the module's own parameters. Throws ValueError before the first improvement.
    template <class N>
        requires fits<N>
    void restore(N& module) const { restore_module(module.module_ref()); }
};
EarlyStopping() -> EarlyStopping<void>;
EarlyStopping(EarlyStoppingOptions) -> EarlyStopping<void>;

}  // namespace headtorch::train
