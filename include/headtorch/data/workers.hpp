// headtorch: tensors and autograd for C++20.
// SPDX-License-Identifier: MIT
#pragma once

/// Threads that make results ahead of their use, in order: result k is make(k), whichever thread makes it and whenever.

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "headtorch/autograd/grad_mode.hpp"
#include "headtorch/core/error.hpp"
#include "headtorch/device/cpu/parallel.hpp"

namespace headtorch::data::detail {

/// Results 0, …, count - 1 for one reader, who asks for them in order. At most workers * ahead of them wait to be read.
/// Its end interrupts nothing: it waits until each thread has made the result that it is at, and starts no more.
template <class Result>
class Workers {
public:
    /// `make` is called by several threads at once. Throws Error when the system gives no threads.
    Workers(std::function<Result(std::int64_t)> make, std::int64_t count, int workers, int ahead)
        : make_(std::move(make)), count_(count), recording_(GradMode::enabled()) {
        const std::int64_t room = std::min<std::int64_t>(count, std::int64_t{workers} * ahead);
        slots_.resize(static_cast<std::size_t>(room));
        try {
            for (std::int64_t i = 0; i < std::min<std::int64_t>(workers, room); ++i) threads_.emplace_back([this] { work(); });
        } catch (const std::system_error& failure) {
            stop();
            throw Error(message("data_loader: the system gives no more threads than ", threads_.size(), " (", failure.what(),
                                "): use fewer workers"));
        } catch (...) {
            stop();
            throw;
        }
    }
    ~Workers() { stop(); }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    /// Result k, which must be the first that is not released; waits for it. Throws what make(k) threw.
    Result get(std::int64_t k) {
        Slot& slot = slots_[place(k)];
        std::unique_lock lock(mutex_);
        made_.wait(lock, [&] { return slot.done; });
        if (slot.failure) std::rethrow_exception(slot.failure);
        return *slot.result;
    }
    /// Forgets the results before k: there is room for as many new ones.
    void release(std::int64_t k) {
        std::vector<Slot> gone;  // destroyed outside the lock
        {
            std::unique_lock lock(mutex_);
            for (; released_ < std::min(k, count_); ++released_) {
                Slot& slot = slots_[place(released_)];
                made_.wait(lock, [&] { return slot.done; });
                gone.push_back(std::exchange(slot, {}));
            }
        }
        room_.notify_all();
    }

private:
    struct Slot {
        bool done = false;
        std::optional<Result> result{};
        std::exception_ptr failure{};
    };

    std::size_t place(std::int64_t k) const { return static_cast<std::size_t>(k) % slots_.size(); }

    void work() {
        set_num_threads(1);  // of this thread: the workers are the threads
        const GradModeGuard mode(recording_);
        std::unique_lock lock(mutex_);
        while (true) {
            room_.wait(lock, [&] { return stopped_ || next_ == count_ || next_ - released_ < static_cast<std::int64_t>(slots_.size()); });
            if (stopped_ || next_ == count_) return;
            const std::int64_t k = next_++;
            lock.unlock();
            Slot filled;
            try {
                filled.result.emplace(make_(k));
            } catch (...) {
                filled.failure = std::current_exception();
            }
            filled.done = true;
            lock.lock();
            slots_[place(k)] = std::move(filled);
            made_.notify_all();
        }
    }

    void stop() {
        {
            std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        room_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    const std::function<Result(std::int64_t)> make_;
    const std::int64_t count_;
    const bool recording_;  // as where the epoch began
    std::mutex mutex_;
    std::condition_variable room_, made_;
    std::vector<Slot> slots_;
    std::int64_t next_ = 0, released_ = 0;
    bool stopped_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace headtorch::data::detail
