// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// One step of a recurrent layer for a batch, and the way back: one thread for each hidden unit of each row. Formulas as in
/// device/cpu/rnn.hpp.

#include <algorithm>
#include <cstdint>

#include "headtorch/core/half.hpp"
#include "headtorch/core/math.hpp"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/walk.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/rnn.hpp"

namespace headtorch::cuda {
namespace detail {

template <class T>
__global__ void rnn_step_kernel(RnnStep<T> s, std::uint32_t count, Divisor by_hidden) {
    using C = ComputeType<T>;
    const std::int64_t H = s.hidden;
    for (std::int64_t at = thread_place(); at < count; at += thread_count()) {
        const std::int64_t row = by_hidden(static_cast<std::uint32_t>(at)), unit = at - row * H;
        T* const g = s.gates + row * s.gate_width + unit;
        const auto gate = [&](int k) { return static_cast<C>(g[k * H]); };
        const auto keep = [&](int k, C value) { g[k * H] = static_cast<T>(value); };
        switch (s.kind) {
            case RnnKind::tanh:
                s.h[at] = static_cast<T>(math::tanh(gate(0)));
                break;
            case RnnKind::relu: {
                const C x = gate(0);
                s.h[at] = static_cast<T>(x < C{0} ? C{0} : x);
                break;
            }
            case RnnKind::lstm: {
                const C i = math::sigmoid(gate(0)), f = math::sigmoid(gate(1)), z = math::tanh(gate(2)), o = math::sigmoid(gate(3));
                const C cell = f * static_cast<C>(s.c_before[at]) + i * z;
                keep(0, i);
                keep(1, f);
                keep(2, z);
                keep(3, o);
                s.c[at] = static_cast<T>(cell);
                s.h[at] = static_cast<T>(o * math::tanh(cell));
                break;
            }
            case RnnKind::gru: {
                const T* const recurrent = s.recurrent + row * 3 * H + unit;
                const C r = math::sigmoid(gate(0) + static_cast<C>(recurrent[0])),
                        z = math::sigmoid(gate(1) + static_cast<C>(recurrent[H]));
                const C inner = static_cast<C>(recurrent[2 * H]), n = math::tanh(gate(2) + r * inner);
                keep(0, r);
                keep(1, z);
                keep(2, n);
                keep(3, inner);
                s.h[at] = static_cast<T>(n + z * (static_cast<C>(s.h_before[at]) - n));
                break;
            }
        }
    }
}

template <class T>
__global__ void rnn_step_back_kernel(RnnStepBack<T> s, std::uint32_t count, Divisor by_hidden) {
    using C = ComputeType<T>;
    const std::int64_t H = s.hidden, width = weight_gates(s.kind) * H;
    for (std::int64_t at = thread_place(); at < count; at += thread_count()) {
        const std::int64_t row = by_hidden(static_cast<std::uint32_t>(at)), unit = at - row * H;
        const T* const g = s.gates + row * s.gate_width + unit;
        T* const dg = s.dgates + row * width + unit;
        const auto gate = [&](int k) { return static_cast<C>(g[k * H]); };
        const auto send = [&](T* to, int k, C value) { to[k * H] = static_cast<T>(value); };
        C d = static_cast<C>(s.dh[at]);
        if (s.gradient) d += static_cast<C>(s.gradient[at]);
        switch (s.kind) {
            case RnnKind::tanh: {
                const C y = static_cast<C>(s.h[at]);
                send(dg, 0, d * (C{1} - y * y));
                break;
            }
            case RnnKind::relu:
                send(dg, 0, static_cast<C>(s.h[at]) > C{0} ? d : C{0});
                break;
            case RnnKind::lstm: {
                const C i = gate(0), f = gate(1), z = gate(2), o = gate(3), t = math::tanh(static_cast<C>(s.c[at]));
                const C e = static_cast<C>(s.dc[at]) + d * o * (C{1} - t * t);
                send(dg, 0, e * z * i * (C{1} - i));
                send(dg, 1, e * static_cast<C>(s.c_before[at]) * f * (C{1} - f));
                send(dg, 2, e * i * (C{1} - z * z));
                send(dg, 3, d * t * o * (C{1} - o));
                s.dc[at] = static_cast<T>(e * f);
                break;
            }
            case RnnKind::gru: {
                T* const dr = s.drecurrent + row * width + unit;
                const C r = gate(0), z = gate(1), n = gate(2), inner = gate(3);
                const C dn = d * (C{1} - z) * (C{1} - n * n);
                const C reset = dn * inner * r * (C{1} - r), update = d * (static_cast<C>(s.h_before[at]) - n) * z * (C{1} - z);
                send(dg, 0, reset);
                send(dg, 1, update);
                send(dg, 2, dn);
                send(dr, 0, reset);
                send(dr, 1, update);
                send(dr, 2, dn * r);
                s.dh[at] = static_cast<T>(d * z);
                break;
            }
        }
    }
}

/// Null stays null.
template <class P>
P* moved(P* data, std::int64_t elements) {
    return data ? data + elements : nullptr;
}

/// Calls run(first row, rows) for parts of a batch whose elements of one gate an int can count.
template <class Run>
void in_row_parts(std::int64_t batch, std::int64_t hidden, const Run& run) {
    const std::int64_t at_once =
        std::max<std::int64_t>(1, ((std::int64_t{1} << 31) - (std::int64_t{1} << 26)) / std::max<std::int64_t>(1, hidden));
    for (std::int64_t first = 0; first < batch && hidden > 0; first += at_once) run(first, std::min(at_once, batch - first));
}

}  // namespace detail

/// `gates` holds the sums that go into the gates of each kind, and gets what comes out of them.
template <class T>
void rnn_step(Cuda, const RnnStep<T>& s) {
    detail::in_row_parts(s.batch, s.hidden, [&](std::int64_t first, std::int64_t rows) {
        const std::int64_t at = first * s.hidden;
        RnnStep<T> part = s;
        part.gates += first * s.gate_width;
        part.recurrent = detail::moved(s.recurrent, 3 * at);
        part.h_before += at;
        part.c_before = detail::moved(s.c_before, at);
        part.h += at;
        part.c = detail::moved(s.c, at);
        launch("rnn_step", &detail::rnn_step_kernel<T>, grid_for(rows * s.hidden), part, static_cast<std::uint32_t>(rows * s.hidden),
               Divisor(static_cast<std::uint32_t>(s.hidden)));
    });
}

/// The way back through one step: from the gradients of h (and of c) to those of the sums that went into the gates, and to what reaches
/// the old state past the weights: into dh for gru, into dc for lstm.
template <class T>
void rnn_step_back(Cuda, const RnnStepBack<T>& s) {
    detail::in_row_parts(s.batch, s.hidden, [&](std::int64_t first, std::int64_t rows) {
        const std::int64_t at = first * s.hidden, width = weight_gates(s.kind);
        RnnStepBack<T> part = s;
        part.gates += first * s.gate_width;
        part.h_before += at;
        part.c_before = detail::moved(s.c_before, at);
        part.h += at;
        part.c = detail::moved(s.c, at);
        part.gradient = detail::moved(s.gradient, at);
        part.dh += at;
        part.dc = detail::moved(s.dc, at);
        part.dgates += at * width;
        part.drecurrent = detail::moved(s.drecurrent, at * width);
        launch("rnn_step_back", &detail::rnn_step_back_kernel<T>, grid_for(rows * s.hidden), part,
               static_cast<std::uint32_t>(rows * s.hidden), Divisor(static_cast<std::uint32_t>(s.hidden)));
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::rnn_step;
using cuda::rnn_step_back;
}  // namespace headtorch
