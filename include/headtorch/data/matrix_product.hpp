// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// A matrix product in double that adds in the order of the kernels that NumPy's OpenBLAS has for x86 processors with AVX2, so that made-up
/// data equal scikit-learn's to the last bit. The order decides about the last bits only. OpenBLAS has another one on other processors, and
/// for a vector when several of its threads share the work (from 9,216 elements on).

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "headtorch/data/numpy_random.hpp"

namespace headtorch::data::detail {

/// How a kernel for matrix times vector adds: over four lanes with fused multiplications, over four without, over two without.
enum class DotLanes { four_fused, four, two };

inline double dot_product(const double* a, const double* x, std::size_t n, DotLanes lanes) {
    const std::size_t width = lanes == DotLanes::two ? 2 : 4, blocked = n / 4 * 4;
    std::array<double, 4> sums{};
    for (std::size_t i = 0; i < blocked; ++i) {
        double& sum = sums[i % width];
        sum = lanes == DotLanes::four_fused ? std::fma(a[i], x[i], sum) : sum + rounded(a[i] * x[i]);
    }
    const double sum = lanes == DotLanes::two ? sums[0] + sums[1] : (sums[0] + sums[2]) + (sums[1] + sums[3]);
    a += blocked;
    x += blocked;
    switch (n - blocked) {
        case 0: return sum;
        case 1: return std::fma(a[0], x[0], sum);
        case 2: return sum + std::fma(a[0], x[0], rounded(a[1] * x[1]));
        default: return sum + std::fma(a[2], x[2], std::fma(a[0], x[0], rounded(a[1] * x[1])));
    }
}

/// a [rows, inner], of which consecutive rows lie `stride` apart, times b [inner, columns].
inline std::vector<double> matrix_product(const double* a, std::size_t rows, std::size_t inner, std::size_t stride,
                                          const std::vector<double>& b, std::size_t columns) {
    std::vector<double> result(rows * columns);
    if (columns == 1) {  // the rows are taken by fours; then two, then one
        for (std::size_t i = 0; i < rows; ++i) {
            const bool in_four = i < rows / 4 * 4, in_two = i < rows / 2 * 2;
            result[i] = dot_product(a + i * stride, b.data(), inner,
                                    in_four  ? DotLanes::four_fused
                                    : in_two ? DotLanes::two
                                             : DotLanes::four);
        }
        return result;
    }
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
            double sum = 0;
            for (std::size_t k = 0; k < inner; ++k) sum = std::fma(a[i * stride + k], b[k * columns + j], sum);
            result[i * columns + j] = sum;
        }
    return result;
}

}  // namespace headtorch::data::detail
