// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Recurrent layers and cells: `nn::LSTM<> lstm(10, 20, {.num_layers = 2}); auto [y, state] = lstm(x); auto [h, c] = state;`
/// Their operator() is Module's, with types, so that a state can be given in braces: `lstm(x, {h, c})`.

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/nn/init.hpp"
#include "headtorch/nn/module.hpp"
#include "headtorch/ops/dropout.hpp"
#include "headtorch/ops/rnn.hpp"

namespace headtorch::nn {

struct RNNOptions {
    std::int64_t num_layers = 1;
    bool bias = true, batch_first = false;
    double dropout = 0;  ///< of the outputs of every layer but the last, in training
    bool bidirectional = false;
};

/// h and c of an LSTM.
template <class T = float, class D = DefaultDevice>
using LSTMState = std::pair<Tensor<T, D>, Tensor<T, D>>;

namespace detail {

inline void check_recurrent(std::string_view name, std::int64_t inputs, std::int64_t hidden) {
    if (inputs < 0) throw ValueError(message(name, ": input_size must not be negative, got ", inputs));
    if (hidden <= 0) throw ValueError(message(name, ": hidden_size must be positive, got ", hidden));
}

/// The weights of one layer in one direction, uniform in ±1/sqrt(hidden).
template <class T, class D>
struct RecurrentParameters {
    Parameter<T, D> w_ih, w_hh, b_ih, b_hh;

    RecurrentParameters(std::int64_t gates, std::int64_t inputs, std::int64_t hidden, bool bias)
        : w_ih(empty<T, D>({gates * hidden, inputs})), w_hh(empty<T, D>({gates * hidden, hidden})) {
        if (!bias) return;
        b_ih = Parameter<T, D>(empty<T, D>({gates * hidden}));
        b_hh = Parameter<T, D>(empty<T, D>({gates * hidden}));
    }
    void reset(double bound, Generator& generator) {
        for (Parameter<T, D>* p : {&w_ih, &w_hh, &b_ih, &b_hh})
            if (p->defined()) init::uniform_(*p, -bound, bound, generator);
    }
    RnnWeights<T, D> weights() const { return {w_ih, w_hh, b_ih, b_hh}; }
};

/// What RNN, LSTM and GRU share. Parameters are called as in PyTorch: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, the same with
/// _reverse, then _l1 and so on.
template <class Derived, class T, class D>
class RecurrentLayers : public Module<Derived> {
public:
    using parameter_type = Tensor<T, D>;

    RecurrentLayers(std::string_view name, RnnKind kind, std::int64_t inputs, std::int64_t hidden, const RNNOptions& o)
        : input_size(inputs), hidden_size(hidden), options(o), kind_(kind) {
        check_recurrent(name, inputs, hidden);
        if (o.num_layers <= 0) throw ValueError(message(name, ": num_layers must be positive, got ", o.num_layers));
        if (!(o.dropout >= 0 && o.dropout <= 1)) throw ValueError(message(name, ": dropout is a probability from 0 to 1, got ", o.dropout));
        for (std::int64_t layer = 0; layer < o.num_layers; ++layer)
            for (std::int64_t d = 0; d < directions(); ++d)
                layers_.emplace_back(weight_gates(kind), layer == 0 ? inputs : hidden * directions(), hidden, o.bias);
        reset_parameters();
    }

    std::int64_t input_size, hidden_size;
    RNNOptions options;
    bool training = true;

    void reset_parameters(Generator& generator = default_generator()) {
        for (auto& layer : layers_) layer.reset(1 / std::sqrt(static_cast<double>(hidden_size)), generator);
    }
    /// The parameters of a layer: `lstm.layer(0).w_ih`; of the reverse direction with reverse = true.
    RecurrentParameters<T, D>& layer(std::int64_t i, bool reverse = false) {
        if (i < 0 || i >= options.num_layers || (reverse && !options.bidirectional))
            throw IndexError(message("layer: there is no ", reverse ? "reverse " : "", "layer ", i, " among ", options.num_layers));
        return layers_[static_cast<std::size_t>(i * directions() + reverse)];
    }

