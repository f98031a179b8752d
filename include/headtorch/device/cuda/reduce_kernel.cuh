// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The kernel of all reductions. The work is cut by the shape alone, and partial results are combined in a fixed order: the same numbers on
/// every GPU, every time.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/walk.cuh"
#include "headtorch/device/lines.hpp"
#include "headtorch/device/reduction.hpp"

namespace headtorch::cuda::detail {

/// Some dimensions, counted through in row-major order, and where each place lies in the operand and in the result.
struct Places {
    int rank = 0;
    bool small = true;  ///< fewer than 2^31 places
    std::int64_t sizes[max_rank] = {}, in[max_rank] = {}, out[max_rank] = {};
    Divisor quick[max_rank];

    void add(std::int64_t size, std::int64_t in_stride, std::int64_t out_stride) {
        sizes[rank] = size;
        in[rank] = in_stride;
        out[rank] = out_stride;
        ++rank;
        std::int64_t count = 1;
        for (int d = 0; d < rank; ++d) count *= sizes[d];
        small = count < std::int64_t{1} << 31;
        if (small) quick[rank - 1] = Divisor(static_cast<std::uint32_t>(size));
    }

    struct Place {
        std::int64_t in = 0, out = 0;
    };
    __device__ Place operator()(std::int64_t i) const {
        Place place;
        if (rank == 0) return place;
        for (int d = rank - 1; d > 0; --d) {
            const std::int64_t next = small ? static_cast<std::int64_t>(quick[d](static_cast<std::uint32_t>(i))) : i / sizes[d];
            const std::int64_t index = i - next * sizes[d];
            place.in += index * in[d];
            place.out += index * out[d];
            i = next;
        }
        place.in += i * in[0];
        place.out += i * out[0];
        return place;
    }
};

/// How a grid shares out a reduction. Each block computes `across` outputs, with `along` threads for each.
struct ReduceGrid {
    bool columns = false;  ///< neighbouring threads work for neighbouring outputs; else for the same one
    int along = 1, across = 1;
    std::int64_t groups = 1;         ///< of `across` outputs
    std::int64_t chunks = 1;         ///< parts into which the elements of an output are cut
    std::int64_t units = 0, chunk = 1;  ///< loads for each output, and for each chunk
    std::int64_t tail = 0;           ///< elements behind the last unit
    std::int64_t outputs = 1;        ///< rows: all of them; columns: those of `kept`
    std::int64_t width = 1, width_in = 0, width_out = 0, tiles = 1;  ///< columns: outputs side by side, their strides, groups of them
    Places kept, reduced;
};

/// Sums up `along` values of an output; thread 0 of them gets the result.
template <class G>
__device__ typename G::A combine_threads(const G& gather, const ReduceGrid& grid, typename G::A sum) {
    using A = typename G::A;
    alignas(16) __shared__ unsigned char memory[block_threads * sizeof(A)];
    A* const shared = reinterpret_cast<A*>(memory);
    const int thread = static_cast<int>(threadIdx.x);
    if (grid.columns) {
        if (grid.along == 1) return sum;
        __syncthreads();  // of the tile before
        shared[thread] = sum;
        for (int step = grid.along / 2 * grid.across; step >= grid.across; step /= 2) {
            __syncthreads();
            if (thread < step) shared[thread] = gather.combine(shared[thread], shared[thread + step]);
        }
        return shared[thread];  // what is written here is only read by the thread that wrote it
    }
    for (int mask = 1; mask < grid.along && mask < 32; mask *= 2) sum = gather.combine(sum, shuffle_xor(sum, mask));
    if (grid.along <= 32) return sum;
    constexpr int warps = block_threads / warp_size;
    __syncthreads();
    if (lane_index() == 0) shared[thread / 32] = sum;
    __syncthreads();
    if (thread == 0)
        for (int w = 1; w < warps; ++w) sum = gather.combine(sum, shared[w]);
    return sum;
}

/// G says what is gathered: identity(), take(element, its number among those of its output, its place in x, center), combine(a, b),
/// finish(place, a, center), center_at(place).
/// V elements are loaded at a time. With `partial`, each chunk's result goes there: [outputs, chunks, width].
template <int V, class G, class T>
__global__ void reduce_kernel(G gather, ReduceGrid grid, const T* x, typename G::A* partial) {
    using A = typename G::A;
    const int thread = static_cast<int>(threadIdx.x);
    const int mine = grid.columns ? thread / grid.across : thread % grid.along;
    const int output_of_tile = grid.columns ? thread % grid.across : thread / grid.along;
    for (std::int64_t tile = blockIdx.x; tile < grid.groups * grid.chunks; tile += gridDim.x) {
        const std::int64_t chunk = grid.chunks == 1 ? 0 : tile % grid.chunks, group = grid.chunks == 1 ? tile : tile / grid.chunks;
        std::int64_t output, column = 0;
        bool valid;
        if (grid.columns) {
            output = group / grid.tiles;
            column = (group - output * grid.tiles) * grid.across + output_of_tile;
            valid = column < grid.width;
        } else {
            output = group * grid.across + output_of_tile;
            valid = output < grid.outputs;
        }
        Places::Place at = grid.kept(valid ? output : 0);
        at.in += column * grid.width_in;
        at.out += column * grid.width_out;
        A sum = gather.identity();
        if (valid) {
            const auto center = gather.center_at(at.out);
            const T* const from = x + at.in;
            const std::int64_t end = std::min(grid.units, (chunk + 1) * grid.chunk);
            const auto take = [&](std::int64_t number, std::int64_t offset) {
                const Lanes<T, V> loaded = *reinterpret_cast<const Lanes<T, V>*>(from + offset);
                for (int lane = 0; lane < V; ++lane)
                    sum = gather.combine(sum, gather.take(loaded.at[lane], number * V + lane, at.in + offset + lane, center));
            };
            if (grid.reduced.rank == 1) {
                const std::int64_t stride = grid.reduced.in[0];
#pragma unroll 4
                for (std::int64_t i = chunk * grid.chunk + mine; i < end; i += grid.along) take(i, i * stride);
            } else {
                for (std::int64_t i = chunk * grid.chunk + mine; i < end; i += grid.along) take(i, grid.reduced(i).in);
            }
            if (V > 1 && chunk == grid.chunks - 1)
                for (std::int64_t i = grid.units * V + mine; i < grid.units * V + grid.tail; i += grid.along)
                    sum = gather.combine(sum, gather.take(from[i], i, at.in + i, center));
        }
        sum = combine_threads(gather, grid, sum);
        if (!valid || mine != 0) continue;
        if (partial)
            partial[(output * grid.chunks + chunk) * grid.width + column] = sum;
        else
            gather.finish(at.out, sum, gather.center_at(at.out));
    }
}

/// Combines what reduce_kernel left of each chunk.
template <class G>
struct GatherPartial {
    using A = typename G::A;
    G first;
    __device__ A identity() const { return first.identity(); }
    __device__ auto center_at(std::int64_t at) const { return first.center_at(at); }
    template <class C>
    __device__ A take(const A& part, std::int64_t, std::int64_t, const C&) const { return part; }
    __device__ A combine(const A& a, const A& b) const { return first.combine(a, b); }
    template <class C>
    __device__ void finish(std::int64_t at, const A& sum, const C& center) const { first.finish(at, sum, center); }
};

/// So many blocks are enough for the largest GPU.
inline constexpr std::int64_t enough_blocks = 1024;

inline int power_of_two(std::int64_t least, std::int64_t most) {
    return static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(std::clamp<std::int64_t>(least, 1, most))));
}

