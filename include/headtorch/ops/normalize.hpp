// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What normalisations share: their gradients as recorded formulas, and the checks of weight and bias.

#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/math.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch::detail {

/// Which elements are normalised together, and how weight and bias lie over them.
struct Normalisation {
    Shape view;    ///< the input is seen in this shape
    Dims dims;     ///< and normalised over these dimensions of it
    Shape weight;  ///< weight and bias in this shape broadcast to the input's own
    bool centred = true;
};

/// Gradients of input, weight and bias of y = x' weight + bias, x' = (x - mean) / sqrt(variance + eps), from recorded ops. `mean` and
/// `variance`, where defined, are constants that take the place of the input's own.
template <class T, class D>
HEADTORCH_COLD std::tuple<Tensor<T, D>, Tensor<T, D>, Tensor<T, D>> recorded_norm_gradients(
    const Tensor<T, D>& g, const Tensor<T, D>& x, const Tensor<T, D>& weight, const Shape& parameters, const Normalisation& how, double eps,
    const Tensor<T, D>& mean_given = {}, const Tensor<T, D>& variance_given = {}) {
    using X = Tensor<T, D>;
    const X seen = x.reshape(how.view);
    X h = weight.defined() ? g * weight.reshape(how.weight) : g;
    X normal, dx;
    if (variance_given.defined()) {
        const X factor = rsqrt(variance_given + eps);
        normal = (seen - mean_given) * factor;
        dx = h.reshape(how.view) * factor;
    } else {
        h = h.reshape(how.view);
        const X centred = how.centred ? seen - mean(seen, how.dims, true) : seen;
        const X factor = rsqrt(mean(square(centred), how.dims, true) + eps);
        normal = centred * factor;
        const X rest = h - normal * mean(h * normal, how.dims, true);
        dx = (how.centred ? rest - mean(h, how.dims, true) : rest) * factor;
    }
    return {dx.reshape(x.shape()), sum_to(g * normal.reshape(x.shape()), how.weight).reshape(parameters),
            sum_to(g, how.weight).reshape(parameters)};
}

/// Throws ShapeError unless `tensor`, when there is one, has this shape.
template <class T, class D>
void check_norm_parameter(const char* op, const char* what, const Tensor<T, D>& tensor, const Shape& shape) {
    if (tensor.defined() && !(tensor.shape() == shape))
        throw ShapeError(message(op, ": the ", what, " must have shape ", shape, ", got ", tensor.shape()));
}
inline void check_eps(const char* op, double eps) {
    if (!(eps >= 0)) throw ValueError(message(op, ": eps must not be negative, got ", eps));
}

/// Contiguous data for a kernel, or null; the tensor that `keep` becomes holds it.
template <class T, class D>
const T* values_or_null(const Tensor<T, D>& tensor, Tensor<T, D>& keep) {
    if (!tensor.defined()) return nullptr;
    keep = detached_contiguous(tensor);
    return keep.data();
}
template <class T, class D>
T* output_or_null(const Tensor<T, D>& tensor) {
    return tensor.defined() ? tensor.data() : nullptr;
}

}  // namespace headtorch::detail
