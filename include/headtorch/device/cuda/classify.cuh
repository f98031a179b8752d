// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Losses over class labels on the GPU. Cross entropy is two kernels forward (what softmax needs of each row, and its loss; then the mean)
/// and one backward, which computes the probabilities again from the scores: of each row only two numbers are kept. The host waits for
/// nothing. A label that is no class has been reported by check_index; here it makes the loss NaN.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "headtorch/core/half.hpp"
#include "headtorch/device/cuda/exp_sum.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/labels.hpp"

namespace headtorch::cuda {
namespace detail {

/// Sum of losses and sum of weights.
struct Weighed {
    double loss, weight;
};
struct AddWeighed {
    __device__ Weighed operator()(const Weighed& a, const Weighed& b) const { return {a.loss + b.loss, a.weight + b.weight}; }
};

/// The weight of a row times value(label) where there is a label that counts.
template <class T, class Value>
__device__ Weighed weighed(const Labels<T>& labels, std::int64_t row, const Value& value) {
    if (labels.label[row] == labels.ignored) return {0, 0};
    if (!labels.is_class(row)) return {std::numeric_limits<double>::quiet_NaN(), 0};
    const double weight = labels.weight_of(row);
    return {weight * value(labels.label[row]), weight};
}

/// Blocks of kernels that visit all rows, each of which leaves one sum.
inline constexpr std::int64_t most_partial_sums = 4096;
inline Grid rows_grid(std::int64_t rows, std::int64_t rows_of_block, unsigned threads) {
    return {dim3(static_cast<unsigned>(std::clamp<std::int64_t>(ceil_div(rows, rows_of_block), 1, most_partial_sums))), dim3(threads)};
}

/// With x: the picks, negative; without: only the weights.
template <class X, class T>
__global__ void picked_loss_kernel(const X* x, Labels<T> labels, Weighed* sums) {
    Weighed mine{0, 0};
    const std::int64_t step = thread_count();
    for (std::int64_t row = thread_place(); row < labels.rows; row += step)
        mine = AddWeighed{}(mine, weighed(labels, row, [&](std::int64_t c) {
                                return x ? -static_cast<double>(static_cast<ComputeType<X>>(x[row * labels.classes + c])) : 0.0;
                            }));
    mine = block_reduce<static_cast<int>(block_threads)>(mine, AddWeighed{});
    if (threadIdx.x == 0) sums[blockIdx.x] = mine;
}

template <class T>
__global__ void finish_loss_kernel(const Weighed* sums, std::int64_t count, bool mean, double* scale, T* loss) {
    Weighed mine{0, 0};
    for (std::int64_t i = threadIdx.x; i < count; i += block_threads) mine = AddWeighed{}(mine, sums[i]);
    mine = block_reduce<static_cast<int>(block_threads)>(mine, AddWeighed{});
    if (threadIdx.x != 0) return;
    const double factor = mean ? 1 / mine.weight : 1.0;
    *scale = factor;
    if (loss) *loss = static_cast<T>(factor * mine.loss);
}

template <class T>
__global__ void negative_picks_kernel(const T* x, Labels<T> labels, T* out) {
    const std::int64_t step = thread_count();
    for (std::int64_t row = thread_place(); row < labels.rows; row += step)
        out[row] = static_cast<T>(weighed(labels, row, [&](std::int64_t c) {
                                      return -static_cast<double>(static_cast<ComputeType<T>>(x[row * labels.classes + c]));
                                  }).loss);
}

template <class T>
__global__ void pick_gradient_kernel(Labels<T> labels, const double* scale, const T* g, T* dx) {
    const double factor = g ? *scale * static_cast<double>(static_cast<ComputeType<T>>(*g)) : *scale;
    const std::int64_t step = thread_count();
    for (std::int64_t row = thread_place(); row < labels.rows; row += step)
        if (labels.label[row] != labels.ignored && labels.is_class(row))
            dx[row * labels.classes + labels.label[row]] = static_cast<T>(-factor * labels.weight_of(row));
}

template <class T>
__device__ Weighed cross_entropy_of(const T* x, const Labels<T>& labels, std::int64_t row, const ExpSum<ComputeType<T>>& sum) {
    return weighed(labels, row, [&](std::int64_t c) {
        const auto score = static_cast<ComputeType<T>>(x[row * labels.classes + c]);
        return std::log(sum.sum) - static_cast<double>(score - sum.top);
    });
}

/// `width` lanes of a warp for each row.
template <int K, class T>
__global__ void cross_entropy_warp_kernel(const T* x, Labels<T> labels, int width, SoftmaxLine<false, ComputeType<T>>* kept,
                                          Weighed* sums) {
    using C = ComputeType<T>;
    const WarpPlace place = warp_place(width);
    const int classes = static_cast<int>(labels.classes);
    Weighed mine{0, 0};
    for (std::int64_t row = place.first; row - threadIdx.x / static_cast<unsigned>(width) < labels.rows; row += place.step) {
        const int here = row < labels.rows ? classes : 0;
        const WarpLine<K, T> scores(x + row * classes, here, place.lane, width, -std::numeric_limits<C>::infinity());
        const ExpSum<C> sum = warp_exp_sum(scores, here, place.lane, width);
        if (row >= labels.rows || place.lane != 0) continue;
        kept[row] = SoftmaxLine<false, C>(sum);
        mine = AddWeighed{}(mine, cross_entropy_of(x, labels, row, sum));
    }
    mine = block_reduce<static_cast<int>(block_threads)>(mine, AddWeighed{});
    if (threadIdx.x == 0) sums[blockIdx.x] = mine;
}

/// A block for each row.
template <class T>
__global__ void __launch_bounds__(line_threads)
    cross_entropy_block_kernel(const T* x, Labels<T> labels, SoftmaxLine<false, ComputeType<T>>* kept, Weighed* sums) {
    using C = ComputeType<T>;
    Weighed mine{0, 0};
    for (std::int64_t row = blockIdx.x; row < labels.rows; row += gridDim.x) {
        const ExpSum<C> sum = block_exp_sum<line_threads>(x + row * labels.classes, labels.classes);
        if (threadIdx.x != 0) continue;
        kept[row] = SoftmaxLine<false, C>(sum);
        mine = AddWeighed{}(mine, cross_entropy_of(x, labels, row, sum));
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = mine;
}

/// What the gradient of a row needs.
template <class T>
struct RowSlope {
    using C = ComputeType<T>;
    SoftmaxLine<false, C> softmax;
    std::int64_t label;
    C factor;
    __device__ RowSlope(const Labels<T>& labels, std::int64_t row, const SoftmaxLine<false, C>* kept, double scale)
        : softmax(kept[row]), label(labels.label[row]),
          factor(label != labels.ignored && labels.is_class(row) ? static_cast<C>(scale * labels.weight_of(row)) : C(0)) {}
    __device__ C operator()(std::int64_t c, C score) const {
        return factor == C(0) ? C(0) : (softmax(score) - (c == label ? C(1) : C(0))) * factor;
    }
};

/// `width` lanes for each row, or with width 0 a whole block of line_threads.
template <class T>
__global__ void __launch_bounds__(line_threads)
    cross_entropy_gradient_kernel(const T* x, Labels<T> labels, int width, const SoftmaxLine<false, ComputeType<T>>* kept,
                                  const double* scale, const T* g, T* dx) {
    using C = ComputeType<T>;
    const double factor = *scale * static_cast<double>(static_cast<C>(*g));
    if (width == 0) {
        for (std::int64_t row = blockIdx.x; row < labels.rows; row += gridDim.x) {
            const RowSlope<T> slope(labels, row, kept, factor);
            map_line<line_threads>(x + row * labels.classes, labels.classes, dx + row * labels.classes, slope);
        }
        return;
    }
    const WarpPlace place = warp_place(width);
    for (std::int64_t row = place.first; row < labels.rows; row += place.step) {
        const RowSlope<T> slope(labels, row, kept, factor);
        for (std::int64_t at = row * labels.classes + place.lane, c = place.lane; c < labels.classes; c += width, at += width)
            dx[at] = static_cast<T>(slope(c, static_cast<C>(x[at])));
    }
}

template <class X, class T>
void run_picked_loss(const char* op, const X* x, const Labels<T>& labels, bool mean, double* scale, T* loss) {
    const Grid grid = rows_grid(labels.rows, block_threads, block_threads);
    const Scratch<Weighed> sums(grid.blocks.x);
    launch(op, &picked_loss_kernel<X, T>, grid, x, labels, sums.data());
    launch(op, &finish_loss_kernel<T>, Grid{dim3(1), dim3(block_threads)}, sums.data(), static_cast<std::int64_t>(grid.blocks.x), mean,
           scale, loss);
}

}  // namespace detail

/// scale = 1 / sum of the weights of all rows; 1 unless `mean`.
template <class T>
void loss_scale(Cuda, const Labels<T>& labels, bool mean, double* scale) {
    detail::run_picked_loss("nll_loss", static_cast<const T*>(nullptr), labels, mean, scale, static_cast<T*>(nullptr));
}

/// out[i] = -weight * x[i, label[i]]
template <class T>
void negative_picks(Cuda, const T* x, const Labels<T>& labels, T* out) {
    if (labels.rows > 0) launch("nll_loss", &detail::negative_picks_kernel<T>, grid_for(labels.rows), x, labels, out);
}

/// loss = scale * sum of the negative picks, gathered in double; `scale` is found first.
template <class X, class T>
void picked_loss(Cuda, const X* x, const Labels<T>& labels, bool mean, double* scale, T* loss) {
    detail::run_picked_loss("nll_loss", x, labels, mean, scale, loss);
}

/// dx[i, c] = -scale * g * weight where c is the label, else 0: the gradient of picked_loss. No `g` means 1.
template <class T>
void pick_gradient(Cuda, const Labels<T>& labels, const double* scale, const T* g, T* dx) {
    const std::int64_t n = labels.rows * labels.classes;
    if (n == 0) return;
    check(cudaMemsetAsync(dx, 0, static_cast<std::size_t>(n) * sizeof(T), current_stream().get()), "nll_loss", "cudaMemsetAsync");
    launch("nll_loss", &detail::pick_gradient_kernel<T>, grid_for(labels.rows), labels, scale, g, dx);
}

/// How many numbers of each row cross_entropy_forward leaves for the gradient: here a SoftmaxLine.
constexpr std::int64_t cross_entropy_kept(Cuda, std::int64_t) { return 2; }
/// Does the gradient read the scores again?
constexpr bool cross_entropy_rereads(Cuda) { return true; }

/// picked_loss of log_softmax of the rows of x.
template <class T>
void cross_entropy_forward(Cuda, const T* x, const Labels<T>& labels, bool mean, ComputeType<T>* kept, double* scale, T* loss) {
    using Line = detail::SoftmaxLine<false, ComputeType<T>>;
    static_assert(sizeof(Line) == 2 * sizeof(ComputeType<T>));
    auto* const lines = reinterpret_cast<Line*>(kept);
    const auto finish = [&](const detail::Weighed* sums, const Grid& grid) {
        launch("cross_entropy", &detail::finish_loss_kernel<T>, Grid{dim3(1), dim3(block_threads)}, sums,
               static_cast<std::int64_t>(grid.blocks.x), mean, scale, loss);
    };
    if (labels.classes <= detail::warp_line) {
        detail::with_warp_line(labels.classes, [&](auto K, int width) {
            const Grid grid = detail::rows_grid(labels.rows, static_cast<int>(block_threads) / width, block_threads);
            const Scratch<detail::Weighed> sums(grid.blocks.x);
            launch("cross_entropy", &detail::cross_entropy_warp_kernel<K(), T>, grid, x, labels, width, lines, sums.data());
            finish(sums.data(), grid);
        });
        return;
    }
    const Grid grid = detail::rows_grid(labels.rows, 1, detail::line_threads);
    const Scratch<detail::Weighed> sums(grid.blocks.x);
    launch("cross_entropy", &detail::cross_entropy_block_kernel<T>, grid, x, labels, lines, sums.data());
    finish(sums.data(), grid);
}

/// dx[i, c] = scale * g * weight * (probability[i, c] - (1 where c is the label)).
template <class T>
void cross_entropy_backward(Cuda, const T* x, const ComputeType<T>* kept, const Labels<T>& labels, const double* scale, const T* g, T* dx) {
    if (labels.rows == 0 || labels.classes == 0) return;
    using Line = detail::SoftmaxLine<false, ComputeType<T>>;
    const auto* const lines = reinterpret_cast<const Line*>(kept);
    const auto kernel = &detail::cross_entropy_gradient_kernel<T>;
    constexpr std::int64_t most = std::int64_t{1} << 24;
    if (labels.classes > detail::warp_line) {
        const Grid grid{dim3(static_cast<unsigned>(std::min(labels.rows, most))), dim3(detail::line_threads)};
        return launch("cross_entropy", kernel, grid, x, labels, 0, lines, scale, g, dx);
    }
    int width = 1;
    while (width < labels.classes && width < static_cast<int>(warp_size)) width *= 2;
    launch("cross_entropy", kernel, detail::warp_line_grid(labels.rows, width), x, labels, width, lines, scale, g, dx);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::cross_entropy_backward;
using cuda::cross_entropy_forward;
using cuda::cross_entropy_kept;
using cuda::cross_entropy_rereads;
using cuda::loss_scale;
using cuda::negative_picks;
using cuda::pick_gradient;
using cuda::picked_loss;
}  // namespace headtorch
