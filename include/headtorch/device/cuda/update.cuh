// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Optimisers on a GPU: one launch for as many parameters as fit into a kernel's arguments, which are addresses and sizes of 4 KiB at most.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "headtorch/device/cuda/block.cuh"
#include "headtorch/device/cuda/launch.cuh"
#include "headtorch/device/cuda/map.cuh"
#include "headtorch/device/cuda/memory.cuh"
#include "headtorch/device/cuda/operand.cuh"
#include "headtorch/device/device.hpp"
#include "headtorch/device/update.hpp"

namespace headtorch::cuda {
namespace detail {

/// Bytes of a kernel's arguments that a table may take.
inline constexpr std::size_t table_bytes = 3700;

/// The parameters of a launch. Each has blocks of its own, for `chunk` elements each.
template <class T, int states>
struct UpdateTable {
    static constexpr int most = static_cast<int>(table_bytes / (3 * 8 + 4 + 8 * states));
    static constexpr int chunk = 4096;
    int count = 0;
    int first_block[most + 1] = {};
    std::int64_t n[most];
    T* p[most];
    const T* g[most];
    T* state[states > 0 ? states : 1][states > 0 ? most : 1];

    bool full() const { return count == most || first_block[count] > (1 << 30); }
    void add(const UpdateItem<T>& item) {
        n[count] = item.n;
        p[count] = item.p;
        g[count] = item.g;
        for (int k = 0; k < states; ++k) state[k][count] = item.state[k];
        first_block[count + 1] = first_block[count] + static_cast<int>(ceil_div(item.n, std::int64_t{chunk}));
        ++count;
    }
    int blocks() const { return first_block[count]; }
    /// Whose block it is.
    __device__ int item_of(int block) const {
        int low = 0, high = count;
        while (high - low > 1) {
            const int middle = (low + high) / 2;
            if (first_block[middle] <= block)
                low = middle;
            else
                high = middle;
        }
        return low;
    }
};

/// Calls run(table, first) for all items, table by table; `first` is the number of the table's first item.
template <int states, class T, class Run>
void in_tables(std::span<const UpdateItem<T>> items, const Run& run) {
    UpdateTable<T, states> table;
    std::int64_t first = 0;
    const auto finish = [&] {
        if (table.blocks() > 0) run(static_cast<const UpdateTable<T, states>&>(table), first);
        first += table.count;
        table.count = 0;
    };
    for (const UpdateItem<T>& item : items) {
        if (table.full()) finish();
        table.add(item);
    }
    if (table.count > 0) finish();
}

/// One element.
template <class Rule, class T, class... State>
__device__ inline void apply_rule(const Rule& rule, T& value, const T& gradient, State&... state) {
    using P = OperandOf<T>;
    const auto with = [&](P x, auto... remembered) {
        rule(x, static_cast<P>(gradient), remembered...);
        value = static_cast<T>(x);
        ((state = static_cast<T>(remembered)), ...);
    };
    with(static_cast<P>(value), static_cast<P>(state)...);
}

/// `count` elements: 16 bytes at a time where all arrays allow it.
template <class Rule, class T, std::size_t... K>
__device__ void update_chunk(const Rule& rule, int count, T* p, const T* g, T* const* state, std::index_sequence<K...>) {
    constexpr int lanes = static_cast<int>(16 / sizeof(T));
    const auto misplaced = [](const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16; };
    int done = 0;
    if (((misplaced(p) | misplaced(g)) | ... | misplaced(state[K])) == 0) {
        const int groups = count / lanes;
        for (int i = static_cast<int>(threadIdx.x); i < groups; i += static_cast<int>(blockDim.x)) {
            auto value = reinterpret_cast<const Lanes<T, lanes>*>(p)[i];
            const auto gradient = reinterpret_cast<const Lanes<T, lanes>*>(g)[i];
            Lanes<T, lanes> remembered[sizeof...(K) + 1] = {reinterpret_cast<const Lanes<T, lanes>*>(state[K])[i]...};
            for (int j = 0; j < lanes; ++j) apply_rule(rule, value.at[j], gradient.at[j], remembered[K].at[j]...);
            reinterpret_cast<Lanes<T, lanes>*>(p)[i] = value;
            ((reinterpret_cast<Lanes<T, lanes>*>(state[K])[i] = remembered[K]), ...);
        }
        done = groups * lanes;
    }
    for (int i = done + static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
        apply_rule(rule, p[i], g[i], state[K][i]...);
}

/// The rule is `given`, or that of the item in `rules`.
template <class T, class Rule>
__global__ void update_kernel(UpdateTable<T, Rule::states> table, Rule given, const Rule* rules) {
    constexpr int states = Rule::states;
    const int item = table.item_of(static_cast<int>(blockIdx.x));
    const Rule rule = rules ? rules[item] : given;
    const std::int64_t chunk = UpdateTable<T, states>::chunk;
    const std::int64_t begin = static_cast<std::int64_t>(static_cast<int>(blockIdx.x) - table.first_block[item]) * chunk;
    const int count = static_cast<int>(min(chunk, table.n[item] - begin));
    T* state[states + 1] = {};
    for (int k = 0; k < states; ++k) state[k] = table.state[k][item] + begin;
    constexpr auto sequence = std::make_index_sequence<static_cast<std::size_t>(states)>{};
    update_chunk(rule, count, table.p[item] + begin, table.g[item] + begin, state, sequence);
}

/// Counts of many parameters.
struct CountTable {
    static constexpr int most = 256;
    int count = 0;
    double* counts[most] = {};
};
/// Makes the rule of each parameter for its next step.
template <class Settings, class Rule>
__global__ void rules_kernel(CountTable table, Settings settings, const double* lr, Rule* rules) {
    const int i = static_cast<int>(threadIdx.x);
    double none[2] = {};
    if (i < table.count) rules[i] = next_rule(settings, *lr, table.counts[i] ? table.counts[i] : none);
}

/// The largest |x| of a block's gradients, or the sum of |x|^power.
template <class T>
__global__ void norm_parts_kernel(UpdateTable<T, 0> table, double power, bool largest, double* parts) {
    constexpr int chunk = UpdateTable<T, 0>::chunk;
    const int item = table.item_of(static_cast<int>(blockIdx.x));
    const std::int64_t begin = static_cast<std::int64_t>(static_cast<int>(blockIdx.x) - table.first_block[item]) * chunk;
    const int count = static_cast<int>(min(static_cast<std::int64_t>(chunk), table.n[item] - begin));
    const T* const g = table.g[item] + begin;
    double part = 0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
        const double x = static_cast<double>(std::abs(static_cast<ComputeType<T>>(g[i])));
        if (largest)
            part = Largest{}(part, x);
        else
            part += power == 2 ? x * x : power == 1 ? x : std::pow(x, power);
    }
    part = largest ? block_reduce<block_threads>(part, Largest{}) : block_reduce<block_threads>(part, Plus{});
    if (threadIdx.x == 0) parts[blockIdx.x] = part;
}
/// One block puts all parts together, in a fixed order.
template <class A>
__global__ void __launch_bounds__(1024) norm_kernel(const A* parts, std::int64_t count, A power, bool largest, A* norm) {
    A total = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += blockDim.x) total = largest ? Largest{}(total, parts[i]) : total + parts[i];
    total = largest ? block_reduce<1024>(total, Largest{}) : block_reduce<1024>(total, Plus{});
    if (threadIdx.x == 0) *norm = largest ? total : power == 2 ? std::sqrt(total) : std::pow(total, 1 / power);
}

}  // namespace detail

