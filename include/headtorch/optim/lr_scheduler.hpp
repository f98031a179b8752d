// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Learning rates that change from epoch to epoch. A scheduler sets the rate for epoch 0 when it is made; step() goes on to the next.
/// It refers to its optimiser, which must outlive it. OneCycleLR, ReduceLROnPlateau and SequentialLR are in lr_scheduler_cycle.hpp.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <numbers>
#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {

/// Base of schedulers whose rate depends on the epoch alone.
class LRScheduler {
public:
    virtual ~LRScheduler() = default;

    /// Goes on to the next epoch.
    void step() { set_epoch(last_epoch_ + 1); }
    /// Goes to an epoch, as if step() had been called that often.
    virtual void set_epoch(std::int64_t epoch) {
        last_epoch_ = epoch;
        for (std::size_t g = 0; g < optimizer_->group_count(); ++g) optimizer_->lr(g) = rate(epoch, g);
    }
    std::int64_t last_epoch() const { return last_epoch_; }
    /// The present rate of each group.
    std::vector<double> get_last_lr() const {
        std::vector<double> rates;
        for (std::size_t g = 0; g < optimizer_->group_count(); ++g) rates.push_back(optimizer_->lr(g));
        return rates;
    }

    virtual nn::StateDict state_dict() const {
        nn::StateDict dict;
        dict.set("last_epoch", full<std::int64_t, Cpu>({}, last_epoch_));
        return dict;
    }
    /// Throws ValueError when the epoch in it cannot be one.
    virtual void load_state_dict(const nn::StateDict& dict) {
        const std::int64_t epoch = dict.get<std::int64_t, Cpu>("last_epoch").item();
        if (epoch < 0 || epoch > 1'000'000'000) throw ValueError(message("lr_scheduler: load_state_dict: last_epoch is ", epoch));
        set_epoch(epoch);
    }

protected:
    explicit LRScheduler(Schedulable& optimizer) : optimizer_(&optimizer) {
        for (std::size_t g = 0; g < optimizer.group_count(); ++g) optimizer.initial_lr(g);
    }
    /// The rate of a group in an epoch.
    virtual double rate(std::int64_t epoch, std::size_t group) = 0;
    double base(std::size_t group) const { return optimizer_->initial_lr(group); }

    Schedulable* optimizer_;
    std::int64_t last_epoch_ = 0;
};

/// Times gamma every `step_size` epochs.
class StepLR final : public LRScheduler {
public:
    StepLR(Schedulable& optimizer, std::int64_t step_size, double gamma = 0.1)
        : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
        if (step_size <= 0) throw ValueError(message("StepLR: step_size must be positive, but is ", step_size));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override { return base(g) * std::pow(gamma_, static_cast<double>(epoch / step_size_)); }
    std::int64_t step_size_;
    double gamma_;
};

/// Times gamma at each milestone (twice at one that is listed twice).
class MultiStepLR final : public LRScheduler {
public:
    MultiStepLR(Schedulable& optimizer, std::vector<std::int64_t> milestones, double gamma = 0.1)
        : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        const auto passed = std::count_if(milestones_.begin(), milestones_.end(), [&](std::int64_t m) { return m <= epoch; });
        return base(g) * std::pow(gamma_, static_cast<double>(passed));
    }
    std::vector<std::int64_t> milestones_;
    double gamma_;
};

/// Times gamma every epoch.
class ExponentialLR final : public LRScheduler {
public:
    ExponentialLR(Schedulable& optimizer, double gamma) : LRScheduler(optimizer), gamma_(gamma) { set_epoch(0); }

private:
    double rate(std::int64_t epoch, std::size_t g) override { return base(g) * std::pow(gamma_, static_cast<double>(epoch)); }
    double gamma_;
};

/// Half a cosine from the initial rate down to eta_min in T_max epochs, then up again (Loshchilov and Hutter, 2017).
class CosineAnnealingLR final : public LRScheduler {
public:
    CosineAnnealingLR(Schedulable& optimizer, std::int64_t T_max, double eta_min = 0)
        : LRScheduler(optimizer), period_(T_max), low_(eta_min) {
        if (T_max <= 0) throw ValueError(message("CosineAnnealingLR: T_max must be positive, but is ", T_max));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        return low_ + (base(g) - low_) * (1 + std::cos(std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(period_))) / 2;
    }
    std::int64_t period_;
    double low_;
};

