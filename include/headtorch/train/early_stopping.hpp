// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Stops a training that no longer gets better, and gives back the weights of its best epoch.

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>

#include "headtorch/core/error.hpp"

namespace headtorch::train {

struct EarlyStoppingOptions {
    enum class Mode { min, max };
    std::size_t patience = 15;  ///< epochs without improvement after which to stop
    double min_delta = 0;       ///< an improvement must be larger than this
    Mode mode = Mode::min;      ///< whether less or more is better
};

/// `EarlyStopping<Net> stopper({.patience = 15}); if (stopper.update(net, loss)) break; … stopper.restore(net);`
/// Keeps a deep copy of the best module: later training does not touch it. NaN is no improvement.
template <class M>
class EarlyStopping {
public:
    explicit EarlyStopping(EarlyStoppingOptions options = {}) : options_(options) {}

    /// Call once an epoch; true when it is time to stop.
    bool update(const M& module, double value) {
        const bool less = options_.mode == EarlyStoppingOptions::Mode::min;
        const bool better =
            !std::isnan(value) && (!best_ || (less ? value < best_value_ - options_.min_delta : value > best_value_ + options_.min_delta));
        if (better) {
            best_value_ = value;
            best_epoch_ = epoch_;
            if (best_)
                *best_ = module;
            else
                best_.emplace(module);
        }
        ++epoch_;
        waited_ = better ? 0 : waited_ + 1;
        return waited_ >= options_.patience;
    }
    bool operator()(const M& module, double value) { return update(module, value); }

    /// Writes the best weights into the module's own parameters. Throws ValueError before the first improvement.
    void restore(M& module) const {
        if (!best_) throw ValueError("early_stopping: there is nothing to restore: update() never saw a number");
        module = *best_;
    }

    double best_value() const { return best_ ? best_value_ : std::numeric_limits<double>::quiet_NaN(); }
    /// Counted from 0.
    std::size_t best_epoch() const { return best_epoch_; }
    std::size_t epochs_without_improvement() const { return waited_; }

private:
    EarlyStoppingOptions options_;
    std::optional<M> best_;
    double best_value_ = 0;
    std::size_t best_epoch_ = 0, epoch_ = 0, waited_ = 0;
};

}  // namespace headtorch::train
