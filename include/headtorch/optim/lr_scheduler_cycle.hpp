// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Schedulers with phases: one cycle, several schedulers in turn, and reduction when a metric stops improving.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/optim/lr_scheduler.hpp"

namespace headtorch::optim {

struct OneCycleOptions {
    double max_lr;
    std::int64_t total_steps = 0;          ///< or epochs times steps_per_epoch
    std::int64_t epochs = 0, steps_per_epoch = 0;
    double pct_start = 0.3;                ///< share of the steps in which the rate rises
    std::string anneal_strategy = "cos";   ///< or "linear"
    bool cycle_momentum = true;            ///< momentum falls while the rate rises
    double base_momentum = 0.85, max_momentum = 0.95;
    double div_factor = 25;                ///< the first rate is max_lr / div_factor
    double final_div_factor = 1e4;         ///< the last is the first divided by this
    bool three_phase = false;
};

/// One rise and one fall of the rate over a whole training (Smith and Topin, 2019); step() is called after every batch.
class OneCycleLR final : public LRScheduler {
public:
    OneCycleLR(Schedulable& optimizer, OneCycleOptions options) : LRScheduler(optimizer), o_(std::move(options)) {
        if (o_.total_steps == 0) o_.total_steps = o_.epochs * o_.steps_per_epoch;
        if (o_.total_steps <= 0) throw ValueError("OneCycleLR: give a positive total_steps, or epochs and steps_per_epoch");
        if (!(o_.pct_start >= 0 && o_.pct_start <= 1))
            throw ValueError(message("OneCycleLR: pct_start must be in [0, 1], but is ", o_.pct_start));
        if (o_.anneal_strategy != "cos" && o_.anneal_strategy != "linear")
            throw ValueError(message("OneCycleLR: anneal_strategy is \"cos\" or \"linear\", not \"", o_.anneal_strategy, "\""));
        if (o_.cycle_momentum && !optimizer.momentum(0))
            throw ValueError("OneCycleLR: the optimiser has no momentum to cycle; set cycle_momentum to false");
        const double first = o_.max_lr / o_.div_factor, last = first / o_.final_div_factor, top = static_cast<double>(o_.total_steps);
        if (o_.three_phase)
            phases_ = {{o_.pct_start * top - 1, first, o_.max_lr, o_.max_momentum, o_.base_momentum},
                       {2 * o_.pct_start * top - 2, o_.max_lr, first, o_.base_momentum, o_.max_momentum},
                       {top - 1, first, last, o_.max_momentum, o_.max_momentum}};
        else
            phases_ = {{o_.pct_start * top - 1, first, o_.max_lr, o_.max_momentum, o_.base_momentum},
                       {top - 1, o_.max_lr, last, o_.base_momentum, o_.max_momentum}};
        set_epoch(0);
    }

    void set_epoch(std::int64_t epoch) override {
        if (epoch > o_.total_steps) throw ValueError(message("OneCycleLR: step ", epoch, " of ", o_.total_steps, ": the cycle is over"));
        LRScheduler::set_epoch(epoch);
        if (!o_.cycle_momentum) return;
        for (std::size_t g = 0; g < optimizer_->group_count(); ++g)
            *optimizer_->momentum(g) = anneal(epoch, &Phase::first_momentum, &Phase::last_momentum);
    }

private:
    struct Phase {
        double end, first_lr, last_lr, first_momentum, last_momentum;
    };
    double rate(std::int64_t epoch, std::size_t) override { return anneal(epoch, &Phase::first_lr, &Phase::last_lr); }
    double anneal(std::int64_t epoch, double Phase::*from, double Phase::*to) const {
        const auto step = static_cast<double>(epoch);
        double start = 0;
        for (const Phase& phase : phases_) {
            if (step <= phase.end || &phase == &phases_.back()) {
                const double share = (step - start) / (phase.end - start), a = phase.*from, b = phase.*to;
                return o_.anneal_strategy == "cos" ? b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * share)) : a + (b - a) * share;
            }
            start = phase.end;
        }
        return 0;
    }

    OneCycleOptions o_;
    std::vector<Phase> phases_;
};

/// One scheduler after the other: at each milestone the next one takes over, from its own beginning. A warm-up is
/// `SequentialLR warm(sgd, {&linear, &cosine}, {5})`; the schedulers must outlive it.
class SequentialLR final : public LRScheduler {
public:
    SequentialLR(Schedulable& optimizer, std::vector<LRScheduler*> schedulers, std::vector<std::int64_t> milestones)
        : LRScheduler(optimizer), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
        if (schedulers_.empty()) throw ValueError("SequentialLR: got no scheduler");
        if (milestones_.size() + 1 != schedulers_.size())
            throw ValueError(message("SequentialLR: ", schedulers_.size(), " schedulers want ", schedulers_.size() - 1, " milestones, got ",
                                     milestones_.size()));
        if (!std::is_sorted(milestones_.begin(), milestones_.end())) throw ValueError("SequentialLR: the milestones must rise");
        set_epoch(0);
    }

    void set_epoch(std::int64_t epoch) override {
        last_epoch_ = epoch;
        const auto index = static_cast<std::size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), epoch) - milestones_.begin());
        schedulers_[index]->set_epoch(index == 0 ? epoch : epoch - milestones_[index - 1]);
    }

