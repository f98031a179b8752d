// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// L-BFGS (Liu and Nocedal, 1989), with a step of fixed length or a line search for the strong Wolfe conditions
/// (Nocedal and Wright, "Numerical Optimization", algorithms 3.5, 3.6 and 7.4; cubic interpolation, as minFunc does it).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/optim/optimizer.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch::optim {

struct LBFGSOptions {
    double lr = 1;
    int max_iter = 20;
    int max_eval = -1;  ///< calls of the closure in one step; 5/4 max_iter unless given
    double tolerance_grad = 1e-7;
    double tolerance_change = 1e-9;
    int history_size = 100;
    std::string line_search_fn = "";  ///< "" or "strong_wolfe"

    void check() const {
        check_option(lr > 0, "LBFGS", "learning rate", lr);
        check_option(max_iter > 0, "LBFGS", "max_iter", max_iter);
        check_option(history_size > 0, "LBFGS", "history_size", history_size);
        if (!line_search_fn.empty() && line_search_fn != "strong_wolfe")
            throw ValueError("LBFGS: line_search_fn is \"\" or \"strong_wolfe\", not \"" + line_search_fn + "\"");
    }
};

namespace detail {

using Vector = std::vector<double>;
inline double dot(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}
inline double largest(const Vector& a) {
    double size = 0;
    for (double x : a) size = std::max(size, std::abs(x));
    return size;
}

/// Where the cubic through two points with values f and slopes g has its minimum, kept within [low, high].
inline double cubic_minimum(double x1, double f1, double g1, double x2, double f2, double g2, double low, double high) {
    const double d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2), square = d1 * d1 - g1 * g2;
    if (square < 0) return (low + high) / 2;
    const double d2 = std::sqrt(square);
    const double x =
        x1 <= x2 ? x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)) : x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2));
    return std::min(std::max(x, low), high);
}

/// A trial of the line search: step length, loss, gradient, and slope along the line.
struct Trial {
    double t, f;
    Vector g;
    double slope;
};

/// A step length that satisfies the strong Wolfe conditions, and the number of evaluations it took. `evaluate(t)` gives the Trial at t.
template <class Evaluate>
std::pair<Trial, int> strong_wolfe(const Evaluate& evaluate, double t, const Trial& start, double direction_size, double tolerance_change) {
    constexpr double c1 = 1e-4, c2 = 0.9;
    constexpr int max_trials = 25;
    const auto rises = [&](const Trial& x) { return x.f > start.f + c1 * x.t * start.slope; };
    const auto is_flat = [&](const Trial& x) { return std::abs(x.slope) <= -c2 * start.slope; };

    // lengthen the step until an acceptable point is bracketed
    Trial previous = start, current = evaluate(t);
    int evaluations = 1, trials = 0;
    std::vector<Trial> bracket;
    bool done = false;
    while (trials < max_trials) {
        if (rises(current) || (trials > 1 && current.f >= previous.f)) {
            bracket = {previous, current};
            break;
        }
        if (is_flat(current)) {
            bracket = {current};
            done = true;
            break;
        }
        if (current.slope >= 0) {
            bracket = {previous, current};
            break;
        }
        const double low = current.t + 0.01 * (current.t - previous.t), high = current.t * 10;
        const double next = cubic_minimum(previous.t, previous.f, previous.slope, current.t, current.f, current.slope, low, high);
        previous = std::move(current);
        current = evaluate(next);
        ++evaluations;
        ++trials;
    }
    if (trials == max_trials) bracket = {start, current};

    // shrink the bracket
    bool slow = false;
    std::size_t low = bracket.size() > 1 && bracket[0].f > bracket[1].f ? 1 : 0, high = bracket.size() > 1 ? 1 - low : 0;
    while (!done && trials < max_trials) {
        if (std::abs(bracket[1].t - bracket[0].t) * direction_size < tolerance_change) break;
        const double first = std::min(bracket[0].t, bracket[1].t), last = std::max(bracket[0].t, bracket[1].t);
        double x = cubic_minimum(bracket[0].t, bracket[0].f, bracket[0].slope, bracket[1].t, bracket[1].f, bracket[1].slope, first, last);
        // keep away from the ends, lest the bracket hardly shrinks
        const double margin = 0.1 * (last - first);
        if (std::min(last - x, x - first) < margin) {
            if (slow || x >= last || x <= first) {
                x = std::abs(x - last) < std::abs(x - first) ? last - margin : first + margin;
                slow = false;
            } else {
                slow = true;
            }
        } else {
            slow = false;
        }
        Trial trial = evaluate(x);
        ++evaluations;
        ++trials;
        if (rises(trial) || trial.f >= bracket[low].f) {
            bracket[high] = std::move(trial);
            if (bracket[0].f > bracket[1].f)
                low = 1, high = 0;
            else
                low = 0, high = 1;
        } else {
            if (is_flat(trial))
                done = true;
            else if (trial.slope * (bracket[high].t - bracket[low].t) >= 0)
                bracket[high] = bracket[low];
            bracket[low] = std::move(trial);
        }
    }
    return {bracket[low], evaluations};
}

}  // namespace detail

