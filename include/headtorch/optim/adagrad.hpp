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
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const {
        check_option(lr >= 0, "Adagrad", "learning rate", lr);
        check_option(lr_decay >= 0, "Adagrad", "lr_decay", lr_decay);
        check_option(weight_decay >= 0, "Adagrad", "weight_decay", weight_decay);
        check_option(initial_accumulator_value >= 0, "Adagrad", "initial_accumulator_value", initial_accumulator_value);
        check_option(eps >= 0, "Adagrad", "epsilon", eps);
    }
};

namespace detail {

struct AdagradRule {
    static constexpr int states = 1;
    Direction direction;
    double eps, lr;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& s) const {
        const P d = direction(x, dx);
        s = s + d * d;
        x = x - d / (math::sqrt(s) + eps) * lr;
    }
    friend bool operator==(const AdagradRule&, const AdagradRule&) = default;
};
struct AdagradSettings {
    Direction direction;
    double eps, lr_decay;
    HEADTORCH_HOST_DEVICE AdagradRule at(double lr, const double* count) const {
        return {direction, eps, lr / (1 + (count[0] - 1) * lr_decay)};
    }
    friend bool operator==(const AdagradSettings&, const AdagradSettings&) = default;
};

}  // namespace detail

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
        this->apply(detail::AdagradSettings{direction, o.eps, o.lr_decay}, p, g, state, o,
                    state.get(0, p, static_cast<T>(o.initial_accumulator_value)));
    }
};
template <class T, class D>
Adagrad(std::vector<Tensor<T, D>>, AdagradOptions) -> Adagrad<T, D>;
template <class T, class D>
Adagrad(std::vector<Tensor<T, D>>) -> Adagrad<T, D>;

}  // namespace headtorch::optim
