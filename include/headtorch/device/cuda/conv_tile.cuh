// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Convolutions and their input gradients as products of matrices, the second of which is never there: what a tile needs of the images is
/// gathered as it is multiplied. Rows are the target's channels, columns its pixels of all images, and the depth is (source channel, tap).
/// After S. Chetlur et al., "cuDNN: efficient primitives for deep learning", arXiv:1410.0759 (2014).

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/conv_plan.cuh"
#include "headtorch/device/cuda/gemm_tile.cuh"

namespace headtorch::cuda::detail {

/// Where an element of the depth lies: relative to a pixel's first source, along each axis, and in the weight (-1: past the end).
struct TapPlace {
    int offset, z, y, x, weight;
};

/// Where a column lies: the image, its target pixel, and the source of the first tap.
struct ColumnPlace {
    int image, target, z, y, x;
};

template <class T, class Out = T>
struct CorrelationData {
    const T *source, *weight;
    const Out* bias;
    Out* target;
};

template <class T, class Tile>
class CorrelationSource {
public:
    using C = ComputeType<T>;

    __device__ CorrelationSource(const Correlation& plan, const AxisClass (&axes)[3], const T* source, const T* weight, int group, int row0,
                                 int col0, int columns, TapPlace (&taps)[2][Tile::depth])
        : plan_(plan), axes_(axes), weight_(weight), row0_(row0), taps_(taps) {
        depth_ = plan.source_channels * axes[0].taps * axes[1].taps * axes[2].taps;
        const int col = col0 + static_cast<int>(threadIdx.x) % Tile::cols;
        z_ = -(1 << 29);  // out of every source's reach
        y_ = x_ = start_ = 0;
        source_ = source;
        if (col < columns) {
            const ColumnPlace at = column(plan, axes, col);
            z_ = at.z;
            y_ = at.y;
            x_ = at.x;
            start_ = (z_ * plan.axes[1].source + y_) * plan.axes[2].source + x_;
            source_ += (static_cast<std::int64_t>(at.image) * plan.groups + group) * plan.source_channels * plan.source_size;
        }
    }

    __device__ static ColumnPlace column(const Correlation& plan, const AxisClass (&axes)[3], int col) {
        const Split x = divide(col, plan.axes[2].counts[axes[2].by_count]);
        const Split y = divide(x.quotient, plan.axes[1].counts[axes[1].by_count]);
        const Split z = divide(y.quotient, plan.axes[0].counts[axes[0].by_count]);
        const int target =
            ((axes[0].first + z.rest * axes[0].pace) * plan.axes[1].target + axes[1].first + y.rest * axes[1].pace) * plan.axes[2].target +
            axes[2].first + x.rest * axes[2].pace;
        return {z.quotient, target, z.rest * axes[0].stride + axes[0].base, y.rest * axes[1].stride + axes[1].base,
                x.rest * axes[2].stride + axes[2].base};
    }

