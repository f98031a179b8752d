// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Loss scaling, as PyTorch's torch.amp.GradScaler: gradients too small for float16 are made with a loss multiplied by a large number, and
/// divided by it before the optimiser sees them. Where one of them is infinite or NaN the step is left out and the number made smaller;
/// after a while without such it grows.
///
///     GradScaler scaler;
///     …
///     scaler.scale(loss).backward();
///     scaler.step(optimizer);
///     scaler.update();

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <vector>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/nn/state_dict.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/norm.hpp"
#include "headtorch/ops/where.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch {

struct GradScalerOptions {
    double init_scale = 65536;
    double growth_factor = 2;
    double backoff_factor = 0.5;
    std::int64_t growth_interval = 2000;  ///< steps without infinities before the scale grows
    bool enabled = true;                  ///< otherwise losses and gradients stay as they are
};

class GradScaler {
public:
    explicit GradScaler(GradScalerOptions options = {}) : options_(options), scale_(static_cast<float>(options.init_scale)) {
        if (!options.enabled) return;
        if (!(options.growth_factor > 1))
            throw ValueError(message("GradScaler: growth_factor must be above 1, not ", options.growth_factor));
        if (!(options.backoff_factor < 1))
            throw ValueError(message("GradScaler: backoff_factor must be below 1, not ", options.backoff_factor));
    }

    /// The loss times the scale.
    template <Floating T, class D>
    Tensor<T, D> scale(const Tensor<T, D>& loss) {
        if (!options_.enabled) return loss;
        used_ = true;
        return loss * scale_;
    }

    /// Divides the gradients of an optimiser's parameters by the scale: to be called before they are clipped. step() does it otherwise.
    template <class Optimizer>
    void unscale_(Optimizer& optimizer) {
        if (!options_.enabled) return;
        check_used("unscale_");
        Progress& progress = progress_of(&optimizer);
        if (progress.stage == Stage::unscaled)
            throw AutogradError("GradScaler: unscale_() was called on this optimizer already since the last update()");
        if (progress.stage == Stage::stepped) throw AutogradError("GradScaler: unscale_() is called after step()");
        progress.found_inf = divide_gradients(optimizer);
        progress.stage = Stage::unscaled;
    }

    /// Calls optimizer.step() unless a gradient is infinite or NaN. Returns whether it did.
    template <class Optimizer>
    bool step(Optimizer& optimizer) {
        static_assert(requires { optimizer.step(); }, "headtorch: GradScaler::step: an optimiser that needs a closure cannot be scaled");
        if (!options_.enabled) {
            optimizer.step();
            return true;
        }
        check_used("step");
        if (progress_of(&optimizer).stage == Stage::stepped)
            throw AutogradError("GradScaler: step() was called already since the last update()");
        if (progress_of(&optimizer).stage == Stage::ready) unscale_(optimizer);
        Progress& progress = progress_of(&optimizer);
        if (!progress.found_inf) optimizer.step();
        progress.stage = Stage::stepped;
        return !progress.found_inf;
    }

    /// Changes the scale as the gradients of all optimisers since the last update() say. To be called after their steps.
    void update() {
        if (!options_.enabled) return;
        check_used("update");
        bool checked = false, found_inf = false;
        for (const Progress& progress : optimizers_) {
            checked = checked || progress.stage != Stage::ready;
            found_inf = found_inf || progress.found_inf;
        }
        if (!checked) throw AutogradError("GradScaler: update() without a step() or unscale_() before it");
        if (found_inf) {
            scale_ = static_cast<float>(scale_ * options_.backoff_factor);
            growth_tracker_ = 0;
        } else if (++growth_tracker_ == options_.growth_interval) {
            const auto larger = static_cast<float>(scale_ * options_.growth_factor);
            if (std::isfinite(larger)) scale_ = larger;
            growth_tracker_ = 0;
        }
        optimizers_.clear();
    }
    /// The scale is this from now on.
    void update(double new_scale) {
        if (!options_.enabled) return;
        check_used("update");
        scale_ = static_cast<float>(new_scale);
        optimizers_.clear();
    }

