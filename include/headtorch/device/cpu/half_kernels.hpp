// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Kernels of halfs on the CPU: overloads that turn arrays into floats, call the kernel of floats, and round what it wrote. Kernels that
/// only move numbers, or compute in double anyhow, take halfs as they are; so do reductions and pointwise formulas, piece by piece.

#include <cstdint>

#include "headtorch/device/conv.hpp"
#include "headtorch/device/cpu/half.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/lines.hpp"
#include "headtorch/device/matrix.hpp"
#include "headtorch/device/normalize.hpp"
#include "headtorch/device/pool.hpp"
#include "headtorch/device/resample.hpp"
#include "headtorch/device/rnn.hpp"

namespace headtorch {
namespace cpu::detail {

/// A matrix of halfs as one of floats, without gaps; rows that repeat are repeated.
template <Access access, class T>
class MatrixAsFloats {
public:
    MatrixAsFloats(const MatrixRef<T>& halfs, std::int64_t batch, std::int64_t step)
        : halfs_(halfs), batch_(batch), step_(step), floats_(batch * size()) {
        if constexpr (access != Access::write) each([](auto& half, float& number) { number = half; });
    }
    MatrixAsFloats(const MatrixAsFloats&) = delete;
    MatrixAsFloats& operator=(const MatrixAsFloats&) = delete;
    ~MatrixAsFloats() {
        if constexpr (access != Access::read) each([](auto& half, float& number) { half = number; });
    }
    std::int64_t size() const { return halfs_.rows * halfs_.cols; }
    MatrixRef<float> get() const {
        const bool by_columns = halfs_.row_stride < halfs_.col_stride;
        return {floats_.data(), halfs_.rows, halfs_.cols, by_columns ? 1 : halfs_.cols, by_columns ? halfs_.rows : 1};
    }

private:
    template <class F>
    void each(const F& f) const {
        const MatrixRef<float> to = get();
        const bool by_columns = to.row_stride < to.col_stride;
        const MatrixRef<T> from = by_columns ? halfs_.transposed() : halfs_;
        for (std::int64_t b = 0, k = 0; b < batch_; ++b)
            for (std::int64_t i = 0; i < from.rows; ++i)
                for (std::int64_t j = 0; j < from.cols; ++j, ++k)
                    f(from.data[b * step_ + i * from.row_stride + j * from.col_stride], floats_[k]);
    }

