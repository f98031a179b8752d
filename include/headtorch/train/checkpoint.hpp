// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A callback that writes checkpoints while fit() trains: after each epoch, or when a number is the best so far.
///
///     train::Checkpoint("run.ckpt", {.model = net, .optimizer = adam, .scheduler = schedule, .generator = default_generator()})
///
/// To go on: `auto held = io::load_checkpoint("run.ckpt", {.model = net, …});`, then fit() with `.initial_epoch = held.epoch`. With the
/// generators that training draws from in the checkpoint, it goes on as if it had never stopped.

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "headtorch/io/checkpoint.hpp"
#include "headtorch/train/callback.hpp"

namespace headtorch::train {

struct CheckpointOptions {
    std::string monitor = "val_loss";  ///< what save_best_only goes by
    Goal mode = Goal::min;             ///< whether less or more of it is better
    bool save_best_only = false;
    std::int64_t every = 1;  ///< epochs from one checkpoint to the next; after the last epoch there is one in any case
    /// What the first checkpoint has to be better than, for a training that goes on; NaN: nothing.
    double initial_value_threshold = std::numeric_limits<double>::quiet_NaN();
};

/// `{epoch}` in the path becomes the number of epochs made. A checkpoint holds this number and those of the epoch (io::Checkpoint::epoch,
/// numbers) beside the parts given. An epoch that Ctrl-C ended is saved, too, and counts as made.
class Checkpoint final : public Callback {
public:
    Checkpoint(std::string path, io::Checkpoint parts, CheckpointOptions options = {})
        : path_(std::move(path)), parts_(std::move(parts)), options_(std::move(options)), best_(options_.initial_value_threshold) {
        if (options_.every < 1) throw ValueError(message("checkpoint: .every must be at least 1, but is ", options_.every));
    }

    /// Of the latest checkpoint; "" before the first.
    const std::string& saved_path() const { return saved_path_; }
    /// The best value so far: NaN when none was looked for.
    double best_value() const { return best_; }

    void on_train_begin(FitState& state) override {
        if (options_.save_best_only && !state.numbers.contains(options_.monitor))
            throw ValueError(message("checkpoint: fit() has no number called \"", options_.monitor, "\", only ", state.numbers.names(),
                                     ": give it .validation, or monitor one of these"));
        saved_epochs_ = state.epoch;
    }
    void on_epoch_end(FitState& state) override {
        if (options_.save_best_only) {
            const double value = state.numbers[options_.monitor];
            const bool better = !std::isnan(value) && (std::isnan(best_) || (options_.mode == Goal::min ? value < best_ : value > best_));
            if (better) {
                save(state, state.epoch + 1);
                best_ = value;
            }
        } else if ((state.epoch + 1) % options_.every == 0 || state.epoch + 1 == state.epochs || state.stopping()) {
            save(state, state.epoch + 1);
        }
    }
    void on_train_end(FitState& state) override {
        if (!options_.save_best_only && saved_epochs_ < state.epoch) save(state, state.epoch);
    }

private:
    void save(const FitState& state, std::int64_t epochs) {
        io::Checkpoint checkpoint = parts_;
        checkpoint.epoch = epochs;
        for (const auto& [name, value] : state.numbers) checkpoint.numbers[name] = value;
        std::string path = path_;
        const std::string mark = "{epoch}";
        for (auto at = path.find(mark); at != std::string::npos; at = path.find(mark))
            path.replace(at, mark.size(), std::to_string(epochs));
        io::save_checkpoint(path, checkpoint);
        saved_path_ = std::move(path);
        saved_epochs_ = epochs;
    }

    std::string path_;
    io::Checkpoint parts_;
    CheckpointOptions options_;
    std::string saved_path_;
    std::int64_t saved_epochs_ = 0;
    double best_;
};

}  // namespace headtorch::train
