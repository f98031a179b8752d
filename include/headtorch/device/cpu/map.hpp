// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The pointwise kernel: one formula over any number of operands, fused into one vectorised pass.

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "headtorch/core/dtype.hpp"
#include "headtorch/device/cpu/half.hpp"
#include "headtorch/device/cpu/loop.hpp"
#include "headtorch/device/cpu/packet.hpp"
#include "headtorch/device/cpu/packet_math.hpp"
#include "headtorch/device/cpu/parallel.hpp"
#include "headtorch/device/device.hpp"
#include "headtorch/device/map.hpp"

namespace headtorch::cpu {

/// Below this many elements a second thread costs more than it brings.
inline constexpr std::int64_t map_grain = 32768;
/// A result of this many bytes is written past the caches: they could not keep it, and would first read what is overwritten.
inline constexpr std::int64_t stream_bytes = std::int64_t{16} << 20;

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
HEADTORCH_ALWAYS_INLINE void map_range(const F& formula, std::int64_t n, Out* out, const In*... in) {
    using Widest = typename WidestOf<Out, In...>::type;
    constexpr int lanes = native_lanes<Widest>;
    if constexpr (std::is_invocable_v<const F&, LaneOf<In, Widest, lanes>...>) {
        std::int64_t i = 0;
        for (; i + lanes <= n; i += lanes)
            as_lanes<Out, Widest, lanes>(formula(LaneOf<In, Widest, lanes>::load(in + i)...)).store(out + i);
        if (i < n) {
            const int rest = static_cast<int>(n - i);
            as_lanes<Out, Widest, lanes>(formula(LaneOf<In, Widest, lanes>::load_partial(in + i, rest)...)).store_partial(out + i, rest);
        }
    } else {
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(formula(in[i]...));
    }
}

}  // namespace detail

namespace detail {

template <class F, class Out, class... In>
void run_kernel(const void* formula, std::int64_t n, void* out, const void* const* in, const Loop*) {
    // a copy, so that the compiler knows that no store changes it
    const F f{*static_cast<const typename headtorch::detail::FormulaOf<F>::type*>(formula)};
    [&]<std::size_t... K>(std::index_sequence<K...>) {
        map_range(f, n, static_cast<Out*>(out), static_cast<const In*>(in[K])...);
    }(std::index_sequence_for<In...>{});
}

/// The same where some elements are halfs: pieces of them as floats, and the kernel of floats.
template <class F, class Out, class... In>
void run_half_kernel(const void* formula, std::int64_t n, void* out, const void* const* in, const Loop*) {
    constexpr std::int64_t block = 256;
    alignas(buffer_alignment) float buffers[1 + sizeof...(In)][block];
    for (std::int64_t i = 0; i < n; i += block) {
        const std::int64_t count = std::min(block, n - i);
        const void* pieces[1 + sizeof...(In)] = {};
        int k = 0;
        [[maybe_unused]] const auto prepare = [&]<class T>(const T* from) {
            if constexpr (Half<T>) {
                widen(from + i, count, buffers[k]);
                pieces[k] = buffers[k];
            } else {
                pieces[k] = from + i;
            }
            ++k;
        };
        (prepare(static_cast<const In*>(in[k])), ...);
        if constexpr (Half<Out>) {
            run_kernel<F, float, ComputeType<In>...>(formula, count, buffers[k], pieces, nullptr);
            narrow(static_cast<const float*>(buffers[k]), count, static_cast<Out*>(out) + i);
        } else {
            run_kernel<F, Out, ComputeType<In>...>(formula, count, static_cast<Out*>(out) + i, pieces, nullptr);
        }
    }
}

inline void* advance(void* pointer, std::int64_t elements, std::uint8_t bytes) { return static_cast<char*>(pointer) + elements * bytes; }

}  // namespace detail

