// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Finds a learning rate: trains for a hundred batches while the rate grows exponentially, and looks where the loss falls fastest, before
/// it blows up (L. N. Smith, "Cyclical learning rates for training neural networks", 2017).
///
///     train::LrFinder finder({.end_lr = 1});
///     finder.range_test(net, loader, nn::cross_entropy, adam);
///     adam.lr(0) = finder.suggestion();
///     viz::Figure({.log_x = true}).line(finder.lrs(), finder.losses())…

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/train/evaluate.hpp"

namespace headtorch::train {

struct LrFinderOptions {
    double start_lr = 1e-7, end_lr = 10;
    std::int64_t num_iter = 100;   ///< batches; the loader is walked again when it ends
    double smooth = 0.05;          ///< the weight of each new loss in the running mean; 1: none is smoothed
    double diverge_threshold = 5;  ///< stops where the smoothed loss is so many times its least
};

/// The network's parameters, buffers and modes, the optimiser with its state, the gradients of its parameters, and the default generator
/// are afterwards, bit for bit, what they were, also after an exception. (A loader with a generator of its own has drawn from it.)
class LrFinder {
public:
    explicit LrFinder(LrFinderOptions options = {}) : options_(options) {
        if (!(options.start_lr > 0 && options.end_lr > options.start_lr && std::isfinite(options.end_lr)))
            throw ValueError(
                message("lr_finder: the rates must be positive and rise, but go from ", options.start_lr, " to ", options.end_lr));
        if (options.num_iter < 2) throw ValueError(message("lr_finder: num_iter must be at least 2, but is ", options.num_iter));
        if (!(options.smooth > 0 && options.smooth <= 1))
            throw ValueError(message("lr_finder: smooth must be in (0, 1], but is ", options.smooth));
        if (!(options.diverge_threshold > 1))
            throw ValueError(message("lr_finder: diverge_threshold must be above 1, but is ", options.diverge_threshold));
    }

    template <class Net, class Loader, class Loss, class Optimizer>
    void range_test(Net& net, Loader&& loader, Loss&& loss, const Optimizer& optimizer) {
        run(net, loader, loss, optimizer);
    }
    template <class Net, class Loader, class Optimizer>
    void range_test(Net& net, Loader&& loader, detail::LossOf<Net, Loader> loss, const Optimizer& optimizer) {
        run(net, loader, loss, optimizer);
    }

    /// The points to plot: the rate of each step, and the smoothed loss before it.
    const std::vector<double>& lrs() const { return lrs_; }
    const std::vector<double>& losses() const { return losses_; }
    const std::vector<double>& raw_losses() const { return raw_losses_; }
    /// True when the loss blew up before the last rate.
    bool diverged() const { return diverged_; }

    /// The rate at which the loss falls most steeply over the logarithm of the rate, without the first and the last few points, where the
    /// loss says little. Throws ValueError when there are too few points.
    double suggestion(std::size_t skip_begin = 10, std::size_t skip_end = 5) const {
        if (losses_.size() < skip_begin + skip_end + 3)
            throw ValueError(message("lr_finder: ", losses_.size(), " points are too few to suggest a rate when ", skip_begin, " + ",
                                     skip_end, " are left out: begin at a smaller rate, or make more steps"));
        std::size_t best = skip_begin + 1;
        double steepest = 0;
        for (std::size_t i = skip_begin + 1; i + 1 < losses_.size() - skip_end; ++i) {
            const double slope = losses_[i + 1] - losses_[i - 1];  // the rates are evenly spaced in their logarithm
            if (i == best || slope < steepest) {
                best = i;
                steepest = slope;
            }
        }
        return lrs_[best];
    }

private:
    /// Puts everything back.
    template <class T, class D>
    struct Saved {
        nn::ModuleRef net;
        nn::StateDict state;
        std::vector<Tensor<T, D>> parameters, values, gradients;
        std::vector<std::uint8_t> generator;

