// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// What the host has to know of a recording: that there is one, and what is to be done before each replay.

#include <functional>
#include <utility>
#include <vector>

#include "headtorch/device/device.hpp"

namespace headtorch::cuda::capture {
namespace detail {
struct State {
    bool on = false;
    std::vector<std::function<void()>> before{};
};
inline State& state() {
    static thread_local State now;
    return now;
}
}  // namespace detail

inline void begin() { detail::state() = {true, {}}; }
/// What was given to before_replay() in the meantime.
inline std::vector<std::function<void()>> end() { return std::exchange(detail::state(), {}).before; }

}  // namespace headtorch::cuda::capture

namespace headtorch {

/// True while this thread's work is recorded into a graph.
inline bool recording(Cuda) { return cuda::capture::detail::state().on; }
/// Before each replay of what is being recorded, the host calls `action`: to bring numbers of the host to the device, say.
inline void before_replay(Cuda, std::function<void()> action) { cuda::capture::detail::state().before.push_back(std::move(action)); }

}  // namespace headtorch
