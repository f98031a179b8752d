// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The pointwise kernel: one formula over any number of operands, fused into one pass.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/operand.cuh"
#include "headtorch/device/cuda/walk.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/map.hpp"

namespace headtorch::cuda {

/// Numbers that are loaded or stored with one instruction.
template <class T, int N>
struct alignas(sizeof(T) * N) Lanes {
    T at[N];
};

namespace detail {

template <class... T>
inline constexpr std::size_t widest_bytes = std::max({sizeof(T)...});

/// Plain arrays, aligned to 16 bytes for the widest element type. Each thread computes twice `lanes` elements, so that enough loads are on
/// their way.
template <class F, int lanes, class Out, class... In>
__global__ void map_kernel_plain(F formula, int n, Out* out, const In*... in) {
    const int groups = n / lanes, first = static_cast<int>(blockIdx.x * blockDim.x * 2 + threadIdx.x);
    const int second = first + static_cast<int>(blockDim.x);
    const auto load = [&]([[maybe_unused]] int group) {
        return std::tuple<Lanes<In, lanes>...>(reinterpret_cast<const Lanes<In, lanes>*>(in)[group]...);
    };
    const auto compute = [&](int group, const std::tuple<Lanes<In, lanes>...>& loaded) {
        Lanes<Out, lanes> y;
        std::apply(
            [&](const auto&... x) {
                for (int j = 0; j < lanes; ++j) y.at[j] = static_cast<Out>(formula(static_cast<OperandOf<In>>(x.at[j])...));
            },
            loaded);
        reinterpret_cast<Lanes<Out, lanes>*>(out)[group] = y;
    };
    if (second < groups) {
        const auto a = load(first), b = load(second);
        compute(first, a);
        compute(second, b);
    } else if (first < groups) {
        compute(first, load(first));
    }
    if (lanes > 1 && first < n - groups * lanes) {  // what does not fill a group
        const int i = groups * lanes + first;
        out[i] = static_cast<Out>(formula(static_cast<OperandOf<In>>(in[i])...));
    }
}

template <class F, class Out, class... In>
__global__ void map_kernel_strided(F formula, int n, Walk<1 + sizeof...(In)> walk, Out* out, const In*... in) {
    const int first = static_cast<int>(blockIdx.x * blockDim.x * 2 + threadIdx.x), step = static_cast<int>(blockDim.x);
    for (int i = first; i < n && i <= first + step; i += step) {
        const auto at = walk.offsets(i);
        [&]<std::size_t... K>(std::index_sequence<K...>) {
            out[at.of[0]] = static_cast<Out>(formula(static_cast<OperandOf<In>>(in[at.of[K + 1]])...));
        }(std::index_sequence_for<In...>{});
    }
}

template <class F>
constexpr std::string_view formula_name() {
    using Formula = typename headtorch::detail::FormulaOf<F>::type;
    if constexpr (requires { Formula::name; })
        return Formula::name;
    else
        return "pointwise";
}

inline Grid map_grid(std::int64_t threads) {
    return {dim3(static_cast<unsigned>(ceil_div(threads, std::int64_t{block_threads} * 2))), dim3(block_threads)};
}

template <class F, class Out, class... In>
void run_kernel(const void* formula, std::int64_t n, void* out, const void* const* in, const Loop* loop) {
    constexpr int lanes = static_cast<int>(16 / widest_bytes<Out, In...>);
    const F f{*static_cast<const typename headtorch::detail::FormulaOf<F>::type*>(formula)};
    const auto aligned = [](const void* data, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(data) % bytes == 0; };
    [&]<std::size_t... K>(std::index_sequence<K...>) {
        Out* const y = static_cast<Out*>(out);
        if (!loop && aligned(out, sizeof(Out) * lanes) && (aligned(in[K], sizeof(In) * lanes) && ...)) {
            constexpr std::int64_t piece = std::int64_t{1} << 30;
            for (std::int64_t begin = 0; begin < n; begin += piece) {
                const int count = static_cast<int>(std::min(piece, n - begin));
                launch(formula_name<F>(), &map_kernel_plain<F, lanes, Out, In...>, map_grid(std::max(1, ceil_div(count, lanes))), f, count,
                       y + begin, static_cast<const In*>(in[K]) + begin...);
            }
            return;
        }
        const auto strided = [&](const Loop& part, std::int64_t count, const std::int64_t* offsets) {
            launch(formula_name<F>(), &map_kernel_strided<F, Out, In...>, map_grid(count), f, static_cast<int>(count),
                   Walk<1 + sizeof...(In)>(part), y + offsets[0], static_cast<const In*>(in[K]) + offsets[K + 1]...);
        };
        constexpr int operands = 1 + static_cast<int>(sizeof...(In));
        if (loop) return in_parts(*loop, operands, strided);
        Strides one;
        one.push_back(1);
        Strides each[operands];
        std::fill(each, each + operands, one);
        in_parts(Loop(Shape{n}, each), operands, strided);
    }(std::index_sequence_for<In...>{});
}

}  // namespace detail

/// The kernel of F from elements In... to Out. F must not be a lambda: nvcc wants a named type.
template <class F, class Out, class... In>
constexpr MapKernel map_kernel(Cuda) {
    static_assert(sizeof...(In) < Loop::max_operands, "headtorch: a formula takes at most seven tensors");
    return &detail::run_kernel<F, Out, In...>;
}

/// out[i] = f(in[i]...) for plain arrays of n elements.
inline void map(Cuda, const MapCall& call, std::int64_t n) {
    if (n > 0) call.kernel(call.formula, n, call.data[0], call.data + 1, nullptr);
}

/// The same for operands with any strides, in elements and broadcast to `shape`; strides[0] is that of the output.
inline void map_strided(Cuda, const MapCall& call, const Shape& shape, std::span<const Strides> strides) {
    const std::int64_t n = shape.numel();
    if (n == 0) return;
    const Loop loop(shape, strides);
    call.kernel(call.formula, n, call.data[0], call.data + 1, &loop);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::map;
using cuda::map_kernel;
using cuda::map_strided;
}  // namespace headtorch
