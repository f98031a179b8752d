// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Our own product of matrices: any element type, any strides, any sizes. Integers, tiny products and what cuBLASLt does not take go this
/// way, and it is the second opinion that cuBLASLt is tested against.

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "headtorch/device/cuda/gemm_tile.cuh"
#include "headtorch/device/matrix.hpp"

namespace headtorch::cuda {

namespace detail {

/// c (+)= a b (+ bias) for a batch; matrix i of an operand starts at data + i * its batch stride.
template <class T, class Out = T>
struct Product {
    std::int64_t batch = 1;
    MatrixRef<const T> a, b;
    MatrixRef<Out> c;
    std::int64_t a_batch = 0, b_batch = 0, c_batch = 0;
    const Out* bias = nullptr;  ///< one for each column, or null
    bool add = false;
    Epilogue epilogue = Epilogue::none;

    /// The same numbers, seen from the other side; without a bias.
    Product transposed() const {
        return {batch, b.transposed(), a.transposed(), c.transposed(), b_batch, a_batch, c_batch, nullptr, add, epilogue};
    }
};

template <class C>
__device__ inline C apply_epilogue(Epilogue epilogue, C x) {
    if constexpr (std::is_floating_point_v<C>)  // relu is of nothing else
        return epilogue == Epilogue::relu && x < C{0} ? C{0} : x;
    else
        return x;
}

/// Element e of a factor that a thread fetches, as a pointer that moves on from slice to slice.
template <class T, class Tile, int width, int elements>
class FactorWalk {
public:
    /// `edge` counts along the tile's edge, from `first`; neighbouring threads read neighbouring elements, where there are such.
    __device__ FactorWalk(const T* data, std::int64_t edge, std::int64_t edge_stride, std::int64_t first, std::int64_t depth,
                          std::int64_t depth_stride)
        : depth_(depth), step_(depth_stride * Tile::depth), along_depth_(depth_stride == 1) {
#pragma unroll
        for (int e = 0; e < elements; ++e) {
            const TilePlace at = place(e);
            inside_[e] = depth > 0 && first + at.index < edge;
            next_[e] = inside_[e] ? data + (first + at.index) * edge_stride + at.depth * depth_stride : data;
        }
    }
    __device__ TilePlace place(int e) const { return along_depth_ ? along_depth<Tile>(e) : along_edge<Tile, width>(e); }
    __device__ ProductType<T> fetch(int slice, int e) {
        const T* const from = next_[e];
        next_[e] += step_;
        return inside_[e] && static_cast<std::int64_t>(slice) * Tile::depth + place(e).depth < depth_ ? as_factor(*from) : ProductType<T>{};
    }

private:
    const T* next_[elements];
    bool inside_[elements];
    std::int64_t depth_, step_;
    bool along_depth_;
};

template <class T, class Tile>
struct ProductSource {
    FactorWalk<T, Tile, Tile::rows, Tile::a_elements> from_a;
    FactorWalk<T, Tile, Tile::cols, Tile::b_elements> from_b;

    __device__ void prepare(int) const {}
    __device__ ProductType<T> a(int slice, int e) { return from_a.fetch(slice, e); }
    __device__ ProductType<T> b(int slice, int e) { return from_b.fetch(slice, e); }
    __device__ TilePlace a_place(int e) const { return from_a.place(e); }
    __device__ TilePlace b_place(int e) const { return from_b.place(e); }
};

template <class T, class Out, int thread_rows>
__global__ void __launch_bounds__(256, 2) gemm_kernel(Product<T, Out> p, std::int64_t col_tiles) {
    using C = ProductType<T>;
    using Shape = Tile<C, thread_rows>;
    __shared__ Shape tile;
    const std::int64_t row0 = blockIdx.x / col_tiles * Shape::rows, col0 = blockIdx.x % col_tiles * Shape::cols;
    const std::int64_t depth = p.a.cols;
    for (std::int64_t i = blockIdx.y; i < p.batch; i += gridDim.y) {
        ProductSource<T, Shape> source{{p.a.data + i * p.a_batch, p.c.rows, p.a.row_stride, row0, depth, p.a.col_stride},
                                       {p.b.data + i * p.b_batch, p.c.cols, p.b.col_stride, col0, depth, p.b.row_stride}};
        C sum[thread_rows][4];
        // as many slices as make a run of 512: the sums of one run are small beside the whole
        multiply_tile<512 / Shape::depth>(tile, source, static_cast<int>(ceil_div(depth, Shape::depth)), sum);
#pragma unroll
        for (int r = 0; r < thread_rows; ++r)
#pragma unroll
            for (int q = 0; q < 4; ++q) {
                const std::int64_t row = row0 + threadIdx.x / 16 * thread_rows + r, col = col0 + threadIdx.x % 16 * 4 + q;
                if (row >= p.c.rows || col >= p.c.cols) continue;
                Out& to = p.c.data[i * p.c_batch + row * p.c.row_stride + col * p.c.col_stride];
                C value = sum[r][q];
                if (p.add) value += as_factor(to);
                if (p.bias) value += as_factor(p.bias[col]);
                to = static_cast<Out>(apply_epilogue(p.epilogue, value));
            }
    }
}

/// Any product at all. Where c_batch is 0, batch must be 1.
template <class T, class Out = T>
void gemm_tiled(std::string_view op, Product<T, Out> p) {
    if (p.c.rows == 0 || p.c.cols == 0 || p.batch <= 0) return;
    if (p.a.cols == 0) p.a_batch = p.b_batch = 0;  // factors without elements may have no memory
    const auto run = [&](auto kernel, int rows, int cols) {
        const std::int64_t col_tiles = ceil_div(p.c.cols, cols), tiles = ceil_div(p.c.rows, rows) * col_tiles;
        const Grid grid{dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(std::min(p.batch, most_blocks_y))), dim3(256)};
        launch(op, kernel, grid, p, col_tiles);
    };
    if (p.c.rows <= 32)
        run(&gemm_kernel<T, Out, 2>, 32, 64);
    else
        run(&gemm_kernel<T, Out, 4>, 64, 64);
}

}  // namespace detail
}  // namespace headtorch::cuda
