// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Initial values of parameters, as in torch.nn.init: each function fills a tensor, unseen by the tape, and returns it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/ops/inplace.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch::nn::init {

enum class FanMode { fan_in, fan_out };
using enum FanMode;

/// Options of the kaiming functions.
struct KaimingOptions {
    double a = 0;  ///< negative slope, for leaky_relu only
    FanMode mode = fan_in;
    std::string_view nonlinearity = "leaky_relu";
};

struct Fans {
    std::int64_t in, out;
};

/// Inputs and outputs per unit of a weight [out, in, …]; what follows the first two dimensions multiplies both.
inline Fans calculate_fan_in_and_fan_out(const Shape& shape) {
    if (shape.rank() < 2) throw ShapeError(message("init: fan in and fan out need at least two dimensions, got ", shape));
    std::int64_t field = 1;
    for (int d = 2; d < shape.rank(); ++d) field *= shape[d];
    return {shape[1] * field, shape[0] * field};
}

/// The recommended gain of a nonlinearity; `param` is the negative slope of leaky_relu (0.01 unless given). Throws ValueError on an
/// unknown name.
inline double calculate_gain(std::string_view nonlinearity, double param = 0.01) {
    if (nonlinearity == "tanh") return 5.0 / 3;
    if (nonlinearity == "relu") return std::sqrt(2.0);
    if (nonlinearity == "leaky_relu") return std::sqrt(2.0 / (1 + param * param));
    if (nonlinearity == "selu") return 3.0 / 4;
    for (const std::string_view name :
         {"linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
        if (nonlinearity == name) return 1;
    throw ValueError(message("init: unknown nonlinearity \"", nonlinearity,
                             "\"; known are linear, sigmoid, tanh, relu, leaky_relu, selu and the convolutions"));
}

namespace detail {

/// Writes host values into a tensor of any device.
template <class T, class D>
const Tensor<T, D>& write(const Tensor<T, D>& tensor, const Tensor<T, Cpu>& values) {
    NoGrad guard;
    return tensor.copy_(values.template to<D>());
}

/// Bound or deviation factor of the kaiming functions: gain / sqrt(fan).
inline double kaiming_std(const Shape& shape, const KaimingOptions& options) {
    const Fans fans = calculate_fan_in_and_fan_out(shape);
    return calculate_gain(options.nonlinearity, options.a) / std::sqrt(static_cast<double>(options.mode == fan_in ? fans.in : fans.out));
}
inline double xavier_std(const Shape& shape, double gain) {
    const Fans fans = calculate_fan_in_and_fan_out(shape);
    return gain * std::sqrt(2.0 / static_cast<double>(fans.in + fans.out));
}

/// Makes the rows of a rows x columns matrix (rows <= columns) orthonormal: Gram and Schmidt's method, modified, and each row twice.
inline void orthonormalise_rows(std::vector<double>& matrix, std::size_t rows, std::size_t columns) {
    const auto dot = [&](const double* a, const double* b) {
        double sum = 0;
        for (std::size_t j = 0; j < columns; ++j) sum += a[j] * b[j];
        return sum;
    };
    for (std::size_t i = 0; i < rows; ++i) {
        double* row = &matrix[i * columns];
        for (int pass = 0; pass < 2; ++pass)
            for (std::size_t k = 0; k < i; ++k) {
                const double* earlier = &matrix[k * columns];
                const double projection = dot(row, earlier);
                for (std::size_t j = 0; j < columns; ++j) row[j] -= projection * earlier[j];
            }
        const double length = std::sqrt(dot(row, row));
        for (std::size_t j = 0; j < columns; ++j) row[j] /= length;
    }
}

}  // namespace detail

template <Floating T, class D>
const Tensor<T, D>& uniform_(const Tensor<T, D>& tensor, double a = 0, double b = 1, Generator& generator = default_generator()) {
    NoGrad guard;
    return headtorch::detail::fill_on_host(tensor, [&](const auto& x) -> const auto& { return x.uniform_(a, b, generator); });
}
template <Floating T, class D>
const Tensor<T, D>& normal_(const Tensor<T, D>& tensor, double mean = 0, double std = 1, Generator& generator = default_generator()) {
    NoGrad guard;
    return headtorch::detail::fill_on_host(tensor, [&](const auto& x) -> const auto& { return x.normal_(mean, std, generator); });
}
template <class T, class D>
const Tensor<T, D>& constant_(const Tensor<T, D>& tensor, std::type_identity_t<T> value) {
    NoGrad guard;
    return tensor.fill_(value);
}
template <class T, class D>
const Tensor<T, D>& ones_(const Tensor<T, D>& tensor) { return constant_(tensor, T(1)); }
template <class T, class D>
const Tensor<T, D>& zeros_(const Tensor<T, D>& tensor) { return constant_(tensor, T(0)); }

/// The identity matrix, for a tensor of two dimensions.
template <Floating T, class D>
const Tensor<T, D>& eye_(const Tensor<T, D>& tensor) {
    if (tensor.dim() != 2) throw ShapeError(message("eye_: needs two dimensions, got ", tensor.shape()));
    return detail::write(tensor, eye<T, Cpu>(tensor.size(0), tensor.size(1)));
}

/// Normal, cut off outside [a, b]: what falls outside is drawn again, from the normal distribution where most of it lies inside, else
/// evenly from [a, b] and kept in proportion to the density. What no draw of a thousand hits becomes the likeliest value of the interval.
template <Floating T, class D>
const Tensor<T, D>& trunc_normal_(const Tensor<T, D>& tensor, double mean = 0, double std = 1, double a = -2, double b = 2,
                                  Generator& generator = default_generator()) {
    if (!(a < b) || !(std > 0))
        throw ValueError(message("trunc_normal_: needs a < b and std > 0, got a = ", a, ", b = ", b, ", std = ", std));
    const auto below = [&](double x) { return (1 + std::erf((x - mean) / std / std::numbers::sqrt2)) / 2; };
    const bool mostly_inside = below(b) - below(a) > 0.3;
    const double mode = std::clamp(mean, a, b), log_peak = -0.5 * ((mode - mean) / std) * ((mode - mean) / std);
    const auto values = empty<T, Cpu>(tensor.shape()), draw = empty<T, Cpu>(tensor.shape()), chance = empty<T, Cpu>(tensor.shape());
    const std::int64_t n = values.numel();
    std::vector<bool> pending(static_cast<std::size_t>(n), true);
    std::int64_t left = n;
    for (int round = 0; left > 0 && round < 1000; ++round) {
        if (mostly_inside) {
            draw.normal_(mean, std, generator);
        } else {
            draw.uniform_(a, b, generator);
            chance.uniform_(0, 1, generator);
        }
        for (std::int64_t i = 0; i < n; ++i) {
            if (!pending[static_cast<std::size_t>(i)]) continue;
            const T x = draw.data()[i];
            const T z = (x - static_cast<T>(mean)) / static_cast<T>(std);
            const bool keep = mostly_inside ? x >= static_cast<T>(a) && x <= static_cast<T>(b)
                                            : std::log(chance.data()[i]) <= z * z * T(-0.5) - static_cast<T>(log_peak);
            values.data()[i] = keep ? x : static_cast<T>(mode);
            pending[static_cast<std::size_t>(i)] = !keep;
            left -= keep;
        }
    }
    return detail::write(tensor, values);
}

/// Glorot and Bengio (2010): uniform in ±gain sqrt(6 / (fan_in + fan_out)).
template <Floating T, class D>
const Tensor<T, D>& xavier_uniform_(const Tensor<T, D>& tensor, double gain = 1, Generator& generator = default_generator()) {
    const double bound = std::sqrt(3.0) * detail::xavier_std(tensor.shape(), gain);
    return init::uniform_(tensor, -bound, bound, generator);
}
/// Normal with deviation gain sqrt(2 / (fan_in + fan_out)).
template <Floating T, class D>
const Tensor<T, D>& xavier_normal_(const Tensor<T, D>& tensor, double gain = 1, Generator& generator = default_generator()) {
    return init::normal_(tensor, 0, detail::xavier_std(tensor.shape(), gain), generator);
}

/// He et al. (2015): uniform in ±gain sqrt(3 / fan). A tensor without elements stays as it is.
template <Floating T, class D>
const Tensor<T, D>& kaiming_uniform_(const Tensor<T, D>& tensor, KaimingOptions options = {}, Generator& generator = default_generator()) {
    if (tensor.numel() == 0) return tensor;
    const double bound = std::sqrt(3.0) * detail::kaiming_std(tensor.shape(), options);
    return init::uniform_(tensor, -bound, bound, generator);
}
/// Normal with deviation gain / sqrt(fan).
template <Floating T, class D>
const Tensor<T, D>& kaiming_normal_(const Tensor<T, D>& tensor, KaimingOptions options = {}, Generator& generator = default_generator()) {
    if (tensor.numel() == 0) return tensor;
    return init::normal_(tensor, 0, detail::kaiming_std(tensor.shape(), options), generator);
}

/// Saxe et al. (2013): a random (semi-)orthogonal matrix times `gain`; dimensions after the first count as columns.
template <Floating T, class D>
const Tensor<T, D>& orthogonal_(const Tensor<T, D>& tensor, double gain = 1, Generator& generator = default_generator()) {
    if (tensor.dim() < 2) throw ShapeError(message("orthogonal_: needs at least two dimensions, got ", tensor.shape()));
    if (tensor.numel() == 0) return tensor;
    const auto m = static_cast<std::size_t>(tensor.size(0)), n = static_cast<std::size_t>(tensor.numel()) / m;
    const auto normal = empty<T, Cpu>({tensor.size(0), tensor.numel() / tensor.size(0)});
    normal.normal_(0, 1, generator);
    // The longer side holds the vectors; Q of QR with a positive diagonal of R is what Gram and Schmidt's method gives.
    const std::size_t rows = std::min(m, n), columns = std::max(m, n);
    std::vector<double> matrix(rows * columns);
    const auto place = [&](std::size_t i, std::size_t j) { return m < n ? i * n + j : j * rows + i; };
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) matrix[i * columns + j] = static_cast<double>(normal.data()[place(i, j)]);
    detail::orthonormalise_rows(matrix, rows, columns);
    const auto values = empty<T, Cpu>(tensor.shape());
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) values.data()[place(i, j)] = static_cast<T>(gain * matrix[i * columns + j]);
    return detail::write(tensor, values);
}

