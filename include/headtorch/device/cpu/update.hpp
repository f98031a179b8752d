// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The kernel of optimisers: one vectorised pass over a parameter, its gradient and what is remembered about it.

#include <cstdint>

#include "headtorch/device/cpu/map.hpp"

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

}  // namespace headtorch