private:
    double rate(std::int64_t, std::size_t g) override { return optimizer_->lr(g); }
    std::vector<LRScheduler*> schedulers_;
    std::vector<std::int64_t> milestones_;
};

struct PlateauOptions {
    std::string mode = "min";             ///< or "max"
    double factor = 0.1;
    int patience = 10;                    ///< epochs without improvement that are borne
    double threshold = 1e-4;
    std::string threshold_mode = "rel";   ///< or "abs"
    int cooldown = 0;                     ///< epochs after a reduction in which none are counted
    double min_lr = 0;
    double eps = 1e-8;                    ///< smaller reductions are not made
};

/// Times factor when a metric has not improved for longer than patience.
class ReduceLROnPlateau {
public:
    explicit ReduceLROnPlateau(Schedulable& optimizer, PlateauOptions options = {}) : optimizer_(&optimizer), o_(std::move(options)) {
        if (!(o_.factor < 1)) throw ValueError(message("ReduceLROnPlateau: factor must be less than 1, but is ", o_.factor));
        if (o_.mode != "min" && o_.mode != "max")
            throw ValueError(message("ReduceLROnPlateau: mode is \"min\" or \"max\", not \"", o_.mode, "\""));
        if (o_.threshold_mode != "rel" && o_.threshold_mode != "abs")
            throw ValueError(message("ReduceLROnPlateau: threshold_mode is \"rel\" or \"abs\", not \"", o_.threshold_mode, "\""));
        best_ = o_.mode == "min" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    }

    void step(double metric) {
        ++last_epoch_;
        if (is_better(metric)) {
            best_ = metric;
            bad_epochs_ = 0;
        } else {
            ++bad_epochs_;
        }
        if (cooling_ > 0) {
            --cooling_;
            bad_epochs_ = 0;
        }
        if (bad_epochs_ <= o_.patience) return;
        for (std::size_t g = 0; g < optimizer_->group_count(); ++g) {
            double& lr = optimizer_->lr(g);
            const double reduced = std::max(lr * o_.factor, o_.min_lr);
            if (lr - reduced > o_.eps) lr = reduced;
        }
        cooling_ = o_.cooldown;
        bad_epochs_ = 0;
    }
    double best() const { return best_; }
    std::vector<double> get_last_lr() const {
        std::vector<double> rates;
        for (std::size_t g = 0; g < optimizer_->group_count(); ++g) rates.push_back(optimizer_->lr(g));
        return rates;
    }

    nn::StateDict state_dict() const {
        nn::StateDict dict;
        dict.set("best", full<double, Cpu>({}, best_));
        dict.set("counts", tensor<std::int64_t, Cpu>({last_epoch_, bad_epochs_, cooling_}));
        dict.set("lr", tensor<std::vector<double>, Cpu>(get_last_lr()));
        return dict;
    }
    void load_state_dict(const nn::StateDict& dict) {
        const auto rates = dict.get<double, Cpu>("lr").tolist();
        if (rates.size() != optimizer_->group_count())
            throw ValueError(
                message("ReduceLROnPlateau: load_state_dict: ", rates.size(), " rates for ", optimizer_->group_count(), " groups"));
        const auto counts = dict.get<std::int64_t, Cpu>("counts").tolist();
        if (counts.size() != 3) throw ValueError("ReduceLROnPlateau: load_state_dict: \"counts\" has three elements");
        best_ = dict.get<double, Cpu>("best").item();
        last_epoch_ = counts[0];
        bad_epochs_ = counts[1];
        cooling_ = counts[2];
        for (std::size_t g = 0; g < rates.size(); ++g) optimizer_->lr(g) = rates[g];
    }

private:
    bool is_better(double value) const {
        if (std::isinf(best_)) return o_.mode == "min" ? value < best_ : value > best_;
        if (o_.threshold_mode == "rel") return o_.mode == "min" ? value < best_ * (1 - o_.threshold) : value > best_ * (1 + o_.threshold);
        return o_.mode == "min" ? value < best_ - o_.threshold : value > best_ + o_.threshold;
    }

    Schedulable* optimizer_;
    PlateauOptions o_;
    double best_;
    std::int64_t last_epoch_ = 0, bad_epochs_ = 0, cooling_ = 0;
};

}  // namespace headtorch::optim
