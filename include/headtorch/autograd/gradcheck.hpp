// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Checks gradients against finite differences, in double precision.
/// A program includes headtorch/headtorch.hpp: tensors' other members are defined in ops/.

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "headtorch/autograd/backward.hpp"
#include "headtorch/tensor/access.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch {

/// Step of the difference quotient, and how far gradients may be from it: |a - n| <= atol + rtol |n|. fast_mode compares derivatives along
/// random directions instead of element by element: one backward for each output, two calls of the function for each input.
struct GradcheckOptions {
    double eps = 1e-6;
    double atol = 1e-5;
    double rtol = 1e-3;
    bool fast_mode = false;

    bool agree(double analytic, double numeric) const { return std::abs(analytic - numeric) <= atol + rtol * std::abs(numeric); }
};

namespace detail {

template <class D>
using Doubles = std::vector<Tensor<double, D>>;

/// What a function under test gives: one tensor or several.
template <class D>
Doubles<D> as_list(Tensor<double, D> y) { return {std::move(y)}; }
template <class D>
Doubles<D> as_list(Doubles<D> ys) { return ys; }

/// The same elements as leaves that require a gradient.
template <class D>
Doubles<D> as_leaves(const Doubles<D>& inputs) {
    Doubles<D> leaves;
    for (const auto& x : inputs) leaves.push_back(x.detach().requires_grad_());
    return leaves;
}

/// Element i of x, as a tensor on the same memory, off the tape.
template <class D>
Tensor<double, D> element_of(const Tensor<double, D>& x, std::int64_t i) {
    std::int64_t offset = 0;
    for (int d = x.dim() - 1; d >= 0; --d) {
        offset += i % x.shape()[d] * x.strides()[d];
        i /= x.shape()[d];
    }
    return Tensor<double, D>(alias_impl(*x.get(), {}, {}, offset));
}

/// Change of every output element per change of one input element.
template <class F, class D>
std::vector<std::vector<double>> difference_quotients(const F& f, const Doubles<D>& leaves, const Tensor<double, D>& element, double eps) {
    NoGrad guard;
    const double value = element.item();
    const auto at = [&](double x) {
        element.fill_(x);
        std::vector<std::vector<double>> values;
        for (const auto& y : as_list(f(leaves))) values.push_back(y.tolist());
        return values;
    };
    auto quotients = at(value + eps);
    const auto lower = at(value - eps);
    element.fill_(value);
    for (std::size_t k = 0; k < quotients.size(); ++k)
        for (std::size_t i = 0; i < quotients[k].size(); ++i) quotients[k][i] = (quotients[k][i] - lower[k][i]) / (2 * eps);
    return quotients;
}

template <class D>
void check_gradient_shape(const Tensor<double, D>& gradient, const Tensor<double, D>& x, std::size_t i) {
    if (gradient.defined() && !(gradient.shape() == x.shape()))
        throw AutogradError(message("gradcheck: the gradient by input ", i, " has shape ", gradient.shape(), ", the input ", x.shape()));
}

/// gradcheck() along random directions: of output k by input i, u_k J_ki v_i.
template <class F, class D>
void gradcheck_directions(const F& f, const Doubles<D>& leaves, const Doubles<D>& outputs, const GradcheckOptions& options) {
    Generator generator(1);
    const auto directions = [&](const Doubles<D>& xs) {
        Doubles<D> result;
        for (const auto& x : xs) result.push_back(randn<double, D>(x.shape(), generator));
        return result;
    };
    const auto along = [](const Tensor<double, D>& x, const Tensor<double, D>& direction) { return (x.detach() * direction).sum().item(); };
    const Doubles<D> u = directions(outputs), v = directions(leaves);
    std::vector<Doubles<D>> gradients;
    for (std::size_t k = 0; k < outputs.size(); ++k) gradients.push_back(grad(outputs[k], leaves, u[k], {.retain_graph = true}));
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const auto moved = [&](double step) {
            NoGrad guard;
            Doubles<D> xs = leaves;
            xs[i] = (leaves[i] + v[i] * step).requires_grad_();
            return as_list(f(xs));
        };
        const Doubles<D> upper = moved(options.eps), lower = moved(-options.eps);
        for (std::size_t k = 0; k < outputs.size(); ++k) {
            check_gradient_shape(gradients[k][i], leaves[i], i);
            const double a = gradients[k][i].defined() ? along(gradients[k][i], v[i]) : 0;
            const double n = along(upper[k] - lower[k], u[k]) / (2 * options.eps);
            if (!options.agree(a, n))
                throw AutogradError(message("gradcheck: derivative of output ", k, " by input ", i, " along random directions: backward ",
                                            "gives ", a, ", the difference quotient ", n, "; without fast_mode the element is named"));
        }
    }
}

}  // namespace detail

