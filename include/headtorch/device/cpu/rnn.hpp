// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// One step of a recurrent layer for a batch: what its gates make of the old state, and the way back. The products with the weights are
/// done outside; here each row of a batch is one fused pass.

#include <cstdint>

#include "headtorch/device/cpu/packet.hpp"
#include "headtorch/device/cpu/packet_math.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/rnn.hpp"

namespace headtorch::cpu {
namespace detail {

/// Calls body(j, load, store) for packets that cover 0 … n - 1; load and store mind the end.
template <class T, class Body>
HEADTORCH_ALWAYS_INLINE void for_packets(std::int64_t n, const Body& body) {
    using P = Packet<T, native_lanes<T>>;
    std::int64_t j = 0;
    for (; j + P::lanes <= n; j += P::lanes)
        body(
            j, [](const T* from) { return P::load(from); }, [](const P& value, T* to) { value.store(to); });
    if (const int rest = static_cast<int>(n - j); rest > 0)
        body(
            j, [rest](const T* from) { return P::load_partial(from, rest); },
            [rest](const P& value, T* to) { value.store_partial(to, rest); });
}

template <class Row>
void for_rows(std::int64_t rows, std::int64_t size, const Row& row) {
    constexpr std::int64_t grain = 8192;  // elements for which a second thread pays
    const auto run = [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n) row(n);
    };
    if (rows * size <= grain)
        run(0, rows);
    else
        parallel_for(rows, grain / (size + 1) + 1, run);
}

}  // namespace detail

/// `gates` holds the sums that go into the gates of each kind, and gets what comes out of them.
template <class T>
HEADTORCH_NOINLINE void rnn_step(Cpu, const RnnStep<T>& s) {
    const std::int64_t H = s.hidden;
    detail::for_rows(s.batch, s.gate_width, [&](std::int64_t n) {
        T* const g = s.gates + n * s.gate_width;
        const T *const h0 = s.h_before + n * H, *const c0 = s.c_before ? s.c_before + n * H : nullptr;
        const T* const gh = s.recurrent ? s.recurrent + n * 3 * H : nullptr;
        T *const h = s.h + n * H, *const c = s.c ? s.c + n * H : nullptr;
        switch (s.kind) {
            case RnnKind::tanh:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) { store(tanh(load(g + j)), h + j); });
                break;
            case RnnKind::relu:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto x = load(g + j);
                    store(where(x < 0, 0, x), h + j);
                });
                break;
            case RnnKind::lstm:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto i = sigmoid(load(g + j)), f = sigmoid(load(g + H + j)), z = tanh(load(g + 2 * H + j)),
                               o = sigmoid(load(g + 3 * H + j));
                    const auto cell = f * load(c0 + j) + i * z;
                    store(i, g + j);
                    store(f, g + H + j);
                    store(z, g + 2 * H + j);
                    store(o, g + 3 * H + j);
                    store(cell, c + j);
                    store(o * tanh(cell), h + j);
                });
                break;
            case RnnKind::gru:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto r = sigmoid(load(g + j) + load(gh + j)), z = sigmoid(load(g + H + j) + load(gh + H + j));
                    const auto inner = load(gh + 2 * H + j), k = tanh(load(g + 2 * H + j) + r * inner);
                    store(r, g + j);
                    store(z, g + H + j);
                    store(k, g + 2 * H + j);
                    store(inner, g + 3 * H + j);
                    store(k + z * (load(h0 + j) - k), h + j);
                });
                break;
        }
    });
}

/// The way back through one step: from the gradients of h (and of c) to those of the sums that went into the gates, and to what reaches
/// the old state past the weights: into dh for gru, into dc for lstm.
template <class T>
HEADTORCH_NOINLINE void rnn_step_back(Cpu, const RnnStepBack<T>& s) {
    const std::int64_t H = s.hidden;
    detail::for_rows(s.batch, s.gate_width, [&](std::int64_t n) {
        const T* const g = s.gates + n * s.gate_width;
        const T *const h0 = s.h_before + n * H, *const c0 = s.c_before ? s.c_before + n * H : nullptr;
        const T *const h = s.h + n * H, *const c = s.c ? s.c + n * H : nullptr, *const gy = s.gradient ? s.gradient + n * H : nullptr;
        T *const dh = s.dh + n * H, *const dc = s.dc ? s.dc + n * H : nullptr;
        const std::int64_t width = s.kind == RnnKind::lstm ? 4 * H : s.kind == RnnKind::gru ? 3 * H : H;
        T *const dg = s.dgates + n * width, *const dr = s.drecurrent ? s.drecurrent + n * width : nullptr;
        const auto total = [&](std::int64_t j, auto load) { return gy ? load(dh + j) + load(gy + j) : load(dh + j); };
        switch (s.kind) {
            case RnnKind::tanh:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto y = load(h + j);
                    store(total(j, load) * (1 - y * y), dg + j);
                });
                break;
            case RnnKind::relu:
                detail::for_packets<T>(
                    H, [&](std::int64_t j, auto load, auto store) { store(where(load(h + j) > 0, total(j, load), 0), dg + j); });
                break;
            case RnnKind::lstm:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto i = load(g + j), f = load(g + H + j), z = load(g + 2 * H + j), o = load(g + 3 * H + j);
                    const auto t = tanh(load(c + j)), d = total(j, load), e = load(dc + j) + d * o * (1 - t * t);
                    store(e * z * i * (1 - i), dg + j);
                    store(e * load(c0 + j) * f * (1 - f), dg + H + j);
                    store(e * i * (1 - z * z), dg + 2 * H + j);
                    store(d * t * o * (1 - o), dg + 3 * H + j);
                    store(e * f, dc + j);
                });
                break;
            case RnnKind::gru:
                detail::for_packets<T>(H, [&](std::int64_t j, auto load, auto store) {
                    const auto r = load(g + j), z = load(g + H + j), k = load(g + 2 * H + j), inner = load(g + 3 * H + j);
                    const auto d = total(j, load), dk = d * (1 - z) * (1 - k * k);
                    const auto reset = dk * inner * r * (1 - r), update = d * (load(h0 + j) - k) * z * (1 - z);
                    store(reset, dg + j);
                    store(update, dg + H + j);
                    store(dk, dg + 2 * H + j);
                    store(reset, dr + j);
                    store(update, dr + H + j);
                    store(dk * r, dr + 2 * H + j);
                    store(d * z, dh + j);
                });
                break;
        }
    });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::rnn_step;
using cpu::rnn_step_back;
}  // namespace headtorch
