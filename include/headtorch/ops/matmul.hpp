// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Products of matrices and vectors. Everything comes down to two recorded products, of matrices (mm) and of batches of them (bmm);
/// the gradient of a product is two products.

#include <utility>

#include "headtorch/autograd/record.hpp"
#include "headtorch/device/cpu/gemm.hpp"
#include "headtorch/ops/arithmetic.hpp"
#include "headtorch/ops/cast_products.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/ops/view.hpp"
#include "headtorch/ops/where.hpp"

namespace headtorch {
namespace detail {

template <class T>
MatrixRef<T> matrix_ref(T* data, const Shape& shape, const Strides& strides) {
    const int r = shape.rank();
    return {data, shape[r - 2], shape[r - 1], strides[r - 2], strides[r - 1]};
}

/// The product of two matrices, or their transposes, without views of them when nothing is recorded.
template <class T, class D>
Tensor<T, D> mm_as(const Tensor<T, D>& a, As as_a, const Tensor<T, D>& b, As as_b);

template <class T, class D>
MatrixRef<const T> factor(const Tensor<T, D>& x, As as) {
    const auto m = matrix_ref<const T>(x.data(), x.shape(), x.strides());
    return as == As::transposed ? m.transposed() : m;
}

/// c = a b or c += a b for tensors of rank 2, or of rank 3 with equal batch sizes, or their transposes; nothing is checked or recorded.
template <class S, class T, class D>
void multiply_into(const Tensor<S, D>& a, As as_a, const Tensor<S, D>& b, As as_b, const Tensor<T, D>& c, Accumulate accumulate) {
    const auto ma = factor(a, as_a), mb = factor(b, as_b);
    const auto mc = matrix_ref<T>(c.data(), c.shape(), c.strides());
    if (c.dim() == 2)
        gemm(D{}, ma, mb, mc, accumulate);
    else
        gemm_batched(D{}, c.shape()[0], ma, a.strides()[0], mb, b.strides()[0], mc, c.strides()[0], accumulate);
}
/// The same, as Autocast says.
template <class T, class D>
void product_into(const Tensor<T, D>& a, As as_a, const Tensor<T, D>& b, As as_b, const Tensor<T, D>& c, Accumulate accumulate) {
    tell_multiplied(c.numel() * a.shape()[a.dim() - (as_a == As::is ? 1 : 2)]);
    if (const auto* cast = cast_for<T, D>()) [[unlikely]]
        return cast->product(a, as_a, b, as_b, c, accumulate);
    multiply_into(a, as_a, b, as_b, c, accumulate);
}
template <class T, class D>
void product_into(const Tensor<T, D>& a, const Tensor<T, D>& b, const Tensor<T, D>& c, Accumulate accumulate) {
    product_into(a, As::is, b, As::is, c, accumulate);
}

template <class T, class D, class U, class E>
void check_product(const char* op, const Tensor<T, D>& a, const Tensor<U, E>& b, int rank) {
    require_same<T, D, U, E>();
    static_assert(!std::same_as<T, bool>, "headtorch: matmul: a product of booleans; convert with x.to<float>() or x.to<std::int64_t>()");
    if (a.dim() != rank || b.dim() != rank)
        throw ShapeError(message(op, ": needs two tensors of ", rank, " dimensions, got ", a.shape(), " and ", b.shape(),
                                 "; matmul() takes other ranks"));
    if (a.shape()[rank - 1] != b.shape()[rank - 2])
        throw ShapeError(message(op, ": inner dimensions differ: ", a.shape(), " x ", b.shape()));
    if (rank == 3 && a.shape()[0] != b.shape()[0]) throw ShapeError(message(op, ": batch sizes differ: ", a.shape(), " x ", b.shape()));
}

}  // namespace detail

/// Matrix product [m, k] x [k, n].
template <class T, class D, class U, class E>
Tensor<T, D> mm(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("mm")) {
    const OpScope scope("mm", {a.impl().get(), b.impl().get()});
    detail::check_product("mm", a, b, 2);
    auto y = empty<T, D>({a.shape()[0], b.shape()[1]});
    detail::product_into(a, b, y, Accumulate::no);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(a, b))
            return record(
                "mm", std::move(y),
                input(a, [b = saved(b)](const auto& g) { return detail::mm_as(g, detail::As::is, b(), detail::As::transposed); }),
                input(b, [a = saved(a)](const auto& g) { return detail::mm_as(a(), detail::As::transposed, g, detail::As::is); }));
    }
    return y;
}

template <class T, class D>
Tensor<T, D> detail::mm_as(const Tensor<T, D>& a, As as_a, const Tensor<T, D>& b, As as_b) {
    if (needs_grad(a, b)) return mm(as_a == As::is ? a : a.t(), as_b == As::is ? b : b.t());
    const OpScope scope("mm", {a.impl().get(), b.impl().get()});
    auto y = empty<T, D>({a.shape()[as_a == As::is ? 0 : 1], b.shape()[as_b == As::is ? 1 : 0]});
    product_into(a, as_a, b, as_b, y, Accumulate::no);
    return y;
}

