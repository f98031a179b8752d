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
#include "headtorch/device/cpu/memory_ledger.hpp"
#include "headtorch/device/device.hpp"

namespace headtorch::cpu {

namespace detail {

/// Multiples of 64 up to 1 KiB, then four steps to each power of two: at most a quarter is wasted.
inline constexpr std::size_t class_count = 16 + 4 * 38;

constexpr std::size_t size_class(std::size_t bytes) {
    if (bytes <= 1024) return bytes == 0 ? 0 : (bytes - 1) / 64;
    const auto power = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;
    return 16 + 4 * (power - 10) + ((bytes - 1) >> (power - 2)) - 4;
}

constexpr std::size_t class_bytes(std::size_t index) {
    if (index < 16) return (index + 1) * 64;
    const std::size_t power = 10 + (index - 16) / 4;
    return (std::size_t{1} << power) + ((index - 16) % 4 + 1) * (std::size_t{1} << (power - 2));
}

struct FreeBlock {
    FreeBlock* next;
};

/// Gives a block of a size class back to the system.
inline void free_block(void* block, std::size_t index) noexcept {
    Ledger::instance().count_system(-static_cast<std::int64_t>(class_bytes(index)));
    std::free(block);
}

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
            ++reused_;
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
        free_block(block, index);
    }
    void set_limit(std::size_t bytes) {
        std::lock_guard lock(mutex_);
        limit_bytes_ = bytes;
    }
    std::size_t cached_bytes() {
        std::lock_guard lock(mutex_);
        return cached_bytes_;
    }
    /// Blocks that it gave so far.
    std::int64_t reused() {
        std::lock_guard lock(mutex_);
        return reused_;
    }
    void clear() {
        std::lock_guard lock(mutex_);
        for (std::size_t index = 0; index < heads_.size(); ++index)
            while (FreeBlock* block = heads_[index]) {
                heads_[index] = block->next;
                free_block(block, index);
            }
        cached_bytes_ = 0;
    }

private:
    std::mutex mutex_;
    std::array<FreeBlock*, class_count> heads_{};
    std::size_t cached_bytes_ = 0;
    std::size_t limit_bytes_ = std::size_t{4} << 30;
    std::int64_t reused_ = 0;
};

/// One thread's own small blocks. As long as it is there, the thread's page of the ledger is read.
class ThreadCache {
public:
    static constexpr std::size_t largest_class_bytes = 256 * 1024;
    static constexpr std::size_t bytes_per_class = 2 * 1024 * 1024;

    LedgerPage& page = LedgerPage::of_thread();

    HEADTORCH_COLD ThreadCache() {
        const std::lock_guard lock(list_mutex());
        next_ = std::exchange(first(), this);
    }
    HEADTORCH_COLD ~ThreadCache() {
        clear();
        closed() = true;
        const std::lock_guard lock(list_mutex());
        ThreadCache** link = &first();
        while (*link != this) link = &(*link)->next_;
        *link = next_;
        Ledger::instance().carry_over(page);
        page.close();
        Ledger::instance().add_reused(reused());
    }
    ThreadCache(const ThreadCache&) = delete;
    ThreadCache& operator=(const ThreadCache&) = delete;

