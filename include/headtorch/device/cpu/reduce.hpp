// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The reduction kernel: one formula (device/reduction.hpp) over any dimensions of a strided operand. Work is cut into blocks of a fixed
/// size, whose results are combined in their order: the number of threads changes nothing, not even the last bit.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "headtorch/device/cpu/half.hpp"
#include "headtorch/device/cpu/memory.hpp"
#include "headtorch/device/cpu/packet.hpp"
#include "headtorch/device/cpu/packet_math.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/reduction.hpp"

namespace headtorch::cpu {

/// Elements in a block of a reduction: enough to be worth a thread.
inline constexpr std::int64_t reduce_block = 32768;

/// Steps through the indices of some dimensions in row-major order, with the offsets they have in the operand and in the result.
class ReduceWalk {
public:
    std::int64_t x = 0, y = 0;

    ReduceWalk(const ReducePlan::Dim* dims, int rank, std::int64_t start) : dims_(dims), rank_(rank) {
        for (int d = rank - 1; d >= 0; --d) {
            index_[d] = d == 0 ? start : start % dims[d].size;
            start /= dims[d].size;
            x += index_[d] * dims[d].stride;
            y += index_[d] * dims[d].out;
        }
    }
    static ReduceWalk outputs(const ReducePlan& plan, std::int64_t start) { return {plan.kept, plan.kept_rank, start}; }
    static ReduceWalk rows(const ReducePlan& plan, std::int64_t start) { return {plan.reduced, plan.reduced_rank, start}; }