/// Cuts the units of each output into up to `most` chunks, of whole rounds of its threads.
inline void cut(ReduceGrid& grid, std::int64_t most) {
    const std::int64_t wanted = ceil_div(enough_blocks, std::max<std::int64_t>(1, grid.groups));
    const std::int64_t chunks = std::clamp<std::int64_t>(std::min(wanted, most), 1, enough_blocks);
    grid.chunk = std::max<std::int64_t>(1, ceil_div(ceil_div(grid.units, chunks), grid.along)) * grid.along;
    grid.chunks = std::max<std::int64_t>(1, ceil_div(grid.units, grid.chunk));
}

/// The inner dimension is gathered: neighbouring threads read neighbouring elements of one output.
inline ReduceGrid rows_grid(const ReducePlan& plan, int lanes) {
    ReduceGrid grid;
    grid.outputs = plan.outputs;
    for (int d = 0; d < plan.kept_rank; ++d) grid.kept.add(plan.kept[d].size, plan.kept[d].stride, plan.kept[d].out);
    for (int d = 0; d < plan.reduced_rank; ++d) grid.reduced.add(plan.reduced[d].size, plan.reduced[d].stride, 0);
    grid.reduced.add(plan.inner / lanes, plan.inner_stride * lanes, 0);
    grid.units = plan.rows * (plan.inner / lanes);
    grid.tail = plan.inner % lanes;
    constexpr std::int64_t for_a_warp = 512, for_a_thread = 4, rounds = 8;
    grid.along = grid.units > for_a_warp ? static_cast<int>(block_threads) : power_of_two(ceil_div(grid.units, for_a_thread), 32);
    grid.across = static_cast<int>(block_threads) / grid.along;
    grid.groups = ceil_div(grid.outputs, grid.across);
    cut(grid, grid.along > 32 ? grid.units / (grid.along * rounds) : 1);
    return grid;
}

