// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What fit() does apart from computing: means, metrics, callbacks, schedulers, the progress bar and the history, for networks of any type.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/module_tree.hpp"
#include "headtorch/train/fit_options.hpp"
#include "headtorch/train/interrupt.hpp"
#include "headtorch/train/progress.hpp"

namespace headtorch::train::detail {

inline void set_training(nn::ModuleRef net, bool mode) {
    nn::detail::walk_modules(net, nullptr, [&](nn::ModuleRef module) {
        if (module.type().training) *module.type().training(module.address()) = mode;
    });
}

/// Gives every module the mode back that it had.
class ModeGuard {
public:
    explicit ModeGuard(nn::ModuleRef net) : net_(net) {
        nn::detail::walk_modules(net, nullptr, [&](nn::ModuleRef module) {
            if (module.type().training) modes_.push_back(*module.type().training(module.address()));
        });
    }
    ~ModeGuard() {
        std::size_t i = 0;
        nn::detail::walk_modules(net_, nullptr, [&](nn::ModuleRef module) {
            if (module.type().training && i < modes_.size()) *module.type().training(module.address()) = modes_[i++];
        });
    }
    ModeGuard(const ModeGuard&) = delete;
    ModeGuard& operator=(const ModeGuard&) = delete;

private:
    nn::ModuleRef net_;
    std::vector<bool> modes_;
};

/// The mean loss and the metrics of many batches.
class Tally {
public:
    explicit Tally(const std::vector<MetricRef>& metrics) : metrics_(&metrics) {}

    void reset() {
        loss_sum_ = items_ = 0;
        for (const MetricRef& metric : *metrics_) metric->reset();
    }
    void add(double loss, std::int64_t items, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target) {
        add_loss(loss, items);
        for (const MetricRef& metric : *metrics_) metric->update(output, target);
    }
    /// The same of a batch on a GPU whose values were copied to the host.
    void add(double loss, std::int64_t items, const nn::AnyTensorHandle& output, const nn::AnyTensorHandle& target,
             const nn::AnyTensorHandle& host_output, const nn::AnyTensorHandle& host_target) {
        add_loss(loss, items);
        for (const MetricRef& metric : *metrics_) {
            const bool host = metric->reads_on_host();
            metric->update(host ? host_output : output, host ? host_target : target);
        }
    }
    void add_loss(double loss, std::int64_t items) {
        loss_sum_ += loss * static_cast<double>(items);
        items_ += static_cast<double>(items);
    }
    bool empty() const { return items_ == 0; }
    void report(Numbers& numbers, const std::string& prefix, bool cheap_only = false) const {
        numbers.set(prefix + "loss", empty() ? std::numeric_limits<double>::quiet_NaN() : loss_sum_ / items_);
        for (const MetricRef& metric : *metrics_)
            if (!cheap_only || metric->is_cheap()) metric->report(numbers, prefix);
    }
    bool has_metrics() const { return !metrics_->empty(); }

private:
    const std::vector<MetricRef>* metrics_;
    double loss_sum_ = 0, items_ = 0;
};

/// `epoch 3/10  loss 0.512  accuracy 0.83  val_loss 0.6  2.1 s`.
inline std::string epoch_line(std::int64_t epoch, std::int64_t epochs, const Numbers& numbers) {
    Numbers shown;
    for (const auto& [name, value] : numbers)
        if (name != "lr" && name != "seconds") shown.set(name, value);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.1f s", numbers["seconds"]);
    return message("epoch ", epoch, "/", epochs, "  ", shown.to_string(), "  ",
                   numbers["seconds"] < 60 ? seconds : duration_text(numbers["seconds"]));
}

class Run {
public:
    Run(const FitOptions& options, nn::ModuleRef net, optim::Schedulable& optimizer, std::int64_t batches)
        : options_(options), tally_(options.metrics), interrupt_(options.handle_interrupt) {
        check_options();
        state_.epoch = options.initial_epoch;
        state_.epochs = options.epochs;
        state_.batches = batches;
        state_.net = net;
        state_.optimizer = &optimizer;
        state_.history = History(static_cast<std::size_t>(options.initial_epoch) + 1);
        check_names();
        tally_.reset();
        tally_.report(state_.numbers, "");
        if (options.validation.defined()) tally_.report(state_.numbers, "val_");
        for (const char* name : {"lr", "seconds"}) state_.numbers.set(name, std::numeric_limits<double>::quiet_NaN());
        if (options.scheduler.needs_metric()) static_cast<void>(state_.numbers[scheduler_monitor()]);  // throws when there is none
    }

    FitState& state() { return state_; }
    Tally& tally() { return tally_; }

