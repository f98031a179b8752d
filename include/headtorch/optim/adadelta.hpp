// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Adadelta (Zeiler, 2012).

#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {

struct AdadeltaOptions {
    double lr = 1;
    double rho = 0.9;
    double eps = 1e-6;
    double weight_decay = 0;
    bool maximize = false;
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const {
        check_option(lr >= 0, "Adadelta", "learning rate", lr);
        check_option(rho >= 0 && rho <= 1, "Adadelta", "rho", rho);
        check_option(eps >= 0, "Adadelta", "epsilon", eps);
        check_option(weight_decay >= 0, "Adadelta", "weight_decay", weight_decay);
    }
};

namespace detail {

struct AdadeltaRule {
    static constexpr int states = 2;
    Direction direction;
    double rho, eps, lr;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& v, P& u) const {
        const P d = direction(x, dx);
        v = v * rho + d * d * (1 - rho);
        const P delta = math::sqrt(u + eps) / math::sqrt(v + eps) * d;
        u = u * rho + delta * delta * (1 - rho);
        x = x - delta * lr;
    }
    friend bool operator==(const AdadeltaRule&, const AdadeltaRule&) = default;
};
struct AdadeltaSettings {
    Direction direction;
    double rho, eps;
    HEADTORCH_HOST_DEVICE AdadeltaRule at(double lr, const double*) const { return {direction, rho, eps, lr}; }
    friend bool operator==(const AdadeltaSettings&, const AdadeltaSettings&) = default;
};

}  // namespace detail

/// v = rho v + (1 - rho) g²;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = rho u + (1 - rho) d²;  p -= lr d
template <class T = float, class D = DefaultDevice>
class Adadelta final : public Optimizer<Adadelta<T, D>, AdadeltaOptions, T, D, 2> {
    using Base = Optimizer<Adadelta<T, D>, AdadeltaOptions, T, D, 2>;
    friend Base;

public:
    static constexpr const char* name = "Adadelta";
    static constexpr const char* state_names[] = {"square_avg", "acc_delta"};
    using Base::Base;
    Adadelta(std::vector<Tensor<T, D>> params, AdadeltaOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const AdadeltaOptions& o) {
        const Direction direction{o.maximize ? -1.0 : 1.0, o.weight_decay};
        this->apply(detail::AdadeltaSettings{direction, o.rho, o.eps}, p, g, state, o, state.get(0, p), state.get(1, p));
    }
};
template <class T, class D>
Adadelta(std::vector<Tensor<T, D>>, AdadeltaOptions) -> Adadelta<T, D>;
template <class T, class D>
Adadelta(std::vector<Tensor<T, D>>) -> Adadelta<T, D>;

}  // namespace headtorch::optim