        Saved(nn::ModuleRef module, const std::vector<Tensor<T, D>>& list)
            : net(module), parameters(list), generator(default_generator().get_state()) {
            nn::detail::walk_state(net, [&](const std::string& name, nn::TensorKind, const nn::AnyTensorHandle& tensor) {
                state.append(name, tensor.clone());
            });
            for (const auto& p : parameters) {
                values.push_back(p.detach().clone());
                gradients.push_back(p.grad());
                p.zero_grad();
            }
        }
        ~Saved() {
            const NoGrad guard;
            nn::detail::load_state(net, state, false);
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                parameters[i].copy_(values[i]);
                parameters[i].zero_grad();
                if (gradients[i].defined()) parameters[i].set_grad(gradients[i]);
            }
            default_generator().set_state(generator);
        }
        Saved(const Saved&) = delete;
        Saved& operator=(const Saved&) = delete;
    };

    template <class Net, class Loader, class Loss, class Optimizer>
    void run(Net& net, Loader& loader, Loss& loss, const Optimizer& optimizer) {
        static_assert(requires(Optimizer& o) { o.step(); },
                      "headtorch: lr_finder: an optimiser that searches along its gradient needs no rate found");
        lrs_.clear();
        losses_.clear();
        raw_losses_.clear();
        diverged_ = false;
        Optimizer trial = optimizer;  // of the same parameters, with a state of its own
        trial.load_state_dict(optimizer.state_dict());
        auto parameters = trial.groups.at(0).params;
        for (std::size_t g = 1; g < trial.groups.size(); ++g)
            parameters.insert(parameters.end(), trial.groups[g].params.begin(), trial.groups[g].params.end());
        using Parameter = typename decltype(parameters)::value_type;
        const detail::ModeGuard modes(net.module_ref());
        const Saved<typename Parameter::value_type, typename Parameter::device_type> saved(net.module_ref(), parameters);
        detail::set_training(net.module_ref(), true);

        auto&& batches = detail::loader_for<Net>(loader);
        bool more = true;
        while (more) {
            const std::size_t before = lrs_.size();
            detail::for_each_batch(batches, [&](const auto& batch) {
                const double growth = static_cast<double>(lrs_.size()) / static_cast<double>(options_.num_iter - 1);
                const double lr = options_.start_lr * std::pow(options_.end_lr / options_.start_lr, growth);
                for (std::size_t g = 0; g < trial.group_count(); ++g) trial.lr(g) = lr;
                trial.zero_grad();
                const auto output = detail::output_of(net, batch);
                const auto value = loss(output, detail::target_of(batch));
                more = add(lr, detail::loss_number(value));
                if (!more) return false;
                value.backward();
                trial.step();
                return true;
            });
            if (more && lrs_.size() == before) throw ValueError("lr_finder: the loader gave no batch");
        }
    }

    /// False after the last point.
    bool add(double lr, double loss) {
        const double weight = options_.smooth;
        mean_ = lrs_.empty() ? weight * loss : weight * loss + (1 - weight) * mean_;
        const double smoothed = mean_ / (1 - std::pow(1 - weight, static_cast<double>(lrs_.size() + 1)));
        least_ = lrs_.empty() ? smoothed : std::min(least_, smoothed);
        // of a loss below 0 no multiple says that it grows: there, what counts is how far it rose
        diverged_ = !std::isfinite(loss) || smoothed - least_ > (options_.diverge_threshold - 1) * std::abs(least_);
        if (diverged_ && !std::isfinite(loss)) return false;
        lrs_.push_back(lr);
        raw_losses_.push_back(loss);
        losses_.push_back(smoothed);
        return !diverged_ && static_cast<std::int64_t>(lrs_.size()) < options_.num_iter;
    }

    LrFinderOptions options_;
    std::vector<double> lrs_, losses_, raw_losses_;
    double mean_ = 0, least_ = 0;
    bool diverged_ = false;
};

}  // namespace headtorch::train
