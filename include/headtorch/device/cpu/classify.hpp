// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Losses over class labels: one row of scores for each label.

#include <cmath>
#include <cstdint>

#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"

namespace headtorch {

/// Labels of `rows` rows of `classes` scores; rows labelled `ignored` do not count. `weight` has one element for each class, or is null.
template <class T>
struct Labels {
    const std::int64_t* label;
    std::int64_t rows, classes, ignored;
    const T* weight;

    double weight_of(std::int64_t row) const {
        const std::int64_t c = label[row];
        return c == ignored ? 0 : weight ? static_cast<double>(weight[c]) : 1;
    }
};

/// The first row whose label is neither a class nor ignored, or -1.
template <class T>
std::int64_t find_bad_label(Cpu, const Labels<T>& labels) {
    for (std::int64_t i = 0; i < labels.rows; ++i)
        if (labels.label[i] != labels.ignored && (labels.label[i] < 0 || labels.label[i] >= labels.classes)) return i;
    return -1;
}

/// Sum of the weights of all rows.
template <class T>
double total_weight(Cpu, const Labels<T>& labels) {
    double sum = 0;
    for (std::int64_t i = 0; i < labels.rows; ++i) sum += labels.weight_of(i);
    return sum;
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

/// Sum of the negative picks, in double.
template <class T>
double sum_of_negative_picks(Cpu, const T* x, const Labels<T>& labels) {
    double sum = 0;
    for (std::int64_t i = 0; i < labels.rows; ++i)
        if (labels.label[i] != labels.ignored) sum -= labels.weight_of(i) * static_cast<double>(x[i * labels.classes + labels.label[i]]);
    return sum;
}

/// dx[i, c] = -scale * weight where c is the label, else 0: the derivative of scale times the sum of the negative picks.
template <class T>
void pick_gradient(Cpu, const Labels<T>& labels, double scale, T* dx) {
    for (std::int64_t i = 0; i < labels.rows; ++i) {
        T* row = dx + i * labels.classes;
        for (std::int64_t c = 0; c < labels.classes; ++c) row[c] = T(0);
        if (labels.label[i] != labels.ignored) row[labels.label[i]] = static_cast<T>(-scale * labels.weight_of(i));
    }
}

/// dx[i, c] = scale * weight * (e^log_p[i, c] - (1 where c is the label)): the gradient of cross entropy by the scores, where `dx` holds
/// e^log_p at first.
template <class T>
void softmax_minus_one_hot(Cpu, const Labels<T>& labels, double scale, T* dx) {
    parallel_for(labels.rows, 1 + 32768 / (labels.classes + 1), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            T* row = dx + i * labels.classes;
            const T factor = static_cast<T>(scale * labels.weight_of(i));
            if (labels.label[i] != labels.ignored) row[labels.label[i]] -= T(1);
            for (std::int64_t c = 0; c < labels.classes; ++c) row[c] = factor == T(0) ? T(0) : row[c] * factor;
        }
    });
}

}  // namespace headtorch