    void begin() { call(&Callback::on_train_begin); }
    bool begin_epoch() {
        if (state_.epoch >= options_.epochs || state_.stopping()) return false;
        start_ = Clock::now();
        state_.batch = 0;
        lr_ = state_.optimizer->lr(0);
        tally_.reset();
        set_training(state_.net, true);
        call(&Callback::on_epoch_begin);
        if (state_.stopping()) return false;
        if (options_.progress)
            progress_.emplace(state_.batches, ProgressOptions{message("epoch ", state_.epoch + 1, "/", options_.epochs)});
        return true;
    }
    /// False when training is to stop before a step is made with this loss.
    bool accepts(double loss) {
        state_.loss = loss;
        if (std::isfinite(loss) || options_.nonfinite_loss == NonFinite::ignore) return true;
        const std::string where = message("the loss is ", loss, " in epoch ", state_.epoch + 1, ", batch ", state_.batch + 1,
                                          " (learning rate ", state_.optimizer->lr(0), ")");
        if (options_.nonfinite_loss == NonFinite::raise)
            throw ValueError(message("fit: ", where,
                                     ": the weights are those before this batch; try a smaller learning rate, "
                                     ".clip_grad_norm, or look for such values in the data"));
        state_.stop(where);
        tally_.add_loss(loss, 1);
        return false;
    }
    void end_step(double grad_norm) {
        ++state_.steps;
        state_.grad_norm = grad_norm;
        if (options_.scheduler.defined() && options_.scheduler_step == Every::batch) options_.scheduler.step(state_.loss);
    }
    void end_batch(double loss) {
        state_.loss = loss;
        if (progress_)
            progress_->step_with([&] {
                Numbers numbers;
                tally_.report(numbers, "", true);
                return numbers.to_string();
            });
        call(&Callback::on_batch_end);
        ++state_.batch;
        notice_interrupt();
    }
    void end_training_part() {
        if (progress_) options_.verbose ? progress_->clear() : progress_->finish();
        progress_.reset();
        if (tally_.empty())
            throw ValueError(message("fit: the loader gave no batch in epoch ", state_.epoch + 1,
                                     ": it must not be empty, and is walked anew in each epoch"));
        tally_.report(state_.numbers, "");
    }
    void end_epoch() {
        state_.numbers.set("lr", lr_);
        state_.numbers.set("seconds", std::chrono::duration<double>(Clock::now() - start_).count());
        notice_interrupt();
        state_.history.add(state_.numbers);
        if (options_.scheduler.defined() && options_.scheduler_step == Every::epoch)
            options_.scheduler.step(options_.scheduler.needs_metric() ? state_.numbers[scheduler_monitor()] : 0);
        if (options_.verbose) {
            std::printf("%s\n", epoch_line(state_.epoch + 1, options_.epochs, state_.numbers).c_str());
            std::fflush(stdout);
        }
        call(&Callback::on_epoch_end);
        ++state_.epoch;
    }
    History finish() {
        call(&Callback::on_train_end);
        state_.history.stop_reason = state_.stop_reason();
        return std::move(state_.history);
    }

private:
    using Clock = std::chrono::steady_clock;

    void check_options() const {
        const auto refuse_unless = [](bool valid, const char* option, double value) {
            if (!valid) throw ValueError(message("fit: .", option, " cannot be ", value));
        };
        refuse_unless(options_.epochs >= 0, "epochs", static_cast<double>(options_.epochs));
        refuse_unless(options_.initial_epoch >= 0, "initial_epoch", static_cast<double>(options_.initial_epoch));
        refuse_unless(options_.accumulate >= 1, "accumulate", static_cast<double>(options_.accumulate));
        refuse_unless(options_.clip_grad_norm >= 0, "clip_grad_norm", options_.clip_grad_norm);
        refuse_unless(options_.clip_grad_value >= 0, "clip_grad_value", options_.clip_grad_value);
        if (options_.scheduler.needs_metric() && options_.scheduler_step == Every::batch)
            throw ValueError("fit: a scheduler that goes by a metric is stepped once an epoch: .scheduler_step = Every::epoch");
    }
    void check_names() const {
        Numbers known;
        for (const char* name : {"loss", "lr", "seconds"}) known.set(name, 0);
        for (const MetricRef& metric : options_.metrics) {
            Numbers own;
            metric->reset();
            metric->report(own, "");
            for (const auto& [name, value] : own) {
                if (known.contains(name)) throw ValueError(message("fit: \"", name, "\" is there twice: give a metric another .name"));
                known.set(name, 0);
            }
        }
    }
    std::string scheduler_monitor() const {
        const bool without_validation = options_.scheduler_monitor == "val_loss" && !options_.validation.defined();
        return without_validation ? "loss" : options_.scheduler_monitor;
    }
    void notice_interrupt() {
        if (state_.interrupted || !interrupt_.interrupted()) return;
        state_.interrupted = true;
        state_.stop("interrupted");
    }
    void call(void (Callback::*function)(FitState&)) {
        for (const CallbackRef& callback : options_.callbacks) ((*callback.operator->()).*function)(state_);
    }

    const FitOptions& options_;
    Tally tally_;
    InterruptGuard interrupt_;
    FitState state_;
    std::optional<Progress> progress_;
    Clock::time_point start_;
    double lr_ = 0;
};

}  // namespace headtorch::train::detail
