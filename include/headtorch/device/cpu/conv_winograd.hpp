// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// 3 x 3 kernels with stride 1 after S. Winograd's minimal filtering F(2 x 2, 3 x 3): a tile of 2 x 2 targets costs 16 multiplications for
/// each pair of channels instead of 36. Input tiles, kernels and results are transformed by sums and differences; in between stand 16
/// matrix products. See A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
/// Rounding errors stay those of float sums of the tile's magnitude; infinity or NaN in a source spreads to all of its tile.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "headtorch/device/cpu/conv_problem.hpp"
#include "headtorch/device/cpu/gemm_micro.hpp"
#include "headtorch/device/cpu/gemm_pack.hpp"
#include "headtorch/device/cpu/packet_pairs.hpp"

namespace headtorch::cpu::detail {

/// The transforms along one axis. Along both: y = A^T ((G w G^T) * (B^T d B)) A, element by element in the middle.
struct Winograd {
    static constexpr int size = 4, products = size * size;

    /// B^T d
    template <class P>
    HEADTORCH_ALWAYS_INLINE static void input(P& a, P& b, P& c, P& d) {
        const P b_was = b;
        a = a - c;
        b = b_was + c;
        c = c - b_was;
        d = b_was - d;
    }
    /// G w
    template <class P>
    HEADTORCH_ALWAYS_INLINE static void kernel(const P& a, const P& b, const P& c, P& u0, P& u1, P& u2, P& u3) {
        const P outer = (a + c) * 0.5f, inner = b * 0.5f;
        u0 = a;
        u1 = outer + inner;
        u2 = outer - inner;
        u3 = c;
    }
    /// A^T m
    template <class P>
    HEADTORCH_ALWAYS_INLINE static void output(const P& a, const P& b, const P& c, const P& d, P& y0, P& y1) {
        y0 = (a + b) + c;
        y1 = (b - c) - d;
    }
    /// A y
    template <class P>
    HEADTORCH_ALWAYS_INLINE static void output_transposed(const P& y0, const P& y1, P& a, P& b, P& c, P& d) {
        a = y0;
        b = y0 + y1;
        c = y0 - y1;
        d = -y1;
    }
    /// G^T u
    template <class P>
    HEADTORCH_ALWAYS_INLINE static void kernel_transposed(const P& a, const P& b, const P& c, const P& d, P& w0, P& w1, P& w2) {
        const P sum = (b + c) * 0.5f;
        w0 = a + sum;
        w1 = (b - c) * 0.5f;
        w2 = sum + d;
    }
};

/// The distance of two products' data of `count` elements: a cache line more, because those of one tile are written in turn, and at
/// distances of powers of two they would drive each other out of the caches.
template <class T>
std::int64_t product_step(std::int64_t count) {
    return count + static_cast<std::int64_t>(64 / sizeof(T));
}

/// Tiles of a correlation. Neighbours in a row of tiles make a run, and a few runs the columns of a panel.
struct WinogradTiles {
    std::int64_t down, across, run, runs_across, runs_per_panel;

    WinogradTiles(std::int64_t height, std::int64_t width, std::int64_t columns)
        : down(ceil_div(height, 2)),
          across(ceil_div(width, 2)),
          run(even_piece(across, columns)),
          runs_across(ceil_div(across, run)),
          runs_per_panel(columns / run) {}
    std::int64_t runs() const { return down * runs_across; }
};

template <class T>
class WinogradCorrelation {
public:
    WinogradCorrelation(const CorrelationProblem<T>& problem, const TapGrid& grid)
        : problem_(problem),
          tiles_(problem.target_axes[1], problem.target_axes[2], columns),
          mirrored_(grid.axes[1].mirrored),
          sources_(problem.group_sources()),
          targets_(problem.group_targets()),
          panel_((even_piece(targets_, tile_rows) + 1) / 2 * 2),
          kernel_step_(product_step<T>(ceil_div(targets_, panel_) * panel_ * sources_)),
          in_step_(product_step<T>(sources_ * columns)),
          out_step_(product_step<T>(targets_ * columns)),
          kernel_(Winograd::products * kernel_step_) {
        const SourceAxis &height = problem.shape.axes[1], &width = problem.shape.axes[2];
        shape_.axes[0] = {1, 1, 1, 0, 1, 1};
        shape_.axes[1] = {height.size, 1, 1, height.front - first_offset(grid.axes[1]), 1, 2 * tiles_.down + 2};
        shape_.axes[2] = {width.size, 2, 1, width.front - first_offset(grid.axes[2]), 2, tiles_.across + 1};
    }