    void next() {
        for (int d = rank_ - 1; d >= 0; --d) {
            x += dims_[d].stride;
            y += dims_[d].out;
            if (++index_[d] < dims_[d].size) return;
            x -= index_[d] * dims_[d].stride;
            y -= index_[d] * dims_[d].out;
            index_[d] = 0;
        }
    }

private:
    const ReducePlan::Dim* dims_;
    int rank_;
    std::int64_t index_[max_rank];
};

namespace detail {

template <class Op, class X, class C>
HEADTORCH_ALWAYS_INLINE auto mapped(const Op& op, const X& x, [[maybe_unused]] const C& center) {
    if constexpr (reduction::Centred<Op>) {
        return op.map(x, center);
    } else {
        return op.map(x);
    }
}
template <class Out, class Op, class A>
HEADTORCH_ALWAYS_INLINE Out finished(const Op& op, A a, std::int64_t count, [[maybe_unused]] A center) {
    if constexpr (reduction::Centred<Op>) {
        return static_cast<Out>(op.finish(a, count, center));
    } else {
        return static_cast<Out>(op.finish(a, count));
    }
}

/// Combines the lanes of a packet, in halves.
template <class Op, class A, int W>
HEADTORCH_ALWAYS_INLINE A fold_lanes(const Op& op, const Packet<A, W>& x) {
    if constexpr (W == 1) {
        return x[0];
    } else if constexpr (W == 2) {
        return static_cast<A>(op.combine(x[0], x[1]));
    } else {
        using Lower = Packet<A, W / 2>;
        alignas(simd_bytes) A lanes[W];
        x.store(lanes);
        return fold_lanes(op, Lower(op.combine(Lower::load(lanes), Lower::load(lanes + W / 2))));
    }
}

/// Reduces n values that lie `stride` apart.
template <class A, class Op, class T>
A reduce_run(const Op& op, const T* x, std::int64_t n, std::int64_t stride, A center) {
    constexpr int W = native_lanes<A>;
    using P = Packet<A, W>;
    A sum = Op::template identity<A>();
    if (stride != 1) {
        for (std::int64_t i = 0; i < n; ++i) sum = static_cast<A>(op.combine(sum, mapped(op, static_cast<A>(x[i * stride]), center)));
        return sum;
    }
    std::int64_t i = 0;
    if (n >= W) {
        const P c = center;
        const auto load = [&](std::int64_t at) { return P(mapped(op, load_as<A, W>(x + at), c)); };
        P sum0 = load(0);
        i = W;
        if (n >= 4 * W) {
            P sum1 = load(W), sum2 = load(2 * W), sum3 = load(3 * W);
            for (i = 4 * W; i + 4 * W <= n; i += 4 * W) {
                sum0 = op.combine(sum0, load(i));
                sum1 = op.combine(sum1, load(i + W));
                sum2 = op.combine(sum2, load(i + 2 * W));
                sum3 = op.combine(sum3, load(i + 3 * W));
            }
            sum0 = op.combine(P(op.combine(sum0, sum1)), P(op.combine(sum2, sum3)));
        }
        for (; i + W <= n; i += W) sum0 = op.combine(sum0, load(i));
        sum = fold_lanes(op, sum0);
    }
    for (; i < n; ++i) sum = static_cast<A>(op.combine(sum, mapped(op, static_cast<A>(x[i]), center)));
    return sum;
}

/// Reduces elements begin … end - 1 of those that one output gathers.
template <class A, class Op, class T>
A reduce_rows(const Op& op, const T* x, const ReducePlan& plan, std::int64_t begin, std::int64_t end, A center) {
    if (plan.rows == 1) return reduce_run<A>(op, x + begin * plan.inner_stride, end - begin, plan.inner_stride, center);
    A sum = Op::template identity<A>();
    ReduceWalk walk = ReduceWalk::rows(plan, begin / plan.inner);
    for (std::int64_t column = begin % plan.inner; begin < end; walk.next()) {
        const std::int64_t n = std::min(end - begin, plan.inner - column);
        sum = static_cast<A>(op.combine(sum, reduce_run<A>(op, x + walk.x + column * plan.inner_stride, n, plan.inner_stride, center)));
        begin += n;
        column = 0;
    }
    return sum;
}

template <class A, class Op, class T, class Out>
void reduce_by_rows(const Op& op, const T* x, const ReducePlan& plan, Out* y, const A* center) {
    const auto center_at = [&](std::int64_t at) { return center ? center[at] : A{}; };
    const std::int64_t blocks = (plan.count + reduce_block - 1) / reduce_block;
    if (blocks == 1 && plan.outputs == 1) {
        *y = finished<Out, Op, A>(op, reduce_rows<A>(op, x, plan, 0, plan.count, center_at(0)), plan.count, center_at(0));
        return;
    }
    if (blocks == 1) {
        parallel_for(plan.outputs, std::max<std::int64_t>(1, reduce_block / plan.count), [&](std::int64_t begin, std::int64_t end) {
            ReduceWalk walk = ReduceWalk::outputs(plan, begin);
            for (; begin < end; ++begin, walk.next()) {
                const A c = center_at(walk.y);
                y[walk.y] = finished<Out, Op, A>(op, reduce_rows<A>(op, x + walk.x, plan, 0, plan.count, c), plan.count, c);
            }
        });
        return;
    }
    const Scratch<A> partial(plan.outputs * blocks);
    parallel_for(plan.outputs * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; ++begin) {
            const ReduceWalk at = ReduceWalk::outputs(plan, begin / blocks);
            const std::int64_t first = begin % blocks * reduce_block;
            partial[begin] = reduce_rows<A>(op, x + at.x, plan, first, std::min(plan.count, first + reduce_block), center_at(at.y));
        }
    });
    ReduceWalk walk = ReduceWalk::outputs(plan, 0);
    for (std::int64_t i = 0; i < plan.outputs; ++i, walk.next()) {
        A sum = partial[i * blocks];
        for (std::int64_t block = 1; block < blocks; ++block) sum = static_cast<A>(op.combine(sum, partial[i * blocks + block]));
        y[walk.y] = finished<Out, Op, A>(op, sum, plan.count, center_at(walk.y));
    }
}

/// Columns that are gathered at a time: their accumulators stay in the first cache.
inline constexpr std::int64_t column_tile = 2048;

