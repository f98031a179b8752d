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
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const {
        check_option(lr >= 0, "SGD", "learning rate", lr);
        check_option(momentum >= 0, "SGD", "momentum", momentum);
        check_option(weight_decay >= 0, "SGD", "weight_decay", weight_decay);
        if (nesterov && (momentum <= 0 || dampening != 0)) throw ValueError("SGD: nesterov needs a momentum and no dampening");
    }
};

namespace detail {

struct DescentRule {
    static constexpr int states = 0;
    Direction direction;
    double lr;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx) const {
        x = x - direction(x, dx) * lr;
    }
    friend bool operator==(const DescentRule&, const DescentRule&) = default;
};
struct DescentSettings {
    Direction direction;
    HEADTORCH_HOST_DEVICE DescentRule at(double lr, const double*) const { return {direction, lr}; }
    friend bool operator==(const DescentSettings&, const DescentSettings&) = default;
};

struct MomentumRule {
    static constexpr int states = 1;
    Direction direction;
    double keep, take, momentum, lr;
    bool nesterov;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& v) const {
        const P d = direction(x, dx);
        v = v * keep + d * take;
        x = x - (nesterov ? P(d + v * momentum) : v) * lr;
    }
    friend bool operator==(const MomentumRule&, const MomentumRule&) = default;
};
struct MomentumSettings {
    Direction direction;
    double momentum, dampening;
    bool nesterov;
    double first;  ///< the step whose gradient is the first velocity
    HEADTORCH_HOST_DEVICE MomentumRule at(double lr, const double* count) const {
        const bool begins = count[0] == first;
        return {direction, begins ? 0 : momentum, begins ? 1 : 1 - dampening, momentum, lr, nesterov};
    }
    friend bool operator==(const MomentumSettings&, const MomentumSettings&) = default;
};

}  // namespace detail

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
        if (o.momentum == 0) return this->apply(detail::DescentSettings{direction}, p, g, state, o);
        const double first = o.capturable ? 1 : state.tensors[0].defined() ? 0 : static_cast<double>(state.step);
        this->apply(detail::MomentumSettings{direction, o.momentum, o.dampening, o.nesterov, first}, p, g, state, o, state.get(0, p));
    }
};
template <class T, class D>
SGD(std::vector<Tensor<T, D>>, SGDOptions) -> SGD<T, D>;
template <class T, class D>
SGD(std::vector<Tensor<T, D>>) -> SGD<T, D>;

}  // namespace headtorch::optim
