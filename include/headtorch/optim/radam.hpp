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

    void check() const { detail::check_betas("RAdam", lr, betas, eps, weight_decay); }
};

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
        const auto t = static_cast<double>(state.step);
        const double power = std::pow(o.betas[1], t), correction = 1 - power;
        const double limit = 2 / (1 - o.betas[1]) - 1, length = limit - 2 * t * power / correction;
        const bool adaptive = length > 5;  // enough gradients seen to trust their variance
        const double rectified = adaptive ? std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) : 1;
        const double size = o.lr / (1 - std::pow(o.betas[0], t)) * rectified * (adaptive ? std::sqrt(correction) : 1);
        const double decay = o.decoupled_weight_decay ? 1 - o.lr * o.weight_decay : 1;
        const Direction direction{o.maximize ? -1.0 : 1.0, o.decoupled_weight_decay ? 0 : o.weight_decay};
        update(D{}, [=, b1 = 1 - o.betas[0], b2 = o.betas[1], eps = o.eps](auto& x, const auto& dx, auto& m, auto& v) {
            x = x * decay;
            const auto d = direction(x, dx);
            m = m + (d - m) * b1;
            v = v * b2 + d * d * (1 - b2);
            x = x - (adaptive ? m / (math::sqrt(v) + eps) : m) * size;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), state.get(0, p), state.get(1, p));
    }
};
template <class T, class D>
RAdam(std::vector<Tensor<T, D>>, RAdamOptions) -> RAdam<T, D>;
template <class T, class D>
RAdam(std::vector<Tensor<T, D>>) -> RAdam<T, D>;

}  // namespace headtorch::optim
