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

    void check() const {
        check_option(lr >= 0, "RMSprop", "learning rate", lr);
        check_option(alpha >= 0, "RMSprop", "alpha", alpha);
        check_option(eps >= 0, "RMSprop", "epsilon", eps);
        check_option(weight_decay >= 0, "RMSprop", "weight_decay", weight_decay);
        check_option(momentum >= 0, "RMSprop", "momentum", momentum);
    }
};

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
        const auto run = [&](auto rule, auto*... more) {
            update(D{}, rule, p.numel(), p.data(), static_cast<const T*>(g.data()), square, more...);
        };
        const auto follow = [direction, a = o.alpha](const auto& x, const auto& dx, auto& v) {
            const auto d = direction(x, dx);
            v = v * a + d * d * (1 - a);
            return d;
        };
        const auto centre = [a = o.alpha](const auto& d, const auto& v, auto& mean) {
            mean = mean + (d - mean) * (1 - a);
            return math::sqrt(v - mean * mean);
        };
        const double lr = o.lr, eps = o.eps, keep = o.momentum;
        if (o.centered && keep > 0)
            run([=](auto& x, const auto& dx, auto& v, auto& b, auto& mean) {
                const auto d = follow(x, dx, v);
                b = b * keep + d / (centre(d, v, mean) + eps);
                x = x - b * lr;
            }, state.get(1, p), state.get(2, p));
        else if (o.centered)
            run([=](auto& x, const auto& dx, auto& v, auto& mean) {
                const auto d = follow(x, dx, v);
                x = x - d / (centre(d, v, mean) + eps) * lr;
            }, state.get(2, p));
        else if (keep > 0)
            run([=](auto& x, const auto& dx, auto& v, auto& b) {
                const auto d = follow(x, dx, v);
                b = b * keep + d / (math::sqrt(v) + eps);
                x = x - b * lr;
            }, state.get(1, p));
        else
            run([=](auto& x, const auto& dx, auto& v) {
                const auto d = follow(x, dx, v);
                x = x - d / (math::sqrt(v) + eps) * lr;
            });
    }
};
template <class T, class D>
RMSprop(std::vector<Tensor<T, D>>, RMSpropOptions) -> RMSprop<T, D>;
template <class T, class D>
RMSprop(std::vector<Tensor<T, D>>) -> RMSprop<T, D>;

}  // namespace headtorch::optim