/// The inner dimension is kept: neighbouring threads work for neighbouring outputs, `least_across` of them at least.
inline ReduceGrid columns_grid(const ReducePlan& plan, int least_across) {
    ReduceGrid grid;
    grid.columns = true;
    grid.outputs = plan.outputs;
    for (int d = 0; d < plan.kept_rank; ++d) grid.kept.add(plan.kept[d].size, plan.kept[d].stride, plan.kept[d].out);
    for (int d = 0; d < plan.reduced_rank; ++d) grid.reduced.add(plan.reduced[d].size, plan.reduced[d].stride, 0);
    grid.units = plan.rows;
    grid.width = plan.inner;
    grid.width_in = plan.inner_stride;
    grid.width_out = plan.inner_out;
    constexpr std::int64_t for_a_thread = 8, rounds = 16;
    const int narrowest = power_of_two(plan.inner, least_across);
    grid.along = power_of_two(ceil_div(plan.rows, for_a_thread), static_cast<int>(block_threads) / narrowest);
    grid.across = static_cast<int>(block_threads) / grid.along;
    grid.tiles = ceil_div(plan.inner, grid.across);
    grid.groups = plan.outputs * grid.tiles;
    cut(grid, grid.units / (grid.along * rounds));
    return grid;
}

/// One output for each line.
inline ReducePlan plan_lines(const Lines& lines) {
    ReducePlan plan;
    plan.count = lines.length;
    plan.total = lines.count();
    plan.outputs = lines.outer;
    plan.kept_rank = 1;
    plan.kept[0] = {lines.outer, lines.length * lines.inner, lines.inner};
    plan.columns = lines.inner > 1;
    if (plan.columns) {
        plan.inner = lines.inner;
        plan.inner_out = 1;
        plan.rows = lines.length;
        plan.reduced_rank = 1;
        plan.reduced[0] = {lines.length, lines.inner, 0};
    } else {
        plan.inner = lines.length;
    }
    return plan;
}

/// Can the kernel load `lanes` elements at a time?
template <class T>
bool loads_wide(const ReducePlan& plan, const T* x, int lanes) {
    const auto whole = [&](std::int64_t n) { return n % lanes == 0; };
    bool wide = !plan.columns && plan.inner_stride == 1 && plan.inner >= lanes && (plan.reduced_rank == 0 || whole(plan.inner)) &&
                reinterpret_cast<std::uintptr_t>(x) % (sizeof(T) * static_cast<std::size_t>(lanes)) == 0;
    for (int d = 0; d < plan.kept_rank; ++d) wide = wide && whole(plan.kept[d].stride);
    for (int d = 0; d < plan.reduced_rank; ++d) wide = wide && whole(plan.reduced[d].stride);
    return wide;
}

template <int V, class G, class T>
void launch_reduce(const char* op, const G& gather, const ReduceGrid& grid, const T* x, typename G::A* partial) {
    constexpr std::int64_t most_blocks = std::int64_t{1} << 24;
    const auto blocks = static_cast<unsigned>(std::min(grid.groups * grid.chunks, most_blocks));
    launch(op, &reduce_kernel<V, G, T>, Grid{dim3(blocks), dim3(block_threads)}, gather, grid, x, partial);
}

/// Runs a reduction by G; nothing to do when there are no outputs.
template <class G, class T>
void run_reduce(const char* op, const G& gather, const ReducePlan& plan, const T* x) {
    if (plan.total == 0) return;
    if (plan.count == 0) {
        ReducePlan nothing;
        nothing.outputs = plan.total;
        nothing.kept_rank = 1;
        nothing.kept[0] = {plan.total, 0, 1};
        ReduceGrid grid = rows_grid(nothing, 1);
        grid.units = 0;
        return launch_reduce<1>(op, gather, grid, x, static_cast<typename G::A*>(nullptr));
    }
    constexpr int lanes = static_cast<int>(16 / sizeof(T));
    const bool wide = lanes > 1 && loads_wide(plan, x, lanes);
    const ReduceGrid grid = plan.columns ? columns_grid(plan, 32) : rows_grid(plan, wide ? lanes : 1);
    const Scratch<typename G::A> partial(grid.chunks == 1 ? 0 : grid.outputs * grid.chunks * grid.width);
    if (wide)
        launch_reduce<lanes>(op, gather, grid, x, partial.data());
    else
        launch_reduce<1>(op, gather, grid, x, partial.data());
    if (grid.chunks == 1) return;
    ReducePlan rest = plan;
    rest.columns = true;
    rest.rows = grid.chunks;
    rest.reduced_rank = 1;
    rest.reduced[0] = {grid.chunks, grid.width, 0};
    rest.inner = grid.width;
    rest.inner_stride = 1;
    rest.inner_out = grid.width_out;
    std::int64_t stride = grid.chunks * grid.width;
    for (int d = plan.kept_rank - 1; d >= 0; --d) {
        rest.kept[d].stride = stride;
        stride *= plan.kept[d].size;
    }
    ReduceGrid last = columns_grid(rest, 8);
    last.chunk = last.units;
    last.chunks = 1;
    launch_reduce<1>(op, GatherPartial<G>{gather}, last, static_cast<const typename G::A*>(partial.data()),
                     static_cast<typename G::A*>(nullptr));
}

}  // namespace headtorch::cuda::detail
