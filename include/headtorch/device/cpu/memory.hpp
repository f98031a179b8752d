// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Host memory: 64-byte aligned blocks, kept for reuse by size class, so that a steady loop neither calls malloc nor
/// takes page faults. Small blocks are kept by each thread, large ones in a common depot.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "headtorch/core/config.hpp"
#include "headtorch/core/error.hpp"

namespace headtorch::cpu {

namespace detail {

/// Multiples of 64 up to 1 KiB, then four steps to each power of two: at most a quarter is wasted.
inline constexpr std::size_t class_count = 16 + 4 * 38;

inline std::size_t size_class(std::size_t bytes) {
    if (bytes <= 1024) return bytes == 0 ? 0 : (bytes - 1) / 64;
    const auto power = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;
    return 16 + 4 * (power - 10) + ((bytes - 1) >> (power - 2)) - 4;
}

inline std::size_t class_bytes(std::size_t index) {
    if (index < 16) return (index + 1) * 64;
    const std::size_t power = 10 + (index - 16) / 4;
    return (std::size_t{1} << power) + ((index - 16) % 4 + 1) * (std::size_t{1} << (power - 2));
}

struct FreeBlock {
    FreeBlock* next;
};

/// Blocks that no thread holds. Never destroyed, since static tensors may outlive everything else.
class Depot {
public:
    static Depot& instance() {
        static Depot& depot = *new Depot;
        return depot;
    }
    FreeBlock* take(std::size_t index) {
        std::lock_guard lock(mutex_);
        FreeBlock* block = heads_[index];
        if (block) {
            heads_[index] = block->next;
            cached_bytes_ -= class_bytes(index);
        }
        return block;
    }
    void put(FreeBlock* block, std::size_t index) {
        {
            std::lock_guard lock(mutex_);
            if (cached_bytes_ + class_bytes(index) <= limit_bytes_) {
                block->next = heads_[index];
                heads_[index] = block;
                cached_bytes_ += class_bytes(index);
                return;
            }
        }
        std::free(block);
    }
    void set_limit(std::size_t bytes) {
        std::lock_guard lock(mutex_);
        limit_bytes_ = bytes;
    }
    std::size_t cached_bytes() {
        std::lock_guard lock(mutex_);
        return cached_bytes_;
    }
    void clear() {
        std::lock_guard lock(mutex_);
        for (FreeBlock*& head : heads_)
            while (head) std::free(std::exchange(head, head->next));
        cached_bytes_ = 0;
    }

private:
    std::mutex mutex_;
    std::array<FreeBlock*, class_count> heads_{};
    std::size_t cached_bytes_ = 0;
    std::size_t limit_bytes_ = std::size_t{4} << 30;
};

/// One thread's own small blocks.
class ThreadCache {
public:
    static constexpr std::size_t largest_class_bytes = 256 * 1024;
    static constexpr std::size_t bytes_per_class = 2 * 1024 * 1024;

    ~ThreadCache() {
        clear();
        closed() = true;
    }
    FreeBlock* take(std::size_t index) {
        FreeBlock* block = heads_[index];
        if (block) {
            heads_[index] = block->next;
            --counts_[index];
        }
        return block;
    }
    bool put(FreeBlock* block, std::size_t index) {
        if (counts_[index] >= bytes_per_class / class_bytes(index)) return false;
        block->next = heads_[index];
        heads_[index] = block;
        ++counts_[index];
        return true;
    }
    void clear() {
        for (std::size_t index = 0; index < heads_.size(); ++index)
            while (FreeBlock* block = take(index)) Depot::instance().put(block, index);
    }
    /// True when this thread's cache is gone already (tensors freed by destructors of other thread-local objects).
    static bool& closed() {
        static thread_local bool value = false;
        return value;
    }
    static ThreadCache& instance() {
        static thread_local ThreadCache cache;
        return cache;
    }

private:
    static constexpr std::size_t small_classes = 16 + 4 * 8;
    std::array<FreeBlock*, small_classes> heads_{};
    std::array<std::size_t, small_classes> counts_{};
};

HEADTORCH_NOINLINE inline void* allocate_from_depot(std::size_t bytes, std::size_t index) {
    if constexpr (reuse_memory)
        if (FreeBlock* block = Depot::instance().take(index)) return block;
    const std::size_t rounded = reuse_memory ? class_bytes(index) : (bytes + 63) / 64 * 64;
    void* block = std::aligned_alloc(buffer_alignment, std::max<std::size_t>(rounded, 64));
    if (!block && reuse_memory) {
        Depot::instance().clear();
        block = std::aligned_alloc(buffer_alignment, rounded);
    }
    if (!block) throw OutOfMemoryError(message("allocate: the system refused ", bytes, " bytes"));
    return block;
}

}  // namespace detail

/// A block of at least `bytes` bytes, aligned to 64. Throws OutOfMemoryError.
inline void* allocate(std::size_t bytes) {
    if (bytes > (std::size_t{1} << 46)) throw OutOfMemoryError(message("allocate: ", bytes, " bytes are more than any machine has"));
    const std::size_t index = detail::size_class(bytes);
    if (reuse_memory && bytes <= detail::ThreadCache::largest_class_bytes && !detail::ThreadCache::closed())
        if (detail::FreeBlock* block = detail::ThreadCache::instance().take(index)) return block;
    return detail::allocate_from_depot(bytes, index);
}

/// Gives back a block of allocate(`bytes`).
inline void deallocate(void* pointer, std::size_t bytes) noexcept {
    if (!pointer) return;
    if constexpr (!reuse_memory) {
        std::free(pointer);
    } else {
        const std::size_t index = detail::size_class(bytes);
        auto* block = static_cast<detail::FreeBlock*>(pointer);
        if (bytes <= detail::ThreadCache::largest_class_bytes && !detail::ThreadCache::closed() &&
            detail::ThreadCache::instance().put(block, index))
            return;
        detail::Depot::instance().put(block, index);
    }
}

/// Creates a T in pooled memory; destroy_pooled() takes it back.
template <class T, class... Args>
T* make_pooled(Args&&... args) {
    void* memory = allocate(sizeof(T));
    try {
        return ::new (memory) T(std::forward<Args>(args)...);
    } catch (...) {
        deallocate(memory, sizeof(T));
        throw;
    }
}
template <class T>
void destroy_pooled(T* object) noexcept {
    object->~T();
    deallocate(object, sizeof(T));
}

/// Returns every block that this thread and the depot keep to the system.
inline void empty_cache() {
    if (!detail::ThreadCache::closed()) detail::ThreadCache::instance().clear();
    detail::Depot::instance().clear();
}
/// Blocks beyond this many bytes go back to the system instead of being kept (4 GiB at first).
inline void set_cache_limit(std::size_t bytes) { detail::Depot::instance().set_limit(bytes); }

}  // namespace headtorch::cpu
