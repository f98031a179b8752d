// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Keeping gradients in bounds.

#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "headtorch/device/update.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/norm.hpp"
#include "headtorch/ops/where.hpp"
#include "headtorch/tensor/access.hpp"

namespace headtorch::optim {
namespace detail {

struct ScaleRule {
    static constexpr int states = 0;
    double factor;
    template <class P>
    HEADTORCH_HOST_DEVICE HEADTORCH_ALWAYS_INLINE void operator()(P& x, const P&) const {
        x = x * factor;
    }
};
/// What the norm before makes of the gradients.
struct ClipSettings {
    double max_norm;
    HEADTORCH_HOST_DEVICE ScaleRule at(double norm, const double*) const {
        const double scale = max_norm / (norm + 1e-6);
        return {scale >= 1 ? 1 : scale};
    }
};

/// A device that finds the norm of many tensors by itself, so that the host need not wait for it.
template <class T, class D>
concept NormOfAll = requires(std::span<const UpdateItem<T>> items, double* norm) { norm_of_all(D{}, items, 2.0, norm); };

inline void check_norm(bool throws, double total) {
    if (throws && !std::isfinite(total))
        throw ValueError(message("clip_grad_norm: the norm of the gradients is ", total, "; they cannot be scaled"));
}

/// The norm before, on the device.
template <class T, class D>
Tensor<double, D> clip_on_device(const std::vector<Tensor<T, D>>& parameters, double max_norm, double norm_type, bool error_if_nonfinite) {
    std::vector<std::pair<Tensor<T, D>, Tensor<T, D>>> gradients;  // and as they lie without gaps
    std::vector<UpdateItem<T>> items;
    for (const auto& p : parameters) {
        const auto g = p.grad();
        if (!g.defined()) continue;
        gradients.emplace_back(g, g.is_contiguous() ? g : g.detach().contiguous());
        T* const data = gradients.back().second.data();
        items.push_back({g.numel(), data, data});
    }
    auto total = empty<double, D>({});
    const std::span<const UpdateItem<T>> all(items);
    norm_of_all(D{}, all, norm_type, total.data());
    if (error_if_nonfinite) check_norm(true, total.item());
    update_all_counted(D{}, ClipSettings{max_norm}, static_cast<const double*>(total.data()), all);
    for (const auto& [gradient, dense] : gradients) {
        if (!gradient.is_contiguous())
            gradient.copy_(dense);
        else
            gradient.get()->bump_version("clip_grad_norm");
    }
    return total;
}

}  // namespace detail

/// Scales all gradients so that their common p-norm is at most `max_norm`. Returns the norm before, NaN or infinity included, and throws
/// on such a norm when `error_if_nonfinite`.
template <class T, class D>
double clip_grad_norm(const std::vector<Tensor<T, D>>& parameters, double max_norm, double norm_type = 2, bool error_if_nonfinite = false) {
    NoGrad guard;
    if constexpr (detail::NormOfAll<T, D>) return detail::clip_on_device(parameters, max_norm, norm_type, error_if_nonfinite).item();
    const bool largest = norm_type == std::numeric_limits<double>::infinity();
    double total = 0;
    for (const auto& p : parameters) {
        const auto g = p.grad();
        if (!g.defined() || g.numel() == 0) continue;
        const auto part = static_cast<double>(norm(g, norm_type).item());
        if (largest)
            total = std::isnan(part) || part > total ? part : total;
        else
            total += std::pow(part, norm_type);
    }
    if (!largest) total = std::pow(total, 1 / norm_type);
    detail::check_norm(error_if_nonfinite, total);
    const double scale = max_norm / (total + 1e-6);
    if (!(scale >= 1))
        for (const auto& p : parameters)
            if (const auto g = p.grad(); g.defined()) g *= scale;
    return total;
}

/// The same, with the norm as a tensor: the host goes on and does not wait for a GPU, so that this can be recorded into a graph.
template <class T, class D>
Tensor<double, D> clip_grad_norm_(const std::vector<Tensor<T, D>>& parameters, double max_norm, double norm_type = 2,
                                  bool error_if_nonfinite = false) {
    NoGrad guard;
    if constexpr (detail::NormOfAll<T, D>)
        return detail::clip_on_device(parameters, max_norm, norm_type, error_if_nonfinite);
    else
        return full<double, D>({}, clip_grad_norm(parameters, max_norm, norm_type, error_if_nonfinite));
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
