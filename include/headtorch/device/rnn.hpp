// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the kernels of recurrent layers are told.

#include <cstdint>

namespace headtorch {

enum class RnnKind : std::uint8_t { tanh, relu, lstm, gru };

/// Width of a row of gates in units of the hidden size; a GRU also keeps the recurrent part of its new gate.
constexpr std::int64_t kept_gates(RnnKind kind) { return kind == RnnKind::lstm || kind == RnnKind::gru ? 4 : 1; }
/// Rows of the weights in units of the hidden size. In PyTorch's order: lstm i f g o, gru r z n.
constexpr std::int64_t weight_gates(RnnKind kind) { return kind == RnnKind::lstm ? 4 : kind == RnnKind::gru ? 3 : 1; }

/// One step forward for `batch` rows, all contiguous. Null: c for all but lstm, recurrent for all but gru.
template <class T>
struct RnnStep {
    RnnKind kind;
    std::int64_t batch, hidden, gate_width;  // gate_width = hidden * kept_gates(kind)
    T* gates;
    const T* recurrent;  // [batch, 3 hidden]: the old state times the recurrent weights
    const T *h_before, *c_before;
    T *h, *c;
};

/// The same step back. `gradient` is that of this step's output, `dh` and `dc` what later steps send back.
template <class T>
struct RnnStepBack {
    RnnKind kind;
    std::int64_t batch, hidden, gate_width;
    const T *gates, *h_before, *c_before, *h, *c, *gradient;
    T *dh, *dc;
    T *dgates, *drecurrent;  // [batch, weight_gates(kind) hidden]; the second for gru
};

}  // namespace headtorch