/// Keeps as many channels as there are: a convolution's weight [out, in, …] that passes channel i of each group on as channel i.
template <Floating T, class D>
const Tensor<T, D>& dirac_(const Tensor<T, D>& tensor, std::int64_t groups = 1) {
    const Shape& shape = tensor.shape();
    if (shape.rank() < 3 || shape.rank() > 5) throw ShapeError(message("dirac_: needs three to five dimensions, got ", shape));
    if (groups < 1 || shape[0] % groups != 0)
        throw ValueError(message("dirac_: ", shape[0], " output channels do not divide into ", groups, " groups"));
    const auto values = zeros<T, Cpu>(shape);
    std::int64_t centre = 0;
    for (int d = 2; d < shape.rank(); ++d) centre += shape[d] / 2 * values.strides()[d];
    const std::int64_t per_group = shape[0] / groups;
    for (std::int64_t group = 0; group < groups; ++group)
        for (std::int64_t i = 0; i < std::min(per_group, shape[1]); ++i)
            values.data()[(group * per_group + i) * values.strides()[0] + i * values.strides()[1] + centre] = T(1);
    return detail::write(tensor, values);
}

/// Normal with deviation `std`, and in each column (of the second dimension) a share `sparsity` of zeros.
template <Floating T, class D>
const Tensor<T, D>& sparse_(const Tensor<T, D>& tensor, double sparsity, double std = 0.01, Generator& generator = default_generator()) {
    if (tensor.dim() != 2) throw ShapeError(message("sparse_: needs two dimensions, got ", tensor.shape()));
    if (!(sparsity >= 0 && sparsity <= 1)) throw ValueError(message("sparse_: the share of zeros lies in [0, 1], got ", sparsity));
    const std::int64_t rows = tensor.size(0), columns = tensor.size(1);
    const auto zeros = static_cast<std::int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
    const auto values = empty<T, Cpu>(tensor.shape());
    values.normal_(0, std, generator);
    for (std::int64_t j = 0; j < columns; ++j) {
        const auto order = randperm<std::int64_t, Cpu>(rows, generator);
        for (std::int64_t i = 0; i < zeros; ++i) values.data()[order.data()[i] * columns + j] = T(0);
    }
    return detail::write(tensor, values);
}

}  // namespace headtorch::nn::init
