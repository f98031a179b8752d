// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What all optimisers share: groups of parameters with options of their own, held by handle, and a state that can be saved.

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "headtorch/nn/state_dict.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/optim/counters.hpp"
#include "headtorch/optim/pending.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch::optim {

/// An optimiser as a scheduler sees it: groups with a learning rate, and a momentum where there is one.
class Schedulable {
public:
    virtual std::size_t group_count() const = 0;
    virtual double& lr(std::size_t group) = 0;
    /// Momentum or beta1 of a group; null when the optimiser has none.
    virtual double* momentum(std::size_t group) = 0;
    /// The rate that a group had when the first scheduler was made for it.
    double initial_lr(std::size_t group) {
        while (initial_lrs_.size() <= group) initial_lrs_.push_back(lr(initial_lrs_.size()));
        return initial_lrs_[group];
    }

protected:
    ~Schedulable() = default;

private:
    std::vector<double> initial_lrs_;
};

/// The gradient as it is to be followed: uphill when maximising, with the pull of the L2 penalty.
struct Direction {
    double sign, weight_decay;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE P operator()(const P& p, const P& g) const {
        return weight_decay == 0 ? g * sign : g * sign + p * weight_decay;
    }
    friend bool operator==(const Direction&, const Direction&) = default;
};

/// Throws ValueError unless `valid`; NaN is never valid.
inline void check_option(bool valid, const char* optimizer, const char* option, double value) {
    if (!valid) throw ValueError(message(optimizer, ": invalid ", option, ": ", value));
}

/// Base of optimisers. `Derived` has `name`, `state_names` (one for each tensor remembered about a parameter) and
/// `update_parameter(p, g, state, options)`, which calls apply() with settings (see device/update.hpp); `Options` has `lr` and check().
/// With `.capturable = true` in the options, as in PyTorch, the device counts the steps and reads the learning rates, so that a step which
/// was recorded into a graph goes on with each replay.
///
/// step() passes over parameters without a gradient, as in PyTorch, but throws when not a single one has any:
/// then backward() was forgotten.
template <class Derived, class Options, class T, class D, std::size_t state_count>
class Optimizer : public Schedulable {
public:
    struct Group {
        std::vector<Tensor<T, D>> params;
        Options options;
    };

    explicit Optimizer(std::vector<Tensor<T, D>> params, Options options = {}) : defaults(options) {
        add_param_group(std::move(params), options);
    }
    explicit Optimizer(std::initializer_list<Group> list) {
        for (const Group& group : list) add_param_group(group.params, group.options);
    }

    void add_param_group(std::vector<Tensor<T, D>> params, Options options) {
        options.check();
        if (params.empty()) throw ValueError(message(Derived::name, ": got an empty list of parameters; has the module any?"));
        for (std::size_t i = 0; i < params.size(); ++i) {
            if (!params[i].requires_grad())
                throw ValueError(
                    message(Derived::name, ": parameter ", i, " of shape ", params[i].shape(), " does not require a gradient"));
            if (!params[i].is_leaf())
                throw ValueError(
                    message(Derived::name, ": cannot optimise parameter ", i, ", which is not a leaf but made by ", params[i].grad_fn()));
            if (!params[i].is_contiguous())
                throw ValueError(
                    message(Derived::name, ": parameter ", i, " is not contiguous; use contiguous() before requires_grad_()"));
            for (const Group& group : groups)
                for (const auto& other : group.params)
                    if (other.is_same(params[i]))
                        throw ValueError(message(Derived::name, ": parameter ", i, " of the new group is in an earlier one already"));
        }
        states.resize(states.size() + params.size());
        groups.push_back({std::move(params), options});
    }

    /// Forgets the gradients.
    void zero_grad() {
        for (const Group& group : groups)
            for (const auto& p : group.params) p.zero_grad();
    }