    double get_scale() const { return options_.enabled ? static_cast<double>(scale_) : 1; }
    double get_growth_factor() const { return options_.growth_factor; }
    double get_backoff_factor() const { return options_.backoff_factor; }
    std::int64_t get_growth_interval() const { return options_.growth_interval; }
    void set_growth_factor(double factor) { options_.growth_factor = factor; }
    void set_backoff_factor(double factor) { options_.backoff_factor = factor; }
    void set_growth_interval(std::int64_t interval) { options_.growth_interval = interval; }
    bool is_enabled() const { return options_.enabled; }

    /// PyTorch's entries; none when disabled. To be taken after update().
    nn::StateDict state_dict() const {
        if (!options_.enabled) return {};
        return {{"scale", full<double, Cpu>({}, scale_)},
                {"growth_factor", full<double, Cpu>({}, options_.growth_factor)},
                {"backoff_factor", full<double, Cpu>({}, options_.backoff_factor)},
                {"growth_interval", full<std::int64_t, Cpu>({}, options_.growth_interval)},
                {"_growth_tracker", full<std::int64_t, Cpu>({}, growth_tracker_)}};
    }
    /// Takes back what state_dict() gave; throws ValueError, and changes nothing, when it is not that.
    void load_state_dict(const nn::StateDict& dict) {
        if (!options_.enabled) return;
        if (dict.empty()) throw ValueError("GradScaler: load_state_dict: the state is empty; was it that of a disabled GradScaler?");
        const auto number = [&](const char* name) { return dict.get<double, Cpu>(name).item(); };
        const auto count = [&](const char* name) { return dict.get<std::int64_t, Cpu>(name).item(); };
        const auto scale = static_cast<float>(number("scale"));
        GradScalerOptions options = options_;
        options.growth_factor = number("growth_factor");
        options.backoff_factor = number("backoff_factor");
        options.growth_interval = count("growth_interval");
        growth_tracker_ = count("_growth_tracker");
        options_ = options;
        scale_ = scale;
    }

private:
    enum class Stage : std::uint8_t { ready, unscaled, stepped };
    struct Progress {
        const void* optimizer;
        Stage stage = Stage::ready;
        bool found_inf = false;
    };

    Progress& progress_of(const void* optimizer) {
        for (Progress& progress : optimizers_)
            if (progress.optimizer == optimizer) return progress;
        return optimizers_.emplace_back(Progress{optimizer});
    }
    void check_used(const char* method) const {
        if (!used_)
            throw AutogradError(message("GradScaler: ", method, "() before scale(): call scaler.scale(loss).backward() in each iteration"));
    }

    /// Returns whether a gradient was infinite or NaN, for which the host waits once.
    template <class Optimizer>
    bool divide_gradients(Optimizer& optimizer) const {
        NoGrad guard;
        const double inverse = 1 / static_cast<double>(scale_);
        decltype(optimizer.groups[0].params[0].grad()) worst;
        using Gradient = decltype(worst);
        static_assert(!std::same_as<typename Gradient::value_type, float16>,
                      "headtorch: GradScaler: gradients of float16 cannot be unscaled: keep parameters in float, use Autocast<float16>");
        for (const auto& group : optimizer.groups)
            for (const auto& p : group.params) {
                const Gradient g = p.grad();
                if (!g.defined() || g.numel() == 0) continue;
                const Gradient largest = norm(g, std::numeric_limits<double>::infinity());
                worst = worst.defined() ? maximum(worst, largest) : largest;
                g *= inverse;
            }
        if (!worst.defined())
            throw AutogradError("GradScaler: no parameter of this optimizer has a gradient; call scaler.scale(loss).backward() first");
        return !std::isfinite(worst.item());
    }

    GradScalerOptions options_;
    float scale_;
    std::int64_t growth_tracker_ = 0;
    bool used_ = false;
    std::vector<Progress> optimizers_;
};

}  // namespace headtorch
