// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Device memory: a caching allocator. A block that is given back serves again at once for work on the stream that it was made for, since
/// that work runs later; so a steady loop neither calls cudaMalloc nor waits. Blocks are cut from segments and joined again when neighbours
/// are free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "headtorch/core/config.hpp"
#include "headtorch/device/cuda/stream.cuh"
#include "headtorch/device/device.hpp"

namespace headtorch::cuda {

/// Of one GPU, in bytes.
struct MemoryStats {
    std::int64_t memory_allocated = 0;      ///< blocks in use
    std::int64_t max_memory_allocated = 0;  ///< the most there was since the start, or since reset_peak_memory_stats()
    std::int64_t memory_reserved = 0;       ///< segments that were had from CUDA
    std::int64_t max_memory_reserved = 0;
    std::int64_t allocations = 0;           ///< blocks that were asked for so far
    std::int64_t segments = 0;              ///< calls of cudaMalloc so far
    std::int64_t retries = 0;               ///< times that everything cached had to be given back to find room

    std::string to_string() const {
        const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
        return message("cuda memory: ", mib(memory_allocated), " MiB in use, at most ", mib(max_memory_allocated), " MiB; ",
                       mib(memory_reserved), " MiB reserved, at most ", mib(max_memory_reserved), " MiB; ", allocations, " allocations, ",
                       segments, " of CUDA");
    }
};

/// Names a set of segments: 0 is everybody's, others belong to one graph each.
using PoolId = std::uint64_t;

namespace detail {

struct Block;
/// Smallest first, then lowest.
struct BySize {
    bool operator()(const Block* a, const Block* b) const;
};

/// Free blocks of one device, stream, owner and kind (small or large).
struct Pool {
    int device;
    cudaStream_t stream;
    PoolId id;
    bool small;
    std::set<Block*, BySize> free{};
};

/// A piece of a segment.
struct Block {
    char* data;
    std::size_t bytes;
    Pool* pool;
    Block *before = nullptr, *after = nullptr;  ///< neighbours in the segment
    bool in_use = false;
    std::vector<Stream> also_used_by{};
};

inline bool BySize::operator()(const Block* a, const Block* b) const { return std::tie(a->bytes, a->data) < std::tie(b->bytes, b->data); }

/// Allocations are multiples of this.
inline constexpr std::size_t allocation_unit = 512;
/// Up to this many bytes a block is small, and comes from a segment of small ones.
inline constexpr std::size_t small_bytes = std::size_t{1} << 20, small_segment = std::size_t{2} << 20;
/// Below this a segment is shared by several large blocks; above, it is rounded to two MiB.
inline constexpr std::size_t shared_bytes = std::size_t{10} << 20, shared_segment = std::size_t{20} << 20;

}  // namespace detail

class Allocator {
public:
    /// Never destroyed: static tensors may outlive everything else.
    static Allocator& instance() {
        static Allocator& allocator = *new Allocator;
        return allocator;
    }

    /// A block for work on the current stream. Throws OutOfMemoryError.
    void* allocate(std::size_t wanted) {
        if (wanted == 0) return nullptr;
        const int device = current_device();
        const std::size_t bytes = ceil_to(wanted, detail::allocation_unit);
        const std::lock_guard lock(mutex_);
        if (capture_pool() == 0) take_back_passed(false);
        const bool small = bytes <= detail::small_bytes;
        detail::Pool& pool = pool_of(device, current_stream().get(), capture_pool(), small);
        detail::Block probe{nullptr, bytes, nullptr};
        auto found = pool.free.lower_bound(&probe);
        detail::Block* block = found != pool.free.end() ? *found : nullptr;
        if (block)
            pool.free.erase(found);
        else
            block = new_segment(pool, bytes, wanted);
        const std::size_t rest = block->bytes - bytes;
        if (reuse_memory && rest >= (small ? detail::allocation_unit : detail::small_bytes)) split(block, bytes);
        block->in_use = true;
        in_use_[block->data] = block;
        MemoryStats& stats = stats_[static_cast<std::size_t>(device)];
        stats.memory_allocated += static_cast<std::int64_t>(block->bytes);
        stats.max_memory_allocated = std::max(stats.max_memory_allocated, stats.memory_allocated);
        ++stats.allocations;
        return block->data;
    }

    void deallocate(void* data) noexcept {
        if (!data) return;
        const std::lock_guard lock(mutex_);
        const auto found = in_use_.find(data);
        detail::Block* block = found->second;
        // a graph may read it when it is replayed, and who shares it during a recording cannot be asked: it stays as long as the graph
        if (capture_pool() != 0 && (block->pool->id != capture_pool() || !block->also_used_by.empty())) {
            held_[capture_pool()].push_back(block);
            return;
        }
        give_back(block);
    }