/// step(closure) evaluates the closure, which computes the loss and its gradients, several times. One group of parameters only.
template <class T = float, class D = DefaultDevice>
class LBFGS final : public Optimizer<LBFGS<T, D>, LBFGSOptions, T, D, 1> {
    using Base = Optimizer<LBFGS<T, D>, LBFGSOptions, T, D, 1>;
    using Vector = detail::Vector;

public:
    static constexpr const char* name = "LBFGS";
    static constexpr const char* state_names[] = {""};
    LBFGS(std::vector<Tensor<T, D>> params, LBFGSOptions options = {}) : Base(std::move(params), options) {}

    /// Returns the loss before the step.
    template <class Closure>
    Tensor<T, D> step(Closure closure) {
        const OpScope scope("LBFGS.step");
        if (this->groups.size() != 1) throw ValueError("LBFGS: takes one group of parameters only");
        const LBFGSOptions& o = this->groups[0].options;
        const int max_eval = o.max_eval >= 0 ? o.max_eval : o.max_iter * 5 / 4;
        const Tensor<T, D> first = closure();
        double loss = static_cast<double>(first.item());
        int evaluations = 1;
        Vector g = gradient();
        if (detail::largest(g) <= o.tolerance_grad) return first;

        for (int iteration = 1; iteration <= o.max_iter; ++iteration) {
            ++iterations_;
            if (iterations_ == 1) {
                direction_ = g;
                for (double& d : direction_) d = -d;
                scale_ = 1;
            } else {
                remember(g, o);
                direction_ = newton_direction(g);
            }
            former_gradient_ = g;
            const double former_loss = loss;
            double sum = 0;
            for (double x : g) sum += std::abs(x);
            length_ = iterations_ == 1 ? std::min(1.0, 1 / sum) * o.lr : o.lr;
            const double slope = detail::dot(g, direction_);
            if (slope > -o.tolerance_change) break;

            int used = 0;
            if (!o.line_search_fn.empty()) {
                const Vector origin = values();
                const auto evaluate = [&](double t) {
                    move(origin, t);
                    const double f = static_cast<double>(closure().item());
                    Vector at = gradient();
                    const double along = detail::dot(at, direction_);
                    return detail::Trial{t, f, std::move(at), along};
                };
                auto [best, count] =
                    detail::strong_wolfe(evaluate, length_, {0, loss, g, slope}, detail::largest(direction_), o.tolerance_change);
                move(origin, best.t);
                length_ = best.t;
                loss = best.f;
                g = std::move(best.g);
                used = count;
            } else {
                move(values(), length_);
                if (iteration != o.max_iter) {
                    loss = static_cast<double>(closure().item());
                    g = gradient();
                    used = 1;
                }
            }
            evaluations += used;
            if (iteration == o.max_iter || evaluations >= max_eval) break;
            if (detail::largest(g) <= o.tolerance_grad || detail::largest(direction_) * length_ <= o.tolerance_change ||
                std::abs(loss - former_loss) < o.tolerance_change)
                break;
        }
        return first;
    }