    void run() {
        const std::int64_t at_once = std::clamp<std::int64_t>(8 * tiles_.runs_per_panel / tiles_.runs(), 1, problem_.images);
        const std::int64_t work = Winograd::products * tiles_.down * tiles_.across * sources_ * targets_;
        for (std::int64_t group = 0; group < problem_.groups; ++group) {
            transform_kernel(problem_.weight + group * problem_.group_weights());
            for_each_image_group(problem_.images, at_once, work, [&](std::int64_t first, std::int64_t images) {
                const std::int64_t size = shape_.channel_size();
                const Scratch<T> source(images * sources_ * size + source_slack);
                parallel_for(images * sources_, ceil_div(parallel_grain / 16, size), [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t channel = (first + i / sources_) * problem_.source_channels + group * sources_ + i % sources_;
                        shape_.copy(problem_.source + channel * problem_.source_size, source.data() + i * size);
                    }
                });
                T* const target = problem_.target + (first * problem_.target_channels + group * targets_) * problem_.target_size();
                const std::int64_t panels = ceil_div(images * tiles_.runs(), tiles_.runs_per_panel);
                const auto some = [&](std::int64_t begin, std::int64_t end) {
                    const Scratch<T> in(Winograd::products * in_step_), out(Winograd::products * out_step_);
                    for (std::int64_t panel = begin; panel < end; ++panel) {
                        const std::int64_t from = panel * tiles_.runs_per_panel;
                        const std::int64_t to = std::min(from + tiles_.runs_per_panel, images * tiles_.runs());
                        transform_input(source.data(), from, to, in.data());
                        multiply(in.data(), (to - from) * tiles_.run, out.data());
                        transform_output(out.data(), problem_.bias_of(group), from, to, target);
                    }
                };
                if (panels >= get_num_threads())
                    parallel_for(panels, ceil_div(parallel_grain, Winograd::products * sources_ * targets_ * columns), some);
                else
                    some(0, panels);
            });
        }
    }

private:
    static constexpr int W = lanes<T>;
    static constexpr std::int64_t columns = tile_cols<T>;
    using P = Packet<T, W>;

    static std::int64_t first_offset(const TapAxis& axis) { return std::min(axis.offset(0), axis.offset(2)); }

    /// kernel_[product][panel of targets][source channel][target]
    void transform_kernel(const T* weight) {
        parallel_for(ceil_div(targets_, panel_), ceil_div(1 << 16, panel_ * sources_), [&](std::int64_t begin, std::int64_t end) {
            constexpr std::int64_t block = 16;
            const Scratch<T> taps(block * 9 * W);
            for (std::int64_t m = begin * panel_; m < std::min(targets_, end * panel_); m += panel_)
                for (std::int64_t c = 0; c < sources_; c += block) {
                    const std::int64_t channels = std::min(block, sources_ - c);
                    const int rows = static_cast<int>(std::min(panel_, targets_ - m));
                    const T* from = weight + m * problem_.row_stride + c * problem_.channel_stride;
                    if (problem_.channel_stride == 9) {
                        pack_transposed(from, problem_.row_stride, rows, 9 * channels, taps.data(), W);
                    } else {
                        for (std::int64_t i = 0; i < channels; ++i)
                            pack_transposed(from + i * problem_.channel_stride, problem_.row_stride, rows, 9, taps.data() + i * 9 * W, W);
                    }
                    for (std::int64_t i = 0; i < channels; ++i)
                        transform_taps(taps.data() + i * 9 * W, kernel_.data() + m * sources_ + (c + i) * panel_, rows);
                }
        });
    }
    HEADTORCH_NOINLINE void transform_taps(const T* taps, T* out, int rows) const {
        P w[9], half[3][4];
        for (int t = 0; t < 9; ++t) w[mirrored_ ? 8 - t : t] = P::load(taps + t * W);
        for (int x = 0; x < 3; ++x) Winograd::kernel(w[x], w[3 + x], w[6 + x], half[x][0], half[x][1], half[x][2], half[x][3]);
        for (int y = 0; y < 4; ++y) {
            P u[4];
            Winograd::kernel(half[0][y], half[1][y], half[2][y], u[0], u[1], u[2], u[3]);
            for (int x = 0; x < 4; ++x) u[x].store_partial(out + (4 * y + x) * kernel_step_, rows);
        }
    }

