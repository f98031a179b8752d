// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Writing and adding by index, and through views that may show a place more than once. See scatter.cuh for the order of sums.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "headtorch/device/cuda/gather.cuh"
#include "headtorch/device/cuda/scatter.cuh"

namespace headtorch::cuda {
namespace detail {

template <class Key>
__global__ void slab_keys_kernel(const std::int64_t* index, std::int64_t count, std::int64_t size, Key* keys) {
    for (std::int64_t i = thread_place(); i < count; i += thread_count()) keys[i] = static_cast<Key>(safe_index(index[i], size));
}

}  // namespace detail

/// to[o, index[i], :] += from[o, i, :] for contiguous [outer, size, inner], in the order of i; negative indices count from the end.
template <class T>
void add_slabs(Cuda, const T* from, const Slabs& slabs, const std::int64_t* index, std::int64_t count, T* to) {
    const std::int64_t units = slabs.outer * slabs.inner;
    if (units * count == 0 || slabs.size == 0) return;
    with_key(slabs.size, count, [&](auto as) {
        using Key = decltype(as);
        const Scratch<Key> keys(count);
        launch("index_add", &detail::slab_keys_kernel<Key>, grid_for(count), index, count, slabs.size, keys.data());
        const Addition<T> what{.from = from,
                               .to = to,
                               .units = units,
                               .inner = slabs.inner,
                               .step = slabs.inner,
                               .from_outer = count * slabs.inner,
                               .to_outer = slabs.size * slabs.inner};
        add_by_key(std::string_view("index_add"), what, static_cast<const Key*>(keys.data()), count, slabs.size);
    });
}

namespace detail {

/// What becomes of the elements that go to one place.
enum class Meeting { add, last_stays };

/// One thread for each line along `dim`: it goes along the line, so everything is in order. The walk's operands are the two beginnings of a
/// line.
template <Meeting meeting, class T>
__global__ void scatter_lines_kernel(T* to, std::int64_t step, std::int64_t size, const std::int64_t* index, const T* from,
                                     std::int64_t length, std::int64_t apart, int lines, Walk<2> walk) {
    for (std::int64_t line = thread_place(); line < lines; line += thread_count()) {
        const auto at = walk.offsets(static_cast<int>(line));
        const std::int64_t* where = index + at.of[0];
        const T* values = from + at.of[0];
        for (std::int64_t k = 0; k < length; ++k) {
            T& place = to[at.of[1] + safe_index(where[k * apart], size) * step];
            if constexpr (meeting == Meeting::add)
                place = static_cast<T>(static_cast<SumType<T>>(place) + static_cast<SumType<T>>(values[k * apart]));
            else
                place = values[k * apart];
        }
    }
}

/// keys[k] = the place that entry k goes to.
template <class Key>
__global__ void place_keys_kernel(std::int64_t step, std::int64_t size, const std::int64_t* index, std::int64_t base, int n, Walk<2> walk,
                                  Key* keys) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count()) {
        const auto at = walk.offsets(static_cast<int>(k));
        keys[at.of[0]] = static_cast<Key>(base + at.of[1] + (index ? safe_index(index[at.of[0]], size) * step : 0));
    }
}

/// winners[place] = the last entry that goes there; it was -1 at first.
template <class Key>
__global__ void find_last_kernel(const Key* keys, std::int64_t n, long long* winners) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count()) atomicMax(&winners[keys[k]], static_cast<long long>(k));
}
template <class W, class Key>
__global__ void write_last_kernel(const Key* keys, std::int64_t n, const long long* winners, const W* from, W* to) {
    for (std::int64_t k = thread_place(); k < n; k += thread_count())
        if (winners[keys[k]] == k) to[keys[k]] = from[k];
}

/// Lines are walked by one thread each where there are so many that this keeps the GPU busy, or where they are short.
inline bool walks_lines(std::int64_t length, std::int64_t lines) { return length <= 32 || lines >= length * 16; }