    /// The block is used by another stream too: it is reused only when that is done with what it has been given up to the deallocation.
    void record_stream(void* data, const Stream& stream) {
        const std::lock_guard lock(mutex_);
        const auto found = in_use_.find(data);
        if (found == in_use_.end()) throw ValueError("record_stream: this tensor was not allocated by headtorch");
        if (found->second->pool->stream != stream.get()) found->second->also_used_by.push_back(stream);
    }

    /// Returns whole segments that nobody uses to CUDA.
    void empty_cache() {
        const std::lock_guard lock(mutex_);
        take_back_passed(true);
        release_segments(-1);
    }

    MemoryStats stats(int device) {
        const std::lock_guard lock(mutex_);
        return stats_[static_cast<std::size_t>(device)];
    }
    void reset_peak(int device) {
        const std::lock_guard lock(mutex_);
        MemoryStats& stats = stats_[static_cast<std::size_t>(device)];
        stats.max_memory_allocated = stats.memory_allocated;
        stats.max_memory_reserved = stats.memory_reserved;
    }

    /// Until end_pool(), this thread's blocks come from segments of their own, which nobody else gets before release_pool().
    PoolId begin_pool() {
        const std::lock_guard lock(mutex_);
        return capture_pool() = ++last_pool_;
    }
    void end_pool() noexcept { capture_pool() = 0; }
    /// The graph is gone: what it held is free for all.
    void release_pool(PoolId id) noexcept {
        const std::lock_guard lock(mutex_);
        for (detail::Block* block : held_[id]) give_back(block);
        held_.erase(id);
        for (auto& [key, pool] : pools_)
            if (pool->id == id) pool->id = 0;  // its segments are returned by the next empty_cache(), or when memory is short
    }

private:
    static std::size_t ceil_to(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }
    static PoolId& capture_pool() {
        static thread_local PoolId id = 0;
        return id;
    }

    detail::Pool& pool_of(int device, cudaStream_t stream, PoolId id, bool small) {
        std::unique_ptr<detail::Pool>& pool = pools_[{device, stream, id, small}];
        if (!pool) pool = std::make_unique<detail::Pool>(detail::Pool{device, stream, id, small});
        return *pool;
    }

    void split(detail::Block* block, std::size_t bytes) {
        auto* rest = new detail::Block{block->data + bytes, block->bytes - bytes, block->pool, block, block->after};
        if (rest->after) rest->after->before = rest;
        block->after = rest;
        block->bytes = bytes;
        block->pool->free.insert(rest);
    }

    void give_back(detail::Block* block) noexcept {
        in_use_.erase(block->data);
        stats_[static_cast<std::size_t>(block->pool->device)].memory_allocated -= static_cast<std::int64_t>(block->bytes);
        if (block->also_used_by.empty()) return make_free(block);
        try {
            std::vector<std::pair<detail::Block*, Event>> marks;
            for (const Stream& stream : std::exchange(block->also_used_by, {})) {
                marks.emplace_back(block, Event());
                marks.back().second.record(stream);
            }
            std::move(marks.begin(), marks.end(), std::back_inserter(waiting_));
        } catch (...) {  // where even waiting fails, nobody gets the block again
            if (cudaDeviceSynchronize() == cudaSuccess) make_free(block);
        }
    }

    void make_free(detail::Block* block) noexcept {
        block->in_use = false;
        const auto absorb = [&](detail::Block* left, detail::Block* right) {
            left->bytes += right->bytes;
            left->after = right->after;
            if (left->after) left->after->before = left;
            delete right;
        };
        if (detail::Block* next = block->after; next && !next->in_use) {
            block->pool->free.erase(next);
            absorb(block, next);
        }
        if (detail::Block* previous = block->before; previous && !previous->in_use) {
            block->pool->free.erase(previous);
            absorb(previous, block);
            block = previous;
        }
        block->pool->free.insert(block);
        if (!reuse_memory) release_segments(block->pool->device);
    }

    /// Blocks whose other streams are done with them become free; `all`: waits for them.
    void take_back_passed(bool all) {
        for (std::size_t i = 0; i < waiting_.size();) {
            if (all) waiting_[i].second.synchronize();
            if (!all && !waiting_[i].second.query()) {
                ++i;
                continue;
            }
            detail::Block* block = waiting_[i].first;
            waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
            const bool last = std::none_of(waiting_.begin(), waiting_.end(), [&](const auto& entry) { return entry.first == block; });
            if (last) make_free(block);
        }
    }