    /// in[product][source channel][column]
    void transform_input(const T* source, std::int64_t from, std::int64_t to, T* in) const {
        parallel_for(sources_, ceil_div(1 << 14, columns * Winograd::products), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t c = begin; c < end; ++c)
                for (std::int64_t run = from; run < to; ++run) {
                    const std::int64_t image = run / tiles_.runs(), row = run % tiles_.runs() / tiles_.runs_across;
                    const std::int64_t x = run % tiles_.runs_across * tiles_.run;
                    const T* tile = source + (image * sources_ + c) * shape_.channel_size() + 2 * row * shape_.stride(1) + x;
                    T* const out = in + c * columns + (run - from) * tiles_.run;
                    for (std::int64_t j = 0; j < tiles_.run; j += W)
                        transform_tiles(tile + j, out + j, std::min<std::int64_t>(W, columns - (run - from) * tiles_.run - j));
                }
        });
    }
    HEADTORCH_NOINLINE void transform_tiles(const T* tile, T* out, std::int64_t room) const {
        const std::int64_t pitch = shape_.stride(1), odd = shape_.axes[2].length;
        P d[4][4];
        for (int y = 0; y < 4; ++y)
            for (int x = 0; x < 4; ++x) d[y][x] = P::load(tile + y * pitch + x % 2 * odd + x / 2);
        for (int x = 0; x < 4; ++x) Winograd::input(d[0][x], d[1][x], d[2][x], d[3][x]);
        for (int y = 0; y < 4; ++y) {
            Winograd::input(d[y][0], d[y][1], d[y][2], d[y][3]);
            for (int x = 0; x < 4; ++x) store_some(out + (4 * y + x) * in_step_, room, d[y][x]);
        }
    }

    /// out[product][target channel][column]
    void multiply(const T* in, std::int64_t used, T* out) const {
        parallel_for(Winograd::products, ceil_div(parallel_grain, sources_ * targets_ * columns),
                     [&](std::int64_t begin, std::int64_t end) {
                         const int vectors = used > W ? 2 : 1;
                         for (std::int64_t product = begin; product < end; ++product)
                             for (std::int64_t m = 0; m < targets_; m += panel_) {
                                 const int rows = static_cast<int>(std::min(panel_, targets_ - m));
                                 const TileTarget<T> target{out + product * out_step_ + m * columns, columns, 1, rows, vectors * W, false};
                                 tile_product_for<T>(rows, vectors)(sources_, kernel_.data() + product * kernel_step_ + m * sources_,
                                                                    panel_, in + product * in_step_, columns, target);
                             }
                     });
    }

    void transform_output(const T* out, const T* bias, std::int64_t from, std::int64_t to, T* target) const {
        const std::int64_t height = problem_.target_axes[1], width = problem_.target_axes[2];
        parallel_for(targets_, ceil_div(1 << 14, columns * Winograd::products), [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t m = begin; m < end; ++m)
                for (std::int64_t run = from; run < to; ++run) {
                    const std::int64_t image = run / tiles_.runs(), row = 2 * (run % tiles_.runs() / tiles_.runs_across);
                    const std::int64_t first = run % tiles_.runs_across * tiles_.run,
                                       end_of_run = std::min(width, 2 * (first + tiles_.run));
                    T* const to_row = target + ((image * problem_.target_channels + m) * height + row) * width;
                    const T* const tiles = out + m * columns + (run - from) * tiles_.run;
                    for (std::int64_t j = 0; 2 * (first + j) < end_of_run; j += W)
                        transform_results(tiles + j, bias ? bias[m] : T{}, to_row + 2 * (first + j), end_of_run - 2 * (first + j),
                                          row + 1 < height);
                }
        });
    }
    HEADTORCH_NOINLINE void transform_results(const T* tiles, T shift, T* to, std::int64_t count, bool second) const {
        P rows[4][2], y[2][2];
        for (int i = 0; i < 4; ++i) {
            P m[4];
            for (int x = 0; x < 4; ++x) m[x] = P::load(tiles + (4 * i + x) * out_step_);
            Winograd::output(m[0], m[1], m[2], m[3], rows[i][0], rows[i][1]);
        }
        for (int x = 0; x < 2; ++x) Winograd::output(rows[0][x], rows[1][x], rows[2][x], rows[3][x], y[0][x], y[1][x]);
        for (int i = 0; i < (second ? 2 : 1); ++i, to += problem_.target_axes[2]) {
            store_some(to, count, P(in_turn<0>(y[i][0], y[i][1]) + shift));
            store_some(to + W, count - W, P(in_turn<1>(y[i][0], y[i][1]) + shift));
        }
    }

    const CorrelationProblem<T>& problem_;
    WinogradTiles tiles_;
    bool mirrored_;
    std::int64_t sources_, targets_, panel_, kernel_step_, in_step_, out_step_;
    Scratch<T> kernel_;
    SourceShape shape_;
};

/// A plane of 3 x 3 taps one apart, for enough channels and tiles that the transforms pay? Double precision keeps to the definition.
template <class T>
bool suits_winograd(const ConvGeometry& geometry) {
    const ConvAxis &depth = geometry.axes[0], &height = geometry.axes[1], &width = geometry.axes[2];
    for (const ConvAxis* axis : {&height, &width})
        if (axis->kernel != 3 || axis->stride != 1 || axis->dilation != 1) return false;
    return std::is_same_v<T, float> && depth.in == 1 && depth.out == 1 && depth.kernel == 1 && depth.padding == 0 &&
           geometry.group_inputs() >= 16 && geometry.group_outputs() >= 16 &&
           geometry.batch * ceil_div(height.out, 2) * ceil_div(width.out, 2) >= 32;
}

}  // namespace headtorch::cpu::detail
