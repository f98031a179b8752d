// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The weight gradient of 3 x 3 kernels with stride 1, as in conv_winograd.hpp: dw = G^T [sum over tiles of (A dy A^T) * (B^T x B)] G. The
/// sums are 16 matrix products whose inner dimension runs over tiles, so here the lanes of a vector are channels.

#include <algorithm>
#include <cstdint>

#include "headtorch/device/cpu/conv_winograd.hpp"

namespace headtorch::cpu::detail {

template <class T>
class WinogradWeightGradient {
public:
    WinogradWeightGradient(const ConvGeometry& geometry, const T* x, const T* dy, T* dw)
        : geometry_(geometry),
          height_(geometry.axes[1]),
          width_(geometry.axes[2]),
          x_(x),
          dy_(dy),
          dw_(dw),
          down_(ceil_div(height_.out, 2)),
          across_(ceil_div(width_.out, 2)),
          inputs_(geometry.group_inputs()),
          outputs_(geometry.group_outputs()),
          input_lanes_(ceil_div(inputs_, W) * W),
          output_lanes_(ceil_div(outputs_, W) * W) {}

    void run() const {
        const std::int64_t rows = geometry_.batch * down_, at_once = std::min(rows, ceil_div(256, across_)), most = at_once * across_;
        const Scratch<T> sums(Winograd::products * sum_step()), in(Winograd::products * product_step<T>(most * input_lanes_)),
            out(Winograd::products * product_step<T>(most * output_lanes_));
        for (std::int64_t group = 0; group < geometry_.groups; ++group) {
            for (std::int64_t first = 0; first < rows; first += at_once) {
                const std::int64_t count = std::min(at_once, rows - first), tiles = count * across_;
                parallel_for(count, ceil_div(1 << 15, across_ * (input_lanes_ + output_lanes_)), [&](std::int64_t begin, std::int64_t end) {
                    transform_rows(group, first, first + begin, first + end, tiles, in.data(), out.data());
                });
                multiply(tiles, in.data(), out.data(), first > 0, sums.data());
            }
            transform_sums(sums.data(), dw_ + group * outputs_ * inputs_ * 9);
        }
    }

private:
    static constexpr int W = lanes<T>;
    using P = Packet<T, W>;

    std::int64_t sum_step() const { return product_step<T>(output_lanes_ * input_lanes_); }

    /// Row `y` of a plane with `lanes` channels, transposed: to[x][channel] from column `front` on, with zeros around.
    static void transpose_row(const T* plane, std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t y,
                              std::int64_t front, std::int64_t columns, std::int64_t lanes, T* to) {
        const bool inside = y >= 0 && y < height;
        const std::int64_t count = inside ? std::min(width, columns - front) : 0, begin = inside ? front : 0;
        std::fill_n(to, begin * lanes, T{});
        std::fill(to + (begin + count) * lanes, to + columns * lanes, T{});
        for (std::int64_t c = 0; inside && c < channels; c += W)
            pack_transposed(plane + c * height * width + y * width, height * width,
                            static_cast<int>(std::min<std::int64_t>(W, channels - c)), count, to + begin * lanes + c,
                            static_cast<int>(lanes));
    }