    void visit_members(MemberVisitor& visitor) {
        std::string suffix;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            const std::size_t d = static_cast<std::size_t>(directions());
            suffix = message("_l", i / d, i % d == 1 ? "_reverse" : "");
            const auto show = [&](const char* name, Parameter<T, D>& p) {
                if (p.defined()) visitor.tensor(name + suffix, TensorKind::parameter, p);
            };
            show("weight_ih", layers_[i].w_ih);
            show("weight_hh", layers_[i].w_hh);
            show("bias_ih", layers_[i].b_ih);
            show("bias_hh", layers_[i].b_hh);
        }
    }
    std::string extra_repr() const {
        std::string text = message(input_size, ", ", hidden_size);
        if (options.num_layers != 1) text += message(", num_layers=", options.num_layers);
        if (!options.bias) text += ", bias=False";
        if (options.batch_first) text += ", batch_first=True";
        if (options.dropout != 0) text += message(", dropout=", options.dropout);
        if (options.bidirectional) text += ", bidirectional=True";
        return text;
    }

protected:
    struct Result {
        Tensor<T, D> output, h, c;
    };

    /// x [steps, batch, inputs], or [batch, steps, inputs] with batch_first, or [steps, inputs]. An undefined state is zero.
    Result run(std::string_view name, Tensor<T, D> x, Tensor<T, D> h0, Tensor<T, D> c0) const {
        const bool batched = x.dim() == 3;
        if (x.dim() != 2 && !batched)
            throw ShapeError(message(name, ": the input is ", options.batch_first ? "[batch, steps, " : "[steps, batch, ", input_size,
                                     "] or [steps, ", input_size, "], got ", x.shape()));
        if (!batched)
            x = x.unsqueeze(1);
        else if (options.batch_first)
            x = x.transpose(0, 1);
        if (x.size(2) != input_size)
            throw ShapeError(message(name, ": input_size is ", input_size, ", but the input has ", x.size(2), " features"));
        const std::int64_t count = options.num_layers * directions();
        const Shape state{count, x.size(1), hidden_size};
        const auto initial = [&](const char* what, Tensor<T, D> s) {
            if (!s.defined()) return zeros<T, D>(state);
            if (!batched && s.dim() == 2) s = s.unsqueeze(1);
            if (!(s.shape() == state))
                throw ShapeError(message(name, ": ", what, " has shape ", state, " for this input, got ", s.shape()));
            return s;
        };
        const bool lstm = kind_ == RnnKind::lstm;
        h0 = initial("h_0", h0);
        if (lstm) c0 = initial("c_0", c0);

        std::vector<Tensor<T, D>> last_h, last_c;
        for (std::int64_t layer = 0; layer < options.num_layers; ++layer) {
            std::vector<Tensor<T, D>> outputs;
            for (std::int64_t d = 0; d < directions(); ++d) {
                const std::int64_t i = layer * directions() + d;
                Tensor<T, D> y =
                    rnn_layer(kind_, d == 1, x, h0[i], lstm ? c0[i] : Tensor<T, D>(), layers_[static_cast<std::size_t>(i)].weights());
                const std::int64_t steps = x.size(0);
                if (lstm) {
                    last_c.push_back(y[steps]);
                    y = y.narrow(0, 0, steps);
                }
                last_h.push_back(y[d == 1 ? 0 : steps - 1]);
                outputs.push_back(y);
            }
            x = directions() == 1 ? outputs[0] : cat(outputs, 2);
            if (layer + 1 < options.num_layers && options.dropout > 0) x = headtorch::dropout(x, options.dropout, training);
        }
        Result result{x, stack(last_h, 0), lstm ? stack(last_c, 0) : Tensor<T, D>()};
        if (!batched) {
            result.output = result.output.squeeze(1);
            result.h = result.h.squeeze(1);
            if (lstm) result.c = result.c.squeeze(1);
        } else if (options.batch_first) {
            result.output = result.output.transpose(0, 1);
        }
        return result;
    }

private:
    std::int64_t directions() const { return options.bidirectional ? 2 : 1; }

    RnnKind kind_;
    std::vector<RecurrentParameters<T, D>> layers_;
};

}  // namespace detail

enum class Nonlinearity : std::uint8_t { tanh, relu };

