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
template <bool amsgrad>
struct AdamRule {
    static constexpr int states = amsgrad ? 3 : 2;
    Direction direction;
    double decay, b1, b2, eps, step_size, root;

    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void follow(P& x, const P& dx, P& mean, P& square) const {
        x = x * decay;
        const P d = direction(x, dx);
        mean = mean + (d - mean) * b1;
        square = square * b2 + d * d * (1 - b2);
    }
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& mean, P& square) const {
        follow(x, dx, mean, square);
        x = x - mean / (math::sqrt(square) / root + eps) * step_size;
    }
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& mean, P& square, P& largest) const {
        follow(x, dx, mean, square);
        largest = math::maximum(largest, square);
        x = x - mean / (math::sqrt(largest) / root + eps) * step_size;
    }
    friend bool operator==(const AdamRule&, const AdamRule&) = default;
};
template <bool amsgrad>
struct AdamSettings {
    Direction direction;
    double beta1, beta2, eps, decay;  ///< decay: of the parameter by itself, for each unit of the learning rate
    HEADTORCH_HOST_DEVICE AdamRule<amsgrad> at(double lr, const double* count) const {
        const double step_size = lr / (1 - std::pow(beta1, count[0])), root = std::sqrt(1 - std::pow(beta2, count[0]));
        return {direction, 1 - lr * decay, 1 - beta1, beta2, eps, step_size, root};
    }
    friend bool operator==(const AdamSettings&, const AdamSettings&) = default;
};

}  // namespace detail

struct AdamOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 0;  ///< an L2 penalty
    bool amsgrad = false;
    bool maximize = false;
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const { detail::check_betas("Adam", lr, betas, eps, weight_decay); }
};
struct AdamWOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 1e-2;  ///< shrinks the parameter by itself, apart from the gradient
    bool amsgrad = false;
    bool maximize = false;
    bool capturable = false;  ///< steps can be recorded into a graph

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
        const Direction direction{o.maximize ? -1.0 : 1.0, o.weight_decay};
        T *m = state.get(0, p), *v = state.get(1, p);
        if (o.amsgrad)
            this->apply(detail::AdamSettings<true>{direction, o.betas[0], o.betas[1], o.eps, 0}, p, g, state, o, m, v, state.get(2, p));
        else
            this->apply(detail::AdamSettings<false>{direction, o.betas[0], o.betas[1], o.eps, 0}, p, g, state, o, m, v);
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
        const Direction direction{o.maximize ? -1.0 : 1.0, 0};
        T *m = state.get(0, p), *v = state.get(1, p);
        if (o.amsgrad)
            this->apply(detail::AdamSettings<true>{direction, o.betas[0], o.betas[1], o.eps, o.weight_decay}, p, g, state, o, m, v,
                        state.get(2, p));
        else
            this->apply(detail::AdamSettings<false>{direction, o.betas[0], o.betas[1], o.eps, o.weight_decay}, p, g, state, o, m, v);
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