/// Calls `rule(p, g, state...)` for all elements of all items.
template <class Rule, class T>
void update_all(Cuda, const Rule& rule, std::span<const UpdateItem<T>> items) {
    detail::in_tables<Rule::states>(items, [&](const auto& table, std::int64_t) {
        launch("step", &detail::update_kernel<T, Rule>, {dim3(static_cast<unsigned>(table.blocks())), dim3(block_threads)}, table, rule,
               static_cast<const Rule*>(nullptr));
    });
}
/// With rules made on the device, of *lr and of each item's own count of steps, which goes up by one, where it has one.
template <class Settings, class T>
void update_all_counted(Cuda, const Settings& settings, const double* lr, std::span<const UpdateItem<T>> items) {
    using Rule = decltype(settings.at(0.0, static_cast<const double*>(nullptr)));
    const Scratch<Rule> rules(static_cast<std::int64_t>(items.size()));
    for (std::size_t first = 0; first < items.size(); first += detail::CountTable::most) {
        detail::CountTable table;
        for (const UpdateItem<T>& item : items.subspan(first, std::min<std::size_t>(detail::CountTable::most, items.size() - first)))
            table.counts[table.count++] = item.count;
        launch("step", &detail::rules_kernel<Settings, Rule>, {dim3(1), dim3(detail::CountTable::most)}, table, settings, lr,
               rules.data() + first);
    }
    const Rule unused{};
    detail::in_tables<Rule::states>(items, [&](const auto& table, std::int64_t first) {
        launch("step", &detail::update_kernel<T, Rule>, {dim3(static_cast<unsigned>(table.blocks())), dim3(block_threads)}, table, unused,
               static_cast<const Rule*>(rules.data() + first));
    });
}

/// *norm = the norm of all items' gradients as one vector: the `power`-th root of the sum of |x|^power, or the largest |x| for infinity.
template <class T>
void norm_of_all(Cuda, std::span<const UpdateItem<T>> items, double power, double* norm) {
    constexpr std::string_view op = "clip_grad_norm";
    const bool largest = power == std::numeric_limits<double>::infinity();
    std::int64_t blocks = 0;
    for (const UpdateItem<T>& item : items) blocks += ceil_div(item.n, std::int64_t{detail::UpdateTable<T, 0>::chunk});
    const Scratch<double> parts(blocks);
    double* next = parts.data();
    detail::in_tables<0>(items, [&](const auto& table, std::int64_t) {
        const Grid grid{dim3(static_cast<unsigned>(table.blocks())), dim3(block_threads)};
        launch(op, &detail::norm_parts_kernel<T>, grid, table, power, largest, next);
        next += table.blocks();
    });
    launch(op, &detail::norm_kernel<double>, {dim3(1), dim3(1024)}, parts.data(), blocks, power, largest, norm);
}

}  // namespace headtorch::cuda

namespace headtorch {
using cuda::norm_of_all;
using cuda::update_all;
using cuda::update_all_counted;
}  // namespace headtorch
