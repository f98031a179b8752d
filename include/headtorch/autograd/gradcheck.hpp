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

/// Step of the difference quotient, and how far gradients may be from it: |a - n| <= atol + rtol |n|.
struct GradcheckOptions {
    double eps = 1e-6;
    double atol = 1e-5;
    double rtol = 1e-3;
};

namespace detail {

using Doubles = std::vector<Tensor<double>>;

/// What a function under test gives: one tensor or several.
inline Doubles as_list(Tensor<double> y) { return {std::move(y)}; }
inline Doubles as_list(Doubles ys) { return ys; }

/// The same elements as leaves that require a gradient. A template, so that this header compiles without those in ops/.
template <class T>
std::vector<Tensor<T>> as_leaves(const std::vector<Tensor<T>>& inputs) {
    std::vector<Tensor<T>> leaves;
    for (const auto& x : inputs) leaves.push_back(x.detach().requires_grad_());
    return leaves;
}

/// Memory offset of element i of x.
inline std::int64_t offset_of(const Tensor<double>& x, std::int64_t i) {
    std::int64_t offset = 0;
    for (int d = x.dim() - 1; d >= 0; --d) {
        offset += i % x.shape()[d] * x.strides()[d];
        i /= x.shape()[d];
    }
    return offset;
}

/// Change of every output element per change of one input element.
template <class F>
std::vector<std::vector<double>> difference_quotients(const F& f, const Doubles& leaves, double& element, double eps) {
    NoGrad guard;
    const double value = element;
    const auto at = [&](double x) {
        element = x;
        std::vector<std::vector<double>> values;
        for (const auto& y : as_list(f(leaves))) values.push_back(y.tolist());
        return values;
    };
    auto quotients = at(value + eps);
    const auto lower = at(value - eps);
    element = value;
    for (std::size_t k = 0; k < quotients.size(); ++k)
        for (std::size_t i = 0; i < quotients[k].size(); ++i) quotients[k][i] = (quotients[k][i] - lower[k][i]) / (2 * eps);
    return quotients;
}

}  // namespace detail

/// True when every derivative of every output of `f` by every element of `inputs` agrees with its difference quotient; else throws
/// AutogradError naming output, input and element. `f` takes a vector of Tensor<double> and returns a tensor or a vector of them.
template <class F>
bool gradcheck(const F& f, const std::vector<Tensor<double>>& inputs, GradcheckOptions options = {}) {
    const auto leaves = detail::as_leaves(inputs);
    const auto outputs = detail::as_list(f(leaves));
    // analytic[k][o][i]: gradients of element o of output k by input i
    std::vector<std::vector<std::vector<Tensor<double>>>> analytic(outputs.size());
    for (std::size_t k = 0; k < outputs.size(); ++k) {
        if (!outputs[k].requires_grad()) throw AutogradError(message("gradcheck: output ", k, " does not depend on any input"));
        for (std::int64_t o = 0; o < outputs[k].numel(); ++o) {
            const auto one = zeros<double>(Shape{outputs[k].numel()});
            one.data()[o] = 1;
            analytic[k].push_back(grad(outputs[k], leaves, one.view(outputs[k].shape()), {.retain_graph = true}));
        }
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        for (std::int64_t e = 0; e < leaves[i].numel(); ++e) {
            const std::int64_t offset = detail::offset_of(leaves[i], e);
            const auto numeric = detail::difference_quotients(f, leaves, leaves[i].data()[offset], options.eps);
            for (std::size_t k = 0; k < outputs.size(); ++k) {
                for (std::size_t o = 0; o < numeric[k].size(); ++o) {
                    const auto& g = analytic[k][o][i];
                    if (g.defined() && !(g.shape() == leaves[i].shape()))
                        throw AutogradError(
                            message("gradcheck: the gradient by input ", i, " has shape ", g.shape(), ", the input ", leaves[i].shape()));
                    const double a = g.defined() ? g.data()[detail::offset_of(g, e)] : 0, n = numeric[k][o];
                    if (!(std::abs(a - n) <= options.atol + options.rtol * std::abs(n)))
                        throw AutogradError(message("gradcheck: derivative of element ", o, " of output ", k, " by element ", e,
                                                    " of input ", i, ": backward gives ", a, ", the difference quotient ", n));
                }
            }
        }
    }
    return true;
}

/// gradcheck() of the gradients of `f`, by its inputs and by the gradient that backward() starts from.
template <class F>
bool gradgradcheck(const F& f, const std::vector<Tensor<double>>& inputs, GradcheckOptions options = {}) {
    const std::size_t count = inputs.size();
    auto all_inputs = inputs;
    {
        NoGrad guard;
        Generator generator(1);
        for (const auto& y : detail::as_list(f(inputs))) all_inputs.push_back(randn<double>(y.shape(), generator));
    }
    const auto gradients = [&](const std::vector<Tensor<double>>& xs) {
        EnableGrad enabled;
        std::vector<Tensor<double>> leaves(xs.begin(), xs.begin() + static_cast<std::ptrdiff_t>(count));
        for (auto& x : leaves)
            if (!x.requires_grad()) x = x.detach().requires_grad_();
        const auto outputs = detail::as_list(f(leaves));
        std::vector<Tensor<double>> results;
        for (std::size_t k = 0; k < outputs.size(); ++k)
            for (const auto& g : grad(outputs[k], leaves, xs[count + k], {.create_graph = true}))
                if (g.defined() && g.requires_grad()) results.push_back(g);
        return results;
    };
    return gradcheck(gradients, all_inputs, options);
}

}  // namespace headtorch