    /// Changes every parameter that has a gradient.
    void step(const Here& = Here::call(step_name())) {
        const OpScope scope(step_name());
        NoGrad guard;
        prepare();
        std::size_t i = 0, moved = 0;
        group_ = 0;
        for (Group& group : groups) {
            for (const auto& p : group.params) {
                State& state = states[i++];
                const Tensor<T, D> gradient = p.grad();
                if (!gradient.defined()) continue;
                ++moved;
                ++state.step;
                const Tensor<T, D>& kept = pending_.keep(headtorch::detail::detached_contiguous(gradient));
                static_cast<Derived&>(*this).update_parameter(p, kept, state, group.options);
                p.get()->bump_version(Derived::name);
            }
            ++group_;
        }
        pending_.flush();
        pending_.clear();
        if (moved == 0)
            throw AutogradError(
                message(Derived::name, ": none of the ", states.size(), " parameters has a gradient; call loss.backward() before step()"));
    }
    /// Calls `closure`, which computes the loss and its gradients anew, then steps. Returns the loss.
    template <class Closure>
        requires std::invocable<Closure&>
    auto step(Closure closure) {
        auto loss = closure();
        step();
        return loss;
    }

    std::size_t group_count() const override { return groups.size(); }
    double& lr(std::size_t group) override { return groups.at(group).options.lr; }
    double* momentum(std::size_t group) override {
        if constexpr (requires { groups[0].options.momentum; })
            return &groups.at(group).options.momentum;
        else if constexpr (requires { groups[0].options.betas; })
            return &groups.at(group).options.betas[0];
        else
            return nullptr;
    }

    /// What a later run needs to go on as if it had never stopped: copies of the tensors, and the learning rates.
    nn::StateDict state_dict() const {
        nn::StateDict dict;
        for (std::size_t g = 0; g < groups.size(); ++g)
            dict.set(message("param_groups.", g, ".lr"), full<double, Cpu>({}, groups[g].options.lr));
        const std::vector<double> counts = counters_.counts();
        for (std::size_t i = 0; i < states.size(); ++i) {
            const State state = counted(i, counts);
            if (state.step == 0) continue;
            dict.set(message("state.", i, ".step"), full<std::int64_t, Cpu>({}, state.step));
            for (std::size_t k = 0; k < state_count; ++k)
                if (state.tensors[k].defined()) dict.set(message("state.", i, ".", Derived::state_names[k]), state.tensors[k].clone());
            for (std::size_t k = 0; k < state.numbers.size(); ++k)
                dict.set(message("state.", i, ".number", k), full<double, Cpu>({}, state.numbers[k]));
        }
        return dict;
    }
    /// Takes back what state_dict() gave; throws and changes nothing when it belongs to other parameters.
    void load_state_dict(const nn::StateDict& dict) {
        auto loaded = states;
        std::vector<double> rates;
        std::size_t used = groups.size();
        for (std::size_t g = 0; g < groups.size(); ++g)
            rates.push_back(dict.template get<double, Cpu>(message("param_groups.", g, ".lr")).item());
        std::size_t i = 0;
        for (const Group& group : groups) {
            for (const auto& p : group.params) {
                State& state = loaded[i];
                state = {};
                const std::string prefix = message("state.", i++, ".");
                if (!dict.contains(prefix + "step")) continue;
                state.step = dict.template get<std::int64_t, Cpu>(prefix + "step").item();
                ++used;
                for (std::size_t k = 0; k < state_count; ++k) {
                    const std::string key = prefix + Derived::state_names[k];
                    if (!dict.contains(key)) continue;
                    state.tensors[k] = dict.template get<T, D>(key).clone();
                    ++used;
                    if (!(state.tensors[k].shape() == p.shape()))
                        throw ValueError(message(Derived::name, ": load_state_dict: ", key, " has shape ", state.tensors[k].shape(),
                                                 ", the parameter ", p.shape()));
                }
                for (std::size_t k = 0; k < state.numbers.size(); ++k) {
                    state.numbers[k] = dict.template get<double, Cpu>(message(prefix, "number", k)).item();
                    ++used;
                }
            }
        }
        if (used != dict.size())
            throw ValueError(message(Derived::name, ": load_state_dict: ", dict.size() - used,
                                     " entries belong to other parameters or to another optimiser"));
        if (counters_.defined()) {  // recorded steps know the tensors that there are by their address
            for (std::size_t k = 0; k < states.size(); ++k)
                for (std::size_t t = 0; t < state_count; ++t) {
                    Tensor<T, D>&from = loaded[k].tensors[t], &to = states[k].tensors[t];
                    if (from.defined() && to.defined()) from = to.copy_(from);
                }
        }
        states = std::move(loaded);
        for (std::size_t g = 0; g < groups.size(); ++g) groups[g].options.lr = rates[g];
        if (counters_.defined()) counters_.set_counts(host_counts());
    }