template <Meeting meeting, class T>
void scatter_lines(const char* op, T* to, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                   const T* from) {
    Shape around = shape;
    if (around.rank() > 0) around[dim] = 1;
    const std::int64_t length = shape.rank() ? shape[dim] : 1, apart = shape.rank() ? shape.contiguous_strides()[dim] : 1;
    const std::array<Strides, 2> each{shape.contiguous_strides(), strides};
    in_parts(Loop(around, each), 2, [&](const Loop& part, std::int64_t lines, const std::int64_t* offsets) {
        launch(op, &scatter_lines_kernel<meeting, T>, grid_for(lines), to + offsets[1], strides.rank() ? strides[dim] : 0, size,
               index + offsets[0], from + offsets[0], length, apart, static_cast<int>(lines), Walk<2>(part));
    });
}

/// Calls run(keys, n, limit) with the place of each entry of `index` in the memory that `to` shows, whose strides are not negative.
template <class Run>
void with_places(const char* op, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                 const Run& run) {
    const std::int64_t n = shape.numel(), step = strides.rank() ? strides[dim] : 0;
    std::int64_t limit = 1 + (size - 1) * step;
    for (int d = 0; d < shape.rank(); ++d)
        if (d != dim) limit += (shape[d] - 1) * strides[d];
    with_key(limit, n, [&](auto as) {
        using Key = decltype(as);
        const Scratch<Key> keys(n);
        in_parts(loop_along(shape, dim, strides), 2, [&](const Loop& part, std::int64_t count, const std::int64_t* offsets) {
            launch(op, &place_keys_kernel<Key>, grid_for(count), step, size, index + offsets[0], offsets[1], static_cast<int>(count),
                   Walk<2>(part), keys.data() + offsets[0]);
        });
        run(static_cast<const Key*>(keys.data()), n, limit);
    });
}

}  // namespace detail

/// to[… index[k] …] += from[k] along one dimension, in the order of k. `to` shows no place twice.
template <class T>
void scatter_add_along(Cuda, T* to, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                       const T* from) {
    const std::int64_t n = shape.numel(), length = shape.rank() ? shape[dim] : 1;
    if (n == 0 || size == 0) return;
    if (detail::walks_lines(length, n / length))
        return detail::scatter_lines<detail::Meeting::add>("scatter_add", to, strides, dim, size, index, shape, from);
    detail::with_places("scatter_add", strides, dim, size, index, shape, [&](const auto* keys, std::int64_t count, std::int64_t limit) {
        add_by_key("scatter_add", Addition<T>{.from = from, .to = to}, keys, count, limit);
    });
}

/// to[… index[k] …] = from[k] along one dimension; the last of equal indices wins.
template <class T>
void scatter_along(Cuda, T* to, const Strides& strides, int dim, std::int64_t size, const std::int64_t* index, const Shape& shape,
                   const T* from) {
    const std::int64_t n = shape.numel(), length = shape.rank() ? shape[dim] : 1;
    if (n == 0 || size == 0) return;
    using W = Word<sizeof(T)>;
    W* words = reinterpret_cast<W*>(to);
    const W* values = reinterpret_cast<const W*>(from);
    if (detail::walks_lines(length, n / length))
        return detail::scatter_lines<detail::Meeting::last_stays>("index_copy", words, strides, dim, size, index, shape, values);
    detail::with_places("index_copy", strides, dim, size, index, shape, [&](const auto* keys, std::int64_t count, std::int64_t limit) {
        using Key = std::remove_cvref_t<decltype(*keys)>;
        const Scratch<long long> winners(limit);
        fill_bytes("index_copy", winners.data(), 0xff, limit * 8);
        launch("index_copy", &detail::find_last_kernel<Key>, grid_for(count), keys, count, winners.data());
        launch("index_copy", &detail::write_last_kernel<W, Key>, grid_for(count), keys, count, winners.data(), values, words);
    });
}

