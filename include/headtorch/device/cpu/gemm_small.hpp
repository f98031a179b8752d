// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Matrix products that are too small or too thin for packing, and those of integers.

#include <cstdint>
#include <type_traits>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/matrix.hpp"

namespace headtorch::cpu::detail {

/// Any product, one element after the other.
template <class T>
void gemm_tiny(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, Accumulate accumulate) {
    for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.cols; ++j) {
            const T* x = a.data + i * a.row_stride;
            const T* y = b.data + j * b.col_stride;
            T sum = 0;
            for (std::int64_t p = 0; p < a.cols; ++p) sum += x[p * a.col_stride] * y[p * b.row_stride];
            T& target = c(i, j);
            target = accumulate == Accumulate::yes ? target + sum : sum;
        }
}

/// Any product of integers, which wrap around.
template <class T>
void gemm_integer(MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<T> c, Accumulate accumulate) {
    using Wide = std::conditional_t<(sizeof(T) > sizeof(unsigned)), std::uint64_t, unsigned>;
    for (std::int64_t i = 0; i < c.rows; ++i) {
        if (accumulate == Accumulate::no)
            for (std::int64_t j = 0; j < c.cols; ++j) c(i, j) = 0;
        for (std::int64_t p = 0; p < a.cols; ++p) {
            const Wide x = static_cast<Wide>(a(i, p));
            const auto row = [&](const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
                for (std::int64_t j = 0; j < c.cols; ++j)
                    to[j * to_step] = static_cast<T>(static_cast<Wide>(to[j * to_step]) + x * static_cast<Wide>(from[j * from_step]));
            };
            if (b.col_stride == 1 && c.col_stride == 1) {
                row(&b(p, 0), 1, &c(i, 0), 1);
            } else {
                row(&b(p, 0), b.col_stride, &c(i, 0), c.col_stride);
            }
        }
    }
}

}  // namespace headtorch::cpu::detail
