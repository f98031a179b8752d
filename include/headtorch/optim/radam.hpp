// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// RAdam: Adam whose first steps are rectified (Liu et al., 2020).

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "headtorch/optim/adam.hpp"

namespace headtorch::optim {

struct RAdamOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;
    bool decoupled_weight_decay = false;  ///< as AdamW does it
    bool maximize = false;
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const { detail::check_betas("RAdam", lr, betas, eps, weight_decay); }
};

namespace detail {

struct RAdamRule {
    static constexpr int states = 2;
    Direction direction;
    double decay, b1, b2, eps, size;
    bool adaptive;  ///< enough gradients seen to trust their variance
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& m, P& v) const {
        x = x * decay;
        const P d = direction(x, dx);
        m = m + (d - m) * b1;
        v = v * b2 + d * d * (1 - b2);
        x = x - (adaptive ? P(m / (math::sqrt(v) + eps)) : m) * size;
    }
    friend bool operator==(const RAdamRule&, const RAdamRule&) = default;
};
struct RAdamSettings {
    Direction direction;
    double beta1, beta2, eps, decay;
    HEADTORCH_HOST_DEVICE RAdamRule at(double lr, const double* count) const {
        const double t = count[0], power = std::pow(beta2, t), correction = 1 - power;
        const double limit = 2 / (1 - beta2) - 1, length = limit - 2 * t * power / correction;
        const bool adaptive = length > 5;
        const double rectified = adaptive ? std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) : 1;
        const double size = lr / (1 - std::pow(beta1, t)) * rectified * (adaptive ? std::sqrt(correction) : 1);
        return {direction, 1 - lr * decay, 1 - beta1, beta2, eps, size, adaptive};
    }
    friend bool operator==(const RAdamSettings&, const RAdamSettings&) = default;
};

}  // namespace detail

template <class T = float, class D = DefaultDevice>
class RAdam final : public Optimizer<RAdam<T, D>, RAdamOptions, T, D, 2> {
    using Base = Optimizer<RAdam<T, D>, RAdamOptions, T, D, 2>;
    friend Base;

public:
    static constexpr const char* name = "RAdam";
    static constexpr const char* state_names[] = {"exp_avg", "exp_avg_sq"};
    using Base::Base;
    RAdam(std::vector<Tensor<T, D>> params, RAdamOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const RAdamOptions& o) {
        const Direction direction{o.maximize ? -1.0 : 1.0, o.decoupled_weight_decay ? 0 : o.weight_decay};
        const double decay = o.decoupled_weight_decay ? o.weight_decay : 0;
        this->apply(detail::RAdamSettings{direction, o.betas[0], o.betas[1], o.eps, decay}, p, g, state, o, state.get(0, p),
                    state.get(1, p));
    }
};
template <class T, class D>
RAdam(std::vector<Tensor<T, D>>, RAdamOptions) -> RAdam<T, D>;
template <class T, class D>
RAdam(std::vector<Tensor<T, D>>) -> RAdam<T, D>;

}  // namespace headtorch::optim