namespace detail {

/// Dimensions of a view, as bits, that have to be gone through one index after the other, so that within one step no place is shown twice;
/// the fewest steps there are.
inline unsigned dims_in_turn(const Shape& shape, const Strides& strides, std::int64_t& steps) {
    const auto is_distinct = [&](unsigned skipped) {
        std::array<int, max_rank> order{};
        int rank = 0;
        for (int d = 0; d < shape.rank(); ++d)
            if (shape[d] > 1 && !(skipped >> d & 1u)) order[static_cast<std::size_t>(rank++)] = d;
        const auto shorter = [&](int a, int b) { return std::abs(strides[a]) < std::abs(strides[b]); };
        for (auto next = order.begin(); next != order.begin() + rank; ++next)  // they are few: sorted by insertion
            std::rotate(std::upper_bound(order.begin(), next, *next, shorter), next, next + 1);
        std::int64_t reach = 0;
        for (int i = 0; i < rank; ++i) {
            const int d = order[static_cast<std::size_t>(i)];
            if (std::abs(strides[d]) <= reach) return false;
            reach += (shape[d] - 1) * std::abs(strides[d]);
        }
        return true;
    };
    unsigned best = 0;
    steps = is_distinct(0) ? 1 : -1;
    for (unsigned dims = 1; steps != 1 && dims < 1u << shape.rank(); ++dims) {
        std::int64_t count = 1;
        for (int d = 0; d < shape.rank(); ++d)
            if (dims >> d & 1u) count *= shape[d];
        if ((steps < 0 || count < steps) && is_distinct(dims)) {
            steps = count;
            best = dims;
        }
    }
    return best;
}

template <class T>
__global__ void add_view_kernel(const T* from, int n, Walk<2> walk, T* to) {
    for (std::int64_t i = thread_place(); i < n; i += thread_count()) {
        const auto at = walk.offsets(static_cast<int>(i));
        T& place = to[at.of[1]];
        place = static_cast<T>(static_cast<SumType<T>>(place) + static_cast<SumType<T>>(from[at.of[0]]));
    }
}

}  // namespace detail

/// Adds element i of row-major `from` to element i of the view of `to` with this shape and these strides, which may show a place of `to`
/// more than once.
template <class T>
void add_strided(Cuda, const T* from, const Shape& shape, const Strides& strides, T* to) {
    if (shape.numel() == 0) return;
    const Strides plain = shape.contiguous_strides();
    std::int64_t steps = 1;
    const unsigned in_turn = detail::dims_in_turn(shape, strides, steps);
    constexpr std::int64_t most_steps = 64;
    if (steps <= most_steps) {
        Shape rest = shape;
        for (int d = 0; d < shape.rank(); ++d)
            if (in_turn >> d & 1u) rest[d] = 1;
        const Loop loop(rest, std::array<Strides, 2>{plain, strides});
        for (std::int64_t step = 0; step < steps; ++step) {
            std::int64_t left = step, from_offset = 0, to_offset = 0;
            for (int d = shape.rank() - 1; d >= 0; --d) {
                if (!(in_turn >> d & 1u)) continue;
                from_offset += left % shape[d] * plain[d];
                to_offset += left % shape[d] * strides[d];
                left /= shape[d];
            }
            in_parts(loop, 2, [&](const Loop& part, std::int64_t n, const std::int64_t* offsets) {
                launch("embed", &detail::add_view_kernel<T>, grid_for(n), from + from_offset + offsets[0], static_cast<int>(n),
                       Walk<2>(part), to + to_offset + offsets[1]);
            });
        }
        return;
    }
    // by place; the lowest is number 0
    std::int64_t lowest = 0, highest = 0;
    for (int d = 0; d < shape.rank(); ++d) (strides[d] < 0 ? lowest : highest) += (shape[d] - 1) * strides[d];
    const std::int64_t n = shape.numel(), limit = highest - lowest + 1;
    with_key(limit, n, [&](auto as) {
        using Key = decltype(as);
        const Scratch<Key> keys(n);
        in_parts(Loop(shape, std::array<Strides, 2>{plain, strides}), 2,
                 [&](const Loop& part, std::int64_t count, const std::int64_t* offsets) {
                     launch("embed", &detail::place_keys_kernel<Key>, grid_for(count), std::int64_t{0}, std::int64_t{0}, nullptr,
                            offsets[1] - lowest, static_cast<int>(count), Walk<2>(part), keys.data() + offsets[0]);
                 });
        add_by_key("embed", Addition<T>{.from = from, .to = to + lowest}, static_cast<const Key*>(keys.data()), n, limit);
    });
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::add_slabs;
using cuda::add_strided;
using cuda::scatter_add_along;
using cuda::scatter_along;
}  // namespace headtorch
