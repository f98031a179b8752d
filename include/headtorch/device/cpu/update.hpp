// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The kernel of optimisers: one vectorised pass over a parameter, its gradient and what is remembered about it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "headtorch/device/cpu/map.hpp"
#include "headtorch/device/update.hpp"

namespace headtorch {

/// Calls `rule(p, g, state...)` for all elements; it changes p and the states, which are references to packets.
template <class Rule, class T, class... State>
void update(Cpu, const Rule& rule_given, std::int64_t n, T* p, const T* g, State*... state) {
    using P = cpu::Packet<T, cpu::native_lanes<T>>;
    const auto run = [&](std::int64_t begin, std::int64_t end) {
        const Rule rule = rule_given;
        const auto one = [&](std::int64_t i, auto load, auto store) {
            const auto apply = [&](P value, const P& gradient, auto... states) {
                rule(value, gradient, states...);
                store(value, p + i);
                (store(states, state + i), ...);
            };
            apply(load(p + i), load(g + i), load(state + i)...);
        };
        std::int64_t i = begin;
        for (; i + P::lanes <= end; i += P::lanes)
            one(i, [](const T* from) { return P::load(from); }, [](const P& value, T* to) { value.store(to); });
        if (const int rest = static_cast<int>(end - i); rest > 0)
            one(
                i, [rest](const T* from) { return P::load_partial(from, rest); },
                [rest](const P& value, T* to) { value.store_partial(to, rest); });
    };
    if (n <= cpu::map_grain)
        run(0, n);
    else
        parallel_for(n, cpu::map_grain, run);
}

/// The same for all parameters.
template <class Rule, class T>
void update_all(Cpu, const Rule& rule, std::span<const UpdateItem<T>> items) {
    for (const UpdateItem<T>& item : items)
        [&]<std::size_t... K>(std::index_sequence<K...>) {
            update(Cpu{}, rule, item.n, item.p, item.g, item.state[K]...);
        }(std::make_index_sequence<Rule::states>{});
}
/// With rules made of *lr and of each parameter's own count of steps, which goes up by one.
template <class Settings, class T>
void update_all_counted(Cpu, const Settings& settings, const double* lr, std::span<const UpdateItem<T>> items) {
    for (const UpdateItem<T>& item : items) update_all(Cpu{}, next_rule(settings, *lr, item.count), std::span(&item, 1));
}

}  // namespace headtorch
