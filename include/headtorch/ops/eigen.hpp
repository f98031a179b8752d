// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Tensors as Eigen matrices and the other way round, sharing memory. The tape does not see what Eigen writes.

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "headtorch/device/cpu/eigen.hpp"
#include "headtorch/ops/reduce.hpp"
#include "headtorch/tensor/create.hpp"

namespace headtorch {

/// A tensor of at most two dimensions as an Eigen::Map of a matrix; it must outlive the map.
template <class T>
auto as_matrix(const Tensor<T, Cpu>& x) {
    return cpu::eigen_map<cpu::EigenMatrixMap<T>>("as_matrix", x.data(), x.shape(), x.strides());
}
/// The same as an array, for element-wise work.
template <class T>
auto as_array(const Tensor<T, Cpu>& x) {
    return cpu::eigen_map<cpu::EigenArrayMap<T>>("as_array", x.data(), x.shape(), x.strides());
}
/// A 1-dim tensor as a column vector.
template <class T>
auto as_vector(const Tensor<T, Cpu>& x) {
    if (x.dim() != 1) throw ShapeError(message("as_vector: needs one dimension, got ", x.shape()));
    return cpu::EigenVectorMap<T>(x.data(), x.numel(), Eigen::InnerStride<>(x.strides()[0]));
}

/// A tensor on the memory of a matrix or vector that stays the caller's and must outlive it. Columns of a column-major matrix
/// become strides.
template <class M>
    requires cpu::EigenDense<M> && std::is_lvalue_reference_v<M&&>
auto from_eigen(M&& matrix) {
    using T = typename std::remove_cvref_t<M>::Scalar;
    static_assert(!std::is_const_v<std::remove_reference_t<decltype(*matrix.data())>>,
                  "headtorch: from_eigen: a tensor can be written to; give a matrix that is not const, or a copy");
    if constexpr (std::remove_cvref_t<M>::IsVectorAtCompileTime)
        return from_blob<T>(matrix.data(), {matrix.size()}, {matrix.innerStride()});
    else
        return from_blob<T>(matrix.data(), {matrix.rows(), matrix.cols()}, {matrix.rowStride(), matrix.colStride()});
}
/// Takes a matrix over, without copying its elements.
template <class M>
    requires cpu::EigenDense<M> && (!std::is_lvalue_reference_v<M &&>) && std::is_move_constructible_v<M>
auto from_eigen(M&& matrix) {
    using T = typename M::Scalar;
    auto owner = std::make_shared<M>(std::move(matrix));
    Tensor<T, Cpu> x = from_eigen(*owner);
    x.get()->storage = wrap_storage(owner->data(), static_cast<std::size_t>(owner->size()) * sizeof(T), [owner] {});
    return x;
}

}  // namespace headtorch
