// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The choice between sums whose order never changes and quicker ones.

#include <atomic>

namespace headtorch::cuda {

namespace detail {
inline std::atomic<bool>& determinism() {
    static std::atomic<bool> on{true};
    return on;
}
}  // namespace detail

/// On at first: the same program gives the same bits. Off, numbers that go to one place (gradients of embedding, gather, index_select) are
/// added by atomics, in the order in which they come.
inline void use_deterministic_algorithms(bool mode) { detail::determinism().store(mode, std::memory_order_relaxed); }
inline bool are_deterministic_algorithms_enabled() { return detail::determinism().load(std::memory_order_relaxed); }

}  // namespace headtorch::cuda