    __device__ int depth() const { return depth_; }
    __device__ void prepare(int slice) {
        if (threadIdx.x >= Tile::depth) return;
        TapPlace& to = taps_[slice & 1][threadIdx.x];
        const int k = slice * Tile::depth + static_cast<int>(threadIdx.x);
        if (k >= depth_) {
            to = {0, 0, 0, 0, -1};
            return;
        }
        const Split x = divide(k, plan_.axes[2].taps[axes_[2].by_taps]);
        const Split y = divide(x.quotient, plan_.axes[1].taps[axes_[1].by_taps]);
        const Split z = divide(y.quotient, plan_.axes[0].taps[axes_[0].by_taps]);
        const int channel = z.quotient;
        to.z = z.rest * axes_[0].step;
        to.y = y.rest * axes_[1].step;
        to.x = x.rest * axes_[2].step;
        to.offset = channel * plan_.source_size + (to.z * plan_.axes[1].source + to.y) * plan_.axes[2].source + to.x;
        to.weight =
            channel * plan_.channel_stride +
            ((axes_[0].tap_first + z.rest * axes_[0].tap_pace) * plan_.axes[1].kernel + axes_[1].tap_first + y.rest * axes_[1].tap_pace) *
                plan_.axes[2].kernel +
            axes_[2].tap_first + x.rest * axes_[2].tap_pace;
    }
    __device__ TilePlace a_place(int e) const { return along_depth<Tile>(e); }
    __device__ TilePlace b_place(int e) const { return along_edge<Tile, Tile::cols>(e); }
    __device__ C a(int slice, int e) const {
        const TilePlace at = a_place(e);
        const int weight = taps_[slice & 1][at.depth].weight, row = row0_ + at.index;
        return weight >= 0 && row < plan_.target_channels ? static_cast<C>(weight_[row * plan_.row_stride + weight]) : C{};
    }
    __device__ C b(int slice, int e) const {
        const TapPlace& tap = taps_[slice & 1][b_place(e).depth];
        const bool inside = tap.weight >= 0 && static_cast<unsigned>(z_ + tap.z) < static_cast<unsigned>(plan_.axes[0].source) &&
                            static_cast<unsigned>(y_ + tap.y) < static_cast<unsigned>(plan_.axes[1].source) &&
                            static_cast<unsigned>(x_ + tap.x) < static_cast<unsigned>(plan_.axes[2].source);
        return inside ? static_cast<C>(source_[start_ + tap.offset]) : C{};
    }

private:
    const Correlation& plan_;
    const AxisClass (&axes_)[3];
    const T *source_, *weight_;
    int row0_, depth_, z_, y_, x_, start_;
    TapPlace (&taps_)[2][Tile::depth];
};

template <class T, class Out, int thread_rows>
__global__ void __launch_bounds__(256, 2)
    correlate_kernel(const __grid_constant__ Correlation plan, CorrelationData<T, Out> data, int row_tiles, int classes) {
    using C = ComputeType<T>;
    using Shape = Tile<C, thread_rows>;
    __shared__ Shape tile;
    __shared__ TapPlace taps[2][Shape::depth];
    __shared__ AxisClass axes[3];
    const int row0 = static_cast<int>(blockIdx.x) % row_tiles * Shape::rows;
    for (int kind = static_cast<int>(blockIdx.z); kind < classes; kind += static_cast<int>(gridDim.z)) {
        if (threadIdx.x == 0) {
            const int by_x = plan.axes[2].classes, by_y = plan.axes[1].classes;
            axes[0] = plan.axes[0].at(kind / by_x / by_y);
            axes[1] = plan.axes[1].at(kind / by_x % by_y);
            axes[2] = plan.axes[2].at(kind % by_x);
        }
        __syncthreads();
        const int columns = plan.images * axes[0].count * axes[1].count * axes[2].count;
        const std::int64_t col_first = static_cast<std::int64_t>(blockIdx.x) / row_tiles * Shape::cols;
        if (col_first < columns) {
            const int col0 = static_cast<int>(col_first);
            for (int group = static_cast<int>(blockIdx.y); group < plan.groups; group += static_cast<int>(gridDim.y)) {
                CorrelationSource<T, Shape> source(plan, axes, data.source, data.weight + group * plan.group_weights, group, row0, col0,
                                                   columns, taps);
                C sum[thread_rows][4];
                multiply_tile<0>(tile, source, ceil_div(source.depth(), Shape::depth), sum);
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    const int col = col0 + static_cast<int>(threadIdx.x) % 16 * 4 + j;
                    if (col >= columns) continue;
                    const ColumnPlace at = CorrelationSource<T, Shape>::column(plan, axes, col);
                    const int first = row0 + static_cast<int>(threadIdx.x) / 16 * thread_rows;
                    const std::int64_t channel = (static_cast<std::int64_t>(at.image) * plan.groups + group) * plan.target_channels + first;
                    Out* const to = data.target + channel * plan.target_size + at.target;
#pragma unroll
                    for (int i = 0; i < thread_rows; ++i) {
                        if (first + i >= plan.target_channels) continue;
                        const C bias = data.bias ? static_cast<C>(data.bias[group * plan.target_channels + first + i]) : C{};
                        to[static_cast<std::int64_t>(i) * plan.target_size] = static_cast<Out>(sum[i][j] + bias);
                    }
                }
            }
        }
        __syncthreads();  // before the next class takes the place of this one
    }
}

/// Computes a correlation by tiles. How high they are does not change the result, which has one order of summation.
template <class T, class Out = T>
void correlate_by_tiles(std::string_view op, const Correlation& plan, const CorrelationData<T, Out>& data) {
    std::int64_t columns = plan.images;  // of the largest class
    for (const CorrelationAxis& axis : plan.axes) columns *= ceil_div(axis.target, axis.backward ? axis.stride : 1);
    const int classes = plan.classes();
    if (columns == 0 || plan.target_channels == 0) return;
    const auto blocks = [&](int rows) { return ceil_div(plan.target_channels, rows) * ceil_div(columns, 64) * plan.groups * classes; };
    const auto run = [&](auto kernel, int rows) {
        const int row_tiles = ceil_div(plan.target_channels, rows);
        const Grid grid{dim3(static_cast<unsigned>(row_tiles * ceil_div(columns, 64)),
                             static_cast<unsigned>(std::min<std::int64_t>(plan.groups, most_blocks_y)),
                             static_cast<unsigned>(std::min<std::int64_t>(classes, most_blocks_y))),
                        dim3(256)};
        launch(op, kernel, grid, plan, data, row_tiles, classes);
    };
    const std::int64_t enough = 2 * multi_processor_count();  // high tiles do more with what they load, if there are blocks for all
    if (plan.target_channels > 64 && blocks(128) >= enough)
        run(&correlate_kernel<T, Out, 8>, 128);
    else if (plan.target_channels > 32 && blocks(64) >= enough)
        run(&correlate_kernel<T, Out, 4>, 64);
    else
        run(&correlate_kernel<T, Out, 2>, 32);
}

}  // namespace headtorch::cuda::detail