/// Products of a batch of matrices, [n, i, k] x [n, k, j].
template <class T, class D, class U, class E>
Tensor<T, D> bmm(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("bmm")) {
    const OpScope scope("bmm", {a.impl().get(), b.impl().get()});
    detail::check_product("bmm", a, b, 3);
    auto y = empty<T, D>({a.shape()[0], a.shape()[1], b.shape()[2]});
    detail::product_into(a, b, y, Accumulate::no);
    if constexpr (Floating<T>) {
        if (autograd::needs_grad(a, b))
            return record("bmm", std::move(y), input(a, [b = saved(b)](const auto& g) { return bmm(g, b().transpose(1, 2)); }),
                          input(b, [a = saved(a)](const auto& g) { return bmm(a().transpose(1, 2), g); }));
    }
    return y;
}

/// The product of vectors, matrices, or batches of matrices whose leading dimensions broadcast, as in PyTorch.
template <class T, class D, class U, class E>
Tensor<T, D> matmul(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("matmul")) {
    const OpScope scope("matmul", {a.impl().get(), b.impl().get()});
    detail::require_same<T, D, U, E>();
    if (a.dim() == 2 && b.dim() == 2) {
        if (a.shape()[1] != b.shape()[0]) throw ShapeError(message("matmul: inner dimensions differ: ", a.shape(), " x ", b.shape()));
        return mm(a, b);
    }
    if (a.dim() == 0 || b.dim() == 0)
        throw ShapeError(message("matmul: needs at least one dimension on both sides, got ", a.shape(), " and ", b.shape(), "; use a * b"));
    if (a.shape().back() != b.shape()[std::max(0, b.dim() - 2)])
        throw ShapeError(message("matmul: inner dimensions differ: ", a.shape(), " x ", b.shape()));
    if (a.dim() == 1) return matmul(a.unsqueeze(0), b).squeeze(b.dim() == 1 ? 0 : -2);
    if (b.dim() == 1) return matmul(a, b.unsqueeze(1)).squeeze(-1);

    const std::int64_t rows = a.size(-2), inner = a.size(-1), columns = b.size(-1);
    if (b.dim() == 2) {  // one matrix for the whole batch: a single tall product
        Shape shape = a.shape();
        shape[a.dim() - 1] = columns;
        return mm(a.reshape({a.numel() / std::max<std::int64_t>(1, inner), inner}), b).reshape(shape);
    }
    const auto leading = [](const Shape& shape) { return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2))); };
    Shape batch = leading(a.shape());
    const Shape other = leading(b.shape());
    if (!(batch == other)) batch = broadcast_shapes("matmul", batch, other);
    const auto joined = [&](const Tensor<T, D>& x, std::int64_t m, std::int64_t n) {
        Shape full = batch;
        full.push_back(m);
        full.push_back(n);
        return (x.shape() == full ? x : x.expand(full)).reshape({batch.numel(), m, n});
    };
    Shape shape = batch;
    shape.push_back(rows);
    shape.push_back(columns);
    return bmm(joined(a, rows, inner), joined(b, inner, columns)).reshape(shape);
}

/// Inner product of two vectors.
template <class T, class D, class U, class E>
Tensor<T, D> dot(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("dot")) {
    const OpScope scope("dot");
    if (a.dim() != 1 || b.dim() != 1) throw ShapeError(message("dot: needs two vectors, got ", a.shape(), " and ", b.shape()));
    if (a.numel() != b.numel()) throw ShapeError(message("dot: lengths differ: ", a.shape(), " and ", b.shape()));
    return matmul(a, b);
}
/// Matrix [m, k] times vector [k].
template <class T, class D, class U, class E>
Tensor<T, D> mv(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("mv")) {
    const OpScope scope("mv");
    if (a.dim() != 2 || b.dim() != 1) throw ShapeError(message("mv: needs a matrix and a vector, got ", a.shape(), " and ", b.shape()));
    return matmul(a, b);
}
/// All products of elements of two vectors: [m] and [n] give [m, n].
template <class T, class D, class U, class E>
Tensor<T, D> outer(const Tensor<T, D>& a, const Tensor<U, E>& b, const Here& = Here::call("outer")) {
    const OpScope scope("outer");
    if (a.dim() != 1 || b.dim() != 1) throw ShapeError(message("outer: needs two vectors, got ", a.shape(), " and ", b.shape()));
    return a.unsqueeze(1) * b.unsqueeze(0);
}