/// h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu. Called with x [steps, batch, input_size] and, if not zero, h_0
/// [num_layers * directions, batch, hidden_size]; gives the outputs [steps, batch, directions * hidden_size] and h_n.
template <class T = float, class D = DefaultDevice>
class RNN : public detail::RecurrentLayers<RNN<T, D>, T, D> {
    using Base = detail::RecurrentLayers<RNN<T, D>, T, D>;

public:
    RNN(std::int64_t inputs, std::int64_t hidden, const RNNOptions& o = {}, Nonlinearity nonlinearity = Nonlinearity::tanh)
        : Base("RNN", nonlinearity == Nonlinearity::tanh ? RnnKind::tanh : RnnKind::relu, inputs, hidden, o) {}

    std::pair<Tensor<T, D>, Tensor<T, D>> operator()(const Tensor<T, D>& x, const Tensor<T, D>& h0 = {}) const {
        return Module<RNN>::operator()(x, h0);
    }
    std::pair<Tensor<T, D>, Tensor<T, D>> forward(const Tensor<T, D>& x, const Tensor<T, D>& h0 = {}) const {
        auto result = this->run("rnn", x, h0, {});
        return {result.output, result.h};
    }
};

/// Long short-term memory. Gives the outputs and the pair (h_n, c_n).
template <class T = float, class D = DefaultDevice>
class LSTM : public detail::RecurrentLayers<LSTM<T, D>, T, D> {
    using Base = detail::RecurrentLayers<LSTM<T, D>, T, D>;

public:
    LSTM(std::int64_t inputs, std::int64_t hidden, const RNNOptions& o = {}) : Base("LSTM", RnnKind::lstm, inputs, hidden, o) {}

    std::pair<Tensor<T, D>, LSTMState<T, D>> operator()(const Tensor<T, D>& x, const LSTMState<T, D>& state = {}) const {
        return Module<LSTM>::operator()(x, state);
    }
    std::pair<Tensor<T, D>, LSTMState<T, D>> forward(const Tensor<T, D>& x, const LSTMState<T, D>& state = {}) const {
        if (state.first.defined() != state.second.defined()) throw ValueError("lstm: give both h_0 and c_0, or neither");
        auto result = this->run("lstm", x, state.first, state.second);
        return {result.output, {result.h, result.c}};
    }
};

/// Gated recurrent unit. Gives the outputs and h_n.
template <class T = float, class D = DefaultDevice>
class GRU : public detail::RecurrentLayers<GRU<T, D>, T, D> {
    using Base = detail::RecurrentLayers<GRU<T, D>, T, D>;

public:
    GRU(std::int64_t inputs, std::int64_t hidden, const RNNOptions& o = {}) : Base("GRU", RnnKind::gru, inputs, hidden, o) {}

    std::pair<Tensor<T, D>, Tensor<T, D>> operator()(const Tensor<T, D>& x, const Tensor<T, D>& h0 = {}) const {
        return Module<GRU>::operator()(x, h0);
    }
    std::pair<Tensor<T, D>, Tensor<T, D>> forward(const Tensor<T, D>& x, const Tensor<T, D>& h0 = {}) const {
        auto result = this->run("gru", x, h0, {});
        return {result.output, result.h};
    }
};

namespace detail {

/// What the cells share.
template <class Derived, class T, class D>
class RecurrentCell : public Module<Derived> {
public:
    RecurrentCell(std::string_view name, RnnKind kind, std::int64_t inputs, std::int64_t hidden, bool with_bias)
        : input_size(inputs), hidden_size(hidden), kind_(kind) {
        check_recurrent(name, inputs, hidden);
        const std::int64_t rows = weight_gates(kind) * hidden;
        weight_ih = Parameter<T, D>(empty<T, D>({rows, inputs}));
        weight_hh = Parameter<T, D>(empty<T, D>({rows, hidden}));
        if (with_bias) {
            bias_ih = Parameter<T, D>(empty<T, D>({rows}));
            bias_hh = Parameter<T, D>(empty<T, D>({rows}));
        }
        reset_parameters();
    }

    Parameter<T, D> weight_ih, weight_hh, bias_ih, bias_hh;
    std::int64_t input_size, hidden_size;

