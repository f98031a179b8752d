// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT

#pragma once

/// A device's memory: one range of addresses that can be touched only while queued work of that device runs. Where the processor has
/// protection keys (x86's PKU) opening it costs an instruction and counts for one host thread; elsewhere it is an mprotect.
///
/// New and freed memory is filled with ones (a NaN of every floating-point type, a bad index); behind each allocation lies a gap whose
/// pattern is checked when the memory is freed; AddressSanitizer knows all that is not allocated as poisoned.

#include <cstdint>
#include <cstring>
#include <map>

#include <sys/mman.h>

#include "report.h"

#ifdef CUDA_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_emulator {

inline void poison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t size) {
#ifdef CUDA_EMULATOR_ASAN
    __asan_poison_memory_region(begin, size);
#endif
}
inline void unpoison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t size) {
#ifdef CUDA_EMULATOR_ASAN
    __asan_unpoison_memory_region(begin, size);
#endif
}

class Arena {
public:
    static constexpr std::size_t alignment = 256, gap = 256, growth = 2 << 20;
    static constexpr int pattern = 0xff;

    explicit Arena(std::size_t limit) : limit_(limit), reserve_((limit * 4 + growth) / growth * growth) {
        char* memory = static_cast<char*>(mmap(nullptr, reserve_ + growth, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        if (memory == MAP_FAILED) fail("no room for %zu bytes of addresses for device memory; lower CUDA_EMULATOR_MEMORY", reserve_);
        base_ = memory + (growth - reinterpret_cast<std::uintptr_t>(memory) % growth) % growth;
        madvise(base_, reserve_, MADV_HUGEPAGE);
#if defined(PKEY_DISABLE_ACCESS)
        key_ = pkey_alloc(0, PKEY_DISABLE_ACCESS);
        if (key_ >= 0 && pkey_mprotect(base_, reserve_, PROT_READ | PROT_WRITE, key_) != 0) key_ = -1;
#endif
    }

    bool holds(const void* p) const { return p >= base_ && p < base_ + reserve_; }
    std::size_t used() const { return used_; }
    std::size_t limit() const { return limit_; }
    bool is_open() const { return open_; }

    /// Lets this thread touch the memory, or no longer.
    void open(bool access) {
        if (access == open_) return;
        open_ = access;
#if defined(PKEY_DISABLE_ACCESS)
        if (key_ >= 0) {
            pkey_set(key_, access ? 0 : PKEY_DISABLE_ACCESS);
            return;
        }
#endif
        mprotect(base_, extent_, access ? PROT_READ | PROT_WRITE : PROT_NONE);
    }

    /// Null when it does not fit.
    void* allocate(std::size_t size) {
        if (size > limit_ - used_) return nullptr;
        const std::size_t room = (size + alignment - 1) / alignment * alignment + gap;
        char* place = nullptr;
        for (auto hole = holes_.begin(); hole != holes_.end() && place == nullptr; ++hole) {
            if (hole->second < room) continue;
            place = hole->first;
            const std::size_t rest = hole->second - room;
            holes_.erase(hole);
            if (rest > 0) holes_[place + room] = rest;
            break;
        }
        if (place == nullptr) {
            if (room > reserve_ - top_) return nullptr;
            place = base_ + top_;
            top_ += room;
            grow();
        }
        live_[place] = {size, room};
        used_ += size;
        fill(place, size, room);
        return place;
    }

    /// False when no allocation begins there.
    bool free(void* p) {
        const auto found = live_.find(static_cast<char*>(p));
        if (found == live_.end()) return false;
        const auto [size, room] = found->second;
        char* place = found->first;
        const bool was_open = open_;
        open(true);
        unpoison(place, room);
        for (std::size_t i = size; i < room; ++i)
            if (place[i] != static_cast<char>(pattern))
                fail("byte %zu of an allocation of %zu bytes at %p was written; found when it was freed", i, size, p);
        std::memset(place, pattern, room);
        poison(place, room);
        open(was_open);
        live_.erase(found);
        used_ -= size;
        auto hole = holes_.emplace(place, room).first;
        if (const auto next = std::next(hole); next != holes_.end() && hole->first + hole->second == next->first) {
            hole->second += next->second;
            holes_.erase(next);
        }
        if (hole != holes_.begin()) {
            if (const auto before = std::prev(hole); before->first + before->second == hole->first) {
                before->second += hole->second;
                holes_.erase(hole);
            }
        }
        return true;
    }

    struct Found {
        const char* begin = nullptr;
        std::size_t size = 0;
    };
    /// The allocation that holds p; its size is 0 when there is none.
    Found find(const void* p) const {
        auto after = live_.upper_bound(static_cast<char*>(const_cast<void*>(p)));
        if (after == live_.begin()) return {};
        --after;
        if (p >= after->first + after->second.size) return {};
        return {after->first, after->second.size};
    }

private:
    struct Allocation {
        std::size_t size, room;
    };

    void grow() {
        if (top_ <= extent_) return;
        const std::size_t before = extent_;
        extent_ = (top_ + growth - 1) / growth * growth;
        poison(base_ + before, extent_ - before);
        if (key_ < 0 && open_) mprotect(base_ + before, extent_ - before, PROT_READ | PROT_WRITE);
    }
    void fill(char* place, std::size_t size, std::size_t room) {
        const bool was_open = open_;
        open(true);
        unpoison(place, room);
        std::memset(place, pattern, room);
        poison(place, room);
        unpoison(place, size);
        open(was_open);
    }

    std::size_t limit_, reserve_;
    char* base_ = nullptr;
    std::size_t top_ = 0, extent_ = 0, used_ = 0;
    int key_ = -1;
    bool open_ = false;
    std::map<char*, Allocation> live_;
    std::map<char*, std::size_t> holes_;
};

}  // namespace cuda_emulator
