// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Dropout, of single elements and of whole channels.

#include <cmath>
#include <cstdint>
#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/core/random.hpp"
#include "headtorch/device/cpu/random.hpp"
#include "headtorch/device/random.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/reduce.hpp"

namespace headtorch {
namespace detail {

inline void check_dropout(const char* op, double p) {
    if (!(p >= 0 && p <= 1)) throw ValueError(message(op, ": the probability must be between 0 and 1, got ", p));
}

/// `kept` with probability 1 - p, else 0. On the CPU PyTorch's draws, in double and one after the other. (Where its build uses MKL on
/// processors of Intel's, it draws from MKL instead, and other elements drop.)
template <class T, class D>
Tensor<T, D> bernoulli_mask(const Shape& shape, double p, double kept, Generator& generator) {
    auto mask = empty<T, D>(shape);
    draw(D{}, draws::Bernoulli{1 - p, kept}, generator, mask.data(), mask.numel());
    return mask;
}

/// A device that can draw the same numbers again does it all in one kernel, and keeps nothing but where the draw began.
template <class D>
concept DrawsAgain = requires(Generator& generator) { dropout_state(D{}, generator, std::int64_t{}); };

template <class T, class D, class State>
Tensor<T, D> dropped_by(const char* op, const Tensor<T, D>& x, const draws::Dropout& how, const State& state) {
    auto y = empty<T, D>(x.shape());
    apply_dropout(D{}, state, how, static_cast<const T*>(detached_contiguous(x).data()), x.numel(), y.data());
    if (!needs_grad(x)) return y;
    return record(op, std::move(y), input(x, [op, how = how.slope(), state](const auto& g) { return dropped_by(op, g, how, state); }));
}

/// x * factor for a factor that is no variable; shapes broadcast to that of x.
template <class T, class D>
Tensor<T, D> scaled_by(const char* op, const Tensor<T, D>& x, const Tensor<T, D>& factor) {
    auto y = map_new<T>(op, ValueKernel<formula::Mul>{}, x, factor);
    if (!needs_grad(x)) return y;
    return record(op, std::move(y), input(x, [op, factor = Kept(factor)](const auto& g) { return scaled_by(op, g, factor); }));
}

/// [N, C, 1, …]: one draw for each channel.
inline Shape channel_draws(const char* op, const Shape& shape, int least, int most) {
    if (shape.rank() < least || shape.rank() > most)
        throw ShapeError(message(op, ": needs an input of ", least, " to ", most, " dimensions, got ", shape));
    Shape draws = shape;
    for (int d = 2; d < shape.rank(); ++d) draws[d] = 1;
    return draws;
}

template <class T, class D>
Tensor<T, D> drop(const char* op, const Tensor<T, D>& x, double p, bool training, const Shape& shape, Generator& generator) {
    const OpScope scope(op, {x.impl().get()});
    static_assert(Floating<T>, "headtorch: dropout: needs a tensor of float or double: write x.to<float>() first");
    if (p == 0 || !training || x.numel() == 0) return x;
    if (p == 1) return scaled_by(op, x, zeros<T, D>({}));
    if constexpr (DrawsAgain<D>)
        if (shape.numel() == x.numel())
            return dropped_by(op, x, draws::Dropout{1 - p, 1 / (1 - p)}, dropout_state(D{}, generator, x.numel()));
    return scaled_by(op, x, bernoulli_mask<T, D>(shape, p, 1 / (1 - p), generator));
}

}  // namespace detail

/// In training, each element becomes 0 with probability p, and x / (1 - p) else. Throws ValueError unless 0 <= p <= 1.
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout (2014).
template <class T, class D>
Tensor<T, D> dropout(const Tensor<T, D>& x, double p = 0.5, bool training = true, Generator& generator = default_generator()) {
    detail::check_dropout("dropout", p);
    return detail::drop("dropout", x, p, training, x.shape(), generator);
}
/// Whole channels of [N, C, L], or of [C, L], become 0.
template <class T, class D>
Tensor<T, D> dropout1d(const Tensor<T, D>& x, double p = 0.5, bool training = true, Generator& generator = default_generator()) {
    detail::check_dropout("dropout1d", p);
    if (x.dim() == 2) return dropout1d(x.unsqueeze(0), p, training, generator).squeeze(0);
    return detail::drop("dropout1d", x, p, training, detail::channel_draws("dropout1d", x.shape(), 3, 3), generator);
}
/// Whole channels of [N, C, H, W], or of [N, C, L], become 0.
template <class T, class D>
Tensor<T, D> dropout2d(const Tensor<T, D>& x, double p = 0.5, bool training = true, Generator& generator = default_generator()) {
    detail::check_dropout("dropout2d", p);
    return detail::drop("dropout2d", x, p, training, detail::channel_draws("dropout2d", x.shape(), 3, 4), generator);
}

/// Dropout for networks of SELU: dropped elements become its limit at minus infinity, and all are scaled and shifted so that mean 0 and
/// variance 1 stay. Klambauer, Unterthiner, Mayr and Hochreiter, Self-Normalizing Neural Networks (2017).
template <class T, class D>
Tensor<T, D> alpha_dropout(const Tensor<T, D>& x, double p = 0.5, bool training = false, Generator& generator = default_generator()) {
    const OpScope scope("alpha_dropout", {x.impl().get()});
    static_assert(Floating<T>, "headtorch: alpha_dropout: needs a tensor of float or double: write x.to<float>() first");
    detail::check_dropout("alpha_dropout", p);
    if (p == 0 || !training || x.numel() == 0) return x;
    if (p == 1) return detail::scaled_by("alpha_dropout", x, zeros<T, D>({}));
    constexpr double alpha = 1.7580993408473766;  // minus that limit
    const double scale = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
    if constexpr (detail::DrawsAgain<D>)
        return detail::dropped_by("alpha_dropout", x, draws::Dropout{1 - p, scale, alpha * scale * p, alpha * scale * (p - 1)},
                                  dropout_state(D{}, generator, x.numel()));
    const auto kept = detail::bernoulli_mask<T, D>(x.shape(), p, 1, generator);
    const auto shift = (kept - 1) * (alpha * scale) + alpha * scale * p;
    return detail::scaled_by("alpha_dropout", x, kept * scale) + shift;
}

}  // namespace headtorch
