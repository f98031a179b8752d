// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Eigen and back without a copy: as_matrix(x), as_array(x), as_vector(x) show a tensor's memory to Eigen,
/// from_eigen(m) Eigen's to a tensor.

// Eigen's own headers are not free of warnings; a program that finds them by -I sees them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <Eigen/Core>
#pragma GCC diagnostic pop

#include <memory>
#include <type_traits>
#include <utility>

#include "headtorch/core/dtype.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/core/shape.hpp"

namespace headtorch::cpu {

template <class T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using EigenMatrixMap = Eigen::Map<EigenMatrix<T>, Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using EigenVectorMap = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>, Eigen::Unaligned, Eigen::InnerStride<>>;
template <class T>
using EigenArrayMap = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, Eigen::Unaligned,
                                 Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

/// Rows, columns and strides of a tensor of at most two dimensions; a vector is one column.
template <class Map, class T>
Map eigen_map(const char* op, T* data, const Shape& shape, const Strides& strides) {
    if (shape.rank() > 2) throw ShapeError(message(op, ": Eigen knows at most two dimensions, not ", shape, "; use view() or select()"));
    const std::int64_t rows = shape.rank() > 0 ? shape[0] : 1, columns = shape.rank() > 1 ? shape[1] : 1;
    const std::int64_t down = shape.rank() > 0 ? strides[0] : 1, across = shape.rank() > 1 ? strides[1] : 1;
    return Map(data, rows, columns, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(down, across));
}

/// What from_eigen() needs to know of a plain Eigen matrix or array.
template <class M>
concept EigenDense = requires(M& m) {
    m.data();
    m.rows();
    m.cols();
    m.rowStride();
    m.colStride();
} && Scalar<typename std::remove_cvref_t<M>::Scalar>;

}  // namespace headtorch::cpu