    /// The transforms of rows of tiles, counted through all images: tile i of the chunk (whose first row is `first`) and channel c are
    /// at [product][panel of c][i][c].
    void transform_rows(std::int64_t group, std::int64_t first, std::int64_t begin, std::int64_t end, std::int64_t tiles, T* in,
                        T* out) const {
        const std::int64_t columns = 2 * across_ + 2, x_row = columns * input_lanes_, dy_row = columns * output_lanes_;
        const Scratch<T> x_rows(4 * x_row), dy_rows(2 * dy_row);  // of x the rows of one tile: row y in place y modulo 4
        std::fill_n(x_rows.data(), 4 * x_row, T{});
        std::fill_n(dy_rows.data(), 2 * dy_row, T{});
        for (std::int64_t row = begin; row < end; ++row) {
            const std::int64_t image = row / down_, y = 2 * (row % down_);
            const T* const x = x_ + (image * geometry_.in_channels + group * inputs_) * height_.in * width_.in;
            const T* const dy = dy_ + (image * geometry_.out_channels + group * outputs_) * height_.out * width_.out;
            for (std::int64_t i = row == begin || y == 0 ? 0 : 2; i < 4; ++i)
                transpose_row(x, height_.in, width_.in, inputs_, y + i - height_.padding, width_.padding, columns, input_lanes_,
                              x_rows.data() + (y + i) % 4 * x_row);
            for (std::int64_t i = 0; i < 2; ++i)
                transpose_row(dy, height_.out, width_.out, outputs_, y + i, 0, columns, output_lanes_, dy_rows.data() + i * dy_row);
            for (std::int64_t tile = 0; tile < across_; ++tile) {
                const std::int64_t at = (row - first) * across_ + tile;
                const T* const from = x_rows.data() + 2 * tile * input_lanes_;
                for (std::int64_t c = 0; c < input_lanes_; c += W) {
                    const std::int64_t panel = c / tile_cols<T> * tile_cols<T>,
                                       width = std::min<std::int64_t>(tile_cols<T>, input_lanes_ - panel);
                    transform_input(from + c, y % 4, x_row, in + panel * tiles + at * width + c - panel,
                                    product_step<T>(tiles * input_lanes_));
                }
                for (std::int64_t m = 0; m < output_lanes_; m += W)
                    transform_output(dy_rows.data() + 2 * tile * output_lanes_ + m, dy_row, out + m * tiles + at * W,
                                     product_step<T>(tiles * output_lanes_));
            }
        }
    }
    HEADTORCH_NOINLINE void transform_input(const T* from, std::int64_t y, std::int64_t row, T* to, std::int64_t step) const {
        P d[4][4];
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) d[i][j] = P::load(from + (y + i) % 4 * row + j * input_lanes_);
        for (int j = 0; j < 4; ++j) Winograd::input(d[0][j], d[1][j], d[2][j], d[3][j]);
        for (int i = 0; i < 4; ++i) {
            Winograd::input(d[i][0], d[i][1], d[i][2], d[i][3]);
            for (int j = 0; j < 4; ++j) d[i][j].store(to + (4 * i + j) * step);
        }
    }
    HEADTORCH_NOINLINE void transform_output(const T* from, std::int64_t row, T* to, std::int64_t step) const {
        P half[2][4];
        for (int j = 0; j < 2; ++j)
            Winograd::output_transposed(P::load(from + j * output_lanes_), P::load(from + row + j * output_lanes_), half[j][0], half[j][1],
                                        half[j][2], half[j][3]);
        for (int i = 0; i < 4; ++i) {
            P m[4];
            Winograd::output_transposed(half[0][i], half[1][i], m[0], m[1], m[2], m[3]);
            for (int j = 0; j < 4; ++j) m[j].store(to + (4 * i + j) * step);
        }
    }

    /// sums[product][output][input] (+)= sum over tiles of out[product][output][tile] in[product][tile][input]
    void multiply(std::int64_t tiles, const T* in, const T* out, bool accumulate, T* sums) const {
        constexpr int rows = W / 2;
        const std::int64_t panels = output_lanes_ / W;
        parallel_for(Winograd::products * panels, ceil_div(parallel_grain, tiles * W * input_lanes_),
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) {
                             const std::int64_t product = i / panels, m = i % panels * W;
                             for (std::int64_t c = 0; c < input_lanes_; c += tile_cols<T>) {
                                 const std::int64_t width = std::min<std::int64_t>(tile_cols<T>, input_lanes_ - c);
                                 const T* const b = in + product * product_step<T>(tiles * input_lanes_) + c * tiles;
                                 for (int half = 0; half < W; half += rows) {
                                     const T* const a = out + product * product_step<T>(tiles * output_lanes_) + m * tiles + half;
                                     T* const to = sums + product * sum_step() + (m + half) * input_lanes_ + c;
                                     const TileTarget<T> target{to, input_lanes_, 1, rows, static_cast<int>(width), accumulate};
                                     tile_product_for<T>(rows, width > W ? 2 : 1)(tiles, a, W, b, width, target);
                                 }
                             }
                         }
                     });
    }

    void transform_sums(const T* sums, T* dw) const {
        parallel_for(outputs_, ceil_div(1 << 15, 9 * inputs_), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t m = begin; m < end; ++m)
                for (std::int64_t c = 0; c < inputs_; c += W) {
                    alignas(buffer_alignment) T taps[9 * W];
                    transform_kernel(sums + m * input_lanes_ + c, sum_step(), taps);
                    pack_transposed(taps, W, 9, std::min<std::int64_t>(W, inputs_ - c), dw + (m * inputs_ + c) * 9, 9);
                }
        });
    }
    HEADTORCH_NOINLINE static void transform_kernel(const T* sums, std::int64_t step, T* taps) {
        P half[3][4];
        for (int j = 0; j < 4; ++j)
            Winograd::kernel_transposed(P::load(sums + j * step), P::load(sums + (4 + j) * step), P::load(sums + (8 + j) * step),
                                        P::load(sums + (12 + j) * step), half[0][j], half[1][j], half[2][j]);
        for (int i = 0; i < 3; ++i) {
            P w[3];
            Winograd::kernel_transposed(half[i][0], half[i][1], half[i][2], half[i][3], w[0], w[1], w[2]);
            for (int j = 0; j < 3; ++j) w[j].store(taps + (3 * i + j) * W);
        }
    }

    const ConvGeometry& geometry_;
    const ConvAxis &height_, &width_;
    const T *x_, *dy_;
    T* dw_;
    std::int64_t down_, across_, inputs_, outputs_, input_lanes_, output_lanes_;
};

}  // namespace headtorch::cpu::detail
