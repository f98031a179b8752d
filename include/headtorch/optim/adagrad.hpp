// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Adagrad (Duchi, Hazan and Singer, 2011).

#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {

struct AdagradOptions {
    double lr = 1e-2;
    double lr_decay = 0;
    double weight_decay = 0;
    double initial_accumulator_value = 0;
    double eps = 1e-10;
    bool maximize = false;

    void check() const {
        check_option(lr >= 0, "Adagrad", "learning rate", lr);
        check_option(lr_decay >= 0, "Adagrad", "lr_decay", lr_decay);
        check_option(weight_decay >= 0, "Adagrad", "weight_decay", weight_decay);
        check_option(initial_accumulator_value >= 0, "Adagrad", "initial_accumulator_value", initial_accumulator_value);
        check_option(eps >= 0, "Adagrad", "epsilon", eps);
    }
};

/// s += g²;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
template <class T = float, class D = DefaultDevice>
class Adagrad final : public Optimizer<Adagrad<T, D>, AdagradOptions, T, D, 1> {
    using Base = Optimizer<Adagrad<T, D>, AdagradOptions, T, D, 1>;
    friend Base;

public:
    static constexpr const char* name = "Adagrad";
    static constexpr const char* state_names[] = {"sum"};
    using Base::Base;
    Adagrad(std::vector<Tensor<T, D>> params, AdagradOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const AdagradOptions& o) {
        const Direction direction{o.maximize ? -1.0 : 1.0, o.weight_decay};
        const double lr = o.lr / (1 + static_cast<double>(state.step - 1) * o.lr_decay), eps = o.eps;
        update(D{}, [=](auto& x, const auto& dx, auto& s) {
            const auto d = direction(x, dx);
            s = s + d * d;
            x = x - d / (math::sqrt(s) + eps) * lr;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), state.get(0, p, static_cast<T>(o.initial_accumulator_value)));
    }
};
template <class T, class D>
Adagrad(std::vector<Tensor<T, D>>, AdagradOptions) -> Adagrad<T, D>;
template <class T, class D>
Adagrad(std::vector<Tensor<T, D>>) -> Adagrad<T, D>;

}  // namespace headtorch::optim