/// True when every derivative of every output of `f` by every element of `inputs` agrees with its difference quotient; else throws
/// AutogradError naming output, input and element. `f` takes a vector of Tensor<double> and returns a tensor or a vector of them.
template <class F, Device D = DefaultDevice>
bool gradcheck(const F& f, const std::vector<Tensor<double, D>>& inputs, GradcheckOptions options = {}) {
    const auto leaves = detail::as_leaves(inputs);
    const auto outputs = detail::as_list(f(leaves));
    for (std::size_t k = 0; k < outputs.size(); ++k)
        if (!outputs[k].requires_grad()) throw AutogradError(message("gradcheck: output ", k, " does not depend on any input"));
    if (options.fast_mode) {
        detail::gradcheck_directions(f, leaves, outputs, options);
        return true;
    }
    // analytic[k][o][i]: gradients of element o of output k by input i
    std::vector<std::vector<std::vector<std::vector<double>>>> analytic(outputs.size());
    for (std::size_t k = 0; k < outputs.size(); ++k) {
        for (std::int64_t o = 0; o < outputs[k].numel(); ++o) {
            const auto one = zeros<double, D>(outputs[k].shape());
            detail::element_of(one, o).fill_(1);
            auto& rows = analytic[k].emplace_back();
            const auto gradients = grad(outputs[k], leaves, one, {.retain_graph = true});
            for (std::size_t i = 0; i < leaves.size(); ++i) {
                const auto& g = gradients[i];
                detail::check_gradient_shape(g, leaves[i], i);
                rows.push_back(g.defined() ? g.tolist() : std::vector<double>(static_cast<std::size_t>(leaves[i].numel())));
            }
        }
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        for (std::int64_t e = 0; e < leaves[i].numel(); ++e) {
            const auto numeric = detail::difference_quotients(f, leaves, detail::element_of(leaves[i], e), options.eps);
            for (std::size_t k = 0; k < outputs.size(); ++k) {
                for (std::size_t o = 0; o < numeric[k].size(); ++o) {
                    const double a = analytic[k][o][i][static_cast<std::size_t>(e)], n = numeric[k][o];
                    if (!options.agree(a, n))
                        throw AutogradError(message("gradcheck: derivative of element ", o, " of output ", k, " by element ", e,
                                                    " of input ", i, ": backward gives ", a, ", the difference quotient ", n));
                }
            }
        }
    }
    return true;
}

/// gradcheck() of the gradients of `f`, by its inputs and by the gradient that backward() starts from.
template <class F, Device D = DefaultDevice>
bool gradgradcheck(const F& f, const std::vector<Tensor<double, D>>& inputs, GradcheckOptions options = {}) {
    const std::size_t count = inputs.size();
    auto all_inputs = inputs;
    {
        NoGrad guard;
        Generator generator(1);
        for (const auto& y : detail::as_list(f(inputs))) all_inputs.push_back(randn<double, D>(y.shape(), generator));
    }
    const auto gradients = [&](const std::vector<Tensor<double, D>>& xs) {
        EnableGrad enabled;
        std::vector<Tensor<double, D>> leaves(xs.begin(), xs.begin() + static_cast<std::ptrdiff_t>(count));
        for (auto& x : leaves)
            if (!x.requires_grad()) x = x.detach().requires_grad_();
        const auto outputs = detail::as_list(f(leaves));
        std::vector<Tensor<double, D>> results;
        for (std::size_t k = 0; k < outputs.size(); ++k)
            for (const auto& g : grad(outputs[k], leaves, xs[count + k], {.create_graph = true}))
                if (g.defined() && g.requires_grad()) results.push_back(g);
        return results;
    };
    return gradcheck(gradients, all_inputs, options);
}

}  // namespace headtorch
