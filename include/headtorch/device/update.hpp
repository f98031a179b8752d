// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What an optimiser asks of a device: one rule for many parameters at once.
///
/// A rule is a struct with `states`, how many numbers it remembers about each element, and `rule(p, g, state...)`, which changes p and the
/// states. Settings make rules: `settings.at(lr, count)`, where count[0] is the number of the step, from 1 on, and count[1] what the
/// settings keep themselves: `settings.advance(count)`, where there is such a member, changes it at the begin of a step.

#include <cstdint>

#include "headtorch/core/config.hpp"

namespace headtorch {

/// A parameter, its gradient, and what is remembered about it.
template <class T>
struct UpdateItem {
    std::int64_t n;
    T* p;
    const T* g;
    T* state[3] = {};
    double* count = nullptr;  ///< two numbers on the device: steps so far, and what the settings keep
};

/// Makes a rule for the next step, and counts it.
template <class Settings>
HEADTORCH_HOST_DEVICE auto next_rule(const Settings& settings, double lr, double* count) {
    count[0] += 1;
    if constexpr (requires { settings.advance(count); }) settings.advance(count);
    return settings.at(lr, count);
}

}  // namespace headtorch