/// beta * c + alpha * a b; `c` broadcasts to the product.
template <class T, class D, class U, class E, class V, class F>
Tensor<T, D> addmm(const Tensor<T, D>& c, const Tensor<U, E>& a, const Tensor<V, F>& b, double beta = 1, double alpha = 1,
                   const Here& = Here::call("addmm")) {
    const OpScope scope("addmm");
    detail::check_product("addmm", a, b, 2);
    const auto product = alpha == 1 ? mm(a, b) : mm(a, b) * static_cast<ComputeType<T>>(alpha);
    const Shape shape = broadcast_shapes("addmm", c.shape(), product.shape());
    if (!(shape == product.shape()))
        throw ShapeError(message("addmm: ", c.shape(), " does not broadcast to the product's shape ", product.shape()));
    if (beta == 0) return needs_grad(c) ? where(full<bool, D>({}, false), c, 0) + product : product;  // c may hold NaN; its gradient is 0
    return beta == 1 ? c + product : c * static_cast<ComputeType<T>>(beta) + product;
}

namespace detail {

template <class T, class D>
void check_linear(const char* op, const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias) {
    if (weight.dim() != 2) throw ShapeError(message(op, ": the weight is a matrix [out, in], got ", weight.shape()));
    if (x.dim() == 0 || x.shape().back() != weight.shape()[1])
        throw ShapeError(message(op, ": the input's last dimension must be ", weight.shape()[1], ", as the weight of shape ",
                                 weight.shape(), " says; got ", x.shape()));
    if (bias.defined() && (bias.dim() != 1 || bias.shape()[0] != weight.shape()[0]))
        throw ShapeError(message(op, ": the bias has ", weight.shape()[0], " elements, got ", bias.shape()));
}

/// f(x as a matrix), a matrix [., out], with the leading dimensions of x.
template <class T, class D, class F>
Tensor<T, D> by_rows(const Tensor<T, D>& x, std::int64_t out, const F& f) {
    Shape shape = x.shape();
    const std::int64_t in = shape.back();
    shape[x.dim() - 1] = out;
    return f(x.reshape({x.numel() / std::max<std::int64_t>(1, in), in})).reshape(shape);
}

/// The values of linear() for a matrix x; without Autocast, gone through the epilogue.
template <class T, class D>
Tensor<T, D> linear_values(const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias, Epilogue epilogue) {
    auto y = empty<T, D>({x.shape()[0], weight.shape()[0]});
    const auto b = contiguous_or_none(bias);
    tell_multiplied(y.numel() * x.shape()[1]);
    if (const auto* cast = cast_for<T, D>()) [[unlikely]] {
        if (b.defined()) run_map(Identity{}, y, b);
        cast->product(x, As::is, weight, As::transposed, y, b.defined() ? Accumulate::yes : Accumulate::no);
    } else {
        gemm_bias(D{}, factor(x, As::is), factor(weight, As::transposed), b.defined() ? static_cast<const T*>(b.data()) : nullptr,
                  matrix_ref<T>(y.data(), y.shape(), y.strides()), epilogue);
    }
    return y;
}

template <class T, class D>
Tensor<T, D> record_linear(Tensor<T, D> y, const Tensor<T, D>& x, const Tensor<T, D>& weight, const Tensor<T, D>& bias) {
    return record("linear", std::move(y), input(x, [weight = saved(weight)](const auto& g) { return mm(g, weight()); }),
                  input(weight, [x = saved(x)](const auto& g) { return mm_as(g, As::transposed, x(), As::is); }),
                  input(bias, [](const auto& g) { return sum(g, 0); }));
}

}  // namespace detail

/// x W^T + b for x [..., in], W [out, in] and b [out] (or undefined), in one pass.
template <class T, class D, class U, class E>
Tensor<T, D> linear(const Tensor<T, D>& x, const Tensor<U, E>& weight, const Tensor<U, E>& bias = {}, const Here& = Here::call("linear")) {
    const OpScope scope("linear", {x.impl().get(), weight.impl().get(), bias.impl().get()});
    detail::require_same<T, D, U, E>();
    detail::check_linear("linear", x, weight, bias);
    if (x.dim() != 2) return detail::by_rows(x, weight.shape()[0], [&](const auto& rows) { return linear(rows, weight, bias); });
    auto y = detail::linear_values(x, weight, bias, Epilogue::none);
    return autograd::needs_grad(x, weight, bias) ? detail::record_linear(std::move(y), x, weight, bias) : y;
}

template <class T, class D>
Tensor<T, D> Tensor<T, D>::matmul(const Tensor& other, const Here&) const { return headtorch::matmul(*this, other); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::mm(const Tensor& other, const Here&) const { return headtorch::mm(*this, other); }
template <class T, class D>
Tensor<T, D> Tensor<T, D>::dot(const Tensor& other, const Here&) const { return headtorch::dot(*this, other); }

}  // namespace headtorch
