// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// NAdam: Adam with Nesterov momentum (Dozat, 2016).

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "headtorch/optim/adam.hpp"

namespace headtorch::optim {

struct NAdamOptions {
    double lr = 2e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    double momentum_decay = 4e-3;
    bool decoupled_weight_decay = false;  ///< as AdamW does it
    bool maximize = false;

    void check() const {
        detail::check_betas("NAdam", lr, betas, eps, weight_decay);
        check_option(momentum_decay >= 0, "NAdam", "momentum_decay", momentum_decay);
    }
};

template <class T = float, class D = DefaultDevice>
class NAdam final : public Optimizer<NAdam<T, D>, NAdamOptions, T, D, 2> {
    using Base = Optimizer<NAdam<T, D>, NAdamOptions, T, D, 2>;
    friend Base;

public:
    static constexpr const char* name = "NAdam";
    static constexpr const char* state_names[] = {"exp_avg", "exp_avg_sq"};
    static constexpr std::size_t number_count() { return 1; }
    using Base::Base;
    NAdam(std::vector<Tensor<T, D>> params, NAdamOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const NAdamOptions& o) {
        const auto t = static_cast<double>(state.step);
        const auto momentum_at = [&](double step) { return o.betas[0] * (1 - 0.5 * std::pow(0.96, step * o.momentum_decay)); };
        const double mu = momentum_at(t), next = momentum_at(t + 1);
        double& product = state.numbers[0];
        product = static_cast<float>(state.step == 1 ? 1 : product) * static_cast<float>(mu);  // PyTorch keeps this product in float
        const double by_gradient = o.lr * (1 - mu) / (1 - product), by_mean = o.lr * next / (1 - product * next);
        const double decay = o.decoupled_weight_decay ? 1 - o.lr * o.weight_decay : 1, correction = 1 - std::pow(o.betas[1], t);
        const Direction direction{o.maximize ? -1.0 : 1.0, o.decoupled_weight_decay ? 0 : o.weight_decay};
        update(D{}, [=, b1 = 1 - o.betas[0], b2 = o.betas[1], eps = o.eps](auto& x, const auto& dx, auto& m, auto& v) {
            x = x * decay;
            const auto d = direction(x, dx);
            m = m + (d - m) * b1;
            v = v * b2 + d * d * (1 - b2);
            const auto scale = math::sqrt(v / correction) + eps;
            x = x - d / scale * by_gradient - m / scale * by_mean;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), state.get(0, p), state.get(1, p));
    }
};
template <class T, class D>
NAdam(std::vector<Tensor<T, D>>, NAdamOptions) -> NAdam<T, D>;
template <class T, class D>
NAdam(std::vector<Tensor<T, D>>) -> NAdam<T, D>;

}  // namespace headtorch::optim
