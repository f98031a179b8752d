// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The pointwise kernel: one formula over any number of operands, fused into one vectorised pass.

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/core/dtype.hpp"
#include "headtorch/device/cpu/loop.hpp"
#include "headtorch/device/cpu/packet.hpp"
#include "headtorch/device/cpu/packet_math.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"

namespace headtorch::cpu {

/// Below this many elements a second thread costs more than it brings.
inline constexpr std::int64_t map_grain = 32768;

namespace detail {

/// The element type that masks of a kernel are as wide as: the widest of its numbers.
template <class... T>
struct WidestOf {
    using type = std::uint8_t;
};
template <class T, class... Rest>
struct WidestOf<T, Rest...> {
    using Other = typename WidestOf<Rest...>::type;
    using type = std::conditional_t<!std::same_as<T, bool> && (sizeof(T) >= sizeof(Other)), T, Other>;
};

template <class T, class Widest, int W>
using LaneOf = std::conditional_t<std::same_as<T, bool>, Mask<Widest, W>, Packet<T, W>>;

/// A formula's result as lanes of Out: it may be a plain number, a mask, or lanes of another type.
template <class Out, class Widest, int W, class R>
HEADTORCH_ALWAYS_INLINE auto as_lanes(const R& result) {
    if constexpr (std::same_as<Out, bool>) {
        if constexpr (is_mask<R>)
            return Mask<Widest, W>(result);
        else if constexpr (is_packet<R>)
            return Mask<Widest, W>(to_mask(result));
        else
            return Mask<Widest, W>(static_cast<bool>(result));
    } else {
        if constexpr (std::is_arithmetic_v<R>)
            return Packet<Out, W>(result);
        else
            return convert<Out>(result);
    }
}

template <class F, class Out, class... In>
HEADTORCH_NOINLINE void map_range(const F& f, std::int64_t n, Out* out, const In*... in) {
    using Widest = typename WidestOf<Out, In...>::type;
    constexpr int lanes = native_lanes<Widest>;
    if constexpr (std::is_invocable_v<const F&, LaneOf<In, Widest, lanes>...>) {
        const F formula = f;  // a copy, so that the compiler knows that no store changes it
        std::int64_t i = 0;
        for (; i + lanes <= n; i += lanes)
            as_lanes<Out, Widest, lanes>(formula(LaneOf<In, Widest, lanes>::load(in + i)...)).store(out + i);
        if (i < n) {
            const int rest = static_cast<int>(n - i);
            as_lanes<Out, Widest, lanes>(formula(LaneOf<In, Widest, lanes>::load_partial(in + i, rest)...)).store_partial(out + i, rest);
        }
    } else {
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(f(in[i]...));
    }
}

}  // namespace detail

/// out[i] = f(in[i]...) for plain arrays of n elements; `out` may be one of the inputs.
template <class F, class Out, class... In>
void map(Cpu, const F& f, std::int64_t n, Out* out, const In*... in) {
    if (n <= map_grain) {
        if (n > 0) detail::map_range(f, n, out, in...);
        return;
    }
    parallel_for(n, map_grain, [&](std::int64_t begin, std::int64_t end) { detail::map_range(f, end - begin, out + begin, (in + begin)...); });
}

/// The same for operands with any strides, in elements and broadcast to `shape`: strides[0] is that of `out`.
template <class F, class Out, class... In>
void map_strided(Cpu, const F& f, const Shape& shape, std::span<const Strides> strides, Out* out, const In*... in) {
    constexpr std::int64_t block = 256;
    const std::int64_t n = shape.numel();
    if (n == 0) return;
    const Loop loop(shape, strides);

    const auto run = [&](std::int64_t range_begin, std::int64_t range_end) {
        alignas(buffer_alignment) Out out_buffer[block];
        struct alignas(buffer_alignment) Buffers {
            std::tuple<std::array<In, block>...> of;
        };
        Buffers buffers;
        const std::array<bool, sizeof...(In) + 1> constant = [&]<std::size_t... K>(std::index_sequence<K...>) {
            ((loop.is_constant(K + 1) ? std::get<K>(buffers.of).fill(*in) : void()), ...);
            return std::array<bool, sizeof...(In) + 1>{false, loop.is_constant(K + 1)...};
        }(std::index_sequence_for<In...>{});

        for (std::int64_t begin = range_begin; begin < range_end;) {
            // a block is part of one row when rows are long, else several rows
            const LoopPosition position(loop, begin);
            std::int64_t count = std::min(block, range_end - begin);
            if (loop.inner() >= block) count = std::min(count, position.row_left());
            const bool one_row = count <= position.row_left();

            const auto input = [&]<class T>(std::size_t k, const T* operand, T* buffer) -> const T* {
                if (constant[k]) return buffer;
                if (loop.is_linear(k)) return operand + begin;
                if (one_row && loop.strides[k][loop.rank - 1] == 1) return operand + position.offset(k);
                gather_elements(loop, k, begin, count, operand, buffer);
                return buffer;
            };
            const bool direct = loop.is_linear(0) || (one_row && loop.strides[0][loop.rank - 1] == 1);
            Out* target = direct ? out + position.offset(0) : out_buffer;
            [&]<std::size_t... K>(std::index_sequence<K...>) {
                detail::map_range(f, count, target, input(K + 1, in, std::get<K>(buffers.of).data())...);
            }(std::index_sequence_for<In...>{});
            if (!direct) scatter_elements(loop, 0, begin, count, out, out_buffer);
            begin += count;
        }
    };
    const std::int64_t grain = map_grain / 4;
    parallel_for(n, grain, run);
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::map;
using cpu::map_strided;
}  // namespace headtorch
