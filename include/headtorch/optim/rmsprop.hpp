// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// RMSprop (Hinton, 2012; centred: Graves, 2013).

#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"

namespace headtorch::optim {

struct RMSpropOptions {
    double lr = 1e-2;
    double alpha = 0.99;
    double eps = 1e-8;
    double weight_decay = 0;
    double momentum = 0;
    bool centered = false;  ///< divides by the standard deviation of the gradient instead of its root mean square
    bool maximize = false;
    bool capturable = false;  ///< steps can be recorded into a graph

    void check() const {
        check_option(lr >= 0, "RMSprop", "learning rate", lr);
        check_option(alpha >= 0, "RMSprop", "alpha", alpha);
        check_option(eps >= 0, "RMSprop", "epsilon", eps);
        check_option(weight_decay >= 0, "RMSprop", "weight_decay", weight_decay);
        check_option(momentum >= 0, "RMSprop", "momentum", momentum);
    }
};

namespace detail {

/// States: the mean square, then the momentum's buffer and the mean, where they are used.
template <bool centered, bool momentum>
struct RMSpropRule {
    static constexpr int states = 1 + centered + momentum;
    Direction direction;
    double alpha, eps, keep, lr;

    template <class P, class... More>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P& dx, P& v, More&... more) const {
        const P d = direction(x, dx);
        v = v * alpha + d * d * (1 - alpha);
        advance(x, d, v, more...);
    }

private:
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE P size(const P& d, const P& v, P& mean) const {
        mean = mean + (d - mean) * (1 - alpha);
        return math::sqrt(v - mean * mean) + eps;
    }
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void advance(P& x, const P& d, const P& v) const {
        x = x - d / (math::sqrt(v) + eps) * lr;
    }
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void advance(P& x, const P& d, const P& v, P& other) const {
        if constexpr (momentum) {
            other = other * keep + d / (math::sqrt(v) + eps);
            x = x - other * lr;
        } else {
            x = x - d / size(d, v, other) * lr;
        }
    }
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void advance(P& x, const P& d, const P& v, P& b, P& mean) const {
        b = b * keep + d / size(d, v, mean);
        x = x - b * lr;
    }
    friend bool operator==(const RMSpropRule&, const RMSpropRule&) = default;
};
template <bool centered, bool momentum>
struct RMSpropSettings {
    Direction direction;
    double alpha, eps, keep;
    HEADTORCH_HOST_DEVICE RMSpropRule<centered, momentum> at(double lr, const double*) const { return {direction, alpha, eps, keep, lr}; }
    friend bool operator==(const RMSpropSettings&, const RMSpropSettings&) = default;
};

}  // namespace detail

/// v = alpha v + (1 - alpha) g²;  p -= lr g / (sqrt(v) + eps)
template <class T = float, class D = DefaultDevice>
class RMSprop final : public Optimizer<RMSprop<T, D>, RMSpropOptions, T, D, 3> {
    using Base = Optimizer<RMSprop<T, D>, RMSpropOptions, T, D, 3>;
    friend Base;

public:
    static constexpr const char* name = "RMSprop";
    static constexpr const char* state_names[] = {"square_avg", "momentum_buffer", "grad_avg"};
    using Base::Base;
    RMSprop(std::vector<Tensor<T, D>> params, RMSpropOptions options = {}) : Base(std::move(params), options) {}

private:
    void update_parameter(const Tensor<T, D>& p, const Tensor<T, D>& g, typename Base::State& state, const RMSpropOptions& o) {
        const Direction direction{o.maximize ? -1.0 : 1.0, o.weight_decay};
        T* square = state.get(0, p);
        const auto run = [&]<bool centered, bool momentum>(detail::RMSpropSettings<centered, momentum> settings, auto*... more) {
            settings = {direction, o.alpha, o.eps, o.momentum};
            this->apply(settings, p, g, state, o, square, more...);
        };
        if (o.centered && o.momentum > 0)
            run(detail::RMSpropSettings<true, true>{}, state.get(1, p), state.get(2, p));
        else if (o.centered)
            run(detail::RMSpropSettings<true, false>{}, state.get(2, p));
        else if (o.momentum > 0)
            run(detail::RMSpropSettings<false, true>{}, state.get(1, p));
        else
            run(detail::RMSpropSettings<false, false>{});
    }
};
template <class T, class D>
RMSprop(std::vector<Tensor<T, D>>, RMSpropOptions) -> RMSprop<T, D>;
template <class T, class D>
RMSprop(std::vector<Tensor<T, D>>) -> RMSprop<T, D>;

}  // namespace headtorch::optim
