// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The gradient of a convolution's weight as a product of matrices that are gathered as they are multiplied: rows are output channels,
/// columns (input channel, tap), and the depth is all output pixels of all images, which blocks share in parts.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "headtorch/device/cuda/conv_plan.cuh"
#include "headtorch/device/cuda/conv_sums.cuh"
#include "headtorch/device/cuda/gemm_tile.cuh"

namespace headtorch::cuda::detail {

/// One axis of the output.
struct WeightAxis {
    int in, out, kernel, stride, dilation, padding;
    Divisor by_out, by_kernel;

    explicit WeightAxis(const ConvAxis& axis)
        : in(static_cast<int>(axis.in)),
          out(static_cast<int>(axis.out)),
          kernel(static_cast<int>(axis.kernel)),
          stride(static_cast<int>(axis.stride)),
          dilation(static_cast<int>(axis.dilation)),
          padding(static_cast<int>(axis.padding)),
          by_out(divisor_of(axis.out)),
          by_kernel(divisor_of(axis.kernel)) {}
};

struct WeightPlan {
    std::int64_t pixels;                ///< of all images
    int groups, inputs, outputs, taps;  ///< channels of one group
    WeightAxis axes[3];
    int in_size, out_size;  ///< of one channel
    Parts parts;

    explicit WeightPlan(const ConvGeometry& g)
        : pixels(g.batch * g.out_size()),
          groups(static_cast<int>(g.groups)),
          inputs(static_cast<int>(g.group_inputs())),
          outputs(static_cast<int>(g.group_outputs())),
          taps(static_cast<int>(g.taps())),
          axes{WeightAxis(g.axes[0]), WeightAxis(g.axes[1]), WeightAxis(g.axes[2])},
          in_size(static_cast<int>(g.in_size())),
          out_size(static_cast<int>(g.out_size())),
          parts{1, pixels} {}

    /// Elements of the weight.
    constexpr std::int64_t count() const { return std::int64_t{groups} * outputs * inputs * taps; }
};

/// An output pixel: where it lies in dy, and where its first tap lies in x; both for channel 0 of a group.
struct PixelPlace {
    std::int64_t dy, x;
    int z, y, column;  ///< of the first tap; z far away: past the end
};
/// A tap of an input channel: relative to a pixel's first, along each axis.
struct WeightTap {
    int offset, z, y, x;
};

/// Pixel `i` of those that begin with image `first_image`.
__device__ inline PixelPlace pixel_place(const WeightPlan& plan, std::int64_t first_image, int i) {
    const Split x = divide(i, plan.axes[2].by_out), y = divide(x.quotient, plan.axes[1].by_out),
                z = divide(y.quotient, plan.axes[0].by_out);
    const std::int64_t image = first_image + z.quotient;
    PixelPlace at;
    at.z = z.rest * plan.axes[0].stride - plan.axes[0].padding;
    at.y = y.rest * plan.axes[1].stride - plan.axes[1].padding;
    at.column = x.rest * plan.axes[2].stride - plan.axes[2].padding;
    at.dy = image * plan.groups * plan.outputs * plan.out_size + (i - z.quotient * plan.out_size);
    at.x = image * plan.groups * plan.inputs * plan.in_size + (at.z * plan.axes[1].in + at.y) * plan.axes[2].in + at.column;
    return at;
}
/// Column `i` of the weight of a group: (input channel, tap).
__device__ inline WeightTap weight_tap(const WeightPlan& plan, int i) {
    const Split x = divide(i, plan.axes[2].by_kernel), y = divide(x.quotient, plan.axes[1].by_kernel),
                z = divide(y.quotient, plan.axes[0].by_kernel);
    WeightTap tap{0, z.rest * plan.axes[0].dilation, y.rest * plan.axes[1].dilation, x.rest * plan.axes[2].dilation};
    tap.offset = z.quotient * plan.in_size + (tap.z * plan.axes[1].in + tap.y) * plan.axes[2].in + tap.x;
    return tap;
}
__device__ inline bool reaches_image(const WeightPlan& plan, const PixelPlace& at, const WeightTap& tap) {
    return static_cast<unsigned>(at.z + tap.z) < static_cast<unsigned>(plan.axes[0].in) &&
           static_cast<unsigned>(at.y + tap.y) < static_cast<unsigned>(plan.axes[1].in) &&
           static_cast<unsigned>(at.column + tap.x) < static_cast<unsigned>(plan.axes[2].in);
}
inline constexpr int out_of_reach = -(1 << 29);

template <class T, class Tile>
class WeightSource {
public:
    using C = ComputeType<T>;

    __device__ WeightSource(const WeightPlan& plan, const T* x, const T* dy, int group, std::int64_t part, int row0, int col0,
                            PixelPlace (&pixels)[2][Tile::depth])
        : plan_(plan), pixels_(pixels) {
        const std::int64_t begin = part * plan.parts.length, left = plan.pixels - begin;
        first_image_ = begin / plan.out_size;
        first_ = static_cast<int>(begin - first_image_ * plan.out_size);
        depth_ = static_cast<int>(left < plan.parts.length ? left : plan.parts.length);
        x_ = x + static_cast<std::int64_t>(group) * plan.inputs * plan.in_size;
        dy_ = dy + static_cast<std::int64_t>(group) * plan.outputs * plan.out_size;
#pragma unroll
        for (int e = 0; e < Tile::a_elements; ++e) {
            const int row = row0 + a_place(e).index;
            rows_[e] = row < plan.outputs ? row * plan.out_size : -1;
        }
#pragma unroll
        for (int e = 0; e < Tile::b_elements; ++e) {
            const int col = col0 + b_place(e).index;
            taps_[e] = col < plan.inputs * plan.taps ? weight_tap(plan, col) : WeightTap{0, out_of_reach, 0, 0};
        }
    }

