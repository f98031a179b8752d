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

    void check() const {
        check_option(lr >= 0, "Adadelta", "learning rate", lr);
        check_option(rho >= 0 && rho <= 1, "Adadelta", "rho", rho);
        check_option(eps >= 0, "Adadelta", "epsilon", eps);
        check_option(weight_decay >= 0, "Adadelta", "weight_decay", weight_decay);
    }
};

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
        update(D{}, [direction, lr = o.lr, rho = o.rho, eps = o.eps](auto& x, const auto& dx, auto& v, auto& u) {
            const auto d = direction(x, dx);
            v = v * rho + d * d * (1 - rho);
            const auto delta = math::sqrt(u + eps) / math::sqrt(v + eps) * d;
            u = u * rho + delta * delta * (1 - rho);
            x = x - delta * lr;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), state.get(0, p), state.get(1, p));
    }
};
template <class T, class D>
Adadelta(std::vector<Tensor<T, D>>, AdadeltaOptions) -> Adadelta<T, D>;
template <class T, class D>
Adadelta(std::vector<Tensor<T, D>>) -> Adadelta<T, D>;

}  // namespace headtorch::optim
