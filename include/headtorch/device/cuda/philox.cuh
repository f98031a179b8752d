// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Random bits on a GPU: Philox4x32-10 (J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011), which makes any four words of its sequence at once. So a number depends on the seed and on its place in the sequence,
/// whatever the grid, and however the draws before it were split.

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "headtorch/core/random.hpp"
#include "headtorch/device/cuda/launch.cuh"

namespace headtorch::cuda {

/// Four words: a counter, or what is made of it.
struct PhiloxWords {
    std::uint32_t of[4];
    friend constexpr bool operator==(const PhiloxWords&, const PhiloxWords&) = default;
};

HEADTORCH_HOST_DEVICE constexpr PhiloxWords philox4x32(PhiloxWords counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xd2511f53u} * counter.of[0], b = std::uint64_t{0xcd9e8d57u} * counter.of[2];
        counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.of[1] ^ key0, static_cast<std::uint32_t>(b),
                    static_cast<std::uint32_t>(a >> 32) ^ counter.of[3] ^ key1, static_cast<std::uint32_t>(a)}};
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return counter;
}

/// Where a draw begins. Kernels are given it, and whoever keeps it can draw the same numbers again.
struct PhiloxState {
    std::uint64_t seed = 0;
    std::uint64_t offset = 0;              ///< in words
    std::uint64_t sequence = 0;            ///< 0, or one of a graph's own
    const std::uint64_t* extra = nullptr;  ///< on the device: what is to be added to the offset, a multiple of 4; of graphs only

    __device__ std::uint64_t first_word() const { return extra ? offset + *extra : offset; }
    /// Words 4 i … 4 i + 3 of the sequence.
    __device__ PhiloxWords block(std::uint64_t i) const {
        return philox4x32({{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), static_cast<std::uint32_t>(sequence),
                            static_cast<std::uint32_t>(sequence >> 32)}},
                          static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
    }
};

namespace philox {

namespace detail {

/// What this thread is recording into a graph.
struct Capture {
    std::uint64_t* counter = nullptr;
    std::uint64_t used = 0;
    std::vector<std::pair<const Generator*, std::uint64_t>> sequences{};  ///< of the generators that were drawn from
};
inline Capture& capture() {
    static thread_local Capture now;
    return now;
}

template <class Count>
__global__ void advance_kernel(Count* counter, Count by) {
    *counter += by;
}

}  // namespace detail

/// From here to end_capture() this thread's draws are recorded, not done: each replay adds *counter, a number of the device, to their
/// places in sequences that belong to this graph alone.
inline void begin_capture(std::uint64_t* counter) { detail::capture() = {counter, 0, {}}; }
/// Records that the counter moves on, so that the next replay draws other numbers. Returns by how many words.
inline std::uint64_t end_capture() {
    const detail::Capture done = std::exchange(detail::capture(), {});
    const std::uint64_t words = (done.used + 3) / 4 * 4;
    if (done.counter && words > 0)
        launch("random numbers", &detail::advance_kernel<std::uint64_t>, {dim3(1), dim3(1)}, done.counter, words);
    return words;
}
inline void abandon_capture() noexcept { detail::capture() = {}; }
inline bool capturing() { return detail::capture().counter != nullptr; }

/// The state for a draw of `count` numbers of `words` (1 or 2) words each; the generator moves on.
inline PhiloxState state_for(Generator& generator, std::int64_t count, int words) {
    const auto take = [&](std::uint64_t& next) {
        const auto each = static_cast<std::uint64_t>(words);
        const std::uint64_t first = (next + each - 1) / each * each;
        next = first + static_cast<std::uint64_t>(count) * each;
        return first;
    };
    const std::lock_guard lock(generator.mutex());
    PhiloxState state{.seed = generator.initial_seed()};
    std::uint64_t next = generator.offset();
    detail::Capture& capture = detail::capture();
    if (!capture.counter) {
        state.offset = take(next);
        generator.set_offset(next);
        return state;
    }
    for (const auto& [known, sequence] : capture.sequences)
        if (known == &generator) state.sequence = sequence;
    if (state.sequence == 0) {
        state.sequence = next + 1;
        generator.set_offset(next + 1);
        capture.sequences.emplace_back(&generator, state.sequence);
    }
    state.offset = take(capture.used);
    state.extra = capture.counter;
    return state;
}

}  // namespace philox
}  // namespace headtorch::cuda