    MatrixRef<T> halfs_;
    std::int64_t batch_, step_;
    Scratch<float> floats_;
};

template <class T>
MatrixRef<const float> as_const(const T& matrix) { return matrix.get(); }

inline std::int64_t size_of_all(const Lines& lines) { return lines.count() * lines.length; }

}  // namespace cpu::detail

// --- products -----------------------------------------------------------------------------------------------------------

template <Half T>
void gemm_batched(Cpu, std::int64_t batch, MatrixRef<const T> a, std::int64_t stride_a, MatrixRef<const T> b, std::int64_t stride_b,
                  MatrixRef<T> c, std::int64_t stride_c, Accumulate accumulate) {
    using cpu::Access;
    const cpu::detail::MatrixAsFloats<Access::read, const T> x(a, batch, stride_a), y(b, batch, stride_b);
    const auto product = [&](const auto& z) {
        gemm_batched(Cpu{}, batch, cpu::detail::as_const(x), x.size(), cpu::detail::as_const(y), y.size(), z.get(), z.size(), accumulate);
    };
    if (accumulate == Accumulate::yes)
        product(cpu::detail::MatrixAsFloats<Access::change, T>(c, batch, stride_c));
    else
        product(cpu::detail::MatrixAsFloats<Access::write, T>(c, batch, stride_c));
}
template <Half T>
void gemm(Cpu, MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, Accumulate accumulate) {
    using cpu::Access;
    const cpu::detail::MatrixAsFloats<Access::read, const T> x(a, 1, 0), y(b, 1, 0);
    const auto product = [&](const auto& z) {
        gemm(Cpu{}, cpu::detail::as_const(x), cpu::detail::as_const(y), z.get(), accumulate);
    };
    if (accumulate == Accumulate::yes)
        product(cpu::detail::MatrixAsFloats<Access::change, T>(c, 1, 0));
    else
        product(cpu::detail::MatrixAsFloats<Access::write, T>(c, 1, 0));
}
template <Half T>
void gemm_bias(Cpu, MatrixRef<const T> a, MatrixRef<const T> b, const T* bias, MatrixRef<T> c, Epilogue epilogue) {
    using cpu::Access;
    const cpu::detail::MatrixAsFloats<Access::read, const T> x(a, 1, 0), y(b, 1, 0);
    const cpu::detail::MatrixAsFloats<Access::write, T> z(c, 1, 0);
    const auto offsets = cpu::reads(bias, c.cols);
    gemm_bias(Cpu{}, cpu::detail::as_const(x), cpu::detail::as_const(y), static_cast<const float*>(offsets), z.get(), epilogue);
}

// --- convolution --------------------------------------------------------------------------------------------------------

template <Half T>
void conv_forward(Cpu, const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
    const auto in = cpu::reads(x, g.batch * g.in_channels * g.in_size());
    const auto w = cpu::reads(weight, g.out_channels * g.group_inputs() * g.taps()), b = cpu::reads(bias, g.out_channels);
    const auto out = cpu::writes(y, g.batch * g.out_channels * g.out_size());
    conv_forward<float>(Cpu{}, g, in, w, b, out);
}
template <Half T>
void conv_input_gradient(Cpu, const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
    const auto in = cpu::reads(dy, g.batch * g.out_channels * g.out_size());
    const auto w = cpu::reads(weight, g.out_channels * g.group_inputs() * g.taps()), b = cpu::reads(bias, g.in_channels);
    const auto out = cpu::writes(dx, g.batch * g.in_channels * g.in_size());
    conv_input_gradient<float>(Cpu{}, g, in, w, b, out);
}
template <Half T>
void conv_weight_gradient(Cpu, const ConvGeometry& g, const T* x, const T* dy, T* dw) {
    const auto in = cpu::reads(x, g.batch * g.in_channels * g.in_size()), out = cpu::reads(dy, g.batch * g.out_channels * g.out_size());
    const auto w = cpu::writes(dw, g.out_channels * g.group_inputs() * g.taps());
    conv_weight_gradient<float>(Cpu{}, g, in, out, w);
}
template <Half T>
void channel_sums(Cpu, std::int64_t images, std::int64_t channels, std::int64_t size, const T* x, T* sums) {
    channel_sums<float>(Cpu{}, images, channels, size, cpu::reads(x, images * channels * size), cpu::writes(sums, channels));
}
template <Half T>
void conv_fold(Cpu, const ConvGeometry& g, const T* columns, T* x) {
    const std::int64_t planes = g.batch * g.in_channels;
    conv_fold<float>(Cpu{}, g, cpu::reads(columns, planes * g.taps() * g.out_size()), cpu::writes(x, planes * g.in_size()));
}

// --- lines --------------------------------------------------------------------------------------------------------------

template <Half T>
void softmax(Cpu, const T* x, const Lines& lines, T* y) {
    const std::int64_t n = cpu::detail::size_of_all(lines);
    softmax<float>(Cpu{}, cpu::reads(x, n), lines, cpu::writes(y, n));
}
template <Half T>
void log_softmax(Cpu, const T* x, const Lines& lines, T* y) {
    const std::int64_t n = cpu::detail::size_of_all(lines);
    log_softmax<float>(Cpu{}, cpu::reads(x, n), lines, cpu::writes(y, n));
}
template <Half T>
void softmax_gradient(Cpu, const T* y, const T* g, const Lines& lines, T* dx) {
    const std::int64_t n = cpu::detail::size_of_all(lines);
    softmax_gradient<float>(Cpu{}, cpu::reads(y, n), cpu::reads(g, n), lines, cpu::writes(dx, n));
}
template <Half T>
void log_softmax_gradient(Cpu, const T* y, const T* g, const Lines& lines, T* dx) {
    const std::int64_t n = cpu::detail::size_of_all(lines);
    log_softmax_gradient<float>(Cpu{}, cpu::reads(y, n), cpu::reads(g, n), lines, cpu::writes(dx, n));
}
template <class Op, Half T>
void arg_reduce(Cpu, const Op& op, const T* x, const Lines& lines, T* values, std::int64_t* indices) {
    const auto in = cpu::reads(x, cpu::detail::size_of_all(lines));
    const auto best = cpu::writes(values, lines.count());
    arg_reduce(Cpu{}, op, static_cast<const float*>(in), lines, static_cast<float*>(best), indices);
}

// --- normalisation ------------------------------------------------------------------------------------------------------

template <Half T>
void batch_norm_forward(Cpu, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight, const T* bias, double* mean,
                        double* variance, T* y) {
    const std::int64_t n = norm.count() * norm.channels;
    const auto w = cpu::reads(weight, norm.channels), b = cpu::reads(bias, norm.channels);
    batch_norm_forward<float>(Cpu{}, cpu::reads(x, n), norm, training, eps, w, b, mean, variance, cpu::writes(y, n));
}
template <Half T>
void batch_norm_backward(Cpu, const T* g, const T* x, const ChannelNorm& norm, bool training, double eps, const T* weight,
                         const double* mean, const double* variance, T* dx, T* dweight, T* dbias) {
    const std::int64_t n = norm.count() * norm.channels;
    const auto w = cpu::reads(weight, norm.channels);
    const auto dw = cpu::writes(dweight, norm.channels), db = cpu::writes(dbias, norm.channels);
    batch_norm_backward<float>(Cpu{}, cpu::reads(g, n), cpu::reads(x, n), norm, training, eps, w, mean, variance, cpu::writes(dx, n), dw,
                               db);
}
template <Half T>
void row_norm_forward(Cpu, const T* x, const RowNorm& norm, double eps, const T* weight, const T* bias, double* mean, double* variance,
                      T* y) {
    const std::int64_t n = norm.rows * norm.length(), channels = norm.groups * norm.channels;
    const auto w = cpu::reads(weight, channels), b = cpu::reads(bias, channels);
    row_norm_forward<float>(Cpu{}, cpu::reads(x, n), norm, eps, w, b, mean, variance, cpu::writes(y, n));
}
template <Half T>
void row_norm_backward(Cpu, const T* g, const T* x, const RowNorm& norm, double eps, const T* weight, const double* mean,
                       const double* variance, T* dx) {
    const std::int64_t n = norm.rows * norm.length();
    const auto w = cpu::reads(weight, norm.groups * norm.channels);
    row_norm_backward<float>(Cpu{}, cpu::reads(g, n), cpu::reads(x, n), norm, eps, w, mean, variance, cpu::writes(dx, n));
}
template <Half T>
void row_norm_parameters(Cpu, const T* g, const T* x, const RowNorm& norm, double eps, const double* mean, const double* variance,
                         T* dweight, T* dbias) {
    const std::int64_t n = norm.rows * norm.length(), channels = norm.groups * norm.channels;
    const auto dw = cpu::writes(dweight, channels), db = cpu::writes(dbias, channels);
    row_norm_parameters<float>(Cpu{}, cpu::reads(g, n), cpu::reads(x, n), norm, eps, mean, variance, dw, db);
}

// --- pooling, resampling ------------------------------------------------------------------------------------------------

template <Half T>
void average_pool_forward(Cpu, const T* x, const PoolPlan& plan, T* y) {
    average_pool_forward<float>(Cpu{}, cpu::reads(x, plan.planes * plan.in_size()), plan, cpu::writes(y, plan.planes * plan.out_size()));
}
template <Half T>
void average_pool_backward(Cpu, const T* g, const PoolPlan& plan, T* dx) {
    average_pool_backward<float>(Cpu{}, cpu::reads(g, plan.planes * plan.out_size()), plan, cpu::writes(dx, plan.planes * plan.in_size()));
}
template <Half T>
void max_pool_forward(Cpu, const T* x, const PoolPlan& plan, T* y, std::int32_t* at) {
    max_pool_forward<float>(Cpu{}, cpu::reads(x, plan.planes * plan.in_size()), plan, cpu::writes(y, plan.planes * plan.out_size()), at);
}
template <Half T>
void max_pool_backward(Cpu, const T* g, const std::int32_t* at, const PoolPlan& plan, T* dx) {
    max_pool_backward<float>(Cpu{}, cpu::reads(g, plan.planes * plan.out_size()), at, plan, cpu::writes(dx, plan.planes * plan.in_size()));
}
template <Half T>
void resample_planes(Cpu, const T* x, std::int64_t planes, const ResampleAxis<float>& rows, const ResampleAxis<float>& columns, T* y) {
    const auto in = cpu::reads(x, planes * rows.in * columns.in);
    resample_planes<float>(Cpu{}, in, planes, rows, columns, cpu::writes(y, planes * rows.out * columns.out));
}

// --- tables, recurrent steps -----------------------------------------------------------------------------------

template <Half T>
void embedding_backward(Cpu, const T* g, const std::int64_t* index, std::int64_t count, std::int64_t rows, std::int64_t width,
                        std::int64_t padding, bool by_frequency, T* dtable) {
    embedding_backward<float>(Cpu{}, cpu::reads(g, count * width), index, count, rows, width, padding, by_frequency,
                              cpu::writes(dtable, rows * width));
}
template <Half T>
void rnn_step(Cpu, const RnnStep<T>& s) {
    const std::int64_t n = s.batch * s.hidden;
    const auto gates = cpu::changes(s.gates, s.batch * s.gate_width);
    const auto recurrent = cpu::reads(s.recurrent, 3 * n), h_before = cpu::reads(s.h_before, n), c_before = cpu::reads(s.c_before, n);
    const auto h = cpu::writes(s.h, n), c = cpu::writes(s.c, n);
    rnn_step(Cpu{}, RnnStep<ComputeType<T>>{s.kind, s.batch, s.hidden, s.gate_width, gates, recurrent, h_before, c_before, h, c});
}
template <Half T>
void rnn_step_back(Cpu, const RnnStepBack<T>& s) {
    const std::int64_t n = s.batch * s.hidden;
    const auto gates = cpu::reads(s.gates, s.batch * s.gate_width), h_before = cpu::reads(s.h_before, n),
               c_before = cpu::reads(s.c_before, n), h = cpu::reads(s.h, n), c = cpu::reads(s.c, n), gradient = cpu::reads(s.gradient, n);
    const auto dh = cpu::changes(s.dh, n), dc = cpu::changes(s.dc, n);
    const auto dgates = cpu::writes(s.dgates, weight_gates(s.kind) * n), drecurrent = cpu::writes(s.drecurrent, weight_gates(s.kind) * n);
    rnn_step_back(Cpu{}, RnnStepBack<ComputeType<T>>{s.kind, s.batch, s.hidden, s.gate_width, gates, h_before, c_before, h, c, gradient,
                                                     dh, dc, dgates, drecurrent});
}

// --- optimisers ---------------------------------------------------------------------------------------------------------

template <class Rule, Half T, std::same_as<T>... State>
void update(Cpu, const Rule& rule, std::int64_t n, T* p, const T* g, State*... state) {
    update(Cpu{}, rule, n, static_cast<float*>(cpu::changes(p, n)), static_cast<const float*>(cpu::reads(g, n)),
           static_cast<float*>(cpu::changes(state, n))...);
}

}  // namespace headtorch