/// The kernel of F from elements In... to Out.
template <class F, class Out, class... In>
constexpr MapKernel map_kernel(Cpu) {
    static_assert(sizeof...(In) < Loop::max_operands, "headtorch: a formula takes at most seven tensors");
    if constexpr (Half<Out> || (Half<In> || ...))
        return &detail::run_half_kernel<F, Out, In...>;
    else
        return &detail::run_kernel<F, Out, In...>;
}

/// out[i] = f(in[i]...) for plain arrays of n elements. A large result is computed in pieces in the nearest cache, which are then streamed,
/// unless it overwrites an input.
HEADTORCH_NOINLINE inline void map(Cpu, const MapCall& call, std::int64_t n) {
    if (n <= map_grain) {
        if (n > 0) call.kernel(call.formula, n, call.data[0], call.data + 1, nullptr);
        return;
    }
    bool streams = has_streaming && n >= stream_bytes / call.bytes[0];
    for (int k = 1; k < call.operands; ++k) streams = streams && call.data[k] != call.data[0];
    parallel_for(n, map_grain, [&](std::int64_t range_begin, std::int64_t range_end) {
        alignas(buffer_alignment) char piece[2048];
        const std::int64_t block = streams ? static_cast<std::int64_t>(sizeof piece) / call.bytes[0] : range_end - range_begin;
        for (std::int64_t begin = range_begin; begin < range_end; begin += block) {
            const std::int64_t count = std::min(block, range_end - begin);
            const void* in[Loop::max_operands];
            for (int k = 1; k < call.operands; ++k) in[k - 1] = detail::advance(call.data[k], begin, call.bytes[k]);
            void* out = detail::advance(call.data[0], begin, call.bytes[0]);
            call.kernel(call.formula, count, streams ? piece : out, in, nullptr);
            if (streams) stream(out, piece, static_cast<std::size_t>(count) * call.bytes[0]);
        }
        if (streams) end_streaming();
    });
}

/// The same for operands with any strides, in elements and broadcast to `shape`; strides[0] is that of the output.
HEADTORCH_NOINLINE inline void map_strided(Cpu, const MapCall& call, const Shape& shape, std::span<const Strides> strides) {
    constexpr std::int64_t block = 256;
    const std::int64_t n = shape.numel();
    if (n == 0) return;
    const Loop loop(shape, strides);

    parallel_for(n, map_grain / 4, [&](std::int64_t range_begin, std::int64_t range_end) {
        alignas(buffer_alignment) char buffers[Loop::max_operands][block * 8];
        bool constant[Loop::max_operands] = {};
        for (int k = 1; k < call.operands; ++k)
            if ((constant[k] = loop.is_constant(static_cast<std::size_t>(k))))
                fill_elements(call.data[k], buffers[k], std::min(block, range_end - range_begin), call.bytes[k]);

        for (std::int64_t begin = range_begin; begin < range_end;) {
            // a block is part of one row when rows are long, else several rows
            const LoopPosition position(loop, begin);
            std::int64_t count = std::min(block, range_end - begin);
            if (loop.inner() >= block) count = std::min(count, position.row_left());
            const bool one_row = count <= position.row_left();

            void* place[Loop::max_operands];
            for (int k = 0; k < call.operands; ++k) {
                const auto operand = static_cast<std::size_t>(k);
                const bool direct = !constant[k] && (loop.is_linear(operand) || (one_row && loop.strides[k][loop.rank - 1] == 1));
                place[k] = direct ? detail::advance(call.data[k], position.offset(operand), call.bytes[k]) : buffers[k];
                if (!direct && !constant[k] && k > 0)
                    move_elements(loop, operand, begin, count, call.data[k], buffers[k], call.bytes[k], true);
            }
            call.kernel(call.formula, count, place[0], place + 1, nullptr);
            if (place[0] == buffers[0]) move_elements(loop, 0, begin, count, call.data[0], buffers[0], call.bytes[0], false);
            begin += count;
        }
    });
}

}  // namespace headtorch::cpu

namespace headtorch {
using cpu::map;
using cpu::map_kernel;
using cpu::map_strided;
}  // namespace headtorch
