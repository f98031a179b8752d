// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The kernels of all scans. Neighbouring lines are scanned by a thread each, others by a warp or a block each, which keeps what it has
/// gathered so far; few very long lines are cut into chunks, of which first the totals are found. How, is decided by the shape alone.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/lines.hpp"

namespace headtorch::cuda::detail {

/// S says what is scanned: A identity(), A load(at, k), A combine(before, a), store(at, k, inclusive, exclusive); `at` is the place in
/// memory of element k, counted in the direction of the scan.
struct ScanPlan {
    Lines lines;
    bool reverse = false;
    std::int64_t chunk = 0, chunks = 1;

    __device__ std::int64_t start(std::int64_t line) const {
        const std::int64_t outer = lines.inner == 1 ? line : line / lines.inner;
        return outer * lines.length * lines.inner + (line - outer * lines.inner) + (reverse ? (lines.length - 1) * lines.inner : 0);
    }
    __device__ std::int64_t stride() const { return reverse ? -lines.inner : lines.inner; }
};

/// A thread for each line.
template <class S>
__global__ void scan_thread_kernel(S scan, ScanPlan plan) {
    using A = typename S::A;
    const std::int64_t step = thread_count(), count = plan.lines.outer * plan.lines.inner, length = plan.lines.length;
    constexpr int ahead = 4;  // loads on their way
    for (std::int64_t line = thread_place(); line < count; line += step) {
        std::int64_t at = plan.start(line), k = 0;
        const std::int64_t stride = plan.stride();
        A state = scan.identity();
        const auto visit = [&](std::int64_t place, std::int64_t number, const A& value) {
            const A next = scan.combine(state, value);
            scan.store(place, number, next, state);
            state = next;
        };
        for (; k + ahead <= length; k += ahead, at += ahead * stride) {
            A loaded[ahead];
#pragma unroll
            for (int j = 0; j < ahead; ++j) loaded[j] = scan.load(at + j * stride, k + j);
#pragma unroll
            for (int j = 0; j < ahead; ++j) visit(at + j * stride, k + j, loaded[j]);
        }
        for (; k < length; ++k, at += stride) visit(at, k, scan.load(at, k));
    }
}

template <class S>
struct ScanCombine {
    static constexpr bool ordered = true;
    S scan;
    __device__ typename S::A operator()(const typename S::A& before, const typename S::A& a) const { return scan.combine(before, a); }
};

/// `threads` threads (a warp or the block) for each line, or chunk of one: [line, chunk]. `carry`, if any, says what comes before each
/// chunk; with `total` nothing is stored but what each chunk comes to.
template <int threads, class S>
__global__ void scan_group_kernel(S scan, ScanPlan plan, const typename S::A* carry, typename S::A* total) {
    using A = typename S::A;
    constexpr int each = 4;  // adjacent elements of a thread
    constexpr std::int64_t groups = block_threads / threads;
    const ScanCombine<S> combine{scan};
    const int thread = static_cast<int>(threadIdx.x) % threads;
    const std::int64_t count = plan.lines.outer * plan.lines.inner * plan.chunks, stride = plan.stride();
    for (std::int64_t block = blockIdx.x; block * groups < count; block += gridDim.x) {
        const std::int64_t piece = block * groups + static_cast<int>(threadIdx.x) / threads;
        if (threads == 32 && piece >= count) return;  // a whole warp, which nobody waits for
        const std::int64_t line = piece / plan.chunks, first = (piece - line * plan.chunks) * plan.chunk;
        const std::int64_t end = std::min(plan.lines.length, first + plan.chunk), start = plan.start(line);
        A state = carry ? carry[piece] : scan.identity();
        for (std::int64_t k = first; k < end; k += threads * each) {
            A loaded[each];
            const std::int64_t mine = k + thread * each;
            A sum = scan.identity();
#pragma unroll
            for (int j = 0; j < each; ++j)
                if (mine + j < end) {
                    loaded[j] = scan.load(start + (mine + j) * stride, mine + j);
                    sum = scan.combine(sum, loaded[j]);
                }
            const Scanned<A> scanned = block_scan<threads>(sum, scan.identity(), combine);
            if (!total) {
                A before = scan.combine(state, scanned.exclusive);
#pragma unroll
                for (int j = 0; j < each; ++j)
                    if (mine + j < end) {
                        const A next = scan.combine(before, loaded[j]);
                        scan.store(start + (mine + j) * stride, mine + j, next, before);
                        before = next;
                    }
            }
            state = scan.combine(state, scanned.total);
        }
        if (total && thread == 0) total[piece] = state;
    }
}

/// From the totals of the chunks of each line to what comes before them, in place: a block for each line.
template <class S>
__global__ void scan_carry_kernel(S scan, std::int64_t lines, std::int64_t chunks, typename S::A* totals) {
    using A = typename S::A;
    const ScanCombine<S> combine{scan};
    for (std::int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
        A state = scan.identity();
        for (std::int64_t k = 0; k < chunks; k += block_threads) {
            const std::int64_t mine = k + static_cast<int>(threadIdx.x);
            const A value = mine < chunks ? totals[line * chunks + mine] : scan.identity();
            const Scanned<A> scanned = block_scan<static_cast<int>(block_threads)>(value, scan.identity(), combine);
            if (mine < chunks) totals[line * chunks + mine] = scan.combine(state, scanned.exclusive);
            state = scan.combine(state, scanned.total);
        }
    }
}

template <class S>
void run_scan(const char* op, const S& scan, const Lines& lines, bool reverse) {
    if (lines.count() == 0 || lines.length == 0) return;
    using A = typename S::A;
    constexpr std::int64_t threads = block_threads, most_blocks = std::int64_t{1} << 24;
    const auto grid = [&](std::int64_t blocks) {
        return Grid{dim3(static_cast<unsigned>(std::min(blocks, most_blocks))), dim3(block_threads)};
    };
    ScanPlan plan{lines, reverse, lines.length};
    constexpr std::int64_t few_lines = 4096, few_steps = 64;
    if (lines.inner > 1 && (lines.count() >= few_lines || lines.length <= few_steps))
        return launch(op, &scan_thread_kernel<S>, grid(ceil_div(lines.count(), threads)), scan, plan);
    constexpr std::int64_t warp_steps = 512, block_steps = 4 * threads, most_chunks = 1024, enough = 128;
    const A* const none = nullptr;
    A* const nowhere = nullptr;
    if (lines.length <= warp_steps)
        return launch(op, &scan_group_kernel<32, S>, grid(ceil_div(lines.count(), threads / 32)), scan, plan, none, nowhere);
    const auto whole = &scan_group_kernel<static_cast<int>(threads), S>;
    const std::int64_t wanted = std::min({most_chunks, ceil_div(lines.length, 2 * block_steps), ceil_div(most_chunks, lines.count())});
    if (lines.count() >= enough || wanted < 2) return launch(op, whole, grid(lines.count()), scan, plan, none, nowhere);
    plan.chunk = ceil_div(ceil_div(lines.length, wanted), block_steps) * block_steps;
    plan.chunks = ceil_div(lines.length, plan.chunk);
    const Scratch<A> carry(lines.count() * plan.chunks);
    launch(op, whole, grid(lines.count() * plan.chunks), scan, plan, none, carry.data());
    launch(op, &scan_carry_kernel<S>, grid(lines.count()), scan, lines.count(), plan.chunks, carry.data());
    launch(op, whole, grid(lines.count() * plan.chunks), scan, plan, static_cast<const A*>(carry.data()), nowhere);
}

}  // namespace headtorch::cuda::detail