/// sums[j] = combine(sums[j], map of row[j]) for R rows at once.
template <int R, class A, class Op, class T>
HEADTORCH_ALWAYS_INLINE void gather_rows(const Op& op, const T* const (&row)[R], std::int64_t width, A* sums, const A* center) {
    constexpr int W = native_lanes<A>;
    using P = Packet<A, W>;
    std::int64_t j = 0;
    for (; j + W <= width; j += W) {
        const P c = reduction::Centred<Op> ? P::load(center + j) : P{};
        const auto load = [&](int r) { return P(mapped(op, load_as<A, W>(row[r] + j), c)); };
        if constexpr (R == 4) {
            const P sum = op.combine(P(op.combine(load(0), load(1))), P(op.combine(load(2), load(3))));
            P(op.combine(P::load(sums + j), sum)).store(sums + j);
        } else {
            P(op.combine(P::load(sums + j), load(0))).store(sums + j);
        }
    }
    for (; j < width; ++j)
        for (int r = 0; r < R; ++r)
            sums[j] = static_cast<A>(op.combine(sums[j], mapped(op, static_cast<A>(row[r][j]), reduction::Centred<Op> ? center[j] : A{})));
}

/// Gathers rows first … first + rows - 1 of `width` columns that start at x into sums.
template <class A, class Op, class T>
void reduce_columns(const Op& op, const T* x, const ReducePlan& plan, std::int64_t first, std::int64_t rows, std::int64_t width, A* sums,
                    const A* center) {
    ReduceWalk walk = ReduceWalk::rows(plan, first);
    std::int64_t row = 0;
    if (plan.inner_stride != 1) {
        T line[column_tile];
        for (; row < rows; ++row, walk.next()) {
            for (std::int64_t j = 0; j < width; ++j) line[j] = x[walk.x + j * plan.inner_stride];
            gather_rows<1>(op, {line}, width, sums, center);
        }
        return;
    }
    constexpr std::int64_t wide_limit = 64;
    const std::int64_t together = width <= wide_limit / 2 ? wide_limit / width : 1;
    if (together > 1 && rows >= 2 * together && plan.reduced_rank == 1 && plan.reduced[0].stride == width) {
        // short adjacent rows: several of them make one long row
        A wide[wide_limit], wide_center[wide_limit];
        const std::int64_t wide_width = together * width;
        for (std::int64_t j = 0; j < wide_width; ++j) {
            wide[j] = Op::template identity<A>();
            wide_center[j] = reduction::Centred<Op> ? center[j % width] : A{};
        }
        for (; row + together <= rows; row += together) gather_rows<1>(op, {x + (first + row) * width}, wide_width, wide, wide_center);
        for (std::int64_t j = 0; j < wide_width; ++j) sums[j % width] = static_cast<A>(op.combine(sums[j % width], wide[j]));
        for (; row < rows; ++row) gather_rows<1>(op, {x + (first + row) * width}, width, sums, center);
        return;
    }
    for (; row + 4 <= rows; row += 4) {
        const T* four[4];
        for (const T*& p : four) {
            p = x + walk.x;
            walk.next();
        }
        gather_rows<4>(op, four, width, sums, center);
    }
    for (; row < rows; ++row, walk.next()) gather_rows<1>(op, {x + walk.x}, width, sums, center);
}

