// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Adam (Kingma and Ba, 2015), with amsgrad (Reddi et al., 2018), and AdamW (Loshchilov and Hutter, 2019).

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {
namespace detail {

inline void check_betas(const char* name, double lr, const std::array<double, 2>& betas, double eps, double weight_decay) {
    check_option(lr >= 0, name, "learning rate", lr);
    check_option(betas[0] >= 0 && betas[0] < 1, name, "beta at index 0", betas[0]);
    check_option(betas[1] >= 0 && betas[1] < 1, name, "beta at index 1", betas[1]);
    check_option(eps >= 0, name, "epsilon", eps);
    check_option(weight_decay >= 0, name, "weight_decay", weight_decay);
}

/// m and v follow the gradient and its square; the step is lr m' / (sqrt(v') + eps), m' and v' corrected for their start at 0.
template <class T, class D, class State, class Options>
void adam_update(const Tensor<T, D>& p, const Tensor<T, D>& g, State& state, const Options& o, double decay, const Direction& direction) {
    const auto t = static_cast<double>(state.step);
    const double step_size = o.lr / (1 - std::pow(o.betas[0], t)), root = std::sqrt(1 - std::pow(o.betas[1], t));
    const double b1 = 1 - o.betas[0], b2 = o.betas[1], eps = o.eps;
    T *m = state.get(0, p), *v = state.get(1, p);
    const auto follow = [=](auto& x, const auto& dx, auto& mean, auto& square) {
        x = x * decay;
        const auto d = direction(x, dx);
        mean = mean + (d - mean) * b1;
        square = square * b2 + d * d * (1 - b2);
    };
    if (o.amsgrad) {
        update(D{}, [=](auto& x, const auto& dx, auto& mean, auto& square, auto& largest) {
            follow(x, dx, mean, square);
            largest = math::maximum(largest, square);
            x = x - mean / (math::sqrt(largest) / root + eps) * step_size;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), m, v, state.get(2, p));
    } else {
        update(D{}, [=](auto& x, const auto& dx, auto& mean, auto& square) {
            follow(x, dx, mean, square);
            x = x - mean / (math::sqrt(square) / root + eps) * step_size;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), m, v);
    }
}

}  // namespace detail

struct AdamOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;  ///< an L2 penalty
    bool amsgrad = false;
    bool maximize = false;

    void check() const { detail::check_betas("Adam", lr, betas, eps, weight_decay); }
};
struct AdamWOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 1e-2;  ///< shrinks the parameter by itself, apart from the gradient
    bool amsgrad = false;
    bool maximize = false;

    void check() const { detail::check_betas("AdamW", lr, betas, eps, weight_decay); }
};

template <class T = float, class D = DefaultDevice>
class Adam final : public Optimizer<Adam<T, D>, AdamOptions, T, D, 3> {
    using Base = Optimizer<Adam<T, D>, AdamOptions, T, D, 3>;
    friend Base;

public:
    static constexpr const char* name = "Adam";
    static constexpr const char* state_names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    using Base::Base;
    Adam(std::vector<Tensor<T, D>> params, AdamOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const AdamOptions& o) {
        detail::adam_update(p, g, state, o, 1, Direction{o.maximize ? -1.0 : 1.0, o.weight_decay});
    }
};

template <class T = float, class D = DefaultDevice>
class AdamW final : public Optimizer<AdamW<T, D>, AdamWOptions, T, D, 3> {
    using Base = Optimizer<AdamW<T, D>, AdamWOptions, T, D, 3>;
    friend Base;

public:
    static constexpr const char* name = "AdamW";
    static constexpr const char* state_names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    using Base::Base;
    AdamW(std::vector<Tensor<T, D>> params, AdamWOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const AdamWOptions& o) {
        detail::adam_update(p, g, state, o, 1 - o.lr * o.weight_decay, Direction{o.maximize ? -1.0 : 1.0, 0});
    }
};

template <class T, class D>
Adam(std::vector<Tensor<T, D>>, AdamOptions) -> Adam<T, D>;
template <class T, class D>
Adam(std::vector<Tensor<T, D>>) -> Adam<T, D>;
template <class T, class D>
AdamW(std::vector<Tensor<T, D>>, AdamWOptions) -> AdamW<T, D>;
template <class T, class D>
AdamW(std::vector<Tensor<T, D>>) -> AdamW<T, D>;

}  // namespace headtorch::optim
