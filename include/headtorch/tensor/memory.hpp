// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// How much host memory there is in use: `memory::stats()`. Names as in torch.cuda.

#include <cstdint>
#include <string>

#include "headtorch/core/error.hpp"
#include "headtorch/device/cpu/memory.hpp"

namespace headtorch::memory {

/// Of all threads together, in bytes. Memory that is the caller's (from_blob) does not count.
struct Stats {
    std::int64_t memory_allocated = 0;      ///< elements of tensors that are alive; views share theirs
    std::int64_t max_memory_allocated = 0;  ///< the most there was since the start, or since reset_peak()
    std::int64_t memory_reserved = 0;       ///< what was had from the system: tensors, their records, the tape, scratch, and the next
    std::int64_t memory_cached = 0;         ///< of that, blocks that nobody uses: kept for those who ask next
    std::int64_t tensors = 0;               ///< buffers that are alive
    std::int64_t allocations = 0;           ///< blocks of any kind that were asked for so far
    std::int64_t from_cache = 0;            ///< of those, served without the system

    std::string to_string() const {
        const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
        return message("memory: ", tensors, " tensors of ", mib(memory_allocated), " MiB, at most ", mib(max_memory_allocated), " MiB; ",
                       mib(memory_reserved), " MiB reserved, of which ", mib(memory_cached), " MiB cached; ", allocations,
                       " allocations, ", from_cache, " from the cache");
    }
};

namespace detail {

inline Stats read(bool forget_peak) {
    using namespace cpu::detail;
    Stats result;
    ThreadCache::with_all([&](const auto& each) {
        const Ledger::Sums sums =
            Ledger::instance().sums([&](const auto& see) { each([&](ThreadCache& cache) { see(cache.page); }); }, forget_peak);
        result.memory_allocated = sums.bytes;
        result.max_memory_allocated = sums.highest;
        result.tensors = sums.tensors;
        result.from_cache = sums.reused + Depot::instance().reused();
        each([&](const ThreadCache& cache) {
            result.memory_cached += cache.cached_bytes();
            result.from_cache += cache.reused();
        });
    });
    result.memory_cached += static_cast<std::int64_t>(Depot::instance().cached_bytes());
    result.memory_reserved = Ledger::instance().system_bytes();
    result.allocations = result.from_cache + Ledger::instance().system_blocks();
    return result;
}

}  // namespace detail

/// Exact while no other thread makes or frees tensors. The maximum is exact for tensors of one thread; when several make some at the same
/// time, each may be up to 256 KiB above what it is known to hold.
inline Stats stats() { return detail::read(false); }

/// From here on max_memory_allocated starts anew, with what is allocated now.
inline void reset_peak() { detail::read(true); }

/// Gives what this thread and the common store keep back to the system.
inline void empty_cache() { cpu::empty_cache(); }

}  // namespace headtorch::memory