    /// What a later run needs to go on as if it had never stopped.
    nn::StateDict state_dict() const {
        nn::StateDict dict;
        dict.set("param_groups.0.lr", full<double, Cpu>({}, this->groups[0].options.lr));
        dict.set("state.iterations", full<std::int64_t, Cpu>({}, iterations_));
        if (iterations_ == 0) return dict;
        dict.set("state.scale", full<double, Cpu>({}, scale_));
        dict.set("state.length", full<double, Cpu>({}, length_));
        dict.set("state.direction", tensor<Vector, Cpu>(direction_));
        dict.set("state.former_gradient", tensor<Vector, Cpu>(former_gradient_));
        dict.set("state.history", full<std::int64_t, Cpu>({}, static_cast<std::int64_t>(steps_.size())));
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            dict.set(message("state.step", i), tensor<Vector, Cpu>(steps_[i]));
            dict.set(message("state.change", i), tensor<Vector, Cpu>(changes_[i]));
        }
        return dict;
    }
    void load_state_dict(const nn::StateDict& dict) {
        LBFGS loaded = *this;
        loaded.groups[0].options.lr = dict.template get<double, Cpu>("param_groups.0.lr").item();
        loaded.iterations_ = dict.template get<std::int64_t, Cpu>("state.iterations").item();
        loaded.steps_.clear();
        loaded.changes_.clear();
        if (loaded.iterations_ > 0) {
            const std::size_t size = values().size();
            const auto read = [&](const std::string& key) {
                Vector v = dict.template get<double, Cpu>(key).tolist();
                if (v.size() != size)
                    throw ValueError(message("LBFGS: load_state_dict: ", key, " has ", v.size(), " elements, the parameters ", size));
                return v;
            };
            loaded.scale_ = dict.template get<double, Cpu>("state.scale").item();
            loaded.length_ = dict.template get<double, Cpu>("state.length").item();
            loaded.direction_ = read("state.direction");
            loaded.former_gradient_ = read("state.former_gradient");
            const std::int64_t count = dict.template get<std::int64_t, Cpu>("state.history").item();
            for (std::int64_t i = 0; i < count; ++i) {
                loaded.steps_.push_back(read(message("state.step", i)));
                loaded.changes_.push_back(read(message("state.change", i)));
            }
        }
        *this = std::move(loaded);
    }

private:
    /// All parameters, or all gradients, one after the other.
    Vector values() const {
        Vector all;
        for (const auto& p : this->groups[0].params)
            for (T x : p.tolist()) all.push_back(static_cast<double>(x));
        return all;
    }
    Vector gradient() const {
        Vector all;
        bool any = false;
        for (const auto& p : this->groups[0].params) {
            const auto g = p.grad();
            any = any || g.defined();
            const auto part = g.defined() ? g.tolist() : std::vector<T>(static_cast<std::size_t>(p.numel()));
            for (T x : part) all.push_back(static_cast<double>(x));
        }
        if (!any) throw AutogradError("LBFGS: no parameter has a gradient; the closure must call backward()");
        return all;
    }
    /// parameters = origin + t direction
    void move(const Vector& origin, double t) const {
        NoGrad guard;
        std::size_t i = 0;
        for (const auto& p : this->groups[0].params) {
            auto host = empty<T, Cpu>(p.shape());
            for (std::int64_t k = 0; k < p.numel(); ++k, ++i) host.data()[k] = static_cast<T>(origin[i] + t * direction_[i]);
            p.copy_(host.template to<D>());
        }
    }
    /// Adds the last step and the change of the gradient along it to the history, if the curvature along it is positive.
    void remember(const Vector& g, const LBFGSOptions& o) {
        Vector change = g, step = direction_;
        for (std::size_t i = 0; i < g.size(); ++i) {
            change[i] -= former_gradient_[i];
            step[i] *= length_;
        }
        const double curvature = detail::dot(change, step);
        if (curvature <= 1e-10) return;
        if (static_cast<int>(steps_.size()) == o.history_size) {
            steps_.pop_front();
            changes_.pop_front();
        }
        scale_ = curvature / detail::dot(change, change);
        steps_.push_back(std::move(step));
        changes_.push_back(std::move(change));
    }
    /// -H g, H being the inverse Hessian that the history suggests (two-loop recursion).
    Vector newton_direction(const Vector& g) const {
        Vector q = g;
        for (double& x : q) x = -x;
        std::vector<double> alpha(steps_.size());
        for (std::size_t i = steps_.size(); i-- > 0;) {
            alpha[i] = detail::dot(steps_[i], q) / detail::dot(changes_[i], steps_[i]);
            for (std::size_t k = 0; k < q.size(); ++k) q[k] -= alpha[i] * changes_[i][k];
        }
        for (double& x : q) x *= scale_;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            const double beta = detail::dot(changes_[i], q) / detail::dot(changes_[i], steps_[i]);
            for (std::size_t k = 0; k < q.size(); ++k) q[k] += (alpha[i] - beta) * steps_[i][k];
        }
        return q;
    }

    std::int64_t iterations_ = 0;
    double scale_ = 1, length_ = 0;
    Vector direction_, former_gradient_;
    std::deque<Vector> steps_, changes_;
};
template <class T, class D>
LBFGS(std::vector<Tensor<T, D>>, LBFGSOptions) -> LBFGS<T, D>;
template <class T, class D>
LBFGS(std::vector<Tensor<T, D>>) -> LBFGS<T, D>;

}  // namespace headtorch::optim
