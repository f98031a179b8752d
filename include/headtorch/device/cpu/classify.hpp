// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Losses over class labels: one row of scores for each label. Numbers that only scale a loss stay on the device: `scale` points to one
/// double, `loss` and `g` to one element. Labels are checked before (check_index).

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/half.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/cpu/softmax.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/labels.hpp"

namespace headtorch {

/// scale = 1 / sum of the weights of all rows; 1 unless `mean`.
template <class T>
void loss_scale(Cpu, const Labels<T>& labels, bool mean, double* scale) {
    double sum = mean ? 0 : 1;
    if (mean)
        for (std::int64_t i = 0; i < labels.rows; ++i) sum += labels.weight_of(i);
    *scale = 1 / sum;
}

/// out[i] = -weight * x[i, label[i]]
template <class T>
void negative_picks(Cpu, const T* x, const Labels<T>& labels, T* out) {
    for (std::int64_t i = 0; i < labels.rows; ++i) {
        const double w = labels.weight_of(i);
        out[i] =
            labels.label[i] == labels.ignored ? T(0) : static_cast<T>(-w * static_cast<double>(x[i * labels.classes + labels.label[i]]));
    }
}

/// loss = scale * sum of the negative picks, gathered in double; `scale` is found first.
template <class X, class T>
void picked_loss(Cpu, const X* x, const Labels<T>& labels, bool mean, double* scale, T* loss) {
    loss_scale(Cpu{}, labels, mean, scale);
    double sum = 0;
    for (std::int64_t i = 0; i < labels.rows; ++i)
        if (labels.label[i] != labels.ignored) sum -= labels.weight_of(i) * static_cast<double>(x[i * labels.classes + labels.label[i]]);
    *loss = static_cast<T>(*scale * sum);
}

/// dx[i, c] = -scale * g * weight where c is the label, else 0: the gradient of picked_loss. No `g` means 1.
template <class T>
void pick_gradient(Cpu, const Labels<T>& labels, const double* scale, const T* g, T* dx) {
    const double factor = g ? *scale * static_cast<double>(*g) : *scale;
    for (std::int64_t i = 0; i < labels.rows; ++i) {
        T* row = dx + i * labels.classes;
        for (std::int64_t c = 0; c < labels.classes; ++c) row[c] = T(0);
        if (labels.label[i] != labels.ignored) row[labels.label[i]] = static_cast<T>(-factor * labels.weight_of(i));
    }
}

/// How many numbers of each row cross_entropy_forward leaves for the gradient: here the logarithms of the probabilities.
constexpr std::int64_t cross_entropy_kept(Cpu, std::int64_t classes) { return classes; }
/// Does the gradient read the scores again?
constexpr bool cross_entropy_rereads(Cpu) { return false; }

/// picked_loss of log_softmax of the rows of x.
template <class T>
void cross_entropy_forward(Cpu, const T* x, const Labels<T>& labels, bool mean, ComputeType<T>* kept, double* scale, T* loss) {
    const Lines lines{labels.rows, labels.classes, 1};
    if constexpr (Half<T>) {
        cpu::widen(x, labels.rows * labels.classes, kept);
        cpu::log_softmax(Cpu{}, static_cast<const float*>(kept), lines, kept);
    } else {
        cpu::log_softmax(Cpu{}, x, lines, kept);
    }
    picked_loss(Cpu{}, static_cast<const ComputeType<T>*>(kept), labels, mean, scale, loss);
}

/// dx[i, c] = scale * g * weight * (probability[i, c] - (1 where c is the label)).
template <class T>
void cross_entropy_backward(Cpu, const T*, const ComputeType<T>* kept, const Labels<T>& labels, const double* scale, const T* g, T* dx) {
    using C = ComputeType<T>;
    if constexpr (Half<T>) {
        const auto weight = cpu::reads(labels.weight, labels.classes);
        const Labels<float> same{labels.label, labels.rows, labels.classes, labels.ignored, weight};
        const float slope = *g;
        cross_entropy_backward<float>(Cpu{}, nullptr, kept, same, scale, &slope, cpu::writes(dx, labels.rows * labels.classes));
    } else {
        const double factor_of_all = *scale * static_cast<double>(*g);
        constexpr int W = cpu::native_lanes<C>;
        const std::int64_t together = 1 + 4096 / (labels.classes + 1);  // rows that stay in the first cache
        parallel_for(labels.rows, 1 + 32768 / (labels.classes + 1), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                T* row = dx + i * labels.classes;
                if ((i - begin) % together == 0)
                    cpu::detail::map_line<C, W>(std::min(together, end - i) * labels.classes, row, [](const auto& v) { return exp(v); },
                                                kept + i * labels.classes);
                const bool counts = labels.label[i] != labels.ignored;
                const T factor = counts ? static_cast<T>(factor_of_all * labels.weight_of(i)) : T(0);
                if (counts) row[labels.label[i]] -= T(1);
                for (std::int64_t c = 0; c < labels.classes; ++c) row[c] = factor == T(0) ? T(0) : row[c] * factor;
            }
        });
    }
}

}  // namespace headtorch
