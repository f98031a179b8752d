// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Stochastic gradient descent, with momentum (Polyak, 1964; Sutskever et al., 2013).

#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {

struct SGDOptions {
    double lr = 1e-3;
    double momentum = 0;
    double dampening = 0;
    double weight_decay = 0;
    bool nesterov = false;
    bool maximize = false;

    void check() const {
        check_option(lr >= 0, "SGD", "learning rate", lr);
        check_option(momentum >= 0, "SGD", "momentum", momentum);
        check_option(weight_decay >= 0, "SGD", "weight_decay", weight_decay);
        if (nesterov && (momentum <= 0 || dampening != 0)) throw ValueError("SGD: nesterov needs a momentum and no dampening");
    }
};

/// v = momentum v + (1 - dampening) g;  p -= lr v, or with nesterov p -= lr (g + momentum v). The first v is g.
template <class T = float, class D = DefaultDevice>
class SGD final : public Optimizer<SGD<T, D>, SGDOptions, T, D, 1> {
    using Base = Optimizer<SGD<T, D>, SGDOptions, T, D, 1>;
    friend Base;

public:
    static constexpr const char* name = "SGD";
    static constexpr const char* state_names[] = {"momentum_buffer"};
    using Base::Base;
    SGD(std::vector<Tensor<T, D>> params, SGDOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const SGDOptions& o) {
        const Direction direction{o.maximize ? -1.0 : 1.0, o.weight_decay};
        if (o.momentum == 0) {
            update(
                D{}, [direction, lr = o.lr](auto& x, const auto& dx) { x = x - direction(x, dx) * lr; }, p.numel(), p.data(),
                static_cast<const T*>(g.data()));
            return;
        }
        const bool first = !state.tensors[0].defined();
        T* velocity = state.get(0, p);
        update(D{}, [direction, o, keep = first ? 0 : o.momentum, take = first ? 1 : 1 - o.dampening](auto& x, const auto& dx, auto& v) {
            const auto d = direction(x, dx);
            v = v * keep + d * take;
            x = x - (o.nesterov ? d + v * o.momentum : v) * o.lr;
        }, p.numel(), p.data(), static_cast<const T*>(g.data()), velocity);
    }
};
template <class T, class D>
SGD(std::vector<Tensor<T, D>>, SGDOptions) -> SGD<T, D>;
template <class T, class D>
SGD(std::vector<Tensor<T, D>>) -> SGD<T, D>;

}  // namespace headtorch::optim
