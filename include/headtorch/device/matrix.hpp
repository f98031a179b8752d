// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How the matrix kernels see their operands: a pointer, a shape, two strides.

#include <cstdint>
#include <type_traits>

namespace headtorch {

/// A matrix in memory that somebody else owns; strides count elements and are not negative, 0 repeats a row or column.
template <class T>
struct MatrixRef {
    T* data;
    std::int64_t rows, cols, row_stride, col_stride;

    T& operator()(std::int64_t i, std::int64_t j) const { return data[i * row_stride + j * col_stride]; }
    MatrixRef transposed() const { return {data, cols, rows, col_stride, row_stride}; }
    MatrixRef block(std::int64_t i, std::int64_t j, std::int64_t height, std::int64_t width) const {
        return {data + i * row_stride + j * col_stride, height, width, row_stride, col_stride};
    }
    template <class U>
        requires(std::is_same_v<U, const T> && !std::is_const_v<T>)
    operator MatrixRef<U>() const { return {data, rows, cols, row_stride, col_stride}; }
};

/// What becomes of a product's elements on their way to memory.
enum class Epilogue : unsigned char { none, relu };

/// Whether a product replaces the values of its target or is added to them.
enum class Accumulate : bool { no, yes };

}  // namespace headtorch
