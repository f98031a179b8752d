// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Mixed precision, after PyTorch's torch.autocast:
///
///     {
///         Autocast<bfloat16> guard;
///         loss = nn::cross_entropy(net(x), labels);
///     }
///     loss.backward();
///
/// While the guard lives, products of Tensor<float> (matmul, mm, bmm, linear, convolutions, recurrent layers, attention) round their
/// operands to the half type and add up in float; so do the products of their backward, also when it runs later. All else is computed in
/// float, as ever. Guards belong to a thread and may be nested.
/// Other than in PyTorch results are stored as float, not as halfs: what follows a product does not lose digits, and needs no list of ops
/// that must not; but where cuDNN computes a convolution, its sums are rounded to the half type once. Biases are added in float.
/// Tensor<double> and tensors of halfs are left alone. Casts of weights are not cached.

#include <atomic>
#include <type_traits>
#include <utility>

#include "headtorch/autograd/autocast.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/ops/cast_products.hpp"
#include "headtorch/ops/conv.hpp"
#include "headtorch/ops/copy.hpp"
#include "headtorch/ops/matmul.hpp"

namespace headtorch {
namespace detail {

/// A device may multiply halfs into floats; for one that does not, they are made floats again.
template <class H, class D>
concept MultipliesHalfs = requires(MatrixRef<const H> a, MatrixRef<float> c) { gemm(D{}, a, a, c, Accumulate::no); };
template <class H, class D>
concept ConvolvesHalfs = requires(const ConvGeometry& geometry, const H* x, const float* bias, float* y) {
    conv_forward(D{}, geometry, x, x, bias, y);
};

template <bool as_halfs, Half H, class D>
auto rounded(const Tensor<float, D>& x) {
    const auto halfs = empty<H, D>(x.shape());
    run_map(Identity{}, halfs, x);
    if constexpr (as_halfs) {
        return halfs;
    } else {
        const auto floats = empty<float, D>(x.shape());
        run_map(Identity{}, floats, halfs);
        return floats;
    }
}

template <Half H, class D>
void product_in(const Tensor<float, D>& a, As as_a, const Tensor<float, D>& b, As as_b, const Tensor<float, D>& c, Accumulate accumulate) {
    const auto x = rounded<MultipliesHalfs<H, D>, H>(a), y = rounded<MultipliesHalfs<H, D>, H>(b);
    multiply_into(x, as_a, y, as_b, c, accumulate);
}

template <Half H, class D>
void conv_in(ConvProduct kind, const ConvGeometry& geometry, const Tensor<float, D>& a, const Tensor<float, D>& b, const float* bias,
             float* out) {
    const auto x = rounded<ConvolvesHalfs<H, D>, H>(a), y = rounded<ConvolvesHalfs<H, D>, H>(b);
    using S = typename std::remove_const_t<decltype(x)>::value_type;
    convolve(D{}, kind, geometry, static_cast<const S*>(x.data()), static_cast<const S*>(y.data()), bias, out);
}

template <Half H, class D>
inline constexpr CastProducts<float, D> cast_products_in = {&product_in<H, D>, &conv_in<H, D>};

template <Half H, class D>
void offer_cast() {
    if constexpr (device_available<D>) cast_products_of<D>(dtype_of<H>).store(&cast_products_in<H, D>, std::memory_order_release);
}

}  // namespace detail

/// Products of floats are computed in H until the end of the scope; with `enabled` false they are not, whatever is outside.
template <Half H>
class [[nodiscard]] Autocast : AutocastGuard {
public:
    explicit Autocast(bool enabled = true) : AutocastGuard(enabled ? dtype_of<H> : Dtype::float32) {
        detail::offer_cast<H, Cpu>();
        detail::offer_cast<H, Cuda>();
    }
};

/// work() under Autocast<H>: `auto loss = autocast<bfloat16>([&] { return nn::mse_loss(net(x), y); });`
template <Half H, class F>
decltype(auto) autocast(F&& work) {
    const Autocast<H> guard;
    return std::forward<F>(work)();
}

}  // namespace headtorch