    void reset_parameters(Generator& generator = default_generator()) {
        const double bound = 1 / std::sqrt(static_cast<double>(hidden_size));
        for (Parameter<T, D>* p : {&weight_ih, &weight_hh, &bias_ih, &bias_hh})
            if (p->defined()) init::uniform_(*p, -bound, bound, generator);
    }
    auto fields() { return nn::fields("weight_ih", weight_ih, "weight_hh", weight_hh, "bias_ih", bias_ih, "bias_hh", bias_hh); }
    std::string extra_repr() const {
        return message(input_size, ", ", hidden_size, bias_ih.defined() ? "" : ", bias=False",
                       kind_ == RnnKind::relu ? ", nonlinearity=relu" : "");
    }

protected:
    /// One step, batched or not; an undefined state is zero.
    LSTMState<T, D> step(const char* name, Tensor<T, D> x, Tensor<T, D> h, Tensor<T, D> c) const {
        const bool batched = x.dim() == 2;
        if (x.dim() != 1 && !batched)
            throw ShapeError(message(name, ": the input is [batch, ", input_size, "] or [", input_size, "], got ", x.shape()));
        const auto as_batch = [&](Tensor<T, D>& t) {
            if (!batched && t.defined() && t.dim() == 1) t = t.unsqueeze(0);
        };
        as_batch(x);
        as_batch(h);
        as_batch(c);
        if (!h.defined()) h = zeros<T, D>({x.size(0), hidden_size});
        if (!c.defined()) c = zeros<T, D>({x.size(0), hidden_size});
        const RnnWeights<T, D> weights{weight_ih, weight_hh, bias_ih, bias_hh};
        headtorch::detail::check_rnn(name, kind_, x.shape(), h, weights);
        if (!(c.shape() == h.shape())) throw ShapeError(message(name, ": h and c have one shape, got ", h.shape(), " and ", c.shape()));
        auto [next_h, next_c] = headtorch::detail::rnn_cell(kind_, x, h, c, weights);
        if (batched) return {next_h, next_c};
        return {next_h.squeeze(0), next_c.defined() ? next_c.squeeze(0) : next_c};
    }

private:
    RnnKind kind_;
};

}  // namespace detail

/// One step of an RNN: x [batch, input_size] and h [batch, hidden_size] (zero when not given) make the new h.
template <class T = float, class D = DefaultDevice>
class RNNCell : public detail::RecurrentCell<RNNCell<T, D>, T, D> {
public:
    RNNCell(std::int64_t inputs, std::int64_t hidden, bool bias = true, Nonlinearity nonlinearity = Nonlinearity::tanh)
        : detail::RecurrentCell<RNNCell<T, D>, T, D>("RNNCell", nonlinearity == Nonlinearity::tanh ? RnnKind::tanh : RnnKind::relu, inputs,
                                                     hidden, bias) {}
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<T, D>& h = {}) const { return this->step("rnn_cell", x, h, {}).first; }
};
/// One step of an LSTM: the new (h, c).
template <class T = float, class D = DefaultDevice>
class LSTMCell : public detail::RecurrentCell<LSTMCell<T, D>, T, D> {
public:
    LSTMCell(std::int64_t inputs, std::int64_t hidden, bool bias = true)
        : detail::RecurrentCell<LSTMCell<T, D>, T, D>("LSTMCell", RnnKind::lstm, inputs, hidden, bias) {}
    LSTMState<T, D> operator()(const Tensor<T, D>& x, const LSTMState<T, D>& state = {}) const {
        return Module<LSTMCell>::operator()(x, state);
    }
    LSTMState<T, D> forward(const Tensor<T, D>& x, const LSTMState<T, D>& state = {}) const {
        return this->step("lstm_cell", x, state.first, state.second);
    }
};
/// One step of a GRU.
template <class T = float, class D = DefaultDevice>
class GRUCell : public detail::RecurrentCell<GRUCell<T, D>, T, D> {
public:
    GRUCell(std::int64_t inputs, std::int64_t hidden, bool bias = true)
        : detail::RecurrentCell<GRUCell<T, D>, T, D>("GRUCell", RnnKind::gru, inputs, hidden, bias) {}
    Tensor<T, D> forward(const Tensor<T, D>& x, const Tensor<T, D>& h = {}) const { return this->step("gru_cell", x, h, {}).first; }
};

}  // namespace headtorch::nn
