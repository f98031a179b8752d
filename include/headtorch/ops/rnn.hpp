// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Recurrent cells, one step of them, and a whole layer of them in one op. Formulas as in PyTorch:
///   RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it
///   LSTM  i, f, o = sigmoid(…), g = tanh(…); c' = f c + i g; h' = o tanh(c')   (S. Hochreiter and J. Schmidhuber, 1997)
///   GRU   r, z = sigmoid(…), n = tanh(W_in x + b_in + r (W_hn h + b_hn)); h' = (1 - z) n + z h   (K. Cho et al., 2014)

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/device/cpu/rnn.hpp"
#include "headtorch/ops/activation.hpp"
#include "headtorch/ops/join.hpp"
#include "headtorch/ops/matmul.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {

/// The weights of a recurrent layer for one direction: w_ih [G H, I], w_hh [G H, H], b_ih and b_hh [G H] or both undefined, where G is
/// 1 for RNN, 4 for LSTM (i, f, g, o) and 3 for GRU (r, z, n).
template <class T, class D>
struct RnnWeights {
    Tensor<T, D> w_ih, w_hh, b_ih, b_hh;
};

namespace detail {

/// Throws ShapeError unless x [N, I] and the state [N, H] fit the weights.
template <class T, class D>
void check_rnn(const char* op, RnnKind kind, const Shape& x, const Tensor<T, D>& h, const RnnWeights<T, D>& w) {
    const std::int64_t gates = weight_gates(kind);
    if (w.w_ih.dim() != 2 || w.w_hh.dim() != 2 || w.w_hh.size(0) != gates * w.w_hh.size(1) || w.w_ih.size(0) != w.w_hh.size(0))
        throw ShapeError(message(op, ": weights of ", gates, " gates are [", gates, " H, I] and [", gates, " H, H], got ", w.w_ih.shape(),
                                 " and ", w.w_hh.shape()));
    for (const Tensor<T, D>* bias : {&w.b_ih, &w.b_hh})
        if (bias->defined() && (bias->dim() != 1 || bias->size(0) != w.w_hh.size(0)))
            throw ShapeError(message(op, ": a bias has ", w.w_hh.size(0), " elements, got ", bias->shape()));
    if (x.back() != w.w_ih.size(1))
        throw ShapeError(message(op, ": the input has ", x.back(), " features, but the weights of shape ", w.w_ih.shape(), " take ",
                                 w.w_ih.size(1), "; input ", x));
    if (h.dim() != 2 || h.size(0) != x[x.rank() - 2] || h.size(1) != w.w_hh.size(1))
        throw ShapeError(message(op, ": for input ", x, " the state is [", x[x.rank() - 2], ", ", w.w_hh.size(1), "], got ", h.shape()));
}

/// One step as tensor ops: x [N, I] and state [N, H]. Returns the new h and, for lstm, c.
template <class T, class D>
std::pair<Tensor<T, D>, Tensor<T, D>> rnn_cell(RnnKind kind, const Tensor<T, D>& x, const Tensor<T, D>& h, const Tensor<T, D>& c,
                                               const RnnWeights<T, D>& w) {
    const Tensor<T, D> gi = linear(x, w.w_ih, w.b_ih), gh = linear(h, w.w_hh, w.b_hh);
    const std::int64_t H = h.size(1);
    const auto part = [H](const Tensor<T, D>& gates, std::int64_t k) { return gates.narrow(1, k * H, H); };
    switch (kind) {
        case RnnKind::tanh:
            return {tanh(gi + gh), {}};
        case RnnKind::relu:
            return {relu(gi + gh), {}};
        case RnnKind::lstm: {
            const Tensor<T, D> gates = gi + gh;
            const Tensor<T, D> next = sigmoid(part(gates, 1)) * c + sigmoid(part(gates, 0)) * tanh(part(gates, 2));
            return {sigmoid(part(gates, 3)) * tanh(next), next};
        }
        case RnnKind::gru:
            break;
    }
    const Tensor<T, D> r = sigmoid(part(gi, 0) + part(gh, 0)), z = sigmoid(part(gi, 1) + part(gh, 1));
    const Tensor<T, D> n = tanh(part(gi, 2) + r * part(gh, 2));
    return {n + z * (h - n), {}};
}

/// A layer as tensor ops, step by step. Returns what rnn_layer() returns.
template <class T, class D>
Tensor<T, D> rnn_layer_by_steps(RnnKind kind, bool reverse, const Tensor<T, D>& x, Tensor<T, D> h, Tensor<T, D> c,
                                const RnnWeights<T, D>& w) {
    const std::int64_t steps = x.size(0);
    std::vector<Tensor<T, D>> outputs(static_cast<std::size_t>(steps));
    for (std::int64_t k = 0; k < steps; ++k) {
        const std::int64_t t = reverse ? steps - 1 - k : k;
        std::tie(h, c) = rnn_cell(kind, x[t], h, c, w);
        outputs[static_cast<std::size_t>(t)] = h;
    }
    if (kind == RnnKind::lstm) outputs.push_back(c);
    return stack(outputs, 0);
}

/// c += a b, or a product of their transposes; nothing recorded.
template <class T, class D>
void add_product(const Tensor<T, D>& a, As as_a, const Tensor<T, D>& b, As as_b, const Tensor<T, D>& c) {
    product_into(a, as_a, b, as_b, c, Accumulate::yes);
}

/// Weights as the kernels want them.
template <class T, class D>
RnnWeights<T, D> contiguous(const RnnWeights<T, D>& w) {
    return {detached_contiguous(w.w_ih), detached_contiguous(w.w_hh), contiguous_or_none(w.b_ih), contiguous_or_none(w.b_hh)};
}

/// What the steps of a layer leave for the way back: gates [T, N, kept_gates H] and, for lstm, c after each step [T, N, H].
template <class T, class D>
struct RnnTrace {
    Kept<T, D> gates, cells;
};

template <class T, class D>
Tensor<T, D> rnn_forward(RnnKind kind, bool reverse, const Tensor<T, D>& x, const Tensor<T, D>& h0, const Tensor<T, D>& c0,
                         const RnnWeights<T, D>& w, RnnTrace<T, D>& trace) {
    const std::int64_t steps = x.size(0), batch = x.size(1), H = w.w_hh.size(1), width = weight_gates(kind) * H,
                       kept = kept_gates(kind) * H;
    const bool lstm = kind == RnnKind::lstm, gru = kind == RnnKind::gru;
    const auto out = empty<T, D>({steps + lstm, batch, H});
    trace.gates = empty<T, D>({steps, batch, kept});
    if (lstm) trace.cells = empty<T, D>({steps, batch, H});
    const Tensor<T, D> all_gates = trace.gates.reshape({steps * batch, kept}).narrow(1, 0, width);
    // the input's part of all steps in one product; the biases join it, but for the recurrent ones of gru, which r multiplies
    if (w.b_ih.defined()) run_map(Identity{}, all_gates, gru ? w.b_ih : w.b_ih + w.b_hh);
    product_into(x.reshape({steps * batch, x.size(2)}), As::is, w.w_ih, As::transposed, all_gates,
                 w.b_ih.defined() ? Accumulate::yes : Accumulate::no);
    const Tensor<T, D> recurrent = gru ? empty<T, D>({batch, width}) : Tensor<T, D>();
    Tensor<T, D> h = h0, c = c0;
    for (std::int64_t k = 0; k < steps; ++k) {
        const std::int64_t t = reverse ? steps - 1 - k : k;
        const Tensor<T, D> gates = trace.gates[t], next = out[t];
        if (gru) {
            if (w.b_hh.defined()) run_map(Identity{}, recurrent, w.b_hh);
            product_into(h, As::is, w.w_hh, As::transposed, recurrent, w.b_hh.defined() ? Accumulate::yes : Accumulate::no);
        } else {
            add_product(h, As::is, w.w_hh, As::transposed, gates);
        }
        const Tensor<T, D> next_c = lstm ? trace.cells[t] : Tensor<T, D>();
        rnn_step(D{}, RnnStep<T>{kind, batch, H, kept, gates.data(), gru ? recurrent.data() : nullptr, h.data(), lstm ? c.data() : nullptr,
                                 next.data(), lstm ? next_c.data() : nullptr});
        h = next;
        c = next_c;
    }
    if (lstm) run_map(Identity{}, out[steps], c.defined() ? c : c0);
    return out;
}

/// Gradients of x, h0, c0, w_ih, w_hh, b_ih, b_hh. `out` and `g` are of the shape that rnn_layer() returns.
template <class T, class D>
std::vector<Tensor<T, D>> rnn_backward(RnnKind kind, bool reverse, const Tensor<T, D>& x, const Tensor<T, D>& h0, const Tensor<T, D>& c0,
                                       const RnnWeights<T, D>& w, const RnnTrace<T, D>& trace, const Tensor<T, D>& out,
                                       const Tensor<T, D>& g) {
    const std::int64_t steps = x.size(0), batch = x.size(1), H = w.w_hh.size(1), width = weight_gates(kind) * H,
                       kept = kept_gates(kind) * H;
    const bool lstm = kind == RnnKind::lstm, gru = kind == RnnKind::gru;
    const auto dgates = empty<T, D>({steps, batch, width});
    const auto drecurrent = gru ? empty<T, D>({steps, batch, width}) : dgates;
    const auto dh = zeros<T, D>({batch, H});
    const Tensor<T, D> dc = lstm ? plain_copy(g[steps]) : Tensor<T, D>();
    for (std::int64_t k = steps; k-- > 0;) {
        const std::int64_t t = reverse ? steps - 1 - k : k, before = reverse ? t + 1 : t - 1;
        const Tensor<T, D> h_before = k == 0 ? h0 : out[before], c_before = !lstm ? Tensor<T, D>() : k == 0 ? c0 : trace.cells[before];
        const Tensor<T, D> cell = lstm ? trace.cells[t] : Tensor<T, D>();
        rnn_step_back(D{}, RnnStepBack<T>{kind, batch, H, kept, trace.gates[t].data(), h_before.data(), lstm ? c_before.data() : nullptr,
                                          out[t].data(), lstm ? cell.data() : nullptr, g[t].data(), dh.data(), lstm ? dc.data() : nullptr,
                                          dgates[t].data(), gru ? drecurrent[t].data() : nullptr});
        product_into(drecurrent[t], As::is, w.w_hh, As::is, dh, gru ? Accumulate::yes : Accumulate::no);
    }
    const std::int64_t rows = steps * batch;
    const Tensor<T, D> gates = dgates.reshape({rows, width}), all_recurrent = drecurrent.reshape({rows, width});
    const auto dx = mm(gates, w.w_ih).reshape(x.shape());
    const auto dw_ih = mm_as(gates, As::transposed, x.reshape({rows, x.size(2)}), As::is);
    // the states before the steps: h0, then the outputs without the last
    const auto dw_hh = mm_as(drecurrent[reverse ? steps - 1 : 0], As::transposed, h0, As::is);
    if (steps > 1)
        add_product(drecurrent.narrow(0, reverse ? 0 : 1, steps - 1).reshape({rows - batch, width}), As::transposed,
                    out.narrow(0, reverse ? 1 : 0, steps - 1).reshape({rows - batch, H}), As::is, dw_hh);
    Tensor<T, D> db_ih, db_hh;
    if (w.b_ih.defined()) {
        db_ih = sum(gates, 0);
        db_hh = gru ? sum(all_recurrent, 0) : db_ih;
    }
    return {dx, dh, dc, dw_ih, dw_hh, db_ih, db_hh};
}

}  // namespace detail