    FreeBlock* take(std::size_t index) {
        FreeBlock* block = heads_[index];
        if (block) {
            heads_[index] = block->next;
            taken_[index].add(1);
        }
        return block;
    }
    bool put(FreeBlock* block, std::size_t index) {
        if (count(index) >= most_kept[index]) [[unlikely]] return false;
        block->next = heads_[index];
        heads_[index] = block;
        kept_[index].add(1);
        return true;
    }
    void clear() {
        for (std::size_t index = 0; index < heads_.size(); ++index)
            while (FreeBlock* block = heads_[index]) {
                heads_[index] = block->next;
                kept_[index].add(-1);
                Depot::instance().put(block, index);
            }
    }
    std::int64_t cached_bytes() const {
        std::int64_t sum = 0;
        for (std::size_t index = 0; index < small_classes; ++index) sum += count(index) * static_cast<std::int64_t>(class_bytes(index));
        return sum;
    }
    /// Blocks that it gave so far.
    std::int64_t reused() const {
        std::int64_t sum = 0;
        for (const OwnCount& taken : taken_) sum += taken.get();
        return sum;
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
    /// Calls `look` with a function that shows it every thread's; meanwhile none comes or goes.
    template <class F>
    static void with_all(const F& look) {
        const std::lock_guard lock(list_mutex());
        look([](const auto& see) {
            for (ThreadCache* cache = first(); cache; cache = cache->next_) see(*cache);
        });
    }

private:
    static std::mutex& list_mutex() {
        static std::mutex& mutex = *new std::mutex;
        return mutex;
    }
    static ThreadCache*& first() {
        static ThreadCache* cache = nullptr;
        return cache;
    }

    static constexpr std::size_t small_classes = 16 + 4 * 8;
    /// Blocks of each class.
    static constexpr auto most_kept = [] {
        std::array<std::int64_t, small_classes> most{};
        for (std::size_t index = 0; index < small_classes; ++index)
            most[index] = static_cast<std::int64_t>(bytes_per_class / class_bytes(index));
        return most;
    }();
    std::int64_t count(std::size_t index) const { return kept_[index].get() - taken_[index].get(); }

    std::array<FreeBlock*, small_classes> heads_{};
    std::array<OwnCount, small_classes> kept_{}, taken_{};  // blocks that came so far and were not cleared, and that went
    ThreadCache* next_ = nullptr;
};

/// The thread's cache, if it has one and keeps blocks of this size.
HEADTORCH_ALWAYS_INLINE ThreadCache* cache_for(std::size_t bytes) {
    if (!reuse_memory || bytes > ThreadCache::largest_class_bytes || ThreadCache::closed()) [[unlikely]] return nullptr;
    return &ThreadCache::instance();
}

HEADTORCH_NOINLINE inline void* allocate_elsewhere(std::size_t bytes) {
    if (bytes > (std::size_t{1} << 46)) throw OutOfMemoryError(message("allocate: ", bytes, " bytes are more than any machine has"));
    const std::size_t index = size_class(bytes);
    if constexpr (reuse_memory)
        if (FreeBlock* block = Depot::instance().take(index)) return block;
    const std::size_t rounded = reuse_memory ? class_bytes(index) : std::max<std::size_t>((bytes + 63) / 64 * 64, 64);
    void* block = std::aligned_alloc(buffer_alignment, rounded);
    if (!block && reuse_memory) {
        Depot::instance().clear();
        block = std::aligned_alloc(buffer_alignment, rounded);
    }
    if (!block) throw OutOfMemoryError(message("allocate: the system refused ", bytes, " bytes"));
    Ledger::instance().count_system(static_cast<std::int64_t>(rounded));
    return block;
}

HEADTORCH_NOINLINE inline void deallocate_elsewhere(void* block, std::size_t bytes) noexcept {
    if constexpr (reuse_memory) {
        Depot::instance().put(static_cast<FreeBlock*>(block), size_class(bytes));
    } else {
        Ledger::instance().count_system(-static_cast<std::int64_t>(std::max<std::size_t>((bytes + 63) / 64 * 64, 64)));
        std::free(block);
    }
}

}  // namespace detail

/// A block of at least `bytes` bytes, aligned to 64. Throws OutOfMemoryError.
inline void* allocate(std::size_t bytes) {
    if (detail::ThreadCache* cache = detail::cache_for(bytes)) [[likely]]
        if (detail::FreeBlock* block = cache->take(detail::size_class(bytes))) [[likely]]
            return block;
    return detail::allocate_elsewhere(bytes);
}

/// Gives back a block of allocate(`bytes`).
inline void deallocate(void* pointer, std::size_t bytes) noexcept {
    if (!pointer) return;
    if (detail::ThreadCache* cache = detail::cache_for(bytes)) [[likely]]
        if (cache->put(static_cast<detail::FreeBlock*>(pointer), detail::size_class(bytes))) [[likely]]
            return;
    detail::deallocate_elsewhere(pointer, bytes);
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

/// Pooled memory for n values, given back at the end of the scope.
template <class T>
class Scratch {
public:
    explicit Scratch(std::int64_t n)
        : bytes_(static_cast<std::size_t>(n) * sizeof(T)), data_(n == 0 ? nullptr : static_cast<T*>(allocate(bytes_))) {}
    ~Scratch() { deallocate(data_, bytes_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    T* data() const { return data_; }
    T& operator[](std::int64_t i) const { return data_[i]; }

private:
    std::size_t bytes_;
    T* data_;
};

}  // namespace headtorch::cpu

namespace headtorch {

/// Room for a tensor's elements, as every device offers it.
inline void* allocate_elements(Cpu, std::size_t bytes) {
    void* data = cpu::allocate(bytes);
    cpu::detail::tensor_came(bytes);
    return data;
}
inline void deallocate_elements(Cpu, void* data, std::size_t bytes) noexcept {
    cpu::detail::tensor_went(bytes);
    cpu::deallocate(data, bytes);
}

}  // namespace headtorch
