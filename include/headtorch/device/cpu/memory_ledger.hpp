// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// The books of host memory: what tensors hold, what it was at most, and how often the system was asked. Each thread keeps its own page,
/// which others only read, so that counting takes no locked instruction; changes that matter are carried over to the common page.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>

#include "headtorch/core/config.hpp"

namespace headtorch::cpu::detail {

/// A number that one thread changes and any may read.
class OwnCount {
public:
    std::int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
    void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t change) noexcept { set(get() + change); }

private:
    std::atomic<std::int64_t> value_{0};
};

/// So many tensors and their bytes, in one number: that a tensor comes or goes is one addition.
class TensorSum {
public:
    static constexpr std::int64_t of(std::int64_t bytes, std::int64_t tensors) { return bytes * (std::int64_t{1} << shift) + tensors; }
    static constexpr std::int64_t tensors(std::int64_t sum) {  // the low bits, with their sign
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) << (64 - shift)) >> (64 - shift);
    }
    static constexpr std::int64_t bytes(std::int64_t sum) { return (sum - tensors(sum)) >> shift; }

private:
    static constexpr int shift = 24;
};

/// One thread's page: the tensors that it made, less those that it freed, since they were last carried over to the common page.
class LedgerPage {
public:
    /// It may be ahead of the common page by so many bytes.
    static constexpr std::int64_t unnoticed = 256 * 1024;

    static LedgerPage& of_thread() noexcept {
        static constinit thread_local LedgerPage page;
        return page;
    }

    /// 0 < bytes <= unnoticed: so there are no more tensors than fit into a TensorSum.
    void tensor_came(std::int64_t bytes) {
        const std::int64_t now = sum.get() + TensorSum::of(bytes, 1);
        sum.set(now);
        if (now > highest.get()) [[unlikely]] rise(now);
    }
    void tensor_went(std::int64_t bytes) noexcept {
        const std::int64_t now = sum.get() - TensorSum::of(bytes, 1);
        sum.set(now);
        if (now < TensorSum::of(-unnoticed, 0)) [[unlikely]] rise(now);
    }
    /// Nobody will read it any more: what comes and goes is noted on the common page, for either comparison above holds.
    void close() noexcept {
        sum.set(closed);
        highest.set(std::numeric_limits<std::int64_t>::min());
    }

    OwnCount sum;
    OwnCount highest;

private:
    static constexpr std::int64_t closed = std::numeric_limits<std::int64_t>::min() / 2;
    void rise(std::int64_t now) noexcept;
};

/// The common page.
class Ledger {
public:
    /// Never destroyed, since static tensors may outlive everything else.
    static Ledger& instance() {
        static Ledger& ledger = *new Ledger;
        return ledger;
    }

    /// A tensor came (1) or went (-1) that is too large for a page, or whose thread has none any more.
    HEADTORCH_COLD void count(std::int64_t bytes, std::int64_t tensors) {
        const std::lock_guard lock(mutex_);
        tensors_ += tensors;
        bytes_ += bytes;
        highest_ = std::max(highest_, bytes_);
    }
    HEADTORCH_COLD void carry_over(LedgerPage& page) {
        const std::lock_guard lock(mutex_);
        highest_ = std::max(highest_, bytes_ + TensorSum::bytes(page.highest.get()));
        bytes_ += TensorSum::bytes(page.sum.get());
        tensors_ += TensorSum::tensors(page.sum.get());
        page.sum.set(0);
        page.highest.set(0);
    }
    /// Blocks that a cache which ends gave.
    void add_reused(std::int64_t blocks) {
        const std::lock_guard lock(mutex_);
        reused_ += blocks;
    }

    /// The system gave a block (bytes > 0), or got one back.
    void count_system(std::int64_t bytes) noexcept {
        system_bytes_.fetch_add(bytes, std::memory_order_relaxed);
        if (bytes > 0) system_blocks_.fetch_add(1, std::memory_order_relaxed);
    }
    std::int64_t system_bytes() const noexcept { return system_bytes_.load(std::memory_order_relaxed); }
    std::int64_t system_blocks() const noexcept { return system_blocks_.load(std::memory_order_relaxed); }

    struct Sums {
        std::int64_t bytes = 0, highest = 0, tensors = 0, reused = 0;
    };
    /// Over the common page and those that `for_each_page` shows. With `forget`, the highest so far is what there is now.
    template <class ForEachPage>
    Sums sums(const ForEachPage& for_each_page, bool forget = false) {
        const std::lock_guard lock(mutex_);
        Sums sums{bytes_, highest_, tensors_, reused_};
        for_each_page([&](LedgerPage& page) {
            sums.bytes += TensorSum::bytes(page.sum.get());
            sums.tensors += TensorSum::tensors(page.sum.get());
        });
        sums.highest = std::max(sums.highest, sums.bytes);
        for_each_page([&](LedgerPage& page) {
            const std::int64_t rise = TensorSum::bytes(page.highest.get()) - TensorSum::bytes(page.sum.get());
            sums.highest = std::max(sums.highest, sums.bytes + rise);
            if (forget) page.highest.set(page.sum.get());
        });
        if (forget) highest_ = sums.highest = sums.bytes;
        return sums;
    }

private:
    std::mutex mutex_;
    std::int64_t bytes_ = 0, highest_ = 0, tensors_ = 0, reused_ = 0;
    std::atomic<std::int64_t> system_bytes_{0}, system_blocks_{0};
};

HEADTORCH_COLD inline void LedgerPage::rise(std::int64_t now) noexcept {
    if (highest.get() == std::numeric_limits<std::int64_t>::min()) {
        Ledger::instance().count(TensorSum::bytes(now - closed), TensorSum::tensors(now - closed));
        return sum.set(closed);
    }
    if (now > highest.get()) highest.set(now);
    const std::int64_t bytes = TensorSum::bytes(now);
    if (bytes > unnoticed || bytes < -unnoticed) Ledger::instance().carry_over(*this);
}

/// Tensors of more bytes, or of none, are noted on the common page; and all are, when a thread has no cache that would show its page.
inline bool is_for_page(std::size_t bytes) noexcept { return reuse_memory && bytes - 1 < static_cast<std::size_t>(LedgerPage::unnoticed); }

/// A tensor's elements were allocated, or freed.
inline void tensor_came(std::size_t bytes) {
    if (is_for_page(bytes)) [[likely]]
        LedgerPage::of_thread().tensor_came(static_cast<std::int64_t>(bytes));
    else
        Ledger::instance().count(static_cast<std::int64_t>(bytes), 1);
}
inline void tensor_went(std::size_t bytes) noexcept {
    if (is_for_page(bytes)) [[likely]]
        LedgerPage::of_thread().tensor_went(static_cast<std::int64_t>(bytes));
    else
        Ledger::instance().count(-static_cast<std::int64_t>(bytes), -1);
}

}  // namespace headtorch::cpu::detail
