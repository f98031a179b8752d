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
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const {
        detail::check_betas("NAdam", lr, betas, eps, weight_decay);
        check_option(momentum_decay >= 0, "NAdam", "momentum_decay", momentum_decay);
    }
};

namespace detail {

struct NAdamRule {
    static constexpr int states = 2;
    Direction direction;
    double decay, b1, b2, eps, correction, by_gradient, by_mean;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& m, P& v) const {
        x = x * decay;
        const P d = direction(x, dx);
        m = m + (d - m) * b1;
        v = v * b2 + d * d * (1 - b2);
        const P scale = math::sqrt(v / correction) + eps;
        x = x - d / scale * by_gradient - m / scale * by_mean;
    }
    friend bool operator==(const NAdamRule&, const NAdamRule&) = default;
};
struct NAdamSettings {
    Direction direction;
    double beta1, beta2, eps, momentum_decay, decay;
    HEADTORCH_HOST_DEVICE double momentum_at(double step) const { return beta1 * (1 - 0.5 * std::pow(0.96, step * momentum_decay)); }
    /// count[1] is the product of the momenta so far, which PyTorch keeps in float.
    HEADTORCH_HOST_DEVICE void advance(double* count) const {
        count[1] = static_cast<float>(count[0] == 1 ? 1 : count[1]) * static_cast<float>(momentum_at(count[0]));
    }
    HEADTORCH_HOST_DEVICE NAdamRule at(double lr, const double* count) const {
        const double mu = momentum_at(count[0]), next = momentum_at(count[0] + 1), product = count[1];
        return {direction, 1 - lr * decay, 1 - beta1, beta2, eps, 1 - std::pow(beta2, count[0]), lr * (1 - mu) / (1 - product),
                lr * next / (1 - product * next)};
    }
    friend bool operator==(const NAdamSettings&, const NAdamSettings&) = default;
};

}  // namespace detail

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
        const Direction direction{o.maximize ? -1.0 : 1.0, o.decoupled_weight_decay ? 0 : o.weight_decay};
        const double decay = o.decoupled_weight_decay ? o.weight_decay : 0;
        this->apply(detail::NAdamSettings{direction, o.betas[0], o.betas[1], o.eps, o.momentum_decay, decay}, p, g, state, o,
                    state.get(0, p), state.get(1, p));
    }
};
template <class T, class D>
NAdam(std::vector<Tensor<T, D>>, NAdamOptions) -> NAdam<T, D>;
template <class T, class D>
NAdam(std::vector<Tensor<T, D>>) -> NAdam<T, D>;

}  // namespace headtorch::optim
