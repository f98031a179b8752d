// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Keeping gradients in bounds.

#include <cmath>
#include <limits>
#include <vector>

#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/norm.hpp"
#include "headtorch/ops/where.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch::optim {

/// Scales all gradients so that their common p-norm is at most `max_norm`. Returns the norm before, NaN or infinity included, and throws
/// on such a norm when `error_if_nonfinite`.
template <class T, class D>
double clip_grad_norm(const std::vector<Tensor<T, D>>& parameters, double max_norm, double norm_type = 2, bool error_if_nonfinite = false) {
    NoGrad guard;
    const bool largest = norm_type == std::numeric_limits<double>::infinity();
    double total = 0;
    for (const auto& p : parameters) {
        const auto g = p.grad();
        if (!g.defined()) continue;
        const auto part = static_cast<double>(norm(g, norm_type).item());
        if (largest)
            total = std::isnan(part) || part > total ? part : total;
        else
            total += std::pow(part, norm_type);
    }
    if (!largest) total = std::pow(total, 1 / norm_type);
    if (error_if_nonfinite && !std::isfinite(total))
        throw ValueError(message("clip_grad_norm: the norm of the gradients is ", total, "; they cannot be scaled"));
    const double scale = max_norm / (total + 1e-6);
    if (!(scale >= 1))
        for (const auto& p : parameters)
            if (const auto g = p.grad(); g.defined()) g *= scale;
    return total;
}

/// Cuts every element of every gradient to [-clip_value, clip_value].
template <class T, class D>
void clip_grad_value(const std::vector<Tensor<T, D>>& parameters, double clip_value) {
    if (!(clip_value >= 0)) throw ValueError(message("clip_grad_value: the bound must not be negative, but is ", clip_value));
    NoGrad guard;
    for (const auto& p : parameters)
        if (const auto g = p.grad(); g.defined()) g.copy_(clamp(g, -clip_value, clip_value));
}

}  // namespace headtorch::optim