/// The same, but jumping back to the initial rate after T_0 epochs, then after T_0 T_mult, and so on.
class CosineAnnealingWarmRestarts final : public LRScheduler {
public:
    CosineAnnealingWarmRestarts(Schedulable& optimizer, std::int64_t T_0, std::int64_t T_mult = 1, double eta_min = 0)
        : LRScheduler(optimizer), first_(T_0), factor_(T_mult), low_(eta_min) {
        if (T_0 <= 0) throw ValueError(message("CosineAnnealingWarmRestarts: T_0 must be positive, but is ", T_0));
        if (T_mult < 1) throw ValueError(message("CosineAnnealingWarmRestarts: T_mult must be at least 1, but is ", T_mult));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        std::int64_t period = first_;
        if (factor_ == 1) epoch %= period;
        while (epoch >= period) {
            epoch -= period;
            period *= factor_;
        }
        return low_ + (base(g) - low_) * (1 + std::cos(std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(period))) / 2;
    }
    std::int64_t first_, factor_;
    double low_;
};

/// From start_factor to end_factor of the initial rate in total_iters epochs.
class LinearLR final : public LRScheduler {
public:
    explicit LinearLR(Schedulable& optimizer, double start_factor = 1.0 / 3, double end_factor = 1, std::int64_t total_iters = 5)
        : LRScheduler(optimizer), start_(start_factor), end_(end_factor), total_(total_iters) {
        if (!(start_factor > 0 && start_factor <= 1))
            throw ValueError(message("LinearLR: start_factor must be in (0, 1], but is ", start_factor));
        if (!(end_factor >= 0 && end_factor <= 1)) throw ValueError(message("LinearLR: end_factor must be in [0, 1], but is ", end_factor));
        if (total_iters <= 0) throw ValueError(message("LinearLR: total_iters must be positive, but is ", total_iters));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        return base(g) * (start_ + (end_ - start_) * static_cast<double>(std::min(epoch, total_)) / static_cast<double>(total_));
    }
    double start_, end_;
    std::int64_t total_;
};

/// `factor` times the initial rate for total_iters epochs, then the initial rate.
class ConstantLR final : public LRScheduler {
public:
    explicit ConstantLR(Schedulable& optimizer, double factor = 1.0 / 3, std::int64_t total_iters = 5)
        : LRScheduler(optimizer), factor_(factor), total_(total_iters) {
        if (!(factor >= 0 && factor <= 1)) throw ValueError(message("ConstantLR: factor must be in [0, 1], but is ", factor));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override { return base(g) * (epoch < total_ ? factor_ : 1); }
    double factor_;
    std::int64_t total_;
};

/// (1 - epoch / total_iters)^power of the initial rate, then 0.
class PolynomialLR final : public LRScheduler {
public:
    explicit PolynomialLR(Schedulable& optimizer, std::int64_t total_iters = 5, double power = 1)
        : LRScheduler(optimizer), total_(total_iters), power_(power) {
        if (total_iters <= 0) throw ValueError(message("PolynomialLR: total_iters must be positive, but is ", total_iters));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        return base(g) * std::pow(1 - static_cast<double>(std::min(epoch, total_)) / static_cast<double>(total_), power_);
    }
    std::int64_t total_;
    double power_;
};

/// factor(epoch) times the initial rate; one function for all groups or one for each.
class LambdaLR final : public LRScheduler {
public:
    using Factor = std::function<double(std::int64_t)>;
    LambdaLR(Schedulable& optimizer, Factor factor) : LambdaLR(optimizer, std::vector<Factor>(optimizer.group_count(), factor)) {}
    LambdaLR(Schedulable& optimizer, std::vector<Factor> factors) : LRScheduler(optimizer), factors_(std::move(factors)) {
        if (factors_.size() != optimizer.group_count())
            throw ValueError(message("LambdaLR: ", factors_.size(), " functions for ", optimizer.group_count(), " groups"));
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override { return base(g) * factors_.at(g)(epoch); }
    std::vector<Factor> factors_;
};

/// Times factor(epoch) in every epoch after the first.
class MultiplicativeLR final : public LRScheduler {
public:
    MultiplicativeLR(Schedulable& optimizer, std::function<double(std::int64_t)> factor)
        : LRScheduler(optimizer), factor_(std::move(factor)) {
        set_epoch(0);
    }

private:
    double rate(std::int64_t epoch, std::size_t g) override {
        double value = base(g);
        for (std::int64_t e = 1; e <= epoch; ++e) value *= factor_(e);
        return value;
    }
    std::function<double(std::int64_t)> factor_;
};

}  // namespace headtorch::optim