    __device__ int depth() const { return depth_; }
    __device__ void prepare(int slice) {
        if (threadIdx.x >= Tile::depth) return;
        const int k = slice * Tile::depth + static_cast<int>(threadIdx.x);
        PixelPlace& to = pixels_[slice & 1][threadIdx.x];
        if (k < depth_)
            to = pixel_place(plan_, first_image_, first_ + k);
        else
            to = {0, 0, out_of_reach, 0, 0};
    }
    __device__ TilePlace a_place(int e) const { return along_depth<Tile>(e); }
    __device__ TilePlace b_place(int e) const { return along_depth<Tile>(e); }
    __device__ C a(int slice, int e) const {
        const PixelPlace& at = pixels_[slice & 1][a_place(e).depth];
        return rows_[e] >= 0 && at.z != out_of_reach ? static_cast<C>(dy_[at.dy + rows_[e]]) : C{};
    }
    __device__ C b(int slice, int e) const {
        const PixelPlace& at = pixels_[slice & 1][b_place(e).depth];
        return reaches_image(plan_, at, taps_[e]) ? static_cast<C>(x_[at.x + taps_[e].offset]) : C{};
    }

private:
    const WeightPlan& plan_;
    PixelPlace (&pixels_)[2][Tile::depth];
    const T *x_, *dy_;
    std::int64_t first_image_;
    int first_, depth_;
    int rows_[Tile::a_elements];
    WeightTap taps_[Tile::b_elements];
};

/// dw, or the parts of it, one after another.
template <class T, class Out, int thread_rows>
__global__ void __launch_bounds__(256, 2)
    weight_gradient_kernel(const __grid_constant__ WeightPlan plan, const T* x, const T* dy, Out* out, int row_tiles) {
    using C = ComputeType<T>;
    using Shape = Tile<C, thread_rows>;
    __shared__ Shape tile;
    __shared__ PixelPlace pixels[2][Shape::depth];
    const int row0 = static_cast<int>(blockIdx.x) % row_tiles * Shape::rows, col0 = static_cast<int>(blockIdx.x) / row_tiles * Shape::cols;
    const int columns = plan.inputs * plan.taps;
    const std::int64_t part = blockIdx.z;
    for (int group = static_cast<int>(blockIdx.y); group < plan.groups; group += static_cast<int>(gridDim.y)) {
        WeightSource<T, Shape> source(plan, x, dy, group, part, row0, col0, pixels);
        C sum[thread_rows][4];
        multiply_tile<512 / Shape::depth>(tile, source, ceil_div(source.depth(), Shape::depth), sum);
        Out* const to = out + (part * plan.groups + group) * plan.outputs * columns;
#pragma unroll
        for (int i = 0; i < thread_rows; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int row = row0 + static_cast<int>(threadIdx.x) / 16 * thread_rows + i;
                const int col = col0 + static_cast<int>(threadIdx.x) % 16 * 4 + j;
                if (row < plan.outputs && col < columns) to[static_cast<std::int64_t>(row) * columns + col] = static_cast<Out>(sum[i][j]);
            }
    }
}

/// How many parts of a weight's gradient fit 256 MiB.
template <class C>
std::int64_t most_weight_parts(std::int64_t count) {
    return std::clamp<std::int64_t>((std::int64_t{256} << 20) / static_cast<std::int64_t>(sizeof(C)) / std::max<std::int64_t>(1, count), 1,
                                    most_blocks_y);
}

template <class T, class Out>
void weight_gradient_by_tiles(std::string_view op, WeightPlan plan, const T* x, const T* dy, Out* dw) {
    using C = ComputeType<T>;
    const std::int64_t count = plan.count();
    const auto run = [&](auto whole, auto partly, int rows) {
        const int row_tiles = ceil_div(plan.outputs, rows);
        const int tiles = row_tiles * ceil_div(plan.inputs * plan.taps, 64);
        plan.parts = part_range(plan.pixels, std::int64_t{tiles} * plan.groups, 16, 512, most_weight_parts<C>(count));
        const Grid grid{dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(std::min<std::int64_t>(plan.groups, most_blocks_y)),
                             static_cast<unsigned>(plan.parts.count)),
                        dim3(256)};
        if (plan.parts.count == 1) return launch(op, whole, grid, plan, x, dy, dw, row_tiles);
        const Scratch<C> partial(plan.parts.count * count);
        launch(op, partly, grid, plan, x, dy, partial.data(), row_tiles);
        add_parts(op, count, plan.parts.count, static_cast<const C*>(partial.data()), dw);
    };
    if (plan.outputs > 32)
        run(&weight_gradient_kernel<T, Out, 4>, &weight_gradient_kernel<T, C, 4>, 64);
    else
        run(&weight_gradient_kernel<T, Out, 2>, &weight_gradient_kernel<T, C, 2>, 32);
}

}  // namespace headtorch::cuda::detail