template <class A, class Op, class T, class Out>
void reduce_by_columns(const Op& op, const T* x, const ReducePlan& plan, Out* y, const A* center) {
    constexpr std::int64_t few = 64;
    if (plan.count * plan.total <= few && plan.outputs == 1 && plan.reduced_rank == 1) {
        for (std::int64_t j = 0; j < plan.inner; ++j) {
            const A c = reduction::Centred<Op> ? center[j * plan.inner_out] : A{};
            y[j * plan.inner_out] =
                finished<Out, Op, A>(op, reduce_run<A>(op, x + j * plan.inner_stride, plan.rows, plan.reduced[0].stride, c), plan.count, c);
        }
        return;
    }
    const std::int64_t tile = std::min(plan.inner, column_tile), tiles = (plan.inner + tile - 1) / tile;
    const std::int64_t block_rows = std::max<std::int64_t>(1, reduce_block / tile), blocks = (plan.rows + block_rows - 1) / block_rows;
    const Scratch<A> partial(blocks == 1 ? 0 : plan.outputs * blocks * plan.inner);
    const auto finish = [&](std::int64_t at, A sum) {
        y[at] = finished<Out, Op, A>(op, sum, plan.count, reduction::Centred<Op> ? center[at] : A{});
    };
    const std::int64_t unit = tile * std::min(plan.rows, block_rows);
    parallel_for(plan.outputs * tiles * blocks, std::max<std::int64_t>(1, reduce_block / unit), [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; ++begin) {
            const std::int64_t block = begin % blocks, column = begin / blocks % tiles * tile, output = begin / blocks / tiles;
            const std::int64_t width = std::min(tile, plan.inner - column), first = block * block_rows;
            const ReduceWalk at = ReduceWalk::outputs(plan, output);
            A local[column_tile], local_center[reduction::Centred<Op> ? column_tile : 1];
            A* sums = blocks == 1 ? local : partial.data() + (output * blocks + block) * plan.inner + column;
            local_center[0] = A{};
            std::fill(sums, sums + width, Op::template identity<A>());
            const std::int64_t out = at.y + column * plan.inner_out;
            if constexpr (reduction::Centred<Op>)
                for (std::int64_t j = 0; j < width; ++j) local_center[j] = center[out + j * plan.inner_out];
            reduce_columns<A>(op, x + at.x + column * plan.inner_stride, plan, first, std::min(block_rows, plan.rows - first), width, sums,
                              local_center);
            if (blocks == 1)
                for (std::int64_t j = 0; j < width; ++j) finish(out + j * plan.inner_out, sums[j]);
        }
    });
    if (blocks == 1) return;
    ReduceWalk walk = ReduceWalk::outputs(plan, 0);
    for (std::int64_t i = 0; i < plan.outputs; ++i, walk.next()) {
        A* sums = partial.data() + i * blocks * plan.inner;
        for (std::int64_t block = 1; block < blocks; ++block)
            for (std::int64_t j = 0; j < plan.inner; ++j) sums[j] = static_cast<A>(op.combine(sums[j], sums[block * plan.inner + j]));
        for (std::int64_t j = 0; j < plan.inner; ++j) finish(walk.y + j * plan.inner_out, sums[j]);
    }
}

template <class T>
using NoBool = std::conditional_t<std::same_as<T, bool>, std::uint8_t, T>;

}  // namespace detail

/// y = the reduction of x by `op`, as `plan` says. An output that gathers nothing is what the formula makes of its identity.
/// For a centred formula, `center` holds one number for each output, in the order of y.
template <class Op, class T, class Out>
void reduce(Cpu, const Op& op, const T* x, const ReducePlan& plan, Out* y,
            const std::type_identity_t<typename Op::template Gather<detail::NoBool<T>>>* center = nullptr) {
    using Number = detail::NoBool<T>;
    using A = typename Op::template Gather<Number>;
    const auto* numbers = reinterpret_cast<const Number*>(x);
    if (plan.count == 0) {
        for (std::int64_t i = 0; i < plan.total; ++i)
            y[i] = detail::finished<Out, Op, A>(op, Op::template identity<A>(), 0, center ? center[i] : A{});
    } else if (plan.total == 0) {
        return;
    } else if (plan.columns) {
        detail::reduce_by_columns<A>(op, numbers, plan, y, center);
    } else {
        detail::reduce_by_rows<A>(op, numbers, plan, y, center);
    }
}

/// out[i] = value[0] * scale for n elements.
template <class T>
void spread(Cpu, const T* value, std::type_identity_t<ComputeType<T>> scale, std::int64_t n, T* out) {
    std::fill(out, out + n, static_cast<T>(value[0] * scale));
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::reduce;
using cpu::spread;
}  // namespace headtorch