    detail::Block* new_segment(detail::Pool& pool, std::size_t bytes, std::size_t wanted) {
        const std::size_t segment = !reuse_memory                 ? bytes
                                    : pool.small                  ? detail::small_segment
                                    : bytes < detail::shared_bytes ? detail::shared_segment
                                                                   : ceil_to(bytes, detail::small_segment);
        MemoryStats& stats = stats_[static_cast<std::size_t>(pool.device)];
        void* data = nullptr;
        if (!cuda_malloc(&data, segment)) {
            if (capture_pool() != 0) throw_out_of_memory(pool.device, wanted);  // no time to wait, nor to give anything back
            ++stats.retries;
            check(cudaDeviceSynchronize(), "allocate", "cudaDeviceSynchronize");
            take_back_passed(true);
            release_segments(pool.device);
            if (!cuda_malloc(&data, segment)) throw_out_of_memory(pool.device, wanted);
        }
        stats.memory_reserved += static_cast<std::int64_t>(segment);
        stats.max_memory_reserved = std::max(stats.max_memory_reserved, stats.memory_reserved);
        ++stats.segments;
        return new detail::Block{static_cast<char*>(data), segment, &pool};
    }

    /// False when there is no room.
    static bool cuda_malloc(void** data, std::size_t bytes) {
        const BesideCapture beside;
        const cudaError_t status = cudaMalloc(data, bytes);
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            return false;
        }
        check(status, "allocate", "cudaMalloc");
        return true;
    }

    /// Segments of a device (-1: of all) that are wholly free, and not a graph's.
    void release_segments(int device) noexcept {
        for (auto& [key, pool] : pools_) {
            if (pool->id != 0 || (device >= 0 && pool->device != device)) continue;
            for (auto place = pool->free.begin(); place != pool->free.end();) {
                detail::Block* block = *place;
                if (block->before || block->after) {
                    ++place;
                    continue;
                }
                place = pool->free.erase(place);
                cudaFree(block->data);
                stats_[static_cast<std::size_t>(pool->device)].memory_reserved -= static_cast<std::int64_t>(block->bytes);
                delete block;
            }
        }
    }

    [[noreturn]] void throw_out_of_memory(int device, std::size_t wanted) {
        std::size_t free = 0, total = 0;
        cudaMemGetInfo(&free, &total);
        const MemoryStats& stats = stats_[static_cast<std::size_t>(device)];
        const auto mib = [](auto bytes) { return static_cast<double>(bytes) / (1 << 20); };
        throw OutOfMemoryError(message("allocate: GPU ", device, " has no room for ", mib(wanted), " MiB: of its ", mib(total), " MiB ",
                                       mib(free), " MiB are free, tensors use ", mib(stats.memory_allocated), " MiB, and ",
                                       mib(stats.memory_reserved - stats.memory_allocated),
                                       " MiB are cached in pieces too small; use a smaller batch, or free tensors first"));
    }

    std::mutex mutex_;
    std::map<std::tuple<int, cudaStream_t, PoolId, bool>, std::unique_ptr<detail::Pool>> pools_;
    std::unordered_map<void*, detail::Block*> in_use_;
    std::unordered_map<PoolId, std::vector<detail::Block*>> held_;
    std::vector<std::pair<detail::Block*, Event>> waiting_;
    std::array<MemoryStats, max_devices> stats_{};
    PoolId last_pool_ = 0;
};

inline MemoryStats memory_stats(int device = current_device()) { return Allocator::instance().stats(device); }
inline void reset_peak_memory_stats(int device = current_device()) { Allocator::instance().reset_peak(device); }
/// Bytes of a GPU: those that CUDA could still give (what headtorch caches is not among them), and all.
struct MemoryInfo {
    std::size_t free = 0, total = 0;
};
inline MemoryInfo mem_get_info(int device = current_device()) {
    const DeviceGuard guard(device);
    MemoryInfo info;
    check(cudaMemGetInfo(&info.free, &info.total), "mem_get_info", "cudaMemGetInfo");
    return info;
}

/// Gives cached memory that nobody uses back to CUDA, for other processes.
inline void empty_cache() { Allocator::instance().empty_cache(); }

/// Memory for the duration of a kernel or two: n elements, uninitialised.
template <class T>
class Scratch {
public:
    explicit Scratch(std::int64_t n) : data_(static_cast<T*>(Allocator::instance().allocate(static_cast<std::size_t>(n) * sizeof(T)))) {}
    ~Scratch() { Allocator::instance().deallocate(data_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    T* data() const { return data_; }

private:
    T* data_;
};

}  // namespace headtorch::cuda

namespace headtorch {

inline void* allocate_elements(Cuda, std::size_t bytes) { return cuda::Allocator::instance().allocate(bytes); }
inline void deallocate_elements(Cuda, void* data, std::size_t) noexcept { cuda::Allocator::instance().deallocate(data); }

}  // namespace headtorch
