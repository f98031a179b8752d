// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// GraphedStep: a training step that the GPU repeats by itself.

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/device/graph.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/tensor/tensor.hpp"

namespace headtorch::train {

/// A function of tensors that returns a tensor (the loss, say), recorded after a few calls and from then on started as a whole
/// (cuda::Graph); on the CPU it is simply called.
///
///     train::GraphedStep step([&](const Tensor<>& x, const Tensor<std::int64_t>& y) {
///         adam.zero_grad();
///         auto loss = nn::cross_entropy(net(x), y);
///         loss.backward();
///         adam.step();                     // adam has .capturable = true
///         return loss.detach();
///     });
///     for (auto [x, y] : loader) step(x.to<Cuda>(), y.to<Cuda>());
///
/// The result of a call is overwritten by the next. Batches of another shape or type than the first (a last, smaller one) are not recorded,
/// but called. The function must not read numbers back (item()), nor decide by them.
template <class F>
class GraphedStep {
public:
    /// `warmup`: calls before the recording, in which what is made at first use (gradients, the state of an optimiser) comes to be.
    explicit GraphedStep(F step, int warmup = 3) : step_(std::move(step)), warmup_(warmup) {}

    template <class T, class D, class... X>
    auto operator()(const Tensor<T, D>& first, const X&... rest) { return run(D{}, first, rest...); }

    /// True once the step was recorded.
    bool recorded() const { return state_ != nullptr; }

private:
    template <class... X>
    static constexpr char kind = 0;  // whose address stands for these types

    template <class D, class... X>
    auto run(D device, const X&... x) {
        using Result = std::remove_cvref_t<std::invoke_result_t<F&, const X&...>>;
        if constexpr (std::is_same_v<decltype(device_graph(device)), NoGraph>) {
            return step_(x...);
        } else {
            struct State {
                std::tuple<X...> inputs;
                Result result;
                decltype(device_graph(device)) graph;
            };
            if (!state_) {
                if (calls_++ < warmup_) return step_(x...);
                auto state = std::make_shared<State>();
                {
                    NoGrad guard;
                    state->inputs = std::tuple<X...>(x.clone()...);
                }
                state->graph = device_graph(device);
                state->graph.capture([&] { state->result = std::apply(step_, state->inputs); });
                state_ = state;
                kind_ = &kind<X...>;
            }
            if (kind_ != &kind<X...>) return step_(x...);
            State& state = *static_cast<State*>(state_.get());
            const bool same = std::apply([&](const X&... held) { return ((held.shape() == x.shape()) && ...); }, state.inputs);
            if (!same) return step_(x...);
            {
                NoGrad guard;
                std::apply([&](const X&... held) { (held.copy_(x), ...); }, state.inputs);
            }
            state.graph.replay();
            return state.result;
        }
    }

    F step_;
    int warmup_, calls_ = 0;
    std::shared_ptr<void> state_;
    const char* kind_ = nullptr;  ///< of the state's inputs
};

}  // namespace headtorch::train