/// A recurrent layer over x [T, N, I] from h0 [N, H] (and c0 for lstm): what each step puts out, [T, N, H]; for lstm [T + 1, N, H], where
/// the last is c after the last step. With `reverse` the last element comes first, and outputs stay in the places of their inputs.
template <class T, class D>
Tensor<T, D> rnn_layer(RnnKind kind, bool reverse, const Tensor<T, D>& x, const Tensor<T, D>& h0, const Tensor<T, D>& c0,
                       const RnnWeights<T, D>& w) {
    const OpScope scope("rnn_layer", {x.impl().get(), h0.impl().get(), c0.impl().get(), w.w_ih.impl().get(), w.w_hh.impl().get(),
                                      w.b_ih.impl().get(), w.b_hh.impl().get()});
    static_assert(Floating<T>, "headtorch: rnn_layer: needs tensors of float or double: write x.to<float>() first");
    if (x.dim() != 3) throw ShapeError(message("rnn_layer: the input is [steps, batch, features], got ", x.shape()));
    if (x.size(0) == 0) throw ShapeError(message("rnn_layer: needs at least one step, got input ", x.shape()));
    detail::check_rnn("rnn_layer", kind, x.shape(), h0, w);
    if (w.b_ih.defined() != w.b_hh.defined()) throw ValueError("rnn_layer: give both biases or none");
    if (kind == RnnKind::lstm && !(c0.shape() == h0.shape()))
        throw ShapeError(message("rnn_layer: c0 has the shape of h0, ", h0.shape(), ", got ", c0.shape()));
    detail::RnnTrace<T, D> trace;
    Tensor<T, D> y;
    {
        NoGrad guard;
        y = detail::rnn_forward(kind, reverse, detail::detached_contiguous(x), detail::detached_contiguous(h0),
                                detail::contiguous_or_none(c0), detail::contiguous(w), trace);
    }
    if (!needs_grad(x, h0, c0, w.w_ih, w.w_hh, w.b_ih, w.b_hh)) return y;
    auto kept = saved_output(y);
    return record("rnn_layer", std::move(y), inputs(x, h0, c0, w.w_ih, w.w_hh, w.b_ih, w.b_hh),
                  [=, trace = std::move(trace), kept = std::move(kept), x = saved(x), h0 = saved(h0), c0 = saved(c0), w_ih = saved(w.w_ih),
                   w_hh = saved(w.w_hh), b_ih = saved(w.b_ih), b_hh = saved(w.b_hh)](const Tensor<T, D>& g, const auto& wants) {
                      const RnnWeights<T, D> weights{w_ih(), w_hh(), b_ih(), b_hh()};
                      std::vector<Tensor<T, D>> d;
                      if (GradMode::enabled()) {  // once more, step by step, to be differentiated again
                          const Tensor<T, D> given[] = {x(), h0(), c0(), weights.w_ih, weights.w_hh, weights.b_ih, weights.b_hh};
                          std::vector<Tensor<T, D>> wanted;
                          for (std::size_t i = 0; i < 7; ++i)
                              if (wants(i)) wanted.push_back(given[i]);
                          const auto found =
                              grad(detail::rnn_layer_by_steps(kind, reverse, x(), h0(), c0(), weights), wanted, g, {.create_graph = true});
                          d.resize(7);
                          for (std::size_t i = 0, k = 0; i < 7; ++i)
                              if (wants(i)) d[i] = found[k++];
                      } else {
                          d = detail::rnn_backward(kind, reverse, detail::detached_contiguous(x()), detail::detached_contiguous(h0()),
                                                   detail::contiguous_or_none(c0()), detail::contiguous(weights), trace, kept(),
                                                   detail::detached_contiguous(g));
                      }
                      return std::tuple(d[0], d[1], d[2], d[3], d[4], d[5], d[6]);
                  });
}