    std::vector<Group> groups;
    Options defaults;

protected:
    ~Optimizer() = default;

    /// What is remembered about one parameter.
    struct State {
        std::int64_t step = 0;
        std::array<Tensor<T, D>, state_count> tensors;
        std::vector<double> numbers = std::vector<double>(Derived::number_count());

        /// Tensor k, made of zeros when it is needed for the first time.
        T* get(std::size_t k, const Tensor<T, D>& p, T initial = T(0)) {
            if (!tensors[k].defined()) {
                detail::check_not_recorded<D>(Derived::name);
                tensors[k] = full<T, D>(p.shape(), initial);
            }
            return tensors[k].data();
        }
    };

    /// Puts the update of a parameter on the list of this step, with the rule that the settings make.
    template <class Settings, class... Remembered>
    void apply(const Settings& settings, const Tensor<T, D>& p, const Tensor<T, D>& g, State& state, const Options& o,
               Remembered*... remembered) {
        UpdateItem<T> item{p.numel(), p.data(), g.data(), {remembered...}};
        if (o.capturable) {
            item.count = counters_.count(static_cast<std::size_t>(&state - states.data()));
            return pending_.add(detail::DeviceRule<Settings>{settings, counters_.rate(group_)}, item);
        }
        detail::HostRule<Settings> rule{settings, o.lr, {static_cast<double>(state.step), state.numbers.empty() ? 0 : state.numbers[0]}};
        if constexpr (requires { settings.advance(rule.count); }) {
            settings.advance(rule.count);
            state.numbers[0] = rule.count[1];
        }
        pending_.add(rule, item);
    }
    static constexpr std::size_t number_count() { return 0; }
    /// "Adam.step".
    static const char* step_name() {
        static constexpr JoinedName name(Derived::name, ".step");
        return name.text;
    }

    std::vector<State> states;

private:
    /// Brings learning rates and counts to the device, where groups are capturable.
    void prepare() {
        pending_.clear();
        if constexpr (requires { groups[0].options.capturable; }) {
            const auto is_capturable = [](const Group& group) { return group.options.capturable; };
            if (!std::all_of(groups.begin(), groups.end(), is_capturable)) {
                detail::check_capturable<D>(Derived::name);
                if (std::none_of(groups.begin(), groups.end(), is_capturable)) return;
            }
            if (counters_.size() != states.size()) {
                detail::check_not_recorded<D>(Derived::name);
                const std::vector<double> counts = counters_.counts();
                for (std::size_t i = 0; i < states.size(); ++i) states[i] = counted(i, counts);
                counters_.set_counts(host_counts());
            }
            counters_.set_rates(static_cast<Schedulable*>(this), Derived::name);
            if constexpr (requires { recording(D{}); })
                if (recording(D{})) before_replay(D{}, [kept = states] {});  // a replay may come when this optimiser is no more
        }
    }
    /// A state with the steps that the device has counted.
    State counted(std::size_t i, const std::vector<double>& counts) const {
        State state = states[i];
        if (2 * i + 1 < counts.size() && counts[2 * i] > static_cast<double>(state.step)) {
            state.step = static_cast<std::int64_t>(counts[2 * i]);
            if (!state.numbers.empty()) state.numbers[0] = counts[2 * i + 1];
        }
        return state;
    }
    std::vector<double> host_counts() const {
        std::vector<double> counts;
        for (const State& state : states) {
            counts.push_back(static_cast<double>(state.step));
            counts.push_back(state.numbers.empty() ? 0 : state.numbers[0]);
        }
        return counts;
    }

    detail::PendingUpdates<T, D> pending_;
    detail::Counters<D> counters_;
    std::size_t group_ = 0;
};

}  // namespace headtorch::optim
