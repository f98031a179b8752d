// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Products of matrices on the GPU: by cuBLASLt, where it is at home, else by our own kernel. Semantics as in device/cpu/gemm.hpp.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "headtorch/device/cuda/gemm_kernel.cuh"
#include "headtorch/device/cuda/gemm_lt.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/matrix.hpp"

namespace headtorch::cuda {
namespace detail {

struct CopyElement {
    static constexpr std::string_view name = "matmul";
    template <class X>
    constexpr X operator()(X x) const {
        return x;
    }
};

/// to = from, for matrices with any strides, of a batch.
template <class T>
void copy_matrices(std::int64_t batch, const MatrixRef<const T>& from, std::int64_t from_batch, const MatrixRef<T>& to,
                   std::int64_t to_batch) {
    const CopyElement formula;
    const Strides strides[] = {{to_batch, to.row_stride, to.col_stride}, {from_batch, from.row_stride, from.col_stride}};
    const MapCall call{map_kernel<CopyElement, T, T>(Cuda{}), &formula, 2, {to.data, const_cast<T*>(from.data)}, {sizeof(T), sizeof(T)}};
    map_strided(Cuda{}, call, Shape{batch, to.rows, to.cols}, strides);
}

/// A factor as cuBLASLt can read it: itself, or a copy in rows.
template <class T>
class ReadableFactor {
public:
    ReadableFactor(std::int64_t batch, MatrixRef<const T> x, std::int64_t& batch_stride) : matrix_(x) {
        LtMatrix place;
        if (lt_matrix(x, batch_stride, place)) return;
        const std::int64_t copies = batch_stride == 0 ? 1 : batch, size = x.rows * x.cols;
        copy_.emplace(copies * size);
        copy_matrices<T>(copies, x, batch_stride, {copy_->data(), x.rows, x.cols, x.cols, 1}, size);
        matrix_ = {copy_->data(), x.rows, x.cols, x.cols, 1};
        if (batch_stride != 0) batch_stride = size;
    }
    MatrixRef<const T> get() const { return matrix_; }

private:
    MatrixRef<const T> matrix_;
    std::optional<Scratch<T>> copy_;
};

/// True when cuBLASLt took the product. A bias that it does not add itself is there before the product is added.
template <class T, class Out>
bool gemm_lt_or_added(std::string_view op, Product<T, Out> p) {
    if (gemm_lt(op, p)) return true;
    if (!p.bias || p.add || p.epilogue != Epilogue::none) return false;
    copy_matrices<Out>(p.batch, {p.bias, p.c.rows, p.c.cols, 0, 1}, 0, p.c, p.c_batch);
    p.bias = nullptr;
    p.add = true;
    return gemm_lt(op, p);
}

/// Products of so little work that our own kernel, one tile and a few slices, takes no longer than the fastest.
template <class T, class Out>
bool is_tiny(const Product<T, Out>& p) {
    return p.a.cols <= 64 && p.c.rows <= 16 && p.c.cols <= 64 && p.batch <= 16;
}

/// The product by the way that suits it. c_batch is not 0, unless batch is 1.
template <class T, class Out = T>
void gemm_any(std::string_view op, Product<T, Out> p) {
    if (p.c.rows == 0 || p.c.cols == 0 || p.batch <= 0) return;
    if constexpr (Floating<T>) {
        LtMatrix place;
        bool writable = lt_matrix(p.c, p.c_batch, place);
        if (writable && place.transposed) {  // cuBLASLt wants rows of c without gaps, and its bias goes along them
            if (p.bias)
                writable = false;
            else
                p = p.transposed();
        }
        if (writable && p.a.cols > 0 && !is_tiny(p)) {
            const ReadableFactor<T> a(p.batch, p.a, p.a_batch), b(p.batch, p.b, p.b_batch);
            p.a = a.get();
            p.b = b.get();
            std::int64_t first = 0;
            while (first < p.batch) {
                Product<T, Out> part = p;
                part.batch = std::min(p.batch - first, most_blocks_y);
                part.a.data += first * p.a_batch;
                part.b.data += first * p.b_batch;
                part.c.data += first * p.c_batch;
                if (!gemm_lt_or_added(op, part)) gemm_tiled(op, part);
                first += part.batch;
            }
            return;
        }
    }
    gemm_tiled(op, p);
}

}  // namespace detail

/// c = a b, or c += a b. Shapes [m, k], [k, n], [m, n] must agree; c must not overlap a or b, nor itself. k = 0 gives zeros.
/// Halfs are summed in float, and rounded once, or not at all where c is of floats. Integers wrap around as in PyTorch.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void gemm(Cuda, MatrixRef<const T> a, MatrixRef<const T> b, MatrixRef<Out> c, Accumulate accumulate) {
    detail::gemm_any<T, Out>("matmul", {.a = a, .b = b, .c = c, .add = accumulate == Accumulate::yes});
}

/// c[i] (+)= a[i] b[i] for i in [0, batch), where matrix i of an operand starts at data + i * stride. stride_a and stride_b may be 0 (one
/// matrix for all); stride_c may be 0 to sum all products into one matrix.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void gemm_batched(Cuda, std::int64_t batch, MatrixRef<const T> a, std::int64_t stride_a, MatrixRef<const T> b, std::int64_t stride_b,
                  MatrixRef<Out> c, std::int64_t stride_c, Accumulate accumulate) {
    if (batch <= 0) return;
    bool add = accumulate == Accumulate::yes;
    if (stride_c == 0 && batch > 1) {
        // columns of a that continue from matrix to matrix, and rows of b: that is one deep product
        if (stride_a == a.cols * a.col_stride && stride_b == b.rows * b.row_stride) {
            a.cols *= batch;
            b.rows *= batch;
            batch = 1;
        }
        for (std::int64_t i = 0; i < batch; ++i) {
            detail::gemm_any<T, Out>("matmul", {.a = a, .b = b, .c = c, .add = add});
            a.data += stride_a;
            b.data += stride_b;
            add = true;
        }
        return;
    }
    // one matrix b for all, and rows that continue from matrix to matrix: that is one tall product
    if (stride_b == 0 && stride_a == a.rows * a.row_stride && stride_c == c.rows * c.row_stride) {
        a.rows *= batch;
        c.rows *= batch;
        batch = 1;
    }
    detail::gemm_any<T, Out>("matmul", {batch, a, b, c, stride_a, stride_b, stride_c, nullptr, add});
}

/// c = a b + bias, which has one element for each column, or is null; then what the epilogue says.
template <class T, class Out>
    requires detail::StoredAs<T, Out>
void gemm_bias(Cuda, MatrixRef<const T> a, MatrixRef<const T> b, const Out* bias, MatrixRef<Out> c, Epilogue epilogue) {
    detail::gemm_any<T, Out>("linear", {.a = a, .b = b, .c = c, .bias = bias, .epilogue = epilogue});
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::gemm;
using cuda::gemm_batched;
using cuda::gemm_bias;
}  // namespace headtorch
