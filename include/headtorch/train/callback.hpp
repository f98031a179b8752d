// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What fit() calls as training goes on: an interface, and a callback made of functions.

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/nn/reflect.hpp"
#include "headtorch/optim/optimizer.hpp"
#include "headtorch/train/history.hpp"
#include "headtorch/train/numbers.hpp"

namespace headtorch::train {

/// Whether less or more of a number is better.
enum class Goal { min, max };

/// Where training stands.
class FitState {
public:
    std::int64_t epoch = 0;    ///< counted from 0
    std::int64_t epochs = 0;   ///< how many there are to be
    std::int64_t batch = 0;    ///< of this epoch, counted from 0; after the last one, how many there were
    std::int64_t batches = -1; ///< how many an epoch has; -1 when the loader does not tell
    std::int64_t steps = 0;    ///< of the optimiser, since training began
    double loss = std::numeric_limits<double>::quiet_NaN();       ///< of the latest batch
    double grad_norm = std::numeric_limits<double>::quiet_NaN();  ///< of the latest step, before clipping by norm; NaN without it
    /// At the end of an epoch: loss, metrics, val_loss, …, lr, seconds. Before, what was last known, NaN at first.
    Numbers numbers{};
    History history{};
    bool interrupted = false;  ///< by Ctrl-C: training ends with this epoch
    nn::ModuleRef net{};       ///< `state.net.as<Net>()` is a pointer to the network, or null when it is of another type
    optim::Schedulable* optimizer = nullptr;

    /// Training ends: after the running batch, with its epoch closed. The first reason given stays.
    void stop(std::string reason) {
        if (!stopping_) reason_ = std::move(reason);
        stopping_ = true;
    }
    bool stopping() const { return stopping_; }
    const std::string& stop_reason() const { return reason_; }

private:
    bool stopping_ = false;
    std::string reason_;
};

/// Base of callbacks. What one throws ends fit() and comes out of it.
class Callback {
public:
    virtual ~Callback() = default;
    /// Before the first epoch. The state has the names of all numbers to come.
    virtual void on_train_begin(FitState&) {}
    virtual void on_epoch_begin(FitState&) {}
    /// After each batch; where gradients are gathered over several, the optimiser has made a step after the last of them only.
    virtual void on_batch_end(FitState&) {}
    /// After validation, and after a scheduler that goes by epochs.
    virtual void on_epoch_end(FitState&) {}
    /// After the last epoch, however it came to be the last; not after an exception.
    virtual void on_train_end(FitState&) {}
};

/// The functions of a LambdaCallback; those left out do nothing.
struct LambdaFunctions {
    std::function<void(FitState&)> on_train_begin{}, on_epoch_begin{}, on_batch_end{}, on_epoch_end{}, on_train_end{};
};

/// `LambdaCallback({.on_epoch_end = [](train::FitState& state) { … }})`.
class LambdaCallback final : public Callback {
public:
    explicit LambdaCallback(LambdaFunctions functions) : functions_(std::move(functions)) {}
    void on_train_begin(FitState& state) override { call(functions_.on_train_begin, state); }
    void on_epoch_begin(FitState& state) override { call(functions_.on_epoch_begin, state); }
    void on_batch_end(FitState& state) override { call(functions_.on_batch_end, state); }
    void on_epoch_end(FitState& state) override { call(functions_.on_epoch_end, state); }
    void on_train_end(FitState& state) override { call(functions_.on_train_end, state); }

private:
    static void call(const std::function<void(FitState&)>& function, FitState& state) {
        if (function) function(state);
    }
    LambdaFunctions functions_;
};

/// A callback as fit() takes it. One with a name stays the caller's, who can ask it afterwards, and must outlive what refers to it; a
/// temporary is kept. A function is called at the end of each epoch.
class CallbackRef {
public:
    template <std::derived_from<Callback> C>
    CallbackRef(C& callback) : callback_(std::shared_ptr<void>(), &callback) {}
    template <class C>
        requires(std::derived_from<C, Callback> && !std::is_lvalue_reference_v<C>)
    CallbackRef(C&& callback) : callback_(std::make_shared<C>(std::move(callback))) {}
    template <class F>
        requires(std::invocable<F&, FitState&> && !std::derived_from<std::remove_cvref_t<F>, Callback>)
    CallbackRef(F&& function) : callback_(std::make_shared<LambdaCallback>(LambdaFunctions{.on_epoch_end = std::forward<F>(function)})) {}

    Callback* operator->() const { return callback_.get(); }

private:
    std::shared_ptr<Callback> callback_;
};

}  // namespace headtorch::train