/// One step of an RNN: x [N, I] and h [N, H] give the new h.
template <class T, class D>
Tensor<T, D> rnn_tanh_cell(const Tensor<T, D>& x, const Tensor<T, D>& h, const RnnWeights<T, D>& weights) {
    const OpScope scope("rnn_tanh_cell");
    detail::check_rnn("rnn_tanh_cell", RnnKind::tanh, x.shape(), h, weights);
    return detail::rnn_cell(RnnKind::tanh, x, h, {}, weights).first;
}
template <class T, class D>
Tensor<T, D> rnn_relu_cell(const Tensor<T, D>& x, const Tensor<T, D>& h, const RnnWeights<T, D>& weights) {
    const OpScope scope("rnn_relu_cell");
    detail::check_rnn("rnn_relu_cell", RnnKind::relu, x.shape(), h, weights);
    return detail::rnn_cell(RnnKind::relu, x, h, {}, weights).first;
}
/// One step of an LSTM: the new h and c.
template <class T, class D>
std::pair<Tensor<T, D>, Tensor<T, D>> lstm_cell(const Tensor<T, D>& x, const std::pair<Tensor<T, D>, Tensor<T, D>>& state,
                                                const RnnWeights<T, D>& weights) {
    const OpScope scope("lstm_cell");
    detail::check_rnn("lstm_cell", RnnKind::lstm, x.shape(), state.first, weights);
    if (!(state.second.shape() == state.first.shape()))
        throw ShapeError(message("lstm_cell: h and c have one shape, got ", state.first.shape(), " and ", state.second.shape()));
    return detail::rnn_cell(RnnKind::lstm, x, state.first, state.second, weights);
}
/// One step of a GRU.
template <class T, class D>
Tensor<T, D> gru_cell(const Tensor<T, D>& x, const Tensor<T, D>& h, const RnnWeights<T, D>& weights) {
    const OpScope scope("gru_cell");
    detail::check_rnn("gru_cell", RnnKind::gru, x.shape(), h, weights);
    return detail::rnn_cell(RnnKind::gru, x, h, {}, weights).first;
}

}  // namespace headtorch
